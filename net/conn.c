#include "conn.h"

#include <stdlib.h>

#include "http1_conn.h"
#include "http1_response.h"
#include "http2_conn.h"
#include "proxy_protocol.h"
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
    bool has_input = hfa_buffer_length(&conn->input) > 0 || conn->eof || conn->transport.has_input;
    if (has_input && carrier->wants_input && !conn->is_hungry && !conn->is_rested &&
        conn->engine != NULL) {
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

    if (conn->engine != NULL)
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
    if (conn->engine != NULL)
        conn->protocol->on_closed(conn->engine);
    conn->transport.ops->close(&conn->transport, conn->carrier.wants_reset);
    hfa_buffer_release(&conn->input, buffers_of(conn));
    hfa_output_clear(&conn->carrier.output, buffers_of(conn), &server->dispatcher.released);
    conn->carrier.peer->conn = NULL;
    hfa_peer_release(conn->carrier.peer);
    hfa_server_forget(server, conn);
    /* The lists of this turn may still hold it. */
    if (conn->is_dirty || conn->is_hungry || conn->is_rested)
        return;
    hfa_reactor_defer(server->reactor, &conn->deferred);
}

/* Called by the server when it takes a connection off one of the turn's lists. */
static void free_if_closed(struct hfa_conn *conn)
{
    if (conn->is_closed && !conn->is_dirty && !conn->is_hungry && !conn->is_rested)
        hfa_reactor_defer(conn->server->reactor, &conn->deferred);
}

static unsigned wanted_interest(const struct hfa_conn *conn)
{
    unsigned interest = 0;

    if (conn->stage != HFA_CONN_OPEN)
        interest = conn->transport.wants_write ? HFA_WRITABLE : HFA_READABLE;
    else if (!conn->eof && (conn->carrier.wants_input || conn->is_lingering))
        interest |= HFA_READABLE;
    if (conn->carrier.output.length > 0)
        interest |= HFA_WRITABLE;
    return interest;
}

/* Waits for what the engine and the output need, no more. */
static void update_watch(struct hfa_conn *conn)
{
    if (hfa_reactor_modify(conn->server->reactor, &conn->watch, wanted_interest(conn)) != HFA_OK)
        hfa_conn_close(conn);
}

/* The same after input was read, but that an engine which pauses is waited for a little longer: it
 * mostly goes on before more has come, as a WebSocket does with each message. If it has not by
 * then, on_ready() takes the watch back. */
static void relax_watch(struct hfa_conn *conn)
{
    if (conn->eof || (wanted_interest(conn) | HFA_READABLE) != conn->watch.interest)
        update_watch(conn);
}

static void update_timer(struct hfa_conn *conn)
{
    uint64_t deadline_ns = earlier(conn->carrier.deadline_ns, conn->write_deadline_ns);

    /* A timer that is not needed now may fire for nothing: cheaper than taking it out. */
    if (deadline_ns != HFA_NEVER)
        hfa_timer_set(hfa_reactor_timers(conn->server->reactor), &conn->timer, deadline_ns);
}

/* RFC 9113 3.4: an HTTP/2 client's first bytes. HFA_AGAIN: they may become it. The method PRI is
 * kept for them (11.6): behind their first line no other protocol is meant, whatever follows. */
static enum hfa_status detect_http2(struct hfa_conn *conn, struct hfa_bytes input)
{
    struct hfa_bytes line = HFA_BYTES(HFA_HTTP2_PREFACE_LINE);
    size_t compared = input.length < line.length ? input.length : line.length;

    if (memcmp(input.data, line.data, compared) != 0 || !conn->server->limits.http2) {
        conn->is_detected = true;
        return HFA_OK;
    }
    if (compared < line.length)
        return conn->eof ? HFA_OK : HFA_AGAIN;
    struct hfa_http2_conn *engine = hfa_http2_conn_new(&conn->carrier);
    if (engine == NULL)
        return HFA_ERR_NO_MEMORY;
    conn->protocol->free(conn->engine);
    conn->protocol = &hfa_http2_protocol;
    conn->engine = engine;
    conn->is_detected = true;
    if (conn->is_draining)
        conn->protocol->shutdown(engine);
    return HFA_OK;
}

