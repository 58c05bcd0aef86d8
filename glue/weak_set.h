/* WeakSet.add(), and what takes an object out that dies, without Python code: asyncio's set of
 * tasks gets each task that waits, up to 3.13.
 *
 * What lies in the set is what WeakSet puts there: weak references, of which `_remove` takes those
 * out that have died, or leaves them to whoever is iterating.
 *
 * Interpreter lock.
 */
#ifndef HFA_WEAK_SET_H
#define HFA_WEAK_SET_H

#include "compat.h"

/* A function that does what weak_set.add(object) does: a new reference; None for a WeakSet that is
 * not made of what is known of its class; NULL with an exception. It keeps the WeakSet's parts, and
 * not itself, alive. */
PyObject *hfa_weak_set_adder(PyObject *module, PyObject *weak_set);

#endif
