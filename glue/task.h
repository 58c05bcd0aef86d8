/* Tasks: each call of the application is a real asyncio.Task whose first step runs at once. */
#ifndef HFA_TASK_H
#define HFA_TASK_H

#include "state.h"

struct hfa_server_object;

/* Starts a task for `coroutine` in a fresh copy of the server's context. A new reference to the
 * task, which may be done already; NULL with an exception. Not from inside another task. */
PyObject *hfa_task_start(struct hfa_server_object *server, PyObject *coroutine);

#endif
