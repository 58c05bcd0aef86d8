/* Reading ASGI messages and turning statuses of net/ into exceptions. */
#include "asgi_call.h"

PyObject *hfa_asgi_message_item(PyObject *message, PyObject *key, bool required)
{
    PyObject *item;

    if (PyDict_CheckExact(message)) {
        item = Py_XNewRef(PyDict_GetItemWithError(message, key)); /* borrowed, then owned */
        if (item == NULL && required && !PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, key);
        return item;
    }
    item = PyObject_GetItem(message, key);
    if (item == NULL && !required && PyErr_ExceptionMatches(PyExc_KeyError))
        PyErr_Clear();
    return item;
}

int hfa_asgi_check(enum hfa_status status)
{
    switch (status) {
    case HFA_OK:
    case HFA_AGAIN:
    case HFA_ERR_CLOSED:
        return 0;
    case HFA_ERR_NO_MEMORY:
        PyErr_NoMemory();
        return -1;
    case HFA_ERR_FIELD_NAME:
        PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header name.");
        return -1;
    case HFA_ERR_FIELD_VALUE:
        PyErr_SetString(PyExc_RuntimeError, "Invalid HTTP header value.");
        return -1;
    case HFA_ERR_BODY_TOO_LONG:
        PyErr_SetString(PyExc_RuntimeError, "Response content longer than Content-Length");
        return -1;
    case HFA_ERR_BODY_TOO_SHORT:
        PyErr_SetString(PyExc_RuntimeError, "Response content shorter than Content-Length");
        return -1;
    default:
        PyErr_Format(PyExc_RuntimeError, "the response was refused: %s", hfa_status_text(status));
        return -1;
    }
}

static int read_bytes(PyObject **owned, struct hfa_bytes *bytes)
{
    if (!PyBytes_Check(*owned)) {
        if (PyUnicode_Check(*owned)) {
            PyErr_SetString(PyExc_TypeError,
                            "response header names and values have to be bytes, not str");
            return -1;
        }
        PyObject *copy = PyBytes_FromObject(*owned);
        if (copy == NULL)
            return -1;
        Py_SETREF(*owned, copy);
    }
    bytes->data = PyBytes_AS_STRING(*owned);
    bytes->length = (size_t)PyBytes_GET_SIZE(*owned);
    return 0;
}

/* The views borrow from bytes objects that `holder`, a list, keeps alive. */
static int read_pair(struct hfa_asgi_fields *fields, PyObject *pair, struct hfa_field *field)
{
    PyObject *items = PySequence_Tuple(pair);
    PyObject *name, *value;
    int status = -1;

    if (items == NULL)
        return -1;
    Py_ssize_t size = PyTuple_Size(items);
    if (size != 2) {
        if (size < 2)
            PyErr_Format(PyExc_ValueError, "not enough values to unpack (expected 2, got %zd)",
                         size);
        else
            PyErr_SetString(PyExc_ValueError, "too many values to unpack (expected 2)");
        Py_DECREF(items);
        return -1;
    }
    name = Py_NewRef(PyTuple_GetItem(items, 0));  /* borrowed, then owned */
    value = Py_NewRef(PyTuple_GetItem(items, 1)); /* borrowed, then owned */
    if (read_bytes(&name, &field->name) == 0 && read_bytes(&value, &field->value) == 0 &&
        PyList_Append(fields->holder, name) == 0 && PyList_Append(fields->holder, value) == 0)
        status = 0;
    Py_DECREF(name);
    Py_DECREF(value);
    Py_DECREF(items);
    return status;
}

/* A list of pairs of bytes, as frameworks send: nothing has to be made. */
static bool read_plain(struct hfa_asgi_fields *fields, PyObject *list)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = PyList_GET_ITEM(list, i); /* borrowed: no code runs in between */
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
            return false;
        PyObject *name = PyTuple_GET_ITEM(pair, 0);
        PyObject *value = PyTuple_GET_ITEM(pair, 1);
        if (!PyBytes_CheckExact(name) || !PyBytes_CheckExact(value))
            return false;
        fields->fields[i] = (struct hfa_field){
            {PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name)},
            {PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value)},
        };
    }
    return true;
}

int hfa_asgi_fields_read(struct hfa_asgi_fields *fields, PyObject *headers)
{
    PyObject *list;

    fields->fields = fields->few;
    fields->count = 0;
    fields->holder = NULL;
    if (headers == NULL)
        return 0;
    list = PyList_CheckExact(headers) ? Py_NewRef(headers) : PySequence_List(headers);
    if (list == NULL)
        return -1;
    size_t count = (size_t)PyList_GET_SIZE(list);
    if (count > sizeof(fields->few) / sizeof(fields->few[0])) {
        fields->fields = PyMem_Malloc(count * sizeof(*fields->fields));
        if (fields->fields == NULL) {
            Py_DECREF(list);
            PyErr_NoMemory();
            return -1;
        }
    }
    fields->count = count;
    if (read_plain(fields, list)) {
        fields->holder = list;
        return 0;
    }
    fields->holder = PyList_New(0);
    int status = fields->holder == NULL ? -1 : 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        PyObject *pair = PySequence_GetItem(list, (Py_ssize_t)i);
        status = pair == NULL ? -1 : read_pair(fields, pair, &fields->fields[i]);
        Py_XDECREF(pair);
    }
    Py_DECREF(list);
    if (status < 0)
        hfa_asgi_fields_free(fields);
    return status;
}

void hfa_asgi_fields_free(struct hfa_asgi_fields *fields)
{
    if (fields->fields != fields->few)
        PyMem_Free(fields->fields);
    fields->fields = fields->few;
    Py_CLEAR(fields->holder);
}
