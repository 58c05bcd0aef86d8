#include "conn.h"

#include <stdlib.h>

#include "http1_conn.h"
#include "server.h"
#include "server_state.h"
#include "socket.h"

static uint64_t earlier(uint64_t left_ns, uint64_t right_ns)
{
    return left_ns < right_ns ? left_ns : right_ns;
}

static struct hfa_buffer_pool *buffers_of(struct hfa_conn *conn)
{
    return &conn->server->dispatcher.buffers;
}

static void on_change(struct hfa_carrier *carrier)
{
    struct hfa_conn *conn = (struct hfa_conn *)carrier;
    struct hfa_server *server = conn->server;

    if (!conn->is_dirty) {
        conn->is_dirty = true;
        conn->dirty_next = server->dirty;
        server->dirty = conn;
    }
    bool has_input = hfa_buffer_length(&conn->input) > 0 || conn->eof;
    if (has_input && carrier->wants_input && !conn->is_hungry) {
        conn->is_hungry = true;
        conn->hungry_next = NULL;
        *server->hungry_last = conn;
        server->hungry_last = &conn->hungry_next;
    }
}

static void free_conn(struct hfa_deferred *deferred)
{
    struct hfa_conn *conn =
        (struct hfa_conn *)((char *)deferred - offsetof(struct hfa_conn, deferred));

    conn->protocol->free(conn->engine);
    free(conn);
}

void hfa_conn_close(struct hfa_conn *conn)
{
    struct hfa_server *server = conn->server;

    if (conn->is_closed)
        return;
    conn->is_closed = true;
    hfa_reactor_remove(server->reactor, &conn->watch);
    hfa_timer_cancel(hfa_reactor_timers(server->reactor), &conn->timer);
    conn->protocol->on_closed(conn->engine);
    hfa_socket_close(conn->watch.fd, conn->carrier.wants_reset);
    hfa_buffer_release(&conn->input, buffers_of(conn));
    hfa_output_clear(&conn->carrier.output, buffers_of(conn), &server->dispatcher.released);
    conn->carrier.peer->conn = NULL;
    hfa_peer_release(conn->carrier.peer);
    hfa_server_forget(server, conn);
    /* The lists of this turn may still hold it. */
    if (conn->is_dirty || conn->is_hungry)
        return;
    hfa_reactor_defer(server->reactor, &conn->deferred);
}

/* Called by the server when it takes a connection off one of the turn's lists. */
static void free_if_closed(struct hfa_conn *conn)
{
    if (conn->is_closed && !conn->is_dirty && !conn->is_hungry)
        hfa_reactor_defer(conn->server->reactor, &conn->deferred);
}

/* Waits for what the engine and the output need, no more. */
static void update_watch(struct hfa_conn *conn)
{
    unsigned interest = 0;

    if (!conn->eof && (conn->carrier.wants_input || conn->is_lingering))
        interest |= HFA_READABLE;
    if (conn->carrier.output.length > 0)
        interest |= HFA_WRITABLE;
    if (hfa_reactor_modify(conn->server->reactor, &conn->watch, interest) != HFA_OK)
        hfa_conn_close(conn);
}

static void update_timer(struct hfa_conn *conn)
{
    uint64_t deadline_ns = earlier(conn->carrier.deadline_ns, conn->write_deadline_ns);

    /* A timer that is not needed now may fire for nothing: cheaper than taking it out. */
    if (deadline_ns != HFA_NEVER)
        hfa_timer_set(hfa_reactor_timers(conn->server->reactor), &conn->timer, deadline_ns);
}

/* Offers bytes to the engine; what it leaves is kept. */
static void offer(struct hfa_conn *conn, char *data, size_t length)
{
    bool from_input = conn->input.data != NULL;
    size_t consumed = 0;

    enum hfa_status status =
        conn->protocol->input(conn->engine, data, length, conn->eof, &consumed);
    if (status == HFA_OK) {
        struct hfa_bytes rest = {data + consumed, length - consumed};
        if (from_input)
            hfa_buffer_consume(&conn->input, buffers_of(conn), consumed);
        else
            status = hfa_buffer_append(&conn->input, buffers_of(conn), rest);
    }
    if (status != HFA_OK)
        hfa_conn_close(conn);
}

