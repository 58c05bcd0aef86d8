/* The `def` steps of a run, in worker threads. */
#include "plan_run.h"
#include "run_exits.h"
#include "server_object.h"

/* AnyIO's own worker threads have seen to it that no library is known to run there. */
static int enter_context(const struct hfa_run *run, PyObject *context)
{
    if (run->job.run != NULL)
        return hfa_pool_enter_context(run->server->pool, context);
    return PyContext_Enter(context);
}

/* One sync callable in a copy of the request's context, as anyio does. */
PyObject *hfa_run_call_in_copy(struct hfa_run *run, PyObject *(*call)(struct hfa_run *))
{
    PyObject *context = PyContext_Copy(run->context);
    PyObject *value = NULL;

    if (context == NULL)
        return NULL;
    if (enter_context(run, context) == 0) {
        value = call(run);
        PyObject *exception = value == NULL ? hfa_job_take_exception() : NULL;
        PyContext_Exit(context);
        if (exception != NULL)
            hfa_raise_exception(exception);
    }
    Py_DECREF(context);
    return value;
}

/* One step that a worker may take. 1 taken, 0 the loop has to go on, or nobody any more, -1 with an
 * exception. */
static int work_step(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);
    PyObject *value;

    switch (run->phase) {
    case HFA_RUN_EXTRACTS:
        if (!frame->is_pure || hfa_run_overrides_hold(run) <= 0)
            return 0;
        if (hfa_run_extract(run, run->frame) < 0)
            return -1;
        run->phase = HFA_RUN_CALLS;
        return 1;
    case HFA_RUN_CALLS:
        if (hfa_run_skip(run))
            return 1;
        if (frame->is_async || hfa_run_begins_stream(run) ||
            (hfa_run_is_at_endpoint(run) &&
             (run->errors != NULL || (run->traced != NULL && run->trace != HFA_TRACE_ENDPOINT))))
            return 0;
        if (frame->entry != HFA_ENTRY_NONE)
            return hfa_run_enter_in_worker(run);
        value = hfa_run_call_in_copy(run, hfa_run_call_frame);
        if (value == NULL)
            return -1;
        if (run->is_orphaned) {
            Py_DECREF(value);
            return 0;
        }
        hfa_run_store(run, value);
        return 1;
    case HFA_RUN_RESPONDS:
        if (run->plan->response_validate == NULL || run->is_validated ||
            (run->traced != NULL && run->trace != HFA_TRACE_RESPONSE) ||
            PyObject_IsInstance(run->result, run->application->hooks.response_type) != 0)
            return 0;
        return hfa_run_validate_in_worker(run) < 0 ? -1 : 0;
    case HFA_RUN_LEAVES_EARLY:
    case HFA_RUN_LEAVES:
        return hfa_run_leave_in_worker(run);
    default:
        return 0;
    }
}

static void work(struct hfa_run *run)
{
    int outcome;

    do
        outcome = work_step(run);
    while (outcome > 0 && run->state != HFA_RUN_DONE && !run->is_orphaned);
    if (run->is_orphaned)
        PyErr_Clear();
    else if (outcome < 0 || PyErr_Occurred())
        hfa_run_keep_exception(run);
}

static struct hfa_run *run_of_job(struct hfa_job *job)
{
    return (struct hfa_run *)((char *)job - offsetof(struct hfa_run, job));
}

static void on_job_run(struct hfa_job *job)
{
    work(run_of_job(job));
}

/* The worker is through: the loop goes on, or the task that waits for it. */
static void on_job_done(struct hfa_job *job)
{
    struct hfa_run *run = run_of_job(job);

    run->in_worker = false;
    if (run->future != NULL) {
        PyObject *future = run->future;
        run->future = NULL;
        PyObject *done = PyObject_CallMethodNoArgs(future, run->application->state->str_done);
        PyObject *set = done == Py_False
                            ? PyObject_CallMethodOneArg(
                                  future, run->application->state->str_set_result, Py_None)
                            : Py_XNewRef(done);
        if (set == NULL)
            PyErr_WriteUnraisable(future);
        Py_XDECREF(set);
        Py_XDECREF(done);
        Py_DECREF(future);
    } else if (run->state != HFA_RUN_DONE) {
        hfa_run_go_on(run);
    }
    Py_DECREF(run); /* the job's reference */
}

static PyObject *method_work(PyObject *self, PyObject *unused)
{
    (void)unused;
    work((struct hfa_run *)self);
    ((struct hfa_run *)self)->in_worker = false;
    Py_RETURN_NONE;
}

static PyMethodDef work_def = {"work", method_work, METH_NOARGS, "Runs the steps that are due."};

/* Hands the run to a worker thread. */
enum hfa_progress hfa_run_hand_to_worker(struct hfa_run *run)
{
    struct hfa_server_object *server = run->server;

    Py_XSETREF(run->context, run->is_driven ? PyContext_CopyCurrent() : Py_NewRef(server->context));
    if (run->context == NULL)
        goto fail;
    if (server == NULL || server->pool == NULL) {
        if (!run->is_driven)
            return HFA_PROGRESS_NEEDS_TASK;
        PyObject *callable = PyCFunction_New(&work_def, (PyObject *)run);
        PyObject *waiting =
            callable == NULL ? NULL
                             : PyObject_CallOneArg(run->application->hooks.run_in_thread, callable);
        Py_XDECREF(callable);
        if (hfa_run_await(run, waiting) < 0)
            goto fail;
        run->in_worker = true;
        return HFA_PROGRESS_AWAITS;
    }
    if (run->is_driven) {
        run->future =
            PyObject_CallMethodNoArgs(server->loop, run->application->state->str_create_future);
        if (run->future == NULL || hfa_run_await(run, Py_NewRef(run->future)) < 0)
            goto fail;
    }
    bool leaves = run->phase == HFA_RUN_LEAVES_EARLY || run->phase == HFA_RUN_LEAVES;
    run->job.site = leaves ? &run->plan->exit_site : &run->plan->site;
    run->job.run = on_job_run;
    run->job.done = on_job_done;
    run->job.counts = !leaves;
    run->in_worker = true;
    Py_INCREF(run);
    if (hfa_pool_submit(server->pool, &run->job) < 0) {
        run->in_worker = false;
        Py_DECREF(run);
        Py_CLEAR(run->awaiting);
        goto fail;
    }
    return run->is_driven ? HFA_PROGRESS_AWAITS : HFA_PROGRESS_PARKED;

fail:
    hfa_run_keep_exception(run);
    return HFA_PROGRESS_AWAITS; /* with nothing to await: goes on at once */
}
