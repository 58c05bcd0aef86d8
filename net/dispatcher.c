#include "dispatcher.h"

#include <stdlib.h>

#include "recycle.h"

/* An exchange and the first memory of its arena: most requests need no other allocation. */
#define EXCHANGE_SIZE 4096
#define FREE_MAX      256
/* Exchanges of one peer that come behind each other while others wait. */
#define IN_A_ROW 16

enum hfa_status hfa_dispatcher_init(struct hfa_dispatcher *dispatcher, struct hfa_app *app,
                                    const struct hfa_limits *limits)
{
    *dispatcher = (struct hfa_dispatcher){.app = app, .limits = limits};
    hfa_buffer_pool_init(&dispatcher->buffers);
    return HFA_OK;
}

static void give_back_lent(struct hfa_dispatcher *dispatcher)
{
    struct hfa_app *app = dispatcher->app;

    while (dispatcher->released != NULL) {
        struct hfa_lent *lent = dispatcher->released;
        dispatcher->released = lent->next;
        if (lent->owner != NULL && app->on_release != NULL)
            app->on_release(app, lent->owner);
        free(lent);
    }
    while (dispatcher->peers_gone != NULL) {
        struct hfa_peer *peer = dispatcher->peers_gone;
        dispatcher->peers_gone = peer->next;
        if (app->on_peer_gone != NULL)
            app->on_peer_gone(app, peer->app_data);
        free(peer);
    }
}

void hfa_dispatcher_free(struct hfa_dispatcher *dispatcher)
{
    give_back_lent(dispatcher);
    while (dispatcher->free != NULL) {
        struct hfa_exchange *exchange = dispatcher->free;
        dispatcher->free = exchange->ready_next;
        free(exchange);
    }
    while (dispatcher->field_arrays != NULL) {
        void *array = dispatcher->field_arrays;
        memcpy(&dispatcher->field_arrays, array, sizeof(void *));
        free(array);
    }
    hfa_buffer_pool_free(&dispatcher->buffers);
}

struct hfa_peer *hfa_peer_new(struct hfa_dispatcher *dispatcher)
{
    struct hfa_peer *peer = calloc(1, sizeof(*peer));

    if (peer != NULL) {
        peer->dispatcher = dispatcher;
        peer->references = 1;
    }
    return peer;
}

void hfa_peer_release(struct hfa_peer *peer)
{
    if (--peer->references > 0)
        return;
    hfa_peer_tls_free(peer->tls);
    peer->tls = NULL;
    if (peer->app_data == NULL) {
        free(peer);
        return;
    }
    peer->next = peer->dispatcher->peers_gone;
    peer->dispatcher->peers_gone = peer;
}

struct hfa_exchange *hfa_dispatcher_new_exchange(struct hfa_dispatcher *dispatcher,
                                                 struct hfa_peer *peer)
{
    struct hfa_exchange *exchange = dispatcher->free;

    if (exchange != NULL) {
        dispatcher->free = exchange->ready_next;
        dispatcher->free_count--;
        struct hfa_arena arena = exchange->arena;
        *exchange = (struct hfa_exchange){.arena = arena};
    } else {
        exchange = malloc(EXCHANGE_SIZE);
        if (exchange == NULL)
            return NULL;
        *exchange = (struct hfa_exchange){0};
        hfa_arena_init(&exchange->arena, exchange + 1, EXCHANGE_SIZE - sizeof(*exchange));
    }
    exchange->dispatcher = dispatcher;
    exchange->references = 1;
    exchange->peer = peer;
    peer->references++;
    return exchange;
}

static void drop_reference(struct hfa_exchange *exchange)
{
    struct hfa_dispatcher *dispatcher = exchange->dispatcher;

    if (--exchange->references > 0)
        return;
    hfa_buffer_release(&exchange->body, &dispatcher->buffers);
    hfa_peer_release(exchange->peer);
    while (exchange->messages != NULL) {
        struct hfa_message *message = exchange->messages;
        exchange->messages = message->next;
        hfa_exchange_free_message(message);
    }
    hfa_arena_reset(&exchange->arena);
    if (!HFA_RECYCLES || dispatcher->free_count == FREE_MAX) {
        free(exchange);
        return;
    }
    exchange->ready_next = dispatcher->free;
    dispatcher->free = exchange;
    dispatcher->free_count++;
}

static void push_peer(struct hfa_dispatcher *dispatcher, struct hfa_peer *peer, bool first)
{
    if (dispatcher->ready_first == NULL) {
        peer->next = NULL;
        dispatcher->ready_first = dispatcher->ready_last = peer;
    } else if (first) {
        peer->next = dispatcher->ready_first;
        dispatcher->ready_first = peer;
        dispatcher->in_a_row = 0;
    } else {
        peer->next = NULL;
        dispatcher->ready_last->next = peer;
        dispatcher->ready_last = peer;
    }
}

/* Takes the first one off. */
static void pop_peer(struct hfa_dispatcher *dispatcher)
{
    dispatcher->ready_first = dispatcher->ready_first->next;
    if (dispatcher->ready_first == NULL)
        dispatcher->ready_last = NULL;
    dispatcher->in_a_row = 0;
}

static void push_exchange(struct hfa_peer *peer, struct hfa_exchange *exchange, bool first)
{
    exchange->ready_next = NULL;
    if (peer->ready_first == NULL) {
        peer->ready_first = peer->ready_last = exchange;
        push_peer(peer->dispatcher, peer, first);
    } else if (first) {
        exchange->ready_next = peer->ready_first;
        peer->ready_first = exchange;
    } else {
        peer->ready_last->ready_next = exchange;
        peer->ready_last = exchange;
    }
}

