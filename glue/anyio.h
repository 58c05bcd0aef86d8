/* What AnyIO expects of a thread that runs `def` code, and where it counts such threads. The only
 * file that knows AnyIO's inside. */
#ifndef HFA_ANYIO_H
#define HFA_ANYIO_H

#include "compat.h"

/* One event loop's. Owns its references; all zero before hfa_anyio_open(). */
struct hfa_anyio {
    PyObject *loop;
    PyObject *limiter;       /* the loop's default thread limiter */
    PyObject *backend;       /* AnyIO's class for asyncio */
    PyObject *claim;         /* claim_worker_thread() */
    PyObject *thread_locals; /* AnyIO's threading.local() */
    PyObject *library;       /* sniffio's context variable; NULL without sniffio */
};

/* In the loop thread while the loop runs, inside or outside of a task. -1 with an exception. */
int hfa_anyio_open(struct hfa_anyio *anyio);
void hfa_anyio_close(struct hfa_anyio *anyio);

/* Makes the calling thread one of the loop's worker threads: anyio.from_thread works in it. Returns
 * what hfa_anyio_leave_thread() takes; NULL with an exception. */
PyObject *hfa_anyio_enter_thread(struct hfa_anyio *anyio);

/* Takes the reference; NULL is allowed. Drops an exception on the way. */
void hfa_anyio_leave_thread(PyObject *claim);

/* In the current context no asynchronous library is running. -1 with an exception. */
int hfa_anyio_hide_library(struct hfa_anyio *anyio);

#endif
