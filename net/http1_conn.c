#include "http1_conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "http1_body.h"
#include "http1_head.h"
#include "http1_response.h"
#include "lower_case.h"
#include "ws_handshake.h"
#include "ws_stream.h"

/* What is being received. The response has its own state in the exchange. */
enum conn_state {
    CONN_IDLE,      /* between two requests */
    CONN_HEAD,      /* part of a head has arrived */
    CONN_LENGTH,    /* in a body of known length */
    CONN_CHUNKED,   /* in a chunked body */
    CONN_RECEIVED,  /* the request is complete, its response is not */
    CONN_WEBSOCKET, /* frames both ways */
    CONN_CLOSING,   /* nothing more is read or answered */
};

/* Bytes of pipelined requests that may wait behind the one in progress. */
#define PIPELINE_MAX 16384

struct hfa_http1_conn {
    struct hfa_carrier *carrier;
    struct hfa_exchange *exchange; /* in progress; NULL in between, and while discarding */
    enum conn_state state;
    bool keep_alive; /* as far as request and response allow */
    bool is_draining;
    bool had_request;      /* a head was complete */
    bool eof;              /* the peer will send no more */
    uint64_t body_left;    /* CONN_LENGTH */
    uint64_t discarded;    /* body bytes passed over since the response was complete */
    uint64_t window_bytes; /* body bytes in the current time-out window */
    struct hfa_http1_chunked chunked;
    struct hfa_http1_head_parser parser;
    struct hfa_http1_head head; /* CONN_HEAD: head.fields is an array of the dispatcher's */
    struct hfa_http1_response response;
    struct hfa_ws_stream *websocket;
    char *ws_accept; /* answers the handshake in progress; in its exchange's arena */
};

static const struct hfa_exchange_ops http1_ops;

static uint64_t after(const struct hfa_http1_conn *conn, uint64_t timeout_ns)
{
    return timeout_ns == 0 ? HFA_NEVER : *conn->carrier->now_ns + timeout_ns;
}

static const struct hfa_limits *limits_of(const struct hfa_http1_conn *conn)
{
    return conn->carrier->dispatcher->limits;
}

/* A new window for the peer to send its least of the body in. */
static void restart_body_window(struct hfa_http1_conn *conn)
{
    conn->window_bytes = 0;
    conn->carrier->deadline_ns = after(conn, limits_of(conn)->body_timeout_ns);
}

/* The one place where the state changes, with what each state wants of the connection. */
static void set_state(struct hfa_http1_conn *conn, enum conn_state state)
{
    const struct hfa_limits *limits = limits_of(conn);
    struct hfa_carrier *carrier = conn->carrier;

    conn->state = state;
    carrier->wants_input = true;
    switch (state) {
    case CONN_IDLE:
        carrier->deadline_ns = after(conn, limits->idle_timeout_ns);
        break;
    case CONN_HEAD:
        carrier->deadline_ns = after(conn, limits->head_timeout_ns);
        break;
    case CONN_LENGTH:
    case CONN_CHUNKED:
        restart_body_window(conn);
        break;
    case CONN_RECEIVED:
    case CONN_WEBSOCKET:
        carrier->deadline_ns = HFA_NEVER;
        break;
    case CONN_CLOSING:
        carrier->deadline_ns = HFA_NEVER;
        carrier->wants_input = false;
        carrier->wants_close = true;
        break;
    }
}

static void return_fields(struct hfa_http1_conn *conn)
{
    if (conn->head.fields != NULL)
        hfa_dispatcher_return_fields(conn->carrier->dispatcher, conn->head.fields);
    conn->head.fields = NULL;
}

static bool is_receiving_body(const struct hfa_http1_conn *conn)
{
    return conn->state == CONN_LENGTH || conn->state == CONN_CHUNKED;
}

/* The client may hold its body back until the application reads. */
static bool waits_for_continue(const struct hfa_http1_conn *conn)
{
    return conn->exchange != NULL && conn->exchange->wants_continue;
}

