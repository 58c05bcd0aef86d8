#include "pool_object.h"

#include "pool.h"

#include <stddef.h>

#define SITES_MAX 64

struct pool_object {
    PyObject_HEAD struct hfa_pool *pool; /* owned; NULL once closed */
    PyObject *loop;                      /* owned */
    PyObject *collect;                   /* owned while open: the bound method, for the loop */
    size_t pending;                      /* jobs without done() */
    bool is_kick_scheduled;
    struct hfa_job_site sites[SITES_MAX];
};

struct call {
    struct hfa_job job;
    struct pool_object *owner; /* counted */
    PyObject *function, *arguments, *context, *on_done;
    PyObject *result, *exception; /* one of them; neither: it has not run */
};

static struct call *call_of(struct hfa_job *job)
{
    return (struct call *)((char *)job - offsetof(struct call, job));
}

static void free_call(struct call *call)
{
    Py_XDECREF(call->function);
    Py_XDECREF(call->arguments);
    Py_XDECREF(call->context);
    Py_XDECREF(call->on_done);
    Py_XDECREF(call->result);
    Py_XDECREF(call->exception);
    Py_XDECREF(call->owner);
    PyMem_Free(call);
}

static void run_call(struct hfa_job *job)
{
    struct call *call = call_of(job);

    if (hfa_pool_enter_context(call->owner->pool, call->context) == 0) {
        call->result = PyObject_Call(call->function, call->arguments, NULL);
        if (call->result == NULL)
            call->exception = hfa_job_take_exception();
        if (PyContext_Exit(call->context) < 0)
            PyErr_WriteUnraisable(call->function);
    } else {
        call->exception = hfa_job_take_exception();
    }
}

static void call_done(struct hfa_job *job)
{
    struct call *call = call_of(job);
    PyObject *result =
        PyObject_CallFunctionObjArgs(call->on_done, call->result == NULL ? Py_None : call->result,
                                     call->exception == NULL ? Py_None : call->exception, NULL);

    if (result == NULL)
        PyErr_WriteUnraisable(call->on_done);
    Py_XDECREF(result);
    call->owner->pending--;
    free_call(call);
}

/* Any thread. */
static void wake_loop(void *data)
{
    struct pool_object *self = data;
    PyGILState_STATE lock = PyGILState_Ensure();
    PyObject *exception = hfa_take_exception();
    PyObject *handle =
        self->collect == NULL
            ? NULL
            : PyObject_CallMethod(self->loop, "call_soon_threadsafe", "O", self->collect);

    if (handle == NULL)
        PyErr_Clear(); /* the loop is closed: nobody waits for the jobs */
    Py_XDECREF(handle);
    if (exception != NULL)
        hfa_raise_exception(exception);
    PyGILState_Release(lock);
}

