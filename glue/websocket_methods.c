#include "websocket_methods.h"

#include "await.h"
#include "server_object.h"

#define CODE_ABNORMAL 1006

const char *const hfa_websocket_options[HFA_WEBSOCKET_COUNT][HFA_WEBSOCKET_OPTION_COUNT] = {
    [HFA_WEBSOCKET_ACCEPT] = {"subprotocol", "headers"},
    [HFA_WEBSOCKET_CLOSE] = {"code", "reason"},
};

/* --- States ------------------------------------------------------------------------------------
 */

PyObject *hfa_websocket_channel_field(const struct hfa_websocket_channel *channel, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(channel->fields, name); /* borrowed */

    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* The class's receive() or send() would do nothing but await the call's. */
static void look(struct hfa_websocket_channel *channel)
{
    const struct hfa_state *state = channel->call->server->state;

    channel->may_receive = channel->may_send = false;
    if (channel->fields == NULL)
        return;
    hfa_dict_watch_mark(&channel->unchanged, state);
    if (hfa_websocket_channel_field(channel, state->str_application_state) != channel->connected)
        return;
    channel->may_receive =
        hfa_websocket_channel_field(channel, state->str_client_state) == channel->connected &&
        hfa_websocket_channel_field(channel, state->str__receive) == channel->receive &&
        hfa_websocket_channel_field(channel, state->str_receive) == NULL;
    channel->may_send = hfa_websocket_channel_field(channel, state->str__send) == channel->send &&
                        hfa_websocket_channel_field(channel, state->str_send) == NULL;
}

static bool may_receive(struct hfa_websocket_channel *channel)
{
    if (!hfa_dict_watch_holds(&channel->unchanged))
        look(channel);
    return channel->may_receive;
}

static bool may_send(struct hfa_websocket_channel *channel)
{
    if (!hfa_dict_watch_holds(&channel->unchanged))
        look(channel);
    return channel->may_send;
}

static int set_field(struct hfa_websocket_channel *channel, PyObject *name, PyObject *value)
{
    return channel->fields == NULL ? 0 : PyDict_SetItem(channel->fields, name, value);
}

/* --- Operations --------------------------------------------------------------------------------
 */

static struct hfa_websocket_channel *channel_of(const struct hfa_operation *operation)
{
    return (struct hfa_websocket_channel *)operation->owner;
}

static PyObject *option(const struct hfa_operation *operation, int index)
{
    return PyTuple_GET_ITEM(operation->argument, index); /* borrowed: the tuple is ours */
}

/* The same, as what is left out of a message. */
static PyObject *option_or_null(const struct hfa_operation *operation, int index)
{
    PyObject *value = option(operation, index);

    return value == Py_None ? NULL : value;
}

/* Leaves the operation to the class's coroutine function. */
static int delegate(struct hfa_operation *operation, enum hfa_websocket_method method)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    PyObject *function = channel->originals[method];
    PyObject *coroutine =
        hfa_websocket_options[method][0] != NULL
            ? PyObject_CallFunctionObjArgs(function, channel->websocket, option(operation, 0),
                                           option(operation, 1), NULL)
            : PyObject_CallFunctionObjArgs(function, channel->websocket, operation->argument, NULL);

    if (coroutine == NULL)
        return -1;
    operation->inner = hfa_await_iterator(coroutine);
    Py_DECREF(coroutine);
    return operation->inner == NULL ? -1 : 2;
}

/* Raises what the class's method makes of an event that has not the data that it wants. */
static int raise_for_event(struct hfa_websocket_channel *channel, PyObject *event, PyObject *key)
{
    const struct hfa_state *state = channel->call->server->state;
    PyObject *type = PyDict_GetItemWithError(event, state->str_type);     /* borrowed */
    PyObject *code = PyDict_GetItemWithError(event, state->str_code);     /* borrowed */
    PyObject *reason = PyDict_GetItemWithError(event, state->str_reason); /* borrowed */

    if (type != state->str_websocket_disconnect) {
        PyErr_SetObject(PyExc_KeyError, key);
        return -1;
    }
    if (set_field(channel, state->str_client_state, channel->disconnected) < 0)
        return -1;
    PyObject *exception = PyObject_CallFunctionObjArgs(channel->disconnect, code,
                                                       reason == NULL ? Py_None : reason, NULL);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return -1;
}

static int receive_data(struct hfa_operation *operation, enum hfa_websocket_method method,
                        enum hfa_message_kind kind, PyObject **result)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    const struct hfa_state *state = channel->call->server->state;
    PyObject *taken = NULL;

    /* Once it waits, it is inside of the call's receive(), and looks at no state any more. */
    if (!operation->has_begun && !may_receive(channel))
        return delegate(operation, method);
    operation->has_begun = true;
    int done = hfa_asgi_websocket_take(operation->call, kind, &taken);
    if (done == 1)
        *result = taken;
    if (done != 2)
        return done;
    raise_for_event(channel, taken, kind == HFA_MESSAGE_TEXT ? state->str_text : state->str_bytes);
    Py_DECREF(taken);
    return -1;
}

