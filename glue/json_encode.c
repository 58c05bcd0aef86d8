#include "json_encode.h"

#include "json_number.h"
#include "json_writer.h"
#include "jsonable.h"

static char *encode_value(struct hfa_json_encoder *encoder, char *out, PyObject *value,
                          unsigned depth_left);

void hfa_json_encoder_init(struct hfa_json_encoder *encoder, struct hfa_state *state,
                           PyObject *jsonable_encoder)
{
    *encoder = (struct hfa_json_encoder){
        .state = state,
        .jsonable_encoder = Py_XNewRef(jsonable_encoder),
    };
}

void hfa_json_encoder_reset(struct hfa_json_encoder *encoder)
{
    encoder->length = 0;
    if (encoder->capacity > HFA_JSON_KEPT_MAX) {
        PyMem_Free(encoder->data);
        encoder->data = NULL;
        encoder->capacity = 0;
    }
}

void hfa_json_encoder_free(struct hfa_json_encoder *encoder)
{
    PyMem_Free(encoder->data);
    encoder->data = NULL;
    encoder->length = 0;
    encoder->capacity = 0;
    Py_CLEAR(encoder->jsonable_encoder);
}

/* --- Containers ---------------------------------------------------------------------------- */

/* json.dumps takes numbers and literals for keys, and subclasses, whose methods it does not call.
 * jsonable_encoder sees only exact str keys here. */
static Py_NO_INLINE char *write_key_uncommon(struct hfa_json_encoder *encoder, char *out,
                                             PyObject *key)
{
    if (encoder->skips_private)
        return NULL;
    if (PyUnicode_Check(key))
        return hfa_json_write_string(encoder, out, key);
    bool is_literal = key == Py_None || PyBool_Check(key);
    if (!is_literal && !PyLong_Check(key) && !PyFloat_Check(key))
        return NULL;
    out = hfa_json_write_bytes(encoder, out, "\"", 1);
    if (out != NULL && is_literal)
        out = hfa_json_write_literal(encoder, out, key);
    else if (out != NULL && PyLong_Check(key))
        out = hfa_json_write_int(encoder, out, key);
    else if (out != NULL)
        out = hfa_json_write_float(encoder, out, key);
    return out == NULL ? NULL : hfa_json_write_bytes(encoder, out, "\"", 1);
}

/* Nothing on the way runs user code, so what is borrowed stays. */
static char *encode_dict(struct hfa_json_encoder *encoder, char *out, PyObject *dict,
                         unsigned depth_left)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;

    if (depth_left == 0)
        return NULL;
    out = hfa_json_write_bytes(encoder, out, "{", 1);
    if (out == NULL)
        return NULL;
    while (PyDict_Next(dict, &place, &key, &value)) {
        if (!PyUnicode_CheckExact(key)) {
            out = write_key_uncommon(encoder, out, key);
        } else {
            if (!hfa_str_is_ready(key))
                return NULL;
            if (encoder->skips_private && hfa_json_is_private(key))
                continue;
            out = hfa_json_write_string(encoder, out, key);
        }
        if (out == NULL)
            return NULL;
        *out++ = ':';
        out = encode_value(encoder, out, value, depth_left - 1);
        if (out == NULL)
            return NULL;
        *out++ = ',';
    }
    return hfa_json_close(encoder, out, '}');
}

static char *encode_items(struct hfa_json_encoder *encoder, char *out, PyObject *const *items,
                          Py_ssize_t count, unsigned depth_left)
{
    if (depth_left == 0)
        return NULL;
    out = hfa_json_write_bytes(encoder, out, "[", 1);
    for (Py_ssize_t i = 0; i < count && out != NULL; i++) {
        out = encode_value(encoder, out, items[i], depth_left - 1);
        if (out != NULL)
            *out++ = ',';
    }
    return out == NULL ? NULL : hfa_json_close(encoder, out, ']');
}

/* Subclasses of these are what their base is to json.dumps, which does not call their methods. To
 * jsonable_encoder they may be anything. */
static Py_NO_INLINE char *encode_uncommon(struct hfa_json_encoder *encoder, char *out,
                                          PyObject *value, unsigned depth_left)
{
    if (encoder->skips_private)
        return NULL;
    if (PyUnicode_Check(value))
        return hfa_json_write_string(encoder, out, value);
    if (PyLong_Check(value))
        return hfa_json_write_int(encoder, out, value);
    if (PyFloat_Check(value))
        return hfa_json_write_float(encoder, out, value);
    if (PyList_Check(value) || PyTuple_Check(value))
        return encode_items(encoder, out, PySequence_Fast_ITEMS(value),
                            PySequence_Fast_GET_SIZE(value), depth_left);
    return NULL;
}

