/* Python values as JSON bytes, as FastAPI's responses carry them.
 *
 * Exact dict (with exact str keys), list, tuple, str, int, float, bool and None are written
 * straight into the buffer: no user code runs and nothing is allocated but the buffer. Where
 * something else is met, or something that has no JSON, the bytes written so far are dropped and
 * Python's own functions get the whole value: no user code has run by then, so none runs twice, and
 * an error is theirs.
 *
 * One thread at a time, with the GIL.
 */
#ifndef HFA_JSON_ENCODE_H
#define HFA_JSON_ENCODE_H

#include "compat.h"
#include "state.h"

/* Values with more containers inside each other go to Python's own code, which has a limit. */
#define HFA_JSON_DEPTH_MAX 128

/* Storage that an encoder keeps when it is reset. */
#define HFA_JSON_KEPT_MAX (64 * 1024)

struct hfa_json_encoder {
    char *data; /* owned; NULL at first */
    size_t length;
    size_t capacity;
    struct hfa_state *state;    /* borrowed */
    PyObject *jsonable_encoder; /* owned; NULL: hfa_json_encode is not used */
    bool skips_private;         /* keys that begin with "_sa"; private to json_encode.c */
    bool is_out_of_memory;      /* private to json_writer.c and its users */
};

/* Borrows `jsonable_encoder`, FastAPI's function, and keeps a reference of its own. May be NULL.
 * The module's state has to outlive the encoder. */
void hfa_json_encoder_init(struct hfa_json_encoder *encoder, struct hfa_state *state,
                           PyObject *jsonable_encoder);

/* Empties the buffer; gives storage beyond HFA_JSON_KEPT_MAX back. */
void hfa_json_encoder_reset(struct hfa_json_encoder *encoder);

void hfa_json_encoder_free(struct hfa_json_encoder *encoder);

/* Both append to the buffer and return 0, or leave it as it was and return -1 with an exception
 * set.
 *
 * What FastAPI answers with where a route has no response model:
 * JSONResponse(jsonable_encoder(value)).body. May run user code, as often and in the order that
 * jsonable_encoder does; all of it has run when JSON is written. */
int hfa_json_encode(struct hfa_json_encoder *encoder, PyObject *value);

/* JSONResponse(value).body: json.dumps() with its arguments, as UTF-8. Of user code it may run
 * methods of dict subclasses. */
int hfa_json_dumps(struct hfa_json_encoder *encoder, PyObject *value);

/* Append bytes as they are, a JSON string made of valid UTF-8, and an integer. -1 with MemoryError
 * set. */
int hfa_json_append(struct hfa_json_encoder *encoder, const char *data, size_t length);
int hfa_json_append_string(struct hfa_json_encoder *encoder, const char *data, size_t length);
int hfa_json_append_integer(struct hfa_json_encoder *encoder, int64_t value);

#endif