static int perform_receive_text(struct hfa_operation *operation, PyObject **result)
{
    return receive_data(operation, HFA_WEBSOCKET_RECEIVE_TEXT, HFA_MESSAGE_TEXT, result);
}

static int perform_receive_bytes(struct hfa_operation *operation, PyObject **result)
{
    return receive_data(operation, HFA_WEBSOCKET_RECEIVE_BYTES, HFA_MESSAGE_BINARY, result);
}

static int perform_receive_json(struct hfa_operation *operation, PyObject **result)
{
    PyObject *text = NULL;
    int done = receive_data(operation, HFA_WEBSOCKET_RECEIVE_JSON, HFA_MESSAGE_TEXT, &text);

    if (done != 1)
        return done;
    *result = PyObject_CallMethodOneArg(channel_of(operation)->json,
                                        operation->call->server->state->str_loads, text);
    Py_DECREF(text);
    return *result == NULL ? -1 : 1;
}

/* The connection is lost: as the class's send() says it. */
static int raise_lost(struct hfa_websocket_channel *channel)
{
    const struct hfa_state *state = channel->call->server->state;
    PyObject *cause = hfa_take_exception();

    if (!PyErr_GivenExceptionMatches(cause, PyExc_OSError)) {
        hfa_raise_exception(cause);
        return -1;
    }
    PyObject *exception = NULL;
    PyObject *none = PyTuple_New(0);
    PyObject *code = Py_BuildValue("{si}", "code", CODE_ABNORMAL);
    if (none != NULL && code != NULL &&
        set_field(channel, state->str_application_state, channel->disconnected) == 0)
        exception = PyObject_Call(channel->disconnect, none, code);
    Py_XDECREF(none);
    Py_XDECREF(code);
    if (exception == NULL) {
        Py_DECREF(cause);
        return -1;
    }
    PyException_SetContext(exception, cause); /* steals */
    hfa_raise_exception(exception);
    return -1;
}

/* Sends operation->argument; `data` is what becomes of it. */
static int send_data(struct hfa_operation *operation, PyObject *data, PyObject *key,
                     PyObject **result)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    const struct hfa_state *state = operation->call->server->state;
    int done = hfa_asgi_websocket_put(operation->call, data);

    if (done == 2) {
        PyObject *message = PyDict_New();
        done = -1;
        if (message != NULL &&
            PyDict_SetItem(message, state->str_type, state->str_websocket_send) == 0 &&
            PyDict_SetItem(message, key, data) == 0)
            done = hfa_asgi_websocket_send(operation->call, message);
        Py_XDECREF(message);
    }
    if (done == 1)
        *result = Py_NewRef(Py_None);
    return done < 0 ? raise_lost(channel) : done;
}

static int perform_send_text(struct hfa_operation *operation, PyObject **result)
{
    if (!operation->has_begun &&
        (!may_send(channel_of(operation)) || !PyUnicode_CheckExact(operation->argument)))
        return delegate(operation, HFA_WEBSOCKET_SEND_TEXT);
    operation->has_begun = true;
    return send_data(operation, operation->argument, operation->call->server->state->str_text,
                     result);
}

static int perform_send_bytes(struct hfa_operation *operation, PyObject **result)
{
    if (!operation->has_begun &&
        (!may_send(channel_of(operation)) || !PyBytes_CheckExact(operation->argument)))
        return delegate(operation, HFA_WEBSOCKET_SEND_BYTES);
    operation->has_begun = true;
    return send_data(operation, operation->argument, operation->call->server->state->str_bytes,
                     result);
}

static int perform_send_json(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    struct hfa_state *state = operation->call->server->state;

    if (!operation->has_begun) {
        if (!may_send(channel))
            return delegate(operation, HFA_WEBSOCKET_SEND_JSON);
        PyObject *args[] = {channel->json, operation->argument, channel->separators, Py_False};
        PyObject *text =
            PyObject_VectorcallMethod(state->str_dumps, args, 2, channel->dumps_kwnames);
        if (text == NULL)
            return -1;
        Py_SETREF(operation->argument, text);
        operation->has_begun = true;
        /* Somebody's own json.dumps() may give, and do, anything. */
        if (!PyUnicode_CheckExact(text) || !may_send(channel))
            return delegate(operation, HFA_WEBSOCKET_SEND_TEXT);
    }
    return send_data(operation, operation->argument, state->str_text, result);
}

/* The class's send() would hand a message on to the call's, and change application_state. */
static bool is_in_state(const struct hfa_websocket_channel *channel, PyObject *application_state)
{
    const struct hfa_state *state = channel->call->server->state;

    return channel->fields != NULL &&
           hfa_websocket_channel_field(channel, state->str_application_state) ==
               application_state &&
           hfa_websocket_channel_field(channel, state->str__send) == channel->send &&
           hfa_websocket_channel_field(channel, state->str_send) == NULL;
}

