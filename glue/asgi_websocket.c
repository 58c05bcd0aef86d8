/* ASGI's WebSocket messages on an exchange, with the rules and error texts that servers share. */
#include "asgi_call.h"
#include "decimal.h"
#include "server_object.h"

#define CODE_NO_STATUS 1005
#define CODE_ABNORMAL  1006
#define CODE_NORMAL    1000
#define CODE_POLICY    1008

/* Longer messages are sent each by itself. */
#define GATHERED_MAX 4096

static PyObject *event_of_type(const struct hfa_state *state, PyObject *type)
{
    PyObject *event = PyDict_New();

    if (event != NULL && PyDict_SetItem(event, state->str_type, type) < 0)
        Py_CLEAR(event);
    return event;
}

/* Adds an item to an event under construction; steals `value`. On failure the event is gone. */
static PyObject *with_item(PyObject *event, PyObject *key, PyObject *value)
{
    if (event != NULL && (value == NULL || PyDict_SetItem(event, key, value) < 0))
        Py_CLEAR(event);
    Py_XDECREF(value);
    return event;
}

/* `reason` is borrowed; NULL leaves the key out. */
static PyObject *event_disconnect(const struct hfa_state *state, long code, PyObject *reason)
{
    PyObject *event = event_of_type(state, state->str_websocket_disconnect);

    event = with_item(event, state->str_code, PyLong_FromLong(code));
    if (reason != NULL)
        event = with_item(event, state->str_reason, Py_NewRef(reason));
    return event;
}

static PyObject *text_of(const struct hfa_message *message)
{
    Py_ssize_t length = (Py_ssize_t)message->length;

    /* The shortest ones are the interpreter's own. */
    if (!message->is_ascii || length < 2)
        return PyUnicode_DecodeUTF8(message->data, length, NULL);
    PyObject *text = PyUnicode_New(length, 127);
    if (text != NULL)
        memcpy(PyUnicode_1BYTE_DATA(text), message->data, message->length);
    return text;
}

static PyObject *event_of_message(const struct hfa_state *state, const struct hfa_message *message)
{
    Py_ssize_t length = (Py_ssize_t)message->length;
    PyObject *event;

    switch (message->kind) {
    case HFA_MESSAGE_TEXT:
        event = event_of_type(state, state->str_websocket_receive);
        return with_item(event, state->str_text, text_of(message));
    case HFA_MESSAGE_BINARY:
        event = event_of_type(state, state->str_websocket_receive);
        return with_item(event, state->str_bytes, PyBytes_FromStringAndSize(message->data, length));
    case HFA_MESSAGE_CLOSE:
        break;
    }
    PyObject *reason = PyUnicode_DecodeUTF8(message->data, length, "replace");
    if (reason == NULL)
        return NULL;
    event = event_disconnect(state, message->close_code, reason);
    Py_DECREF(reason);
    return event;
}

/* Takes the next message that the application is to see; the caller frees it. NULL: none. */
static struct hfa_message *next_message(struct hfa_asgi_call *call)
{
    struct hfa_message *message = NULL;

    while (call->exchange != NULL &&
           (message = hfa_exchange_take_message(call->exchange)) != NULL) {
        /* What comes after the application's own close is passed over. */
        bool is_late = call->close_sent && call->messages_before_close == 0;
        if (call->messages_before_close > 0)
            call->messages_before_close--;
        call->close_received |= message->kind == HFA_MESSAGE_CLOSE;
        hfa_server_object_output(call->server, HFA_OUTPUT_LATER);
        if (!is_late)
            return message;
        hfa_exchange_free_message(message);
    }
    return NULL;
}

