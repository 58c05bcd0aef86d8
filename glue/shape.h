/* Shapes: types of which pydantic's answer is known beforehand.
 *
 * For plain types (no constraints, no user code, nothing strict) a value that has exactly the
 * declared type is left by validation as it is, its JSON is that of the type, and a model is made
 * of a dict field by field. What does not fit its shape exactly goes to pydantic as a whole.
 * python/hyperfastapi/_pydantic_schema.py makes shapes of pydantic's core schemas; shape_write.h
 * writes values, shape_make.h makes them.
 *
 * Immutable once read. Every function needs the interpreter lock.
 */
#ifndef HFA_SHAPE_H
#define HFA_SHAPE_H

#include "compat.h"

/* The numbers are _pydantic_schema.py's. */
enum hfa_shape_kind {
    HFA_SHAPE_ANY, /* written: JSON's own types, as deep as they go; made: whatever it is */
    HFA_SHAPE_STR,
    HFA_SHAPE_INT,
    HFA_SHAPE_FLOAT,
    HFA_SHAPE_BOOL,
    HFA_SHAPE_NONE,
    HFA_SHAPE_NULLABLE, /* None or `inner` */
    HFA_SHAPE_LIST,     /* of `inner` */
    HFA_SHAPE_DICT,     /* from str to `inner` */
    HFA_SHAPE_MODEL,    /* an instance of exactly `model`, or a dict that it would be made of */
};

/* How deep values may nest. */
#define HFA_SHAPE_DEPTH_MAX 128

struct hfa_shape;

struct hfa_shape_field {
    PyObject *name;          /* owned str: the attribute */
    PyObject *key;           /* owned str: in a dict that a model is made of */
    PyObject *json_key;      /* owned bytes: the key, quoted, and a colon */
    PyObject *default_value; /* owned; NULL: the field is required */
    struct hfa_shape *shape; /* owned */
};

struct hfa_shape {
    enum hfa_shape_kind kind;
    struct hfa_shape *inner;        /* owned, or NULL */
    PyObject *model;                /* owned class, or NULL */
    struct hfa_shape_field *fields; /* owned */
    size_t field_count;
    /* Where an instance keeps what pydantic gives it beside its __dict__; 0: not to be made. */
    Py_ssize_t fields_set_offset, extra_offset, private_offset;
};

/* Reads (kind, inner), (kind, class, fields) or (kind,); a field is (name, key in a dict, JSON of
 * the key and a colon, default, inner), the default being Ellipsis where there is none. NULL with
 * an exception. */
struct hfa_shape *hfa_shape_read(PyObject *description);
void hfa_shape_free(struct hfa_shape *shape);
int hfa_shape_traverse(const struct hfa_shape *shape, visitproc visit, void *arg);

#endif
