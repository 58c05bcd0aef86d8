/* sys.setswitchinterval() while a job computes.
 *
 * Who wants the interpreter lock of a thread that computes waits for one interval, 5 ms unless set
 * otherwise, each time. The loop thread wants it for each batch of requests, so that one busy
 * handler would slow down all other routes by far more than its share of the processor. So the
 * interval is short then.
 *
 * With a short one for all, though, the lock would go round: the loop would get the share of one
 * thread among those that compute. So it is long while the loop thread has the lock, which that
 * thread gives back by itself (loop_bridge.c).
 */
#ifndef HFA_SWITCH_INTERVAL_H
#define HFA_SWITCH_INTERVAL_H

#include "compat.h"

/* The interpreter's; all zero to begin with. Guarded by the interpreter lock. */
struct hfa_switch_interval {
    unsigned jobs; /* that compute */
    double before; /* seconds: to be set again after the last of them */
    double ours;   /* what we have set last; 0: what the application has set stays */
    PyObject *get_function, *set_function; /* owned */
};

/* A job that computes begins, and ends. Between the two the interval is ours, unless the
 * application has made it shorter; what it sets meanwhile stays. None of these raises. */
void hfa_switch_interval_begin_job(struct hfa_switch_interval *interval);
void hfa_switch_interval_end_job(struct hfa_switch_interval *interval);

/* In a forked process, which has none of the threads: all jobs have ended. That of the thread that
 * has forked may still say so itself. */
void hfa_switch_interval_forget_jobs(struct hfa_switch_interval *interval);

/* While jobs compute: a loop thread has got the lock, and is about to give it back. */
void hfa_switch_interval_lengthen(struct hfa_switch_interval *interval);
void hfa_switch_interval_shorten(struct hfa_switch_interval *interval);

void hfa_switch_interval_clear(struct hfa_switch_interval *interval);

#endif
