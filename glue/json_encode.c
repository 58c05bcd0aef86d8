#include "json_encode.h"

#include <math.h>

#include "json_number.h"
#include "json_scan.h"
#include "jsonable.h"

/* Each function that writes is handed the place to write to and returns the place behind what it
 * wrote, with room there for a separator. NULL: the value is not one to be written here, or
 * is_out_of_memory. */
#define ROOM_BEHIND 1

/* What a string needs beside its bytes: quotes, one escape, a whole block at its end. */
#define STRING_ROOM (2 + 6 + HFA_JSON_BLOCK_SIZE + ROOM_BEHIND)

#define FIRST_CAPACITY 512

static char *encode_value(struct hfa_json_encoder *encoder, char *out, PyObject *value,
                          unsigned depth_left);

/* --- The buffer ---------------------------------------------------------------------------- */

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

static Py_NO_INLINE char *grow(struct hfa_json_encoder *encoder, char *out, size_t size)
{
    size_t used = encoder->data == NULL ? 0 : (size_t)(out - encoder->data);
    size_t capacity = encoder->capacity == 0 ? FIRST_CAPACITY : encoder->capacity;
    while (capacity - used < size && capacity <= PY_SSIZE_T_MAX / 2)
        capacity *= 2;
    char *data = capacity - used < size ? NULL : PyMem_Realloc(encoder->data, capacity);
    if (data == NULL) {
        encoder->is_out_of_memory = true;
        return NULL;
    }
    encoder->data = data;
    encoder->capacity = capacity;
    return data + used;
}

static inline char *reserve(struct hfa_json_encoder *encoder, char *out, size_t size)
{
    if ((size_t)(encoder->data + encoder->capacity - out) >= size)
        return out;
    return grow(encoder, out, size);
}

static inline char *position(struct hfa_json_encoder *encoder)
{
    return encoder->data == NULL ? grow(encoder, NULL, FIRST_CAPACITY)
                                 : encoder->data + encoder->length;
}

static inline void set_position(struct hfa_json_encoder *encoder, const char *out)
{
    encoder->length = (size_t)(out - encoder->data);
}

static char *write_bytes(struct hfa_json_encoder *encoder, char *out, const char *data,
                         size_t length)
{
    out = reserve(encoder, out, length + ROOM_BEHIND);
    if (out == NULL)
        return NULL;
    memcpy(out, data, length);
    return out + length;
}

/* --- Strings ------------------------------------------------------------------------------- */

static char *write_escape(char *out, unsigned char byte)
{
    static const char hexadecimal[] = "0123456789abcdef";
    static const char letters[] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                   ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    *out++ = '\\';
    if (letters[byte] != 0) {
        *out++ = letters[byte];
        return out;
    }
    memcpy(out, "u00", 3);
    out[3] = hexadecimal[byte >> 4];
    out[4] = hexadecimal[byte & 15];
    return out + 5;
}

/* ASCII or UTF-8: what is beyond ASCII stands for itself. */
static inline char *write_utf8_string(struct hfa_json_encoder *encoder, char *out, const char *in,
                                      size_t length)
{
    const char *end = in + length;

    out = reserve(encoder, out, length + STRING_ROOM);
    if (out == NULL)
        return NULL;
    *out++ = '"';
    for (;;) {
        hfa_json_mask special = 0;
        for (; end - in >= HFA_JSON_BLOCK_SIZE; in += HFA_JSON_BLOCK_SIZE) {
            special = hfa_json_copy_block(out, in);
            if (special != 0)
                break;
            out += HFA_JSON_BLOCK_SIZE;
        }
        if (special != 0) {
            unsigned plain = hfa_json_mask_first(special);
            in += plain;
            out += plain;
        } else {
            size_t rest = (size_t)(end - in);
            if (hfa_json_copy_rest(out, in, rest)) {
                out += rest;
                break;
            }
            while (!hfa_json_is_special((unsigned char)*in))
                *out++ = *in++;
        }
        out = reserve(encoder, out, (size_t)(end - in) + STRING_ROOM);
        if (out == NULL)
            return NULL;
        out = write_escape(out, (unsigned char)*in++);
    }
    *out++ = '"';
    return out;
}

