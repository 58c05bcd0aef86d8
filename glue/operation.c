#include "operation.h"

#include "await.h"
#include "server_object.h"

PyObject *hfa_operation_new(struct hfa_asgi_call *call, PyObject *message)
{
    struct hfa_state *state = call->server->state;
    struct hfa_operation *operation =
        (struct hfa_operation *)hfa_free_list_take(&state->free_operations, state->operation_type);

    if (operation == NULL)
        return NULL;
    operation->call = (struct hfa_asgi_call *)Py_NewRef((PyObject *)call);
    operation->message = Py_XNewRef(message);
    operation->future = NULL;
    operation->future_iterator = NULL;
    operation->next = NULL;
    operation->link = NULL;
    operation->state = HFA_OPERATION_NEW;
    operation->is_send = message != NULL;
    PyObject_GC_Track(operation);
    return (PyObject *)operation;
}

static const char *name_of(const struct hfa_operation *operation)
{
    return operation->is_send ? "send" : "receive";
}

static void leave_queue(struct hfa_operation *operation)
{
    if (operation->link == NULL)
        return;
    *operation->link = operation->next;
    if (operation->next != NULL)
        operation->next->link = operation->link;
    operation->link = NULL;
    operation->next = NULL;
}

static void stop_waiting(struct hfa_operation *operation)
{
    leave_queue(operation);
    Py_CLEAR(operation->future_iterator);
    Py_CLEAR(operation->future);
}

/* Done, one way or the other: what it referred to may go. Leaves the current exception alone. */
static void finish(struct hfa_operation *operation)
{
    operation->state = HFA_OPERATION_DONE;
    if (operation->future == NULL && operation->message == NULL)
        return;
    PyObject *exception = hfa_take_exception();
    stop_waiting(operation);
    Py_CLEAR(operation->message);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static int start_waiting(struct hfa_operation *operation)
{
    struct hfa_asgi_call *call = operation->call;
    struct hfa_state *state = call->server->state;
    struct hfa_operation **end = &call->waiting;

    operation->future = PyObject_CallMethodNoArgs(call->server->loop, state->str_create_future);
    if (operation->future == NULL)
        return -1;
    operation->future_iterator = hfa_await_iterator(operation->future);
    if (operation->future_iterator == NULL)
        return -1;
    while (*end != NULL)
        end = &(*end)->next;
    *end = operation;
    operation->link = end;
    operation->next = NULL;
    return 0;
}

/* Gives a future that is still awaited its result. */
static int wake(const struct hfa_state *state, PyObject *future)
{
    PyObject *done = PyObject_CallMethodNoArgs(future, state->str_done);

    if (done == NULL)
        return -1;
    Py_DECREF(done);
    if (done == Py_True)
        return 0; /* cancelled, but not stepped yet */
    PyObject *none = PyObject_CallMethodOneArg(future, state->str_set_result, Py_None);
    if (none == NULL)
        return -1;
    Py_DECREF(none);
    return 0;
}

void hfa_operation_wake_all(struct hfa_asgi_call *call)
{
    while (call->waiting != NULL) {
        struct hfa_operation *operation = call->waiting;
        /* Owned: waking runs the loop's code, and may let the operation die. */
        PyObject *future = Py_NewRef(operation->future);
        leave_queue(operation);
        if (wake(call->server->state, future) < 0)
            PyErr_Clear(); /* the loop is closed: nobody will look again */
        Py_DECREF(future);
    }
}

static int perform(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_asgi_call *call = operation->call;

    if (!hfa_server_object_is_loop_thread(call->server)) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s() was awaited in another thread than the server's event loop; use "
                     "asyncio.run_coroutine_threadsafe()",
                     name_of(operation));
        return -1;
    }
    if (!operation->is_send)
        return call->is_websocket ? hfa_asgi_websocket_receive(call, result)
                                  : hfa_asgi_http_receive(call, result);
    int done = call->is_websocket ? hfa_asgi_websocket_send(call, operation->message)
                                  : hfa_asgi_http_send(call, operation->message);
    if (done == 1)
        *result = Py_NewRef(Py_None);
    return done;
}

/* Works on until it is done or has to wait. */
static PySendResult proceed(struct hfa_operation *operation, PyObject **result)
{
    for (;;) {
        operation->state = HFA_OPERATION_RUNNING;
        int done = perform(operation, result);
        if (done != 0) {
            finish(operation);
            return done == 1 ? PYGEN_RETURN : PYGEN_ERROR;
        }
        if (start_waiting(operation) < 0)
            break;
        PySendResult outcome = PyIter_Send(operation->future_iterator, Py_None, result);
        if (outcome == PYGEN_NEXT) {
            operation->state = HFA_OPERATION_WAITING;
            return PYGEN_NEXT;
        }
        if (outcome == PYGEN_ERROR)
            break;
        Py_CLEAR(*result);
        stop_waiting(operation);
    }
    finish(operation);
    return PYGEN_ERROR;
}

