#include "plan_run.h"

#include "await.h"
#include "run_bounds.h"
#include "run_exits.h"
#include "run_trace.h"
#include "scope.h"
#include "server_object.h"
#include "task.h"
#include "websocket_channel.h"

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
void hfa_run_keep_exception(struct hfa_run *run)
{
    Py_XSETREF(run->exception, hfa_take_exception());
    Py_CLEAR(run->manager);
    run->phase = HFA_RUN_FAILS;
}

void hfa_run_unlink(struct hfa_run *run)
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

void hfa_run_link(struct hfa_run *run, struct hfa_run **list)
{
    run->next = *list;
    run->link = list;
    if (run->next != NULL)
        run->next->link = &run->next;
    *list = run;
}

int hfa_run_need_call(struct hfa_run *run)
{
    if (run->scope != NULL)
        return 0;
    run->scope = hfa_scope_new(run->server, run->exchange);
    if (run->scope == NULL)
        return -1;
    if (hfa_response_stages_fill(&run->application->stages, run->scope) < 0) {
        Py_CLEAR(run->scope);
        return -1;
    }
    run->call =
        hfa_asgi_call_adopt(run->server, run->exchange, run->scope, (PyObject *)run, &run->kept);
    if (run->call == NULL) {
        Py_CLEAR(run->scope);
        return -1;
    }
    run->exchange = NULL; /* the call's now */
    hfa_run_unlink(run);
    run->call->task = Py_XNewRef(run->task);
    run->call->is_disconnected = run->is_disconnected;
    run->call->response_started = run->response_started;
    run->call->response_complete = run->response_started;
    run->call->body_ended =
        run->plan->body == HFA_BODY_FORM ? run->is_body_read : run->plan->body != HFA_BODY_NONE;
    Py_DECREF(run); /* the exchange's reference */
    if (hfa_asgi_call_channels(run->call, &run->receive, &run->send) < 0)
        return -1;
    return hfa_run_watch_client(run);
}

/* The direct way to the connection, as long as no middleware stands in it. */
static int open_channel(struct hfa_run *run)
{
    struct hfa_asgi_call *call = hfa_asgi_call_of(run->application->state, run->receive, run->send);

    return call == NULL || call->exchange == NULL
               ? 0
               : hfa_websocket_channel_open(call, run->request, run->plan->channel, run->receive,
                                            run->send);
}

/* The Request that the application's code sees. */
int hfa_run_need_request(struct hfa_run *run)
{
    if (run->request != NULL)
        return 0;
    if (hfa_run_need_call(run) < 0)
        return -1;
    bool has_form = run->is_form_ready;
    if (has_form && hfa_run_make_form(run) < 0)
        return -1;
    if (run->plan->info != Py_None && run->middleware_stack == NULL && hfa_run_show_route(run) < 0)
        return -1;
    run->request = PyObject_CallFunctionObjArgs(
        run->application->hooks.make_request, run->plan->info, run->scope, run->receive, run->send,
        run->body_bytes == NULL ? Py_None : run->body_bytes,
        run->body == NULL ? Py_None : run->body,
        run->body == NULL || run->body == run->body_bytes ? Py_False : Py_True,
        has_form ? run->body : Py_None, run->form == NULL ? Py_False : Py_True, NULL);
    if (run->request != NULL && run->plan->channel != NULL && open_channel(run) < 0)
        return -1;
    return run->request == NULL ? -1 : hfa_run_show_exits(run);
}

void hfa_run_set_response(struct hfa_run *run, PyObject *response)
{
    run->result = Py_NewRef(response);
    run->phase = HFA_RUN_RESPONDS;
}

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

