/* Values of body parameters, made of what a JSON document was decoded to.
 *
 * Interpreter lock; no user code runs.
 */
#ifndef HFA_SHAPE_MAKE_H
#define HFA_SHAPE_MAKE_H

#include "shape.h"

/* What pydantic would make of the value: a new reference, and the value itself only where it would
 * be so. NULL without an exception: it does not fit; NULL with MemoryError set. */
PyObject *hfa_shape_make(const struct hfa_shape *shape, PyObject *value);

#endif
