#include "websocket_channel.h"

#include "await.h"
#include "dict_watch.h"
#include "operation.h"
#include "server_object.h"

#define CODE_NORMAL   1000
#define CODE_ABNORMAL 1006

enum channel_method {
    METHOD_RECEIVE_TEXT,
    METHOD_RECEIVE_BYTES,
    METHOD_RECEIVE_JSON,
    METHOD_SEND_TEXT,
    METHOD_SEND_BYTES,
    METHOD_SEND_JSON,
    METHOD_ACCEPT,
    METHOD_CLOSE,
    METHOD_COUNT,
};

#define OPTION_COUNT 2 /* of accept() and of close() */

struct hfa_websocket_channel {
    PyObject_HEAD struct hfa_asgi_call *call; /* owned */
    PyObject *websocket;                      /* owned until the end */
    PyObject *fields;                         /* owned: its __dict__ */
    struct hfa_dict_watch unchanged;          /* `fields`, since it was last looked at */
    bool may_receive, may_send;               /* what was seen then */
    PyObject *receive, *send;                 /* owned: the call's, as they were given to it */
    PyObject *connecting, *connected;         /* owned: members of WebSocketState */
    PyObject *disconnected;                   /* owned: another */
    PyObject *disconnect;                     /* owned: WebSocketDisconnect */
    PyObject *json;                           /* owned: the module */
    PyObject *dumps_kwnames, *separators;     /* owned: json.dumps()' arguments */
    PyObject *originals[METHOD_COUNT];        /* owned: the class's functions */
    PyObject *methods[METHOD_COUNT];          /* owned until the end: what lies in `fields` */
};

static const char *const names[METHOD_COUNT] = {
    "receive_text", "receive_bytes", "receive_json", "send_text",
    "send_bytes",   "send_json",     "accept",       "close",
};

/* What accept() and close() may be given, in the order of their parameters. */
static const char *const options[METHOD_COUNT][OPTION_COUNT] = {
    [METHOD_ACCEPT] = {"subprotocol", "headers"},
    [METHOD_CLOSE] = {"code", "reason"},
};

/* --- States ------------------------------------------------------------------------------------
 */

static PyObject *field(const struct hfa_websocket_channel *channel, PyObject *name)
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
    if (field(channel, state->str_application_state) != channel->connected)
        return;
    channel->may_receive = field(channel, state->str_client_state) == channel->connected &&
                           field(channel, state->str__receive) == channel->receive &&
                           field(channel, state->str_receive) == NULL;
    channel->may_send = field(channel, state->str__send) == channel->send &&
                        field(channel, state->str_send) == NULL;
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
static int delegate(struct hfa_operation *operation, enum channel_method method)
{
    struct hfa_websocket_channel *channel = channel_of(operation);
    PyObject *function = channel->originals[method];
    PyObject *coroutine =
        options[method][0] != NULL
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

static int receive_data(struct hfa_operation *operation, enum channel_method method,
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
    return receive_data(operation, METHOD_RECEIVE_TEXT, HFA_MESSAGE_TEXT, result);
}

static int perform_receive_bytes(struct hfa_operation *operation, PyObject **result)
{
    return receive_data(operation, METHOD_RECEIVE_BYTES, HFA_MESSAGE_BINARY, result);
}

static int perform_receive_json(struct hfa_operation *operation, PyObject **result)
{
    PyObject *text = NULL;
    int done = receive_data(operation, METHOD_RECEIVE_JSON, HFA_MESSAGE_TEXT, &text);

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
        return delegate(operation, METHOD_SEND_TEXT);
    operation->has_begun = true;
    return send_data(operation, operation->argument, operation->call->server->state->str_text,
                     result);
}

static int perform_send_bytes(struct hfa_operation *operation, PyObject **result)
{
    if (!operation->has_begun &&
        (!may_send(channel_of(operation)) || !PyBytes_CheckExact(operation->argument)))
        return delegate(operation, METHOD_SEND_BYTES);
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
            return delegate(operation, METHOD_SEND_JSON);
        PyObject *args[] = {channel->json, operation->argument, channel->separators, Py_False};
        PyObject *text =
            PyObject_VectorcallMethod(state->str_dumps, args, 2, channel->dumps_kwnames);
        if (text == NULL)
            return -1;
        Py_SETREF(operation->argument, text);
        operation->has_begun = true;
        /* Somebody's own json.dumps() may give, and do, anything. */
        if (!PyUnicode_CheckExact(text) || !may_send(channel))
            return delegate(operation, METHOD_SEND_TEXT);
    }
    return send_data(operation, operation->argument, state->str_text, result);
}

/* The class's send() would hand a message on to the call's, and change application_state. */
static bool is_in_state(const struct hfa_websocket_channel *channel, PyObject *application_state)
{
    const struct hfa_state *state = channel->call->server->state;

    return channel->fields != NULL &&
           field(channel, state->str_application_state) == application_state &&
           field(channel, state->str__send) == channel->send &&
           field(channel, state->str_send) == NULL;
}

