/* What a stream asks of its run; see python/hyperfastapi/_fastapi/sending.py. */
#include "run_stream.h"

#include "plan_run.h"
#include "server_object.h"

PyObject *hfa_run_stream_watch(PyObject *self, PyObject *on_gone)
{
    struct hfa_run *run = (struct hfa_run *)self;

    if (run->call == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "nothing is sent yet");
        return NULL;
    }
    Py_XSETREF(run->call->on_gone, on_gone == Py_None ? NULL : Py_NewRef(on_gone));
    hfa_asgi_call_wake(run->call);
    Py_RETURN_NONE;
}
