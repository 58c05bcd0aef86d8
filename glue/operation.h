/* What receive() and send() return: a coroutine of one operation.
 *
 * Nothing happens before it is first stepped, as with an `async def`. When there is nothing to wait
 * for it finishes at once; otherwise it waits on a Future of the loop, one of its own, so that
 * cancelling one of several waiting operations cancels only that one.
 */
#ifndef HFA_OPERATION_H
#define HFA_OPERATION_H

#include "asgi_call.h"

enum hfa_operation_state {
    HFA_OPERATION_NEW,
    HFA_OPERATION_RUNNING,
    HFA_OPERATION_WAITING,
    HFA_OPERATION_DONE,
};

struct hfa_operation {
    PyObject_HEAD struct hfa_asgi_call *call; /* owned */
    PyObject *message;                        /* owned: send(); NULL: receive() */
    PyObject *future;                         /* owned while waiting */
    PyObject *future_iterator;                /* owned while waiting */
    struct hfa_operation *next;               /* the call's waiting operations */
    struct hfa_operation **link;
    enum hfa_operation_state state;
    bool is_send;
};

extern PyType_Spec hfa_operation_spec;

/* A new operation of `call`; borrows both. `message` NULL: receive(). */
PyObject *hfa_operation_new(struct hfa_asgi_call *call, PyObject *message);

/* Ends the wait of every waiting operation of `call`, in the order in which they came: each looks
 * again at its next step. */
void hfa_operation_wake_all(struct hfa_asgi_call *call);

#endif