static inline char *write_ascii_character(char *out, unsigned char byte)
{
    if (hfa_json_is_special(byte))
        return write_escape(out, byte);
    *out = (char)byte;
    return out + 1;
}

static inline char *write_2_bytes(char *out, unsigned character)
{
    out[0] = (char)(0xc0 | character >> 6);
    out[1] = (char)(0x80 | (character & 0x3f));
    return out + 2;
}

static inline char *write_3_bytes(char *out, unsigned character)
{
    out[0] = (char)(0xe0 | character >> 12);
    out[1] = (char)(0x80 | (character >> 6 & 0x3f));
    out[2] = (char)(0x80 | (character & 0x3f));
    return out + 3;
}

static inline char *write_4_bytes(char *out, unsigned character)
{
    out[0] = (char)(0xf0 | character >> 18);
    out[1] = (char)(0x80 | (character >> 12 & 0x3f));
    out[2] = (char)(0x80 | (character >> 6 & 0x3f));
    out[3] = (char)(0x80 | (character & 0x3f));
    return out + 4;
}

static inline bool is_surrogate(unsigned character)
{
    return (character & 0xfffff800) == 0xd800;
}

/* The three forms of a str. Each writes the characters from `*place` to `stop`, at most 6 bytes for
 * one, and leaves in `*place` where it has stopped: at a surrogate, which has no UTF-8; for Latin-1
 * perhaps behind `stop`. */
static char *write_latin1(char *out, const unsigned char *in, size_t *place, size_t stop,
                          size_t length)
{
    size_t i = *place;

    while (i < stop) {
        if (length - i >= HFA_JSON_BLOCK_SIZE) {
            hfa_json_mask special = hfa_json_copy_ascii_block(out, (const char *)in + i);
            unsigned plain = special == 0 ? HFA_JSON_BLOCK_SIZE : hfa_json_mask_first(special);
            out += plain;
            i += plain;
            if (special == 0)
                continue;
        }
        unsigned char byte = in[i++];
        out = byte < 0x80 ? write_ascii_character(out, byte) : write_2_bytes(out, byte);
    }
    *place = i;
    return out;
}

static char *write_ucs2(char *out, const Py_UCS2 *in, size_t *place, size_t stop)
{
    size_t i = *place;

    for (; i < stop; i++) {
        unsigned character = in[i];
        if (character < 0x80)
            out = write_ascii_character(out, (unsigned char)character);
        else if (character < 0x800)
            out = write_2_bytes(out, character);
        else if (is_surrogate(character))
            break;
        else
            out = write_3_bytes(out, character);
    }
    *place = i;
    return out;
}

static char *write_ucs4(char *out, const Py_UCS4 *in, size_t *place, size_t stop)
{
    size_t i = *place;

    for (; i < stop; i++) {
        unsigned character = in[i];
        if (character < 0x80)
            out = write_ascii_character(out, (unsigned char)character);
        else if (character < 0x800)
            out = write_2_bytes(out, character);
        else if (character >= 0x10000)
            out = write_4_bytes(out, character);
        else if (is_surrogate(character))
            break;
        else
            out = write_3_bytes(out, character);
    }
    *place = i;
    return out;
}

/* By pieces, so that a long text does not reserve 6 bytes for each character. */
enum { PIECE = 256, CHARACTER_MAX = 6 };

static Py_NO_INLINE char *write_non_ascii_string(struct hfa_json_encoder *encoder, char *out,
                                                 PyObject *string)
{
    const void *data = PyUnicode_DATA(string);
    size_t length = (size_t)PyUnicode_GET_LENGTH(string);
    size_t place = 0;
    size_t utf8_length;
    const char *utf8 = hfa_str_known_utf8(string, &utf8_length);

    if (utf8 != NULL)
        return write_utf8_string(encoder, out, utf8, utf8_length);
    out = reserve(encoder, out, length + STRING_ROOM);
    if (out == NULL)
        return NULL;
    *out++ = '"';
    while (place < length) {
        size_t stop = length - place > PIECE ? place + PIECE : length;
        out = reserve(encoder, out, PIECE * CHARACTER_MAX + STRING_ROOM);
        if (out == NULL)
            return NULL;
        switch (PyUnicode_KIND(string)) {
        case PyUnicode_1BYTE_KIND:
            out = write_latin1(out, data, &place, stop, length);
            break;
        case PyUnicode_2BYTE_KIND:
            out = write_ucs2(out, data, &place, stop);
            break;
        default:
            out = write_ucs4(out, data, &place, stop);
        }
        if (place < stop)
            return NULL;
    }
    *out++ = '"';
    return out;
}

