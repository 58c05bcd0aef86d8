/* JSON as json.dumps() writes it without arguments: ASCII, with a space behind each separator.
 * FastAPI writes items of streams so that have no declared type.
 *
 * Interpreter lock; no user code runs.
 */
#ifndef HFA_JSON_SPACED_H
#define HFA_JSON_SPACED_H

#include "json_encode.h"

/* Appends what FastAPI makes of a value: json.dumps(jsonable_encoder(value)), with null for floats
 * that are not finite. 1: done; 0: it is not made of plain builtins alone, or is nothing that JSON
 * can tell, and nothing is appended; -1 with MemoryError set. */
int hfa_json_spaced(struct hfa_json_encoder *encoder, PyObject *value);

#endif