/* accept() would find the client's part of the handshake, or has it behind itself. 1: it has; -1
 * with an exception; 0: only the class's accept() can tell. */
static int connect_client(struct hfa_websocket_channel *channel)
{
    const struct hfa_state *state = channel->call->server->state;
    PyObject *client = field(channel, state->str_client_state);

    if (client == channel->connected)
        return 1;
    if (client != channel->connecting || field(channel, state->str__receive) != channel->receive ||
        field(channel, state->str_receive) != NULL ||
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
                             enum channel_method method, PyObject *second)
{
    PyObject *message = Py_BuildValue("{sOsOsO}", "type", type, options[method][0],
                                      option(operation, 0), options[method][1], second);
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
            return is_connected < 0 ? -1 : delegate(operation, METHOD_ACCEPT);
        if (set_field(channel, state->str_application_state, channel->connected) < 0)
            return -1;
        operation->has_begun = true;
    }
    int done = hfa_asgi_websocket_accept(operation->call, option_or_null(operation, 0),
                                         option_or_null(operation, 1));
    if (done == 2) {
        PyObject *list = headers == Py_None ? PyList_New(0) : Py_NewRef(headers);
        done = list == NULL
                   ? -1
                   : send_with_options(operation, state->str_websocket_accept, METHOD_ACCEPT, list);
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
        done = reason == NULL
                   ? -1
                   : send_with_options(operation, state->str_websocket_close, METHOD_CLOSE, reason);
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
            return delegate(operation, METHOD_CLOSE);
        if (set_field(channel, state->str_application_state, channel->disconnected) < 0)
            return -1;
        operation->has_begun = true;
        if (!is_open)
            operation->kind = &close_in_handshake;
    }
    int done = close_channel(operation, result);
    return done < 0 && operation->kind != &close_in_handshake ? raise_lost(channel) : done;
}

static const struct hfa_operation_kind kinds[METHOD_COUNT] = {
    {"WebSocket.receive_text", perform_receive_text},
    {"WebSocket.receive_bytes", perform_receive_bytes},
    {"WebSocket.receive_json", perform_receive_json},
    {"WebSocket.send_text", perform_send_text},
    {"WebSocket.send_bytes", perform_send_bytes},
    {"WebSocket.send_json", perform_send_json},
    {"WebSocket.accept", perform_accept},
    {"WebSocket.close", perform_close},
};

/* --- Methods -----------------------------------------------------------------------------------
 */

/* The class's function, called as it would have been. */
static PyObject *call_original(struct hfa_websocket_channel *channel, enum channel_method method,
                               PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject **all = PyMem_Malloc((size_t)(1 + count + named) * sizeof(*all));

    if (all == NULL)
        return PyErr_NoMemory();
    all[0] = channel->websocket;
    for (Py_ssize_t i = 0; i < count + named; i++)
        all[1 + i] = args[i];
    PyObject *result =
        PyObject_Vectorcall(channel->originals[method], all, (size_t)(1 + count), kwnames);
    PyMem_Free(all);
    return result;
}

/* The values of the two options, NULL where there is none. False: they are given as the class's
 * function would not take them. */
static bool read_options(const char *const *known, PyObject *const *args, Py_ssize_t count,
                         PyObject *kwnames, PyObject **values)
{
    Py_ssize_t named = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);

    if (count > OPTION_COUNT)
        return false;
    for (Py_ssize_t i = 0; i < count; i++)
        values[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i); /* borrowed */
        int at = 0;
        while (at < OPTION_COUNT && PyUnicode_CompareWithASCIIString(name, known[at]) != 0)
            at++;
        if (at == OPTION_COUNT || values[at] != NULL)
            return false;
        values[at] = args[count + i];
    }
    return true;
}

static PyObject *start_with_options(struct hfa_websocket_channel *channel,
                                    enum channel_method method, PyObject *const *values)
{
    PyObject *first = values[0] != NULL        ? Py_NewRef(values[0])
                      : method == METHOD_CLOSE ? PyLong_FromLong(CODE_NORMAL)
                                               : Py_NewRef(Py_None);
    PyObject *argument =
        first == NULL ? NULL : PyTuple_Pack(2, first, values[1] == NULL ? Py_None : values[1]);
    PyObject *operation = argument == NULL ? NULL
                                           : hfa_operation_new(channel->call, &kinds[method],
                                                               (PyObject *)channel, argument);

    Py_XDECREF(first);
    Py_XDECREF(argument);
    return operation;
}