static inline char *write_string(struct hfa_json_encoder *encoder, char *out, PyObject *string)
{
    if (PyUnicode_IS_COMPACT_ASCII(string))
        return write_utf8_string(encoder, out, (const char *)PyUnicode_1BYTE_DATA(string),
                                 (size_t)PyUnicode_GET_LENGTH(string));
    if (!hfa_str_is_ready(string))
        return NULL;
    return write_non_ascii_string(encoder, out, string);
}

/* --- Numbers ------------------------------------------------------------------------------- */

/* Far greater ones than a double may be refused by Python's limit of digits, or, without that
 * limit, converted by Python code, during which another thread may run: not while a dict is gone
 * through. */
static Py_NO_INLINE char *write_big_integer(struct hfa_json_encoder *encoder, char *out,
                                            PyObject *value)
{
    PyObject *text = NULL;

    if (PyLong_AsDouble(value) != -1.0 || !PyErr_Occurred())
        text = PyLong_Type.tp_repr(value);
    if (text == NULL) {
        PyErr_Clear();
        return NULL;
    }
    out = write_bytes(encoder, out, (const char *)PyUnicode_1BYTE_DATA(text),
                      (size_t)PyUnicode_GET_LENGTH(text));
    Py_DECREF(text);
    return out;
}

static inline char *write_integer(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    int64_t number;

    if (!hfa_int_as_int64(value, &number))
        return write_big_integer(encoder, out, value);
    out = reserve(encoder, out, HFA_JSON_INTEGER_SIZE + ROOM_BEHIND);
    return out == NULL ? NULL : hfa_json_write_integer(out, number);
}

static inline char *write_float(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    double number = PyFloat_AS_DOUBLE(value);

    if (!isfinite(number))
        return NULL;
    out = reserve(encoder, out, HFA_JSON_DOUBLE_SIZE + ROOM_BEHIND);
    return out == NULL ? NULL : hfa_json_write_double(out, number);
}

/* --- Containers ---------------------------------------------------------------------------- */

static inline char *write_literal(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    if (value == Py_None)
        return write_bytes(encoder, out, "null", 4);
    if (value == Py_True)
        return write_bytes(encoder, out, "true", 4);
    return write_bytes(encoder, out, "false", 5);
}

/* json.dumps takes numbers and literals for keys, and subclasses, whose methods it does not call.
 * jsonable_encoder sees only exact str keys here. */
static Py_NO_INLINE char *write_key_uncommon(struct hfa_json_encoder *encoder, char *out,
                                             PyObject *key)
{
    if (encoder->skips_private)
        return NULL;
    if (PyUnicode_Check(key))
        return write_string(encoder, out, key);
    bool is_literal = key == Py_None || PyBool_Check(key);
    if (!is_literal && !PyLong_Check(key) && !PyFloat_Check(key))
        return NULL;
    out = write_bytes(encoder, out, "\"", 1);
    if (out != NULL && is_literal)
        out = write_literal(encoder, out, key);
    else if (out != NULL && PyLong_Check(key))
        out = write_integer(encoder, out, key);
    else if (out != NULL)
        out = write_float(encoder, out, key);
    return out == NULL ? NULL : write_bytes(encoder, out, "\"", 1);
}

static inline bool is_private(const struct hfa_json_encoder *encoder, PyObject *key)
{
    if (PyUnicode_GET_LENGTH(key) < 3 || PyUnicode_READ_CHAR(key, 0) != '_')
        return false;
    return PyUnicode_READ_CHAR(key, 1) == 's' && PyUnicode_READ_CHAR(key, 2) == 'a' &&
           encoder->skips_private;
}

/* Takes the place of the last separator, if there is one. */
static inline char *close_container(struct hfa_json_encoder *encoder, char *out, char bracket)
{
    if (out[-1] == ',')
        out--;
    out = reserve(encoder, out, 1 + ROOM_BEHIND);
    if (out == NULL)
        return NULL;
    *out++ = bracket;
    return out;
}

