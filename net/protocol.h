/* A protocol engine and the connection that carries it, seen from each other.
 *
 * An engine does no I/O: it is given bytes and the time, and leaves bytes, wishes and a deadline in
 * the carrier. The connection looks at them after each call and acts. So an engine can be tested
 * with strings and a clock made of integers.
 */
#ifndef HFA_PROTOCOL_H
#define HFA_PROTOCOL_H

#include "dispatcher.h"

struct hfa_carrier {
    struct hfa_output output;          /* to be sent, in order */
    struct hfa_dispatcher *dispatcher; /* borrowed */
    struct hfa_peer *peer;             /* a reference of the connection's */
    struct hfa_bytes *default_fields;  /* "date: ...\r\nserver: ...\r\n", kept up to date */
    const uint64_t *now_ns;            /* borrowed: time of the current turn */
    uint64_t deadline_ns;              /* the engine's next time-out; HFA_NEVER without one */
    bool wants_input;                  /* false: do not read, the application is behind */
    bool wants_turn;                   /* input was left for another turn, others have theirs */
    bool wants_close;                  /* close when the output is sent */
    bool wants_linger;                 /* then read on for a while: the peer may still be sending */
    bool wants_reset;                  /* close with a reset, so that the cut shows */
    /* The engine has changed something outside of a call from the connection. */
    void (*on_change)(struct hfa_carrier *carrier);
};

struct hfa_protocol {
    const char *name;
    /* Takes bytes from the start of `data`, which it may change, and counts them in *consumed; what
     * it leaves is offered again with more behind it. `eof`: the peer will send no more. */
    enum hfa_status (*input)(void *engine, char *data, size_t length, bool eof, size_t *consumed);
    /* May be NULL. What waits to be sent is about to be: put into the output what fits. */
    void (*prepare_output)(void *engine);
    /* carrier->deadline_ns has passed. */
    void (*on_timeout)(void *engine);
    /* Output was sent; what waits is below the low-water mark. */
    void (*on_drained)(void *engine);
    /* The transport is gone. Last call but free(). */
    void (*on_closed)(void *engine);
    /* Finish what is in progress, then close. */
    void (*shutdown)(void *engine);
    void (*free)(void *engine);
};

#endif
