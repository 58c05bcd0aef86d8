/* The frames of a run, one after the other: extract, call, put the result where it is wanted. */
#include "await.h"
#include "plan_run.h"
#include "run_exits.h"
#include "run_trace.h"

const struct hfa_frame *hfa_run_frame(const struct hfa_run *run)
{
    return &run->plan->frames[run->frame];
}

bool hfa_run_is_at_endpoint(const struct hfa_run *run)
{
    return run->frame + 1 == run->plan->frame_count;
}

bool hfa_run_begins_stream(const struct hfa_run *run)
{
    return hfa_run_is_at_endpoint(run) &&
           (run->plan->respond == HFA_RESPOND_STREAM || run->plan->respond == HFA_RESPOND_EVENTS);
}

/* The result of the current frame's callable goes where it is wanted. Takes `value`. */
void hfa_run_store(struct hfa_run *run, PyObject *value)
{
    const struct hfa_frame *frame = hfa_run_frame(run);

    if (run->manager != NULL)
        hfa_run_keep_entered(run);
    if (hfa_run_is_at_endpoint(run)) {
        Py_XSETREF(run->result, value);
        run->phase = HFA_RUN_RESPONDS;
        return;
    }
    if (run->cache[frame->cache_slot] == NULL)
        run->cache[frame->cache_slot] = Py_NewRef(value);
    if (frame->parent_slot >= 0) {
        PyObject **place =
            &run->values[run->plan->frames[frame->parent].first + (unsigned)frame->parent_slot];
        Py_XSETREF(*place, Py_NewRef(value));
    }
    Py_DECREF(value);
    run->frame++;
    run->phase = HFA_RUN_EXTRACTS;
}

/* A frame that is not called: its parameters are invalid, or its value is known already. */
bool hfa_run_skip(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);

    if (hfa_run_is_at_endpoint(run))
        return false;
    if (run->failed >> run->frame & 1) {
        run->frame++;
        run->phase = HFA_RUN_EXTRACTS;
        return true;
    }
    if (frame->use_cache && run->cache[frame->cache_slot] != NULL) {
        hfa_run_store(run, Py_NewRef(run->cache[frame->cache_slot]));
        return true;
    }
    return false;
}

/* Whether dependency_overrides, which code of this request may have changed, are still those that
 * the next dependencies were compiled with. -1 with an exception. Any thread. */
int hfa_run_overrides_hold(struct hfa_run *run)
{
    if (run->frame == 0 || hfa_run_is_at_endpoint(run) || hfa_run_frame(run)->subtree != run->frame)
        return 1;
    return hfa_plan_overrides_hold(run->plan, run->application->state, run->frame);
}

/* The values of the dependencies that have been called, by FastAPI's key of each. NULL without an
 * exception: one would be called again. */
static PyObject *called_so_far(struct hfa_run *run)
{
    PyObject *called = PyDict_New();

    for (unsigned i = 0; i < run->frame && called != NULL; i++) {
        const struct hfa_frame *frame = &run->plan->frames[i];
        PyObject *value = run->cache[frame->cache_slot];
        if (value == NULL)
            continue; /* its parameters are invalid */
        if (!frame->use_cache) {
            Py_CLEAR(called);
            break;
        }
        PyObject *slot = PyLong_FromUnsignedLong(frame->cache_slot);
        if (slot == NULL || PyDict_SetItem(called, slot, value) < 0)
            Py_CLEAR(called);
        Py_XDECREF(slot);
    }
    return called;
}

/* FastAPI's own function solves what is left, with the overrides as they are now. 1: it will; 0: it
 * cannot, and the plan goes on; -1 with an exception. */
static int solve_by_fastapi(struct hfa_run *run)
{
    PyObject *called = called_so_far(run);

    if (called == NULL)
        return PyErr_Occurred() ? -1 : 0;
    if (hfa_run_need_body(run) < 0 || hfa_run_need_request(run) < 0) {
        Py_DECREF(called);
        return -1;
    }
    run->application->compiled--;
    run->application->unguarded++;
    PyObject *solving = PyObject_CallFunctionObjArgs(
        run->application->hooks.solve, run->plan->info, run->request,
        run->body == NULL ? Py_None : run->body, run->body == NULL ? Py_False : Py_True, called,
        run->background == NULL ? Py_None : run->background,
        run->injected_response == NULL ? Py_None : run->injected_response, NULL);
    Py_DECREF(called);
    if (hfa_run_await(run, solving) < 0)
        return -1;
    run->awaits_solution = true;
    return 1;
}