static PyObject *next_event(struct hfa_asgi_call *call)
{
    const struct hfa_state *state = call->server->state;

    if (!call->connect_delivered) {
        call->connect_delivered = true;
        return event_of_type(state, state->str_websocket_connect);
    }
    struct hfa_message *message = next_message(call);
    if (message != NULL) {
        PyObject *event = event_of_message(state, message);
        hfa_exchange_free_message(message);
        return event;
    }
    if (call->close_event != NULL) {
        PyObject *event = call->close_event;
        call->close_event = NULL;
        return event;
    }
    if (call->is_disconnected && !call->disconnect_delivered) {
        call->disconnect_delivered = true;
        return event_disconnect(state, call->handshake_complete ? CODE_NO_STATUS : CODE_ABNORMAL,
                                NULL);
    }
    return NULL;
}

int hfa_asgi_websocket_receive(struct hfa_asgi_call *call, PyObject **result)
{
    *result = next_event(call);
    if (*result != NULL)
        return 1;
    return PyErr_Occurred() ? -1 : 0;
}

int hfa_asgi_websocket_take(struct hfa_asgi_call *call, enum hfa_message_kind kind,
                            PyObject **result)
{
    struct hfa_message *message = call->connect_delivered ? next_message(call) : NULL;

    if (message == NULL || message->kind != kind) {
        *result =
            message == NULL ? next_event(call) : event_of_message(call->server->state, message);
        if (message != NULL)
            hfa_exchange_free_message(message);
        if (*result != NULL)
            return 2;
        return PyErr_Occurred() ? -1 : 0;
    }
    *result = kind == HFA_MESSAGE_TEXT
                  ? text_of(message)
                  : PyBytes_FromStringAndSize(message->data, (Py_ssize_t)message->length);
    hfa_exchange_free_message(message);
    return *result == NULL ? -1 : 1;
}

/* What the server says of a handshake in its log: `format` with client and path, and a status. */
static int log_handshake(struct hfa_asgi_call *call, const char *outcome)
{
    return hfa_server_object_log_websocket(call->server, call->scope, outcome);
}

/* The application's names in lower case, and its subprotocol, as fields of the 101. */
static int accept_fields(PyObject *subprotocol, PyObject *headers, PyObject **list)
{
    int result = -1;

    *list = PyList_New(0);
    PyObject *given = headers == NULL ? PyList_New(0) : PySequence_List(headers);
    if (*list == NULL || given == NULL)
        goto done;
    for (Py_ssize_t i = 0; i < PyList_Size(given); i++) {
        PyObject *name = NULL, *value = NULL;
        PyObject *pair = PySequence_Tuple(PyList_GET_ITEM(given, i));
        if (pair == NULL)
            goto done;
        if (PyArg_ParseTuple(pair, "OO", &name, &value)) {
            PyObject *lower = PyObject_CallMethod(name, "lower", NULL);
            PyObject *item = lower == NULL ? NULL : PyTuple_Pack(2, lower, value);
            Py_XDECREF(lower);
            if (item != NULL)
                PyList_Append(*list, item);
            Py_XDECREF(item);
        }
        Py_DECREF(pair);
        if (PyErr_Occurred())
            goto done;
    }
    if (subprotocol != NULL && PyObject_IsTrue(subprotocol) > 0) {
        PyObject *item = NULL;
        PyObject *value = PyUnicode_AsEncodedString(subprotocol, "latin-1", NULL);
        if (value != NULL)
            item = Py_BuildValue("(yN)", "Sec-WebSocket-Protocol", value);
        if (item == NULL || PyList_Append(*list, item) < 0) {
            Py_XDECREF(item);
            goto done;
        }
        Py_DECREF(item);
    }
    result = PyErr_Occurred() ? -1 : 0;
done:
    Py_XDECREF(given);
    if (result < 0)
        Py_CLEAR(*list);
    return result;
}