/* Gives up the exchange and the connection; what is queued is still sent. */
static void close_now(struct hfa_http1_conn *conn)
{
    /* A peer that is still sending would reset the connection and lose our last words. */
    if (!conn->eof && conn->state != CONN_IDLE && conn->state != CONN_RECEIVED)
        conn->carrier->wants_linger = true;
    set_state(conn, CONN_CLOSING);
    return_fields(conn);
    if (conn->exchange != NULL) {
        struct hfa_exchange *exchange = conn->exchange;
        conn->exchange = NULL;
        hfa_exchange_detach(exchange);
    }
}

static bool close_if_done(struct hfa_http1_conn *conn)
{
    if (!hfa_ws_stream_is_done(conn->websocket))
        return false;
    close_now(conn);
    return true;
}

/* Answers in the application's place, then closes. */
static void refuse(struct hfa_http1_conn *conn, int status_code)
{
    bool was_answered = conn->exchange != NULL ? conn->exchange->response != HFA_RESPONSE_NONE
                                               : is_receiving_body(conn);

    if (was_answered) {
        close_now(conn); /* too late: what is under way is cut, what is complete stays alone */
        return;
    }
    hfa_http1_response_refuse(conn->carrier, status_code);
    conn->carrier->wants_linger = true;
    close_now(conn);
}

/* The peer has left, or will send no more: the application may want to know at once. What it
 * still answers is sent, as a peer may close only its own half. */
static void tell_disconnect(struct hfa_http1_conn *conn)
{
    struct hfa_exchange *exchange = conn->exchange;

    if (exchange == NULL || exchange->is_disconnected)
        return;
    exchange->is_disconnected = true;
    hfa_exchange_notify(exchange, HFA_EVENT_DISCONNECT);
}

/* Copies the head into the exchange's arena, names in lower case, and points the request at it. */
static enum hfa_status adopt_head(struct hfa_exchange *exchange, const struct hfa_http1_head *head,
                                  struct hfa_bytes raw)
{
    struct hfa_request *request = &exchange->request;
    /* One more field than sent: an absolute-form target may bring the Host that is missing. */
    struct hfa_field *fields =
        hfa_arena_alloc(&exchange->arena, (head->field_count + 1) * sizeof(*fields));
    char *copy = hfa_arena_alloc(&exchange->arena, raw.length);

    if (fields == NULL || copy == NULL)
        return HFA_ERR_NO_MEMORY;
    memcpy(copy, raw.data, raw.length);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct hfa_field *from = &head->fields[i];
        char *name = copy + (from->name.data - raw.data);
        hfa_lower_case_copy(name, from->name);
        fields[i].name = (struct hfa_bytes){name, from->name.length};
        fields[i].value =
            (struct hfa_bytes){copy + (from->value.data - raw.data), from->value.length};
    }
    request->fields = fields;
    request->field_count = head->field_count;
    request->method =
        (struct hfa_bytes){copy + (head->method.data - raw.data), head->method.length};
    request->target =
        (struct hfa_bytes){copy + (head->target.data - raw.data), head->target.length};
    request->version = head->minor_version == 0 ? HFA_HTTP_1_0 : HFA_HTTP_1_1;
    return HFA_OK;
}

/* RFC 9112 3.2.2: the authority of an absolute-form target takes the place of Host. */
static void replace_host(struct hfa_request *request, struct hfa_bytes authority)
{
    struct hfa_field *fields = (struct hfa_field *)request->fields; /* the arena's, see above */

    for (size_t i = 0; i < request->field_count; i++) {
        if (hfa_bytes_equal(fields[i].name, HFA_BYTES("host"))) {
            fields[i].value = authority;
            return;
        }
    }
    memmove(fields + 1, fields, request->field_count * sizeof(*fields));
    fields[0] = (struct hfa_field){HFA_BYTES("host"), authority};
    request->field_count++;
}

