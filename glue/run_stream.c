/* What a stream asks of its run; see python/hyperfastapi/_fastapi/sending.py. */
#include "run_stream.h"

#include "plan_run.h"
#include "server_object.h"

/* --- The client's departure --------------------------------------------------------------------
 */

PyObject *hfa_run_stream_watch(PyObject *self, PyObject *on_gone)
{
    struct hfa_run *run = (struct hfa_run *)self;

    if (run->call == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "nothing is sent yet");
        return NULL;
    }
    Py_XSETREF(run->call->on_gone, on_gone == Py_None ? NULL : Py_NewRef(on_gone));
    hfa_asgi_call_wake(run->call);
    Py_RETURN_NONE;
}

/* --- Calls in worker threads -------------------------------------------------------------------
 */

struct errand {
    struct hfa_job job;
    struct hfa_run *run;                   /* owned */
    PyObject *callable, *context, *future; /* owned */
    PyObject *value, *exception;           /* owned: what came of it, one of them */
};

static struct errand *errand_of(struct hfa_job *job)
{
    return (struct errand *)((char *)job - offsetof(struct errand, job));
}

static void free_errand(struct errand *errand)
{
    Py_XDECREF(errand->run);
    Py_XDECREF(errand->callable);
    Py_XDECREF(errand->context);
    Py_XDECREF(errand->future);
    Py_XDECREF(errand->value);
    Py_XDECREF(errand->exception);
    PyMem_Free(errand);
}

static void on_errand_run(struct hfa_job *job)
{
    struct errand *errand = errand_of(job);

    if (hfa_pool_enter_context(errand->run->server->pool, errand->context) < 0) {
        errand->exception = hfa_take_exception();
        return;
    }
    errand->value = PyObject_CallNoArgs(errand->callable);
    if (errand->value == NULL)
        errand->exception = hfa_job_take_exception();
    PyContext_Exit(errand->context);
}

static int settle(struct errand *errand)
{
    const struct hfa_state *state = errand->run->application->state;
    PyObject *done = PyObject_CallMethodNoArgs(errand->future, state->str_done);

    if (done == NULL)
        return -1;
    Py_DECREF(done);
    if (done == Py_True)
        return 0; /* cancelled */
    if (errand->value == NULL && errand->exception == NULL)
        errand->exception =
            PyObject_CallFunction(PyExc_RuntimeError, "s", "the server has been closed");
    PyObject *set = NULL;
    if (errand->value != NULL)
        set = PyObject_CallMethodOneArg(errand->future, state->str_set_result, errand->value);
    else if (errand->exception != NULL)
        set =
            PyObject_CallMethodOneArg(errand->future, state->str_set_exception, errand->exception);
    Py_XDECREF(set);
    return set == NULL ? -1 : 0;
}

static void on_errand_done(struct hfa_job *job)
{
    struct errand *errand = errand_of(job);

    if (settle(errand) < 0)
        PyErr_WriteUnraisable(errand->future);
    free_errand(errand);
}

PyObject *hfa_run_stream_in_worker(PyObject *self, PyObject *callable)
{
    struct hfa_run *run = (struct hfa_run *)self;
    struct hfa_server_object *server = run->server;

    if (server == NULL || server->pool == NULL)
        return PyObject_CallOneArg(run->application->hooks.run_in_thread, callable);
    struct errand *errand = PyMem_Calloc(1, sizeof(*errand));
    if (errand == NULL)
        return PyErr_NoMemory();
    errand->run = (struct hfa_run *)Py_NewRef(self);
    errand->callable = Py_NewRef(callable);
    errand->context = PyContext_CopyCurrent();
    errand->future =
        PyObject_CallMethodNoArgs(server->loop, run->application->state->str_create_future);
    errand->job.site = &run->plan->stream_site;
    errand->job.run = on_errand_run;
    errand->job.done = on_errand_done;
    errand->job.counts = true;
    PyObject *future = Py_XNewRef(errand->future);
    if (errand->context == NULL || future == NULL ||
        hfa_pool_submit(server->pool, &errand->job) < 0) {
        free_errand(errand);
        Py_CLEAR(future);
    }
    return future;
}
