/* A step of a waiting task that is taken without the task's own machinery.
 *
 * A task that gets a message mostly waits for the next one in the same step, and what a Task does
 * around a step costs more than the step. So the coroutine is stepped here as the task would step
 * it: as the current task, in the task's context. When it waits again on a waiter (waiter.h) of the
 * same call, the waiter that the task knows takes the place of the new one, and the task waits on.
 * In every other case the outcome is kept, the task is woken, and gets it when it takes its step.
 *
 * A task that cancels itself meanwhile is cancelled where its next wait begins, as ever.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_DIRECT_STEP_H
#define HFA_DIRECT_STEP_H

#include "compat.h"

struct hfa_asgi_call;

/* In a coroutine: the outcome of a step that its task has not asked for yet. Zeroed: none. */
struct hfa_kept_step {
    bool is_kept;
    PySendResult outcome;
    PyObject *value; /* owned: yielded, returned, or the exception */
};

/* The outcome, as am_send gives it; only when one is kept. */
PySendResult hfa_kept_step_take(struct hfa_kept_step *kept, PyObject **result);

/* Lets the call's task take its step, if it waits in the one operation of the call that waits; for
 * who is called by the loop itself while no task runs. False: it waits for something else, or is no
 * Task of asyncio's own; nothing was done. */
bool hfa_direct_step(struct hfa_asgi_call *call);

#endif
