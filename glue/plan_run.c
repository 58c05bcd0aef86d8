#include "plan_run.h"

#include "await.h"
#include "scope.h"
#include "server_object.h"
#include "task.h"

/* How far the run went. */
enum progress {
    PROGRESS_AWAITS,     /* run->awaiting is to be stepped */
    PROGRESS_PARKED,     /* an event or a worker will go on */
    PROGRESS_NEEDS_TASK, /* only a coroutine can go on */
    PROGRESS_DONE,       /* run->exception, if any, is the end */
};

/* --- Small parts --------------------------------------------------------------------------------
 */

struct hfa_exchange *hfa_run_exchange(const struct hfa_run *run)
{
    return run->call != NULL ? run->call->exchange : run->exchange;
}

PyObject *hfa_run_method(const struct hfa_run *run)
{
    struct hfa_bytes method = run->head->method;

    return PyUnicode_DecodeLatin1(method.data, (Py_ssize_t)method.length, NULL);
}

PyObject *hfa_run_root_path(const struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;
    PyObject *root_path =
        run->scope == NULL ? NULL : PyDict_GetItemWithError(run->scope, state->str_root_path);

    if (root_path != NULL)
        return Py_NewRef(root_path);
    return PyErr_Occurred() ? NULL : PyUnicode_FromString("");
}

int hfa_run_await(struct hfa_run *run, PyObject *object)
{
    if (object == NULL)
        return -1;
    run->awaiting = hfa_await_iterator(object);
    Py_DECREF(object);
    return run->awaiting == NULL ? -1 : 0;
}

/* Takes the current exception as what has to be answered. */
static void keep_exception(struct hfa_run *run)
{
    Py_XSETREF(run->exception, hfa_take_exception());
    run->phase = HFA_RUN_FAILS;
}

static void unlink_run(struct hfa_run *run)
{
    if (run->link == NULL)
        return;
    *run->link = run->next;
    if (run->next != NULL)
        run->next->link = run->link;
    run->link = NULL;
    run->next = NULL;
    if (run->is_counted)
        run->server->run_count--;
    run->is_counted = false;
}

int hfa_run_need_call(struct hfa_run *run)
{
    if (run->scope != NULL)
        return 0;
    run->scope = hfa_scope_new(run->server, run->exchange);
    if (run->scope == NULL)
        return -1;
    run->call = hfa_asgi_call_adopt(run->server, run->exchange, run->scope);
    if (run->call == NULL) {
        Py_CLEAR(run->scope);
        return -1;
    }
    run->exchange = NULL; /* the call's now */
    unlink_run(run);
    run->call->task = Py_XNewRef(run->task);
    run->call->is_disconnected = run->is_disconnected;
    run->call->response_started = run->response_started;
    run->call->response_complete = run->response_started;
    run->call->body_ended = run->plan->body != HFA_BODY_NONE;
    Py_DECREF(run); /* the exchange's reference */
    return hfa_asgi_call_channels(run->call, &run->receive, &run->send);
}

/* The Request that the application's code sees. */
static int need_request(struct hfa_run *run)
{
    if (run->request != NULL)
        return 0;
    if (hfa_run_need_call(run) < 0)
        return -1;
    PyObject *params = hfa_run_path_params(run);
    if (params == NULL)
        return -1;
    run->request = PyObject_CallFunctionObjArgs(
        run->application->hooks.make_request, run->plan->info, run->scope, run->receive, run->send,
        params, run->body_bytes == NULL ? Py_None : run->body_bytes,
        run->body == NULL ? Py_None : run->body,
        run->body == NULL || run->body == run->body_bytes ? Py_False : Py_True, NULL);
    Py_DECREF(params);
    return run->request == NULL ? -1 : 0;
}

/* --- Steps
 * ---------------------------------------------------------------------------------------- */

static const struct hfa_frame *current_frame(const struct hfa_run *run)
{
    return &run->plan->frames[run->frame];
}

static bool is_endpoint(const struct hfa_run *run)
{
    return run->frame + 1 == run->plan->frame_count;
}

