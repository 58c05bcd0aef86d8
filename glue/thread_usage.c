#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif
#include "thread_usage.h"

#include <pthread.h>
#include <sys/resource.h>

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

void hfa_thread_clock_open(struct hfa_thread_clock *clock)
{
#ifdef __APPLE__
    clock->is_known = false;
#else
    clock->is_known = pthread_getcpuclockid(pthread_self(), &clock->id) == 0;
#endif
}

uint64_t hfa_thread_clock_read(const struct hfa_thread_clock *clock)
{
    return clock->is_known ? read_clock(clock->id) : 0;
}