static char *encode_value(struct hfa_json_encoder *encoder, char *out, PyObject *value,
                          unsigned depth_left)
{
    PyTypeObject *type = Py_TYPE(value);

    if (type == &PyUnicode_Type)
        return hfa_json_write_string(encoder, out, value);
    if (type == &PyLong_Type)
        return hfa_json_write_int(encoder, out, value);
    if (value == Py_None || type == &PyBool_Type)
        return hfa_json_write_literal(encoder, out, value);
    if (type == &PyDict_Type)
        return encode_dict(encoder, out, value, depth_left);
    if (type == &PyList_Type || type == &PyTuple_Type)
        return encode_items(encoder, out, PySequence_Fast_ITEMS(value),
                            PySequence_Fast_GET_SIZE(value), depth_left);
    if (type == &PyFloat_Type)
        return hfa_json_write_float(encoder, out, value);
    return encode_uncommon(encoder, out, value, depth_left);
}

/* --- Whole values -------------------------------------------------------------------------- */

/* 1 when the value is written, 0 when it is not one to be written here, -1 with an exception set.
 */
static int encode_plain(struct hfa_json_encoder *encoder, PyObject *value, bool skips_private)
{
    encoder->skips_private = skips_private;
    char *out = hfa_json_begin(encoder);
    if (out != NULL)
        out = encode_value(encoder, out, value, HFA_JSON_DEPTH_MAX);
    return hfa_json_end(encoder, out);
}

int hfa_json_append(struct hfa_json_encoder *encoder, const char *data, size_t length)
{
    char *out = hfa_json_position(encoder);
    if (out != NULL)
        out = hfa_json_write_bytes(encoder, out, data, length);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    hfa_json_set_position(encoder, out);
    return 0;
}

static Py_NO_INLINE int dumps_uncommon(struct hfa_json_encoder *encoder, PyObject *value)
{
    PyObject *args = PyTuple_Pack(1, value);
    PyObject *text = args == NULL ? NULL
                                  : PyObject_Call(encoder->state->json_dumps, args,
                                                  encoder->state->json_dumps_options);
    PyObject *bytes = text == NULL ? NULL : PyUnicode_AsUTF8String(text);
    int result = bytes == NULL ? -1
                               : hfa_json_append(encoder, PyBytes_AS_STRING(bytes),
                                                 (size_t)PyBytes_GET_SIZE(bytes));
    Py_XDECREF(bytes);
    Py_XDECREF(text);
    Py_XDECREF(args);
    return result;
}

int hfa_json_dumps(struct hfa_json_encoder *encoder, PyObject *value)
{
    int result = encode_plain(encoder, value, false);
    if (result != 0)
        return result < 0 ? -1 : 0;
    return dumps_uncommon(encoder, value);
}

static Py_NO_INLINE int encode_jsonable(struct hfa_json_encoder *encoder, PyObject *value)
{
    PyObject *jsonable =
        hfa_jsonable(encoder->state, value, encoder->jsonable_encoder, HFA_JSON_DEPTH_MAX);
    int result = jsonable == NULL ? -1 : hfa_json_dumps(encoder, jsonable);
    Py_XDECREF(jsonable);
    return result;
}

int hfa_json_encode(struct hfa_json_encoder *encoder, PyObject *value)
{
    int result = encode_plain(encoder, value, true);
    if (result != 0)
        return result < 0 ? -1 : 0;
    return encode_jsonable(encoder, value);
}

int hfa_json_append_string(struct hfa_json_encoder *encoder, const char *data, size_t length)
{
    char *out = hfa_json_position(encoder);
    if (out != NULL)
        out = hfa_json_write_utf8(encoder, out, data, length);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    hfa_json_set_position(encoder, out);
    return 0;
}

int hfa_json_append_integer(struct hfa_json_encoder *encoder, int64_t value)
{
    char *out = hfa_json_position(encoder);
    if (out != NULL)
        out = hfa_json_reserve(encoder, out, HFA_JSON_INTEGER_SIZE + HFA_JSON_ROOM_BEHIND);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    hfa_json_set_position(encoder, hfa_json_write_integer(out, value));
    return 0;
}
