#include "worker.h"

#include <pythread.h>

#define CAPSULE_NAME "hyperfastapi._core.worker"
/* What AnyIO calls its own. */
#define THREAD_NAME "AnyIO worker thread"

struct hfa_worker *hfa_worker_new(struct hfa_pool *pool)
{
    struct hfa_worker *worker = PyMem_Calloc(1, sizeof(*worker));

    if (worker != NULL && (worker->asleep = PyThread_allocate_lock()) == NULL) {
        PyMem_Free(worker);
        worker = NULL;
    }
    if (worker == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyThread_acquire_lock(worker->asleep, NOWAIT_LOCK);
    worker->pool = pool;
    return worker;
}

static void free_worker(PyObject *capsule)
{
    struct hfa_worker *worker = PyCapsule_GetPointer(capsule, CAPSULE_NAME);

    PyThread_free_lock(worker->asleep);
    PyMem_Free(worker);
}

static PyObject *work(PyObject *capsule, PyObject *arguments)
{
    struct hfa_worker *worker = PyCapsule_GetPointer(capsule, CAPSULE_NAME);

    (void)arguments;
    worker->serve(worker);
    Py_CLEAR(worker->thread);
    worker->end(worker);
    Py_RETURN_NONE;
}

static PyMethodDef work_def = {"work", work, METH_NOARGS, NULL};

static PyObject *new_thread(PyObject *target)
{
    PyObject *thread = NULL, *context = NULL;
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *type = threading == NULL ? NULL : PyObject_GetAttrString(threading, "Thread");
    PyObject *arguments = PyTuple_New(0);
    PyObject *keywords = Py_BuildValue("{s:s,s:O}", "name", THREAD_NAME, "target", target);

    if (type == NULL || arguments == NULL || keywords == NULL)
        goto done;
#if PY_VERSION_HEX >= 0x030E0000
    /* A thread may inherit its starter's context since then; ours have an empty one. */
    context = PyContext_New();
    if (context == NULL || PyDict_SetItemString(keywords, "context", context) < 0)
        goto done;
#endif
    thread = PyObject_Call(type, arguments, keywords);
done:
    Py_XDECREF(context);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    Py_XDECREF(type);
    Py_XDECREF(threading);
    return thread;
}

int hfa_worker_start(struct hfa_worker *worker)
{
    PyObject *target = NULL, *started = NULL;
    PyObject *capsule = PyCapsule_New(worker, CAPSULE_NAME, free_worker);

    if (capsule == NULL) {
        worker->end(worker);
        PyThread_free_lock(worker->asleep);
        PyMem_Free(worker);
        return -1;
    }
    target = PyCFunction_New(&work_def, capsule);
    worker->thread = target == NULL ? NULL : new_thread(target);
    if (worker->thread != NULL) {
        /* The thread may end, and clear its own reference, before start() returns. */
        PyObject *thread = Py_NewRef(worker->thread);
        started = PyObject_CallMethod(thread, "start", NULL);
        Py_DECREF(thread);
    }
    if (started == NULL) {
        Py_CLEAR(worker->thread);
        worker->end(worker);
    }
    Py_XDECREF(target);
    Py_DECREF(capsule);
    if (started == NULL)
        return -1;
    Py_DECREF(started);
    return 0;
}

bool hfa_worker_sleep(struct hfa_worker *worker, uint64_t timeout_ns)
{
    PY_TIMEOUT_T timeout =
        timeout_ns == HFA_WORKER_FOREVER ? -1 : (PY_TIMEOUT_T)(timeout_ns / 1000);

    return PyThread_acquire_lock_timed(worker->asleep, timeout, 0) == PY_LOCK_ACQUIRED;
}

void hfa_worker_wake(struct hfa_worker *worker)
{
    PyThread_release_lock(worker->asleep);
}
