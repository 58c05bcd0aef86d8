#include "json_writer.h"

#include <math.h>

#include "json_number.h"
#include "json_scan.h"

/* What a string needs beside its bytes: quotes, one escape, a whole block at its end. */
#define STRING_ROOM (2 + 6 + HFA_JSON_BLOCK_SIZE + HFA_JSON_ROOM_BEHIND)

#define FIRST_CAPACITY 512

/* --- The buffer ---------------------------------------------------------------------------- */

char *hfa_json_grow(struct hfa_json_encoder *encoder, char *out, size_t size)
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
char *hfa_json_write_utf8(struct hfa_json_encoder *encoder, char *out, const char *in,
                          size_t length)
{
    const char *end = in + length;

    out = hfa_json_reserve(encoder, out, length + STRING_ROOM);
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
        out = hfa_json_reserve(encoder, out, (size_t)(end - in) + STRING_ROOM);
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

/* By pieces, so that a long text does not hfa_json_reserve 6 bytes for each character. */
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
        return hfa_json_write_utf8(encoder, out, utf8, utf8_length);
    out = hfa_json_reserve(encoder, out, length + STRING_ROOM);
    if (out == NULL)
        return NULL;
    *out++ = '"';
    while (place < length) {
        size_t stop = length - place > PIECE ? place + PIECE : length;
        out = hfa_json_reserve(encoder, out, PIECE * CHARACTER_MAX + STRING_ROOM);
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

char *hfa_json_write_string(struct hfa_json_encoder *encoder, char *out, PyObject *string)
{
    if (PyUnicode_IS_COMPACT_ASCII(string))
        return hfa_json_write_utf8(encoder, out, (const char *)PyUnicode_1BYTE_DATA(string),
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
    out = hfa_json_write_bytes(encoder, out, (const char *)PyUnicode_1BYTE_DATA(text),
                               (size_t)PyUnicode_GET_LENGTH(text));
    Py_DECREF(text);
    return out;
}

char *hfa_json_write_int(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    int64_t number;

    if (!hfa_int_as_int64(value, &number))
        return write_big_integer(encoder, out, value);
    out = hfa_json_reserve(encoder, out, HFA_JSON_INTEGER_SIZE + HFA_JSON_ROOM_BEHIND);
    return out == NULL ? NULL : hfa_json_write_integer(out, number);
}

char *hfa_json_write_float(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    double number = PyFloat_AS_DOUBLE(value);

    if (!isfinite(number))
        return NULL;
    out = hfa_json_reserve(encoder, out, HFA_JSON_DOUBLE_SIZE + HFA_JSON_ROOM_BEHIND);
    return out == NULL ? NULL : hfa_json_write_double(out, number);
}

/* --- Literals and containers ------------------------------------------------------------------ */

char *hfa_json_write_literal(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    if (value == Py_None)
        return hfa_json_write_bytes(encoder, out, "null", 4);
    if (value == Py_True)
        return hfa_json_write_bytes(encoder, out, "true", 4);
    return hfa_json_write_bytes(encoder, out, "false", 5);
}

/* Takes the place of the last separator, if there is one. */
char *hfa_json_close(struct hfa_json_encoder *encoder, char *out, char bracket)
{
    if (out[-1] == ',')
        out--;
    out = hfa_json_reserve(encoder, out, 1 + HFA_JSON_ROOM_BEHIND);
    if (out == NULL)
        return NULL;
    *out++ = bracket;
    return out;
}
