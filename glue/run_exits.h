/* Dependencies that yield: entered in their turn, left in the reverse order.
 *
 * FastAPI leaves those of the function before the response is sent, those of the request when the
 * response and its background tasks are through. Until Python code sees the request, a run keeps
 * their context managers itself and leaves them one after the other. Once there is a Request, they
 * are on the AsyncExitStacks of its scope, where FastAPI has them and the application's code may
 * put more, and these are left. Exceptions are always thrown in by an AsyncExitStack, whose rules
 * they are.
 *
 * Loop thread, but for the functions of workers.
 */
#ifndef HFA_RUN_EXITS_H
#define HFA_RUN_EXITS_H

#include "plan_run.h"

/* Whether Python code sees the request from the beginning. */
bool hfa_run_shows_request(const struct hfa_run *run);

/* Enters the current frame's context manager. */
enum hfa_progress hfa_run_enter_step(struct hfa_run *run);
/* The same in a worker: 1 entered, 0 the loop has to go on, -1 with an exception. */
int hfa_run_enter_in_worker(struct hfa_run *run);
/* It has yielded: run->manager is to be left. */
void hfa_run_keep_entered(struct hfa_run *run);

/* Whether something has to be left before the response may be sent. -1 with an exception. */
int hfa_run_leaves_first(struct hfa_run *run);
/* Leaves what is due in the current phase, and goes on to the next one. */
enum hfa_progress hfa_run_leave_step(struct hfa_run *run);
/* The next one, in a worker: 1 left, 0 the loop has to go on, -1 with an exception. */
int hfa_run_leave_in_worker(struct hfa_run *run);

/* Throws run->exception into what has not been left. DONE: nothing is left to leave. */
enum hfa_progress hfa_run_throw(struct hfa_run *run);
/* It has been caught there. -1 with the exception that FastAPI raises then. */
int hfa_run_caught(struct hfa_run *run);

/* Whether something may be on the exit stacks of the scope, once Python code sees the request. */
bool hfa_run_has_shown_exits(const struct hfa_run *run);

/* The request has become visible: moves what the run has kept to its exit stacks. -1 with an
 * exception. */
int hfa_run_show_exits(struct hfa_run *run);

/* A cancellation has reached a run that waits for a worker: 1 AnyIO has asked for it and waits for
 * workers, so run->awaiting is to be stepped again; 0 it ends the wait; -1 with an exception. */
int hfa_run_shield(struct hfa_run *run, PyObject *cancellation);
/* The worker is through. -1 with an exception. */
int hfa_run_lift_shield(struct hfa_run *run);

void hfa_run_clear_exits(struct hfa_run *run);

#endif
