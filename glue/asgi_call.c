#include "asgi_call.h"

#include "await.h"
#include "operation.h"
#include "scope.h"
#include "server_object.h"
#include "task.h"
#include "websocket_channel.h"

static PyObject *method_receive(PyObject *self, PyObject *unused)
{
    (void)unused;
    return hfa_operation_new((struct hfa_asgi_call *)self, &hfa_operation_receive, NULL, NULL);
}

static PyObject *method_asgi_send(PyObject *self, PyObject *message)
{
    return hfa_operation_new((struct hfa_asgi_call *)self, &hfa_operation_send, NULL, message);
}

/* The application's two callables are bound to the call, not found on it. */
static PyMethodDef receive_def = {"receive", method_receive, METH_NOARGS,
                                  "Returns a coroutine that gives the next ASGI event."};
static PyMethodDef send_def = {"send", method_asgi_send, METH_O,
                               "Returns a coroutine that takes an ASGI message."};

void hfa_asgi_call_wake(struct hfa_asgi_call *call)
{
    hfa_operation_wake_all(call);
    if (call->on_gone == NULL || !call->is_disconnected)
        return;
    PyObject *on_gone = call->on_gone;
    call->on_gone = NULL;
    PyObject *done = PyObject_CallNoArgs(on_gone);
    if (done == NULL)
        PyErr_WriteUnraisable(on_gone);
    Py_XDECREF(done);
    Py_DECREF(on_gone);
}

void hfa_asgi_call_step(struct hfa_asgi_call *call)
{
    if (!hfa_direct_step(call))
        hfa_operation_step_all(call);
}

static void unlink_call(struct hfa_asgi_call *call)
{
    if (call->link == NULL)
        return;
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    call->link = NULL;
    call->next = NULL;
    call->server->call_count--;
}

/* Gives the exchange back. May be the last use of the call for who borrowed it. */
static void release_exchange(struct hfa_asgi_call *call)
{
    struct hfa_exchange *exchange = call->exchange;

    unlink_call(call);
    if (exchange == NULL)
        return;
    call->exchange = NULL;
    hfa_exchange_release(exchange);
    hfa_server_object_output(call->server, HFA_OUTPUT_LATER);
    Py_DECREF(call); /* app_data's */
}

/* The application is done. */
static void release(struct hfa_asgi_call *call)
{
    call->state = HFA_CALL_DONE;
    call->coroutine = NULL;
    Py_CLEAR(call->awaiting);
    Py_CLEAR(call->task);
    if (call->channel != NULL)
        hfa_websocket_channel_end(call->channel);
    Py_CLEAR(call->channel);
    Py_CLEAR(call->scope); /* frameworks keep in it what refers to send(), and so to the call */
    Py_CLEAR(call->close_event);
    Py_CLEAR(call->denial);
    Py_CLEAR(call->trailers);
    Py_CLEAR(call->on_gone);
    Py_CLEAR(call->staged_by);
    release_exchange(call);
}

void hfa_asgi_call_finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception)
{
    if (call->exchange == NULL && exception != NULL)
        hfa_server_object_log_error(call->server, "Exception in ASGI application\n", NULL,
                                    exception);
    else if (call->exchange != NULL && call->is_websocket)
        hfa_asgi_websocket_finish(call, result, exception);
    else if (call->exchange != NULL)
        hfa_asgi_http_finish(call, result, exception);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable((PyObject *)call);
    if (!call->response_complete)
        call->is_disconnected = true; /* for who still waits in receive() */
    hfa_asgi_call_wake(call);
    release(call);
}

void hfa_asgi_call_abandon(struct hfa_asgi_call *call)
{
    Py_INCREF(call);
    call->is_disconnected = true;
    hfa_asgi_call_wake(call);
    release_exchange(call);
    Py_DECREF(call);
}

void hfa_asgi_call_drop(struct hfa_asgi_call *call)
{
    Py_INCREF(call);
    call->is_disconnected = true;
    hfa_asgi_call_wake(call);
    release(call);
    Py_DECREF(call);
}

int hfa_asgi_call_channels(struct hfa_asgi_call *call, PyObject **receive, PyObject **send)
{
    *receive = PyCFunction_New(&receive_def, (PyObject *)call);
    *send = PyCFunction_New(&send_def, (PyObject *)call);
    return *receive == NULL || *send == NULL ? -1 : 0;
}

static struct hfa_asgi_call *bound_to(const struct hfa_state *state, PyObject *function,
                                      const PyMethodDef *def)
{
    if (!PyCFunction_CheckExact(function) || PyCFunction_GetFunction(function) != def->ml_meth ||
        !Py_IS_TYPE(PyCFunction_GetSelf(function), state->call_type))
        return NULL;
    return (struct hfa_asgi_call *)PyCFunction_GetSelf(function);
}

