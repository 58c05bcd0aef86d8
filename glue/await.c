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

#if PY_VERSION_HEX >= 0x030C0000
/* Text and bytes above this are not kept in a spare exception; other objects never are. */
#define SPARE_VALUE_MAX 4096

static bool may_be_kept(PyObject *value)
{
    return (PyUnicode_CheckExact(value) && PyUnicode_GET_LENGTH(value) <= SPARE_VALUE_MAX) ||
           (PyBytes_CheckExact(value) && PyBytes_GET_SIZE(value) <= SPARE_VALUE_MAX);
}

/* As it was when it was made: nobody has it, or has put anything into it. */
static bool is_spare(PyObject *exception)
{
    const PyStopIterationObject *stop = (const PyStopIterationObject *)exception;

    return exception != NULL && Py_REFCNT(exception) == 1 && stop->dict == NULL &&
           stop->notes == NULL && stop->traceback == NULL && stop->context == NULL &&
           stop->cause == NULL && stop->args != NULL && Py_REFCNT(stop->args) == 1 &&
           PyTuple_GET_SIZE(stop->args) == 1;
}

/* Raises StopIteration(value). False: not with the spare one. */
static bool raise_spare(PyObject *value, PyObject **spare)
{
    if (!may_be_kept(value))
        return false;
    if (!is_spare(*spare)) {
        Py_XSETREF(*spare, PyObject_CallOneArg(PyExc_StopIteration, value));
        if (*spare == NULL)
            return true; /* that exception */
    } else {
        PyStopIterationObject *stop = (PyStopIterationObject *)*spare;
        PyObject *old = PyTuple_GET_ITEM(stop->args, 0);
        PyTuple_SET_ITEM(stop->args, 0, Py_NewRef(value));
        Py_XDECREF(old);
        Py_XSETREF(stop->value, Py_NewRef(value));
    }
    hfa_raise_exception(Py_NewRef(*spare));
    return true;
}

PyObject *hfa_await_next_result_again(PySendResult outcome, PyObject *result, PyObject **spare)
{
    if (outcome != PYGEN_RETURN || result == Py_None || !raise_spare(result, spare))
        return hfa_await_next_result(outcome, result);
    Py_DECREF(result);
    return NULL;
}
#else
/* Before 3.12 `await` asks am_send, which needs no exception. */
PyObject *hfa_await_next_result_again(PySendResult outcome, PyObject *result, PyObject **spare)
{
    (void)spare;
    return hfa_await_next_result(outcome, result);
}
#endif

PyObject *hfa_await_next_result(PySendResult outcome, PyObject *result)
{
    if (outcome == PYGEN_RETURN && result == Py_None) {
        Py_DECREF(result);
        return NULL;
    }
    return hfa_await_step_result(outcome, result);
}
