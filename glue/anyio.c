#include "anyio.h"

static PyObject *import_attribute(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *attribute = module == NULL ? NULL : PyObject_GetAttrString(module, name);

    Py_XDECREF(module);
    return attribute;
}

/* NULL without an exception: sniffio is not installed. Recent releases of AnyIO do without it. */
static PyObject *find_library_variable(void)
{
    PyObject *variable = import_attribute("sniffio", "current_async_library_cvar");

    if (variable == NULL && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError))
        PyErr_Clear();
    return variable;
}

/* AnyIO asks sniffio which library runs, which knows it inside of a task only, or is told. */
static PyObject *find_limiter(PyObject *library)
{
    PyObject *limiter = NULL;
    PyObject *find = import_attribute("anyio.to_thread", "current_default_thread_limiter");
    PyObject *name = PyUnicode_FromString("asyncio");
    PyObject *context = PyContext_CopyCurrent();

    if (find == NULL || name == NULL || context == NULL || PyContext_Enter(context) < 0)
        goto done;
    PyObject *token = library == NULL ? NULL : PyContextVar_Set(library, name);
    if (library == NULL || token != NULL)
        limiter = PyObject_CallNoArgs(find);
    Py_XDECREF(token);
    PyObject *exception = hfa_take_exception();
    if (PyContext_Exit(context) < 0)
        PyErr_Clear();
    if (exception != NULL)
        hfa_raise_exception(exception);
done:
    Py_XDECREF(context);
    Py_XDECREF(name);
    Py_XDECREF(find);
    return limiter;
}

int hfa_anyio_open(struct hfa_anyio *anyio)
{
    PyObject *get_loop = import_attribute("asyncio", "get_running_loop");

    anyio->loop = get_loop == NULL ? NULL : PyObject_CallNoArgs(get_loop);
    Py_XDECREF(get_loop);
    if (anyio->loop == NULL)
        return -1;
    anyio->library = find_library_variable();
    if (anyio->library == NULL && PyErr_Occurred())
        return -1;
    anyio->limiter = find_limiter(anyio->library);
    if (anyio->limiter == NULL)
        return -1;
    anyio->backend = import_attribute("anyio._backends._asyncio", "AsyncIOBackend");
    anyio->claim = import_attribute("anyio._core._eventloop", "claim_worker_thread");
    anyio->thread_locals = import_attribute("anyio._core._eventloop", "threadlocals");
    return anyio->backend == NULL || anyio->claim == NULL || anyio->thread_locals == NULL ? -1 : 0;
}

void hfa_anyio_close(struct hfa_anyio *anyio)
{
    Py_CLEAR(anyio->loop);
    Py_CLEAR(anyio->limiter);
    Py_CLEAR(anyio->backend);
    Py_CLEAR(anyio->claim);
    Py_CLEAR(anyio->thread_locals);
    Py_CLEAR(anyio->library);
}

PyObject *hfa_anyio_enter_thread(struct hfa_anyio *anyio)
{
    PyObject *claim = PyObject_CallFunctionObjArgs(anyio->claim, anyio->backend, anyio->loop, NULL);
    PyObject *entered = claim == NULL ? NULL : PyObject_CallMethod(claim, "__enter__", NULL);

    if (entered == NULL) {
        Py_XDECREF(claim);
        return NULL;
    }
    Py_DECREF(entered);
    /* check_cancelled() needs one. A request without a scope around it cannot be cancelled. */
    if (PyObject_SetAttrString(anyio->thread_locals, "current_cancel_scope", Py_None) < 0) {
        PyObject *exception = hfa_take_exception();
        hfa_anyio_leave_thread(claim);
        hfa_raise_exception(exception);
        return NULL;
    }
    return claim;
}

void hfa_anyio_leave_thread(PyObject *claim)
{
    if (claim == NULL)
        return;
    PyObject *result = PyObject_CallMethod(claim, "__exit__", "OOO", Py_None, Py_None, Py_None);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    Py_DECREF(claim);
}

int hfa_anyio_hide_library(struct hfa_anyio *anyio)
{
    PyObject *name = NULL;

    if (anyio->library == NULL)
        return 0;
    if (PyContextVar_Get(anyio->library, Py_None, &name) < 0)
        return -1;
    bool is_hidden = name == Py_None;
    Py_DECREF(name);
    if (is_hidden)
        return 0;
    PyObject *token = PyContextVar_Set(anyio->library, Py_None);
    Py_XDECREF(token);
    return token == NULL ? -1 : 0;
}