/* Takes (values, errors, background, response). */
int hfa_run_take_solution(struct hfa_run *run, PyObject *solution)
{
    PyObject *values, *errors, *background, *response;
    int status = -1;

    if (PyArg_ParseTuple(solution, "O!O!OO", &PyDict_Type, &values, &PyList_Type, &errors,
                         &background, &response)) {
        run->frame = (unsigned)run->plan->frame_count - 1;
        run->phase = HFA_RUN_CALLS;
        Py_XSETREF(run->errors, PyList_GET_SIZE(errors) == 0 ? NULL : Py_NewRef(errors));
        Py_XSETREF(run->background, background == Py_None ? NULL : Py_NewRef(background));
        Py_XSETREF(run->injected_response, Py_NewRef(response));
        status = hfa_run_spread(run, hfa_run_frame(run), values);
    }
    Py_DECREF(solution);
    return status;
}

PyObject *hfa_run_call_frame(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);
    size_t count = frame->is_positional ? frame->value_count : 0;
    PyObject *invoke = run->traced != NULL && hfa_run_is_at_endpoint(run)
                           ? hfa_run_traced_endpoint(run)
                           : Py_NewRef(frame->invoke);

    if (invoke == NULL)
        return NULL;
    PyObject *value = PyObject_Vectorcall(invoke, run->values + frame->first,
                                          count | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                          frame->value_count == count ? NULL : frame->kwnames);
    Py_DECREF(invoke);
    return value;
}

/* FastAPI's RequestValidationError for all that was invalid. Always -1. */
static int raise_request_error(struct hfa_run *run)
{
    if (hfa_run_need_body(run) < 0)
        return -1;
    PyObject *method = hfa_run_method(run);
    PyObject *root_path = method == NULL ? NULL : hfa_run_root_path(run);
    PyObject *exception =
        root_path == NULL
            ? NULL
            : PyObject_CallFunctionObjArgs(run->application->hooks.request_error, run->errors,
                                           run->body == NULL ? Py_None : run->body, run->plan->info,
                                           method, root_path, NULL);
    Py_XDECREF(method);
    Py_XDECREF(root_path);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return -1;
}

int hfa_run_extract_step(struct hfa_run *run)
{
    if (hfa_run_shows_request(run) && hfa_run_need_request(run) < 0)
        return -1;
    int holds = hfa_run_overrides_hold(run);
    if (holds < 0)
        return -1;
    if (holds == 0) {
        int solves = solve_by_fastapi(run);
        if (solves != 0)
            return solves < 0 ? -1 : 0;
    }
    if (run->plan->body == HFA_BODY_FORM) {
        int extracts = hfa_run_extract_form(run);
        if (extracts <= 0)
            return extracts;
    }
    run->phase = HFA_RUN_CALLS;
    return hfa_run_extract(run, run->frame);
}

enum hfa_progress hfa_run_call_step(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);

    if (hfa_run_skip(run))
        return HFA_PROGRESS_AWAITS;
    if (hfa_run_is_at_endpoint(run) && run->errors != NULL) {
        raise_request_error(run);
        hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    if (frame->entry != HFA_ENTRY_NONE)
        return hfa_run_enter_step(run);
    if (frame->is_inline || hfa_run_begins_stream(run)) {
        PyObject *value = hfa_run_call_frame(run);
        if (value == NULL)
            hfa_run_keep_exception(run);
        else
            hfa_run_store(run, value);
        return HFA_PROGRESS_AWAITS;
    }
    if (!frame->is_async)
        return hfa_run_hand_to_worker(run);
    if (!run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    if (hfa_run_await(run, hfa_run_call_frame(run)) < 0)
        hfa_run_keep_exception(run);
    else
        run->awaits_frame = true;
    return HFA_PROGRESS_AWAITS;
}
