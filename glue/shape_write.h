/* JSON of a response model, written in one go from values that are as the model wants them.
 *
 * Interpreter lock; no user code runs.
 */
#ifndef HFA_SHAPE_WRITE_H
#define HFA_SHAPE_WRITE_H

#include "json_encode.h"
#include "shape.h"

/* Appends the value's JSON. 1: done; 0: it does not fit, and nothing is appended; -1 with
 * MemoryError set. */
int hfa_shape_write(const struct hfa_shape *shape, struct hfa_json_encoder *encoder,
                    PyObject *value);

#endif
