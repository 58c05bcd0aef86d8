/* A protocol engine, HTTP/1.1 unless asked otherwise, without a network: strings for the socket, an
 * integer for the clock, and an application whose behaviour each test chooses.
 *
 * Acts like a connection: keeps what the engine leaves, offers it again, and feeds the engine only
 * while it wants input. What was sent piles up in `sent`.
 */
#ifndef CARRIER_FIXTURE_H
#define CARRIER_FIXTURE_H

#include "http1_conn.h"

struct carrier_fixture;

/* Told each event of an exchange; the application's reference is the callee's. */
typedef void (*carrier_serve)(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                              enum hfa_event event);

#define CARRIER_TEXT_MAX 400000

struct carrier_fixture {
    struct hfa_app app; /* first: the application's table is the fixture's address */
    struct hfa_carrier carrier;
    struct hfa_dispatcher dispatcher;
    struct hfa_limits limits;
    struct hfa_bytes default_fields;
    uint64_t now_ns;
    const struct hfa_protocol *protocol;
    void *engine;
    bool is_closed; /* the engine asked for it and all output was sent, or the peer has left */
    bool eof;
    carrier_serve serve;
    struct hfa_exchange *exchange; /* kept by serve_never and by tests */
    unsigned requests;
    unsigned disconnects;
    unsigned writables;
    unsigned shutdowns;
    unsigned owners_lent;
    unsigned owners_back;
    enum hfa_status failure; /* the first error that an answer met */
    bool holds_output;       /* the peer does not read */
    size_t input_length;
    size_t sent_length;
    size_t log_length;
    char input[CARRIER_TEXT_MAX];
    char sent[CARRIER_TEXT_MAX]; /* NUL-terminated */
    char log[CARRIER_TEXT_MAX];  /* of serve_echo: "METHOD target [body]\n" a request */
};

/* Allocates; false when memory is out, then only carrier_fixture_close() may follow. */
bool carrier_fixture_open(struct carrier_fixture *fixture, const struct hfa_limits *limits,
                          carrier_serve serve);

/* The same with an HTTP/2 engine. */
bool carrier_fixture_open_http2(struct carrier_fixture *fixture, const struct hfa_limits *limits,
                                carrier_serve serve);

/* Ends the connection as a lost one, releases the application's exchange, and frees all. */
void carrier_fixture_close(struct carrier_fixture *fixture);

/* Bytes from the peer, in one piece or byte by byte; then everything that follows from them. */
void carrier_feed(struct carrier_fixture *fixture, struct hfa_bytes bytes);
void carrier_feed_slowly(struct carrier_fixture *fixture, struct hfa_bytes bytes);
void carrier_feed_text(struct carrier_fixture *fixture, const char *text);

/* The peer will send no more. */
void carrier_end_input(struct carrier_fixture *fixture);

/* Lets the clock run; calls on_timeout() each time that a deadline passes. */
void carrier_pass_time(struct carrier_fixture *fixture, uint64_t time_ns);

/* Hands over events, sends output, offers input again: until nothing moves any more. */
void carrier_settle(struct carrier_fixture *fixture);

/* The server drains. */
void carrier_shutdown(struct carrier_fixture *fixture);

/* Forgets what was sent so far. */
void carrier_forget_sent(struct carrier_fixture *fixture);

/* Answers with 200 and `body` under a content-length, then releases. */
void carrier_answer(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                    struct hfa_bytes body);

/* Applications: answers "ok" at once; logs the request and answers with its body when that is
 * complete; keeps the exchange in `exchange` for the test. */
void serve_at_once(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                   enum hfa_event event);
void serve_echo(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                enum hfa_event event);
void serve_never(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                 enum hfa_event event);

/* The application's last use of the kept exchange. */
void carrier_release(struct carrier_fixture *fixture);

#endif