/* Both may be NULL: there is none. */
static int accept_with(struct hfa_asgi_call *call, PyObject *subprotocol, PyObject *headers)
{
    struct hfa_asgi_fields fields;
    PyObject *list = NULL;

    if (log_handshake(call, "[accepted]") < 0 || accept_fields(subprotocol, headers, &list) < 0)
        return -1;
    int result = hfa_asgi_fields_read(&fields, list);
    Py_DECREF(list);
    if (result < 0)
        return -1;
    enum hfa_status status = hfa_exchange_accept(call->exchange, fields.fields, fields.count);
    hfa_asgi_fields_free(&fields);
    if (hfa_asgi_check(status) < 0)
        return -1;
    call->handshake_complete = status == HFA_OK;
    return 1;
}

static int send_accept(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    PyObject *headers = hfa_asgi_message_item(message, state->str_headers, false);
    PyObject *subprotocol =
        PyErr_Occurred() ? NULL : hfa_asgi_message_item(message, state->str_subprotocol, false);

    int result = PyErr_Occurred() ? -1 : accept_with(call, subprotocol, headers);
    Py_XDECREF(subprotocol);
    Py_XDECREF(headers);
    return result;
}

/* Turns the handshake down with a whole response. */
static void deny(struct hfa_asgi_call *call, int status, const struct hfa_field *fields,
                 size_t count, struct hfa_bytes body)
{
    if (hfa_exchange_start(call->exchange, status, fields, count, false) == HFA_OK)
        hfa_exchange_write(call->exchange, body, NULL, true);
}

static void deny_with_text(struct hfa_asgi_call *call, int status, struct hfa_bytes body)
{
    char length[HFA_DECIMAL_MAX];
    size_t size = hfa_decimal_write(body.length, length);
    struct hfa_field fields[] = {
        {HFA_BYTES_INIT("connection"), HFA_BYTES_INIT("close")},
        {HFA_BYTES_INIT("content-length"), {length, size}},
        {HFA_BYTES_INIT("content-type"), HFA_BYTES_INIT("text/plain; charset=utf-8")},
    };

    deny(call, status, fields, 3, body);
}

static int set_close_event(struct hfa_asgi_call *call, long code, PyObject *reason)
{
    Py_XSETREF(call->close_event, event_disconnect(call->server->state, code, reason));
    if (call->close_event == NULL)
        return -1;
    hfa_asgi_call_wake(call);
    return 0;
}

static int send_close_before_accept(struct hfa_asgi_call *call)
{
    if (set_close_event(call, CODE_ABNORMAL, NULL) < 0 || log_handshake(call, "403") < 0)
        return -1;
    call->close_sent = call->handshake_complete = true;
    deny_with_text(call, 403, (struct hfa_bytes){0});
    return 1;
}

static int send_denial_start(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    PyObject *status = hfa_asgi_message_item(message, state->str_status, true);
    PyObject *headers = NULL;
    int result = -1;

    if (status == NULL)
        return -1;
    long code = PyLong_AsLong(status);
    if (PyErr_Occurred())
        goto done;
    if (code < 100 || code >= 600) {
        PyErr_Format(PyExc_RuntimeError, "Invalid HTTP status code '%ld' in response.", code);
        goto done;
    }
    char outcome[16];
    PyOS_snprintf(outcome, sizeof(outcome), "%ld", code);
    if (log_handshake(call, outcome) < 0)
        goto done;
    headers = hfa_asgi_message_item(message, state->str_headers, false);
    if (headers == NULL && PyErr_Occurred())
        goto done;
    PyObject *list = headers == NULL ? PyList_New(0) : PySequence_List(headers);
    if (list == NULL)
        goto done;
    call->denial = Py_BuildValue("[ONN]", status, list, PyBytes_FromStringAndSize(NULL, 0));
    result = call->denial == NULL ? -1 : 1;
done:
    Py_XDECREF(headers);
    Py_DECREF(status);
    return result;
}

static bool has_field(const struct hfa_asgi_fields *fields, struct hfa_bytes name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (hfa_bytes_equal_lower(fields->fields[i].name, name))
            return true;
    }
    return false;
}

