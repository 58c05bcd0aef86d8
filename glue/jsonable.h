/* FastAPI's jsonable_encoder, with its own code for all but the plainest of containers. */
#ifndef HFA_JSONABLE_H
#define HFA_JSONABLE_H

#include "compat.h"
#include "state.h"

/* A new reference to what jsonable_encoder(value) returns, or NULL with an exception set. Exact
 * dict, list and tuple are copied here, which spares a Python call for each item; for any other
 * value but exact str, int, float, bool and None, `jsonable_encoder` is called. The user's code
 * runs as often and in the order as if it had been called with `value`, and sees the same of
 * containers that it changes meanwhile.
 *
 * A value with more than `depth_max` containers inside each other is handed over whole: how deep it
 * may be is Python's to say. */
PyObject *hfa_jsonable(const struct hfa_state *state, PyObject *value, PyObject *jsonable_encoder,
                       unsigned depth_max);

#endif
