#include "server.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "http2_conn.h"
#include "listener.h"
#include "server_state.h"

/* Connections accepted at a time from one listener, so that the accepted ones get their turn. */
#define ACCEPT_BATCH 64
/* Requests that a connection may have answered in a row while others wait. */
#define PIPELINED_MAX 16
/* Pieces of input too long for one turn, of which a turn goes on with so many. */
#define RESUMED_AT_ONCE 4
/* How long accepting pauses when descriptors are out, unless a connection closes before. */
#define ACCEPT_PAUSE_NS (100 * HFA_NS_PER_MS)

struct hfa_server_listener {
    struct hfa_watch watch;
    struct hfa_server *server;
    struct hfa_server_listener *next;
    bool is_watched;
};

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7); strftime() would follow the locale. */
static void write_date(char out[static 30], time_t now)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;

    gmtime_r(&now, &tm);
    memcpy(out, days[tm.tm_wday], 3);
    memcpy(out + 3, ", 00 ", 5);
    out[5] = (char)('0' + tm.tm_mday / 10);
    out[6] = (char)('0' + tm.tm_mday % 10);
    memcpy(out + 8, months[tm.tm_mon], 3);
    out[11] = ' ';
    int year = tm.tm_year + 1900;
    for (int i = 15; i >= 12; i--, year /= 10)
        out[i] = (char)('0' + year % 10);
    out[16] = ' ';
    const int clock[3] = {tm.tm_hour, tm.tm_min, tm.tm_sec};
    for (int i = 0; i < 3; i++) {
        out[17 + 3 * i] = (char)('0' + clock[i] / 10);
        out[18 + 3 * i] = (char)('0' + clock[i] % 10);
        out[19 + 3 * i] = i < 2 ? ':' : ' ';
    }
    memcpy(out + 26, "GMT", 3);
}

void hfa_server_update_date(struct hfa_server *server)
{
    uint64_t now_ns = hfa_reactor_now(server->reactor);
    struct timespec now;

    if (!server->has_date || now_ns < server->date_until_ns)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    server->date_until_ns = now_ns + HFA_NS_PER_S - (uint64_t)now.tv_nsec;
    /* Behind "date: ", which hfa_server_set_default_fields() has put before the fields. */
    char date[30];
    write_date(date, now.tv_sec);
    memcpy(server->fields_text + 6, date, 29);
}

enum hfa_status hfa_server_set_default_fields(struct hfa_server *server, bool date,
                                              struct hfa_bytes fields)
{
    size_t at = 0;

    if (fields.length > HFA_SERVER_FIELDS_MAX)
        return HFA_ERR_INVALID;
    if (date) {
        memcpy(server->fields_text, "date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 37);
        at = 37;
    }
    if (fields.length > 0)
        memcpy(server->fields_text + at, fields.data, fields.length);
    server->fields = (struct hfa_bytes){server->fields_text + at, fields.length};
    server->default_fields = (struct hfa_bytes){server->fields_text, at + fields.length};
    server->has_date = date;
    server->date_until_ns = 0;
    hfa_server_update_date(server);
    return HFA_OK;
}

static void resume_accepting(struct hfa_server *server)
{
    server->is_accepting_paused = false;
    hfa_timer_cancel(hfa_reactor_timers(server->reactor), &server->accept_timer);
    for (struct hfa_server_listener *each = server->listeners; each != NULL; each = each->next) {
        if (!each->is_watched)
            each->is_watched = hfa_reactor_add(server->reactor, &each->watch) == HFA_OK;
    }
}

/* The kernel keeps what comes meanwhile in its queue. */
static void pause_accepting(struct hfa_server *server, uint64_t until_ns)
{
    server->is_accepting_paused = true;
    for (struct hfa_server_listener *each = server->listeners; each != NULL; each = each->next) {
        if (each->is_watched)
            hfa_reactor_remove(server->reactor, &each->watch);
        each->is_watched = false;
    }
    if (until_ns != HFA_NEVER)
        hfa_timer_set(hfa_reactor_timers(server->reactor), &server->accept_timer, until_ns);
}

static void on_accept_timer(struct hfa_timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    resume_accepting(
        (struct hfa_server *)((char *)timer - offsetof(struct hfa_server, accept_timer)));
}

/* Returns false when nothing more is to be accepted now. */
static bool accept_one(struct hfa_server_listener *listener)
{
    struct hfa_server *server = listener->server;
    int fd = -1;

    if (server->dispatcher.connections >= server->limits.connections) {
        pause_accepting(server, HFA_NEVER);
        return false;
    }
    enum hfa_status status = hfa_listener_accept(listener->watch.fd, &fd);
    if (status == HFA_ERR_LIMIT)
        pause_accepting(server, hfa_reactor_now(server->reactor) + ACCEPT_PAUSE_NS);
    if (status != HFA_OK)
        return false;
    struct hfa_conn *conn = hfa_conn_open(server, fd);
    if (conn == NULL)
        return true;
    conn->next = server->conns;
    conn->link = &server->conns;
    if (conn->next != NULL)
        conn->next->link = &conn->next;
    server->conns = conn;
    server->dispatcher.connections++;
    return true;
}

static void on_listener_ready(struct hfa_watch *watch, unsigned readiness)
{
    struct hfa_server_listener *listener = (struct hfa_server_listener *)watch;

    (void)readiness;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        if (!accept_one(listener))
            return;
    }
}

