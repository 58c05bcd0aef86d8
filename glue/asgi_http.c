/* ASGI's HTTP messages on an exchange, with the rules and error texts that servers share. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "asgi_call.h"
#include "server_object.h"

static PyObject *event_disconnect(const struct hfa_state *state)
{
    PyObject *event = PyDict_New();

    if (event != NULL && PyDict_SetItem(event, state->str_type, state->str_http_disconnect) < 0)
        Py_CLEAR(event);
    return event;
}

static PyObject *event_request(const struct hfa_state *state, PyObject *body, bool more_body)
{
    PyObject *event = PyDict_New();

    if (event == NULL || PyDict_SetItem(event, state->str_type, state->str_http_request) < 0 ||
        PyDict_SetItem(event, state->str_body, body) < 0 ||
        PyDict_SetItem(event, state->str_more_body, more_body ? Py_True : Py_False) < 0)
        Py_CLEAR(event);
    return event;
}

int hfa_asgi_http_receive(struct hfa_asgi_call *call, PyObject **result)
{
    const struct hfa_state *state = call->server->state;
    struct hfa_exchange *exchange = call->exchange;

    if (exchange == NULL || call->is_disconnected || call->response_complete) {
        *result = event_disconnect(state);
        return *result == NULL ? -1 : 1;
    }
    hfa_exchange_read(exchange);
    hfa_server_object_output(call->server, HFA_OUTPUT_LATER);
    struct hfa_bytes received = hfa_buffer_bytes(&exchange->body);
    if (received.length == 0 && (!exchange->body_complete || call->body_ended))
        return 0;
    PyObject *body = received.length == 0
                         ? Py_NewRef(state->empty_bytes)
                         : PyBytes_FromStringAndSize(received.data, (Py_ssize_t)received.length);
    if (body == NULL)
        return -1;
    bool more_body = !exchange->body_complete;
    *result = event_request(state, body, more_body);
    Py_DECREF(body);
    if (*result == NULL)
        return -1;
    call->body_ended = !more_body;
    if (received.length > 0)
        hfa_exchange_consume_body(exchange, received.length);
    return 1;
}

static void complete(struct hfa_asgi_call *call)
{
    call->response_complete = true;
    hfa_asgi_call_wake(call); /* receive() gives http.disconnect now */
}

/* An optional item as a truth value; absent is false. -1 with an exception. */
static int read_flag(PyObject *message, PyObject *key, bool *flag)
{
    PyObject *item = hfa_asgi_message_item(message, key, false);
    int truth = item == NULL ? 0 : PyObject_IsTrue(item);

    Py_XDECREF(item);
    *flag = truth == 1;
    return truth < 0 || PyErr_Occurred() ? -1 : 0;
}

/* 103 (Early Hints), one Link field for each link. */
static int send_early_hint(struct hfa_asgi_call *call, PyObject *message)
{
    static const struct hfa_bytes link = HFA_BYTES_INIT("link");
    PyObject *links = hfa_asgi_message_item(message, call->server->state->str_links, true);
    PyObject *list = links == NULL ? NULL : PySequence_List(links);
    struct hfa_field *fields = NULL;
    int result = -1;

    if (list == NULL)
        goto done;
    Py_ssize_t count = PyList_Size(list);
    fields = PyMem_Malloc((size_t)(count + 1) * sizeof(*fields));
    if (fields == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = PyList_GetItem(list, i); /* borrowed: no code runs in between */
        if (!PyBytes_Check(value)) {
            PyErr_SetString(PyExc_TypeError, "links of an early hint have to be bytes");
            goto done;
        }
        fields[i] =
            (struct hfa_field){link, {PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value)}};
    }
    if (hfa_asgi_check(hfa_exchange_inform(call->exchange, 103, fields, (size_t)count)) == 0)
        result = 1;
    hfa_server_object_output(call->server, HFA_OUTPUT_NOW);
done:
    PyMem_Free(fields);
    Py_XDECREF(list);
    Py_XDECREF(links);
    return result;
}

/* Starts the response, with what native middleware adds to its head. -1 with an exception. */
static int start_response(struct hfa_asgi_call *call, int status,
                          const struct hfa_asgi_fields *fields)
{
    const struct hfa_application *application = (struct hfa_application *)call->staged_by;

    return hfa_response_stages_start(application == NULL ? NULL : &application->stages,
                                     call->exchange, status, fields);
}

static int send_start(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    struct hfa_asgi_fields fields;
    int result = -1;

    call->response_started = true;
    if (call->is_shutting_down)
        call->is_disconnected = true; /* a stream that begins now would hold up the exit */
    if (call->is_disconnected)
        hfa_asgi_call_wake(call);
    PyObject *status = hfa_asgi_message_item(message, state->str_status, true);
    if (status == NULL)
        return -1;
    PyObject *headers = hfa_asgi_message_item(message, state->str_headers, false);
    int overflow = 0;
    long code = PyLong_AsLongAndOverflow(status, &overflow);
    if (PyErr_Occurred())
        goto done;
    if (overflow != 0 || code < 200 || code > 999) {
        PyErr_SetObject(PyExc_KeyError, status); /* not a status that can be final */
        goto done;
    }
    if (hfa_server_object_log_access(call->server, call->scope, status) < 0)
        goto done;
    if (read_flag(message, state->str_trailers, &call->has_trailers) < 0 ||
        hfa_asgi_fields_read(&fields, headers) < 0)
        goto done;
    result = start_response(call, (int)code, &fields) < 0 ? -1 : 1;
    hfa_asgi_fields_free(&fields);
    hfa_server_object_output(call->server, HFA_OUTPUT_LATER);
done:
    Py_XDECREF(headers);
    Py_DECREF(status);
    return result;
}