static enum hfa_progress read_body(struct hfa_run *run)
{
    if (run->server == NULL) {
        if (hfa_run_await(run, PyObject_CallFunctionObjArgs(run->application->hooks.read_body,
                                                            run->receive, run->scope, NULL)) < 0)
            hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    struct hfa_exchange *exchange = run->exchange;
    if (run->is_disconnected) {
        PyObject *exception = PyObject_CallNoArgs(run->application->hooks.disconnect_error);
        if (exception != NULL)
            hfa_raise_exception(exception);
        hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    hfa_exchange_read(exchange);
    hfa_server_object_output(run->server, HFA_OUTPUT_LATER);
    struct hfa_bytes received = hfa_buffer_bytes(&exchange->body);
    bool is_last = exchange->body_complete;
    if (received.length == 0 && !is_last)
        return HFA_PROGRESS_PARKED;
    PyObject *piece = PyBytes_FromStringAndSize(received.data, (Py_ssize_t)received.length);
    if (piece != NULL && received.length > 0)
        hfa_exchange_consume_body(exchange, received.length);
    if (take_piece(run, piece, is_last) < 0) {
        hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    return is_last ? HFA_PROGRESS_AWAITS : HFA_PROGRESS_PARKED;
}

static enum hfa_progress after_response(struct hfa_run *run)
{
    if (run->after != NULL && !run->is_sent_by_app) {
        if (!run->is_driven)
            return HFA_PROGRESS_NEEDS_TASK;
        PyObject *background = run->after;
        run->after = NULL;
        int status = hfa_run_await(run, PyObject_CallNoArgs(background));
        Py_DECREF(background);
        if (status < 0)
            hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    run->is_awaited = true;
    run->phase = HFA_RUN_LEAVES;
    return HFA_PROGRESS_AWAITS;
}

/* The exit stack around FastAPI's route. */
static enum hfa_progress unwind(struct hfa_run *run)
{
    if (run->request != NULL && !run->has_unwound) {
        run->has_unwound = true;
        PyObject *stack = run->middleware_stack != NULL
                              ? run->middleware_stack
                              : PyDict_GetItemWithError(
                                    run->scope, run->application->state->str_middleware_stack);
        PyObject *unwinding =
            PyObject_CallOneArg(run->application->hooks.unwind, stack == NULL ? Py_None : stack);
        if (unwinding == NULL)
            hfa_run_keep_exception(run);
        else if (unwinding == Py_None)
            Py_DECREF(unwinding);
        else if (hfa_run_await(run, unwinding) < 0)
            hfa_run_keep_exception(run);
        if (run->awaiting != NULL || run->phase == HFA_RUN_FAILS)
            return HFA_PROGRESS_AWAITS;
    }
    return HFA_PROGRESS_DONE;
}

/* Goes on until something has to be awaited. */
static enum hfa_progress proceed(struct hfa_run *run)
{
    enum hfa_progress progress = HFA_PROGRESS_AWAITS;

    while (progress == HFA_PROGRESS_AWAITS && run->awaiting == NULL) {
        int status = 0;
        if (run->plan->bounds != NULL) {
            progress = hfa_run_keep_bounds(run);
            if (progress != HFA_PROGRESS_AWAITS)
                break;
        }
        if (run->traced != NULL) {
            progress = hfa_run_trace_step(run);
            if (progress != HFA_PROGRESS_AWAITS || run->awaiting != NULL)
                break;
        }
        switch (run->phase) {
        case HFA_RUN_READS:
            progress = run->plan->body == HFA_BODY_FORM ? hfa_run_read_form(run) : read_body(run);
            break;
        case HFA_RUN_PARSES:
            status = hfa_run_parse_body(run);
            if (status == 0 && hfa_run_shows_request(run) && hfa_run_need_body(run) < 0)
                status = -1;
            run->phase = HFA_RUN_EXTRACTS;
            break;
        case HFA_RUN_EXTRACTS:
            status = hfa_run_extract_step(run);
            break;
        case HFA_RUN_CALLS:
            progress = hfa_run_call_step(run);
            break;
        case HFA_RUN_RESPONDS:
            if (run->plan->is_websocket)
                run->phase = HFA_RUN_LEAVES_EARLY; /* there is nothing to answer with */
            else
                status = hfa_run_respond(run);
            break;
        case HFA_RUN_LEAVES_EARLY:
        case HFA_RUN_LEAVES:
            progress = hfa_run_leave_step(run);
            break;
        case HFA_RUN_SENDS:
            if (run->plan->is_websocket)
                run->phase = HFA_RUN_SENT;
            else
                status = hfa_run_send_response(run, run->response);
            break;
        case HFA_RUN_STARTED:
            status = hfa_run_send_body(run);
            break;
        case HFA_RUN_SENT:
            progress = after_response(run);
            break;
        case HFA_RUN_UNWINDS:
            progress = unwind(run);
            break;
        case HFA_RUN_THROWS_EARLY:
        case HFA_RUN_THROWS:
            status = hfa_run_caught(run);
            break;
        case HFA_RUN_ENDS:
        case HFA_RUN_CLOSES:
            progress = HFA_PROGRESS_DONE;
            break;
        case HFA_RUN_FAILS:
            progress = hfa_run_fail(run);
            break;
        case HFA_RUN_RESUMES:
            progress = hfa_run_resume_response(run);
            break;
        }
        if (status < 0)
            hfa_run_keep_exception(run);
    }
    if (progress == HFA_PROGRESS_DONE)
        progress = hfa_run_close_form(run);
    if (run->awaiting != NULL && !run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    return progress;
}

/* What was awaited has ended: takes `value`, NULL with an exception. */
void hfa_run_after_await(struct hfa_run *run, PyObject *value)
{
    if (run->shield != NULL && hfa_run_lift_shield(run) < 0)
        Py_CLEAR(value);
    bool is_frames = run->awaits_frame;
    bool is_solution = run->awaits_solution;
    bool is_form = run->awaits_form;

    run->awaits_form = false;
    run->awaits_frame = false;
    run->awaits_solution = false;
    if (value == NULL) {
        run->awaits_response = false;
        if (run->phase == HFA_RUN_ENDS || run->phase == HFA_RUN_CLOSES) {
            Py_XSETREF(run->exception, hfa_take_exception());
            return;
        }
        hfa_run_keep_exception(run);
        return;
    }
    if (is_frames) {
        hfa_run_store(run, value);
        return;
    }
    if (run->awaits_response) {
        run->awaits_response = false;
        if (hfa_run_send_response(run, value) < 0)
            hfa_run_keep_exception(run);
        Py_DECREF(value);
        return;
    }
    if (is_form) {
        Py_XSETREF(run->form_values, value);
        return;
    }
    if (is_solution) {
        if (hfa_run_take_solution(run, value) < 0)
            hfa_run_keep_exception(run);
        return;
    }
    switch (run->phase) {
    case HFA_RUN_READS:
        if (run->plan->body == HFA_BODY_FORM) {
            run->is_body_read = true;
            run->is_form_ready = true;
            run->phase = HFA_RUN_EXTRACTS;
            break;
        }
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

void hfa_run_clear_values(struct hfa_run *run)
{
    for (size_t i = 0; i < run->owned_count; i++)
        Py_CLEAR(run->values[i]);
}

/* What the run refers to may go. A worker that still works keeps what it uses. */
void hfa_run_let_go(struct hfa_run *run)
{
    run->state = HFA_RUN_DONE;
    if (run->call != NULL)
        run->call->coroutine = NULL;
    hfa_run_drop_bounds(run);
    Py_CLEAR(run->awaiting);
    Py_CLEAR(run->task);
    if (run->in_worker)
        return;
    Py_CLEAR(run->manager);
    hfa_run_clear_exits(run);
    hfa_run_clear_values(run);
    Py_CLEAR(run->request);
    Py_CLEAR(run->scope);
    Py_CLEAR(run->receive);
    Py_CLEAR(run->send);
    Py_CLEAR(run->response);
    Py_CLEAR(run->result);
}

void hfa_run_release_exchange(struct hfa_run *run)
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
    hfa_run_unlink(run);
    if (run->call != NULL)
        hfa_asgi_call_finish(run->call, Py_None, exception);
    Py_XDECREF(exception);
    hfa_run_release_exchange(run);
    hfa_run_let_go(run);
}

enum hfa_progress hfa_run_drive(struct hfa_run *run)
{
    enum hfa_progress progress = proceed(run);

    if (progress == HFA_PROGRESS_DONE && run->server != NULL)
        finish_native(run);
    return progress;
}

/* Without a coroutine: from the dispatcher, or when a worker is through. */
void hfa_run_go_on(struct hfa_run *run)
{
    Py_INCREF(run);
    if (hfa_run_drive(run) == HFA_PROGRESS_NEEDS_TASK) {
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
    hfa_run_go_on(run);
    Py_DECREF(run);
}

void hfa_run_on_body(struct hfa_run *run)
{
    if (run->phase == HFA_RUN_READS && !run->is_driven && !run->in_worker)
        hfa_run_go_on(run);
}

void hfa_run_on_disconnect(struct hfa_run *run)
{
    run->is_disconnected = true;
    hfa_run_leave_bounds(run);
    hfa_run_on_body(run);
}

void hfa_run_abandon(struct hfa_run *run)
{
    Py_INCREF(run);
    run->is_disconnected = true;
    hfa_run_unlink(run);
    hfa_run_release_exchange(run);
    Py_DECREF(run);
}
