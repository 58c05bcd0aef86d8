/* What `await` does with an object, and stepping what comes of it. */
#ifndef HFA_AWAIT_H
#define HFA_AWAIT_H

#include "compat.h"

/* The iterator behind `await object`: a new reference, or NULL with TypeError set. */
PyObject *hfa_await_iterator(PyObject *object);

/* False with TypeError set when throw() does not take so many arguments. */
bool hfa_await_can_throw(Py_ssize_t count);

/* Raises what throw(type[, value[, traceback]]) was given inside `iterator`. */
PySendResult hfa_await_throw(PyObject *iterator, PyObject *const *args, Py_ssize_t count,
                             PyObject **result);

/* Calls the iterator's close(), where it has one. -1 with an exception set. */
int hfa_await_close(PyObject *iterator);

/* Makes what throw() was given the current exception. */
void hfa_await_set_thrown(PyObject *const *args, Py_ssize_t count);

/* What send() and throw() of a coroutine return for a step's outcome: takes `result`. */
PyObject *hfa_await_step_result(PySendResult outcome, PyObject *result);

/* What tp_iternext returns for it: as above, but a plain None needs no StopIteration. */
PyObject *hfa_await_next_result(PySendResult outcome, PyObject *result);
/* The same with `*spare`, owned, NULL at first: an exception to use again if nobody has kept it. It
 * keeps what it was raised with until then, but nothing large. */
PyObject *hfa_await_next_result_again(PySendResult outcome, PyObject *result, PyObject **spare);

#endif