static int append_default(PyObject *headers, const char *name, const char *value)
{
    PyObject *item = Py_BuildValue("(yy)", name, value);
    int status = item == NULL ? -1 : PyList_Append(headers, item);

    Py_XDECREF(item);
    return status;
}

/* The denial is whole: its headers, what they lack, its body. */
static int finish_denial(struct hfa_asgi_call *call)
{
    PyObject *headers = PyList_GetItem(call->denial, 1); /* borrowed: the list is ours */
    PyObject *body = PyList_GetItem(call->denial, 2);    /* borrowed */
    long code = PyLong_AsLong(PyList_GetItem(call->denial, 0));
    struct hfa_asgi_fields fields;
    char length[24];

    if (hfa_asgi_fields_read(&fields, headers) < 0)
        return -1;
    bool has_connection = has_field(&fields, HFA_BYTES("connection"));
    bool has_length = has_field(&fields, HFA_BYTES("content-length"));
    bool has_type = has_field(&fields, HFA_BYTES("content-type"));
    hfa_asgi_fields_free(&fields);
    PyOS_snprintf(length, sizeof(length), "%zd", PyBytes_Size(body));
    if ((!has_connection && append_default(headers, "connection", "close") < 0) ||
        (!has_length && append_default(headers, "content-length", length) < 0) ||
        (!has_type && append_default(headers, "content-type", "text/plain; charset=utf-8") < 0) ||
        set_close_event(call, CODE_ABNORMAL, NULL) < 0 ||
        hfa_asgi_fields_read(&fields, headers) < 0)
        return -1;
    struct hfa_bytes bytes = {PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body)};
    deny(call, (int)code, fields.fields, fields.count, bytes);
    hfa_asgi_fields_free(&fields);
    call->close_sent = true;
    return 1;
}

static int send_denial_body(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    PyObject *body = hfa_asgi_message_item(message, state->str_body, true);
    PyObject *so_far = PyList_GetItem(call->denial, 2); /* borrowed */
    PyObject *more;

    if (body == NULL)
        return -1;
    PyObject *joined = PySequence_Concat(so_far, body);
    Py_DECREF(body);
    if (joined == NULL || PyList_SetItem(call->denial, 2, joined) < 0) /* steals */
        return -1;
    more = hfa_asgi_message_item(message, state->str_more_body, false);
    int more_body = more == NULL ? 0 : PyObject_IsTrue(more);
    Py_XDECREF(more);
    if (more_body < 0 || PyErr_Occurred())
        return -1;
    return more_body ? 1 : finish_denial(call);
}

static int raise_disconnected(struct hfa_asgi_call *call)
{
    PyErr_SetNone(call->server->state->client_disconnected);
    return -1;
}

static size_t count_messages(const struct hfa_exchange *exchange)
{
    size_t count = 0;

    for (const struct hfa_message *each = exchange->messages; each != NULL; each = each->next)
        count++;
    return count;
}

/* The client takes nothing of what was sent before. 0: the message has to wait; 1: it is dropped;
 * -1 with an exception: the WebSocket is closed. */
static int on_slow_client(struct hfa_asgi_call *call)
{
    static const char text[] = "client does not keep up";

    if (call->server->slow_client != HFA_SLOW_CLIENT_CLOSE)
        return call->server->slow_client == HFA_SLOW_CLIENT_DROP;
    PyObject *reason = PyUnicode_FromString(text);
    int status = reason == NULL ? -1 : set_close_event(call, CODE_POLICY, reason);
    Py_XDECREF(reason);
    if (status < 0)
        return -1;
    hfa_exchange_send_close(call->exchange, CODE_POLICY,
                            (struct hfa_bytes){text, sizeof(text) - 1});
    call->close_sent = call->is_given_up = true;
    call->messages_before_close = count_messages(call->exchange);
    hfa_server_object_output(call->server, HFA_OUTPUT_NOW);
    return raise_disconnected(call);
}

