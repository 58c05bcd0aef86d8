#include "json_spaced.h"

#include <math.h>

#include "json_writer.h"

static char *write_value(struct hfa_json_encoder *encoder, char *out, PyObject *value,
                         unsigned depth_left);

/* --- Strings ------------------------------------------------------------------------------------
 */

/* Characters that are taken at once, and what one of them needs at most: two escapes. */
enum { PIECE = 256, CHARACTER_MAX = 12 };

static char *write_escape(char *out, unsigned unit)
{
    static const char digits[] = "0123456789abcdef";

    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *out++ = digits[unit >> shift & 0xf];
    return out;
}

static char *write_character(char *out, Py_UCS4 character)
{
    static const char short_escapes[] = "\b\t\n\f\r\"\\";
    static const char letters[] = "btnfr\"\\";

    if (character >= 0x10000) {
        out = write_escape(out, 0xd800 + ((character - 0x10000) >> 10));
        return write_escape(out, 0xdc00 + (character & 0x3ff));
    }
    if (character >= 0x20 && character < 0x7f && character != '"' && character != '\\') {
        *out++ = (char)character;
        return out;
    }
    const char *found =
        character == 0 || character > 0x7f ? NULL : strchr(short_escapes, (int)character);
    if (found == NULL)
        return write_escape(out, character);
    *out++ = '\\';
    *out++ = letters[found - short_escapes];
    return out;
}

static char *write_string(struct hfa_json_encoder *encoder, char *out, PyObject *string)
{
    if (!hfa_str_is_ready(string))
        return NULL;
    Py_ssize_t length = PyUnicode_GET_LENGTH(string);
    /* What is ASCII is written alike in both dialects, but for DEL. */
    if (PyUnicode_IS_COMPACT_ASCII(string) &&
        memchr(PyUnicode_DATA(string), 0x7f, (size_t)length) == NULL)
        return hfa_json_write_string(encoder, out, string);
    out = hfa_json_write_bytes(encoder, out, "\"", 1);
    for (Py_ssize_t i = 0; i < length && out != NULL;) {
        Py_ssize_t stop = length - i > PIECE ? i + PIECE : length;
        out = hfa_json_reserve(encoder, out,
                               (size_t)(stop - i) * CHARACTER_MAX + HFA_JSON_ROOM_BEHIND);
        for (; out != NULL && i < stop; i++)
            out = write_character(out, PyUnicode_READ_CHAR(string, i));
    }
    return out == NULL ? NULL : hfa_json_write_bytes(encoder, out, "\"", 1);
}

/* --- Containers ---------------------------------------------------------------------------------
 */

static char *write_dict(struct hfa_json_encoder *encoder, char *out, PyObject *dict,
                        unsigned depth_left)
{
    PyObject *key, *value; /* borrowed: no code runs that could change the dict */
    Py_ssize_t place = 0;
    bool is_first = true;

    out = hfa_json_write_bytes(encoder, out, "{", 1);
    while (out != NULL && PyDict_Next(dict, &place, &key, &value)) {
        if (!PyUnicode_CheckExact(key) || !hfa_str_is_ready(key))
            return NULL;
        if (hfa_json_is_private(key))
            continue;
        if (!is_first)
            out = hfa_json_write_bytes(encoder, out, ", ", 2);
        is_first = false;
        if (out != NULL)
            out = write_string(encoder, out, key);
        if (out != NULL)
            out = hfa_json_write_bytes(encoder, out, ": ", 2);
        if (out != NULL)
            out = write_value(encoder, out, value, depth_left - 1);
    }
    return out == NULL ? NULL : hfa_json_write_bytes(encoder, out, "}", 1);
}

static char *write_items(struct hfa_json_encoder *encoder, char *out, PyObject *sequence,
                         unsigned depth_left)
{
    PyObject *const *items = PySequence_Fast_ITEMS(sequence);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(sequence);

    out = hfa_json_write_bytes(encoder, out, "[", 1);
    for (Py_ssize_t i = 0; i < count && out != NULL; i++) {
        if (i > 0)
            out = hfa_json_write_bytes(encoder, out, ", ", 2);
        if (out != NULL)
            out = write_value(encoder, out, items[i], depth_left - 1);
    }
    return out == NULL ? NULL : hfa_json_write_bytes(encoder, out, "]", 1);
}

static char *write_value(struct hfa_json_encoder *encoder, char *out, PyObject *value,
                         unsigned depth_left)
{
    PyTypeObject *type = Py_TYPE(value);

    if (type == &PyUnicode_Type)
        return write_string(encoder, out, value);
    if (type == &PyLong_Type)
        return hfa_json_write_int(encoder, out, value);
    if (value == Py_None || type == &PyBool_Type)
        return hfa_json_write_literal(encoder, out, value);
    if (type == &PyFloat_Type)
        return isfinite(PyFloat_AS_DOUBLE(value)) ? hfa_json_write_float(encoder, out, value)
                                                  : hfa_json_write_literal(encoder, out, Py_None);
    if (depth_left == 0)
        return NULL;
    if (type == &PyDict_Type)
        return write_dict(encoder, out, value, depth_left);
    if (type == &PyList_Type || type == &PyTuple_Type)
        return write_items(encoder, out, value, depth_left);
    return NULL;
}

int hfa_json_spaced(struct hfa_json_encoder *encoder, PyObject *value)
{
    char *out = hfa_json_begin(encoder);
    if (out != NULL)
        out = write_value(encoder, out, value, HFA_JSON_DEPTH_MAX);
    return hfa_json_end(encoder, out);
}
