/* A connection: transport, input, output, time-outs, and the protocol engine between them.
 *
 * Owned by its server. Owns its transport, buffers, timer and engine. It opens in stages: a load
 * balancer's header where one is due, the TLS handshake, then the engine, HTTP/2 where ALPN or the
 * first bytes say so. Reads when the engine wants input, writes when the server flushes, closes
 * when the engine says so or the socket is lost; freed at the end of the reactor's turn. Loop
 * thread.
 */
#ifndef HFA_CONN_H
#define HFA_CONN_H

#include "protocol.h"
#include "reactor.h"
#include "transport.h"

struct hfa_server;

enum hfa_conn_stage {
    HFA_CONN_PROXY_HEADER,
    HFA_CONN_HANDSHAKE,
    HFA_CONN_OPEN,
};

struct hfa_conn {
    struct hfa_carrier carrier; /* first: a carrier is its connection */
    struct hfa_server *server;  /* borrowed */
    enum hfa_conn_stage stage;
    const struct hfa_protocol *protocol; /* NULL before the connection is open */
    void *engine;                        /* owned */
    struct hfa_transport transport;
    struct hfa_watch watch;
    struct hfa_timer timer;
    struct hfa_buffer input;    /* read and not yet taken by the engine */
    uint64_t write_deadline_ns; /* the peer has to take something by then */
    uint64_t flushed;           /* bytes sent since the time of flushed_ns */
    uint64_t flushed_ns;
    struct hfa_deferred deferred;
    struct hfa_conn *next; /* the server's connections */
    struct hfa_conn **link;
    struct hfa_conn *dirty_next;  /* to be looked at by the next flush */
    struct hfa_conn *hungry_next; /* has input that the engine may want now */
    struct hfa_conn *rested_next; /* has input for the next turn */
    unsigned char fed;            /* pipelined requests in a row that came before others' */
    bool is_dirty;
    bool is_hungry;
    bool is_rested;    /* neither read nor fed until the next turn */
    bool is_detected;  /* HTTP/1.1 or HTTP/2 is decided */
    bool is_draining;  /* the server drains, told before there was an engine */
    bool eof;          /* the peer has ended its side */
    bool is_lingering; /* our side is ended, what still comes is dropped */
    bool is_closed;
};

/* Takes `fd` in every case. NULL: it could not be set up, and is closed. */
struct hfa_conn *hfa_conn_open(struct hfa_server *server, int fd);

/* Gives the engine what it has not taken yet. */
void hfa_conn_feed(struct hfa_conn *conn);

/* The same in a turn after one that it rested in. */
void hfa_conn_resume(struct hfa_conn *conn);

/* Sends what waits, and acts on what the engine wishes: the last step of every turn. */
void hfa_conn_flush(struct hfa_conn *conn);

/* Asks the engine to finish and close. */
void hfa_conn_shutdown(struct hfa_conn *conn);

/* Closes at once. */
void hfa_conn_close(struct hfa_conn *conn);

#endif
