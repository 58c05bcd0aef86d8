/* What receive() and send(), and methods of a WebSocket that take their place, return: a coroutine
 * of one operation.
 *
 * Nothing happens before it is first stepped, as with an `async def`. When there is nothing to wait
 * for it finishes at once; otherwise it waits on a waiter of its own (waiter.h), so that cancelling
 * one of several waiting operations cancels only that one.
 */
#ifndef HFA_OPERATION_H
#define HFA_OPERATION_H

#include "asgi_call.h"
#include "waiter.h"

enum hfa_operation_state {
    HFA_OPERATION_NEW,
    HFA_OPERATION_RUNNING,
    HFA_OPERATION_WAITING,
    HFA_OPERATION_DONE,
};

struct hfa_operation;

/* What an operation does. */
struct hfa_operation_kind {
    const char *name; /* of the coroutine */
    /* 1: done, *result is a new reference. 0: to be called again when there is news. -1 with an
     * exception. 2: operation->inner is a coroutine that does it instead. */
    int (*perform)(struct hfa_operation *operation, PyObject **result);
};

struct hfa_operation {
    PyObject_HEAD struct hfa_asgi_call *call; /* owned */
    const struct hfa_operation_kind *kind;
    PyObject *owner;            /* owned: the kind's own; or NULL */
    PyObject *argument;         /* owned; or NULL */
    PyObject *inner;            /* owned: what it has been left to; or NULL */
    struct hfa_waiter *waiter;  /* owned while waiting */
    struct hfa_operation *next; /* the call's waiting operations */
    struct hfa_operation **link;
    enum hfa_operation_state state;
    bool has_begun; /* the kind's own: nothing is looked at a second time */
};

extern PyType_Spec hfa_operation_spec;

/* A new operation of `call`; borrows all, of which `owner` and `argument` may be NULL. */
PyObject *hfa_operation_new(struct hfa_asgi_call *call, const struct hfa_operation_kind *kind,
                            PyObject *owner, PyObject *argument);

/* ASGI's receive() and send(message). */
extern const struct hfa_operation_kind hfa_operation_receive;
extern const struct hfa_operation_kind hfa_operation_send;

/* Ends the wait of every waiting operation of `call`, in the order in which they came: each looks
 * again at its next step. */
void hfa_operation_wake_all(struct hfa_asgi_call *call);
/* The same for who is called by the loop itself: each takes its next step at once. */
void hfa_operation_step_all(struct hfa_asgi_call *call);
/* Its wait is over. */
void hfa_operation_leave_queue(struct hfa_operation *operation);

#endif
