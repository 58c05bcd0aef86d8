#include "run_trace.h"

int hfa_run_trace(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;
    PyObject *follower = PyDict_GetItemWithError(run->scope, state->str_telemetry); /* borrowed */

    if (follower == NULL || follower == Py_None)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *traced = PyObject_CallFunctionObjArgs(run->application->hooks.trace, run->plan->info,
                                                    run->scope, NULL);
    if (traced == NULL)
        return -1;
    if (traced == Py_None)
        Py_DECREF(traced);
    else
        run->traced = traced;
    return 0;
}

static int done(PyObject *result)
{
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

int hfa_run_trace_request(struct hfa_run *run)
{
    if (run->traced == NULL)
        return 0;
    if (hfa_run_need_request(run) < 0)
        return -1;
    return done(PyObject_CallMethod(run->traced, "show", "O", run->request));
}

static int begin(struct hfa_run *run)
{
    run->trace = HFA_TRACE_DEPENDENCIES;
    if (hfa_run_need_request(run) < 0)
        return -1;
    return done(PyObject_CallMethod(run->traced, "begin", "OO", run->request,
                                    run->body == NULL ? Py_None : run->body));
}

/* An invalid body, alone, is None among the values; other invalid parameters are not there. */
static bool is_body(const struct hfa_frame *frame, unsigned slot)
{
    for (size_t i = 0; i < frame->parameter_count; i++) {
        if (frame->parameters[i].source == HFA_SOURCE_BODY && frame->parameters[i].slot == slot)
            return true;
    }
    return false;
}

/* The values of the endpoint's frame, by name. */
static PyObject *values_of(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);
    PyObject *values = PyDict_New();

    for (unsigned i = 0; i < frame->value_count && values != NULL; i++) {
        PyObject *value = run->values[frame->first + i];
        if (value == NULL && is_body(frame, i))
            value = Py_None;
        if (value != NULL &&
            PyDict_SetItem(values, PyTuple_GET_ITEM(frame->kwnames, (Py_ssize_t)i), value) < 0)
            Py_CLEAR(values);
    }
    return values;
}

static int solve(struct hfa_run *run)
{
    PyObject *values = values_of(run);
    PyObject *errors = run->errors == NULL ? PyList_New(0) : Py_NewRef(run->errors);
    int status = -1;

    run->trace = HFA_TRACE_ENDPOINT;
    if (values != NULL && errors != NULL)
        status = done(PyObject_CallMethod(run->traced, "solve", "OO", values, errors));
    Py_XDECREF(values);
    Py_XDECREF(errors);
    return status;
}

/* FastAPI serialises what is no response; what a thread has returned is validated in one. */
static enum hfa_progress serialize(struct hfa_run *run)
{
    const struct hfa_plan *plan = run->plan;

    run->trace = HFA_TRACE_RESPONSE;
    if (plan->respond == HFA_RESPOND_STREAM || plan->respond == HFA_RESPOND_EVENTS)
        return HFA_PROGRESS_AWAITS;
    int is_response = PyObject_IsInstance(run->result, run->application->hooks.response_type);
    if (is_response < 0 ||
        (is_response == 0 && done(PyObject_CallMethod(run->traced, "serialize", NULL)) < 0))
        hfa_run_keep_exception(run);
    else if (is_response == 0 && !plan->is_endpoint_async && plan->response_validate != NULL)
        return hfa_run_hand_to_worker(run);
    return HFA_PROGRESS_AWAITS;
}

static int end(struct hfa_run *run, PyObject *exception)
{
    if (run->trace == HFA_TRACE_ENDED)
        return 0;
    run->trace = HFA_TRACE_ENDED;
    return done(PyObject_CallMethod(run->traced, "end", "O", exception));
}

enum hfa_progress hfa_run_trace_step(struct hfa_run *run)
{
    int status = 0;

    switch (run->phase) {
    case HFA_RUN_EXTRACTS:
    case HFA_RUN_CALLS:
        if (run->trace == HFA_TRACE_NEW)
            status = begin(run);
        else if (run->trace == HFA_TRACE_DEPENDENCIES && run->phase == HFA_RUN_CALLS &&
                 hfa_run_is_at_endpoint(run))
            status = solve(run);
        break;
    case HFA_RUN_RESPONDS:
        if (run->trace == HFA_TRACE_ENDPOINT)
            return serialize(run);
        break;
    case HFA_RUN_FAILS:
        if (run->exception != NULL)
            status = end(run, run->exception);
        break;
    default:
        break;
    }
    if (status < 0)
        hfa_run_keep_exception(run);
    return HFA_PROGRESS_AWAITS;
}

int hfa_run_trace_response(struct hfa_run *run)
{
    return run->traced == NULL || run->trace != HFA_TRACE_RESPONSE ? 0 : end(run, Py_None);
}

PyObject *hfa_run_traced_endpoint(struct hfa_run *run)
{
    return PyObject_GetAttrString(run->traced, "endpoint");
}
