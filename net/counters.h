/* What a server has counted since its start, beside its requests: handshakes, and each bound of
 * HTTP/2 that a client has run into. Written by the loop thread. */
#ifndef HFA_COUNTERS_H
#define HFA_COUNTERS_H

#include <stdint.h>

struct hfa_counters {
    uint64_t tls_handshakes;
    uint64_t tls_failures;
    uint64_t h2_connections;
    uint64_t h2_streams;
    uint64_t h2_yields; /* pieces of input that were too much work for one turn */
    /* Connections ended because a client has gone beyond the bound. */
    uint64_t h2_reset_floods;
    uint64_t h2_error_floods; /* resets that the client's faults made us send: MadeYouReset */
    uint64_t h2_continuation_floods;
    uint64_t h2_settings_floods;
    uint64_t h2_ping_floods;
    uint64_t h2_priority_floods;
    uint64_t h2_window_floods;
    uint64_t h2_empty_floods;    /* DATA frames without data */
    uint64_t h2_head_floods;     /* heads that unpack to far more than a head may have */
    uint64_t h2_stalled_streams; /* reset: the client did not let its response through */
};

#endif
