/* Forms of a run: read as they come, written to disk by workers, closed at the run's end. */
#include "plan_run.h"
#include "server_object.h"

static struct hfa_bytes content_type(const struct hfa_run *run)
{
    const struct hfa_bytes *type = hfa_request_field(run->head, HFA_BYTES("content-type"));

    return type == NULL ? (struct hfa_bytes){"", 0} : *type;
}

/* The limits that count for the request: those of the routers on its way, of the route, and what
 * applications around have put into the scope. A new reference. */
static PyObject *limits_of(const struct hfa_run *run)
{
    const struct hfa_plan *plan = run->plan;
    int is_default = 1;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(plan->form_limit_sources); i++) {
        if (PyDict_Size(PyTuple_GET_ITEM(plan->form_limit_sources, i)) != 0)
            is_default = 0;
    }
    if (is_default && run->scope != NULL)
        is_default = 1 - PyDict_Contains(run->scope, run->application->state->str_fastapi);
    if (is_default == 1)
        return Py_NewRef(plan->form_limits);
    PyObject *limits =
        PyObject_CallFunctionObjArgs(run->application->hooks.form_limits, plan->info,
                                     run->scope == NULL ? Py_None : run->scope, NULL);
    if (limits != NULL && (!PyTuple_Check(limits) || PyTuple_GET_SIZE(limits) != 3)) {
        PyErr_SetString(PyExc_TypeError, "three limits expected");
        Py_CLEAR(limits);
    }
    return limits;
}

/* What FastAPI makes of the current exception is to be answered. */
static enum hfa_progress refuse(struct hfa_run *run)
{
    if (run->form != NULL && !run->form->has_failed)
        hfa_form_reader_abort(run->form);
    hfa_run_raise_body_error(run);
    hfa_run_keep_exception(run);
    return HFA_PROGRESS_AWAITS;
}

static enum hfa_progress begin_form(struct hfa_run *run)
{
    struct hfa_bytes type = content_type(run);
    enum hfa_form_kind kind = hfa_form_kind_of(type);

    if (kind == HFA_FORM_NONE) {
        run->is_form_ready = true;
        run->phase = HFA_RUN_EXTRACTS;
        return HFA_PROGRESS_AWAITS;
    }
    PyObject *limits = limits_of(run);
    if (limits == NULL)
        return refuse(run);
    struct hfa_form_rules rules = {limits, run->plan->spool_max_size,
                                   run->server == NULL ? HFA_LENGTH_UNKNOWN
                                                       : run->head->content_length};
    run->form = hfa_form_reader_new(run->application, kind, type, &rules);
    Py_DECREF(limits);
    if (run->form == NULL)
        return refuse(run);
    if (run->server == NULL &&
        hfa_run_await(run,
                      PyObject_CallFunctionObjArgs(run->application->hooks.read_form, run->receive,
                                                   run->form, run->scope, NULL)) < 0)
        hfa_run_keep_exception(run);
    return HFA_PROGRESS_AWAITS;
}

static enum hfa_progress finish_form(struct hfa_run *run)
{
    if (hfa_form_reader_finish(run->form) < 0)
        return refuse(run);
    run->is_form_ready = true;
    run->phase = HFA_RUN_EXTRACTS;
    return HFA_PROGRESS_AWAITS;
}

/* --- Writing to disk -------------------------------------------------------------------------- */

static struct hfa_run *run_of_job(struct hfa_job *job)
{
    return (struct hfa_run *)((char *)job - offsetof(struct hfa_run, job));
}

static void on_write_run(struct hfa_job *job)
{
    struct hfa_run *run = run_of_job(job);

    if (hfa_form_reader_write(run->form) < 0)
        run->write_error = hfa_job_take_exception();
}

static void on_write_done(struct hfa_job *job)
{
    struct hfa_run *run = run_of_job(job);

    run->in_worker = false;
    if (run->state != HFA_RUN_DONE)
        hfa_run_go_on(run);
    Py_DECREF(run); /* the job's reference */
}

