#include "waiter.h"

#include "server_object.h"

struct hfa_waiter *hfa_waiter_new(struct hfa_server_object *server)
{
    struct hfa_state *state = server->state;
    struct hfa_waiter *waiter =
        (struct hfa_waiter *)hfa_free_list_take(&state->free_waiters, state->waiter_type);

    if (waiter == NULL)
        return NULL;
    memset((char *)waiter + sizeof(PyObject), 0, sizeof(*waiter) - sizeof(PyObject));
    waiter->server = (struct hfa_server_object *)Py_NewRef((PyObject *)server);
    waiter->is_blocking = true;
    PyObject_GC_Track(waiter);
    return waiter;
}

int hfa_waiter_result(const struct hfa_waiter *waiter)
{
    const struct hfa_state *state = waiter->server->state;

    if (!waiter->is_done) {
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return -1;
    }
    if (!waiter->is_cancelled)
        return 1;
    PyObject *exception = waiter->cancel_message == NULL
                              ? PyObject_CallNoArgs(state->cancelled_error)
                              : PyObject_CallOneArg(state->cancelled_error, waiter->cancel_message);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return -1;
}

/* Whoever waits is called in a turn of the loop, as by a future of asyncio's. -1 with an exception:
 * the loop is closed. */
static int schedule(struct hfa_waiter *waiter)
{
    struct hfa_server_object *server = waiter->server;
    struct hfa_state *state = server->state;

    if (waiter->callback == NULL)
        return 0;
    PyObject *args[] = {server->loop, waiter->callback, (PyObject *)waiter, waiter->context};
    PyObject *handle = PyObject_VectorcallMethod(
        state->str_call_soon, args, 3, waiter->context == NULL ? NULL : state->context_kwnames);
    Py_CLEAR(waiter->callback);
    Py_XDECREF(handle);
    return handle == NULL ? -1 : 0;
}

void hfa_waiter_wake(struct hfa_waiter *waiter)
{
    if (waiter->is_done)
        return; /* cancelled, and not stepped yet */
    waiter->is_done = true;
    if (schedule(waiter) < 0)
        PyErr_Clear(); /* the loop is closed: nobody will look again */
}

void hfa_waiter_call_back(struct hfa_waiter *waiter)
{
    PyObject *callback = waiter->callback;

    waiter->callback = NULL;
    PyObject *done = PyObject_CallOneArg(callback, (PyObject *)waiter);
    if (done == NULL)
        hfa_server_object_report(waiter->server, "a task that waited could not be stepped");
    Py_XDECREF(done);
    Py_DECREF(callback);
}

void hfa_waiter_step(struct hfa_waiter *waiter)
{
    PyObject *context = waiter->context;

    if (waiter->is_done)
        return;
    if (waiter->callback == NULL || context == NULL || PyContext_Enter(context) < 0) {
        PyErr_Clear();
        hfa_waiter_wake(waiter);
        return;
    }
    waiter->is_done = true;
    Py_INCREF(waiter);
    Py_INCREF(context);
    hfa_waiter_call_back(waiter);
    if (PyContext_Exit(context) < 0)
        PyErr_WriteUnraisable((PyObject *)waiter);
    Py_DECREF(context);
    Py_DECREF(waiter);
}

void hfa_waiter_begin_step(struct hfa_waiter *waiter)
{
    waiter->is_done = waiter->is_stepping = true;
}

void hfa_waiter_end_step(struct hfa_waiter *waiter)
{
    waiter->is_stepping = false;
}

void hfa_waiter_wait_again(struct hfa_waiter *waiter)
{
    waiter->is_done = waiter->is_cancelled = waiter->asks_to_cancel;
    if (waiter->is_cancelled && schedule(waiter) < 0)
        PyErr_Clear(); /* the loop is closed: nobody will look again */
}

