#include "await.h"

/* inspect.CO_ITERABLE_COROUTINE: a generator function under types.coroutine(). */
#define CO_FLAG_ITERABLE_COROUTINE 0x100

static bool is_generator_coroutine(PyObject *object)
{
    bool answer = false;

    if (!PyGen_CheckExact(object))
        return false;
    PyObject *code = PyObject_GetAttrString(object, "gi_code");
    PyObject *flags = code == NULL ? NULL : PyObject_GetAttrString(code, "co_flags");
    if (flags != NULL)
        answer = (PyLong_AsLong(flags) & CO_FLAG_ITERABLE_COROUTINE) != 0;
    Py_XDECREF(flags);
    Py_XDECREF(code);
    PyErr_Clear();
    return answer;
}

PyObject *hfa_await_iterator(PyObject *object)
{
    if (PyCoro_CheckExact(object) || is_generator_coroutine(object))
        return Py_NewRef(object);
    unaryfunc am_await = (unaryfunc)PyType_GetSlot(Py_TYPE(object), Py_am_await);
    if (am_await == NULL)
        return PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression",
                            Py_TYPE(object)->tp_name);
    PyObject *iterator = am_await(object);
    if (iterator == NULL)
        return NULL;
    if (PyCoro_CheckExact(iterator) || is_generator_coroutine(iterator)) {
        PyErr_SetString(PyExc_TypeError, "__await__() returned a coroutine");
        Py_DECREF(iterator);
        return NULL;
    }
    if (!PyIter_Check(iterator)) {
        PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'",
                     Py_TYPE(iterator)->tp_name);
        Py_DECREF(iterator);
        return NULL;
    }
    return iterator;
}

bool hfa_await_can_throw(Py_ssize_t count)
{
    if (count >= 1 && count <= 3)
        return true;
    PyErr_Format(PyExc_TypeError, "throw expected 1 to 3 arguments, got %zd", count);
    return false;
}

void hfa_await_set_thrown(PyObject *const *args, Py_ssize_t count)
{
    PyObject *type = args[0];
    PyObject *value = count > 1 && args[1] != Py_None ? args[1] : NULL;

    if (PyExceptionInstance_Check(type)) {
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    } else if (PyExceptionClass_Check(type)) {
        PyErr_SetObject(type, value);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from BaseException, not %s",
                     Py_TYPE(type)->tp_name);
    }
}

/* The value of the StopIteration that is set; clears it. */
static PyObject *take_stop_value(void)
{
    PyObject *exception = hfa_take_exception();
    PyObject *value = PyObject_GetAttrString(exception, "value");

    Py_DECREF(exception);
    return value;
}

PySendResult hfa_await_throw(PyObject *iterator, PyObject *const *args, Py_ssize_t count,
                             PyObject **result)
{
    PyObject *throw_method = PyObject_GetAttrString(iterator, "throw");

    *result = NULL;
    if (throw_method == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            hfa_await_set_thrown(args, count);
        }
        return PYGEN_ERROR;
    }
    *result = PyObject_Vectorcall(throw_method, args, (size_t)count, NULL);
    Py_DECREF(throw_method);
    if (*result != NULL)
        return PYGEN_NEXT;
    if (!PyErr_ExceptionMatches(PyExc_StopIteration))
        return PYGEN_ERROR;
    *result = take_stop_value();
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

int hfa_await_close(PyObject *iterator)
{
    PyObject *close_method = PyObject_GetAttrString(iterator, "close");

    if (close_method == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    PyObject *none = PyObject_CallNoArgs(close_method);
    Py_DECREF(close_method);
    if (none == NULL)
        return -1;
    Py_DECREF(none);
    return 0;
}

/* Raises StopIteration(value); takes `value`. */
static void set_stop_iteration(PyObject *value)
{
    /* A tuple would be taken for several arguments, an exception for the one to raise. */
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);

    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    Py_DECREF(value);
}

PyObject *hfa_await_step_result(PySendResult outcome, PyObject *result)
{
    if (outcome == PYGEN_RETURN) {
        set_stop_iteration(result);
        return NULL;
    }
    return outcome == PYGEN_NEXT ? result : NULL;
}

PyObject *hfa_await_next_result(PySendResult outcome, PyObject *result)
{
    if (outcome == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL;
    }
    return hfa_await_step_result(outcome, result);
}