static PyObject *start(PyObject *self, enum channel_method method, PyObject *const *args,
                       Py_ssize_t count, PyObject *kwnames)
{
    struct hfa_websocket_channel *channel = (struct hfa_websocket_channel *)self;
    Py_ssize_t expected = method >= METHOD_SEND_TEXT;
    PyObject *values[OPTION_COUNT] = {NULL, NULL}; /* borrowed */

    if (channel->websocket == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the WebSocket's endpoint has returned");
        return NULL;
    }
    if (options[method][0] != NULL)
        return read_options(options[method], args, count, kwnames, values)
                   ? start_with_options(channel, method, values)
                   : call_original(channel, method, args, count, kwnames);
    if (count != expected || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0))
        return call_original(channel, method, args, count, kwnames);
    return hfa_operation_new(channel->call, &kinds[method], self, expected == 0 ? NULL : args[0]);
}

#define DEFINE_METHOD(name, method)                                                                \
    static PyObject *name(PyObject *self, PyObject *const *args, Py_ssize_t count,                 \
                          PyObject *kwnames)                                                       \
    {                                                                                              \
        return start(self, method, args, count, kwnames);                                          \
    }

DEFINE_METHOD(method_receive_text, METHOD_RECEIVE_TEXT)
DEFINE_METHOD(method_receive_bytes, METHOD_RECEIVE_BYTES)
DEFINE_METHOD(method_receive_json, METHOD_RECEIVE_JSON)
DEFINE_METHOD(method_send_text, METHOD_SEND_TEXT)
DEFINE_METHOD(method_send_bytes, METHOD_SEND_BYTES)
DEFINE_METHOD(method_send_json, METHOD_SEND_JSON)
DEFINE_METHOD(method_accept, METHOD_ACCEPT)
DEFINE_METHOD(method_close, METHOD_CLOSE)

#define METHOD_DEF(name, function)                                                                 \
    {                                                                                              \
        name, (PyCFunction)(void (*)(void))function, METH_FASTCALL | METH_KEYWORDS,                \
            "As WebSocket." name "()."                                                             \
    }

static PyMethodDef method_defs[METHOD_COUNT] = {
    METHOD_DEF("receive_text", method_receive_text),
    METHOD_DEF("receive_bytes", method_receive_bytes),
    METHOD_DEF("receive_json", method_receive_json),
    METHOD_DEF("send_text", method_send_text),
    METHOD_DEF("send_bytes", method_send_bytes),
    METHOD_DEF("send_json", method_send_json),
    METHOD_DEF("accept", method_accept),
    METHOD_DEF("close", method_close),
};

/* --- The object --------------------------------------------------------------------------------
 */

static bool take_part(PyObject *parts, const char *name, PyObject **part)
{
    *part = PyObject_GetAttrString(parts, name);
    return *part != NULL;
}

static bool read_parts(struct hfa_websocket_channel *channel, PyObject *parts)
{
    PyObject *originals = NULL;
    bool good = take_part(parts, "connecting", &channel->connecting) &&
                take_part(parts, "connected", &channel->connected) &&
                take_part(parts, "disconnected", &channel->disconnected) &&
                take_part(parts, "disconnect", &channel->disconnect) &&
                take_part(parts, "json", &channel->json) &&
                take_part(parts, "dumps_kwnames", &channel->dumps_kwnames) &&
                take_part(parts, "separators", &channel->separators) &&
                take_part(parts, "functions", &originals);

    if (good && (!PyTuple_Check(originals) || PyTuple_GET_SIZE(originals) != METHOD_COUNT)) {
        PyErr_SetString(PyExc_TypeError, "functions has to be a tuple of the class's methods");
        good = false;
    }
    for (int i = 0; i < METHOD_COUNT && good; i++)
        channel->originals[i] = Py_NewRef(PyTuple_GET_ITEM(originals, i));
    Py_XDECREF(originals);
    return good;
}

/* Whether the class's functions are those that our methods stand for. -1 with an exception. */
static int is_class_untouched(PyObject *websocket, PyObject *parts)
{
    PyObject *all = PyObject_GetAttrString(parts, "replaced");
    PyObject *name, *function;
    Py_ssize_t at = 0;
    int is_untouched = all == NULL ? -1 : 1;

    if (all != NULL && !PyDict_Check(all)) {
        PyErr_SetString(PyExc_TypeError, "replaced has to be a dict of the class's functions");
        is_untouched = -1;
    }
    while (is_untouched == 1 && PyDict_Next(all, &at, &name, &function)) {
        PyObject *found = PyObject_GetAttr((PyObject *)Py_TYPE(websocket), name);
        if (found == NULL)
            is_untouched = -1;
        else
            is_untouched = found == function;
        Py_XDECREF(found);
    }
    Py_XDECREF(all);
    return is_untouched;
}

