/* Worker threads for `def` steps, as AnyIO's thread pool would run them.
 *
 * One pool an event loop. The loop thread submits jobs in batches and gets them back in batches:
 *
 *     submit, submit, ...  kick  [the loop waits]  wake()  collect -> done(), done(), ...
 *
 * No job belongs to a worker before it runs: whoever is free takes the oldest one. Jobs of sites
 * that have always been quick share one worker at a time, so that a batch costs one wake-up and one
 * take of the interpreter lock. When that worker is stuck in a job, another takes over, and the
 * job's site is known as slow: each job of a slow site has a worker of its own, so that those that
 * wait, wait side by side.
 *
 * A job that counts needs one of the tokens of AnyIO's default thread limiter, like a call of
 * anyio.to_thread.run_sync(). Jobs that don't count have workers even if all tokens are taken.
 *
 * Workers are threading.Thread objects, not daemons, that anyio.from_thread knows as its own.
 * No thread is started before the first job. The interpreter lock guards the pool; a build without
 * that lock has to enable it (Py_MOD_GIL_USED does).
 */
#ifndef HFA_POOL_H
#define HFA_POOL_H

#include "job_site.h"
#include "state.h"

#include <stdint.h>

/* Consecutive `def` steps of one request. Embedded in its owner; the pool only links it. */
struct hfa_job {
    struct hfa_job *next;
    struct hfa_job_site *site; /* borrowed */
    /* In a worker thread, with the interpreter lock. Raises nothing. */
    void (*run)(struct hfa_job *job);
    /* In the loop thread, with the interpreter lock: the last use of the job by the pool. run() has
     * not been called if the pool was freed first, or no thread could be started. May submit, must
     * not free the pool. Raises nothing. */
    void (*done)(struct hfa_job *job);
    bool counts;
};

struct hfa_pool;

/* wake(wake_data) is called from any thread, with or without the interpreter lock: the loop thread
 * is to call hfa_pool_collect(). It may come in vain, never after hfa_pool_free().
 * The caller owns *pool. -1 with an exception. */
int hfa_pool_new(struct hfa_state *state, void (*wake)(void *), void *wake_data,
                 struct hfa_pool **pool);

/* Waits until `timeout_ns` from now for jobs in progress, and ends the workers; jobs that have not
 * begun get done() at once. Returns the number of jobs still in progress after that time: they are
 * abandoned, run to their end without done(), and their memory must stay. Loop thread, with the
 * interpreter lock, which it releases while it waits. NULL is allowed. */
unsigned hfa_pool_free(struct hfa_pool *pool, uint64_t timeout_ns);

/* Queues a job; nobody is woken for it before hfa_pool_kick(). In the loop thread, while the loop
 * runs, with the interpreter lock. -1 with an exception: the job was not taken. */
int hfa_pool_submit(struct hfa_pool *pool, struct hfa_job *job);

/* Wakes as many workers as the queue needs. The loop thread calls it each time before it waits,
 * best without the interpreter lock (threads that must be started take it), and then does not wait
 * if hfa_pool_has_done(). */
void hfa_pool_kick(struct hfa_pool *pool);

/* Whether hfa_pool_collect() has something to do. Any thread. */
bool hfa_pool_has_done(const struct hfa_pool *pool);

/* Calls done() of the finished jobs, in the order in which they finished, and returns how many.
 * Loop thread, with the interpreter lock. */
unsigned hfa_pool_collect(struct hfa_pool *pool);

/* For the run() of a job: enters the context of a step, in which sniffio knows of no running
 * library, as in a worker thread of AnyIO. PyContext_Exit() leaves it. -1 with an exception. */
int hfa_pool_enter_context(struct hfa_pool *pool, PyObject *context);

/* For the run() of a job: the raised exception as AnyIO hands it over, where StopIteration has
 * become the cause of a RuntimeError. A new reference; NULL when none is raised. */
PyObject *hfa_job_take_exception(void);

#endif