/* The result of the current frame's callable goes where it is wanted. Takes `value`. */
static void store(struct hfa_run *run, PyObject *value)
{
    const struct hfa_frame *frame = current_frame(run);

    if (is_endpoint(run)) {
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
static bool skip(struct hfa_run *run)
{
    const struct hfa_frame *frame = current_frame(run);

    if (is_endpoint(run))
        return false;
    if (run->failed >> run->frame & 1) {
        run->frame++;
        run->phase = HFA_RUN_EXTRACTS;
        return true;
    }
    if (frame->use_cache && run->cache[frame->cache_slot] != NULL) {
        store(run, Py_NewRef(run->cache[frame->cache_slot]));
        return true;
    }
    return false;
}

/* Whether dependency_overrides, which code of this request may have changed, are still those that
 * the next dependencies were compiled with. -1 with an exception. Any thread. */
static int overrides_hold(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;

    if (run->frame == 0 || is_endpoint(run) || current_frame(run)->subtree != run->frame)
        return 1;
    PyObject *overrides = hfa_plan_overrides(run->plan, state);
    if (overrides == NULL && PyErr_Occurred())
        return -1;
    return hfa_plan_overrides_hold(run->plan, run->frame, overrides);
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

static int need_request(struct hfa_run *run);

/* FastAPI's own function solves what is left, with the overrides as they are now. 1: it will; 0: it
 * cannot, and the plan goes on; -1 with an exception. */
static int solve_by_fastapi(struct hfa_run *run)
{
    PyObject *called = called_so_far(run);

    if (called == NULL)
        return PyErr_Occurred() ? -1 : 0;
    if (hfa_run_need_body(run) < 0 || need_request(run) < 0) {
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
static int take_solution(struct hfa_run *run, PyObject *solution)
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
        status = hfa_run_spread(run, current_frame(run), values);
    }
    Py_DECREF(solution);
    return status;
}

static PyObject *call_frame(struct hfa_run *run)
{
    const struct hfa_frame *frame = current_frame(run);

    return PyObject_Vectorcall(frame->call, run->values + frame->first,
                               PY_VECTORCALL_ARGUMENTS_OFFSET,
                               frame->value_count == 0 ? NULL : frame->kwnames);
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

/* --- In a worker thread
 * ----------------------------------------------------------------------------- */

/* AnyIO's own worker threads have seen to it that no library is known to run there. */
static int enter_context(const struct hfa_run *run, PyObject *context)
{
    if (run->job.run != NULL)
        return hfa_pool_enter_context(run->server->pool, context);
    return PyContext_Enter(context);
}

/* One sync callable in a copy of the request's context, as anyio does. */
static PyObject *call_in_copy(struct hfa_run *run)
{
    PyObject *context = PyContext_Copy(run->context);
    PyObject *value = NULL;

    if (context == NULL)
        return NULL;
    if (enter_context(run, context) == 0) {
        value = call_frame(run);
        PyObject *exception = value == NULL ? hfa_job_take_exception() : NULL;
        PyContext_Exit(context);
        if (exception != NULL)
            hfa_raise_exception(exception);
    }
    Py_DECREF(context);
    return value;
}

/* One step that a worker may take. 1 taken, 0 the loop has to go on, -1 with an exception. */
static int work_step(struct hfa_run *run)
{
    const struct hfa_frame *frame = current_frame(run);
    PyObject *value;

    switch (run->phase) {
    case HFA_RUN_EXTRACTS:
        if (!frame->is_pure || overrides_hold(run) <= 0)
            return 0;
        if (hfa_run_extract(run, run->frame) < 0)
            return -1;
        run->phase = HFA_RUN_CALLS;
        return 1;
    case HFA_RUN_CALLS:
        if (skip(run))
            return 1;
        if (frame->is_async || (is_endpoint(run) && run->errors != NULL))
            return 0;
        value = call_in_copy(run);
        if (value == NULL)
            return -1;
        store(run, value);
        return 1;
    case HFA_RUN_RESPONDS:
        if (run->plan->response_validate == NULL || run->is_validated ||
            PyObject_IsInstance(run->result, run->application->hooks.response_type) != 0)
            return 0;
        return hfa_run_validate_result(run) < 0 ? -1 : 0;
    default:
        return 0;
    }
}

static void work(struct hfa_run *run)
{
    int outcome;

    do
        outcome = work_step(run);
    while (outcome > 0 && run->state != HFA_RUN_DONE); /* cancelled meanwhile */
    if (outcome < 0 || PyErr_Occurred())
        keep_exception(run);
}

static struct hfa_run *run_of_job(struct hfa_job *job)
{
    return (struct hfa_run *)((char *)job - offsetof(struct hfa_run, job));
}

static void on_job_run(struct hfa_job *job)
{
    work(run_of_job(job));
}

static void go_on(struct hfa_run *run);

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
        go_on(run);
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
static enum progress hand_to_worker(struct hfa_run *run)
{
    struct hfa_server_object *server = run->server;

    Py_XSETREF(run->context, run->is_driven ? PyContext_CopyCurrent() : Py_NewRef(server->context));
    if (run->context == NULL)
        goto fail;
    if (server == NULL || server->pool == NULL) {
        if (!run->is_driven)
            return PROGRESS_NEEDS_TASK;
        PyObject *callable = PyCFunction_New(&work_def, (PyObject *)run);
        PyObject *waiting =
            callable == NULL ? NULL
                             : PyObject_CallOneArg(run->application->hooks.run_in_thread, callable);
        Py_XDECREF(callable);
        if (hfa_run_await(run, waiting) < 0)
            goto fail;
        run->in_worker = true;
        return PROGRESS_AWAITS;
    }
    if (run->is_driven) {
        run->future =
            PyObject_CallMethodNoArgs(server->loop, run->application->state->str_create_future);
        if (run->future == NULL || hfa_run_await(run, Py_NewRef(run->future)) < 0)
            goto fail;
    }
    run->job.site = &run->plan->site;
    run->job.run = on_job_run;
    run->job.done = on_job_done;
    run->job.counts = true;
    run->in_worker = true;
    Py_INCREF(run);
    if (hfa_pool_submit(server->pool, &run->job) < 0) {
        run->in_worker = false;
        Py_DECREF(run);
        Py_CLEAR(run->awaiting);
        goto fail;
    }
    return run->is_driven ? PROGRESS_AWAITS : PROGRESS_PARKED;

fail:
    keep_exception(run);
    return PROGRESS_AWAITS; /* with nothing to await: goes on at once */
}

/* --- Failure
 * ------------------------------------------------------------------------------------------ */

/* FastAPI's own handlers, where they answer without the request. 1 answered, 0 not, -1: the answer
 * has failed, with an exception. */
static int answer_by_default(struct hfa_run *run)
{
    PyObject *response =
        PyObject_CallOneArg(run->application->hooks.default_answer, run->exception);

    if (response == NULL)
        return -1;
    if (response == Py_None) {
        Py_DECREF(response);
        return 0;
    }
    Py_CLEAR(run->exception);
    int status = hfa_run_send_response(run, response);
    Py_DECREF(response);
    return status < 0 ? -1 : 1;
}

static void link_run(struct hfa_run *run, struct hfa_run **list)
{
    run->next = *list;
    run->link = list;
    if (run->next != NULL)
        run->next->link = &run->next;
    *list = run;
}

/* Through the application's whole middleware stack, at whose core the exception is raised or the
 * response sent. Middleware that has done its part natively must not see a response that has been
 * started. */
static int resume_through_stack(struct hfa_run *run)
{
    bool is_bare = run->response_started && run->application->stages.count > 0;
    PyObject *stack = is_bare ? run->application->hooks.bare_stack : run->server->app;

    if (hfa_run_need_call(run) < 0)
        return -1;
    unlink_run(run);
    link_run(run, &run->application->pending);
    return hfa_run_await(
        run, PyObject_CallFunctionObjArgs(stack, run->scope, run->receive, run->send, NULL));
}

int hfa_run_resume_later(struct hfa_run *run)
{
    run->phase = HFA_RUN_RESUMES;
    return 0;
}

/* The response is sent from inside the stack. */
static enum progress resume(struct hfa_run *run)
{
    if (!run->is_driven)
        return PROGRESS_NEEDS_TASK;
    run->phase = HFA_RUN_ENDS;
    if (resume_through_stack(run) < 0) {
        Py_XSETREF(run->exception, hfa_take_exception());
        return PROGRESS_DONE;
    }
    return PROGRESS_AWAITS;
}

static PyObject *answer(struct hfa_run *run)
{
    const struct hfa_hooks *hooks = &run->application->hooks;

    PyObject *started = PyLong_FromLong(!run->response_started ? 0 : run->server != NULL ? 1 : 2);

    if (started == NULL || need_request(run) < 0) {
        Py_XDECREF(started);
        return NULL;
    }
    PyObject *answering =
        PyObject_CallFunctionObjArgs(hooks->answer, run->exception, run->request, run->scope,
                                     run->receive, run->send, started, NULL);
    Py_XDECREF(started);
    return answering;
}

static PyObject *respond_inside(struct hfa_run *run)
{
    if (need_request(run) < 0)
        return NULL;
    return PyObject_CallFunctionObjArgs(run->application->hooks.respond, run->response,
                                        run->request, run->scope, run->receive, run->send, NULL);
}

static enum progress fail(struct hfa_run *run)
{
    bool is_exception = PyObject_IsInstance(run->exception, PyExc_Exception) == 1;

    PyErr_Clear();
    if (run->call != NULL && run->call->response_started)
        run->response_started = true;
    if (!is_exception || run->in_worker) /* a worker uses the run: there is nothing to go on with */
        return PROGRESS_DONE;
    if (!run->response_started && !run->is_answered) {
        run->is_answered = true;
        int outcome = answer_by_default(run);
        if (outcome < 0)
            keep_exception(run);
        if (outcome != 0)
            return PROGRESS_AWAITS;
    }
    if (!run->is_driven)
        return PROGRESS_NEEDS_TASK;
    int status;
    if (run->server != NULL)
        status = resume_through_stack(run);
    else
        status = hfa_run_await(run, answer(run));
    run->phase = HFA_RUN_ENDS;
    if (status < 0) {
        Py_XSETREF(run->exception, hfa_take_exception());
        return PROGRESS_DONE;
    }
    return PROGRESS_AWAITS;
}

PyObject *hfa_run_resume(struct hfa_application *application, PyObject *scope, PyObject *receive,
                         PyObject *send)
{
    for (struct hfa_run *run = application->pending; run != NULL; run = run->next) {
        if (run->scope != scope)
            continue;
        unlink_run(run);
        Py_XSETREF(run->receive, Py_NewRef(receive));
        Py_XSETREF(run->send, Py_NewRef(send));
        PyObject *answering = run->exception != NULL ? answer(run) : respond_inside(run);
        Py_CLEAR(run->exception); /* the handlers' now */
        return answering;
    }
    return NULL;
}

/* --- The machine
 * --------------------------------------------------------------------------------------- */

/* One part of the body, mostly the only one. Takes `piece`, NULL with an exception. */
static int take_piece(struct hfa_run *run, PyObject *piece, bool is_last)
{
    int status = piece == NULL ? -1 : 0;

    if (status == 0 && is_last && run->pieces == NULL) {
        Py_XSETREF(run->body_bytes, Py_NewRef(piece));
    } else if (status == 0) {
        if (run->pieces == NULL)
            run->pieces = PyList_New(0);
        status = run->pieces == NULL ? -1 : PyList_Append(run->pieces, piece);
        if (status == 0 && is_last) {
            Py_XSETREF(run->body_bytes,
                       PyObject_CallMethodOneArg(run->application->state->empty_bytes,
                                                 run->application->state->str_join, run->pieces));
            Py_CLEAR(run->pieces);
            status = run->body_bytes == NULL ? -1 : 0;
        }
    }
    if (status == 0 && is_last)
        run->phase = HFA_RUN_PARSES;
    Py_XDECREF(piece);
    return status;
}

static enum progress read_body(struct hfa_run *run)
{
    if (run->server == NULL) {
        if (hfa_run_await(run,
                          PyObject_CallOneArg(run->application->hooks.read_body, run->receive)) < 0)
            keep_exception(run);
        return PROGRESS_AWAITS;
    }
    struct hfa_exchange *exchange = run->exchange;
    if (run->is_disconnected) {
        PyObject *exception = PyObject_CallNoArgs(run->application->hooks.disconnect_error);
        if (exception != NULL)
            hfa_raise_exception(exception);
        keep_exception(run);
        return PROGRESS_AWAITS;
    }
    hfa_exchange_read(exchange);
    hfa_server_object_output(run->server, HFA_OUTPUT_LATER);
    struct hfa_bytes received = hfa_buffer_bytes(&exchange->body);
    bool is_last = exchange->body_complete;
    if (received.length == 0 && !is_last)
        return PROGRESS_PARKED;
    PyObject *piece = PyBytes_FromStringAndSize(received.data, (Py_ssize_t)received.length);
    if (piece != NULL && received.length > 0)
        hfa_exchange_consume_body(exchange, received.length);
    if (take_piece(run, piece, is_last) < 0) {
        keep_exception(run);
        return PROGRESS_AWAITS;
    }
    return is_last ? PROGRESS_AWAITS : PROGRESS_PARKED;
}

static enum progress call_step(struct hfa_run *run)
{
    const struct hfa_frame *frame = current_frame(run);

    if (skip(run))
        return PROGRESS_AWAITS;
    if (is_endpoint(run) && run->errors != NULL) {
        raise_request_error(run);
        keep_exception(run);
        return PROGRESS_AWAITS;
    }
    if (!frame->is_async)
        return hand_to_worker(run);
    if (!run->is_driven)
        return PROGRESS_NEEDS_TASK;
    if (hfa_run_await(run, call_frame(run)) < 0)
        keep_exception(run);
    else
        run->awaits_frame = true;
    return PROGRESS_AWAITS;
}

static enum progress after_response(struct hfa_run *run)
{
    if (run->after != NULL && !run->is_sent_by_app) {
        if (!run->is_driven)
            return PROGRESS_NEEDS_TASK;
        PyObject *background = run->after;
        run->after = NULL;
        int status = hfa_run_await(run, PyObject_CallNoArgs(background));
        Py_DECREF(background);
        if (status < 0)
            keep_exception(run);
        return PROGRESS_AWAITS;
    }
    if (run->request != NULL) {
        run->phase = HFA_RUN_UNWINDS;
        PyObject *unwinding = PyObject_CallOneArg(run->application->hooks.unwind, run->scope);
        if (unwinding == NULL)
            keep_exception(run);
        else if (unwinding == Py_None)
            Py_DECREF(unwinding);
        else if (hfa_run_await(run, unwinding) < 0)
            keep_exception(run);
        if (run->awaiting != NULL || run->phase == HFA_RUN_FAILS)
            return PROGRESS_AWAITS;
    }
    return PROGRESS_DONE;
}

static int extract_step(struct hfa_run *run)
{
    if (run->plan->needs_request && need_request(run) < 0)
        return -1;
    int holds = overrides_hold(run);
    if (holds < 0)
        return -1;
    if (holds == 0) {
        int solves = solve_by_fastapi(run);
        if (solves != 0)
            return solves < 0 ? -1 : 0;
    }
    run->phase = HFA_RUN_CALLS;
    return hfa_run_extract(run, run->frame);
}

/* Goes on until something has to be awaited. */
static enum progress proceed(struct hfa_run *run)
{
    enum progress progress = PROGRESS_AWAITS;

    while (progress == PROGRESS_AWAITS && run->awaiting == NULL) {
        int status = 0;
        switch (run->phase) {
        case HFA_RUN_READS:
            progress = read_body(run);
            break;
        case HFA_RUN_PARSES:
            status = hfa_run_parse_body(run);
            if (status == 0 && run->plan->needs_request && hfa_run_need_body(run) < 0)
                status = -1;
            run->phase = HFA_RUN_EXTRACTS;
            break;
        case HFA_RUN_EXTRACTS:
            status = extract_step(run);
            break;
        case HFA_RUN_CALLS:
            progress = call_step(run);
            break;
        case HFA_RUN_WORKS:
            break;
        case HFA_RUN_RESPONDS:
            status = hfa_run_respond(run);
            break;
        case HFA_RUN_STARTED:
            status = hfa_run_send_body(run);
            break;
        case HFA_RUN_SENT:
            progress = after_response(run);
            break;
        case HFA_RUN_UNWINDS:
        case HFA_RUN_ENDS:
            progress = PROGRESS_DONE;
            break;
        case HFA_RUN_FAILS:
            progress = fail(run);
            break;
        case HFA_RUN_RESUMES:
            progress = resume(run);
            break;
        }
        if (status < 0)
            keep_exception(run);
    }
    if (run->awaiting != NULL && !run->is_driven)
        return PROGRESS_NEEDS_TASK;
    return progress;
}

/* What was awaited has ended: takes `value`, NULL with an exception. */
static void after_await(struct hfa_run *run, PyObject *value)
{
    bool is_frames = run->awaits_frame;
    bool is_solution = run->awaits_solution;

    run->awaits_frame = false;
    run->awaits_solution = false;
    if (value == NULL) {
        if (run->phase == HFA_RUN_ENDS) {
            Py_XSETREF(run->exception, hfa_take_exception());
            return;
        }
        keep_exception(run);
        return;
    }
    if (is_frames) {
        store(run, value);
        return;
    }
    if (is_solution) {
        if (take_solution(run, value) < 0)
            keep_exception(run);
        return;
    }
    switch (run->phase) {
    case HFA_RUN_READS:
        Py_XSETREF(run->body_bytes, value);
        run->phase = HFA_RUN_PARSES;
        return;
    case HFA_RUN_ENDS:
        Py_CLEAR(run->exception);
        break;
    default:
        break;
    }
    Py_DECREF(value);
}

/* --- The end
 * --------------------------------------------------------------------------------------------- */

static void clear_values(struct hfa_run *run)
{
    for (size_t i = 0; i < run->owned_count; i++)
        Py_CLEAR(run->values[i]);
}

/* What the run refers to may go. A worker that still works keeps what it uses. */
static void let_go(struct hfa_run *run)
{
    run->state = HFA_RUN_DONE;
    Py_CLEAR(run->awaiting);
    Py_CLEAR(run->task);
    if (run->in_worker)
        return;
    clear_values(run);
    Py_CLEAR(run->request);
    Py_CLEAR(run->scope);
    Py_CLEAR(run->receive);
    Py_CLEAR(run->send);
    Py_CLEAR(run->response);
    Py_CLEAR(run->result);
}

static void release_exchange(struct hfa_run *run)
{
    struct hfa_exchange *exchange = run->exchange;

    if (exchange == NULL)
        return;
    run->exchange = NULL;
    hfa_exchange_release(exchange);
    hfa_server_object_output(run->server, HFA_OUTPUT_LATER);
    Py_DECREF(run); /* the exchange's reference */
}

/* Our own server: the end is dealt with here, as servers do. */
static void finish_native(struct hfa_run *run)
{
    PyObject *exception = run->exception;

    run->exception = NULL;
    if (exception != NULL && run->call == NULL && run->exchange != NULL &&
        hfa_run_need_call(run) < 0)
        PyErr_WriteUnraisable((PyObject *)run);
    unlink_run(run);
    if (run->call != NULL)
        hfa_asgi_call_finish(run->call, Py_None, exception);
    Py_XDECREF(exception);
    release_exchange(run);
    let_go(run);
}

static enum progress drive(struct hfa_run *run)
{
    enum progress progress = proceed(run);

    if (progress == PROGRESS_DONE && run->server != NULL)
        finish_native(run);
    return progress;
}

/* Without a coroutine: from the dispatcher, or when a worker is through. */
static void go_on(struct hfa_run *run)
{
    Py_INCREF(run);
    if (drive(run) == PROGRESS_NEEDS_TASK) {
        PyObject *task = hfa_task_start(run->server, (PyObject *)run);
        if (task == NULL) {
            hfa_server_object_report(run->server, "the task of a request could not be started");
            if (run->state != HFA_RUN_DONE)
                finish_native(run);
        } else if (run->state != HFA_RUN_DONE) {
            run->task = task;
            if (run->call != NULL && run->call->task == NULL)
                run->call->task = Py_NewRef(task);
        } else {
            Py_DECREF(task);
        }
    }
    Py_DECREF(run);
}

void hfa_run_begin(struct hfa_run *run)
{
    go_on(run);
    Py_DECREF(run);
}

void hfa_run_on_body(struct hfa_run *run)
{
    if (run->phase == HFA_RUN_READS && !run->is_driven)
        go_on(run);
}

void hfa_run_on_disconnect(struct hfa_run *run)
{
    run->is_disconnected = true;
    hfa_run_on_body(run);
}

void hfa_run_abandon(struct hfa_run *run)
{
    Py_INCREF(run);
    run->is_disconnected = true;
    unlink_run(run);
    release_exchange(run);
    Py_DECREF(run);
}

/* --- As a coroutine
 * ------------------------------------------------------------------------------------------ */

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
        let_go(run);
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
        after_await(run, outcome == PYGEN_RETURN ? value : NULL);
        if (drive(run) == PROGRESS_DONE)
            return end(run, result);
        value = NULL;
        outcome = PyIter_Send(run->awaiting, Py_None, &value);
    }
}

static PySendResult run_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_run *run = (struct hfa_run *)self;
    PyObject *stepped = NULL;

    *result = NULL;
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
    if (is_first && run->awaiting == NULL && drive(run) == PROGRESS_DONE) {
        outcome = end(run, result);
    } else {
        outcome = PyIter_Send(run->awaiting, is_first ? Py_None : value, &stepped);
        outcome = after_step(run, outcome, stepped, result);
    }
    Py_DECREF(run);
    return outcome;
}

static PyObject *run_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = run_send(self, Py_None, &result);

    return hfa_await_next_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = run_send(self, value, &result);

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
        keep_exception(run);
        if (drive(run) == PROGRESS_DONE) {
            outcome = end(run, &result);
        } else {
            outcome = PyIter_Send(run->awaiting, Py_None, &stepped);
            outcome = after_step(run, outcome, stepped, &result);
        }
    } else {
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
    unlink_run(run);
    if (run->call != NULL)
        hfa_asgi_call_drop(run->call);
    release_exchange(run);
    let_go(run);
    Py_DECREF(run);
    if (exception != NULL)
        hfa_raise_exception(exception);
    if (closed < 0)
        return NULL;
    Py_RETURN_NONE;
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

/* --- Making and freeing
 * ------------------------------------------------------------------------------------------ */

static struct hfa_run *new_run(struct hfa_application *application, struct hfa_plan *plan,
                               PyObject *path, const struct hfa_route_match *match)
{
    struct hfa_state *state = application->state;
    struct hfa_run *run = (struct hfa_run *)hfa_free_list_take(&state->free_runs, state->run_type);

    if (run == NULL)
        return NULL;
    memset((char *)run + sizeof(PyObject), 0,
           offsetof(struct hfa_run, inline_values) - sizeof(PyObject));
    run->owned_count = plan->value_count + plan->cache_count;
    run->values = run->inline_values;
    if (run->owned_count > HFA_RUN_INLINE_VALUES) {
        run->values = PyMem_Malloc(run->owned_count * sizeof(*run->values));
        if (run->values == NULL) {
            run->values = run->inline_values;
            run->owned_count = 0;
        }
    }
    memset(run->values, 0, run->owned_count * sizeof(*run->values));
    run->cache = run->values + plan->value_count;
    run->application = (struct hfa_application *)Py_NewRef((PyObject *)application);
    run->plan = (struct hfa_plan *)Py_NewRef((PyObject *)plan);
    run->path = Py_XNewRef(path);
    run->phase = plan->body == HFA_BODY_NONE ? HFA_RUN_EXTRACTS : HFA_RUN_READS;
    memcpy(run->params, match->params, plan->path_param_count * sizeof(run->params[0]));
    PyObject_GC_Track(run);
    if (run->owned_count == 0 && plan->value_count > 0) {
        Py_DECREF(run);
        PyErr_NoMemory();
        return NULL;
    }
    return run;
}

struct hfa_run *hfa_run_new(struct hfa_application *application, struct hfa_server_object *server,
                            struct hfa_exchange *exchange, struct hfa_plan *plan, PyObject *path,
                            const struct hfa_route_match *match)
{
    struct hfa_run *run = new_run(application, plan, path, match);

    if (run == NULL)
        return NULL;
    run->server = (struct hfa_server_object *)Py_NewRef((PyObject *)server);
    run->exchange = exchange;
    run->head = &exchange->request;
    run->is_disconnected = exchange->is_disconnected;
    exchange->app_data = Py_NewRef((PyObject *)run);
    link_run(run, &server->runs);
    server->run_count++;
    run->is_counted = true;
    return run;
}

static struct hfa_bytes bytes_of(PyObject *bytes)
{
    return (struct hfa_bytes){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* The request's head, as the scope tells it, in views of what run->headers keeps. */
static int read_scope(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;
    PyObject *headers = PyDict_GetItemWithError(run->scope, state->str_headers);    /* borrowed */
    PyObject *query = PyDict_GetItemWithError(run->scope, state->str_query_string); /* borrowed */
    PyObject *method = PyDict_GetItemWithError(run->scope, state->str_method);      /* borrowed */
    PyObject *outer = PyDict_GetItemWithError(run->scope, state->str_path_params);  /* borrowed */
    PyObject *items = headers == NULL ? NULL : PySequence_List(headers);
    Py_ssize_t length = 0;

    if (items == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->str_headers);
        return -1;
    }
    run->headers = Py_BuildValue("(NOO)", items, query == NULL ? state->empty_bytes : query,
                                 method == NULL ? Py_None : method);
    if (run->headers == NULL)
        return -1;
    size_t count = (size_t)PyList_GET_SIZE(items);
    struct hfa_field *fields = PyMem_Calloc(count + 1, sizeof(*fields));
    if (fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    run->entered.fields = fields;
    run->entered.field_count = count;
    for (size_t i = 0; i < count; i++) {
        PyObject *pair = PySequence_Tuple(PyList_GET_ITEM(items, (Py_ssize_t)i));
        if (pair == NULL || PyList_SetItem(items, (Py_ssize_t)i, pair) < 0) /* steals */
            return -1;
        if (PyTuple_GET_SIZE(pair) != 2 || !PyBytes_Check(PyTuple_GET_ITEM(pair, 0)) ||
            !PyBytes_Check(PyTuple_GET_ITEM(pair, 1))) {
            PyErr_SetString(PyExc_TypeError, "request headers are pairs of bytes");
            return -1;
        }
        fields[i] = (struct hfa_field){bytes_of(PyTuple_GET_ITEM(pair, 0)),
                                       bytes_of(PyTuple_GET_ITEM(pair, 1))};
    }
    if (query != NULL && PyBytes_Check(query))
        run->entered.query = bytes_of(query);
    if (method != NULL && PyUnicode_Check(method)) {
        run->entered.method.data = PyUnicode_AsUTF8AndSize(method, &length);
        run->entered.method.length = (size_t)length;
    }
    if (outer != NULL && PyDict_Check(outer) && PyDict_Size(outer) > 0)
        run->outer_path_params = Py_NewRef(outer);
    run->head = &run->entered;
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *hfa_run_enter(struct hfa_application *application, struct hfa_plan *plan, PyObject *scope,
                        PyObject *receive, PyObject *send, PyObject *path,
                        const struct hfa_route_match *match)
{
    struct hfa_run *run = new_run(application, plan, path, match);

    if (run == NULL)
        return NULL;
    run->scope = Py_NewRef(scope);
    run->receive = Py_NewRef(receive);
    run->send = Py_NewRef(send);
    if (read_scope(run) < 0) {
        Py_DECREF(run);
        return NULL;
    }
    return (PyObject *)run;
}

static int run_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_run *run = (struct hfa_run *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(run->application);
    Py_VISIT(run->plan);
    Py_VISIT(run->server);
    Py_VISIT(run->call);
    Py_VISIT(run->scope);
    Py_VISIT(run->receive);
    Py_VISIT(run->send);
    Py_VISIT(run->outer_path_params);
    Py_VISIT(run->headers);
    Py_VISIT(run->task);
    Py_VISIT(run->awaiting);
    Py_VISIT(run->errors);
    Py_VISIT(run->body);
    Py_VISIT(run->pieces);
    Py_VISIT(run->model);
    Py_VISIT(run->request);
    Py_VISIT(run->injected_response);
    Py_VISIT(run->background);
    Py_VISIT(run->result);
    Py_VISIT(run->response);
    Py_VISIT(run->after);
    Py_VISIT(run->context);
    Py_VISIT(run->exception);
    Py_VISIT(run->future);
    for (size_t i = 0; i < run->owned_count; i++)
        Py_VISIT(run->values[i]);
    return 0;
}

static int run_clear(PyObject *self)
{
    struct hfa_run *run = (struct hfa_run *)self;

    Py_CLEAR(run->call);
    Py_CLEAR(run->scope);
    Py_CLEAR(run->receive);
    Py_CLEAR(run->send);
    Py_CLEAR(run->outer_path_params);
    Py_CLEAR(run->task);
    Py_CLEAR(run->awaiting);
    Py_CLEAR(run->errors);
    Py_CLEAR(run->body);
    Py_CLEAR(run->pieces);
    Py_CLEAR(run->body_bytes);
    Py_CLEAR(run->model);
    Py_CLEAR(run->request);
    Py_CLEAR(run->injected_response);
    Py_CLEAR(run->background);
    Py_CLEAR(run->result);
    Py_CLEAR(run->response);
    Py_CLEAR(run->response_body);
    Py_CLEAR(run->after);
    Py_CLEAR(run->context);
    Py_CLEAR(run->exception);
    Py_CLEAR(run->future);
    clear_values(run);
    return 0;
}

static void run_dealloc(PyObject *self)
{
    struct hfa_run *run = (struct hfa_run *)self;
    struct hfa_state *state = run->application->state;
    PyObject *exception = hfa_take_exception();

    PyObject_GC_UnTrack(self);
    unlink_run(run);
    run_clear(self);
    Py_CLEAR(run->headers);
    Py_CLEAR(run->path);
    PyMem_Free((void *)run->entered.fields);
    if (run->values != run->inline_values)
        PyMem_Free(run->values);
    Py_CLEAR(run->plan);
    Py_CLEAR(run->server);
    Py_CLEAR(run->application);
    hfa_free_list_put(&state->free_runs, self);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static PyMethodDef run_methods[] = {
    {"send", method_send, METH_O, "Steps the request's coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the coroutine waits."},
    {"close", method_close, METH_NOARGS, "Ends the coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef run_getset[] = {
    {"cr_await", get_await, NULL, "What the coroutine waits for.", NULL},
    {"cr_running", get_running, NULL, "Whether it is being stepped.", NULL},
    {"cr_frame", get_inner, NULL, "The frame of what it waits for.", "cr_frame"},
    {"cr_code", get_inner, NULL, "The code of what it waits for.", "cr_code"},
    {"__name__", get_name, NULL, "A name for tasks.", NULL},
    {"__qualname__", get_name, NULL, "A name for tasks.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *return_self(PyObject *self)
{
    return Py_NewRef(self);
}

static PyType_Slot run_slots[] = {
    {Py_tp_doc, "A request on its way through a compiled route."},
    {Py_tp_dealloc, run_dealloc},
    {Py_tp_traverse, run_traverse},
    {Py_tp_clear, run_clear},
    {Py_tp_methods, run_methods},
    {Py_tp_getset, run_getset},
    {Py_tp_iter, return_self},
    {Py_tp_iternext, run_next},
    {Py_am_await, return_self},
    {Py_am_send, run_send},
    {0, NULL},
};

PyType_Spec hfa_run_spec = {
    .name = "hyperfastapi._core.Run",
    .basicsize = sizeof(struct hfa_run),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = run_slots,
};
