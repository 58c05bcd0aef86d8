#include "asgi_call.h"

#include "operation.h"
#include "scope.h"
#include "server_object.h"
#include "task.h"

static PyObject *method_receive(PyObject *self, PyObject *unused)
{
    (void)unused;
    return hfa_operation_new((struct hfa_asgi_call *)self, NULL);
}

static PyObject *method_asgi_send(PyObject *self, PyObject *message)
{
    return hfa_operation_new((struct hfa_asgi_call *)self, message);
}

/* The application's two callables are bound to the call, not found on it. */
static PyMethodDef receive_def = {"receive", method_receive, METH_NOARGS,
                                  "Returns a coroutine that gives the next ASGI event."};
static PyMethodDef send_def = {"send", method_asgi_send, METH_O,
                               "Returns a coroutine that takes an ASGI message."};

void hfa_asgi_call_wake(struct hfa_asgi_call *call)
{
    for (struct hfa_operation *each = call->waiting; each != NULL; each = each->next)
        hfa_operation_wake(each);
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

/* The application is done: gives the exchange back. Last use of the call for who borrowed it. */
static void release(struct hfa_asgi_call *call)
{
    struct hfa_exchange *exchange = call->exchange;

    call->state = HFA_CALL_DONE;
    Py_CLEAR(call->awaiting);
    Py_CLEAR(call->close_event);
    Py_CLEAR(call->denial);
    unlink_call(call);
    if (exchange != NULL) {
        call->exchange = NULL;
        hfa_exchange_release(exchange);
        hfa_server_object_output(call->server);
        Py_CLEAR(call->task);
        Py_DECREF(call); /* app_data's */
    }
}

static void finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception)
{
    if (call->is_websocket)
        hfa_asgi_websocket_finish(call, result, exception);
    else
        hfa_asgi_http_finish(call, result, exception);
    if (PyErr_Occurred())
        PyErr_WriteUnraisable((PyObject *)call);
    release(call);
}

/* The iterator behind `await object`; steals the reference. */
static PyObject *await_iterator(PyObject *object)
{
    PyAsyncMethods *methods = Py_TYPE(object)->tp_as_async;
    PyObject *iterator = NULL;

    if (PyCoro_CheckExact(object))
        return object;
    if (methods != NULL && methods->am_await != NULL)
        iterator = methods->am_await(object);
    else
        PyErr_Format(PyExc_TypeError, "object %.100s can't be used in 'await' expression",
                     Py_TYPE(object)->tp_name);
    Py_DECREF(object);
    return iterator;
}

static int call_application(struct hfa_asgi_call *call)
{
    PyObject *receive = PyCFunction_New(&receive_def, (PyObject *)call);
    PyObject *send = PyCFunction_New(&send_def, (PyObject *)call);
    int status = -1;

    if (receive != NULL && send != NULL) {
        PyObject *args[] = {call->scope, receive, send};
        PyObject *result = PyObject_Vectorcall(call->server->app, args, 3, NULL);
        if (result != NULL)
            call->awaiting = await_iterator(result);
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

    finish(call, NULL, exception);
    Py_XDECREF(exception);
}

static PySendResult call_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;

    *result = NULL;
    if (call->state == HFA_CALL_DONE) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    Py_INCREF(self);
    PySendResult outcome = PYGEN_ERROR;
    if (call->state == HFA_CALL_RUNNING || call_application(call) == 0) {
        call->state = HFA_CALL_RUNNING;
        PyObject *awaiting = Py_NewRef(call->awaiting);
        outcome = PyIter_Send(awaiting, value, result);
        Py_DECREF(awaiting);
    }
    if (outcome == PYGEN_RETURN)
        finish(call, *result, NULL);
    else if (outcome == PYGEN_ERROR)
        finish_with_exception(call);
    if (outcome != PYGEN_NEXT) {
        Py_XSETREF(*result, Py_NewRef(Py_None));
        outcome = PYGEN_RETURN;
    }
    Py_DECREF(self);
    return outcome;
}

static PyObject *call_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = call_send(self, Py_None, &result);

    return hfa_from_send_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = call_send(self, value, &result);

    return hfa_from_send_result(outcome, result);
}

/* Cancellation comes this way: the application sees it where it waits. */
static PyObject *method_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    PyObject *yielded = NULL;

    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
        return NULL;
    }
    if (call->state == HFA_CALL_DONE) {
        hfa_raise_thrown(args, count);
        return NULL;
    }
    Py_INCREF(self);
    if (call->awaiting == NULL) {
        hfa_raise_thrown(args, count); /* cancelled before the application was called */
    } else {
        PyObject *awaiting = Py_NewRef(call->awaiting);
        PyObject *method = PyObject_GetAttr(awaiting, call->server->state->str_throw);
        if (method != NULL)
            yielded = PyObject_Vectorcall(method, args, (size_t)count, NULL);
        Py_XDECREF(method);
        Py_DECREF(awaiting);
    }
    if (yielded != NULL) {
        Py_DECREF(self);
        return yielded;
    }
    if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyObject *stop = hfa_take_exception();
        PyObject *result = PyObject_GetAttrString(stop, "value");
        finish(call, result, NULL);
        Py_XDECREF(result);
        Py_DECREF(stop);
    } else {
        finish_with_exception(call);
    }
    Py_DECREF(self);
    return hfa_from_send_result(PYGEN_RETURN, Py_NewRef(Py_None));
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    PyObject *closed = NULL;

    (void)unused;
    if (call->state == HFA_CALL_DONE)
        Py_RETURN_NONE;
    Py_INCREF(self);
    if (call->awaiting != NULL) {
        PyObject *awaiting = Py_NewRef(call->awaiting);
        closed = PyObject_CallMethodNoArgs(awaiting, call->server->state->str_close);
        Py_DECREF(awaiting);
    } else {
        closed = Py_NewRef(Py_None);
    }
    release(call);
    Py_DECREF(self);
    return closed;
}

static struct hfa_asgi_call *new_call(struct hfa_server_object *server,
                                      struct hfa_exchange *exchange)
{
    struct hfa_asgi_call *call = PyObject_GC_New(struct hfa_asgi_call, server->state->call_type);

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

void hfa_asgi_call_start(struct hfa_server_object *server, struct hfa_exchange *exchange)
{
    struct hfa_asgi_call *call = new_call(server, exchange);

    if (call == NULL) {
        hfa_server_object_report(server, "out of memory for a request");
        hfa_exchange_release(exchange);
        return;
    }
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
    Py_VISIT(call->close_event);
    Py_VISIT(call->denial);
    return 0;
}

static int call_clear(PyObject *self)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;

    Py_CLEAR(call->scope);
    Py_CLEAR(call->awaiting);
    Py_CLEAR(call->task);
    Py_CLEAR(call->close_event);
    Py_CLEAR(call->denial);
    return 0;
}

static void call_dealloc(PyObject *self)
{
    struct hfa_asgi_call *call = (struct hfa_asgi_call *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    unlink_call(call);
    call_clear(self);
    Py_XDECREF(call->server);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef call_methods[] = {
    {"send", method_send, METH_O, "Steps the coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the application waits."},
    {"close", method_close, METH_NOARGS, "Ends the application."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot call_slots[] = {
    {Py_tp_doc, "A coroutine: one call of an ASGI application."},
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_clear, call_clear},
    {Py_tp_methods, call_methods},
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
