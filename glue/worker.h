/* One worker thread of a pool: a threading.Thread that sleeps until it is woken. */
#ifndef HFA_WORKER_H
#define HFA_WORKER_H

#include "compat.h"
#include "thread_schedule.h"
#include "thread_usage.h"

struct hfa_job;
struct hfa_pool;

#define HFA_WORKER_FOREVER UINT64_MAX

/* What a worker is awake for. */
enum hfa_worker_role {
    HFA_WORKER_IDLE,  /* asleep, or about to be */
    HFA_WORKER_QUICK, /* quick jobs, one after the other: one worker at a time */
    HFA_WORKER_SLOW,  /* slow jobs, one after the other */
};

/* Owned by its thread. Guarded by the interpreter lock. */
struct hfa_worker {
    struct hfa_worker *next; /* among the pool's idle workers, or those that it is about to wake */
    struct hfa_worker *next_of_all, **link_of_all;
    struct hfa_pool *pool; /* borrowed */
    struct hfa_job *job;   /* borrowed: in progress */
    PyObject *thread;      /* owned until the thread ends */
    PyThread_type_lock asleep;
    enum hfa_worker_role role;
    bool is_coming;    /* chosen for its role, has not yet looked for a job */
    bool is_computing; /* the job in progress does, and others are let go first */
    struct hfa_thread_schedule schedule;
    struct hfa_thread_clock cpu_clock;
    struct hfa_thread_usage usage; /* at some time since the pool has last made it wait */
    uint64_t clock_ns;             /* when the job in progress began */
    uint64_t published_ns;         /* when finished jobs were last published */
    void (*serve)(struct hfa_worker *worker);
    void (*end)(struct hfa_worker *worker);
};

/* NULL with MemoryError set. The caller owns it until hfa_worker_start(). */
struct hfa_worker *hfa_worker_new(struct hfa_pool *pool);

/* Starts a thread that calls serve(worker) with the interpreter lock, then end(worker), the last
 * use of the worker. -1 with an exception, after end(worker), if there can be no thread. */
int hfa_worker_start(struct hfa_worker *worker);

/* In its thread, without the interpreter lock: sleeps at most so long. false: nobody woke it. */
bool hfa_worker_sleep(struct hfa_worker *worker, uint64_t timeout_ns);

/* Any thread, once for each sleep. */
void hfa_worker_wake(struct hfa_worker *worker);

#endif
