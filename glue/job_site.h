/* What the pool has learnt of the calls that one route makes. */
#ifndef HFA_JOB_SITE_H
#define HFA_JOB_SITE_H

#include "thread_usage.h"

#include <stdbool.h>

/* All zero to begin with. Outlives its jobs. */
struct hfa_job_site {
    unsigned slow_runs; /* not 0: slow, until so many runs in a row have been quick */
    bool is_busy;       /* computes for milliseconds at a time */
};

static inline bool hfa_job_site_is_slow(const struct hfa_job_site *site)
{
    return site->slow_runs > 0;
}

/* After a run that has begun at `begun_ns` and ended just now. `usage` is the thread's as it was at
 * some time before, without a wait of the pool's since; it is read again if need be.
 * `is_contended`: jobs that compute are in progress, so that the thread may have waited for the
 * interpreter lock. Returns the current time. */
uint64_t hfa_job_site_learn(struct hfa_job_site *site, uint64_t begun_ns,
                            struct hfa_thread_usage *usage, bool is_contended);

/* A run of it has been in progress for a while, in which it has used `cpu_ns`. */
void hfa_job_site_suspect(struct hfa_job_site *site, uint64_t cpu_ns);

#endif
