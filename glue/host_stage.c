#include "host_stage.h"

int hfa_host_stage_init(struct hfa_host_stage *stage, PyObject *description)
{
    PyObject *patterns;
    int allows_any;

    if (!PyArg_ParseTuple(description, "O!p", &PyTuple_Type, &patterns, &allows_any))
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(patterns); i++) {
        if (!PyBytes_Check(PyTuple_GET_ITEM(patterns, i))) {
            PyErr_SetString(PyExc_TypeError, "allowed hosts are bytes");
            return -1;
        }
    }
    stage->patterns = Py_NewRef(patterns);
    stage->allows_any = allows_any;
    return 0;
}

void hfa_host_stage_clear(struct hfa_host_stage *stage)
{
    Py_CLEAR(stage->patterns);
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '.' ||
           byte == '-';
}

/* The name in a Host field, as far as it is plain. False: it is not, or there is no such field. */
static bool find_name(const struct hfa_request *request, struct hfa_bytes *name)
{
    const struct hfa_bytes *host = hfa_request_field(request, HFA_BYTES("host"));

    if (host == NULL)
        return false;
    size_t length = 0;
    while (length < host->length && is_name_byte(host->data[length]))
        length++;
    *name = (struct hfa_bytes){host->data, length};
    if (length == host->length)
        return length > 0;
    size_t end = length + 1;
    while (end < host->length && host->data[end] >= '0' && host->data[end] <= '9')
        end++;
    return length > 0 && host->data[length] == ':' && end == host->length && end > length + 1;
}

static bool matches(PyObject *pattern, struct hfa_bytes name)
{
    struct hfa_bytes text = {PyBytes_AS_STRING(pattern), (size_t)PyBytes_GET_SIZE(pattern)};

    if (text.length == 0 || text.data[0] != '*')
        return hfa_bytes_equal(text, name);
    size_t length = text.length - 1;
    return name.length >= length &&
           memcmp(name.data + name.length - length, text.data + 1, length) == 0;
}

bool hfa_host_stage_allows(const struct hfa_host_stage *stage, const struct hfa_request *request)
{
    struct hfa_bytes name;

    if (stage->allows_any)
        return true;
    if (!find_name(request, &name))
        return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(stage->patterns); i++) {
        if (matches(PyTuple_GET_ITEM(stage->patterns, i), name))
            return true;
    }
    return false;
}
