/* The coroutine protocol of runs, for their type's slots.
 *
 * What steps a run is the request's asyncio.Task, or an `await` in the application's middleware
 * stack.
 */
#ifndef HFA_RUN_COROUTINE_H
#define HFA_RUN_COROUTINE_H

#include "plan_run.h"

extern PyMethodDef hfa_run_coroutine_methods[];
extern PyGetSetDef hfa_run_coroutine_getset[];

PySendResult hfa_run_coroutine_send(PyObject *run, PyObject *value, PyObject **result);
PyObject *hfa_run_coroutine_next(PyObject *run);

#endif