static void begin_body(struct hfa_http1_conn *conn, const struct hfa_http1_head *head)
{
    struct hfa_exchange *exchange = conn->exchange;
    struct hfa_request *request = &exchange->request;

    request->content_length = 0;
    if (head->flags & HFA_HTTP1_CHUNKED) {
        request->has_body = true;
        request->content_length = HFA_LENGTH_UNKNOWN;
        hfa_http1_chunked_init(&conn->chunked);
        set_state(conn, CONN_CHUNKED);
    } else if ((head->flags & HFA_HTTP1_CONTENT_LENGTH) && head->content_length > 0) {
        request->has_body = true;
        request->content_length = conn->body_left = head->content_length;
        set_state(conn, CONN_LENGTH);
    } else {
        exchange->body_complete = true;
        set_state(conn, CONN_RECEIVED);
    }
    /* Without content there is nothing to continue with (RFC 9110 10.1.1); 1.0 has no 100. */
    exchange->wants_continue = request->has_body && head->minor_version == 1 &&
                               (head->flags & HFA_HTTP1_EXPECT_CONTINUE) != 0;
}

/* An Upgrade to websocket: false when the handshake was refused. */
static bool begin_websocket(struct hfa_http1_conn *conn)
{
    struct hfa_request *request = &conn->exchange->request;
    struct hfa_ws_refusal refusal;

    if (request->has_body) {
        refuse(conn, 400);
        return false;
    }
    conn->ws_accept = hfa_arena_alloc(&conn->exchange->arena, HFA_WS_ACCEPT_SIZE);
    if (conn->ws_accept == NULL) {
        refuse(conn, 503);
        return false;
    }
    if (hfa_ws_handshake_check(request->method, request->fields, request->field_count,
                               conn->ws_accept, &refusal) != HFA_OK) {
        hfa_http1_response_refuse_with(conn->carrier, refusal.http_status, &refusal.field,
                                       refusal.reason);
        close_now(conn);
        return false;
    }
    request->is_websocket = true;
    conn->keep_alive = false;
    return true;
}

/* A complete head: makes the exchange and queues it for the application. */
static void begin_exchange(struct hfa_http1_conn *conn, struct hfa_bytes raw)
{
    struct hfa_carrier *carrier = conn->carrier;
    const struct hfa_http1_head *head = &conn->head;
    struct hfa_http1_target target;
    struct hfa_exchange *exchange = hfa_dispatcher_new_exchange(carrier->dispatcher, carrier->peer);

    if (exchange == NULL) {
        refuse(conn, 503);
        return;
    }
    exchange->ops = &http1_ops;
    exchange->stream = conn;
    conn->exchange = exchange;
    conn->had_request = true;
    conn->discarded = 0;

    if (adopt_head(exchange, head, raw) != HFA_OK) {
        refuse(conn, 503);
        return;
    }
    struct hfa_request *request = &exchange->request;
    if (hfa_http1_split_target(request->method, request->target, &target) != HFA_OK) {
        refuse(conn, 400);
        return;
    }
    request->path = target.path;
    request->query = target.query;
    if (target.scheme.length > 0)
        replace_host(request, target.authority);
    conn->keep_alive = !(head->flags & HFA_HTTP1_CLOSE) && !conn->is_draining &&
                       (head->minor_version == 1 || (head->flags & HFA_HTTP1_KEEP_ALIVE));
    /* After a 2xx to CONNECT a client takes the connection for a tunnel (RFC 9110 9.3.6). */
    if (hfa_bytes_equal(request->method, HFA_BYTES("CONNECT")))
        conn->keep_alive = false;
    hfa_http1_response_init(&conn->response, request);
    begin_body(conn, head);
    if (hfa_dispatcher_is_full(carrier->dispatcher)) {
        refuse(conn, 503);
        return;
    }
    bool upgrades = (head->flags & HFA_HTTP1_UPGRADE) &&
                    (head->flags & HFA_HTTP1_UPGRADE_WEBSOCKET) && head->minor_version == 1;
    if (upgrades && !begin_websocket(conn))
        return;
    hfa_exchange_notify(exchange, HFA_EVENT_REQUEST);
}