static PyObject *method_add_done_callback(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                          PyObject *kwnames)
{
    struct hfa_waiter *waiter = (struct hfa_waiter *)self;
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);

    if (count != 1 || named > 1) {
        PyErr_SetString(PyExc_TypeError, "add_done_callback(callback, *, context=None)");
        return NULL;
    }
    if (waiter->callback != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "only one task can wait here");
        return NULL;
    }
    waiter->callback = Py_NewRef(args[0]);
    Py_XSETREF(waiter->context,
               named > 0 && args[1] != Py_None ? Py_NewRef(args[1]) : PyContext_CopyCurrent());
    if (waiter->context == NULL)
        return NULL;
    if (waiter->is_done && schedule(waiter) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *method_remove_done_callback(PyObject *self, PyObject *callback)
{
    struct hfa_waiter *waiter = (struct hfa_waiter *)self;
    int is_same =
        waiter->callback == NULL ? 0 : PyObject_RichCompareBool(waiter->callback, callback, Py_EQ);

    if (is_same < 0)
        return NULL;
    if (is_same)
        Py_CLEAR(waiter->callback);
    return PyLong_FromLong(is_same);
}

static PyObject *method_cancel(PyObject *self, PyObject *const *args, Py_ssize_t count,
                               PyObject *kwnames)
{
    struct hfa_waiter *waiter = (struct hfa_waiter *)self;
    Py_ssize_t given = count + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));

    if (waiter->is_done && !waiter->is_stepping)
        Py_RETURN_FALSE;
    if (given > 0 && args[0] != Py_None)
        Py_XSETREF(waiter->cancel_message, Py_NewRef(args[0]));
    if (waiter->is_stepping) {
        waiter->asks_to_cancel = true;
        Py_RETURN_TRUE;
    }
    waiter->is_done = waiter->is_cancelled = true;
    if (schedule(waiter) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

static PyObject *method_result(PyObject *self, PyObject *unused)
{
    (void)unused;
    return hfa_waiter_result((struct hfa_waiter *)self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *method_get_loop(PyObject *self, PyObject *unused)
{
    (void)unused;
    return Py_NewRef(((struct hfa_waiter *)self)->server->loop);
}

static PyObject *method_done(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_waiter *)self)->is_done);
}

static PyObject *method_cancelled(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_waiter *)self)->is_cancelled);
}

static PyObject *get_blocking(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_waiter *)self)->is_blocking);
}

static int set_blocking(PyObject *self, PyObject *value, void *unused)
{
    int truth = value == NULL ? 0 : PyObject_IsTrue(value);

    (void)unused;
    if (truth < 0)
        return -1;
    ((struct hfa_waiter *)self)->is_blocking = truth;
    return 0;
}

static PyObject *get_loop(PyObject *self, void *unused)
{
    (void)unused;
    return method_get_loop(self, NULL);
}

static int waiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_waiter *waiter = (struct hfa_waiter *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(waiter->server);
    Py_VISIT(waiter->callback);
    Py_VISIT(waiter->context);
    Py_VISIT(waiter->cancel_message);
    return 0;
}

static int waiter_clear(PyObject *self)
{
    struct hfa_waiter *waiter = (struct hfa_waiter *)self;

    Py_CLEAR(waiter->callback);
    Py_CLEAR(waiter->context);
    Py_CLEAR(waiter->cancel_message);
    return 0;
}

static void waiter_dealloc(PyObject *self)
{
    struct hfa_waiter *waiter = (struct hfa_waiter *)self;
    struct hfa_state *state = waiter->server->state;

    PyObject_GC_UnTrack(self);
    waiter_clear(self);
    Py_DECREF(waiter->server);
    hfa_free_list_put(&state->free_waiters, self);
}

/* What isinstance() asks. AnyIO leaves a task alone whose asyncio.Future is done: what the task has
 * waited for is then its own, though the scope around it is cancelled in the same turn. */
static PyObject *get_class(PyObject *self, void *unused)
{
    (void)unused;
    return Py_NewRef(((struct hfa_waiter *)self)->server->state->future_type);
}

static PyMethodDef waiter_methods[] = {
    {"add_done_callback", (PyCFunction)(void (*)(void))method_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS, "Has the task called when the wait is over."},
    {"remove_done_callback", method_remove_done_callback, METH_O, "Takes that back."},
    {"cancel", (PyCFunction)(void (*)(void))method_cancel, METH_FASTCALL | METH_KEYWORDS,
     "Ends the wait with CancelledError."},
    {"result", method_result, METH_NOARGS, "None, or raises."},
    {"get_loop", method_get_loop, METH_NOARGS, "The event loop."},
    {"done", method_done, METH_NOARGS, "Whether the wait is over."},
    {"cancelled", method_cancelled, METH_NOARGS, "Whether it was cancelled."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef waiter_getset[] = {
    {"_asyncio_future_blocking", get_blocking, set_blocking, "How asyncio knows a future.", NULL},
    {"_loop", get_loop, NULL, "The event loop.", NULL},
    {"__class__", get_class, NULL, "asyncio.Future, whose place it takes.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot waiter_slots[] = {
    {Py_tp_doc, "A wait of one task."},
    {Py_tp_dealloc, waiter_dealloc},
    {Py_tp_traverse, waiter_traverse},
    {Py_tp_clear, waiter_clear},
    {Py_tp_methods, waiter_methods},
    {Py_tp_getset, waiter_getset},
    {0, NULL},
};

PyType_Spec hfa_waiter_spec = {
    .name = "hyperfastapi._core.Waiter",
    .basicsize = sizeof(struct hfa_waiter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = waiter_slots,
};
