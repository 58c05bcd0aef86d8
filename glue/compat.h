/* Every call outside the limited API, and what older Pythons lack. Nothing else in glue/ may use
 * one directly that is not listed here, so that an abi3 build and its cost can be judged.
 *
 * Outside the limited API:
 *   PyContext_Copy, PyContext_CopyCurrent, PyContext_Enter, PyContext_Exit    contexts of tasks
 *   PyList_SET_ITEM, PyTuple_SET_ITEM, PyBytes_AS_STRING, PyBytes_GET_SIZE    unchecked access
 *   PyUnicode_READ_KIND... are not used: text is made from bytes with the checked functions
 */
#ifndef HFA_COMPAT_H
#define HFA_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

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

#endif
