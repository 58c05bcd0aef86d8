#include "direct_step.h"

#include "operation.h"
#include "server_object.h"

PySendResult hfa_kept_step_take(struct hfa_kept_step *kept, PyObject **result)
{
    PyObject *value = kept->value;

    kept->is_kept = false;
    kept->value = NULL;
    if (kept->outcome == PYGEN_ERROR) {
        hfa_raise_exception(value);
        value = NULL;
    }
    *result = value;
    return kept->outcome;
}

/* The call's own task waits: what the waiter would call is a C function of that very task. */
static bool is_waited_for_by_task(const struct hfa_asgi_call *call, const struct hfa_waiter *waiter)
{
    return call->coroutine != NULL && call->task != NULL && !waiter->is_done &&
           waiter->context != NULL && waiter->callback != NULL &&
           PyCFunction_Check(waiter->callback) &&
           PyCFunction_GetSelf(waiter->callback) == call->task;
}

static int enter_or_leave(PyObject *function, PyObject *loop, PyObject *task)
{
    PyObject *args[] = {loop, task};
    PyObject *done = PyObject_Vectorcall(function, args, 2, NULL);

    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The task's waiter takes the place of `value`, if that is a waiter that nobody else has seen. */
static bool waits_again(const struct hfa_asgi_call *call, struct hfa_waiter *waiter,
                        PyObject *value)
{
    struct hfa_operation *operation = call->waiting;
    struct hfa_waiter *fresh = (struct hfa_waiter *)value;

    while (operation != NULL && operation->waiter != fresh)
        operation = operation->next;
    /* References: the operation's, and ours. */
    if (operation == NULL || Py_REFCNT(value) != 2 || fresh->callback != NULL || fresh->is_done ||
        !fresh->is_blocking)
        return false;
    operation->waiter = (struct hfa_waiter *)Py_NewRef((PyObject *)waiter);
    Py_DECREF(fresh);
    return true;
}

/* Task.cancel() of a task that asked for it in the step; the request has been counted already. */
static void cancel(struct hfa_server_object *server, PyObject *task, PyObject *message)
{
    PyObject *done = PyObject_CallMethod(task, "cancel", "O", message == NULL ? Py_None : message);

#if PY_VERSION_HEX >= 0x030B0000
    if (done != NULL)
        Py_SETREF(done, PyObject_CallMethod(task, "uncancel", NULL));
#endif
    if (done == NULL)
        hfa_server_object_report(server, "a task could not be cancelled");
    Py_XDECREF(done);
}

/* Wakes the task, which takes the outcome for that of the step that it takes now. */
static void hand_over(struct hfa_asgi_call *call, struct hfa_waiter *waiter, PyObject *task,
                      struct hfa_kept_step *kept)
{
    bool is_cancelled = waiter->asks_to_cancel && kept->outcome == PYGEN_NEXT;

    hfa_waiter_call_back(waiter);
    if (is_cancelled)
        cancel(call->server, task, waiter->cancel_message);
}

static void step(struct hfa_asgi_call *call, struct hfa_waiter *waiter, PyObject *coroutine,
                 PyObject *task)
{
    struct hfa_kept_step *kept = call->kept; /* in the coroutine */
    struct hfa_server_object *server = call->server;
    PyObject *value = NULL;

    hfa_waiter_begin_step(waiter);
    PySendResult outcome = PyIter_Send(coroutine, Py_None, &value);
    hfa_waiter_end_step(waiter);
    if (outcome == PYGEN_ERROR)
        value = hfa_take_exception();
    if (enter_or_leave(server->state->leave_task, server->loop, task) < 0)
        hfa_server_object_report(server, "a task could not be left");
    if (outcome == PYGEN_NEXT && waits_again(call, waiter, value)) {
        Py_DECREF(value);
        hfa_waiter_wait_again(waiter);
        return;
    }
    *kept = (struct hfa_kept_step){true, outcome, value};
    hand_over(call, waiter, task, kept);
}

bool hfa_direct_step(struct hfa_asgi_call *call)
{
    struct hfa_operation *operation = call->waiting;
    const struct hfa_state *state = call->server->state;

    if (operation == NULL || operation->next != NULL ||
        !is_waited_for_by_task(call, operation->waiter))
        return false;
    struct hfa_waiter *waiter = operation->waiter;
    PyObject *context = waiter->context;
    if (PyContext_Enter(context) < 0) {
        PyErr_Clear();
        return false;
    }
    if (enter_or_leave(state->enter_task, call->server->loop, call->task) < 0) {
        PyErr_Clear();
        PyContext_Exit(context);
        return false;
    }
    PyObject *coroutine = Py_NewRef(call->coroutine);
    PyObject *task = Py_NewRef(call->task);
    Py_INCREF(call);
    Py_INCREF(waiter);
    Py_INCREF(context);
    hfa_operation_leave_queue(operation);
    step(call, waiter, coroutine, task);
    if (PyContext_Exit(context) < 0)
        PyErr_WriteUnraisable(context);
    Py_DECREF(context);
    Py_DECREF(waiter);
    Py_DECREF(call);
    Py_DECREF(task);
    Py_DECREF(coroutine);
    return true;
}
