/* The steps of a `def` iterator, taken in worker threads.
 *
 * A worker takes steps as long as they are quick, for a fifth of a millisecond or until there is
 * enough to send; then it is for the owner to take what there is, before more is asked for. What a
 * step has given is there for the owner at once, however long the next one takes. Each step runs in
 * a copy of its own of the context, as under anyio.to_thread.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_STREAM_STEPS_H
#define HFA_STREAM_STEPS_H

#include "plan_run.h"
#include "stream_item.h"

/* A worker goes on for so long, so many items or so many bytes. */
#define HFA_STREAM_STEPS_NS   UINT64_C(200000)
#define HFA_STREAM_STEPS_MAX  64
#define HFA_STREAM_STEPS_SIZE (64 * 1024)

struct hfa_stream_steps;

/* Borrows everything, and keeps references of its own; the current context is the one that is
 * copied. Lines of JSON are written in the worker, where FastAPI writes them, and come as bytes.
 * NULL with an exception; the owner drops it. */
struct hfa_stream_steps *hfa_stream_steps_new(struct hfa_run *run, PyObject *iterator,
                                              enum hfa_stream_kind kind, PyObject *serialize);
/* No step is begun any more. One in progress goes on alone. NULL is allowed. */
void hfa_stream_steps_drop(struct hfa_stream_steps *steps);

enum hfa_stream_take {
    HFA_STREAM_TAKE_FAILED = -1, /* with what a step has raised */
    HFA_STREAM_TAKE_WAITS = 0,   /* a worker is at it: the call's operations are stepped for news */
    HFA_STREAM_TAKE_ITEM = 1,
    HFA_STREAM_TAKE_END = 2,
};

/* Takes the next item, a new reference. */
enum hfa_stream_take hfa_stream_steps_take(struct hfa_stream_steps *steps, PyObject **item);

/* Whether hfa_stream_steps_take() would have something. */
bool hfa_stream_steps_have_news(const struct hfa_stream_steps *steps);
/* Whether a worker is at it. */
bool hfa_stream_steps_are_running(const struct hfa_stream_steps *steps);
/* The step in progress is the last one. */
void hfa_stream_steps_stop(struct hfa_stream_steps *steps);

int hfa_stream_steps_traverse(const struct hfa_stream_steps *steps, visitproc visit, void *arg);

#endif