void hfa_server_forget(struct hfa_server *server, struct hfa_conn *conn)
{
    if (conn->link == NULL)
        return;
    *conn->link = conn->next;
    if (conn->next != NULL)
        conn->next->link = conn->link;
    conn->link = NULL;
    server->dispatcher.connections--;
    if (server->is_accepting_paused && !server->is_draining)
        resume_accepting(server);
}

static void ask_for_next_turn(struct hfa_server *server)
{
    if (!server->is_next_turn_due)
        hfa_reactor_post(server->reactor, &server->next_turn);
    server->is_next_turn_due = true;
}

void hfa_server_rest(struct hfa_server *server, struct hfa_conn *conn)
{
    if (conn->is_rested)
        return;
    conn->is_rested = true;
    conn->rested_next = NULL;
    *server->rested_last = conn;
    server->rested_last = &conn->rested_next;
    ask_for_next_turn(server);
}

/* The first of those that have more. */
static void resume_rested(struct hfa_server *server)
{
    struct hfa_conn *conn = server->rested;

    server->rested = conn->rested_next;
    if (server->rested == NULL)
        server->rested_last = &server->rested;
    hfa_conn_resume(conn); /* may free it, or let it rest again */
}

/* All that was ready has been read. A few go on with what they have, however many there are: who
 * asks for little waits for a turn, and a turn is short. */
static void on_next_turn(struct hfa_post *post)
{
    struct hfa_server *server =
        (struct hfa_server *)((char *)post - offsetof(struct hfa_server, next_turn));

    server->is_next_turn_due = false;
    for (unsigned i = 0; i < RESUMED_AT_ONCE && server->rested != NULL; i++)
        resume_rested(server);
    if (server->rested != NULL)
        ask_for_next_turn(server);
}

enum hfa_status hfa_server_new(struct hfa_reactor *reactor, struct hfa_app *app,
                               const struct hfa_limits *limits, struct hfa_server **server)
{
    struct hfa_server *new = calloc(1, sizeof(*new));

    if (new == NULL)
        return HFA_ERR_NO_MEMORY;
    new->scratch = malloc(HFA_SERVER_SCRATCH_SIZE);
    if (new->scratch == NULL) {
        free(new);
        return HFA_ERR_NO_MEMORY;
    }
    new->reactor = reactor;
    new->limits = *limits;
    new->limits.http2 = limits->http2 &&hfa_http2_library()[0] != '\0';
    new->hungry_last = &new->hungry;
    new->rested_last = &new->rested;
    new->next_turn.run = on_next_turn;
    new->accept_timer.on_expire = on_accept_timer;
    hfa_dispatcher_init(&new->dispatcher, app, &new->limits);
    hfa_server_set_default_fields(new, true, (struct hfa_bytes){0});
    *server = new;
    return HFA_OK;
}

void hfa_server_set_tls(struct hfa_server *server, struct hfa_tls_context *context)
{
    struct hfa_tls_context *before = server->tls;

    server->tls = context;
    if (before != NULL)
        hfa_tls_context_release(before);
}

void hfa_server_set_proxy_trust(struct hfa_server *server, const struct hfa_trust *trust)
{
    server->proxy_trust = trust;
}