/* A small message to a client that has sent more already leaves with the answers to that, unless a
 * step has blocked the loop lately: nobody tells how long this one goes on. */
static enum hfa_output_urgency urgency_of(const struct hfa_asgi_call *call, size_t length)
{
    return call->exchange->is_followed && length < GATHERED_MAX && call->server->suspicious == 0
               ? HFA_OUTPUT_SOON
               : HFA_OUTPUT_NOW;
}

/* The client keeps up, as far as it had the chance. */
static bool is_writable(struct hfa_asgi_call *call)
{
    if (hfa_exchange_is_writable(call->exchange))
        return true;
    hfa_server_object_output(call->server, HFA_OUTPUT_NOW);
    return hfa_exchange_is_writable(call->exchange);
}

/* data.encode(), which is no str's alone. */
static PyObject *encoded_text(PyObject *data)
{
    if (PyUnicode_Check(data))
        return PyUnicode_AsUTF8String(data);
    PyObject *encoded = PyObject_CallMethod(data, "encode", NULL);
    if (encoded != NULL && !PyBytes_Check(encoded)) {
        PyErr_Format(PyExc_TypeError, "text has to be a str, not %.100s", Py_TYPE(data)->tp_name);
        Py_CLEAR(encoded);
    }
    return encoded;
}

static int send_data(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    enum hfa_message_kind kind = HFA_MESSAGE_BINARY;
    PyObject *data = hfa_asgi_message_item(message, state->str_bytes, false);

    if (data == NULL && PyErr_Occurred())
        return -1;
    if (data == NULL || data == Py_None) {
        Py_XDECREF(data);
        data = hfa_asgi_message_item(message, state->str_text, false);
        if (data == NULL)
            return PyErr_Occurred() ? -1 : 1; /* neither: nothing to send */
        if (data == Py_None) {
            Py_DECREF(data);
            return 1;
        }
        kind = HFA_MESSAGE_TEXT;
        Py_SETREF(data, encoded_text(data));
    } else if (!PyBytes_Check(data)) {
        Py_SETREF(data, PyBytes_FromObject(data));
    }
    if (data == NULL)
        return -1;
    struct hfa_bytes bytes = {PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)};
    enum hfa_status status = hfa_exchange_send_message(call->exchange, kind, bytes, data);
    if (status == HFA_ERR_STATE)
        return raise_disconnected(call);
    return hfa_asgi_check(status) < 0 ? -1 : 1;
}

int hfa_asgi_websocket_put(struct hfa_asgi_call *call, PyObject *data)
{
    struct hfa_exchange *exchange = call->exchange;
    enum hfa_message_kind kind = HFA_MESSAGE_BINARY;
    struct hfa_bytes bytes;
    PyObject *owner;

    if (exchange == NULL || !call->handshake_complete || call->close_sent || call->denial != NULL ||
        (call->is_disconnected && exchange->stream == NULL))
        return 2;
    if (!is_writable(call))
        return on_slow_client(call);
    if (PyBytes_CheckExact(data)) {
        owner = Py_NewRef(data);
        bytes = (struct hfa_bytes){PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data)};
    } else {
        kind = HFA_MESSAGE_TEXT;
        if (hfa_str_is_ready(data) && PyUnicode_IS_COMPACT_ASCII(data)) {
            owner = Py_NewRef(data);
            bytes = (struct hfa_bytes){(const char *)PyUnicode_DATA(data),
                                       (size_t)PyUnicode_GET_LENGTH(data)};
        } else {
            owner = PyUnicode_AsUTF8String(data);
            if (owner == NULL)
                return -1;
            bytes = (struct hfa_bytes){PyBytes_AS_STRING(owner), (size_t)PyBytes_GET_SIZE(owner)};
        }
    }
    enum hfa_output_urgency urgency = urgency_of(call, bytes.length);
    enum hfa_status status = hfa_exchange_send_message(exchange, kind, bytes, owner);
    hfa_server_object_output(call->server, urgency);
    if (status == HFA_ERR_STATE)
        return raise_disconnected(call);
    return hfa_asgi_check(status) < 0 ? -1 : 1;
}

