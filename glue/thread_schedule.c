#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* SCHED_BATCH */
#endif
#include "thread_schedule.h"

#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The shortest that Linux gives. */
#define SLICE_NS UINT64_C(100000)

/* The first version of the kernel's struct sched_attr, which not every C library has. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* the slice, since Linux 6.12; 0 before */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

static bool get_attributes(pid_t thread, struct attributes *attributes)
{
    *attributes = (struct attributes){0};
    return syscall(SYS_sched_getattr, thread, attributes, sizeof(*attributes), 0) == 0;
}

static bool set_slice(pid_t thread, struct attributes *attributes, uint64_t slice_ns)
{
    attributes->size = sizeof(*attributes);
    attributes->runtime_ns = slice_ns;
    return syscall(SYS_sched_setattr, thread, attributes, 0) == 0;
}

/* A thread has the slice of the one that has started it. Ours may have been hurried just then:
 * back to the system's own, which is what 0 stands for. */
void hfa_thread_schedule_open(struct hfa_thread_schedule *schedule)
{
    struct attributes attributes;

    *schedule = (struct hfa_thread_schedule){.thread = (pid_t)syscall(SYS_gettid)};
    if (get_attributes(schedule->thread, &attributes) && attributes.policy == SCHED_OTHER &&
        attributes.runtime_ns == SLICE_NS)
        set_slice(schedule->thread, &attributes, 0);
}

static bool change_policy(pid_t thread, int from, int to)
{
    static const struct sched_param none = {0};

    return sched_getscheduler(thread) == from && sched_setscheduler(thread, to, &none) == 0;
}

void hfa_thread_schedule_set_patient(struct hfa_thread_schedule *schedule, bool is_patient)
{
    if (is_patient == schedule->is_patient)
        return;
    if (is_patient)
        schedule->is_patient = change_policy(schedule->thread, SCHED_OTHER, SCHED_BATCH);
    else
        schedule->is_patient = !change_policy(schedule->thread, SCHED_BATCH, SCHED_OTHER);
}

/* The slice that it had; 0: nothing has changed. */
static uint64_t change_slice(pid_t thread, uint64_t slice_ns)
{
    struct attributes attributes;

    if (!get_attributes(thread, &attributes) || attributes.policy != SCHED_OTHER)
        return 0;
    uint64_t before_ns = attributes.runtime_ns;
    if (before_ns == 0 || !set_slice(thread, &attributes, slice_ns))
        return 0;
    return before_ns;
}

void hfa_thread_schedule_set_hurried(struct hfa_thread_schedule *schedule, bool is_hurried)
{
    if (is_hurried == (schedule->slice_ns != 0))
        return;
    if (is_hurried) {
        schedule->slice_ns = change_slice(schedule->thread, SLICE_NS);
    } else {
        change_slice(schedule->thread, schedule->slice_ns);
        schedule->slice_ns = 0;
    }
}
#else
void hfa_thread_schedule_open(struct hfa_thread_schedule *schedule)
{
    *schedule = (struct hfa_thread_schedule){0};
}

void hfa_thread_schedule_set_patient(struct hfa_thread_schedule *schedule, bool is_patient)
{
    (void)schedule;
    (void)is_patient;
}

void hfa_thread_schedule_set_hurried(struct hfa_thread_schedule *schedule, bool is_hurried)
{
    (void)schedule;
    (void)is_hurried;
}
#endif