/* The future that it waits for has been stepped, with this outcome. */
static PySendResult after_wait(struct hfa_operation *operation, PySendResult outcome,
                               PyObject *value, PyObject **result)
{
    *result = NULL;
    if (outcome == PYGEN_NEXT) {
        operation->state = HFA_OPERATION_WAITING;
        *result = value;
        return PYGEN_NEXT;
    }
    if (outcome == PYGEN_ERROR) {
        finish(operation);
        return PYGEN_ERROR;
    }
    Py_DECREF(value);
    stop_waiting(operation);
    return proceed(operation, result);
}

/* False with an exception set when the coroutine cannot be stepped now. */
static bool can_step(const struct hfa_operation *operation)
{
    if (operation->state == HFA_OPERATION_RUNNING)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else if (operation->state == HFA_OPERATION_DONE)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    else
        return true;
    return false;
}

static PySendResult operation_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;
    PyObject *stepped = NULL;

    *result = NULL;
    if (!can_step(operation))
        return PYGEN_ERROR;
    if (operation->state == HFA_OPERATION_NEW) {
        if (value == Py_None)
            return proceed(operation, result);
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
    }
    operation->state = HFA_OPERATION_RUNNING;
    PySendResult outcome = PyIter_Send(operation->future_iterator, value, &stepped);
    return after_wait(operation, outcome, stepped, result);
}

static PyObject *operation_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = operation_send(self, Py_None, &result);

    return hfa_await_next_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = operation_send(self, value, &result);

    return hfa_await_step_result(outcome, result);
}

static PyObject *method_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;
    PyObject *stepped = NULL;
    PyObject *result = NULL;

    if (!hfa_await_can_throw(count) || !can_step(operation))
        return NULL;
    if (operation->state == HFA_OPERATION_NEW) {
        hfa_await_set_thrown(args, count);
        finish(operation);
        return NULL;
    }
    operation->state = HFA_OPERATION_RUNNING;
    PySendResult outcome = hfa_await_throw(operation->future_iterator, args, count, &stepped);
    outcome = after_wait(operation, outcome, stepped, &result);
    return hfa_await_step_result(outcome, result);
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;
    int closed = 0;

    (void)unused;
    if (operation->state == HFA_OPERATION_DONE)
        Py_RETURN_NONE;
    if (!can_step(operation))
        return NULL;
    if (operation->state == HFA_OPERATION_WAITING)
        closed = hfa_await_close(operation->future_iterator);
    finish(operation);
    if (closed < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(name_of((struct hfa_operation *)self));
}

static PyObject *get_await(PyObject *self, void *unused)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;

    (void)unused;
    return Py_NewRef(operation->future == NULL ? Py_None : operation->future);
}

static PyObject *get_running(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_operation *)self)->state == HFA_OPERATION_RUNNING);
}

static int operation_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(operation->call);
    Py_VISIT(operation->message);
    Py_VISIT(operation->future);
    Py_VISIT(operation->future_iterator);
    return 0;
}

static int operation_clear(PyObject *self)
{
    finish((struct hfa_operation *)self);
    return 0;
}

/* As CPython says it of its own coroutines: a forgotten `await` is a bug worth hearing of. */
static void warn_never_awaited(const struct hfa_operation *operation)
{
    PyObject *exception = hfa_take_exception();

    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                         name_of(operation)) < 0)
        PyErr_WriteUnraisable(NULL);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static void operation_dealloc(PyObject *self)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;
    struct hfa_state *state = operation->call->server->state;

    PyObject_GC_UnTrack(self);
    if (operation->state == HFA_OPERATION_NEW)
        warn_never_awaited(operation);
    finish(operation);
    Py_DECREF(operation->call);
    hfa_free_list_put(&state->free_operations, self);
}

static PyMethodDef operation_methods[] = {
    {"send", method_send, METH_O, "Steps the coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the coroutine waits."},
    {"close", method_close, METH_NOARGS, "Ends the coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef operation_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_name, NULL, NULL, NULL},
    {"cr_await", get_await, NULL, "The future that it waits for, or None.", NULL},
    {"cr_running", get_running, NULL, "Whether it is being stepped.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot operation_slots[] = {
    {Py_tp_doc, "A coroutine: one receive() or send() of an ASGI application."},
    {Py_tp_dealloc, operation_dealloc},
    {Py_tp_traverse, operation_traverse},
    {Py_tp_clear, operation_clear},
    {Py_tp_methods, operation_methods},
    {Py_tp_getset, operation_getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, operation_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, operation_send},
    {0, NULL},
};

PyType_Spec hfa_operation_spec = {
    .name = "hyperfastapi._core.Operation",
    .basicsize = sizeof(struct hfa_operation),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = operation_slots,
};
