/* A response model's JSON, written in one go from values that are already as the model wants them.
 *
 * FastAPI validates what an endpoint returns and serialises what comes of it, both by pydantic. For
 * plain types (no constraints, no user code, nothing strict) both are known beforehand where a
 * value has exactly the declared type: validation leaves it as it is, and its JSON is that of the
 * type. A shape is such a type; a value that does not fit it exactly goes to pydantic as a whole.
 * python/hyperfastapi/_pydantic_schema.py makes shapes of pydantic's core schemas.
 *
 * Immutable once read. Every function needs the interpreter lock; none runs user code.
 */
#ifndef HFA_JSON_SHAPE_H
#define HFA_JSON_SHAPE_H

#include "json_encode.h"

/* The numbers are _pydantic_schema.py's. */
enum hfa_shape_kind {
    HFA_SHAPE_ANY, /* JSON's own types, as deep as they go */
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

struct hfa_shape_field;

struct hfa_shape {
    enum hfa_shape_kind kind;
    struct hfa_shape *inner;        /* owned, or NULL */
    PyObject *model;                /* owned class, or NULL */
    struct hfa_shape_field *fields; /* owned */
    size_t field_count;
};

/* Reads (kind, inner), (kind, class, fields) or (kind,); a field is (name, key in a dict, JSON of
 * the key and a colon, default, inner), the default being Ellipsis where there is none. NULL with
 * an exception. */
struct hfa_shape *hfa_shape_read(PyObject *description);
void hfa_shape_free(struct hfa_shape *shape);
int hfa_shape_traverse(const struct hfa_shape *shape, visitproc visit, void *arg);

/* Appends the value's JSON. 1: done; 0: it does not fit, and nothing is appended; -1 with
 * MemoryError set. */
int hfa_shape_write(const struct hfa_shape *shape, struct hfa_json_encoder *encoder,
                    PyObject *value);

#endif
