#include "operation.h"

#include "await.h"
#include "server_object.h"

PyObject *hfa_operation_new(struct hfa_asgi_call *call, const struct hfa_operation_kind *kind,
                            PyObject *owner, PyObject *argument)
{
    struct hfa_state *state = call->server->state;
    struct hfa_operation *operation =
        (struct hfa_operation *)hfa_free_list_take(&state->free_operations, state->operation_type);

    if (operation == NULL)
        return NULL;
    operation->call = (struct hfa_asgi_call *)Py_NewRef((PyObject *)call);
    operation->kind = kind;
    operation->owner = Py_XNewRef(owner);
    operation->argument = Py_XNewRef(argument);
    operation->inner = NULL;
    operation->waiter = NULL;
    operation->next = NULL;
    operation->link = NULL;
    operation->state = HFA_OPERATION_NEW;
    operation->has_begun = false;
    PyObject_GC_Track(operation);
    return (PyObject *)operation;
}

static int perform_receive(struct hfa_operation *operation, PyObject **result)
{
    return operation->call->is_websocket ? hfa_asgi_websocket_receive(operation->call, result)
                                         : hfa_asgi_http_receive(operation->call, result);
}

static int perform_send(struct hfa_operation *operation, PyObject **result)
{
    int done = operation->call->is_websocket
                   ? hfa_asgi_websocket_send(operation->call, operation->argument)
                   : hfa_asgi_http_send(operation->call, operation->argument);

    if (done == 1)
        *result = Py_NewRef(Py_None);
    return done;
}

const struct hfa_operation_kind hfa_operation_receive = {"receive", perform_receive};
const struct hfa_operation_kind hfa_operation_send = {"send", perform_send};

void hfa_operation_leave_queue(struct hfa_operation *operation)
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
    hfa_operation_leave_queue(operation);
    Py_CLEAR(operation->waiter);
}

/* Done, one way or the other: what it referred to may go. Leaves the current exception alone. */
static void finish(struct hfa_operation *operation)
{
    operation->state = HFA_OPERATION_DONE;
    if (operation->waiter == NULL && operation->argument == NULL && operation->owner == NULL &&
        operation->inner == NULL)
        return;
    PyObject *exception = hfa_take_exception();
    stop_waiting(operation);
    Py_CLEAR(operation->argument);
    Py_CLEAR(operation->owner);
    Py_CLEAR(operation->inner);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static int start_waiting(struct hfa_operation *operation)
{
    struct hfa_operation **end = &operation->call->waiting;

    operation->waiter = hfa_waiter_new(operation->call->server);
    if (operation->waiter == NULL)
        return -1;
    while (*end != NULL)
        end = &(*end)->next;
    *end = operation;
    operation->link = end;
    operation->next = NULL;
    return 0;
}

/* Ends the waits; user code that runs meanwhile may begin others, which are not ended. */
static void end_waits(struct hfa_asgi_call *call, void (*end)(struct hfa_waiter *))
{
    struct hfa_operation *waiting = call->waiting;

    call->waiting = NULL;
    if (waiting != NULL)
        waiting->link = &waiting;
    while (waiting != NULL) {
        struct hfa_operation *operation = waiting;
        /* Owned: it may let the operation die. */
        struct hfa_waiter *waiter = (struct hfa_waiter *)Py_NewRef((PyObject *)operation->waiter);
        hfa_operation_leave_queue(operation);
        end(waiter);
        Py_DECREF(waiter);
    }
}

void hfa_operation_wake_all(struct hfa_asgi_call *call)
{
    if (call->waiting != NULL)
        end_waits(call, hfa_waiter_wake);
}

void hfa_operation_step_all(struct hfa_asgi_call *call)
{
    if (call->waiting == NULL)
        return;
    Py_INCREF(call); /* its end may come with the step */
    end_waits(call, hfa_waiter_step);
    Py_DECREF(call);
}

static int perform(struct hfa_operation *operation, PyObject **result)
{
    if (!hfa_server_object_is_loop_thread(operation->call->server)) {
        PyErr_Format(PyExc_RuntimeError,
                     "%s() was awaited in another thread than the server's event loop; use "
                     "asyncio.run_coroutine_threadsafe()",
                     operation->kind->name);
        return -1;
    }
    return operation->kind->perform(operation, result);
}

/* What it has been left to was stepped, with this outcome. */
static PySendResult after_inner(struct hfa_operation *operation, PySendResult outcome)
{
    if (outcome == PYGEN_NEXT)
        operation->state = HFA_OPERATION_WAITING;
    else
        finish(operation);
    return outcome;
}

/* Works on until it is done or has to wait. */
static PySendResult proceed(struct hfa_operation *operation, PyObject **result)
{
    operation->state = HFA_OPERATION_RUNNING;
    int done = perform(operation, result);
    if (done == 2)
        return after_inner(operation, PyIter_Send(operation->inner, Py_None, result));
    if (done == 0 && start_waiting(operation) == 0) {
        operation->state = HFA_OPERATION_WAITING;
        *result = Py_NewRef((PyObject *)operation->waiter);
        return PYGEN_NEXT;
    }
    finish(operation);
    return done == 1 ? PYGEN_RETURN : PYGEN_ERROR;
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
    if (operation->inner != NULL)
        return after_inner(operation, PyIter_Send(operation->inner, value, result));
    int status = hfa_waiter_result(operation->waiter);
    stop_waiting(operation);
    if (status > 0)
        return proceed(operation, result);
    finish(operation);
    return PYGEN_ERROR;
}

static PyObject *operation_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = operation_send(self, Py_None, &result);

    return hfa_await_next_result_again(
        outcome, result, &((struct hfa_operation *)self)->call->server->state->spare_stop);
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
    PyObject *result = NULL;

    if (!hfa_await_can_throw(count) || !can_step(operation))
        return NULL;
    if (operation->inner == NULL) {
        hfa_await_set_thrown(args, count);
        finish(operation);
        return NULL;
    }
    operation->state = HFA_OPERATION_RUNNING;
    PySendResult outcome = hfa_await_throw(operation->inner, args, count, &result);
    outcome = after_inner(operation, outcome);
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
    if (operation->inner != NULL)
        closed = hfa_await_close(operation->inner);
    finish(operation);
    if (closed < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(((struct hfa_operation *)self)->kind->name);
}

static PyObject *get_await(PyObject *self, void *unused)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;

    (void)unused;
    if (operation->inner != NULL)
        return Py_NewRef(operation->inner);
    return Py_NewRef(operation->waiter == NULL ? Py_None : (PyObject *)operation->waiter);
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
    Py_VISIT(operation->owner);
    Py_VISIT(operation->argument);
    Py_VISIT(operation->inner);
    Py_VISIT(operation->waiter);
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
                         operation->kind->name) < 0)
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
    {"cr_await", get_await, NULL, "What it waits for, or None.", NULL},
    {"cr_running", get_running, NULL, "Whether it is being stepped.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot operation_slots[] = {
    {Py_tp_doc, "A coroutine: one operation on a request or WebSocket."},
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
