/* Every call outside the limited API, and what older Pythons lack. Nothing else in glue/ may use
 * one directly that is not listed here, so that an abi3 build and its cost can be judged.
 *
 * Outside the limited API:
 *   PyContext_Copy, PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit,
 *   PyContext_CheckExact                                                      contexts of tasks
 *   PyList_SET_ITEM, PyTuple_SET_ITEM, PyBytes_AS_STRING, PyBytes_GET_SIZE    unchecked access
 *   PyList_GET_ITEM, PyList_GET_SIZE, PyTuple_GET_ITEM, PyTuple_GET_SIZE      the same
 *   PyListObject.ob_item, PyTupleObject.ob_item                               guards of lists
 *   PySequence_Fast_ITEMS, PySequence_Fast_GET_SIZE,
 *   PySequence_Fast_GET_ITEM, PyFloat_AS_DOUBLE                               the same, of JSON
 *   PyUnicode_IS_COMPACT_ASCII, PyUnicode_KIND, PyUnicode_DATA, PyUnicode_1BYTE_DATA,
 *   PyUnicode_GET_LENGTH, PyUnicode_READ_CHAR, PyUnicode_READY, PyUnicode_New
 *                                                text of JSON and of WebSockets, read and made in
 * place PyCompactUnicodeObject.utf8, .utf8_length    the UTF-8 that a str already has
 *   PyMemberDescr_Type, PyMemberDescrObject.d_member, _PyType_Lookup          guards of slots
 *   PyDict_SetDefault                                                         scopes
 *   PyDict_AddWatcher, PyDict_Watch, PyDict_ClearWatcher,
 *   PyDictObject.ma_version_tag                                               guards of dicts
 *   PyStopIterationObject                                                     one used again
 *   PyVectorcall_NARGS, PyMethod_New                                          methods of WebSockets
 *   PyUnstable_Long_IsCompact, PyUnstable_Long_CompactValue                   small ints of JSON
 * Elsewhere text is made from bytes with the checked functions.
 */
#ifndef HFA_COMPAT_H
#define HFA_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdint.h>

/* 3.11 has it. */
#ifndef Py_NO_INLINE
#define Py_NO_INLINE __attribute__((noinline))
#endif

/* 3.12: the raised exception as one object; a new reference, NULL when none is set. */
static inline PyObject *hfa_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* Whether a list holds just the objects of a tuple: a guard that each request checks. */
static inline bool hfa_list_equals_tuple(PyObject *list, PyObject *tuple)
{
    Py_ssize_t count = PyList_GET_SIZE(list);

    return count == PyTuple_GET_SIZE(tuple) &&
           (count == 0 || memcmp(((PyListObject *)list)->ob_item, ((PyTupleObject *)tuple)->ob_item,
                                 (size_t)count * sizeof(PyObject *)) == 0);
}

/* Where instances of a class keep what a slot of theirs holds; 0: it is no such slot. */
static inline Py_ssize_t hfa_slot_offset(PyObject *descriptor)
{
    if (!Py_IS_TYPE(descriptor, &PyMemberDescr_Type))
        return 0;
    const PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
    return member->type == T_OBJECT_EX ? member->offset : 0;
}

/* Raises `exception`; steals the reference. */
static inline void hfa_raise_exception(PyObject *exception)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(exception);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(exception)), exception,
                  PyException_GetTraceback(exception));
#endif
}

/* Until 3.12 a str may still have a form that the macros cannot read. */
static inline bool hfa_str_is_ready(PyObject *string)
{
#if PY_VERSION_HEX >= 0x030C0000
    (void)string;
    return true;
#else
    if (PyUnicode_READY(string) == 0)
        return true;
    PyErr_Clear();
    return false;
#endif
}

/* The UTF-8 of a str that is not ASCII, if it has been asked for before; borrowed, or NULL. To make
 * it would keep it as long as the str lives. */
static inline const char *hfa_str_known_utf8(PyObject *string, size_t *length)
{
    const PyCompactUnicodeObject *compact = (const PyCompactUnicodeObject *)string;
    *length = (size_t)compact->utf8_length;
    return compact->utf8;
}

/* False if the int, or a subclass's value, does not fit. */
static inline bool hfa_int_as_int64(PyObject *value, int64_t *number)
{
    int overflow;

#if PY_VERSION_HEX >= 0x030C0000
    if (PyUnstable_Long_IsCompact((PyLongObject *)value)) {
        *number = PyUnstable_Long_CompactValue((PyLongObject *)value);
        return true;
    }
#endif
    *number = PyLong_AsLongLongAndOverflow(value, &overflow);
    return overflow == 0;
}

#endif
