#include "job_site.h"

/* Shorter runs are not looked at: even if one has waited, a worker of its own would cost as much.
 */
#define SLOW_NS (200 * 1000)
/* Off the processor for so long of its own accord: it has waited for something. */
#define WAITED_NS (100 * 1000)
/* The same when it may have waited for the interpreter lock, more than once. */
#define WAITED_CONTENDED_NS (2 * 1000 * 1000)
/* So much processor time holds others up like waiting does. */
#define BUSY_NS (1000 * 1000)
/* Quick runs in a row after which a slow site is quick again. */
#define SLOW_RUNS 32
/* The same after a mere suspicion: the machine may have been busy with something else. */
#define SUSPECT_RUNS 8

uint64_t hfa_job_site_learn(struct hfa_job_site *site, uint64_t begun_ns,
                            struct hfa_thread_usage *usage, bool is_contended)
{
    uint64_t ended_ns = hfa_thread_usage_clock();
    bool is_slow = false;

    if (ended_ns - begun_ns > SLOW_NS) {
        struct hfa_thread_usage before = *usage;
        hfa_thread_usage_read(usage);
        uint64_t cpu_ns = usage->cpu_ns - before.cpu_ns;
        bool has_waited =
            usage->waits != before.waits && usage->wall_ns - before.wall_ns > cpu_ns + WAITED_NS;
        site->is_busy = cpu_ns > BUSY_NS;
        is_slow = has_waited || site->is_busy;
    }
    if (is_slow)
        site->slow_runs = SLOW_RUNS;
    else if (site->slow_runs > 0)
        site->slow_runs--;
    return ended_ns;
}

void hfa_job_site_suspect(struct hfa_job_site *site, uint64_t cpu_ns)
{
    if (cpu_ns > BUSY_NS)
        site->is_busy = true;
    if (site->slow_runs < SUSPECT_RUNS)
        site->slow_runs = SUSPECT_RUNS;
}