/* Takes the bytes of `body`: large bytes objects are lent, other objects copied. */
static enum hfa_status write_body(struct hfa_asgi_call *call, PyObject *body, bool last)
{
    struct hfa_exchange *exchange = call->exchange;

    if (PyBytes_Check(body)) {
        struct hfa_bytes bytes = {PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body)};
        if (bytes.length < HFA_OUTPUT_BORROW_MIN)
            return hfa_exchange_write(exchange, bytes, NULL, last);
        return hfa_exchange_write(exchange, bytes, Py_NewRef(body), last);
    }
    Py_buffer view;
    if (PyObject_GetBuffer(body, &view, PyBUF_SIMPLE) < 0)
        return HFA_ERR_INVALID; /* with an exception */
    struct hfa_bytes bytes = {view.buf, (size_t)view.len};
    enum hfa_status status = hfa_exchange_write(exchange, bytes, NULL, last);
    PyBuffer_Release(&view);
    return status;
}

static int send_body(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    PyObject *body = hfa_asgi_message_item(message, state->str_body, false);
    bool more_body = false;
    int result = -1;

    if (body == NULL) {
        if (PyErr_Occurred())
            return -1;
        body = Py_NewRef(state->empty_bytes);
    }
    if (read_flag(message, state->str_more_body, &more_body) < 0)
        goto done;
    enum hfa_status status = write_body(call, body, !more_body && !call->has_trailers);
    if (PyErr_Occurred() || hfa_asgi_check(status) < 0)
        goto done;
    if (!more_body && call->has_trailers)
        call->awaits_trailers = true;
    else if (!more_body)
        complete(call);
    hfa_server_object_output(call->server, more_body ? HFA_OUTPUT_NOW : HFA_OUTPUT_SOON);
    result = 1;
done:
    Py_DECREF(body);
    return result;
}

/* Trailers, which may come in several messages: the last one sends them. */
static int send_trailers(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    PyObject *headers = hfa_asgi_message_item(message, state->str_headers, false);
    struct hfa_asgi_fields fields;
    bool more = false;

    if (PyErr_Occurred() || read_flag(message, state->str_more_trailers, &more) < 0) {
        Py_XDECREF(headers);
        return -1;
    }
    if (call->trailers == NULL)
        call->trailers = PyList_New(0);
    PyObject *joined = headers == NULL || call->trailers == NULL
                           ? Py_XNewRef(call->trailers)
                           : PySequence_InPlaceConcat(call->trailers, headers);
    Py_XDECREF(headers);
    if (joined == NULL)
        return -1;
    Py_DECREF(joined); /* the list itself */
    if (more)
        return 1;
    if (hfa_asgi_fields_read(&fields, call->trailers) < 0)
        return -1;
    enum hfa_status status =
        hfa_exchange_write_trailers(call->exchange, fields.fields, fields.count);
    hfa_asgi_fields_free(&fields);
    if (hfa_asgi_check(status) < 0)
        return -1;
    complete(call);
    hfa_server_object_output(call->server, HFA_OUTPUT_SOON);
    return 1;
}

/* A whole file, sent by the kernel. */
static int send_path(struct hfa_asgi_call *call, PyObject *message)
{
    PyObject *path = hfa_asgi_message_item(message, call->server->state->str_path, true);
    PyObject *encoded = NULL;
    struct stat status;

    if (path == NULL)
        return -1;
    int converted = PyUnicode_FSConverter(path, &encoded);
    if (!converted) {
        Py_DECREF(path);
        return -1;
    }
    int fd = open(PyBytes_AS_STRING(encoded), O_RDONLY | O_CLOEXEC);
    Py_DECREF(encoded);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        if (fd >= 0) {
            close(fd);
            errno = EINVAL;
        }
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        Py_DECREF(path);
        return -1;
    }
    Py_DECREF(path);
    if (hfa_asgi_check(
            hfa_exchange_write_file(call->exchange, fd, 0, (uint64_t)status.st_size, true)) < 0)
        return -1;
    complete(call);
    hfa_server_object_output(call->server, HFA_OUTPUT_SOON);
    return 1;
}