/* The next one, off the queue. */
static struct hfa_exchange *pop_exchange(struct hfa_dispatcher *dispatcher)
{
    struct hfa_peer *peer = dispatcher->ready_first;
    struct hfa_exchange *exchange = peer->ready_first;

    peer->ready_first = exchange->ready_next;
    if (peer->ready_first == NULL) {
        peer->ready_last = NULL;
        pop_peer(dispatcher);
    } else if (++dispatcher->in_a_row >= IN_A_ROW && peer->next != NULL) {
        pop_peer(dispatcher);
        push_peer(dispatcher, peer, false);
    }
    return exchange;
}

void hfa_exchange_notify(struct hfa_exchange *exchange, unsigned events)
{
    struct hfa_dispatcher *dispatcher = exchange->dispatcher;

    exchange->events |= events;
    if (events & HFA_EVENT_REQUEST)
        dispatcher->active++;
    if (exchange->is_queued)
        return;
    exchange->is_queued = true;
    exchange->references++; /* the queue's */
    push_exchange(exchange->peer, exchange, dispatcher->queues_first);
}

void hfa_exchange_cancel(struct hfa_exchange *exchange)
{
    if (!(exchange->events & HFA_EVENT_REQUEST))
        return;
    exchange->events = 0;
    exchange->is_disconnected = true;
    exchange->dispatcher->active--;
}

void hfa_exchange_detach(struct hfa_exchange *exchange)
{
    exchange->stream = NULL;
    if (exchange->response != HFA_RESPONSE_COMPLETE && !exchange->is_disconnected) {
        exchange->is_disconnected = true;
        hfa_exchange_notify(exchange, HFA_EVENT_DISCONNECT);
    }
    drop_reference(exchange);
}

void hfa_exchange_release(struct hfa_exchange *exchange)
{
    hfa_exchange_abort(exchange);
    exchange->app_data = NULL;
    exchange->dispatcher->active--;
    drop_reference(exchange);
}

bool hfa_dispatcher_is_full(const struct hfa_dispatcher *dispatcher)
{
    size_t limit = dispatcher->limits->concurrency;

    return limit > 0 && (dispatcher->active >= limit || dispatcher->connections >= limit);
}

struct hfa_field *hfa_dispatcher_take_fields(struct hfa_dispatcher *dispatcher)
{
    void *array = dispatcher->field_arrays;

    if (array == NULL)
        return malloc(dispatcher->limits->head_fields * sizeof(struct hfa_field));
    memcpy(&dispatcher->field_arrays, array, sizeof(void *));
    return array;
}

void hfa_dispatcher_return_fields(struct hfa_dispatcher *dispatcher, struct hfa_field *fields)
{
    if (!HFA_RECYCLES) {
        free(fields);
        return;
    }
    memcpy(fields, &dispatcher->field_arrays, sizeof(void *));
    dispatcher->field_arrays = fields;
}

/* Tells the application all news of one exchange. A request whose peer has left already is handed
 * over all the same: who sends and does not wait for the answer still wants it done. */
static void hand_over(struct hfa_dispatcher *dispatcher, struct hfa_exchange *exchange)
{
    struct hfa_app *app = dispatcher->app;
    unsigned events = exchange->events;

    exchange->events = 0;
    if (events & HFA_EVENT_REQUEST) {
        exchange->references++; /* the application's, until hfa_exchange_release() */
        dispatcher->requests++;
        app->on_request(app, exchange);
        events &= ~(unsigned)(HFA_EVENT_REQUEST | HFA_EVENT_BODY);
    }
    if (exchange->app_data == NULL)
        return; /* released, or nothing to tell it to */
    if ((events & HFA_EVENT_BODY) && app->on_body != NULL)
        app->on_body(app, exchange);
    if ((events & HFA_EVENT_MESSAGE) && app->on_message != NULL && exchange->app_data != NULL)
        app->on_message(app, exchange);
    if ((events & HFA_EVENT_WRITABLE) && app->on_writable != NULL && exchange->app_data != NULL)
        app->on_writable(app, exchange);
    if ((events & HFA_EVENT_SHUTDOWN) && app->on_shutdown != NULL && exchange->app_data != NULL)
        app->on_shutdown(app, exchange);
    if ((events & HFA_EVENT_DISCONNECT) && app->on_disconnect != NULL && exchange->app_data != NULL)
        app->on_disconnect(app, exchange);
}

unsigned hfa_dispatcher_run(struct hfa_dispatcher *dispatcher, unsigned most)
{
    unsigned handed_over = 0;

    while (dispatcher->ready_first != NULL && handed_over < most) {
        struct hfa_exchange *exchange = pop_exchange(dispatcher);
        exchange->is_queued = false;
        /* Requests that were taken back at once cost next to nothing: they may be many, and what
         * comes behind them must not wait for another turn. */
        if (exchange->events != 0) {
            handed_over++;
            hand_over(dispatcher, exchange);
        }
        drop_reference(exchange); /* last use of exchange */
    }
    if (dispatcher->released != NULL || dispatcher->peers_gone != NULL)
        give_back_lent(dispatcher);
    return handed_over;
}

bool hfa_dispatcher_has_work(const struct hfa_dispatcher *dispatcher)
{
    return dispatcher->ready_first != NULL || dispatcher->released != NULL ||
           dispatcher->peers_gone != NULL;
}