/* `given_code` is an int, `given_reason` a str; NULL: 1000 and none. */
static int close_with(struct hfa_asgi_call *call, PyObject *given_code, PyObject *given_reason)
{
    PyObject *encoded = NULL;
    int result = -1;

    long code = given_code == NULL ? CODE_NORMAL : PyLong_AsLong(given_code);
    if (PyErr_Occurred())
        return -1;
    PyObject *reason = given_reason == NULL || PyObject_IsTrue(given_reason) == 0
                           ? PyUnicode_FromStringAndSize(NULL, 0)
                           : Py_NewRef(given_reason);
    if (reason == NULL || set_close_event(call, code, reason) < 0)
        goto done;
    encoded = PyUnicode_AsUTF8String(reason);
    if (encoded == NULL)
        goto done;
    struct hfa_bytes bytes = {PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded)};
    enum hfa_status status = code < 0 || code > 65535
                                 ? HFA_ERR_INVALID
                                 : hfa_exchange_send_close(call->exchange, (uint16_t)code, bytes);
    if (status == HFA_ERR_INVALID)
        PyErr_Format(PyExc_RuntimeError,
                     "a WebSocket cannot be closed with code %ld and reason %R: the code has to be "
                     "one that may be sent, the reason at most 123 bytes",
                     code, reason);
    else if (status == HFA_ERR_STATE)
        raise_disconnected(call);
    else if (hfa_asgi_check(status) == 0) {
        call->close_sent = true;
        call->messages_before_close = count_messages(call->exchange);
        result = 1;
    }
done:
    Py_XDECREF(encoded);
    Py_XDECREF(reason);
    return result;
}

static int send_close(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    PyObject *code = hfa_asgi_message_item(message, state->str_code, false);
    PyObject *reason =
        PyErr_Occurred() ? NULL : hfa_asgi_message_item(message, state->str_reason, false);

    int result = PyErr_Occurred() ? -1 : close_with(call, code, reason);
    Py_XDECREF(reason);
    Py_XDECREF(code);
    return result;
}

static int send_in_handshake(struct hfa_asgi_call *call, PyObject *type, PyObject *message)
{
    const struct hfa_state *state = call->server->state;

    if (PyObject_RichCompareBool(type, state->str_websocket_accept, Py_EQ) > 0)
        return send_accept(call, message);
    if (PyObject_RichCompareBool(type, state->str_websocket_close, Py_EQ) > 0)
        return send_close_before_accept(call);
    if (PyObject_RichCompareBool(type, state->str_websocket_response_start, Py_EQ) > 0)
        return send_denial_start(call, message);
    PyErr_Format(PyExc_RuntimeError,
                 "Expected ASGI message 'websocket.accept', 'websocket.close' or "
                 "'websocket.http.response.start' but got '%S'.",
                 type);
    return -1;
}

static int send_when_open(struct hfa_asgi_call *call, PyObject *type, PyObject *message)
{
    const struct hfa_state *state = call->server->state;

    if (PyObject_RichCompareBool(type, state->str_websocket_send, Py_EQ) > 0)
        return send_data(call, message);
    if (PyObject_RichCompareBool(type, state->str_websocket_close, Py_EQ) > 0)
        return send_close(call, message);
    PyErr_Format(PyExc_RuntimeError,
                 "Expected ASGI message 'websocket.send' or 'websocket.close', but got '%S'.",
                 type);
    return -1;
}

/* Nobody is there to send to. */
static bool is_gone(const struct hfa_asgi_call *call)
{
    return call->exchange == NULL || call->is_given_up ||
           (call->is_disconnected && call->exchange->stream == NULL);
}

