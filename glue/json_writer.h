/* The parts that JSON in an encoder's buffer is written of: strings, numbers, literals, brackets.
 *
 * Each function that writes is handed the place to write to and returns the place behind what it
 * wrote, with room there for a separator. NULL: the value has no JSON that is written here, or
 * encoder->is_out_of_memory; no exception is set. None runs user code.
 *
 * For json_encode.c, json_spaced.c and shape_write.c, which decide what is written.
 */
#ifndef HFA_JSON_WRITER_H
#define HFA_JSON_WRITER_H

#include "json_encode.h"

#define HFA_JSON_ROOM_BEHIND 1

/* More room at `out`: the place where it is then. */
char *hfa_json_grow(struct hfa_json_encoder *encoder, char *out, size_t size);

static inline char *hfa_json_reserve(struct hfa_json_encoder *encoder, char *out, size_t size)
{
    if ((size_t)(encoder->data + encoder->capacity - out) >= size)
        return out;
    return hfa_json_grow(encoder, out, size);
}

/* Where the buffer ends. */
static inline char *hfa_json_position(struct hfa_json_encoder *encoder)
{
    return encoder->data == NULL ? hfa_json_grow(encoder, NULL, HFA_JSON_ROOM_BEHIND)
                                 : encoder->data + encoder->length;
}

static inline void hfa_json_set_position(struct hfa_json_encoder *encoder, const char *out)
{
    encoder->length = (size_t)(out - encoder->data);
}

/* Begins a value at the buffer's end; NULL: out of memory. */
static inline char *hfa_json_begin(struct hfa_json_encoder *encoder)
{
    encoder->is_out_of_memory = false;
    return hfa_json_position(encoder);
}

/* Ends it with what became of writing it: 1: the buffer has it; 0: it has no JSON that is written
 * here, and the buffer is as it was; -1 with MemoryError set. */
static inline int hfa_json_end(struct hfa_json_encoder *encoder, const char *out)
{
    if (out != NULL) {
        hfa_json_set_position(encoder, out);
        return 1;
    }
    if (!encoder->is_out_of_memory)
        return 0;
    PyErr_NoMemory();
    return -1;
}

/* jsonable_encoder leaves keys that begin so out: they are SQLAlchemy's. A str that is ready. */
static inline bool hfa_json_is_private(PyObject *key)
{
    return PyUnicode_GET_LENGTH(key) >= 3 && PyUnicode_READ_CHAR(key, 0) == '_' &&
           PyUnicode_READ_CHAR(key, 1) == 's' && PyUnicode_READ_CHAR(key, 2) == 'a';
}

static inline char *hfa_json_write_bytes(struct hfa_json_encoder *encoder, char *out,
                                         const char *data, size_t length)
{
    out = hfa_json_reserve(encoder, out, length + HFA_JSON_ROOM_BEHIND);
    if (out == NULL)
        return NULL;
    memcpy(out, data, length);
    return out + length;
}

/* A string of ASCII or valid UTF-8. */
char *hfa_json_write_utf8(struct hfa_json_encoder *encoder, char *out, const char *in,
                          size_t length);
/* A str, or a subclass: not one with a surrogate. */
char *hfa_json_write_string(struct hfa_json_encoder *encoder, char *out, PyObject *string);
/* An int, or a subclass: not one beyond the range of doubles and Python's limit of digits. */
char *hfa_json_write_int(struct hfa_json_encoder *encoder, char *out, PyObject *value);
/* A float, or a subclass, in Python's notation: not an infinite one. */
char *hfa_json_write_float(struct hfa_json_encoder *encoder, char *out, PyObject *value);
/* None, True or False. */
char *hfa_json_write_literal(struct hfa_json_encoder *encoder, char *out, PyObject *value);
/* A bracket, in the place of the last separator if there is one. */
char *hfa_json_close(struct hfa_json_encoder *encoder, char *out, char bracket);

#endif
