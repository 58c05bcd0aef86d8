/* sys.setswitchinterval() while a job computes.
 *
 * Who wants the interpreter lock of a thread that computes waits for one interval, 5 ms unless set
 * otherwise, each time. The loop thread wants it for each batch of requests, so that one busy
 * handler would slow down all other routes by far more than its share of the processor.
 */
#ifndef HFA_SWITCH_INTERVAL_H
#define HFA_SWITCH_INTERVAL_H

#include "compat.h"

/* The interpreter's; all zero to begin with. Guarded by the interpreter lock. */
struct hfa_switch_interval {
    unsigned jobs;                         /* that compute */
    double before;                         /* seconds: to be set again after the last of them */
    PyObject *get_function, *set_function; /* owned */
};

/* A job that computes begins, and ends. Between the two the interval is short, unless the
 * application has made it shorter; what it sets meanwhile stays. Neither raises. */
void hfa_switch_interval_shorten(struct hfa_switch_interval *interval);
void hfa_switch_interval_restore(struct hfa_switch_interval *interval);

void hfa_switch_interval_clear(struct hfa_switch_interval *interval);

#endif
