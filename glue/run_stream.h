/* Methods of a run for the stream that it sends. Loop thread. */
#ifndef HFA_RUN_STREAM_H
#define HFA_RUN_STREAM_H

#include "compat.h"

/* watch(callback or None): the callback is called once when the client has gone, at once if it has
 * gone already. */
PyObject *hfa_run_stream_watch(PyObject *run, PyObject *on_gone);

#endif
