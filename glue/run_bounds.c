#include "run_bounds.h"

/* The call that the server tells of the client's departure: the run's, or that whose receive() it
 * was entered with. NULL: there is none, or something is in between. */
static struct hfa_asgi_call *watched_call(const struct hfa_run *run)
{
    if (run->call != NULL)
        return run->call;
    if (run->server != NULL || run->receive == NULL || !PyCFunction_Check(run->receive))
        return NULL;
    PyObject *self =
        PyCFunction_GetSelf(run->receive); /* borrowed; middleware may replace send() */
    if (self == NULL || !Py_IS_TYPE(self, run->application->state->call_type))
        return NULL;
    return (struct hfa_asgi_call *)self;
}

void hfa_run_leave_bounds(struct hfa_run *run)
{
    if (run->bounds == NULL || !run->plan->cancels)
        return;
    PyObject *left = PyObject_CallMethod(run->bounds, "leave", NULL);
    if (left == NULL)
        PyErr_WriteUnraisable(run->bounds);
    Py_XDECREF(left);
}

int hfa_run_watch_client(struct hfa_run *run)
{
    struct hfa_asgi_call *call = watched_call(run);

    if (run->bounds == NULL || !run->plan->cancels)
        return 0;
    if (call == NULL) {
        if (run->is_disconnected)
            hfa_run_leave_bounds(run);
        return 0;
    }
    PyObject *leave = PyObject_GetAttrString(run->bounds, "leave");
    if (leave == NULL)
        return -1;
    Py_XSETREF(call->on_gone, leave);
    hfa_asgi_call_wake(call);
    return 0;
}

static int begin(struct hfa_run *run)
{
    const struct hfa_plan *plan = run->plan;
    /* Somebody has to listen where the server cannot tell, if nobody else does. */
    bool listens =
        plan->cancels && run->server == NULL && !plan->needs_request && watched_call(run) == NULL;

    run->had_bounds = true;
    run->bounds = PyObject_CallFunctionObjArgs(run->application->hooks.begin_bounds, plan->bounds,
                                               listens ? run->receive : Py_None, NULL);
    return run->bounds == NULL ? -1 : hfa_run_watch_client(run);
}

static int end(struct hfa_run *run)
{
    PyObject *bounds = run->bounds;
    bool has_failed = run->phase == HFA_RUN_FAILS;
    struct hfa_asgi_call *call = watched_call(run);

    run->bounds = NULL;
    if (call != NULL && run->plan->cancels)
        Py_CLEAR(call->on_gone);
    PyObject *instead =
        PyObject_CallMethod(bounds, "end", "O", has_failed ? run->exception : Py_None);
    Py_DECREF(bounds);
    if (instead == NULL)
        return -1;
    if (instead == Py_None) {
        Py_DECREF(instead);
        return 0;
    }
    Py_XSETREF(run->exception, instead);
    run->phase = HFA_RUN_FAILS;
    return 0;
}

enum hfa_progress hfa_run_keep_bounds(struct hfa_run *run)
{
    int status = 0;

    if (run->bounds != NULL) {
        if (run->phase >= HFA_RUN_RESPONDS)
            status = end(run);
    } else if (!run->had_bounds &&
               (run->phase == HFA_RUN_EXTRACTS || run->phase == HFA_RUN_CALLS)) {
        if (!run->is_driven)
            return HFA_PROGRESS_NEEDS_TASK;
        status = begin(run);
    }
    if (status < 0)
        hfa_run_keep_exception(run);
    return HFA_PROGRESS_AWAITS;
}

void hfa_run_drop_bounds(struct hfa_run *run)
{
    PyObject *bounds = run->bounds;

    if (bounds == NULL)
        return;
    run->bounds = NULL;
    PyObject *exception = hfa_take_exception();
    PyObject *dropped = PyObject_CallMethod(bounds, "drop", NULL);
    if (dropped == NULL)
        PyErr_WriteUnraisable(bounds);
    Py_XDECREF(dropped);
    Py_DECREF(bounds);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

bool hfa_run_lost_client(const struct hfa_run *run)
{
    return run->had_bounds &&
           (PyObject *)Py_TYPE(run->exception) == run->application->hooks.client_gone;
}