/* Nothing on the way runs user code, so what is borrowed stays. */
static char *encode_dict(struct hfa_json_encoder *encoder, char *out, PyObject *dict,
                         unsigned depth_left)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;

    if (depth_left == 0)
        return NULL;
    out = write_bytes(encoder, out, "{", 1);
    if (out == NULL)
        return NULL;
    while (PyDict_Next(dict, &place, &key, &value)) {
        if (!PyUnicode_CheckExact(key)) {
            out = write_key_uncommon(encoder, out, key);
        } else {
            if (!hfa_str_is_ready(key))
                return NULL;
            if (is_private(encoder, key))
                continue;
            out = write_string(encoder, out, key);
        }
        if (out == NULL)
            return NULL;
        *out++ = ':';
        out = encode_value(encoder, out, value, depth_left - 1);
        if (out == NULL)
            return NULL;
        *out++ = ',';
    }
    return close_container(encoder, out, '}');
}

static char *encode_items(struct hfa_json_encoder *encoder, char *out, PyObject *const *items,
                          Py_ssize_t count, unsigned depth_left)
{
    if (depth_left == 0)
        return NULL;
    out = write_bytes(encoder, out, "[", 1);
    for (Py_ssize_t i = 0; i < count && out != NULL; i++) {
        out = encode_value(encoder, out, items[i], depth_left - 1);
        if (out != NULL)
            *out++ = ',';
    }
    return out == NULL ? NULL : close_container(encoder, out, ']');
}

/* Subclasses of these are what their base is to json.dumps, which does not call their methods. To
 * jsonable_encoder they may be anything. */
static Py_NO_INLINE char *encode_uncommon(struct hfa_json_encoder *encoder, char *out,
                                          PyObject *value, unsigned depth_left)
{
    if (encoder->skips_private)
        return NULL;
    if (PyUnicode_Check(value))
        return write_string(encoder, out, value);
    if (PyLong_Check(value))
        return write_integer(encoder, out, value);
    if (PyFloat_Check(value))
        return write_float(encoder, out, value);
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
        return write_string(encoder, out, value);
    if (type == &PyLong_Type)
        return write_integer(encoder, out, value);
    if (value == Py_None || type == &PyBool_Type)
        return write_literal(encoder, out, value);
    if (type == &PyDict_Type)
        return encode_dict(encoder, out, value, depth_left);
    if (type == &PyList_Type || type == &PyTuple_Type)
        return encode_items(encoder, out, PySequence_Fast_ITEMS(value),
                            PySequence_Fast_GET_SIZE(value), depth_left);
    if (type == &PyFloat_Type)
        return write_float(encoder, out, value);
    return encode_uncommon(encoder, out, value, depth_left);
}

/* --- Whole values -------------------------------------------------------------------------- */

/* 1 when the value is written, 0 when it is not one to be written here, -1 with an exception set.
 */
static int encode_plain(struct hfa_json_encoder *encoder, PyObject *value, bool skips_private)
{
    encoder->skips_private = skips_private;
    encoder->is_out_of_memory = false;
    char *out = position(encoder);
    if (out != NULL)
        out = encode_value(encoder, out, value, HFA_JSON_DEPTH_MAX);
    if (out != NULL) {
        set_position(encoder, out);
        return 1;
    }
    if (!encoder->is_out_of_memory)
        return 0;
    PyErr_NoMemory();
    return -1;
}

static int append_bytes(struct hfa_json_encoder *encoder, const char *data, size_t length)
{
    char *out = position(encoder);
    if (out != NULL)
        out = write_bytes(encoder, out, data, length);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    set_position(encoder, out);
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
                               : append_bytes(encoder, PyBytes_AS_STRING(bytes),
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
    char *out = position(encoder);
    if (out != NULL)
        out = write_utf8_string(encoder, out, data, length);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    set_position(encoder, out);
    return 0;
}

int hfa_json_append_integer(struct hfa_json_encoder *encoder, int64_t value)
{
    char *out = position(encoder);
    if (out != NULL)
        out = reserve(encoder, out, HFA_JSON_INTEGER_SIZE + ROOM_BEHIND);
    if (out == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    set_position(encoder, hfa_json_write_integer(out, value));
    return 0;
}