struct hfa_asgi_call *hfa_asgi_call_of(const struct hfa_state *state, PyObject *receive,
                                       PyObject *send)
{
    struct hfa_asgi_call *call = bound_to(state, receive, &receive_def);

    return call != NULL && bound_to(state, send, &send_def) == call ? call : NULL;
}

static int call_application(struct hfa_asgi_call *call)
{
    PyObject *receive, *send;
    int status = -1;

    if (hfa_asgi_call_channels(call, &receive, &send) == 0) {
        PyObject *args[] = {call->scope, receive, send};
        PyObject *result = PyObject_Vectorcall(call->server->app, args, 3, NULL);
        if (result != NULL)
            call->awaiting = hfa_await_iterator(result);
        Py_XDECREF(result);
        status = call->awaiting == NULL ? -1 : 0;
    }
    Py_XDECREF(receive);
    Py_XDECREF(send);
    return status;
}

/* The current exception is the application's end. */
static void finish_with_exception(struct hfa_asgi_call *call)
{
    PyObject *exception = hfa_take_exception();

    hfa_asgi_call_finish(call, NULL, exception);
    Py_XDECREF(exception);
}

/* False with an exception set when the coroutine cannot be stepped now. */
static bool can_step(const struct hfa_asgi_call *call)
{
    if (call->state == HFA_CALL_RUNNING)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else if (call->state == HFA_CALL_DONE)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    else
        return true;
    return false;
}

/* The application has been stepped, with this outcome. To the task, its end is always a return. */
static PySendResult after_step(struct hfa_asgi_call *call, PySendResult outcome, PyObject *value,
                               PyObject **result)
{
    if (outcome == PYGEN_NEXT) {
        call->state = HFA_CALL_SUSPENDED;
        *result = value;
        return PYGEN_NEXT;
    }
    if (outcome == PYGEN_RETURN)
        hfa_asgi_call_finish(call, value, NULL);
    else
        finish_with_exception(call);
    Py_XDECREF(value);
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

static PySendResult call_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    PySendResult outcome = PYGEN_ERROR;
    PyObject *stepped = NULL;

    *result = NULL;
    if (call->own_kept.is_kept)
        return hfa_kept_step_take(&call->own_kept, result);
    if (!can_step(call))
        return PYGEN_ERROR;
    bool is_first = call->state == HFA_CALL_NEW;
    if (is_first && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
    }
    call->state = HFA_CALL_RUNNING;
    if (!is_first || call_application(call) == 0)
        outcome = PyIter_Send(call->awaiting, value, &stepped);
    return after_step(call, outcome, stepped, result);
}

static PyObject *call_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = call_send(self, Py_None, &result);

    return hfa_await_next_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = call_send(self, value, &result);

    return hfa_await_step_result(outcome, result);
}

/* Cancellation comes this way: the application sees it where it waits. */
static PyObject *method_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    PySendResult outcome = PYGEN_ERROR;
    PyObject *stepped = NULL;
    PyObject *result;

    if (!hfa_await_can_throw(count) || !can_step(call))
        return NULL;
    bool is_first = call->state == HFA_CALL_NEW;
    call->state = HFA_CALL_RUNNING;
    if (is_first)
        hfa_await_set_thrown(args, count); /* cancelled before the application was called */
    else
        outcome = hfa_await_throw(call->awaiting, args, count, &stepped);
    outcome = after_step(call, outcome, stepped, &result);
    return hfa_await_step_result(outcome, result);
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    int closed = 0;

    (void)unused;
    if (call->state == HFA_CALL_DONE)
        Py_RETURN_NONE;
    if (!can_step(call))
        return NULL;
    call->state = HFA_CALL_RUNNING;
    if (call->awaiting != NULL)
        closed = hfa_await_close(call->awaiting);
    PyObject *exception = hfa_take_exception();
    release(call);
    if (exception != NULL)
        hfa_raise_exception(exception);
    if (closed < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* Debuggers and Task.print_stack() look through the call at the application's own coroutine. */
static PyObject *get_inner(PyObject *self, void *name)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;

    if (call->awaiting != NULL)
        return PyObject_GetAttrString(call->awaiting, name);
    PyErr_SetString(PyExc_AttributeError, name);
    return NULL;
}

static PyObject *get_await(PyObject *self, void *unused)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;

    (void)unused;
    return Py_NewRef(call->awaiting == NULL ? Py_None : call->awaiting);
}