static enum hfa_progress write_pending(struct hfa_run *run)
{
    run->job.site = &run->plan->write_site;
    run->job.run = on_write_run;
    run->job.done = on_write_done;
    run->job.counts = true;
    run->in_worker = true;
    Py_INCREF(run);
    if (hfa_pool_submit(run->server->pool, &run->job) < 0) {
        run->in_worker = false;
        Py_DECREF(run);
        return refuse(run);
    }
    return HFA_PROGRESS_PARKED;
}

/* --- Reading ---------------------------------------------------------------------------------- */

/* What has come goes to the reader. */
static enum hfa_progress take_received(struct hfa_run *run)
{
    struct hfa_exchange *exchange = run->exchange;

    hfa_exchange_read(exchange);
    hfa_server_object_output(run->server, HFA_OUTPUT_LATER);
    struct hfa_bytes received = hfa_buffer_bytes(&exchange->body);
    run->is_body_read = exchange->body_complete;
    if (received.length > 0 && hfa_form_reader_feed(run->form, received) < 0) {
        run->is_body_read = false; /* some of it is still there, for who asks */
        return refuse(run);
    }
    if (received.length > 0)
        hfa_exchange_consume_body(exchange, received.length);
    if (run->form->pending != NULL)
        return write_pending(run);
    return run->is_body_read ? finish_form(run) : HFA_PROGRESS_PARKED;
}

enum hfa_progress hfa_run_read_form(struct hfa_run *run)
{
    if (run->in_worker)
        return HFA_PROGRESS_PARKED;
    if (run->form == NULL)
        return begin_form(run);
    if (run->write_error != NULL) {
        PyObject *exception = run->write_error;
        run->write_error = NULL;
        hfa_raise_exception(exception);
        return refuse(run);
    }
    if (run->form->pending != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no thread could be started");
        return refuse(run);
    }
    if (run->is_body_read)
        return finish_form(run);
    if (run->is_disconnected) {
        PyObject *exception = PyObject_CallNoArgs(run->application->hooks.disconnect_error);
        if (exception != NULL)
            hfa_raise_exception(exception);
        hfa_form_reader_abort(run->form);
        hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    return take_received(run);
}

/* --- Afterwards ------------------------------------------------------------------------------- */

int hfa_run_make_form(struct hfa_run *run)
{
    if (run->body != NULL)
        return 0;
    run->body = PyObject_CallOneArg(run->application->hooks.make_form,
                                    run->form == NULL ? Py_None : run->form->items);
    return run->body == NULL ? -1 : 0;
}

int hfa_run_extract_form(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);
    const struct hfa_parameter *parameter = NULL;

    for (size_t i = 0; i < frame->parameter_count && parameter == NULL; i++) {
        if (frame->parameters[i].source == HFA_SOURCE_DELEGATED &&
            frame->parameters[i].delegated_source == HFA_SOURCE_FORM)
            parameter = &frame->parameters[i];
    }
    if (parameter == NULL || run->form_values != NULL)
        return 1;
    if (hfa_run_make_form(run) < 0)
        return -1;
    PyObject *values = PyObject_CallFunctionObjArgs(
        run->application->hooks.form_values, parameter->field, run->body, run->plan->info, NULL);
    if (values == NULL)
        return -1;
    if (PyTuple_Check(values)) {
        run->form_values = values;
        return 1;
    }
    if (hfa_run_await(run, values) < 0)
        return -1;
    run->awaits_form = true;
    return 0;
}

enum hfa_progress hfa_run_close_form(struct hfa_run *run)
{
    struct hfa_form_reader *form = run->form;

    if (form == NULL || form->file_count == 0 || form->has_failed || run->in_worker)
        return HFA_PROGRESS_DONE;
    run->form = NULL;
    PyObject *closing = PyObject_CallOneArg(run->application->hooks.close_form, form->items);
    Py_DECREF(form);
    if (closing == Py_None) {
        Py_DECREF(closing);
        return HFA_PROGRESS_DONE;
    }
    run->phase = HFA_RUN_CLOSES;
    if (hfa_run_await(run, closing) < 0) {
        Py_XSETREF(run->exception, hfa_take_exception());
        return HFA_PROGRESS_DONE;
    }
    return HFA_PROGRESS_AWAITS;
}
