#include "query_text.h"

/* Values up to this size are decoded on the stack. */
#define SHORT_TEXT 256

PyObject *hfa_query_text(struct hfa_bytes raw)
{
    char short_memory[HFA_QUERY_DECODED_MAX(SHORT_TEXT)];
    char *memory = short_memory;

    if (hfa_query_is_plain(raw))
        return PyUnicode_DecodeLatin1(raw.data, (Py_ssize_t)raw.length, NULL);
    if (raw.length > SHORT_TEXT) {
        memory = PyMem_Malloc(HFA_QUERY_DECODED_MAX(raw.length));
        if (memory == NULL)
            return PyErr_NoMemory();
    }
    PyObject *text = PyUnicode_DecodeUTF8(memory, (Py_ssize_t)hfa_query_decode(raw, memory), NULL);
    if (memory != short_memory)
        PyMem_Free(memory);
    return text;
}

/* Appends `item`, whose reference it takes; false with an exception. */
static bool append(PyObject *list, PyObject *item)
{
    bool good = item != NULL && PyList_Append(list, item) == 0;

    Py_XDECREF(item);
    return good;
}

PyObject *hfa_query_text_list(struct hfa_bytes query, struct hfa_bytes name)
{
    struct hfa_query_pair pair;
    PyObject *list = PyList_New(0);

    while (list != NULL && hfa_query_next(&query, &pair))
        if (hfa_query_name_equals(pair.name, name) && !append(list, hfa_query_text(pair.value)))
            Py_CLEAR(list);
    return list;
}

static PyObject *make_pair(const struct hfa_query_pair *pair)
{
    PyObject *name = hfa_query_text(pair->name);
    PyObject *value = name == NULL ? NULL : hfa_query_text(pair->value);
    PyObject *tuple = value == NULL ? NULL : PyTuple_Pack(2, name, value);

    Py_XDECREF(name);
    Py_XDECREF(value);
    return tuple;
}

PyObject *hfa_query_text_pairs(struct hfa_bytes query)
{
    struct hfa_query_pair pair;
    PyObject *list = PyList_New(0);

    while (list != NULL && hfa_query_next(&query, &pair))
        if (!append(list, make_pair(&pair)))
            Py_CLEAR(list);
    return list;
}