static PyObject *get_running(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_asgi_call *)self)->state == HFA_CALL_RUNNING);
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    return PyUnicode_FromString("run_asgi");
}

static struct hfa_asgi_call *new_call(struct hfa_server_object *server,
                                      struct hfa_exchange *exchange)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)hfa_free_list_take(
        &server->state->free_calls, server->state->call_type);

    if (call == NULL)
        return NULL;
    memset((char *)call + sizeof(PyObject), 0, sizeof(*call) - sizeof(PyObject));
    call->server = (struct hfa_server_object *)Py_NewRef((PyObject *)server);
    call->exchange = exchange;
    call->is_websocket = exchange->request.is_websocket;
    call->is_disconnected = exchange->is_disconnected;
    call->is_shutting_down = server->is_draining;
    call->next = server->calls;
    call->link = &server->calls;
    if (call->next != NULL)
        call->next->link = &call->next;
    server->calls = call;
    server->call_count++;
    exchange->app_data = Py_NewRef((PyObject *)call);
    PyObject_GC_Track(call);
    return call;
}

struct hfa_asgi_call *hfa_asgi_call_adopt(struct hfa_server_object *server,
                                          struct hfa_exchange *exchange, PyObject *scope,
                                          PyObject *coroutine, struct hfa_kept_step *kept)
{
    struct hfa_asgi_call *call = new_call(server, exchange);

    if (call != NULL) {
        call->scope = Py_NewRef(scope);
        call->state = HFA_CALL_RUNNING;
        call->coroutine = coroutine;
        call->kept = kept;
    }
    return call;
}

void hfa_asgi_call_start(struct hfa_server_object *server, struct hfa_exchange *exchange)
{
    struct hfa_asgi_call *call = new_call(server, exchange);

    if (call == NULL) {
        hfa_server_object_report(server, "out of memory for a request");
        hfa_exchange_release(exchange);
        return;
    }
    call->coroutine = (PyObject *)call;
    call->kept = &call->own_kept;
    call->scope = hfa_scope_new(server, exchange);
    if (call->scope == NULL) {
        finish_with_exception(call);
    } else {
        PyObject *task = hfa_task_start(server, (PyObject *)call);
        if (task == NULL) {
            hfa_server_object_report(server, "the task of a request could not be started");
            if (call->state != HFA_CALL_DONE)
                release(call);
        } else if (call->state != HFA_CALL_DONE) {
            call->task = task;
        } else {
            Py_DECREF(task);
        }
    }
    Py_DECREF(call);
}

static int call_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(call->server);
    Py_VISIT(call->scope);
    Py_VISIT(call->awaiting);
    Py_VISIT(call->task);
    Py_VISIT(call->own_kept.value);
    Py_VISIT(call->channel);
    Py_VISIT(call->close_event);
    Py_VISIT(call->denial);
    Py_VISIT(call->trailers);
    Py_VISIT(call->on_gone);
    Py_VISIT(call->staged_by);
    return 0;
}

static int call_clear(PyObject *self)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;

    Py_CLEAR(call->scope);
    Py_CLEAR(call->awaiting);
    Py_CLEAR(call->task);
    Py_CLEAR(call->own_kept.value);
    Py_CLEAR(call->channel);
    Py_CLEAR(call->close_event);
    Py_CLEAR(call->denial);
    Py_CLEAR(call->trailers);
    Py_CLEAR(call->on_gone);
    Py_CLEAR(call->staged_by);
    return 0;
}

static void call_dealloc(PyObject *self)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    struct hfa_state *state = call->server->state;

    PyObject_GC_UnTrack(self);
    unlink_call(call);
    call_clear(self);
    Py_DECREF(call->server);
    hfa_free_list_put(&state->free_calls, self);
}

static PyMethodDef call_methods[] = {
    {"send", method_send, METH_O, "Steps the coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the application waits."},
    {"close", method_close, METH_NOARGS, "Ends the application."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef call_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_name, NULL, NULL, NULL},
    {"cr_await", get_await, NULL, "The application's coroutine, or None.", NULL},
    {"cr_code", get_inner, NULL, "Its code.", "cr_code"},
    {"cr_frame", get_inner, NULL, "Its frame.", "cr_frame"},
    {"cr_running", get_running, NULL, "Whether it is being stepped.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "A coroutine: one call of an ASGI application."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_methods, call_methods},
    {Py_tp_getset, call_getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, call_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, call_send},
    {0, NULL},
};

PyType_Spec hfa_asgi_call_spec = {
    .name = "hyperfastapi._core.Call",
    .basicsize = sizeof(struct hfa_asgi_call),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};
