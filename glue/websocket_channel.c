#include "websocket_channel.h"

#include "server_object.h"
#include "websocket_bound.h"

#define CODE_NORMAL 1000

static const char *const names[HFA_WEBSOCKET_COUNT] = {
    "receive_text", "receive_bytes", "receive_json", "send_text",
    "send_bytes",   "send_json",     "accept",       "close",
};

/* --- Methods -----------------------------------------------------------------------------------
 */

/* The class's function, called as it would have been. */
static PyObject *call_original(struct hfa_websocket_channel *channel,
                               enum hfa_websocket_method method, PyObject *const *args,
                               Py_ssize_t count, PyObject *kwnames)
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

    if (count > HFA_WEBSOCKET_OPTION_COUNT)
        return false;
    for (Py_ssize_t i = 0; i < count; i++)
        values[i] = args[i];
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i); /* borrowed */
        int at = 0;
        while (at < HFA_WEBSOCKET_OPTION_COUNT &&
               PyUnicode_CompareWithASCIIString(name, known[at]) != 0)
            at++;
        if (at == HFA_WEBSOCKET_OPTION_COUNT || values[at] != NULL)
            return false;
        values[at] = args[count + i];
    }
    return true;
}

static PyObject *start_with_options(struct hfa_websocket_channel *channel,
                                    enum hfa_websocket_method method, PyObject *const *values)
{
    PyObject *first = values[0] != NULL               ? Py_NewRef(values[0])
                      : method == HFA_WEBSOCKET_CLOSE ? PyLong_FromLong(CODE_NORMAL)
                                                      : Py_NewRef(Py_None);
    PyObject *argument =
        first == NULL ? NULL : PyTuple_Pack(2, first, values[1] == NULL ? Py_None : values[1]);
    PyObject *operation = argument == NULL
                              ? NULL
                              : hfa_operation_new(channel->call, &hfa_websocket_methods[method],
                                                  (PyObject *)channel, argument);

    Py_XDECREF(first);
    Py_XDECREF(argument);
    return operation;
}

PyObject *hfa_websocket_channel_start(struct hfa_websocket_channel *channel,
                                      enum hfa_websocket_method method, PyObject *const *args,
                                      Py_ssize_t count, PyObject *kwnames)
{
    Py_ssize_t expected = method >= HFA_WEBSOCKET_SEND_TEXT;
    PyObject *values[HFA_WEBSOCKET_OPTION_COUNT] = {NULL, NULL}; /* borrowed */

    if (channel->websocket == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the WebSocket's endpoint has returned");
        return NULL;
    }
    if (hfa_websocket_options[method][0] != NULL)
        return read_options(hfa_websocket_options[method], args, count, kwnames, values)
                   ? start_with_options(channel, method, values)
                   : call_original(channel, method, args, count, kwnames);
    if (count != expected || (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0))
        return call_original(channel, method, args, count, kwnames);
    return hfa_operation_new(channel->call, &hfa_websocket_methods[method], (PyObject *)channel,
                             expected == 0 ? NULL : args[0]);
}

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

    if (good && (!PyTuple_Check(originals) || PyTuple_GET_SIZE(originals) != HFA_WEBSOCKET_COUNT)) {
        PyErr_SetString(PyExc_TypeError, "functions has to be a tuple of the class's methods");
        good = false;
    }
    for (int i = 0; i < HFA_WEBSOCKET_COUNT && good; i++)
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
    for (int i = 0; i < HFA_WEBSOCKET_COUNT && good; i++) {
        channel->methods[i] = hfa_websocket_bound_new(channel, (enum hfa_websocket_method)i);
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
    for (int i = 0; i < HFA_WEBSOCKET_COUNT; i++) {
        PyObject *name = channel->methods[i] == NULL ? NULL : PyUnicode_FromString(names[i]);
        /* Whoever has put something else there keeps it. */
        if (name != NULL && channel->fields != NULL &&
            hfa_websocket_channel_field(channel, name) == channel->methods[i] &&
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
    for (int i = 0; i < HFA_WEBSOCKET_COUNT; i++) {
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
    for (int i = 0; i < HFA_WEBSOCKET_COUNT; i++)
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
    for (int i = 0; i < HFA_WEBSOCKET_COUNT; i++)
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
