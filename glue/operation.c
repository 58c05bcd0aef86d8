#include "operation.h"

#include "server_object.h"

PyObject *hfa_operation_new(struct hfa_asgi_call *call, PyObject *message)
{
    struct hfa_operation *operation =
        PyObject_GC_New(struct hfa_operation, call->server->state->operation_type);

    if (operation == NULL)
        return NULL;
    operation->call = (struct hfa_asgi_call *)Py_NewRef((PyObject *)call);
    operation->message = Py_XNewRef(message);
    operation->future = NULL;
    operation->future_iterator = NULL;
    operation->next = NULL;
    operation->link = NULL;
    operation->state = HFA_OPERATION_NEW;
    PyObject_GC_Track(operation);
    return (PyObject *)operation;
}

static void stop_waiting(struct hfa_operation *operation)
{
    if (operation->link != NULL) {
        *operation->link = operation->next;
        if (operation->next != NULL)
            operation->next->link = operation->link;
        operation->link = NULL;
        operation->next = NULL;
    }
    Py_CLEAR(operation->future_iterator);
    Py_CLEAR(operation->future);
}

/* Done, one way or the other: what it referred to may go. */
static void finish(struct hfa_operation *operation)
{
    operation->state = HFA_OPERATION_DONE;
    stop_waiting(operation);
    Py_CLEAR(operation->message);
}

static int start_waiting(struct hfa_operation *operation)
{
    struct hfa_asgi_call *call = operation->call;
    struct hfa_state *state = call->server->state;
    PyObject *future = PyObject_CallMethodNoArgs(call->server->loop, state->str_create_future);

    if (future == NULL)
        return -1;
    PyObject *iterator = PyObject_GetIter(future);
    if (iterator == NULL) {
        Py_DECREF(future);
        return -1;
    }
    operation->future = future;
    operation->future_iterator = iterator;
    operation->next = call->waiting;
    operation->link = &call->waiting;
    if (operation->next != NULL)
        operation->next->link = &operation->next;
    call->waiting = operation;
    operation->state = HFA_OPERATION_WAITING;
    return 0;
}

void hfa_operation_wake(struct hfa_operation *operation)
{
    struct hfa_state *state = operation->call->server->state;
    PyObject *future = Py_NewRef(operation->future);
    PyObject *done = PyObject_CallMethodNoArgs(future, state->str_done);

    if (done == Py_False) {
        PyObject *none = PyObject_CallMethodOneArg(future, state->str_set_result, Py_None);
        Py_XDECREF(none);
    }
    Py_XDECREF(done);
    Py_DECREF(future);
    /* The loop is closed: nobody will look again. */
    if (PyErr_Occurred())
        PyErr_Clear();
}

static int perform(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_asgi_call *call = operation->call;
    int done;

    if (operation->message == NULL)
        return call->is_websocket ? hfa_asgi_websocket_receive(call, result)
                                  : hfa_asgi_http_receive(call, result);
    done = call->is_websocket ? hfa_asgi_websocket_send(call, operation->message)
                              : hfa_asgi_http_send(call, operation->message);
    if (done == 1)
        *result = Py_NewRef(Py_None);
    return done;
}

static PySendResult operation_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;

    *result = NULL;
    if (operation->state == HFA_OPERATION_DONE) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return PYGEN_ERROR;
    }
    for (;;) {
        if (operation->state == HFA_OPERATION_WAITING) {
            PyObject *iterator = Py_NewRef(operation->future_iterator);
            PySendResult outcome = PyIter_Send(iterator, value, result);
            Py_DECREF(iterator);
            if (outcome == PYGEN_NEXT)
                return outcome;
            stop_waiting(operation);
            if (outcome == PYGEN_ERROR) {
                finish(operation);
                return outcome;
            }
            Py_CLEAR(*result);
        }
        int done = perform(operation, result);
        if (done == 0 && start_waiting(operation) == 0) {
            value = Py_None;
            continue;
        }
        finish(operation);
        return done == 1 ? PYGEN_RETURN : PYGEN_ERROR;
    }
}

PyObject *hfa_from_send_result(PySendResult outcome, PyObject *result)
{
    if (outcome == PYGEN_NEXT)
        return result;
    if (outcome == PYGEN_RETURN) {
        /* An instance, as a tuple or an exception would be taken for the arguments. */
        PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, result);
        if (stop != NULL) {
            PyErr_SetObject(PyExc_StopIteration, stop);
            Py_DECREF(stop);
        }
        Py_DECREF(result);
    }
    return NULL;
}

void hfa_raise_thrown(PyObject *const *args, Py_ssize_t count)
{
    PyObject *type = args[0];
    PyObject *value = count > 1 && args[1] != Py_None ? args[1] : NULL;

    if (PyExceptionInstance_Check(type))
        PyErr_SetObject((PyObject *)Py_TYPE(type), type);
    else if (PyExceptionClass_Check(type))
        PyErr_SetObject(type, value);
    else
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes or instances deriving from "
                                         "BaseException");
}

static PyObject *operation_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = operation_send(self, Py_None, &result);

    return hfa_from_send_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = operation_send(self, value, &result);

    return hfa_from_send_result(outcome, result);
}

static PyObject *method_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;
    PyObject *result = NULL;

    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
        return NULL;
    }
    if (operation->state != HFA_OPERATION_WAITING) {
        finish(operation);
        hfa_raise_thrown(args, count);
        return NULL;
    }
    PyObject *iterator = Py_NewRef(operation->future_iterator);
    PyObject *method = PyObject_GetAttr(iterator, operation->call->server->state->str_throw);
    if (method != NULL)
        result = PyObject_Vectorcall(method, args, (size_t)count, NULL);
    Py_XDECREF(method);
    Py_DECREF(iterator);
    if (result == NULL)
        finish(operation);
    return result;
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    finish((struct hfa_operation *)self);
    Py_RETURN_NONE;
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

static void operation_dealloc(PyObject *self)
{
    struct hfa_operation *operation = (struct hfa_operation *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    finish(operation);
    Py_XDECREF(operation->call);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef operation_methods[] = {
    {"send", method_send, METH_O, "Steps the coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the coroutine waits."},
    {"close", method_close, METH_NOARGS, "Ends the coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot operation_slots[] = {
    {Py_tp_doc, "A coroutine: one receive() or send() of an ASGI application."},
    {Py_tp_dealloc, operation_dealloc},
    {Py_tp_traverse, operation_traverse},
    {Py_tp_clear, operation_clear},
    {Py_tp_methods, operation_methods},
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
