/* A run as a coroutine: what tasks, and who awaits it, step. */
#include "run_coroutine.h"

#include "await.h"
#include "pump.h"
#include "run_exits.h"
#include "run_stream.h"

/* False with an exception set when the coroutine cannot be stepped now. */
static bool can_step(const struct hfa_run *run)
{
    if (run->state == HFA_RUN_RUNNING)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else if (run->state == HFA_RUN_DONE)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    else
        return true;
    return false;
}

/* The end, to whom steps the run: our tasks always see a return. */
static PySendResult end(struct hfa_run *run, PyObject **result)
{
    PyObject *exception = NULL;

    if (run->state != HFA_RUN_DONE) { /* entered */
        exception = run->exception;
        run->exception = NULL;
        hfa_run_let_go(run);
    }
    if (exception != NULL) {
        hfa_raise_exception(exception);
        *result = NULL;
        return PYGEN_ERROR;
    }
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

/* What was awaited has been stepped, with this outcome; goes on until something has to wait. */
static PySendResult after_step(struct hfa_run *run, PySendResult outcome, PyObject *value,
                               PyObject **result)
{
    for (;;) {
        if (outcome == PYGEN_NEXT) {
            run->state = HFA_RUN_SUSPENDED;
            *result = value;
            return PYGEN_NEXT;
        }
        Py_CLEAR(run->awaiting);
        hfa_run_after_await(run, outcome == PYGEN_RETURN ? value : NULL);
        if (hfa_run_drive(run) == HFA_PROGRESS_DONE)
            return end(run, result);
        value = NULL;
        outcome = PyIter_Send(run->awaiting, Py_None, &value);
    }
}

PySendResult hfa_run_coroutine_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_run *run = (struct hfa_run *)self;
    PyObject *stepped = NULL;

    *result = NULL;
    if (run->kept.is_kept)
        return hfa_kept_step_take(&run->kept, result);
    if (!can_step(run))
        return PYGEN_ERROR;
    bool is_first = run->state == HFA_RUN_NEW;
    if (is_first && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
    }
    run->state = HFA_RUN_RUNNING;
    run->is_driven = true;
    Py_INCREF(run); /* the last reference may be the exchange's */
    PySendResult outcome;
    if (is_first && run->awaiting == NULL && hfa_run_drive(run) == HFA_PROGRESS_DONE) {
        outcome = end(run, result);
    } else {
        outcome = PyIter_Send(run->awaiting, is_first ? Py_None : value, &stepped);
        outcome = after_step(run, outcome, stepped, result);
    }
    Py_DECREF(run);
    return outcome;
}

PyObject *hfa_run_coroutine_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = hfa_run_coroutine_send(self, Py_None, &result);

    return hfa_await_next_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = hfa_run_coroutine_send(self, value, &result);

    return hfa_await_step_result(outcome, result);
}

static PyObject *method_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_run *run = (struct hfa_run *)self;
    PySendResult outcome;
    PyObject *stepped = NULL;
    PyObject *result = NULL;

    if (!hfa_await_can_throw(count) || !can_step(run))
        return NULL;
    bool is_first = run->state == HFA_RUN_NEW;
    run->state = HFA_RUN_RUNNING;
    run->is_driven = true;
    Py_INCREF(run);
    if (is_first) {
        hfa_await_set_thrown(args, count);
        hfa_run_keep_exception(run);
        if (hfa_run_drive(run) == HFA_PROGRESS_DONE) {
            outcome = end(run, &result);
        } else {
            outcome = PyIter_Send(run->awaiting, Py_None, &stepped);
            outcome = after_step(run, outcome, stepped, &result);
        }
    } else {
        int shielded = run->in_worker ? hfa_run_shield(run, args[0]) : 0;
        if (shielded > 0)
            outcome = PyIter_Send(run->awaiting, Py_None, &stepped);
        else if (shielded < 0)
            outcome = PYGEN_ERROR;
        else
            outcome = hfa_await_throw(run->awaiting, args, count, &stepped);
        outcome = after_step(run, outcome, stepped, &result);
    }
    Py_DECREF(run);
    return hfa_await_step_result(outcome, result);
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    struct hfa_run *run = (struct hfa_run *)self;
    int closed = 0;

    (void)unused;
    if (run->state == HFA_RUN_DONE)
        Py_RETURN_NONE;
    if (!can_step(run))
        return NULL;
    run->state = HFA_RUN_RUNNING;
    Py_INCREF(run);
    if (run->awaiting != NULL)
        closed = hfa_await_close(run->awaiting);
    PyObject *exception = hfa_take_exception();
    hfa_run_unlink(run);
    if (run->call != NULL)
        hfa_asgi_call_drop(run->call);
    hfa_run_release_exchange(run);
    hfa_run_let_go(run);
    Py_DECREF(run);
    if (exception != NULL)
        hfa_raise_exception(exception);
    if (closed < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* What limits the request's body has put its own receive() and send() around the server's. */
static PyObject *method_enter(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_run *run = (struct hfa_run *)self;

    if (count != 3 || run->state != HFA_RUN_NEW || run->server != NULL) {
        PyErr_SetString(PyExc_TypeError, "enter(scope, receive, send), before the first step");
        return NULL;
    }
    Py_XSETREF(run->receive, Py_NewRef(args[1]));
    Py_XSETREF(run->send, Py_NewRef(args[2]));
    return Py_NewRef(self);
}

/* Debuggers and Task.print_stack() look through the run at the coroutine that it awaits. */
static PyObject *get_inner(PyObject *self, void *name)
{
    struct hfa_run *run = (struct hfa_run *)self;

    if (run->awaiting != NULL)
        return PyObject_GetAttrString(run->awaiting, name);
    PyErr_SetString(PyExc_AttributeError, name);
    return NULL;
}

static PyObject *get_await(PyObject *self, void *unused)
{
    struct hfa_run *run = (struct hfa_run *)self;

    (void)unused;
    return Py_NewRef(run->awaiting == NULL ? Py_None : run->awaiting);
}

static PyObject *get_running(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_run *)self)->state == HFA_RUN_RUNNING);
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    return PyUnicode_FromString("run_asgi");
}

PyMethodDef hfa_run_coroutine_methods[] = {
    {"send", method_send, METH_O, "Steps the request's coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the coroutine waits."},
    {"close", method_close, METH_NOARGS, "Ends the coroutine."},
    {"enter", (PyCFunction)(void (*)(void))method_enter, METH_FASTCALL,
     "enter(scope, receive, send): the coroutine itself, which is to use these."},
    {"watch", hfa_run_stream_watch, METH_O,
     "watch(callback or None): the callback is called once when the client has gone."},
    {"pump", hfa_pump_new, METH_VARARGS,
     "pump(source, is_sync, kind, takes_turns, holds, serialize): a coroutine that sends a "
     "stream's "
     "items."},
    {NULL, NULL, 0, NULL},
};

PyGetSetDef hfa_run_coroutine_getset[] = {
    {"cr_await", get_await, NULL, "What the coroutine waits for.", NULL},
    {"cr_running", get_running, NULL, "Whether it is being stepped.", NULL},
    {"cr_frame", get_inner, NULL, "The frame of what it waits for.", "cr_frame"},
    {"cr_code", get_inner, NULL, "The code of what it waits for.", "cr_code"},
    {"__name__", get_name, NULL, "A name for tasks.", NULL},
    {"__qualname__", get_name, NULL, "A name for tasks.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