/* accept() would find the client's part of the handshake, or has it behind itself. 1: it has; -1
 * with an exception; 0: only the class's accept() can tell. */
static int connect_client(struct hfa_websocket_channel *channel)
{
    const struct hfa_state *state = channel->call->server->state;
    PyObject *client = hfa_websocket_channel_field(channel, state->str_client_state);

    if (client == channel->connected)
        return 1;
    if (client != channel->connecting ||
        hfa_websocket_channel_field(channel, state->str__receive) != channel->receive ||
        hfa_websocket_channel_field(channel, state->str_receive) != NULL ||
        !hfa_asgi_websocket_take_connect(channel->call))
        return 0;
    return set_field(channel, state->str_client_state, channel->connected) < 0 ? -1 : 1;
}

static bool is_text_or_none(PyObject *value)
{
    return value == Py_None || PyUnicode_CheckExact(value);
}

/* Sends it as a message all the same: {type, and the operation's two options}. */
static int send_with_options(struct hfa_operation *operation, PyObject *type,
                             enum hfa_websocket_method method, PyObject *second)
{
    PyObject *message =
        Py_BuildValue("{sOsOsO}", "type", type, hfa_websocket_options[method][0],
                      option(operation, 0), hfa_websocket_options[method][1], second);
    int done = message == NULL ? -1 : hfa_asgi_websocket_send(operation->call, message);

    Py_XDECREF(message);
    return done;
}

static int perform_accept(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    const struct hfa_state *state = operation->call->server->state;
    PyObject *headers = option(operation, 1);

    if (!operation->has_begun) {
        bool is_usual =
            is_in_state(channel, channel->connecting) && is_text_or_none(option(operation, 0)) &&
            (headers == Py_None || PyList_CheckExact(headers) || PyTuple_CheckExact(headers));
        int is_connected = is_usual ? connect_client(channel) : 0;
        if (is_connected <= 0)
            return is_connected < 0 ? -1 : delegate(operation, HFA_WEBSOCKET_ACCEPT);
        if (set_field(channel, state->str_application_state, channel->connected) < 0)
            return -1;
        operation->has_begun = true;
    }
    int done = hfa_asgi_websocket_accept(operation->call, option_or_null(operation, 0),
                                         option_or_null(operation, 1));
    if (done == 2) {
        PyObject *list = headers == Py_None ? PyList_New(0) : Py_NewRef(headers);
        done = list == NULL ? -1
                            : send_with_options(operation, state->str_websocket_accept,
                                                HFA_WEBSOCKET_ACCEPT, list);
        Py_XDECREF(list);
    }
    if (done == 1)
        *result = Py_NewRef(Py_None);
    return done;
}

/* Once begun. In the handshake the class's send() lets an error of the call's through. */
static int close_channel(struct hfa_operation *operation, PyObject **result)
{
    const struct hfa_state *state = operation->call->server->state;
    int done = hfa_asgi_websocket_close(operation->call, option(operation, 0),
                                        option_or_null(operation, 1));

    if (done == 2) {
        PyObject *reason = option(operation, 1) == Py_None ? PyUnicode_FromStringAndSize(NULL, 0)
                                                           : Py_NewRef(option(operation, 1));
        done = reason == NULL ? -1
                              : send_with_options(operation, state->str_websocket_close,
                                                  HFA_WEBSOCKET_CLOSE, reason);
        Py_XDECREF(reason);
    }
    if (done == 1)
        *result = Py_NewRef(Py_None);
    return done;
}

static const struct hfa_operation_kind close_in_handshake = {"WebSocket.close", close_channel};

static int perform_close(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    const struct hfa_state *state = operation->call->server->state;

    if (!operation->has_begun) {
        bool is_open = is_in_state(channel, channel->connected);
        if ((!is_open && !is_in_state(channel, channel->connecting)) ||
            !PyLong_CheckExact(option(operation, 0)) || !is_text_or_none(option(operation, 1)))
            return delegate(operation, HFA_WEBSOCKET_CLOSE);
        if (set_field(channel, state->str_application_state, channel->disconnected) < 0)
            return -1;
        operation->has_begun = true;
        if (!is_open)
            operation->kind = &close_in_handshake;
    }
    int done = close_channel(operation, result);
    return done < 0 && operation->kind != &close_in_handshake ? raise_lost(channel) : done;
}

const struct hfa_operation_kind hfa_websocket_methods[HFA_WEBSOCKET_COUNT] = {
    {"WebSocket.receive_text", perform_receive_text},
    {"WebSocket.receive_bytes", perform_receive_bytes},
    {"WebSocket.receive_json", perform_receive_json},
    {"WebSocket.send_text", perform_send_text},
    {"WebSocket.send_bytes", perform_send_bytes},
    {"WebSocket.send_json", perform_send_json},
    {"WebSocket.accept", perform_accept},
    {"WebSocket.close", perform_close},
};
