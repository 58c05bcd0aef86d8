/* Values of parameters in their usual form, as pydantic makes them of text.
 *
 * Each function takes what has one meaning only and returns NULL without an exception for all the
 * rest, which pydantic may still take, or refuse. Interpreter lock; no user code runs.
 */
#ifndef HFA_PLAIN_VALUE_H
#define HFA_PLAIN_VALUE_H

#include "bytes.h"
#include "compat.h"

/* Decimal digits with no more than a sign before them, as int() reads them too. */
PyObject *hfa_plain_int(struct hfa_bytes text);

/* Decimal digits, with a point and further ones if need be. */
PyObject *hfa_plain_float(struct hfa_bytes text);

/* The words that pydantic takes for a truth value, in small letters, and Python's own names. */
PyObject *hfa_plain_bool(struct hfa_bytes text);

#endif