static PyObject *pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"loop", NULL};
    PyObject *loop;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Pool", keywords, &loop))
        return NULL;
    struct pool_object *self = (struct pool_object *)PyType_GenericAlloc(type, 0);
    if (self == NULL)
        return NULL;
    self->loop = Py_NewRef(loop);
    self->collect = PyObject_GetAttrString((PyObject *)self, "collect");
    if (self->collect == NULL ||
        hfa_pool_new(PyType_GetModuleState(type), wake_loop, self, &self->pool) < 0) {
        Py_CLEAR(self->collect);
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static PyObject *collect(PyObject *object, PyObject *unused)
{
    struct pool_object *self = (struct pool_object *)object;
    unsigned count = 0;

    (void)unused;
    self->is_kick_scheduled = false;
    while (self->pool != NULL) {
        count += hfa_pool_collect(self->pool);
        hfa_pool_kick(self->pool);
        if (!hfa_pool_has_done(self->pool))
            break;
    }
    return PyLong_FromUnsignedLong(count);
}

/* What is submitted in one turn of the loop is handed over at its end. */
static int schedule_kick(struct pool_object *self)
{
    if (self->is_kick_scheduled)
        return 0;
    PyObject *handle = PyObject_CallMethod(self->loop, "call_soon", "O", self->collect);
    if (handle == NULL)
        return -1;
    Py_DECREF(handle);
    self->is_kick_scheduled = true;
    return 0;
}

static PyObject *submit(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"function", "arguments", "on_done", "site", "counts", NULL};
    struct pool_object *self = (struct pool_object *)object;
    PyObject *function, *arguments, *on_done;
    unsigned site = 0;
    int counts = 1;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO!O|$Ip:submit", keywords, &function,
                                     &PyTuple_Type, &arguments, &on_done, &site, &counts))
        return NULL;
    if (site >= SITES_MAX || self->pool == NULL) {
        PyErr_SetString(PyExc_ValueError, self->pool == NULL ? "closed" : "no such site");
        return NULL;
    }
    if (schedule_kick(self) < 0)
        return NULL;
    struct call *call = PyMem_Calloc(1, sizeof(*call));
    if (call == NULL)
        return PyErr_NoMemory();
    call->job = (struct hfa_job){
        .site = &self->sites[site], .run = run_call, .done = call_done, .counts = counts != 0};
    call->owner = (struct pool_object *)Py_NewRef(self);
    call->function = Py_NewRef(function);
    call->arguments = Py_NewRef(arguments);
    call->on_done = Py_NewRef(on_done);
    call->context = PyContext_CopyCurrent();
    if (call->context == NULL || hfa_pool_submit(self->pool, &call->job) < 0) {
        free_call(call);
        return NULL;
    }
    self->pending++;
    Py_RETURN_NONE;
}

static PyObject *close_pool(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"timeout", NULL};
    struct pool_object *self = (struct pool_object *)object;
    double timeout = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|d:close", keywords, &timeout))
        return NULL;
    unsigned abandoned = hfa_pool_free(self->pool, (uint64_t)(timeout * 1e9));
    self->pool = NULL;
    Py_CLEAR(self->collect);
    return PyLong_FromUnsignedLong(abandoned);
}

static PyObject *is_slow(PyObject *object, PyObject *argument)
{
    unsigned long site = PyLong_AsUnsignedLong(argument);

    if (PyErr_Occurred() || site >= SITES_MAX) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "no such site");
        return NULL;
    }
    return PyBool_FromLong(hfa_job_site_is_slow(&((struct pool_object *)object)->sites[site]));
}

static int pool_traverse(PyObject *object, visitproc visit, void *arg)
{
    struct pool_object *self = (struct pool_object *)object;

    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->loop);
    Py_VISIT(self->collect);
    return 0;
}

static int pool_clear(PyObject *object)
{
    struct pool_object *self = (struct pool_object *)object;

    Py_CLEAR(self->collect);
    Py_CLEAR(self->loop);
    return 0;
}

static void pool_dealloc(PyObject *object)
{
    struct pool_object *self = (struct pool_object *)object;
    PyTypeObject *type = Py_TYPE(object);

    PyObject_GC_UnTrack(object);
    hfa_pool_free(self->pool, 0); /* without jobs, which keep their pool */
    pool_clear(object);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef pool_methods[] = {
    {"submit", (PyCFunction)(void (*)(void))submit, METH_VARARGS | METH_KEYWORDS,
     "submit(function, arguments, on_done, *, site=0, counts=True): calls function(*arguments) in "
     "a worker thread and a copy of the context, then on_done(result, exception) in the loop."},
    {"collect", collect, METH_NOARGS, "collect(): calls on_done() of what is finished."},
    {"close", (PyCFunction)(void (*)(void))close_pool, METH_VARARGS | METH_KEYWORDS,
     "close(timeout=0): ends the threads; returns how many calls were left running."},
    {"is_slow", is_slow, METH_O, "is_slow(site): whether its calls have a worker each."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_new, pool_new},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_clear, pool_clear},
    {Py_tp_methods, pool_methods},
    {Py_tp_doc, "Pool(loop): worker threads that share AnyIO's default limiter."},
    {0, NULL},
};

PyType_Spec hfa_pool_object_spec = {
    .name = "hyperfastapi._core.Pool",
    .basicsize = sizeof(struct pool_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};
