#include "limiter.h"

#define CAPSULE_NAME "hyperfastapi._core.borrowing"

/* A wait for a token. Owned by the capsule that its task calls; outlives the limiter. */
struct hfa_borrowing {
    struct hfa_limiter *limiter; /* borrowed; NULL once the limiter is closed */
    PyObject *object;            /* owned: AnyIO's limiter */
    PyObject *borrower;          /* owned */
    PyObject *task;              /* owned until it is done */
};

static PyObject *new_borrower(void)
{
    return PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
}

int hfa_limiter_open(struct hfa_limiter *limiter, const struct hfa_anyio *anyio,
                     void (*on_granted)(void *data), void *data)
{
    PyObject *module = PyImport_ImportModule("anyio");

    limiter->anyio = anyio;
    limiter->on_granted = on_granted;
    limiter->data = data;
    limiter->would_block = module == NULL ? NULL : PyObject_GetAttrString(module, "WouldBlock");
    limiter->str_acquire = PyUnicode_InternFromString("acquire_on_behalf_of");
    limiter->str_acquire_nowait = PyUnicode_InternFromString("acquire_on_behalf_of_nowait");
    limiter->str_release = PyUnicode_InternFromString("release_on_behalf_of");
    limiter->str_total = PyUnicode_InternFromString("total_tokens");
    limiter->str_borrowed = PyUnicode_InternFromString("borrowed_tokens");
    Py_XDECREF(module);
    return limiter->would_block == NULL || limiter->str_acquire == NULL ||
                   limiter->str_acquire_nowait == NULL || limiter->str_release == NULL ||
                   limiter->str_total == NULL || limiter->str_borrowed == NULL
               ? -1
               : 0;
}

void hfa_limiter_close(struct hfa_limiter *limiter)
{
    if (limiter->pending != NULL) {
        limiter->pending->limiter = NULL;
        PyObject *result = PyObject_CallMethod(limiter->pending->task, "cancel", NULL);
        if (result == NULL)
            PyErr_Clear(); /* the loop is closed: nobody waits there any longer */
        Py_XDECREF(result);
        limiter->pending = NULL;
    }
    hfa_limiter_keep(limiter, 0);
    for (unsigned i = 0; i < limiter->known; i++)
        Py_DECREF(limiter->borrowers[i]);
    PyMem_Free(limiter->borrowers);
    limiter->borrowers = NULL;
    limiter->known = limiter->capacity = 0;
    Py_CLEAR(limiter->would_block);
    Py_CLEAR(limiter->str_acquire);
    Py_CLEAR(limiter->str_acquire_nowait);
    Py_CLEAR(limiter->str_release);
    Py_CLEAR(limiter->str_total);
    Py_CLEAR(limiter->str_borrowed);
}

