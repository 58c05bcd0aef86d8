/* What a thread has used so far: time, processor time, and how often it has waited. */
#ifndef HFA_THREAD_USAGE_H
#define HFA_THREAD_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct hfa_thread_usage {
    uint64_t wall_ns; /* monotonic */
    uint64_t cpu_ns;
    uint64_t waits; /* times that it gave the processor up of its own accord */
};

uint64_t hfa_thread_usage_clock(void); /* wall_ns alone: no system call */

/* The calling thread's. */
void hfa_thread_usage_read(struct hfa_thread_usage *usage);

/* The processor time of a thread for others to read, while it lives. */
struct hfa_thread_clock {
    bool is_known;
    clockid_t id;
};

void hfa_thread_clock_open(struct hfa_thread_clock *clock); /* of the calling thread */

/* cpu_ns; 0: this system does not tell. */
uint64_t hfa_thread_clock_read(const struct hfa_thread_clock *clock);

#endif
