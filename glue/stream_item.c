#include "stream_item.h"

#include "json_spaced.h"
#include "response_model.h"
#include "shape_write.h"

/* Each of these gives 1: written; 0: left to FastAPI's code, and what was appended is to be
 * dropped; -1 with an exception. */

static int append(struct hfa_json_encoder *encoder, const char *data, size_t length)
{
    return hfa_json_append(encoder, data, length) < 0 ? -1 : 1;
}

static int append_object(struct hfa_json_encoder *encoder, PyObject *bytes)
{
    Py_buffer view;

    if (PyBytes_CheckExact(bytes))
        return append(encoder, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
        return -1;
    int status = append(encoder, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return status;
}

/* The JSON of an item: with the type that the endpoint declares by pydantic, else by json.dumps. */
static int write_data(const struct hfa_run *run, struct hfa_json_encoder *encoder, PyObject *item)
{
    const struct hfa_plan *plan = run->plan;

    if (plan->response_validate == NULL)
        return hfa_json_spaced(encoder, item);
    if (plan->response_shape != NULL) {
        int fits = hfa_shape_write(plan->response_shape, encoder, item);
        if (fits != 0)
            return fits;
    }
    PyObject *value = hfa_response_model_validate(run, item);
    PyObject *json = value == NULL ? NULL : hfa_response_model_json(plan, value);
    int status = json == NULL ? -1 : append_object(encoder, json);
    Py_XDECREF(json);
    Py_XDECREF(value);
    return status;
}

/* --- Server-sent events -------------------------------------------------------------------------
 */

/* The lines of a text, each behind the name of its field; they end with CR LF, CR or LF. */
static int append_lines(struct hfa_json_encoder *encoder, const char *name, const char *text,
                        size_t length)
{
    const char *end = text + length;

    for (;;) {
        const char *stop = text;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        if (append(encoder, name, strlen(name)) < 0 ||
            append(encoder, text, (size_t)(stop - text)) < 0 || append(encoder, "\n", 1) < 0)
            return -1;
        if (stop == end)
            return 1;
        text = stop + (*stop == '\r' && stop + 1 < end && stop[1] == '\n' ? 2 : 1);
    }
}

/* The UTF-8 of a str, borrowed from it; false: it is none, or has none, and the error of that is
 * FastAPI's to raise. */
static bool view_text(PyObject *text, struct hfa_bytes *view)
{
    Py_ssize_t length = 0;

    if (!PyUnicode_CheckExact(text))
        return false;
    view->data = PyUnicode_AsUTF8AndSize(text, &length);
    view->length = (size_t)length;
    if (view->data == NULL)
        PyErr_Clear();
    return view->data != NULL;
}

static int append_field(struct hfa_json_encoder *encoder, const char *name, struct hfa_bytes text)
{
    if (append(encoder, name, strlen(name)) < 0 || append(encoder, text.data, text.length) < 0)
        return -1;
    return append(encoder, "\n", 1);
}

static int append_event_data(const struct hfa_run *run, struct hfa_json_encoder *encoder,
                             PyObject *data)
{
    const struct hfa_state *state = run->application->state;

    int is_model = PyObject_IsInstance(data, run->application->hooks.base_model);
    if (is_model < 0)
        return -1;
    if (is_model == 0) {
        if (append(encoder, "data: ", 6) < 0)
            return -1;
        int written = hfa_json_spaced(encoder, data);
        return written <= 0 ? written : append(encoder, "\n", 1);
    }
    PyObject *json = PyObject_CallMethodNoArgs(data, state->str_model_dump_json);
    if (json == NULL)
        return -1;
    struct hfa_bytes text;
    int status = -1;
    if (view_text(json, &text))
        status = append_lines(encoder, "data: ", text.data, text.length);
    else
        PyErr_Format(PyExc_TypeError, "model_dump_json() of %.100s has to give text",
                     Py_TYPE(data)->tp_name);
    Py_DECREF(json);
    return status;
}

enum event_field {
    EVENT_COMMENT,
    EVENT_EVENT,
    EVENT_RAW_DATA,
    EVENT_ID,
    EVENT_TEXTS,
    EVENT_DATA = EVENT_TEXTS,
    EVENT_RETRY,
    EVENT_FIELDS,
};

/* All that can be left to FastAPI's code is looked at before code of the user's runs. */
static int append_event_fields(const struct hfa_run *run, struct hfa_json_encoder *encoder,
                               PyObject *const *fields)
{
    struct hfa_bytes texts[EVENT_TEXTS];
    int64_t retry = 0;
    int status = 1;

    for (unsigned i = 0; i < EVENT_TEXTS; i++) {
        texts[i] = (struct hfa_bytes){0};
        if (fields[i] != Py_None && !view_text(fields[i], &texts[i]))
            return 0;
    }
    if (fields[EVENT_RETRY] != Py_None &&
        (!PyLong_CheckExact(fields[EVENT_RETRY]) || !hfa_int_as_int64(fields[EVENT_RETRY], &retry)))
        return 0;
    if (fields[EVENT_COMMENT] != Py_None)
        status =
            append_lines(encoder, ": ", texts[EVENT_COMMENT].data, texts[EVENT_COMMENT].length);
    if (status > 0 && fields[EVENT_EVENT] != Py_None)
        status = append_field(encoder, "event: ", texts[EVENT_EVENT]);
    if (status > 0 && fields[EVENT_RAW_DATA] != Py_None)
        status = append_lines(encoder, "data: ", texts[EVENT_RAW_DATA].data,
                              texts[EVENT_RAW_DATA].length);
    else if (status > 0 && fields[EVENT_DATA] != Py_None)
        status = append_event_data(run, encoder, fields[EVENT_DATA]);
    if (status > 0 && fields[EVENT_ID] != Py_None)
        status = append_field(encoder, "id: ", texts[EVENT_ID]);
    if (status > 0 && fields[EVENT_RETRY] != Py_None) {
        status = append(encoder, "retry: ", 7);
        if (status > 0 && hfa_json_append_integer(encoder, retry) < 0)
            return -1;
        if (status > 0)
            status = append(encoder, "\n", 1);
    }
    return status > 0 ? append(encoder, "\n", 1) : status;
}

/* FastAPI's ServerSentEvent itself, not a subclass. */
static int write_event_object(const struct hfa_run *run, struct hfa_json_encoder *encoder,
                              PyObject *item)
{
    const struct hfa_state *state = run->application->state;
    PyObject *const names[EVENT_FIELDS] = {
        [EVENT_COMMENT] = state->str_comment,   [EVENT_EVENT] = state->str_event,
        [EVENT_RAW_DATA] = state->str_raw_data, [EVENT_ID] = state->str_id,
        [EVENT_DATA] = state->str_data,         [EVENT_RETRY] = state->str_retry,
    };
    PyObject *fields[EVENT_FIELDS] = {NULL};
    int status = 1;

    for (unsigned i = 0; i < EVENT_FIELDS && status > 0; i++) {
        fields[i] = PyObject_GetAttr(item, names[i]);
        status = fields[i] == NULL ? -1 : 1;
    }
    if (status > 0)
        status = append_event_fields(run, encoder, fields);
    for (unsigned i = 0; i < EVENT_FIELDS; i++)
        Py_XDECREF(fields[i]);
    return status;
}

static int write_event(const struct hfa_run *run, struct hfa_json_encoder *encoder, PyObject *item)
{
    PyObject *kind = run->application->hooks.server_sent_event;

    if ((PyObject *)Py_TYPE(item) == kind)
        return write_event_object(run, encoder, item);
    int is_event = PyObject_IsInstance(item, kind);
    if (is_event != 0)
        return is_event < 0 ? -1 : 0;
    if (append(encoder, "data: ", 6) < 0)
        return -1;
    int status = write_data(run, encoder, item);
    return status > 0 ? append(encoder, "\n\n", 2) : status;
}

static int write_line(const struct hfa_run *run, struct hfa_json_encoder *encoder, PyObject *item)
{
    int status = write_data(run, encoder, item);

    return status > 0 ? append(encoder, "\n", 1) : status;
}

int hfa_stream_item_write(const struct hfa_run *run, enum hfa_stream_kind kind, PyObject *serialize,
                          struct hfa_json_encoder *encoder, PyObject *item)
{
    size_t length = encoder->length;
    int status = 0;

    if (kind == HFA_STREAM_EVENTS)
        status = write_event(run, encoder, item);
    else if (kind == HFA_STREAM_LINES)
        status = write_line(run, encoder, item);
    else if (PyBytes_CheckExact(item) || PyMemoryView_Check(item))
        status = append_object(encoder, item);
    if (status == 0) {
        encoder->length = length;
        PyObject *bytes = PyObject_CallOneArg(serialize, item);
        status = bytes == NULL ? -1 : append_object(encoder, bytes);
        Py_XDECREF(bytes);
    }
    if (status > 0)
        return 0;
    encoder->length = length;
    return -1;
}
