#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif
#include "thread_usage.h"

#include <sys/resource.h>
#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec time;

    clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t hfa_thread_usage_clock(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

#ifdef RUSAGE_THREAD
static uint64_t nanoseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_usec * 1000u;
}

void hfa_thread_usage_read(struct hfa_thread_usage *usage)
{
    struct rusage kernel;

    getrusage(RUSAGE_THREAD, &kernel);
    usage->wall_ns = hfa_thread_usage_clock();
    usage->cpu_ns = nanoseconds(&kernel.ru_utime) + nanoseconds(&kernel.ru_stime);
    usage->waits = (uint64_t)kernel.ru_nvcsw;
}
#else
/* Time off the processor counts as waiting, though the thread may only have been preempted. */
void hfa_thread_usage_read(struct hfa_thread_usage *usage)
{
    usage->wall_ns = hfa_thread_usage_clock();
    usage->cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
    usage->waits++;
}
#endif