static size_t input_head(struct hfa_http1_conn *conn, struct hfa_bytes input)
{
    const struct hfa_limits *limits = limits_of(conn);
    struct hfa_http1_limits head_limits = {limits->head_size, limits->target_size,
                                           limits->head_fields};
    size_t consumed = 0;
    int status_code = 400;

    if (conn->state == CONN_IDLE) {
        set_state(conn, CONN_HEAD);
        hfa_http1_head_reset(&conn->parser, &conn->head);
        conn->head.fields = hfa_dispatcher_take_fields(conn->carrier->dispatcher);
        if (conn->head.fields == NULL) {
            refuse(conn, 503);
            return 0;
        }
    }
    enum hfa_status status = hfa_http1_parse_head(&conn->parser, input, &head_limits, &conn->head,
                                                  &consumed, &status_code);
    if (status == HFA_AGAIN)
        return 0;
    if (status != HFA_OK) {
        refuse(conn, status_code);
        return 0;
    }
    begin_exchange(conn, (struct hfa_bytes){input.data, consumed});
    return_fields(conn);
    return consumed;
}

static void end_body(struct hfa_http1_conn *conn)
{
    if (conn->exchange != NULL) {
        conn->exchange->body_complete = true;
        set_state(conn, CONN_RECEIVED);
        hfa_exchange_notify(conn->exchange, HFA_EVENT_BODY);
    } else {
        set_state(conn, CONN_IDLE); /* it was only passed over */
    }
}

/* Body bytes go to the exchange, or nowhere once the response is complete. */
static enum hfa_status take_body(struct hfa_http1_conn *conn, struct hfa_bytes bytes)
{
    struct hfa_exchange *exchange = conn->exchange;

    conn->window_bytes += bytes.length;
    if (exchange == NULL) {
        conn->discarded += bytes.length;
        return conn->discarded > limits_of(conn)->discard_size ? HFA_ERR_LIMIT : HFA_OK;
    }
    if (bytes.length == 0)
        return HFA_OK;
    enum hfa_status status =
        hfa_buffer_append(&exchange->body, &conn->carrier->dispatcher->buffers, bytes);
    if (status != HFA_OK)
        return status;
    if (hfa_buffer_length(&exchange->body) >= limits_of(conn)->request_buffer)
        conn->carrier->wants_input = false;
    hfa_exchange_notify(exchange, HFA_EVENT_BODY);
    return HFA_OK;
}

static size_t input_length(struct hfa_http1_conn *conn, struct hfa_bytes input)
{
    if (input.length > conn->body_left)
        input.length = (size_t)conn->body_left;
    conn->body_left -= input.length;
    if (take_body(conn, input) != HFA_OK)
        close_now(conn);
    else if (conn->body_left == 0)
        end_body(conn);
    return input.length;
}

static size_t input_chunked(struct hfa_http1_conn *conn, struct hfa_bytes input)
{
    struct hfa_bytes data = {0};
    size_t consumed = 0;
    enum hfa_status status = hfa_http1_chunked_decode(
        &conn->chunked, input, limits_of(conn)->trailer_size, &consumed, &data);

    if (status < 0) {
        refuse(conn, status == HFA_ERR_LIMIT ? 431 : 400);
        return consumed;
    }
    if (take_body(conn, data) != HFA_OK)
        close_now(conn);
    else if (status == HFA_OK)
        end_body(conn);
    return consumed;
}

/* The peer will send no more, and all that it sent has been looked at. */
static void input_eof(struct hfa_http1_conn *conn)
{
    conn->eof = true;
    switch (conn->state) {
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_LENGTH:
    case CONN_CHUNKED:
    case CONN_WEBSOCKET:
        close_now(conn); /* nothing, or a request that is cut off: no answer is owed */
        break;
    case CONN_RECEIVED:
        tell_disconnect(conn);
        conn->carrier->wants_input = false;
        break;
    case CONN_CLOSING:
        break;
    }
}

static enum hfa_status http1_input(void *engine, char *data, size_t length, bool eof,
                                   size_t *consumed)
{
    struct hfa_http1_conn *conn = engine;
    size_t at = 0;

    while (at < length) {
        struct hfa_bytes input = {data + at, length - at};
        enum conn_state before = conn->state;
        size_t taken = 0;
        switch (conn->state) {
        case CONN_IDLE:
        case CONN_HEAD:
            taken = input_head(conn, input);
            break;
        case CONN_LENGTH:
            taken = input_length(conn, input);
            break;
        case CONN_CHUNKED:
            taken = input_chunked(conn, input);
            break;
        case CONN_RECEIVED:
            if (input.length >= PIPELINE_MAX)
                conn->carrier->wants_input = false;
            break;
        case CONN_WEBSOCKET:
            taken = hfa_ws_stream_input(conn->websocket, data + at, input.length);
            close_if_done(conn);
            break;
        case CONN_CLOSING:
            taken = input.length;
            break;
        }
        at += taken;
        if (taken == 0 && conn->state == before)
            break;
    }
    *consumed = at;
    if (eof && (at == length || conn->state != CONN_IDLE))
        input_eof(conn);
    return HFA_OK;
}

