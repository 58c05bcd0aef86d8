/* A run that FastAPI's telemetry follows: spans of its parts, and what its handler would tell.
 *
 * Only where the application's middleware stack has entered it: the whole request is in a span that
 * begins outside of that. See python/hyperfastapi/_fastapi/telemetry.py.
 */
#ifndef HFA_RUN_TRACE_H
#define HFA_RUN_TRACE_H

#include "plan_run.h"

/* A run has been made for a scope; reports its route where telemetry follows the request. -1 with
 * an exception. */
int hfa_run_trace(struct hfa_run *run);
/* Begins and ends spans in their turn. HFA_PROGRESS_AWAITS: goes on. */
enum hfa_progress hfa_run_trace_step(struct hfa_run *run);
/* The response is made: ends the span. -1 with an exception. */
int hfa_run_trace_response(struct hfa_run *run);
/* The body cannot be parsed: tells of the request. -1 with an exception. */
int hfa_run_trace_request(struct hfa_run *run);
/* What is called in the place of the endpoint: a new reference. */
PyObject *hfa_run_traced_endpoint(struct hfa_run *run);

#endif