/* Offers bytes to the engine; what it leaves is kept. */
static void offer(struct hfa_conn *conn, char *data, size_t length)
{
    bool from_input = conn->input.data != NULL;
    size_t consumed = 0;
    enum hfa_status status = HFA_OK;

    if (!conn->is_detected && length > 0)
        status = detect_http2(conn, (struct hfa_bytes){data, length});
    if (status == HFA_OK)
        status = conn->protocol->input(conn->engine, data, length, conn->eof, &consumed);
    else if (status == HFA_AGAIN)
        status = HFA_OK;
    if (status == HFA_OK) {
        struct hfa_bytes rest = {data + consumed, length - consumed};
        if (from_input)
            hfa_buffer_consume(&conn->input, buffers_of(conn), consumed);
        else
            status = hfa_buffer_append(&conn->input, buffers_of(conn), rest);
    }
    if (status != HFA_OK)
        hfa_conn_close(conn);
    else if (conn->carrier.wants_turn)
        hfa_server_rest(conn->server, conn);
}

static void read_input(struct hfa_conn *conn);

static void feed(struct hfa_conn *conn, bool reads)
{
    if (conn->is_closed) {
        free_if_closed(conn);
        return;
    }
    if (!conn->carrier.wants_input || conn->is_lingering || conn->is_rested)
        return;
    if (reads && conn->transport.has_input)
        read_input(conn);
    else
        offer(conn, conn->input.data + conn->input.start, hfa_buffer_length(&conn->input));
}

void hfa_conn_feed(struct hfa_conn *conn)
{
    conn->is_hungry = false;
    feed(conn, true);
}

void hfa_conn_resume(struct hfa_conn *conn)
{
    conn->is_rested = false;
    /* What was left comes first: with more of the transport's each time it would grow. */
    feed(conn, hfa_buffer_length(&conn->input) == 0);
}

static void drop_input(struct hfa_conn *conn)
{
    size_t length = 0;
    enum hfa_status status = conn->transport.ops->read(&conn->transport, conn->server->scratch,
                                                       HFA_SERVER_SCRATCH_SIZE, &length);

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
    enum hfa_status status = conn->transport.ops->read(&conn->transport, into, size, &length);
    if (status == HFA_AGAIN)
        return;
    server->unbatched += length;
    if (server->unbatched >= HFA_SERVER_READ_BATCH) {
        server->unbatched = 0;
        hfa_reactor_pause(server->reactor);
    }
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
    conn->transport.ops->shutdown_write(&conn->transport);
}

/* An engine that has more as soon as something was sent comes again within one flush, at the same
 * time of the reactor: not for ever, others have their turn. */
static bool may_write(struct hfa_conn *conn)
{
    uint64_t now_ns = hfa_reactor_now(conn->server->reactor);

    if (conn->flushed_ns != now_ns) {
        conn->flushed_ns = now_ns;
        conn->flushed = 0;
    }
    return conn->flushed < HFA_OUTPUT_STEP;
}

static void write_output(struct hfa_conn *conn)
{
    struct hfa_server *server = conn->server;
    uint64_t written = 0;
    enum hfa_status status = HFA_AGAIN;

    if (may_write(conn))
        status =
            conn->transport.ops->write(&conn->transport, &conn->carrier.output, buffers_of(conn),
                                       &server->dispatcher.released, &written);

    if (status == HFA_ERR_SYSTEM) {
        hfa_conn_close(conn);
        return;
    }
    conn->flushed += written;
    if (status == HFA_OK)
        conn->write_deadline_ns = HFA_NEVER;
    else if ((written > 0 || conn->write_deadline_ns == HFA_NEVER) &&
             server->limits.write_timeout_ns > 0)
        conn->write_deadline_ns =
            hfa_reactor_now(server->reactor) + server->limits.write_timeout_ns;
    /* Only progress is news: the engine may ask for another flush each time that it is told. */
    if (written > 0 && conn->engine != NULL &&
        conn->carrier.output.length <= server->limits.response_buffer / 2)
        conn->protocol->on_drained(conn->engine);
}

/* An engine that wants input again, as its output has left, gets what has waited meanwhile: the
 * peer may have nothing more to send. */
static void prepare_output(struct hfa_conn *conn)
{
    bool wanted_input = conn->carrier.wants_input;

    conn->protocol->prepare_output(conn->engine);
    if (!wanted_input && conn->carrier.wants_input &&
        (hfa_buffer_length(&conn->input) > 0 || conn->transport.has_input))
        hfa_server_rest(conn->server, conn);
}