/* The response is complete: on to the next request, or to the end. */
static void end_response(struct hfa_http1_conn *conn)
{
    struct hfa_exchange *exchange = conn->exchange;
    bool owes_continue = exchange->wants_continue;

    exchange->response = HFA_RESPONSE_COMPLETE;
    /* A client that still waits for 100 (Continue) may send its body or may not: what comes next
     * could be read in two ways, so nothing is. */
    if (!conn->keep_alive || (owes_continue && is_receiving_body(conn))) {
        close_now(conn);
    } else {
        conn->exchange = NULL;
        hfa_exchange_detach(exchange);
        if (is_receiving_body(conn)) {
            conn->carrier->wants_input = true;
            restart_body_window(conn);
        } else {
            set_state(conn, CONN_IDLE);
        }
    }
    conn->carrier->on_change(conn->carrier);
}

/* Whether the connection can stay behind the response that begins. */
static bool can_stay(const struct hfa_http1_conn *conn)
{
    return conn->keep_alive && !conn->is_draining &&
           !(conn->exchange->wants_continue && is_receiving_body(conn));
}

static enum hfa_status op_start(struct hfa_exchange *exchange, int status_code,
                                const struct hfa_field *fields, size_t field_count, bool last)
{
    struct hfa_http1_conn *conn = exchange->stream;
    bool keep_alive = can_stay(conn);

    enum hfa_status status = hfa_http1_response_start(&conn->response, conn->carrier, status_code,
                                                      fields, field_count, last, &keep_alive);
    conn->keep_alive = keep_alive;
    if (status == HFA_OK && last)
        end_response(conn);
    else
        conn->carrier->on_change(conn->carrier);
    return status;
}

static enum hfa_status op_write(struct hfa_exchange *exchange, struct hfa_bytes bytes, void *owner,
                                bool last)
{
    struct hfa_http1_conn *conn = exchange->stream;
    enum hfa_status status =
        hfa_http1_response_write(&conn->response, conn->carrier, bytes, owner, last);

    if (status == HFA_OK && last)
        end_response(conn);
    else
        conn->carrier->on_change(conn->carrier);
    return status;
}

static enum hfa_status op_respond(struct hfa_exchange *exchange, int status_code,
                                  struct hfa_bytes content_type, struct hfa_bytes body)
{
    struct hfa_http1_conn *conn = exchange->stream;
    bool is_usual = can_stay(conn) && !conn->response.is_http10 &&
                    !conn->response.is_head_request && status_code != 204 && status_code != 304;

    if (!is_usual)
        return hfa_exchange_respond_in_steps(exchange, status_code, content_type, body);
    enum hfa_status status =
        hfa_http1_response_whole(&conn->response, conn->carrier, status_code, content_type, body);
    if (status == HFA_OK)
        end_response(conn);
    return status;
}

static enum hfa_status op_write_file(struct hfa_exchange *exchange, int fd, uint64_t offset,
                                     uint64_t length, bool last)
{
    struct hfa_http1_conn *conn = exchange->stream;
    enum hfa_status status =
        hfa_http1_response_write_file(&conn->response, conn->carrier, fd, offset, length, last);

    if (status == HFA_OK && last)
        end_response(conn);
    else
        conn->carrier->on_change(conn->carrier);
    return status;
}

static enum hfa_status op_write_trailers(struct hfa_exchange *exchange,
                                         const struct hfa_field *fields, size_t field_count)
{
    struct hfa_http1_conn *conn = exchange->stream;
    enum hfa_status status =
        hfa_http1_response_write_trailers(&conn->response, conn->carrier, fields, field_count);

    if (status == HFA_OK)
        end_response(conn);
    else
        conn->carrier->on_change(conn->carrier);
    return status;
}

