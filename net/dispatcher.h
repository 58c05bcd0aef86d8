/* The dispatcher: recycles exchanges, queues those with news, and hands them to the application.
 * Exchanges of one peer come in the order of their news, and a few of each peer in turn: one that
 * asks for a hundred things at once does not hold up the others.
 *
 * One a server. Reading and parsing only queue; hfa_dispatcher_run() is the one place where the
 * application is called, so an embedder can take its interpreter lock once for a whole batch.
 */
#ifndef HFA_DISPATCHER_H
#define HFA_DISPATCHER_H

#include "counters.h"
#include "exchange.h"
#include "output.h"
#include "server_limits.h"

/* The application's side; any pointer but on_request may be NULL. `app` is the table's address:
 * embed the table in the application's own struct. */
struct hfa_app {
    void (*on_request)(struct hfa_app *app, struct hfa_exchange *exchange);
    void (*on_body)(struct hfa_app *app, struct hfa_exchange *exchange);
    void (*on_writable)(struct hfa_app *app, struct hfa_exchange *exchange);
    void (*on_message)(struct hfa_app *app, struct hfa_exchange *exchange);
    void (*on_disconnect)(struct hfa_app *app, struct hfa_exchange *exchange);
    void (*on_shutdown)(struct hfa_app *app, struct hfa_exchange *exchange);
    void (*on_release)(struct hfa_app *app, void *owner); /* lent memory came back */
    void (*on_peer_gone)(struct hfa_app *app,
                         void *peer_app_data); /* its last exchange has ended */
};

struct hfa_dispatcher {
    struct hfa_app *app;             /* borrowed */
    const struct hfa_limits *limits; /* borrowed */
    struct hfa_buffer_pool buffers;
    struct hfa_peer *ready_first; /* with news */
    struct hfa_peer *ready_last;
    unsigned in_a_row;         /* handed over of ready_first since its turn began */
    bool queues_first;         /* what is queued goes on with what was just done: it comes next */
    struct hfa_exchange *free; /* recycled exchanges */
    unsigned free_count;
    struct hfa_lent *released;   /* lent memory to give back */
    struct hfa_peer *peers_gone; /* without references: on_peer_gone() is still to be told */
    void *field_arrays;          /* recycled arrays of limits->head_fields fields */
    size_t active;               /* requests queued, or handed over and not released yet */
    size_t connections;          /* open; counted by the server */
    uint64_t requests;           /* since the start */
    struct hfa_counters counters;
};

enum hfa_status hfa_dispatcher_init(struct hfa_dispatcher *dispatcher, struct hfa_app *app,
                                    const struct hfa_limits *limits);
/* No exchange may be in use any more. */
void hfa_dispatcher_free(struct hfa_dispatcher *dispatcher);

/* A fresh exchange of a peer's with one reference, the protocol's; NULL when memory is out. */
struct hfa_exchange *hfa_dispatcher_new_exchange(struct hfa_dispatcher *dispatcher,
                                                 struct hfa_peer *peer);

/* As many connections, or exchanges in progress, as limits->concurrency allows: answer 503. */
bool hfa_dispatcher_is_full(const struct hfa_dispatcher *dispatcher);

/* An array of limits->head_fields fields for a head that is being parsed; NULL: out of memory. */
struct hfa_field *hfa_dispatcher_take_fields(struct hfa_dispatcher *dispatcher);
void hfa_dispatcher_return_fields(struct hfa_dispatcher *dispatcher, struct hfa_field *fields);

/* Hands at most `most` queued exchanges to the application and gives back what was lent to us.
 * Returns how many were handed over. Requests that were cancelled do not count and end here. */
unsigned hfa_dispatcher_run(struct hfa_dispatcher *dispatcher, unsigned most);

/* True when hfa_dispatcher_run() has something to do. */
bool hfa_dispatcher_has_work(const struct hfa_dispatcher *dispatcher);

#endif