void hfa_conn_feed(struct hfa_conn *conn)
{
    conn->is_hungry = false;
    if (conn->is_closed) {
        free_if_closed(conn);
        return;
    }
    if (conn->carrier.wants_input && !conn->is_lingering)
        offer(conn, conn->input.data + conn->input.start, hfa_buffer_length(&conn->input));
}

static void drop_input(struct hfa_conn *conn)
{
    size_t length = 0;
    enum hfa_status status =
        hfa_socket_read(conn->watch.fd, conn->server->scratch, HFA_SERVER_SCRATCH_SIZE, &length);

    if (status != HFA_OK && status != HFA_AGAIN)
        hfa_conn_close(conn);
}

static void read_input(struct hfa_conn *conn)
{
    struct hfa_server *server = conn->server;
    char *into = server->scratch;
    size_t size = HFA_SERVER_SCRATCH_SIZE;
    size_t length = 0;

    /* Only what the engine left behind makes a connection hold an input buffer. */
    if (conn->input.data != NULL) {
        if (hfa_buffer_room(&conn->input) == 0 &&
            hfa_buffer_reserve(&conn->input, buffers_of(conn), 4096) != HFA_OK) {
            hfa_conn_close(conn);
            return;
        }
        into = conn->input.data + conn->input.end;
        size = hfa_buffer_room(&conn->input);
    }
    enum hfa_status status = hfa_socket_read(conn->watch.fd, into, size, &length);
    if (status == HFA_AGAIN)
        return;
    hfa_server_update_date(server); /* a refusal carries it, too */
    if (status == HFA_ERR_SYSTEM) {
        hfa_conn_close(conn);
        return;
    }
    conn->eof = status == HFA_ERR_CLOSED;
    if (conn->input.data != NULL) {
        conn->input.end += length;
        offer(conn, conn->input.data + conn->input.start, hfa_buffer_length(&conn->input));
    } else {
        offer(conn, into, length);
    }
}

/* The engine is done and everything was sent. */
static void finish(struct hfa_conn *conn)
{
    if (!conn->carrier.wants_linger || conn->eof || conn->carrier.wants_reset) {
        hfa_conn_close(conn);
        return;
    }
    /* Closing with unread input resets the connection and the peer may lose the answer. */
    conn->is_lingering = true;
    conn->carrier.deadline_ns =
        hfa_reactor_now(conn->server->reactor) + conn->server->limits.linger_timeout_ns;
    hfa_socket_shutdown_write(conn->watch.fd);
}

static void write_output(struct hfa_conn *conn)
{
    struct hfa_server *server = conn->server;
    uint64_t written = 0;
    enum hfa_status status =
        hfa_socket_write(conn->watch.fd, &conn->carrier.output, buffers_of(conn),
                         &server->dispatcher.released, &written);

    if (status == HFA_ERR_SYSTEM) {
        hfa_conn_close(conn);
        return;
    }
    if (status == HFA_OK)
        conn->write_deadline_ns = HFA_NEVER;
    else if ((written > 0 || conn->write_deadline_ns == HFA_NEVER) &&
             server->limits.write_timeout_ns > 0)
        conn->write_deadline_ns =
            hfa_reactor_now(server->reactor) + server->limits.write_timeout_ns;
    if (conn->carrier.output.length <= server->limits.response_buffer / 2)
        conn->protocol->on_drained(conn->engine);
}