/* A part of an open file, sent by the kernel. */
static int send_zero_copy(struct hfa_asgi_call *call, PyObject *message)
{
    PyObject *number = hfa_asgi_message_item(message, call->server->state->str_file, true);
    PyObject *offset = number == NULL
                           ? NULL
                           : hfa_asgi_message_item(message, call->server->state->str_offset, true);
    PyObject *count = offset == NULL
                          ? NULL
                          : hfa_asgi_message_item(message, call->server->state->str_count, true);
    bool more_body = false;
    int result = -1;

    if (count == NULL || read_flag(message, call->server->state->str_more_body, &more_body) < 0)
        goto done;
    long descriptor = PyLong_AsLong(number);
    unsigned long long from = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(offset);
    unsigned long long length = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(count);
    if (PyErr_Occurred())
        goto done;
    int fd = fcntl((int)descriptor, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        goto done;
    }
    bool last = !more_body && !call->has_trailers;
    if (hfa_asgi_check(hfa_exchange_write_file(call->exchange, fd, from, length, last)) < 0)
        goto done;
    if (last)
        complete(call);
    else if (!more_body)
        call->awaits_trailers = true;
    hfa_server_object_output(call->server, more_body ? HFA_OUTPUT_NOW : HFA_OUTPUT_SOON);
    result = 1;
done:
    Py_XDECREF(number);
    Py_XDECREF(offset);
    Py_XDECREF(count);
    return result;
}

static int unexpected(PyObject *type, const char *expected)
{
    PyErr_Format(PyExc_RuntimeError, "Expected ASGI message '%s', but got '%S'.", expected, type);
    return -1;
}

static int is_type(PyObject *type, PyObject *name)
{
    if (type == name)
        return 1;
    return PyObject_RichCompareBool(type, name, Py_EQ);
}

int hfa_asgi_http_send(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    struct hfa_exchange *exchange = call->exchange;
    int result = -1;

    if (message == state->response_started)
        return 1;
    if (!call->response_complete) {
        if (exchange == NULL || exchange->stream == NULL)
            return 1; /* the client has gone: nobody is told */
        if (!hfa_exchange_is_writable(exchange))
            return 0;
    }
    PyObject *type = hfa_asgi_message_item(message, state->str_type, true);
    if (type == NULL)
        return -1;
    if (!call->response_started) {
        int match = is_type(type, state->str_http_response_start);
        if (match > 0)
            result = send_start(call, message);
        else if (match == 0 && is_type(type, state->str_http_response_early_hint) > 0)
            result = send_early_hint(call, message);
        else if (match == 0)
            unexpected(type, "http.response.start");
    } else if (call->awaits_trailers && !call->response_complete) {
        int match = is_type(type, state->str_http_response_trailers);
        if (match > 0)
            result = send_trailers(call, message);
        else if (match == 0)
            unexpected(type, "http.response.trailers");
    } else if (!call->response_complete) {
        int match = is_type(type, state->str_http_response_body);
        if (match > 0)
            result = send_body(call, message);
        else if (match == 0 && is_type(type, state->str_http_response_pathsend) > 0)
            result = send_path(call, message);
        else if (match == 0 && is_type(type, state->str_http_response_zerocopysend) > 0)
            result = send_zero_copy(call, message);
        else if (match == 0)
            unexpected(type, "http.response.body");
    } else {
        PyErr_Format(PyExc_RuntimeError,
                     "Unexpected ASGI message '%S' sent, after response already completed.", type);
    }
    Py_DECREF(type);
    return result;
}

static void send_500(struct hfa_asgi_call *call)
{
    static const struct hfa_field fields[] = {
        {HFA_BYTES_INIT("content-type"), HFA_BYTES_INIT("text/plain; charset=utf-8")},
        {HFA_BYTES_INIT("content-length"), HFA_BYTES_INIT("21")},
        {HFA_BYTES_INIT("connection"), HFA_BYTES_INIT("close")},
    };
    PyObject *status = PyLong_FromLong(500);

    if (status == NULL || hfa_server_object_log_access(call->server, call->scope, status) < 0)
        PyErr_Clear();
    Py_XDECREF(status);
    call->response_started = true;
    if (hfa_exchange_start(call->exchange, 500, fields, 3, false) == HFA_OK)
        hfa_exchange_write(call->exchange, HFA_BYTES("Internal Server Error"), NULL, true);
    call->response_complete = true;
}

void hfa_asgi_http_finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception)
{
    struct hfa_server_object *server = call->server;

    if (exception != NULL) {
        hfa_server_object_log_error(server, "Exception in ASGI application\n", NULL, exception);
        if (!call->response_started)
            send_500(call);
        else
            hfa_exchange_close(call->exchange);
    } else if (result != Py_None) {
        hfa_server_object_log_error(server, "ASGI callable should return None, but returned '%s'.",
                                    result, NULL);
        hfa_exchange_close(call->exchange);
    } else if (!call->response_started && !call->is_disconnected) {
        hfa_server_object_log_error(server, "ASGI callable returned without starting response.",
                                    NULL, NULL);
        send_500(call);
    } else if (!call->response_complete && !call->is_disconnected) {
        hfa_server_object_log_error(server, "ASGI callable returned without completing response.",
                                    NULL, NULL);
        hfa_exchange_close(call->exchange);
    }
    /* What is still incomplete is cut when the exchange is released. */
}
