/* What one item of a stream is on the wire: a piece of bytes, a line of JSON, a server-sent event.
 *
 * FastAPI's server-sent events are those of the HTML standard, 9.2.
 */
#ifndef HFA_STREAM_ITEM_H
#define HFA_STREAM_ITEM_H

#include "json_encode.h"
#include "plan_run.h"

/* The numbers are those of python/hyperfastapi/_fastapi/sending.py. */
enum hfa_stream_kind {
    HFA_STREAM_PIECES,
    HFA_STREAM_LINES,
    HFA_STREAM_EVENTS,
};

/* Appends an item's bytes to the encoder. What is not written here is left to `serialize(item)`,
 * FastAPI's own way; no code of the user's has run then. -1 with an exception, and nothing
 * appended. Any thread, interpreter lock. */
int hfa_stream_item_write(const struct hfa_run *run, enum hfa_stream_kind kind, PyObject *serialize,
                          struct hfa_json_encoder *encoder, PyObject *item);

#endif
