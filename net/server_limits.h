/* Every bound and time-out of a server in one value. Set before the server starts, then constant.
 *
 * Times are nanoseconds; 0 switches a time-out off where the comment says so.
 */
#ifndef HFA_SERVER_LIMITS_H
#define HFA_SERVER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "time_ns.h"

struct hfa_limits {
    size_t connections;     /* open at once; accepting pauses above */
    size_t concurrency;     /* connections, or requests under way: 503 from there on; 0: off */
    size_t head_size;       /* bytes of a request head: 431 */
    size_t head_fields;     /* fields of a request head: 431 */
    size_t target_size;     /* bytes of a request-target: 414 */
    size_t trailer_size;    /* bytes of a trailer section: 431 */
    size_t request_buffer;  /* body bytes held for the application before reading pauses */
    size_t response_buffer; /* bytes waiting to be sent before the application must wait */
    size_t discard_size;    /* unread request body passed over to keep a connection */
    size_t message_size;    /* bytes of one WebSocket message: close 1009 */
    unsigned deflate_window_bits; /* WebSocket compression, 9 to 15; 0: off */
    uint64_t head_timeout_ns;     /* first byte of a head to its last: 408 */
    uint64_t body_timeout_ns;     /* window in which `body_rate` is judged: 408; 0: off */
    uint64_t body_rate;         /* least bytes per second of a body that is awaited; 0: any byte */
    uint64_t write_timeout_ns;  /* the peer takes no byte of what is waiting; 0: off */
    uint64_t idle_timeout_ns;   /* between two requests; 0: off */
    uint64_t linger_timeout_ns; /* reading on after the last answer, so that it is not lost */
    uint64_t handshake_timeout_ns; /* TLS handshake, and a PROXY header before it */
    uint64_t ping_interval_ns;     /* WebSocket keep-alive; 0: off */
    uint64_t ping_timeout_ns;      /* no pong: close 1011; 0: off */
    bool http2;                    /* also without TLS, where the client's first bytes ask for it */
    unsigned h2_streams;           /* in progress at once on one connection */
    /* What a client may send on one connection within a window of 30 s; ENHANCE_YOUR_CALM above. */
    unsigned h2_resets;        /* streams reset */
    unsigned h2_errors;        /* streams that we reset for the client's faults */
    unsigned h2_settings;      /* SETTINGS frames */
    unsigned h2_pings;         /* PING frames */
    unsigned h2_priorities;    /* PRIORITY and PRIORITY_UPDATE frames */
    unsigned h2_windows;       /* WINDOW_UPDATE frames beyond those that its traffic explains */
    unsigned h2_empty;         /* DATA frames without data that end nothing */
    unsigned h2_continuations; /* CONTINUATION frames of one head */
};

#define HFA_LIMITS_DEFAULT                                                                         \
    {                                                                                              \
        .connections = 65536, .concurrency = 0, .head_size = 65536, .head_fields = 128,            \
        .target_size = 32768, .trailer_size = 8192, .request_buffer = 65536,                       \
        .response_buffer = 65536, .discard_size = 1048576, .message_size = 16777216,               \
        .deflate_window_bits = 12, .head_timeout_ns = 15 * HFA_NS_PER_S,                           \
        .body_timeout_ns = 20 * HFA_NS_PER_S, .body_rate = 240,                                    \
        .write_timeout_ns = 30 * HFA_NS_PER_S, .idle_timeout_ns = 75 * HFA_NS_PER_S,               \
        .linger_timeout_ns = 2 * HFA_NS_PER_S, .handshake_timeout_ns = 10 * HFA_NS_PER_S,          \
        .ping_interval_ns = 20 * HFA_NS_PER_S, .ping_timeout_ns = 20 * HFA_NS_PER_S,               \
        .http2 = true, .h2_streams = 128, .h2_resets = 500, .h2_errors = 100, .h2_settings = 100,  \
        .h2_pings = 200, .h2_priorities = 1000, .h2_windows = 2000, .h2_empty = 200,               \
        .h2_continuations = 8,                                                                     \
    }

#endif
