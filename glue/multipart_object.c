#include "multipart_object.h"

#include "header_options.h"
#include "multipart.h"

struct multipart_object {
    PyObject_HEAD struct hfa_multipart parser;
};

static PyObject *multipart_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    const char *boundary;
    Py_ssize_t length;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "y#:MultipartParser", &boundary, &length))
        return NULL;
    struct multipart_object *self = PyObject_New(struct multipart_object, type);
    if (self == NULL)
        return NULL;
    if (!hfa_multipart_init(&self->parser, (struct hfa_bytes){boundary, (size_t)length})) {
        Py_DECREF(self);
        PyErr_SetString(PyExc_ValueError, "the boundary is too long, or breaks lines");
        return NULL;
    }
    return (PyObject *)self;
}

static void multipart_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_Free(self);
    Py_DECREF(type);
}

static const char *name_of(enum hfa_multipart_kind kind)
{
    switch (kind) {
    case HFA_MULTIPART_HEADER:
        return "header";
    case HFA_MULTIPART_HEADERS_END:
        return "begin";
    case HFA_MULTIPART_DATA:
        return "data";
    case HFA_MULTIPART_PART_END:
        return "end";
    case HFA_MULTIPART_END:
        return "finish";
    case HFA_MULTIPART_MORE:
    case HFA_MULTIPART_MALFORMED:
        break;
    }
    return "";
}

static PyObject *multipart_feed(PyObject *object, PyObject *piece)
{
    struct hfa_multipart *parser = &((struct multipart_object *)object)->parser;
    PyObject *events = PyList_New(0);
    char *data;
    Py_ssize_t length;

    if (events == NULL || PyBytes_AsStringAndSize(piece, &data, &length) < 0)
        goto fail;
    struct hfa_bytes rest = {data, (size_t)length};
    for (;;) {
        struct hfa_multipart_event event = hfa_multipart_next(parser, &rest);
        if (event.kind == HFA_MULTIPART_MORE)
            return events;
        if (event.kind == HFA_MULTIPART_MALFORMED) {
            PyErr_SetString(PyExc_ValueError, "malformed multipart data");
            goto fail;
        }
        PyObject *tuple = Py_BuildValue(
            "(sy#y#)", name_of(event.kind), event.name.length == 0 ? "" : event.name.data,
            (Py_ssize_t)event.name.length, event.value.length == 0 ? "" : event.value.data,
            (Py_ssize_t)event.value.length);
        int status = tuple == NULL ? -1 : PyList_Append(events, tuple);
        Py_XDECREF(tuple);
        if (status < 0)
            goto fail;
    }

fail:
    Py_XDECREF(events);
    return NULL;
}

/* Adds an option to a dict. -1 with an exception. */
static int add_option(PyObject *options, const struct hfa_header_option *option, char *memory)
{
    if (option->name.length > 0 && memchr(option->name.data, '*', option->name.length) != NULL)
        return 0; /* RFC 7578 4.2 forbids RFC 5987's syntax */
    struct hfa_bytes value = hfa_header_option_unquote(option->value, memory);
    if (hfa_header_option_is(option, HFA_BYTES("filename")))
        value = hfa_header_option_file_name(value);
    PyObject *name =
        PyUnicode_DecodeLatin1(option->name.data, (Py_ssize_t)option->name.length, NULL);
    PyObject *text = PyUnicode_DecodeLatin1(value.data, (Py_ssize_t)value.length, NULL);
    PyObject *key = name == NULL || !option->has_value ? Py_XNewRef(name)
                                                       : PyObject_CallMethod(name, "lower", NULL);
    int status = key == NULL || text == NULL ? -1 : PyDict_SetItem(options, key, text);

    Py_XDECREF(key);
    Py_XDECREF(text);
    Py_XDECREF(name);
    return status;
}

PyObject *hfa_multipart_header_options(PyObject *module, PyObject *value)
{
    PyObject *options = NULL, *result = NULL;
    struct hfa_header_option option;
    char *data, *memory = NULL;
    Py_ssize_t length;

    (void)module;
    if (PyBytes_AsStringAndSize(value, &data, &length) < 0)
        return NULL;
    struct hfa_bytes rest = {data, (size_t)length};
    struct hfa_bytes type = hfa_header_options_type(&rest);
    options = PyDict_New();
    memory = PyMem_Malloc((size_t)length + 1);
    if (memory == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    if (options == NULL)
        goto done;
    while (hfa_header_options_next(&rest, &option)) {
        if (add_option(options, &option, memory) < 0)
            goto done;
    }
    PyObject *text = PyUnicode_DecodeLatin1(type.data, (Py_ssize_t)type.length, NULL);
    PyObject *lower = text == NULL ? NULL : PyObject_CallMethod(text, "lower", NULL);
    if (lower != NULL)
        result = PyTuple_Pack(2, lower, options);
    Py_XDECREF(lower);
    Py_XDECREF(text);

done:
    PyMem_Free(memory);
    Py_XDECREF(options);
    return result;
}

static PyMethodDef multipart_methods[] = {
    {"feed", multipart_feed, METH_O,
     "feed(piece): the events of the next piece of a body; ValueError when it is malformed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot multipart_slots[] = {
    {Py_tp_new, multipart_new},
    {Py_tp_dealloc, multipart_dealloc},
    {Py_tp_methods, multipart_methods},
    {Py_tp_doc, "MultipartParser(boundary): takes a multipart body apart as it comes."},
    {0, NULL},
};

PyType_Spec hfa_multipart_object_spec = {
    .name = "hyperfastapi._core.MultipartParser",
    .basicsize = sizeof(struct multipart_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = multipart_slots,
};