int hfa_websocket_channel_open(struct hfa_asgi_call *call, PyObject *websocket, PyObject *parts,
                               PyObject *receive_function, PyObject *send_function)
{
    if (call->channel != NULL)
        hfa_websocket_channel_end(call->channel); /* the application is called a second time */
    int is_untouched = is_class_untouched(websocket, parts);
    if (is_untouched <= 0)
        return is_untouched;
    struct hfa_websocket_channel *channel =
        PyObject_GC_New(struct hfa_websocket_channel, call->server->state->channel_type);
    if (channel == NULL)
        return -1;
    memset((char *)channel + sizeof(PyObject), 0, sizeof(*channel) - sizeof(PyObject));
    channel->call = (struct hfa_asgi_call *)Py_NewRef((PyObject *)call);
    channel->websocket = Py_NewRef(websocket);
    channel->receive = Py_NewRef(receive_function);
    channel->send = Py_NewRef(send_function);
    PyObject_GC_Track(channel);
    channel->fields = PyObject_GenericGetDict(websocket, NULL);
    bool good =
        channel->fields != NULL &&
        hfa_dict_watch_add(&channel->unchanged, call->server->state, channel->fields) == 0 &&
        read_parts(channel, parts);
    for (int i = 0; i < METHOD_COUNT && good; i++) {
        channel->methods[i] = PyCFunction_New(&method_defs[i], (PyObject *)channel);
        good = channel->methods[i] != NULL &&
               PyDict_SetItemString(channel->fields, names[i], channel->methods[i]) == 0;
    }
    Py_XSETREF(call->channel, channel);
    if (!good) {
        PyObject *exception = hfa_take_exception();
        hfa_websocket_channel_end(channel);
        hfa_raise_exception(exception);
        return -1;
    }
    return 0;
}

void hfa_websocket_channel_end(struct hfa_websocket_channel *channel)
{
    PyObject *exception = hfa_take_exception();

    Py_INCREF(channel);
    for (int i = 0; i < METHOD_COUNT; i++) {
        PyObject *name = channel->methods[i] == NULL ? NULL : PyUnicode_FromString(names[i]);
        /* Whoever has put something else there keeps it. */
        if (name != NULL && channel->fields != NULL &&
            field(channel, name) == channel->methods[i] &&
            PyDict_DelItem(channel->fields, name) < 0)
            PyErr_Clear();
        PyErr_Clear();
        Py_XDECREF(name);
        Py_CLEAR(channel->methods[i]);
    }
    Py_DECREF(channel);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static int channel_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_websocket_channel *channel = (struct hfa_websocket_channel *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(channel->call);
    Py_VISIT(channel->websocket);
    Py_VISIT(channel->fields);
    int watched = hfa_dict_watch_traverse(&channel->unchanged, visit, arg);
    if (watched != 0)
        return watched;
    Py_VISIT(channel->receive);
    Py_VISIT(channel->send);
    Py_VISIT(channel->connecting);
    Py_VISIT(channel->connected);
    Py_VISIT(channel->disconnected);
    Py_VISIT(channel->disconnect);
    Py_VISIT(channel->json);
    Py_VISIT(channel->dumps_kwnames);
    Py_VISIT(channel->separators);
    for (int i = 0; i < METHOD_COUNT; i++) {
        Py_VISIT(channel->originals[i]);
        Py_VISIT(channel->methods[i]);
    }
    return 0;
}

static int channel_clear(PyObject *self)
{
    struct hfa_websocket_channel *channel = (struct hfa_websocket_channel *)self;

    Py_CLEAR(channel->websocket);
    Py_CLEAR(channel->fields);
    hfa_dict_watch_clear(&channel->unchanged);
    for (int i = 0; i < METHOD_COUNT; i++)
        Py_CLEAR(channel->methods[i]);
    return 0;
}

static void channel_dealloc(PyObject *self)
{
    struct hfa_websocket_channel *channel = (struct hfa_websocket_channel *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    channel_clear(self);
    Py_CLEAR(channel->receive);
    Py_CLEAR(channel->send);
    Py_CLEAR(channel->connecting);
    Py_CLEAR(channel->connected);
    Py_CLEAR(channel->disconnected);
    Py_CLEAR(channel->disconnect);
    Py_CLEAR(channel->json);
    Py_CLEAR(channel->dumps_kwnames);
    Py_CLEAR(channel->separators);
    for (int i = 0; i < METHOD_COUNT; i++)
        Py_CLEAR(channel->originals[i]);
    Py_CLEAR(channel->call);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot channel_slots[] = {
    {Py_tp_doc, "The direct way between a WebSocket object and its connection."},
    {Py_tp_dealloc, channel_dealloc},
    {Py_tp_traverse, channel_traverse},
    {Py_tp_clear, channel_clear},
    {0, NULL},
};

PyType_Spec hfa_websocket_channel_spec = {
    .name = "hyperfastapi._core.Channel",
    .basicsize = sizeof(struct hfa_websocket_channel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = channel_slots,
};