void hfa_conn_flush(struct hfa_conn *conn)
{
    conn->is_dirty = false;
    if (conn->is_closed) {
        free_if_closed(conn);
        return;
    }
    if (conn->carrier.output.length > 0)
        write_output(conn);
    if (conn->is_closed)
        return;
    if (conn->carrier.wants_close && conn->carrier.output.length == 0 && !conn->is_lingering)
        finish(conn);
    if (conn->is_closed)
        return;
    update_watch(conn);
    if (!conn->is_closed)
        update_timer(conn);
}

static void on_ready(struct hfa_watch *watch, unsigned readiness)
{
    struct hfa_conn *conn = (struct hfa_conn *)((char *)watch - offsetof(struct hfa_conn, watch));

    if (conn->is_lingering) {
        drop_input(conn);
        return;
    }
    if (readiness & HFA_READABLE && watch->interest & HFA_READABLE)
        read_input(conn);
    else if (readiness & HFA_HANGUP)
        hfa_conn_close(conn);
    if (conn->is_closed)
        return;
    /* Output that was waiting, or a wish that the input has brought about. */
    if (conn->carrier.output.length > 0 || conn->carrier.wants_close)
        on_change(&conn->carrier);
    else
        update_watch(conn);
    if (!conn->is_closed)
        update_timer(conn);
}

static void on_expire(struct hfa_timer *timer, uint64_t now_ns)
{
    struct hfa_conn *conn = (struct hfa_conn *)((char *)timer - offsetof(struct hfa_conn, timer));

    if (conn->write_deadline_ns <= now_ns || (conn->is_lingering && timer->deadline_ns <= now_ns)) {
        hfa_conn_close(conn);
        return;
    }
    if (conn->carrier.deadline_ns <= now_ns) {
        conn->protocol->on_timeout(conn->engine);
        on_change(&conn->carrier);
    }
    update_timer(conn);
}

void hfa_conn_shutdown(struct hfa_conn *conn)
{
    /* A request that has arrived, but was not read yet, is still served. */
    if (conn->watch.interest & HFA_READABLE && !conn->is_lingering)
        read_input(conn);
    if (conn->is_closed)
        return;
    conn->protocol->shutdown(conn->engine);
    on_change(&conn->carrier);
}

static void end_conn(void *opaque)
{
    struct hfa_conn *conn = opaque;

    conn->protocol->shutdown(conn->engine);
    on_change(&conn->carrier);
}

struct hfa_conn *hfa_conn_open(struct hfa_server *server, int fd)
{
    struct hfa_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        hfa_socket_close(fd, false);
        return NULL;
    }
    conn->server = server;
    conn->watch = (struct hfa_watch){.fd = fd, .interest = HFA_READABLE, .on_ready = on_ready};
    conn->timer.on_expire = on_expire;
    conn->deferred.free = free_conn;
    conn->write_deadline_ns = HFA_NEVER;
    conn->carrier.dispatcher = &server->dispatcher;
    conn->carrier.default_fields = &server->default_fields;
    conn->carrier.now_ns = hfa_reactor_clock(server->reactor);
    conn->carrier.on_change = on_change;
    conn->carrier.peer = hfa_peer_new(&server->dispatcher);
    if (conn->carrier.peer == NULL)
        goto fail;
    conn->carrier.peer->conn = conn;
    conn->carrier.peer->end = end_conn;
    hfa_socket_addresses(fd, &conn->carrier.peer->client, &conn->carrier.peer->server);
    conn->protocol = &hfa_http1_protocol;
    conn->engine = hfa_http1_conn_new(&conn->carrier);
    if (conn->engine == NULL)
        goto fail;
    if (hfa_socket_prepare(fd) != HFA_OK ||
        hfa_reactor_add(server->reactor, &conn->watch) != HFA_OK)
        goto fail;
    update_timer(conn);
    return conn;

fail:
    if (conn->engine != NULL)
        conn->protocol->free(conn->engine);
    if (conn->carrier.peer != NULL)
        hfa_peer_release(conn->carrier.peer);
    free(conn);
    hfa_socket_close(fd, false);
    return NULL;
}
