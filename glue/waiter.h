/* What a coroutine of the core yields while it waits: a future for the one task that steps it.
 *
 * asyncio knows it by what it does (`_asyncio_future_blocking`, add_done_callback(), cancel()), as
 * it knows any future that is not its own. Beside asyncio's own it can be ended in a second way: at
 * once. The task then takes its step inside the call that ends the wait, and not a turn of the loop
 * later. Only who is called by the loop itself may do that, while no task is running.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_WAITER_H
#define HFA_WAITER_H

#include "state.h"

struct hfa_server_object;

struct hfa_waiter {
    PyObject_HEAD struct hfa_server_object *server; /* owned */
    PyObject *callback;                             /* owned: the task's; NULL: nobody's */
    PyObject *context;        /* owned: to call it in; NULL: the current one */
    PyObject *cancel_message; /* owned or NULL */
    bool is_blocking;
    bool is_done;
    bool is_cancelled;
    bool is_stepping;    /* its task takes a step that the task does not know of */
    bool asks_to_cancel; /* cancelled in that step */
};

extern PyType_Spec hfa_waiter_spec;

/* A new one; NULL with an exception. */
struct hfa_waiter *hfa_waiter_new(struct hfa_server_object *server);

/* Ends the wait, unless that has happened: in the loop's next turn, or at once. */
void hfa_waiter_wake(struct hfa_waiter *waiter);
void hfa_waiter_step(struct hfa_waiter *waiter);

/* For direct_step.c. The wait is over for the coroutine, while its task still waits; then either
 * the task is told, or it waits on. */
void hfa_waiter_begin_step(struct hfa_waiter *waiter);
void hfa_waiter_end_step(struct hfa_waiter *waiter);
void hfa_waiter_call_back(struct hfa_waiter *waiter);
void hfa_waiter_wait_again(struct hfa_waiter *waiter);

/* Whether its coroutine may go on: 1; -1 with CancelledError, or because it has been stepped by who
 * has not waited. */
int hfa_waiter_result(const struct hfa_waiter *waiter);

#endif
