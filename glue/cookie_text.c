#include "cookie_text.h"

/* Values up to this size are unquoted on the stack. */
#define SHORT_TEXT 512

PyObject *hfa_cookie_text(struct hfa_bytes value)
{
    char short_memory[SHORT_TEXT];
    char *memory = short_memory;

    if (!hfa_cookie_is_quoted(value))
        return PyUnicode_DecodeLatin1(value.data, (Py_ssize_t)value.length, NULL);
    if (value.length > SHORT_TEXT) {
        memory = PyMem_Malloc(value.length);
        if (memory == NULL)
            return PyErr_NoMemory();
    }
    PyObject *text =
        PyUnicode_DecodeLatin1(memory, (Py_ssize_t)hfa_cookie_unquote(value, memory), NULL);
    if (memory != short_memory)
        PyMem_Free(memory);
    return text;
}

static bool put(PyObject *dict, const struct hfa_cookie *cookie)
{
    PyObject *name =
        PyUnicode_DecodeLatin1(cookie->name.data, (Py_ssize_t)cookie->name.length, NULL);
    PyObject *value = name == NULL ? NULL : hfa_cookie_text(cookie->value);
    bool good = value != NULL && PyDict_SetItem(dict, name, value) == 0;

    Py_XDECREF(name);
    Py_XDECREF(value);
    return good;
}

PyObject *hfa_cookie_text_dict(const struct hfa_field *fields, size_t count)
{
    struct hfa_cookie cookie;
    PyObject *dict = PyDict_New();

    for (size_t i = 0; i < count && dict != NULL; i++) {
        struct hfa_bytes rest = fields[i].value;
        if (!hfa_bytes_equal(fields[i].name, HFA_BYTES("cookie")))
            continue;
        while (dict != NULL && hfa_cookie_next(&rest, &cookie))
            if (!put(dict, &cookie))
                Py_CLEAR(dict);
    }
    return dict;
}