enum hfa_status hfa_server_listen(struct hfa_server *server, int fd, bool shared)
{
    struct hfa_server_listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL)
        return HFA_ERR_NO_MEMORY;
    listener->server = server;
    listener->watch = (struct hfa_watch){
        .fd = fd, .interest = HFA_READABLE, .exclusive = shared, .on_ready = on_listener_ready};
    enum hfa_status status = hfa_reactor_add(server->reactor, &listener->watch);
    if (status != HFA_OK) {
        free(listener);
        return status;
    }
    listener->is_watched = true;
    listener->next = server->listeners;
    server->listeners = listener;
    return HFA_OK;
}

/* Pipelined input of connections that have just answered. The next request comes before those of
 * other connections, as all that it needs is in the processor's cache; but not for ever. */
static void feed_hungry(struct hfa_server *server)
{
    struct hfa_conn *conn = server->hungry;

    server->hungry = NULL;
    server->hungry_last = &server->hungry;
    while (conn != NULL) {
        struct hfa_conn *next = conn->hungry_next;
        conn->fed = conn->fed < PIPELINED_MAX ? conn->fed + 1 : 0;
        server->dispatcher.queues_first = conn->fed > 0;
        hfa_conn_feed(conn); /* may put it on the list again */
        server->dispatcher.queues_first = false;
        conn = next;
    }
}

unsigned hfa_server_dispatch(struct hfa_server *server, unsigned most)
{
    unsigned handed_over = 0;

    hfa_server_update_date(server);
    do {
        handed_over += hfa_dispatcher_run(&server->dispatcher, 1);
        if (server->hungry != NULL)
            feed_hungry(server);
    } while (handed_over < most && server->dispatcher.ready_first != NULL);
    return handed_over;
}

void hfa_server_flush(struct hfa_server *server)
{
    feed_hungry(server);
    while (server->dirty != NULL) {
        struct hfa_conn *conn = server->dirty;
        server->dirty = conn->dirty_next;
        hfa_conn_flush(conn); /* may free it */
    }
}

bool hfa_server_has_work(const struct hfa_server *server)
{
    return hfa_dispatcher_has_work(&server->dispatcher);
}

bool hfa_server_has_output(const struct hfa_server *server)
{
    return server->dirty != NULL || server->hungry != NULL;
}

static void close_listeners(struct hfa_server *server)
{
    while (server->listeners != NULL) {
        struct hfa_server_listener *listener = server->listeners;
        server->listeners = listener->next;
        if (listener->is_watched)
            hfa_reactor_remove(server->reactor, &listener->watch);
        close(listener->watch.fd);
        free(listener);
    }
    hfa_timer_cancel(hfa_reactor_timers(server->reactor), &server->accept_timer);
}

void hfa_server_drain(struct hfa_server *server)
{
    struct hfa_conn *next = NULL;

    if (server->is_draining)
        return;
    /* The handshake of what waits in the queue is done: those clients must not see a reset. */
    for (struct hfa_server_listener *each = server->listeners; each != NULL; each = each->next) {
        if (each->is_watched && !each->watch.exclusive)
            on_listener_ready(&each->watch, HFA_READABLE);
    }
    server->is_draining = true;
    close_listeners(server);
    for (struct hfa_conn *conn = server->conns; conn != NULL; conn = next) {
        next = conn->next;
        hfa_conn_shutdown(conn);
    }
}

void hfa_server_close(struct hfa_server *server)
{
    close_listeners(server);
    server->is_draining = true;
    while (server->conns != NULL)
        hfa_conn_close(server->conns);
}

void hfa_server_free(struct hfa_server *server)
{
    hfa_server_close(server);
    hfa_reactor_cancel_post(server->reactor, &server->next_turn);
    while (server->rested != NULL)
        resume_rested(server);
    hfa_server_flush(server); /* off the lists of the turn */
    hfa_dispatcher_run(&server->dispatcher, UINT32_MAX);
    hfa_dispatcher_free(&server->dispatcher);
    hfa_server_set_tls(server, NULL);
    free(server->scratch);
    free(server);
}

size_t hfa_server_connections(const struct hfa_server *server)
{
    return server->dispatcher.connections;
}

size_t hfa_server_active(const struct hfa_server *server)
{
    return server->dispatcher.active;
}

uint64_t hfa_server_requests(const struct hfa_server *server)
{
    return server->dispatcher.requests;
}

const struct hfa_counters *hfa_server_counters(const struct hfa_server *server)
{
    return &server->dispatcher.counters;
}