bool hfa_asgi_websocket_take_connect(struct hfa_asgi_call *call)
{
    bool is_due = !call->connect_delivered;

    call->connect_delivered = true;
    return is_due;
}

int hfa_asgi_websocket_accept(struct hfa_asgi_call *call, PyObject *subprotocol, PyObject *headers)
{
    if (is_gone(call))
        return raise_disconnected(call);
    if (call->handshake_complete || call->denial != NULL)
        return 2;
    if (!is_writable(call))
        return 0;
    int result = accept_with(call, subprotocol, headers);
    hfa_server_object_output(call->server, HFA_OUTPUT_NOW);
    return result;
}

int hfa_asgi_websocket_close(struct hfa_asgi_call *call, PyObject *code, PyObject *reason)
{
    if (call->close_received)
        return 1; /* no mistake, as in a message */
    if (is_gone(call))
        return raise_disconnected(call);
    if (call->close_sent || call->denial != NULL)
        return 2;
    if (!is_writable(call))
        return 0;
    int result =
        call->handshake_complete ? close_with(call, code, reason) : send_close_before_accept(call);
    hfa_server_object_output(call->server, HFA_OUTPUT_NOW);
    return result;
}

int hfa_asgi_websocket_send(struct hfa_asgi_call *call, PyObject *message)
{
    const struct hfa_state *state = call->server->state;
    int result = -1;

    PyObject *type = hfa_asgi_message_item(message, state->str_type, true);
    if (type == NULL)
        return -1;
    /* To close what the client has closed is no mistake. */
    if (call->close_received &&
        PyObject_RichCompareBool(type, state->str_websocket_close, Py_EQ) > 0) {
        Py_DECREF(type);
        return 1;
    }
    if (is_gone(call)) {
        Py_DECREF(type);
        return raise_disconnected(call);
    }
    if (!is_writable(call)) {
        bool is_message = call->handshake_complete && !call->close_sent && call->denial == NULL &&
                          PyObject_RichCompareBool(type, state->str_websocket_send, Py_EQ) > 0;
        Py_DECREF(type);
        return is_message ? on_slow_client(call) : 0;
    }
    if (!call->handshake_complete && call->denial == NULL)
        result = send_in_handshake(call, type, message);
    else if (!call->close_sent && call->denial == NULL)
        result = send_when_open(call, type, message);
    else if (call->denial != NULL && !call->close_sent &&
             PyObject_RichCompareBool(type, state->str_websocket_response_body, Py_EQ) > 0)
        result = send_denial_body(call, message);
    else if (call->denial != NULL && !call->close_sent)
        PyErr_Format(PyExc_RuntimeError,
                     "Expected ASGI message 'websocket.http.response.body' but got '%S'.", type);
    else
        PyErr_Format(PyExc_RuntimeError,
                     "Unexpected ASGI message '%S', after sending 'websocket.close'.", type);
    Py_DECREF(type);
    hfa_server_object_output(call->server, HFA_OUTPUT_NOW);
    return result;
}

static void deny_500(struct hfa_asgi_call *call)
{
    if (call->handshake_complete || call->denial != NULL)
        return;
    call->handshake_complete = true;
    deny_with_text(call, 500, HFA_BYTES("Internal Server Error"));
}

void hfa_asgi_websocket_finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception)
{
    struct hfa_server_object *server = call->server;

    if (exception != NULL) {
        if (PyErr_GivenExceptionMatches(exception, server->state->client_disconnected))
            return;
        hfa_server_object_log_error(server, "Exception in ASGI application\n", NULL, exception);
        deny_500(call);
    } else if (!call->handshake_complete && call->denial == NULL) {
        hfa_server_object_log_error(server, "ASGI callable returned without completing handshake.",
                                    NULL, NULL);
        deny_500(call);
    } else if (result != Py_None) {
        hfa_server_object_log_error(server, "ASGI callable should return None, but returned '%s'.",
                                    result, NULL);
    }
}
