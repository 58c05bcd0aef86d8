/* What a client may ask of one HTTP/2 connection in a while, beside requests: the frames that cost
 * it nothing and us something (RFC 9113 10.5).
 *
 * Pure counting, with the time as an argument: frames of each kind within a window of 30 s, and the
 * CONTINUATION frames of one head. One thread.
 */
#ifndef HFA_HTTP2_GUARD_H
#define HFA_HTTP2_GUARD_H

#include "counters.h"
#include "server_limits.h"
#include "status.h"

enum hfa_http2_cost {
    HFA_HTTP2_RESET,    /* the client cancels a stream */
    HFA_HTTP2_ERROR,    /* the client makes us reset a stream */
    HFA_HTTP2_SETTINGS, /* each is to be acknowledged */
    HFA_HTTP2_PING,     /* each is to be answered */
    HFA_HTTP2_PRIORITY,
    HFA_HTTP2_WINDOW,
    HFA_HTTP2_EMPTY,        /* a DATA frame without data that does not end its stream */
    HFA_HTTP2_CONTINUATION, /* of the head at hand */
    HFA_HTTP2_COSTS,
};

struct hfa_http2_guard {
    const struct hfa_limits *limits; /* borrowed */
    struct hfa_counters *counters;   /* borrowed */
    uint64_t window_until_ns;
    unsigned spent[HFA_HTTP2_COSTS];
};

void hfa_http2_guard_init(struct hfa_http2_guard *guard, const struct hfa_limits *limits,
                          struct hfa_counters *counters);

/* HFA_ERR_LIMIT: the client has gone beyond the bound, which was counted: end the connection. */
enum hfa_status hfa_http2_guard_spend(struct hfa_http2_guard *guard, enum hfa_http2_cost cost,
                                      uint64_t now_ns);

/* What was sent to the client explains as many WINDOW_UPDATE frames. */
static inline void hfa_http2_guard_allow_window(struct hfa_http2_guard *guard)
{
    if (guard->spent[HFA_HTTP2_WINDOW] > 0)
        guard->spent[HFA_HTTP2_WINDOW]--;
}

/* A new head begins. */
static inline void hfa_http2_guard_begin_head(struct hfa_http2_guard *guard)
{
    guard->spent[HFA_HTTP2_CONTINUATION] = 0;
}

#endif
