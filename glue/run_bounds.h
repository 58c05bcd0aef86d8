/* Handlers that may end early: a time limit, cancellation when the client has gone.
 *
 * From the first dependency to the endpoint's end such a run may be cancelled in its task, and what
 * comes of that is an exception of its own. See python/hyperfastapi/_fastapi/bounded.py.
 */
#ifndef HFA_RUN_BOUNDS_H
#define HFA_RUN_BOUNDS_H

#include "plan_run.h"

/* Begins and ends the bounds in their turn. HFA_PROGRESS_AWAITS: goes on. */
enum hfa_progress hfa_run_keep_bounds(struct hfa_run *run);
/* The run has an ASGI call from now on, which learns of the client's departure. -1 with an
 * exception. */
int hfa_run_watch_client(struct hfa_run *run);
/* The client has gone. */
void hfa_run_leave_bounds(struct hfa_run *run);
/* The run does not go on. */
void hfa_run_drop_bounds(struct hfa_run *run);
/* Whether the exception is that of a client that has gone. */
bool hfa_run_lost_client(const struct hfa_run *run);

#endif
