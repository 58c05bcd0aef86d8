/* asyncio's queue of callbacks that are due, filled and emptied without asyncio's Python code.
 *
 * What lies in the queue are asyncio's own Handles, and asyncio may fill and empty it as well: they
 * are made here as Handle() makes them, and run here as Handle._run() does. Where a Python's Handle
 * has other slots than those that are known, the queue can be looked at and is left to asyncio.
 *
 * Embedded in its owner, which visits and clears it. All is for the thread of its loop.
 */
#ifndef HFA_READY_QUEUE_H
#define HFA_READY_QUEUE_H

#include "compat.h"

struct hfa_state;

/* Where a Handle keeps what it consists of. */
struct hfa_handle_slots {
    Py_ssize_t callback, args, context, loop, cancelled, repr, source_traceback;
};

struct hfa_ready_queue {
    PyObject *items;             /* owned: loop._ready; NULL for other loops than asyncio's */
    PyObject *append, *pop_left; /* owned: its methods */
    PyObject *loop;              /* owned */
    PyObject *attributes;        /* owned: the loop's __dict__ */
    PyTypeObject *handle_type;   /* owned: asyncio.Handle; NULL: the queue is asyncio's alone */
    PyObject *call_soon;         /* owned: the loop class's own function */
    PyObject *kwnames;           /* owned: names of keyword arguments that it has had last */
    PyObject *report;            /* owned: called with (handle, exception) that a callback raised */
    struct hfa_handle_slots slots;
};

/* Finds the queue of a loop. Without an exception set also where there is none. */
int hfa_ready_queue_open(struct hfa_ready_queue *queue, PyObject *loop, PyObject *report);

int hfa_ready_queue_traverse(struct hfa_ready_queue *queue, visitproc visit, void *arg);
void hfa_ready_queue_clear(struct hfa_ready_queue *queue);

/* Callbacks in the queue; 0 where there is no queue. */
Py_ssize_t hfa_ready_queue_count(const struct hfa_ready_queue *queue);

/* Whether hfa_ready_queue_run() and hfa_ready_queue_call_soon() can be used. */
static inline bool hfa_ready_queue_is_ours(const struct hfa_ready_queue *queue)
{
    return queue->handle_type != NULL;
}

/* What loop.<name> gives, which asyncio keeps in the loop's __dict__: a new reference. */
PyObject *hfa_ready_queue_attribute(const struct hfa_ready_queue *queue, PyObject *name);

/* Runs the first callback; what it raises is reported as asyncio reports it. -1 with an exception:
 * SystemExit or KeyboardInterrupt, which end the loop, or the queue is empty. */
int hfa_ready_queue_run(struct hfa_ready_queue *queue);

/* loop.call_soon(callback, *args, context=None): a new reference to the Handle. In debug mode, and
 * for arguments that it does not take, the loop's own function is called. */
PyObject *hfa_ready_queue_call_soon(struct hfa_ready_queue *queue, const struct hfa_state *state,
                                    PyObject *const *args, Py_ssize_t count, PyObject *kwnames);

#endif