static enum hfa_status op_inform(struct hfa_exchange *exchange, int status_code,
                                 const struct hfa_field *fields, size_t field_count)
{
    struct hfa_http1_conn *conn = exchange->stream;
    enum hfa_status status =
        hfa_http1_response_inform(&conn->response, conn->carrier, status_code, fields, field_count);

    conn->carrier->on_change(conn->carrier);
    return status;
}

static bool op_is_writable(struct hfa_exchange *exchange)
{
    struct hfa_http1_conn *conn = exchange->stream;

    return conn->carrier->output.length < limits_of(conn)->response_buffer;
}

static enum hfa_status op_send_continue(struct hfa_exchange *exchange)
{
    struct hfa_http1_conn *conn = exchange->stream;
    enum hfa_status status =
        hfa_output_append(&conn->carrier->output, &conn->carrier->dispatcher->buffers,
                          HFA_BYTES("HTTP/1.1 100 Continue\r\n\r\n"));

    restart_body_window(conn);
    conn->carrier->on_change(conn->carrier);
    return status;
}

/* The application has caught up, or the output has gone out. */
static void resume_input(struct hfa_http1_conn *conn)
{
    if (conn->state == CONN_WEBSOCKET) {
        conn->carrier->wants_input = hfa_ws_stream_wants_input(conn->websocket);
    } else if (is_receiving_body(conn) &&
               hfa_buffer_length(&conn->exchange->body) < limits_of(conn)->request_buffer) {
        conn->carrier->wants_input = true;
        restart_body_window(conn); /* the client is not to blame for the pause */
    }
    if (conn->carrier->wants_input)
        conn->carrier->on_change(conn->carrier);
}

static void op_resume_body(struct hfa_exchange *exchange)
{
    struct hfa_http1_conn *conn = exchange->stream;

    if (!conn->carrier->wants_input)
        resume_input(conn);
}

static void op_abort(struct hfa_exchange *exchange)
{
    struct hfa_http1_conn *conn = exchange->stream;

    if (conn->state == CONN_WEBSOCKET) {
        hfa_ws_stream_forget_exchange(conn->websocket);
        if (!close_if_done(conn)) {
            conn->exchange = NULL; /* the closing handshake goes on without it */
            hfa_exchange_detach(exchange);
        }
        conn->carrier->on_change(conn->carrier);
        return;
    }
    /* Without a length or chunks only a reset tells the client that the end is missing. */
    conn->carrier->wants_reset = hfa_http1_response_ends_by_close(&conn->response);
    close_now(conn);
    conn->carrier->on_change(conn->carrier);
}

static enum hfa_status op_accept(struct hfa_exchange *exchange, const struct hfa_field *fields,
                                 size_t field_count)
{
    struct hfa_http1_conn *conn = exchange->stream;

    /* An accept that failed before has left one. */
    if (conn->websocket == NULL)
        conn->websocket = hfa_ws_stream_new(conn->carrier, exchange);
    if (conn->websocket == NULL)
        return HFA_ERR_NO_MEMORY;
    enum hfa_status status = hfa_http1_response_accept(
        conn->carrier, (struct hfa_bytes){conn->ws_accept, HFA_WS_ACCEPT_SIZE},
        hfa_ws_stream_extensions(conn->websocket), fields, field_count);
    if (status != HFA_OK)
        return status;
    exchange->response = HFA_RESPONSE_STARTED;
    exchange->websocket_accepted = true;
    set_state(conn, CONN_WEBSOCKET);
    hfa_ws_stream_start(conn->websocket);
    conn->carrier->on_change(conn->carrier);
    return HFA_OK;
}

static enum hfa_status op_send_message(struct hfa_exchange *exchange, enum hfa_message_kind kind,
                                       struct hfa_bytes bytes, void *owner)
{
    struct hfa_http1_conn *conn = exchange->stream;

    enum hfa_status status = hfa_ws_stream_send(conn->websocket, kind, bytes, owner);
    close_if_done(conn);
    return status;
}

static enum hfa_status op_send_close(struct hfa_exchange *exchange, uint16_t code,
                                     struct hfa_bytes reason)
{
    struct hfa_http1_conn *conn = exchange->stream;

