#include "http2_guard.h"

#include <string.h>

#define WINDOW_NS (30 * HFA_NS_PER_S)

void hfa_http2_guard_init(struct hfa_http2_guard *guard, const struct hfa_limits *limits,
                          struct hfa_counters *counters)
{
    *guard = (struct hfa_http2_guard){.limits = limits, .counters = counters};
}

static unsigned bound_of(const struct hfa_limits *limits, enum hfa_http2_cost cost)
{
    switch (cost) {
    case HFA_HTTP2_RESET:
        return limits->h2_resets;
    case HFA_HTTP2_ERROR:
        return limits->h2_errors;
    case HFA_HTTP2_SETTINGS:
        return limits->h2_settings;
    case HFA_HTTP2_PING:
        return limits->h2_pings;
    case HFA_HTTP2_PRIORITY:
        return limits->h2_priorities;
    case HFA_HTTP2_WINDOW:
        return limits->h2_windows;
    case HFA_HTTP2_EMPTY:
        return limits->h2_empty;
    case HFA_HTTP2_CONTINUATION:
        return limits->h2_continuations;
    case HFA_HTTP2_COSTS:
        break;
    }
    return 0;
}

static void count(struct hfa_counters *counters, enum hfa_http2_cost cost)
{
    uint64_t *const each[HFA_HTTP2_COSTS] = {
        [HFA_HTTP2_RESET] = &counters->h2_reset_floods,
        [HFA_HTTP2_ERROR] = &counters->h2_error_floods,
        [HFA_HTTP2_SETTINGS] = &counters->h2_settings_floods,
        [HFA_HTTP2_PING] = &counters->h2_ping_floods,
        [HFA_HTTP2_PRIORITY] = &counters->h2_priority_floods,
        [HFA_HTTP2_WINDOW] = &counters->h2_window_floods,
        [HFA_HTTP2_EMPTY] = &counters->h2_empty_floods,
        [HFA_HTTP2_CONTINUATION] = &counters->h2_continuation_floods,
    };

    ++*each[cost];
}

enum hfa_status hfa_http2_guard_spend(struct hfa_http2_guard *guard, enum hfa_http2_cost cost,
                                      uint64_t now_ns)
{
    if (now_ns >= guard->window_until_ns) {
        unsigned continuations = guard->spent[HFA_HTTP2_CONTINUATION];
        memset(guard->spent, 0, sizeof(guard->spent));
        guard->spent[HFA_HTTP2_CONTINUATION] = continuations;
        guard->window_until_ns = now_ns + WINDOW_NS;
    }
    if (++guard->spent[cost] <= bound_of(guard->limits, cost))
        return HFA_OK;
    count(guard->counters, cost);
    return HFA_ERR_LIMIT;
}
