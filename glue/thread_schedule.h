/* What the system's scheduler is told of a thread, where jobs compute beside the event loop on few
 * processors. Hints that any process may give: without them, or where a system knows none, all is
 * slower but right. Threads with a policy that the application has chosen keep it.
 *
 * On Linux a thread that wakes up waits until the one that runs has used up its slice, a
 * millisecond and more; and one that is woken may run before the one that has woken it.
 */
#ifndef HFA_THREAD_SCHEDULE_H
#define HFA_THREAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Of one thread; all zero to begin with. Not for two threads at once. */
struct hfa_thread_schedule {
    pid_t thread;      /* 0: the calling one */
    bool is_patient;   /* it has SCHED_BATCH from us */
    uint64_t slice_ns; /* what it had before it was hurried; 0: it is not */
};

/* Of the calling thread, for others to use as long as it lives. What it has inherited of a thread
 * that is hurried it loses. */
void hfa_thread_schedule_open(struct hfa_thread_schedule *schedule);

/* Whether it only goes on where others wait: it takes the processor from nobody when it wakes. */
void hfa_thread_schedule_set_patient(struct hfa_thread_schedule *schedule, bool is_patient);

/* Whether it runs soon when it wakes, for short slices: with the share that it had. */
void hfa_thread_schedule_set_hurried(struct hfa_thread_schedule *schedule, bool is_hurried);

#endif
