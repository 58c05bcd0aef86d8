/* What a run leaves to FastAPI's own handlers and to the application's middleware stack. */
#include "plan_run.h"
#include "run_bounds.h"
#include "run_exits.h"
#include "server_object.h"

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

/* Nothing that anybody would read. */
static int answer_nobody(struct hfa_run *run)
{
    PyObject *response = PyObject_CallNoArgs(run->application->hooks.gone_response);

    if (response == NULL)
        return -1;
    Py_CLEAR(run->exception);
    int status = hfa_run_send_response(run, response);
    Py_DECREF(response);
    return status;
}

/* Through the application's whole middleware stack, at whose core the exception is raised or the
 * response sent. Middleware that has done its part natively must not see a response that has been
 * started. */
static int resume_through_stack(struct hfa_run *run)
{
    const struct hfa_application *application = run->application;
    bool is_bare = run->response_started && application->stages.count > 0;
    PyObject *stack = is_bare               ? application->hooks.bare_stack
                      : run->server != NULL ? run->server->app
                                            : application->app;

    if (hfa_run_need_call(run) < 0 || hfa_run_hide_limit(run) < 0)
        return -1;
    /* Our own server's send() knows the message that says that a response has been started. */
    PyObject *send = run->server == NULL && run->response_started
                         ? PyObject_CallOneArg(application->hooks.send_others, run->send)
                         : Py_NewRef(run->send);
    if (send == NULL)
        return -1;
    hfa_run_unlink(run);
    hfa_run_link(run, &run->application->pending);
    PyObject *answering = PyObject_CallFunctionObjArgs(stack, run->scope, run->receive, send, NULL);
    Py_DECREF(send);
    return hfa_run_await(run, answering);
}

/* The response is sent from inside the stack. */
enum hfa_progress hfa_run_resume_response(struct hfa_run *run)
{
    if (!run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    run->phase = HFA_RUN_ENDS;
    if (resume_through_stack(run) < 0) {
        Py_XSETREF(run->exception, hfa_take_exception());
        return HFA_PROGRESS_DONE;
    }
    return HFA_PROGRESS_AWAITS;
}

static PyObject *answer(struct hfa_run *run)
{
    const struct hfa_hooks *hooks = &run->application->hooks;

    bool is_unseen = run->server != NULL || run->is_outside;
    PyObject *started = PyLong_FromLong(!run->response_started ? 0 : is_unseen ? 1 : 2);

    if (started == NULL || hfa_run_need_request(run) < 0) {
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
    if (hfa_run_need_request(run) < 0)
        return NULL;
    return PyObject_CallFunctionObjArgs(run->application->hooks.respond, run->response,
                                        run->request, run->scope, run->receive, run->send, NULL);
}

enum hfa_progress hfa_run_fail(struct hfa_run *run)
{
    if (run->in_worker)
        run->is_orphaned = true;
    if (run->call != NULL)
        Py_CLEAR(run->call->staged_by); /* what comes now passes the middleware itself */
    enum hfa_progress leaving = hfa_run_throw(run);
    if (leaving != HFA_PROGRESS_DONE)
        return leaving;
    bool is_exception = PyObject_IsInstance(run->exception, PyExc_Exception) == 1;
    PyErr_Clear();
    if (run->call != NULL && run->call->response_started)
        run->response_started = true;
    if (!is_exception)
        return HFA_PROGRESS_DONE;
    if (!run->response_started && hfa_run_lost_client(run)) {
        if (answer_nobody(run) < 0)
            hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    /* A WebSocket's handlers need it, and what they return is a denial of its handshake. */
    if (!run->response_started && !run->is_answered && !run->plan->is_websocket) {
        run->is_answered = true;
        int outcome = answer_by_default(run);
        if (outcome < 0)
            hfa_run_keep_exception(run);
        if (outcome != 0)
            return HFA_PROGRESS_AWAITS;
    }
    if (!run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    int status;
    if (run->server != NULL || run->is_outside)
        status = resume_through_stack(run);
    else
        status = hfa_run_await(run, answer(run));
    run->phase = HFA_RUN_ENDS;
    if (status < 0) {
        Py_XSETREF(run->exception, hfa_take_exception());
        return HFA_PROGRESS_DONE;
    }
    return HFA_PROGRESS_AWAITS;
}

bool hfa_run_is_pending(const struct hfa_application *application, PyObject *scope)
{
    for (const struct hfa_run *run = application->pending; run != NULL; run = run->next) {
        if (run->scope == scope)
            return true;
    }
    return false;
}

PyObject *hfa_run_resume(struct hfa_application *application, PyObject *scope, PyObject *receive,
                         PyObject *send)
{
    for (struct hfa_run *run = application->pending; run != NULL; run = run->next) {
        if (run->scope != scope)
            continue;
        hfa_run_unlink(run);
        Py_XSETREF(run->receive, Py_NewRef(receive));
        Py_XSETREF(run->send, Py_NewRef(send));
        PyObject *answering = run->exception != NULL ? answer(run) : respond_inside(run);
        Py_CLEAR(run->exception); /* the handlers' now */
        return answering;
    }
    return NULL;
}
