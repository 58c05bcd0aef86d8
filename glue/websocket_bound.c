#include "websocket_bound.h"

#include "server_object.h"

struct bound {
    PyObject_HEAD vectorcallfunc vectorcall;
    struct hfa_websocket_channel *channel; /* owned */
    enum hfa_websocket_method method;
};

static PyObject *call(PyObject *self, PyObject *const *args, size_t count, PyObject *kwnames)
{
    struct bound *bound = (struct bound *)self;

    return hfa_websocket_channel_start(bound->channel, bound->method, args,
                                       PyVectorcall_NARGS(count), kwnames);
}

PyObject *hfa_websocket_bound_new(struct hfa_websocket_channel *channel,
                                  enum hfa_websocket_method method)
{
    struct bound *bound = PyObject_GC_New(struct bound, channel->call->server->state->bound_type);

    if (bound == NULL)
        return NULL;
    bound->vectorcall = call;
    bound->channel = (struct hfa_websocket_channel *)Py_NewRef((PyObject *)channel);
    bound->method = method;
    PyObject_GC_Track(bound);
    return (PyObject *)bound;
}

/* The class's own method, bound; its function alone once the endpoint has returned. A new
 * reference. */
static PyObject *stands_for(const struct bound *bound)
{
    PyObject *function = bound->channel->originals[bound->method];
    PyObject *websocket = bound->channel->websocket;

    return websocket == NULL ? Py_NewRef(function) : PyMethod_New(function, websocket);
}

static PyObject *get_attribute(PyObject *self, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "__class__") == 0)
        return PyObject_GenericGetAttr(self, name);
    PyObject *original = stands_for((struct bound *)self);
    if (original == NULL)
        return NULL;
    /* For inspect.signature(), which looks at the class of what it is given. */
    if (PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0)
        return original;
    PyObject *value = PyObject_GetAttr(original, name);
    Py_DECREF(original);
    return value;
}

static PyObject *show(PyObject *self)
{
    PyObject *original = stands_for((struct bound *)self);
    PyObject *text = original == NULL ? NULL : PyObject_Repr(original);

    Py_XDECREF(original);
    return text;
}

static int bound_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((struct bound *)self)->channel);
    return 0;
}

/* The channel lets go of its methods when its endpoint has returned, and when it is cleared. */
static void bound_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    Py_DECREF(((struct bound *)self)->channel);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct bound, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, bound_dealloc},
    {Py_tp_traverse, bound_traverse},
    {Py_tp_getattro, get_attribute},
    {Py_tp_repr, show},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, members},
    {0, NULL},
};

PyType_Spec hfa_websocket_bound_spec = {
    .name = "hyperfastapi._core.BoundMethod",
    .basicsize = sizeof(struct bound),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bound_slots,
};