static int make_room(struct hfa_limiter *limiter)
{
    if (limiter->known < limiter->capacity)
        return 0;
    unsigned capacity = limiter->capacity == 0 ? 8 : limiter->capacity * 2;
    PyObject **borrowers = PyMem_Realloc(limiter->borrowers, capacity * sizeof(*borrowers));
    if (borrowers == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    limiter->borrowers = borrowers;
    limiter->capacity = capacity;
    return 0;
}

/* Sees to a spare borrower. */
static int prepare_borrower(struct hfa_limiter *limiter)
{
    if (limiter->held < limiter->known)
        return 0;
    PyObject *borrower = make_room(limiter) < 0 ? NULL : new_borrower();
    if (borrower == NULL)
        return -1;
    limiter->borrowers[limiter->known++] = borrower;
    return 0;
}

/* 1: a token was free; 0: there is none; -1 with an exception. */
static int acquire(struct hfa_limiter *limiter)
{
    if (prepare_borrower(limiter) < 0)
        return -1;
    PyObject *result = PyObject_CallMethodOneArg(
        limiter->anyio->limiter, limiter->str_acquire_nowait, limiter->borrowers[limiter->held]);
    if (result == NULL) {
        if (!PyErr_ExceptionMatches(limiter->would_block))
            return -1;
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(result);
    limiter->held++;
    return 1;
}

static void release(PyObject *object, PyObject *name, PyObject *borrower)
{
    PyObject *result = PyObject_CallMethodOneArg(object, name, borrower);

    /* Who waited for it may belong to a loop that is closed; or somebody has meddled. */
    if (result == NULL)
        PyErr_WriteUnraisable(object);
    Py_XDECREF(result);
}

static void free_borrowing(PyObject *capsule)
{
    struct hfa_borrowing *borrowing = PyCapsule_GetPointer(capsule, CAPSULE_NAME);

    if (borrowing->limiter != NULL)
        borrowing->limiter->pending = NULL;
    Py_XDECREF(borrowing->task);
    Py_XDECREF(borrowing->borrower);
    Py_XDECREF(borrowing->object);
    PyMem_Free(borrowing);
}

/* The task's callback. It may have been cancelled: with all tasks at the loop's end, say. */
static PyObject *on_borrowed(PyObject *capsule, PyObject *task)
{
    struct hfa_borrowing *borrowing = PyCapsule_GetPointer(capsule, CAPSULE_NAME);
    struct hfa_limiter *limiter = borrowing->limiter;

    Py_CLEAR(borrowing->task);
    borrowing->limiter = NULL;
    if (limiter != NULL)
        limiter->pending = NULL;
    PyObject *result = PyObject_CallMethod(task, "result", NULL);
    if (result == NULL) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    Py_DECREF(result);
    if (limiter == NULL || make_room(limiter) < 0) {
        PyErr_Clear();
        PyObject *name = PyUnicode_FromString("release_on_behalf_of");
        if (name != NULL)
            release(borrowing->object, name, borrowing->borrower);
        Py_XDECREF(name);
        Py_RETURN_NONE;
    }
    if (limiter->held < limiter->known) /* a spare one makes room */
        limiter->borrowers[limiter->known] = limiter->borrowers[limiter->held];
    limiter->known++;
    limiter->borrowers[limiter->held++] = Py_NewRef(borrowing->borrower);
    limiter->on_granted(limiter->data);
    Py_RETURN_NONE;
}

static PyMethodDef on_borrowed_def = {"on_borrowed", on_borrowed, METH_O, NULL};

static PyObject *new_borrowing(struct hfa_limiter *limiter)
{
    struct hfa_borrowing *borrowing = PyMem_Calloc(1, sizeof(*borrowing));

    if (borrowing == NULL)
        return PyErr_NoMemory();
    PyObject *capsule = PyCapsule_New(borrowing, CAPSULE_NAME, free_borrowing);
    if (capsule == NULL) {
        PyMem_Free(borrowing);
        return NULL;
    }
    borrowing->object = Py_NewRef(limiter->anyio->limiter);
    borrowing->borrower = new_borrower();
    if (borrowing->borrower == NULL)
        Py_CLEAR(capsule);
    return capsule;
}

/* Waits in AnyIO's queue, where all who wait are served in turn. */
static int borrow(struct hfa_limiter *limiter)
{
    PyObject *capsule = new_borrowing(limiter);
    PyObject *coroutine = NULL, *task = NULL, *callback = NULL, *added = NULL;
    struct hfa_borrowing *borrowing;

    if (capsule == NULL)
        return -1;
    borrowing = PyCapsule_GetPointer(capsule, CAPSULE_NAME);
    callback = PyCFunction_New(&on_borrowed_def, capsule);
    if (callback != NULL)
        coroutine = PyObject_CallMethodOneArg(limiter->anyio->limiter, limiter->str_acquire,
                                              borrowing->borrower);
    if (coroutine != NULL)
        task = PyObject_CallMethod(limiter->anyio->loop, "create_task", "O", coroutine);
    if (task != NULL)
        added = PyObject_CallMethod(task, "add_done_callback", "O", callback);
    if (added != NULL) {
        borrowing->task = Py_NewRef(task);
        borrowing->limiter = limiter;
        limiter->pending = borrowing;
    }
    Py_XDECREF(task);
    Py_XDECREF(coroutine);
    Py_XDECREF(callback);
    Py_DECREF(capsule);
    if (added == NULL)
        return -1;
    Py_DECREF(added);
    return 0;
}

int hfa_limiter_hold(struct hfa_limiter *limiter, unsigned wanted)
{
    while (limiter->held < wanted && limiter->pending == NULL) {
        int acquired = acquire(limiter);
        if (acquired < 0 || (acquired == 0 && borrow(limiter) < 0))
            return -1;
    }
    return 0;
}

void hfa_limiter_keep(struct hfa_limiter *limiter, unsigned wanted)
{
    while (limiter->held > wanted) {
        limiter->held--;
        release(limiter->anyio->limiter, limiter->str_release, limiter->borrowers[limiter->held]);
    }
}

static double number(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    double result = value == NULL ? -1 : PyFloat_AsDouble(value);

    Py_XDECREF(value);
    return result;
}

/* Others in the queue behind or before our own task. */
static double waiting(struct hfa_limiter *limiter)
{
    PyObject *statistics = PyObject_CallMethod(limiter->anyio->limiter, "statistics", NULL);
    PyObject *value =
        statistics == NULL ? NULL : PyObject_GetAttrString(statistics, "tasks_waiting");
    double result = value == NULL ? -1 : PyFloat_AsDouble(value);

    Py_XDECREF(value);
    Py_XDECREF(statistics);
    return result - 1;
}

unsigned hfa_limiter_owed(struct hfa_limiter *limiter)
{
    double total = number(limiter->anyio->limiter, limiter->str_total);
    double borrowed = number(limiter->anyio->limiter, limiter->str_borrowed);
    double owed = borrowed - total;

    if (limiter->pending != NULL) {
        double others = waiting(limiter);
        if (others > owed)
            owed = others;
    }
    if (PyErr_Occurred())
        PyErr_Clear();
    if (!(owed > 0))
        return 0;
    return owed < limiter->held ? (unsigned)owed : limiter->held;
}
