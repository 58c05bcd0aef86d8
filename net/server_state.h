/* The server's insides, shared by server.c and conn.c alone. */
#ifndef HFA_SERVER_STATE_H
#define HFA_SERVER_STATE_H

#include "conn.h"
#include "server.h"
#include "tls.h"
#include "trust.h"

/* Read into before anything is known about the bytes: idle connections need no buffer. */
#define HFA_SERVER_SCRATCH_SIZE 65536

/* Bytes that are read before they are handed over: what is read waits, and a processor's cache
 * holds no more of it. */
#define HFA_SERVER_READ_BATCH 131072

struct hfa_server_listener;

struct hfa_server {
    struct hfa_reactor *reactor;
    struct hfa_limits limits;
    struct hfa_dispatcher dispatcher;
    struct hfa_tls_context *tls;         /* a reference; NULL: connections are plain */
    const struct hfa_trust *proxy_trust; /* borrowed: peers that send a PROXY header; NULL: none */
    struct hfa_server_listener *listeners;
    struct hfa_conn *conns;
    struct hfa_conn *dirty;
    struct hfa_conn *hungry;
    struct hfa_conn **hungry_last;
    struct hfa_conn *rested;
    struct hfa_conn **rested_last;
    struct hfa_post next_turn;
    bool is_next_turn_due;         /* it is posted */
    struct hfa_timer accept_timer; /* ends a pause of accepting */
    bool is_accepting_paused;
    bool is_draining;
    bool has_date;
    uint64_t date_until_ns;
    struct hfa_bytes default_fields; /* in fields_text */
    struct hfa_bytes fields;         /* without the date; in fields_text */
    size_t unbatched;                /* bytes read since a turn was last ended for them */
    char *scratch;
    char fields_text[64 + HFA_SERVER_FIELDS_MAX];
};

/* A connection has closed: off the list, and room for another one. */
void hfa_server_forget(struct hfa_server *server, struct hfa_conn *conn);

/* The engine has left input for the next turn. */
void hfa_server_rest(struct hfa_server *server, struct hfa_conn *conn);

/* Brings the date in default_fields up to the current second. */
void hfa_server_update_date(struct hfa_server *server);

#endif