    enum hfa_status status = hfa_ws_stream_send_close(conn->websocket, code, reason);
    close_if_done(conn);
    return status;
}

static const struct hfa_exchange_ops http1_ops = {
    .start = op_start,
    .write = op_write,
    .respond = op_respond,
    .write_file = op_write_file,
    .write_trailers = op_write_trailers,
    .inform = op_inform,
    .is_writable = op_is_writable,
    .send_continue = op_send_continue,
    .resume_body = op_resume_body,
    .abort = op_abort,
    .accept = op_accept,
    .send_message = op_send_message,
    .send_close = op_send_close,
};

static void http1_on_timeout(void *engine)
{
    struct hfa_http1_conn *conn = engine;
    const struct hfa_limits *limits = limits_of(conn);
    uint64_t least = limits->body_rate * (limits->body_timeout_ns / HFA_NS_PER_MS) / 1000;

    switch (conn->state) {
    case CONN_IDLE:
        close_now(conn);
        break;
    case CONN_HEAD:
        refuse(conn, 408);
        break;
    case CONN_LENGTH:
    case CONN_CHUNKED:
        /* While the application is behind, or owes it a 100 (Continue), the client is not to
         * blame. */
        if (conn->carrier->wants_input && !waits_for_continue(conn) &&
            conn->window_bytes < (least > 0 ? least : 1)) {
            if (conn->exchange != NULL)
                refuse(conn, 408);
            else
                close_now(conn);
            break;
        }
        restart_body_window(conn);
        break;
    case CONN_WEBSOCKET:
        hfa_ws_stream_on_timeout(conn->websocket);
        close_if_done(conn);
        break;
    case CONN_RECEIVED:
    case CONN_CLOSING:
        conn->carrier->deadline_ns = HFA_NEVER;
        break;
    }
}

static void http1_on_drained(void *engine)
{
    struct hfa_http1_conn *conn = engine;

    if (conn->exchange != NULL && conn->exchange->is_paused) {
        conn->exchange->is_paused = false;
        hfa_exchange_notify(conn->exchange, HFA_EVENT_WRITABLE);
    }
    if (conn->state == CONN_WEBSOCKET && !conn->carrier->wants_input)
        resume_input(conn);
}

static void http1_on_closed(void *engine)
{
    struct hfa_http1_conn *conn = engine;

    conn->eof = true;
    close_now(conn);
}

static void http1_shutdown(void *engine)
{
    struct hfa_http1_conn *conn = engine;

    conn->is_draining = true;
    switch (conn->state) {
    case CONN_IDLE:
        /* A client that has just connected is about to ask: it may do so once. */
        if (!conn->had_request)
            conn->carrier->deadline_ns = after(conn, limits_of(conn)->linger_timeout_ns / 4);
        else
            close_now(conn);
        break;
    case CONN_HEAD:
        if (conn->had_request)
            close_now(conn);
        break;
    case CONN_WEBSOCKET:
        hfa_ws_stream_shutdown(conn->websocket);
        close_if_done(conn);
        break;
    case CONN_LENGTH:
    case CONN_CHUNKED:
    case CONN_RECEIVED:
        conn->keep_alive = false;
        if (conn->exchange == NULL)
            close_now(conn);
        else
            hfa_exchange_notify(conn->exchange, HFA_EVENT_SHUTDOWN);
        break;
    case CONN_CLOSING:
        break;
    }
}

static void http1_free(void *engine)
{
    struct hfa_http1_conn *conn = engine;

    if (conn->websocket != NULL)
        hfa_ws_stream_free(conn->websocket);
    return_fields(conn);
    free(conn);
}

const struct hfa_protocol hfa_http1_protocol = {
    .name = "http/1.1",
    .input = http1_input,
    .on_timeout = http1_on_timeout,
    .on_drained = http1_on_drained,
    .on_closed = http1_on_closed,
    .shutdown = http1_shutdown,
    .free = http1_free,
};

struct hfa_http1_conn *hfa_http1_conn_new(struct hfa_carrier *carrier)
{
    struct hfa_http1_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->carrier = carrier;
    set_state(conn, CONN_IDLE);
    return conn;
}