void hfa_conn_flush(struct hfa_conn *conn)
{
    conn->is_dirty = false;
    if (conn->is_closed) {
        free_if_closed(conn);
        return;
    }
    if (conn->engine != NULL && conn->protocol->prepare_output != NULL)
        prepare_output(conn);
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

/* The connection can carry HTTP: makes the engine that ALPN, or the lack of it, asks for. */
static enum hfa_status open_engine(struct hfa_conn *conn)
{
    bool is_http2 = hfa_tls_is_http2(&conn->transport);

    conn->stage = HFA_CONN_OPEN;
    if (conn->transport.session != NULL) {
        conn->carrier.peer->is_secure = true;
        conn->carrier.peer->tls = hfa_tls_describe(&conn->transport);
        if (conn->carrier.peer->tls == NULL)
            return HFA_ERR_NO_MEMORY;
    }
    /* RFC 9113 3.3: over TLS, ALPN alone decides. */
    conn->is_detected = conn->transport.session != NULL;
    if (is_http2) {
        conn->protocol = &hfa_http2_protocol;
        conn->engine = hfa_http2_conn_new(&conn->carrier);
    } else {
        conn->protocol = &hfa_http1_protocol;
        conn->engine = hfa_http1_conn_new(&conn->carrier);
    }
    if (conn->engine == NULL)
        return HFA_ERR_NO_MEMORY;
    if (conn->is_draining)
        conn->protocol->shutdown(conn->engine);
    return HFA_OK;
}

/* Takes the header off the socket and not a byte more: TLS may follow. */
static enum hfa_status read_proxy_header(struct hfa_conn *conn)
{
    struct hfa_buffer *input = &conn->input;
    struct hfa_proxy_header header;
    size_t length = 0;
    size_t unused = 0;

    enum hfa_status status = hfa_buffer_reserve(input, buffers_of(conn), HFA_PROXY_HEADER_MAX);
    if (status != HFA_OK)
        return status;
    size_t before = hfa_buffer_length(input);
    status = hfa_socket_peek(conn->transport.fd, input->data + input->end, hfa_buffer_room(input),
                             &length);
    if (status != HFA_OK)
        return status;
    struct hfa_bytes seen = {input->data + input->start, before + length};
    status = hfa_proxy_protocol_parse(seen, &header);
    if (status < 0)
        return status;
    size_t taken = status == HFA_OK ? header.length - before : length;
    if (hfa_socket_read(conn->transport.fd, input->data + input->end, taken, &unused) != HFA_OK)
        return HFA_ERR_SYSTEM;
    input->end += taken;
    if (status == HFA_AGAIN)
        return HFA_AGAIN;
    if (header.has_addresses) {
        conn->carrier.peer->client = header.client;
        conn->carrier.peer->server = header.server;
    }
    hfa_buffer_release(input, buffers_of(conn));
    return HFA_OK;
}

/* Somebody speaks plain HTTP to a TLS port, or something else altogether. */
static void refuse_plain_text(struct hfa_conn *conn)
{
    char first = 0;
    size_t length = 0;

    if (hfa_socket_peek(conn->transport.fd, &first, 1, &length) != HFA_OK || first < 'A' ||
        first > 'Z') {
        hfa_conn_close(conn);
        return;
    }
    hfa_tls_stop(&conn->transport);
    conn->stage = HFA_CONN_OPEN;
    conn->carrier.wants_input = false;
    conn->carrier.wants_close = true;
    conn->carrier.wants_linger = true;
    conn->carrier.deadline_ns = HFA_NEVER;
    hfa_http1_response_refuse_with(
        &conn->carrier, 400, NULL,
        HFA_BYTES("This port speaks HTTPS, and the request came in plain HTTP."));
    on_change(&conn->carrier);
}

static enum hfa_status start_tls(struct hfa_conn *conn)
{
    conn->stage = HFA_CONN_HANDSHAKE;
    return hfa_tls_start(&conn->transport, conn->server->tls);
}

/* On with the opening as far as the bytes that have come allow. */
static void continue_opening(struct hfa_conn *conn)
{
    enum hfa_status status = HFA_OK;

    if (conn->stage == HFA_CONN_PROXY_HEADER) {
        status = read_proxy_header(conn);
        if (status == HFA_OK)
            status = conn->server->tls != NULL ? start_tls(conn) : open_engine(conn);
    }
    if (status == HFA_OK && conn->stage == HFA_CONN_HANDSHAKE) {
        status = conn->transport.ops->handshake(&conn->transport);
        if (status == HFA_OK) {
            conn->server->dispatcher.counters.tls_handshakes++;
            status = open_engine(conn);
        } else if (status < 0) {
            conn->server->dispatcher.counters.tls_failures++;
        }
        if (status == HFA_ERR_PROTOCOL) {
            refuse_plain_text(conn);
            return;
        }
    }
    if (status < 0) {
        hfa_conn_close(conn);
        return;
    }
    if (conn->stage == HFA_CONN_OPEN)
        on_change(&conn->carrier); /* it may have output, or input inside of the transport */
    else
        update_watch(conn);
    if (!conn->is_closed)
        update_timer(conn);
}

static void on_ready(struct hfa_watch *watch, unsigned readiness)
{
    struct hfa_conn *conn = (struct hfa_conn *)((char *)watch - offsetof(struct hfa_conn, watch));

    if (conn->stage != HFA_CONN_OPEN) {
        continue_opening(conn);
        return;
    }
    if (conn->is_lingering) {
        drop_input(conn);
        return;
    }
    bool reads = readiness & HFA_READABLE && watch->interest & HFA_READABLE &&
                 conn->carrier.wants_input && !conn->is_rested;
    if (reads)
        read_input(conn);
    else if (readiness & HFA_HANGUP && !conn->is_rested)
        hfa_conn_close(conn);
    if (conn->is_closed)
        return;
    /* Output that was waiting, or a wish that the input has brought about. */
    if (conn->carrier.output.length > 0 || conn->carrier.wants_close || conn->transport.has_input)
        on_change(&conn->carrier);
    else if (reads)
        relax_watch(conn);
    else
        update_watch(conn);
    if (!conn->is_closed)
        update_timer(conn);
}

static void on_expire(struct hfa_timer *timer, uint64_t now_ns)
{
    struct hfa_conn *conn = (struct hfa_conn *)((char *)timer - offsetof(struct hfa_conn, timer));

    if (conn->write_deadline_ns <= now_ns || (conn->is_lingering && timer->deadline_ns <= now_ns) ||
        (conn->stage != HFA_CONN_OPEN && conn->carrier.deadline_ns <= now_ns)) {
        hfa_conn_close(conn);
        return;
    }
    if (conn->engine != NULL && conn->carrier.deadline_ns <= now_ns) {
        conn->protocol->on_timeout(conn->engine);
        on_change(&conn->carrier);
    }
    update_timer(conn);
}

void hfa_conn_shutdown(struct hfa_conn *conn)
{
    conn->is_draining = true;
    if (conn->engine == NULL)
        return; /* its engine hears of it when it begins */
    /* A request that has arrived, but was not read yet, is still served. */
    if (conn->watch.interest & HFA_READABLE && conn->carrier.wants_input && !conn->is_lingering &&
        !conn->is_rested)
        read_input(conn);
    if (conn->is_closed)
        return;
    conn->protocol->shutdown(conn->engine);
    on_change(&conn->carrier);
}

static void end_conn(void *opaque)
{
    struct hfa_conn *conn = opaque;

    if (conn->engine == NULL)
        return;
    conn->protocol->shutdown(conn->engine);
    on_change(&conn->carrier);
}

/* A peer that is to send the PROXY protocol's header: RFC-less, so the operator's list decides. */
static bool owes_proxy_header(const struct hfa_server *server, const struct hfa_address *client)
{
    char text[HFA_ADDRESS_TEXT_MAX];

    if (server->proxy_trust == NULL)
        return false;
    if (client->family == HFA_ADDRESS_UNIX)
        return hfa_trust_covers(server->proxy_trust, HFA_BYTES("unix:"));
    return hfa_trust_covers(server->proxy_trust,
                            (struct hfa_bytes){text, hfa_address_text(client, text)});
}

static enum hfa_status begin_stage(struct hfa_conn *conn)
{
    const struct hfa_server *server = conn->server;

    conn->carrier.deadline_ns =
        hfa_reactor_now(server->reactor) + server->limits.handshake_timeout_ns;
    if (owes_proxy_header(server, &conn->carrier.peer->client)) {
        conn->stage = HFA_CONN_PROXY_HEADER;
        return HFA_OK;
    }
    return server->tls != NULL ? start_tls(conn) : open_engine(conn);
}

struct hfa_conn *hfa_conn_open(struct hfa_server *server, int fd)
{
    struct hfa_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        hfa_socket_close(fd, false);
        return NULL;
    }
    conn->server = server;
    conn->transport = (struct hfa_transport){.ops = &hfa_transport_plain, .fd = fd};
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
    hfa_socket_prepare(fd);
    if (begin_stage(conn) != HFA_OK)
        goto fail;
    if (hfa_reactor_add(server->reactor, &conn->watch) != HFA_OK)
        goto fail;
    update_timer(conn);
    return conn;

fail:
    if (conn->engine != NULL)
        conn->protocol->free(conn->engine);
    if (conn->carrier.peer != NULL)
        hfa_peer_release(conn->carrier.peer);
    conn->transport.ops->close(&conn->transport, false);
    free(conn);
    return NULL;
}
