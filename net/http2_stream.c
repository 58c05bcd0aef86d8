#include <stdlib.h>
#include <unistd.h>

#include "decimal.h"
#include "http2_state.h"
#include "lower_case.h"
#include "status_line.h"
#include "ws_handshake.h"

/* Fields of a response that need no memory of their own to be listed. */
#define NAMES_ON_STACK 48
/* Fields that the server adds: the status, and those of every response. */
#define OWN_FIELDS_MAX (1 + HFA_HTTP2_DEFAULT_FIELDS)
#define STATUS_LENGTH  3

static const struct hfa_exchange_ops http2_ops;

static struct hfa_buffer_pool *buffers_of(const struct hfa_http2_stream *stream)
{
    return &stream->conn->carrier->dispatcher->buffers;
}

/* What all streams of a connection may have waiting before only those may add to it that move: a
 * client that takes nothing should not fill the memory of as many streams as it may open. */
#define UNSENT_FACTOR 4

static void recount(struct hfa_http2_stream *stream)
{
    stream->conn->unsent += stream->carrier.output.length - stream->counted;
    stream->counted = stream->carrier.output.length;
}

static bool is_crowded(const struct hfa_http2_conn *conn)
{
    return conn->unsent >= UNSENT_FACTOR * (uint64_t)hfa_http2_limits(conn)->response_buffer;
}

/* What is written next could leave at once: the client lets it, and takes what is sent. */
static bool can_move(const struct hfa_http2_stream *stream)
{
    const struct hfa_http2_conn *conn = stream->conn;

    return stream->carrier.output.length == 0 &&
           conn->carrier->output.length < hfa_http2_limits(conn)->response_buffer &&
           nghttp2_session_get_remote_window_size(conn->session) > 0 &&
           nghttp2_session_get_stream_remote_window_size(conn->session, stream->id) > 0;
}

static bool is_writable(const struct hfa_http2_stream *stream)
{
    const struct hfa_http2_conn *conn = stream->conn;

    return stream->carrier.output.length < hfa_http2_limits(conn)->response_buffer &&
           (!is_crowded(conn) || can_move(stream));
}

/* A WebSocket has something to send, or a new deadline. */
static void on_websocket_change(struct hfa_carrier *carrier)
{
    struct hfa_http2_stream *stream = (struct hfa_http2_stream *)carrier;
    struct hfa_http2_conn *conn = stream->conn;

    recount(stream);
    if (stream->is_deferred && carrier->output.length > 0) {
        stream->is_deferred = false;
        stream->moved_ns = hfa_http2_now(conn);
        nghttp2_session_resume_data(conn->session, stream->id);
    }
    if (carrier->deadline_ns < conn->tick_ns)
        conn->tick_ns = carrier->deadline_ns;
    hfa_http2_changed(conn);
}

struct hfa_http2_stream *hfa_http2_stream_new(struct hfa_http2_conn *conn, int32_t id)
{
    struct hfa_dispatcher *dispatcher = conn->carrier->dispatcher;
    struct hfa_exchange *exchange = hfa_dispatcher_new_exchange(dispatcher, conn->carrier->peer);

    if (exchange == NULL)
        return NULL;
    struct hfa_http2_stream *stream = hfa_arena_alloc(&exchange->arena, sizeof(*stream));
    if (stream == NULL) {
        hfa_exchange_detach(exchange);
        return NULL;
    }
    *stream = (struct hfa_http2_stream){
        .carrier = {.dispatcher = dispatcher,
                    .peer = exchange->peer,
                    .default_fields = conn->carrier->default_fields,
                    .now_ns = conn->carrier->now_ns,
                    .deadline_ns = HFA_NEVER,
                    .wants_input = true,
                    .on_change = on_websocket_change},
        .conn = conn,
        .exchange = exchange,
        .id = id,
        .next = conn->streams,
        .link = &conn->streams,
    };
    if (stream->next != NULL)
        stream->next->link = &stream->next;
    conn->streams = stream;
    exchange->ops = &http2_ops;
    exchange->stream = stream;
    return stream;
}

void hfa_http2_stream_close(struct hfa_http2_stream *stream, bool cancelled)
{
    struct hfa_dispatcher *dispatcher = stream->conn->carrier->dispatcher;
    struct hfa_exchange *exchange = stream->exchange;

    *stream->link = stream->next;
    if (stream->next != NULL)
        stream->next->link = stream->link;
    hfa_output_clear(&stream->carrier.output, &dispatcher->buffers, &dispatcher->released);
    recount(stream);
    if (stream->websocket != NULL)
        hfa_ws_stream_free(stream->websocket);
    if (cancelled)
        hfa_exchange_cancel(exchange);
    hfa_exchange_detach(exchange); /* with it goes the stream's memory */
}

void hfa_http2_stream_reset(struct hfa_http2_stream *stream, uint32_t error_code)
{
    if (stream->is_reset)
        return;
    stream->is_reset = true;
    nghttp2_submit_rst_stream(stream->conn->session, NGHTTP2_FLAG_NONE, stream->id, error_code);
    hfa_http2_changed(stream->conn);
}

/* More is in the output, or its end is known. */
static void resume(struct hfa_http2_stream *stream)
{
    recount(stream);
    if (stream->is_deferred) {
        stream->is_deferred = false;
        nghttp2_session_resume_data(stream->conn->session, stream->id);
    }
    hfa_http2_changed(stream->conn);
}

/* Heads. */

static nghttp2_nv make_nv(struct hfa_bytes name, struct hfa_bytes value)
{
    return (nghttp2_nv){.name = (uint8_t *)name.data,
                        .value = (uint8_t *)value.data,
                        .namelen = name.length,
                        .valuelen = value.length,
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

/* RFC 9113 8.2.2: what speaks of a connection has no place in HTTP/2. */
static bool is_connection_field(struct hfa_bytes name)
{
    switch (name.length) {
    case 7:
        return hfa_bytes_equal_lower(name, HFA_BYTES("upgrade"));
    case 10:
        return hfa_bytes_equal_lower(name, HFA_BYTES("connection")) ||
               hfa_bytes_equal_lower(name, HFA_BYTES("keep-alive"));
    case 16:
        return hfa_bytes_equal_lower(name, HFA_BYTES("proxy-connection"));
    case 17:
        return hfa_bytes_equal_lower(name, HFA_BYTES("transfer-encoding"));
    default:
        return false;
    }
}

/* The application's fields in memory that lives until they are sent, names in lower case. `text`
 * has room for them. */
static void copy_fields(const struct hfa_field *fields, size_t field_count, char *text,
                        nghttp2_nv *list, size_t *count)
{
    for (size_t i = 0; i < field_count; i++) {
        struct hfa_bytes name = fields[i].name;
        struct hfa_bytes value = fields[i].value;
        if (is_connection_field(name))
            continue;
        char *value_text = hfa_lower_case_copy(text, name);
        if (value.length > 0)
            memcpy(value_text, value.data, value.length);
        list[(*count)++] = make_nv((struct hfa_bytes){text, name.length},
                                   (struct hfa_bytes){value_text, value.length});
        text = value_text + value.length;
    }
}

static size_t text_size(const struct hfa_field *fields, size_t field_count)
{
    size_t size = 0;

    for (size_t i = 0; i < field_count; i++)
        size += fields[i].name.length + fields[i].value.length;
    return size;
}

/* The server's own, out of "name: value\r\n" lines that stay where they are: their text may change,
 * as the date does, but not where in it a field begins and ends. */
static void read_default_fields(struct hfa_http2_conn *conn, struct hfa_bytes lines)
{
    conn->default_lines = lines;
    conn->default_count = 0;
    while (lines.length > 0 && conn->default_count < HFA_HTTP2_DEFAULT_FIELDS) {
        const char *end = memchr(lines.data, '\r', lines.length);
        const char *colon = memchr(lines.data, ':', lines.length);
        if (end == NULL || colon == NULL || colon > end)
            return;
        struct hfa_bytes name = {lines.data, (size_t)(colon - lines.data)};
        struct hfa_bytes value = {colon + 2, (size_t)(end - colon) - 2};
        conn->default_fields[conn->default_count++] = make_nv(name, value);
        lines.length -= (size_t)(end - lines.data) + 2;
        lines.data = end + 2;
    }
}

static void add_default_fields(struct hfa_http2_stream *stream, nghttp2_nv *list, size_t *count)
{
    struct hfa_http2_conn *conn = stream->conn;
    struct hfa_bytes lines = *stream->carrier.default_fields;

    if (lines.data != conn->default_lines.data || lines.length != conn->default_lines.length)
        read_default_fields(conn, lines);
    memcpy(list + *count, conn->default_fields, conn->default_count * sizeof(*list));
    *count += conn->default_count;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *into, size_t most,
                       uint32_t *flags, nghttp2_data_source *source, void *opaque)
{
    return hfa_http2_stream_offer(source->ptr, most, flags);
}

/* Status and fields as a list for nghttp2; `memory` is used when it is long enough. */
static enum hfa_status list_head(struct hfa_http2_stream *stream, int status_code,
                                 const struct hfa_field *fields, size_t field_count,
                                 nghttp2_nv *memory, nghttp2_nv **list, size_t *count)
{
    char *digits =
        hfa_arena_alloc(&stream->exchange->arena, STATUS_LENGTH + text_size(fields, field_count));

    *list = memory;
    *count = 0;
    if (field_count + OWN_FIELDS_MAX > NAMES_ON_STACK)
        *list = hfa_arena_alloc(&stream->exchange->arena,
                                (field_count + OWN_FIELDS_MAX) * sizeof(**list));
    if (digits == NULL || *list == NULL)
        return HFA_ERR_NO_MEMORY;
    digits[0] = (char)('0' + status_code / 100);
    digits[1] = (char)('0' + status_code / 10 % 10);
    digits[2] = (char)('0' + status_code % 10);
    (*list)[(*count)++] = make_nv(HFA_BYTES(":status"), (struct hfa_bytes){digits, STATUS_LENGTH});
    if (status_code >= 200)
        add_default_fields(stream, *list, count);
    copy_fields(fields, field_count, digits + STATUS_LENGTH, *list, count);
    return HFA_OK;
}

static enum hfa_status submit_head(struct hfa_http2_stream *stream, int status_code,
                                   const struct hfa_field *fields, size_t field_count, bool ends)
{
    nghttp2_nv memory[NAMES_ON_STACK];
    nghttp2_nv *list = NULL;
    size_t count = 0;
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = on_read};

    enum hfa_status status =
        list_head(stream, status_code, fields, field_count, memory, &list, &count);
    if (status != HFA_OK)
        return status;
    stream->is_submitted = true;
    if (nghttp2_submit_response(stream->conn->session, stream->id, list, count,
                                ends ? NULL : &provider) != 0)
        return HFA_ERR_NO_MEMORY;
    return HFA_OK;
}

/* What the application's fields say of the body's length, and whether there is a body. */
static enum hfa_status read_length(struct hfa_http2_stream *stream, int status_code,
                                   const struct hfa_field *fields, size_t field_count)
{
    const struct hfa_request *request = &stream->exchange->request;

    for (size_t i = 0; i < field_count; i++) {
        uint64_t length = 0;
        if (!HFA_FIELD_NAME_IS(fields[i].name, "content-length"))
            continue;
        if (hfa_field_parse_content_length(fields[i].value, &length) != HFA_OK ||
            (stream->has_length && length != stream->length_left))
            return HFA_ERR_FIELD_VALUE;
        stream->has_length = true;
        stream->length_left = length;
    }
    stream->has_body = status_code != 204 && status_code != 304 &&
                       !hfa_bytes_equal(request->method, HFA_BYTES("HEAD"));
    return HFA_OK;
}

/* The response is complete: what is in the output ends it. */
static enum hfa_status end_response(struct hfa_http2_stream *stream)
{
    if (stream->has_body && stream->has_length && stream->length_left > 0)
        return HFA_ERR_BODY_TOO_SHORT;
    stream->is_ended = true;
    stream->exchange->response = HFA_RESPONSE_COMPLETE;
    return HFA_OK;
}

static enum hfa_status op_start(struct hfa_exchange *exchange, int status_code,
                                const struct hfa_field *fields, size_t field_count, bool last)
{
    struct hfa_http2_stream *stream = exchange->stream;

    enum hfa_status status = read_length(stream, status_code, fields, field_count);
    if (status == HFA_OK && last && stream->has_body && stream->length_left > 0)
        status = HFA_ERR_BODY_TOO_SHORT;
    if (status == HFA_OK)
        status = submit_head(stream, status_code, fields, field_count, last);
    if (status == HFA_OK && last)
        status = end_response(stream);
    hfa_http2_changed(stream->conn);
    return status;
}

/* Counts `length` bytes of body against what was declared; *drop: none are sent. */
static enum hfa_status account(struct hfa_http2_stream *stream, uint64_t length, bool *drop)
{
    *drop = !stream->has_body || length == 0;
    if (!stream->has_body || !stream->has_length)
        return HFA_OK;
    if (length > stream->length_left)
        return HFA_ERR_BODY_TOO_LONG;
    stream->length_left -= length;
    return HFA_OK;
}

static void note_output(struct hfa_http2_stream *stream)
{
    if (stream->carrier.output.length == 0)
        stream->moved_ns = hfa_http2_now(stream->conn);
}

static enum hfa_status op_write(struct hfa_exchange *exchange, struct hfa_bytes bytes, void *owner,
                                bool last)
{
    struct hfa_http2_stream *stream = exchange->stream;
    struct hfa_app *app = exchange->dispatcher->app;
    bool drop = false;
    enum hfa_status status = account(stream, bytes.length, &drop);

    if (status == HFA_OK && !drop) {
        note_output(stream);
        if (owner == NULL) {
            status = hfa_output_append(&stream->carrier.output, buffers_of(stream), bytes);
        } else {
            status = hfa_output_borrow(&stream->carrier.output, bytes, owner);
            if (status == HFA_OK)
                owner = NULL;
        }
    }
    if (owner != NULL && app->on_release != NULL)
        app->on_release(app, owner);
    if (status == HFA_OK && last)
        status = end_response(stream);
    resume(stream);
    return status;
}

static enum hfa_status op_write_file(struct hfa_exchange *exchange, int fd, uint64_t offset,
                                     uint64_t length, bool last)
{
    struct hfa_http2_stream *stream = exchange->stream;
    bool drop = false;
    enum hfa_status status = account(stream, length, &drop);

    if (status == HFA_OK && !drop) {
        note_output(stream);
        status = hfa_output_append_file(&stream->carrier.output, fd, offset, length);
    }
    if (status != HFA_OK || drop)
        close(fd);
    if (status == HFA_OK && last)
        status = end_response(stream);
    resume(stream);
    return status;
}

static enum hfa_status op_inform(struct hfa_exchange *exchange, int status_code,
                                 const struct hfa_field *fields, size_t field_count)
{
    struct hfa_http2_stream *stream = exchange->stream;
    nghttp2_nv memory[NAMES_ON_STACK];
    nghttp2_nv *list = NULL;
    size_t count = 0;

    enum hfa_status status =
        list_head(stream, status_code, fields, field_count, memory, &list, &count);
    if (status == HFA_OK && nghttp2_submit_headers(stream->conn->session, NGHTTP2_FLAG_NONE,
                                                   stream->id, NULL, list, count, NULL) != 0)
        status = HFA_ERR_NO_MEMORY;
    if (status == HFA_OK)
        stream->interim_due++;
    hfa_http2_changed(stream->conn);
    return status;
}

static enum hfa_status op_send_continue(struct hfa_exchange *exchange)
{
    return op_inform(exchange, 100, NULL, 0);
}

static enum hfa_status op_write_trailers(struct hfa_exchange *exchange,
                                         const struct hfa_field *fields, size_t field_count)
{
    struct hfa_http2_stream *stream = exchange->stream;

    if (stream->has_body && field_count > 0) {
        char *text = hfa_arena_alloc(&exchange->arena, text_size(fields, field_count));
        stream->trailers =
            hfa_arena_alloc(&exchange->arena, field_count * sizeof(*stream->trailers));
        if (text == NULL || stream->trailers == NULL)
            return HFA_ERR_NO_MEMORY;
        copy_fields(fields, field_count, text, stream->trailers, &stream->trailer_count);
    }
    enum hfa_status status = end_response(stream);
    resume(stream);
    return status;
}

static bool op_is_writable(struct hfa_exchange *exchange)
{
    struct hfa_http2_stream *stream = exchange->stream;

    if (is_writable(stream))
        return true;
    stream->conn->has_paused = true;
    return false;
}

void hfa_http2_stream_resume_writing(struct hfa_http2_conn *conn)
{
    uint64_t each_may = hfa_http2_limits(conn)->response_buffer;
    uint64_t room = is_crowded(conn) ? 0 : UNSENT_FACTOR * each_may - conn->unsent;
    unsigned woken = 0;

    if (!conn->has_paused)
        return;
    conn->has_paused = false;
    for (struct hfa_http2_stream *each = conn->streams; each != NULL; each = each->next) {
        if (!each->exchange->is_paused)
            continue;
        /* No more of them than will find room: the others would look in vain. */
        if (each->carrier.output.length > each_may / 2 || !is_writable(each) ||
            (room == 0 && woken > 0)) {
            conn->has_paused = true;
            continue;
        }
        room -= room < each_may ? room : each_may;
        woken++;
        each->exchange->is_paused = false;
        hfa_exchange_notify(each->exchange, HFA_EVENT_WRITABLE);
    }
}

void hfa_http2_stream_refuse(struct hfa_http2_stream *stream, int status_code,
                             struct hfa_bytes text)
{
    char length_text[HFA_DECIMAL_MAX];
    size_t length_size = hfa_decimal_write(text.length, length_text);
    const struct hfa_field fields[] = {
        {HFA_BYTES("content-type"), HFA_BYTES("text/plain; charset=utf-8")},
        {HFA_BYTES("content-length"), {length_text, length_size}},
    };
    struct hfa_exchange *exchange = stream->exchange;

    if (stream->is_submitted) {
        hfa_http2_stream_reset(stream, NGHTTP2_CANCEL); /* too late for another answer */
        return;
    }
    bool is_head = hfa_bytes_equal(exchange->request.method, HFA_BYTES("HEAD"));
    stream->is_ended = true;
    exchange->response = HFA_RESPONSE_COMPLETE;
    note_output(stream);
    if (submit_head(stream, status_code, fields, 2, is_head) != HFA_OK ||
        (!is_head &&
         hfa_output_append(&stream->carrier.output, buffers_of(stream), text) != HFA_OK))
        hfa_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    hfa_http2_changed(stream->conn);
}

/* Bytes out. */

ssize_t hfa_http2_stream_offer(struct hfa_http2_stream *stream, size_t most, uint32_t *flags)
{
    uint64_t waiting = stream->carrier.output.length;

    if (waiting == 0 && stream->resets_when_sent) {
        hfa_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (waiting == 0 && !stream->is_ended) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (waiting > most)
        return (ssize_t)most;
    if (!stream->is_ended)
        return (ssize_t)waiting;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailer_count > 0) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(stream->conn->session, stream->id, stream->trailers,
                                   stream->trailer_count) != 0)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return (ssize_t)waiting;
}

void hfa_http2_stream_sent_head(struct hfa_http2_stream *stream)
{
    if (stream->interim_due > 0) {
        stream->interim_due--;
        return;
    }
    stream->is_head_sent = true;
    if (stream->resets_when_sent && stream->carrier.output.length == 0)
        hfa_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
}

static void feed_websocket(struct hfa_http2_stream *stream);

void hfa_http2_stream_took(struct hfa_http2_stream *stream, size_t size)
{
    struct hfa_dispatcher *dispatcher = stream->conn->carrier->dispatcher;

    stream->moved_ns = hfa_http2_now(stream->conn);
    if (size > 0)
        hfa_output_consume(&stream->carrier.output, &dispatcher->buffers, size,
                           &dispatcher->released);
    recount(stream);
    if (stream->carrier.output.length > dispatcher->limits->response_buffer / 2)
        return;
    if (stream->websocket != NULL && !stream->carrier.wants_input)
        feed_websocket(stream);
}

/* Bytes in. */

static void restart_body_window(struct hfa_http2_stream *stream)
{
    uint64_t timeout_ns = hfa_http2_limits(stream->conn)->body_timeout_ns;

    stream->body_bytes = 0;
    stream->body_until_ns = timeout_ns == 0 ? HFA_NEVER : hfa_http2_now(stream->conn) + timeout_ns;
}

/* The client may send as much more as was taken out of the buffer. */
static void acknowledge(struct hfa_http2_stream *stream)
{
    size_t held = hfa_buffer_length(&stream->exchange->body);

    if (stream->unacknowledged <= held)
        return;
    nghttp2_session_consume_stream(stream->conn->session, stream->id,
                                   stream->unacknowledged - held);
    stream->unacknowledged = held;
    hfa_http2_changed(stream->conn);
}

static void tell_disconnect(struct hfa_exchange *exchange)
{
    if (exchange->is_disconnected)
        return;
    exchange->is_disconnected = true;
    hfa_exchange_notify(exchange, HFA_EVENT_DISCONNECT);
}

/* As acknowledge(), for what nobody will read. */
static void pass_over(struct hfa_http2_stream *stream)
{
    size_t most = hfa_http2_limits(stream->conn)->discard_size;

    if (stream->unacknowledged > most - stream->discarded) {
        hfa_http2_stream_reset(stream, NGHTTP2_NO_ERROR);
        return;
    }
    stream->discarded += stream->unacknowledged;
    nghttp2_session_consume_stream(stream->conn->session, stream->id, stream->unacknowledged);
    stream->unacknowledged = 0;
    hfa_http2_changed(stream->conn);
}

void hfa_http2_stream_discard(struct hfa_http2_stream *stream)
{
    if (stream->conn->is_draining || stream->exchange->request.is_websocket) {
        hfa_http2_stream_reset(stream, NGHTTP2_NO_ERROR);
        return;
    }
    stream->is_discarding = true;
    stream->discard_until_ns =
        hfa_http2_now(stream->conn) + hfa_http2_limits(stream->conn)->linger_timeout_ns;
    pass_over(stream);
}

/* A WebSocket that is done ends its stream; the application hears of it as of a lost connection. */
static void finish_websocket(struct hfa_http2_stream *stream)
{
    struct hfa_exchange *exchange = stream->exchange;

    if (!hfa_ws_stream_is_done(stream->websocket) || stream->is_ended)
        return;
    stream->is_ended = true;
    stream->carrier.deadline_ns = HFA_NEVER;
    tell_disconnect(exchange);
    resume(stream);
}

static void feed_websocket(struct hfa_http2_stream *stream)
{
    struct hfa_buffer *input = &stream->exchange->body;

    stream->carrier.wants_input = hfa_ws_stream_wants_input(stream->websocket);
    while (hfa_buffer_length(input) > 0 && stream->carrier.wants_input) {
        size_t used = hfa_ws_stream_input(stream->websocket, input->data + input->start,
                                          hfa_buffer_length(input));
        if (used == 0)
            break;
        hfa_buffer_consume(input, buffers_of(stream), used);
    }
    acknowledge(stream);
    finish_websocket(stream);
}

void hfa_http2_stream_feed_hungry(struct hfa_http2_conn *conn)
{
    if (!conn->has_hungry)
        return;
    conn->has_hungry = false;
    for (struct hfa_http2_stream *each = conn->streams; each != NULL; each = each->next) {
        if (each->is_hungry) {
            each->is_hungry = false;
            feed_websocket(each);
        }
    }
}

enum hfa_status hfa_http2_stream_data(struct hfa_http2_stream *stream, struct hfa_bytes bytes)
{
    struct hfa_exchange *exchange = stream->exchange;

    stream->body_bytes += bytes.length;
    stream->unacknowledged += bytes.length;
    if (stream->is_discarding) {
        pass_over(stream);
        return HFA_OK;
    }
    if (exchange->response == HFA_RESPONSE_COMPLETE || stream->is_ended) {
        acknowledge(stream); /* nobody wants it */
        return HFA_OK;
    }
    enum hfa_status status = hfa_buffer_append(&exchange->body, buffers_of(stream), bytes);
    if (status != HFA_OK)
        return status;
    if (stream->websocket != NULL)
        feed_websocket(stream);
    else
        hfa_exchange_notify(exchange, HFA_EVENT_BODY);
    return HFA_OK;
}

void hfa_http2_stream_end_data(struct hfa_http2_stream *stream)
{
    struct hfa_exchange *exchange = stream->exchange;

    stream->peer_ended = true;
    exchange->body_complete = true;
    if (!exchange->request.is_websocket) {
        hfa_exchange_notify(exchange, HFA_EVENT_BODY);
        return;
    }
    /* RFC 8441 5: what the end of a TCP connection is to a WebSocket. */
    tell_disconnect(exchange);
    if (stream->websocket != NULL) {
        stream->is_ended = true;
        stream->carrier.deadline_ns = HFA_NEVER;
        resume(stream);
    }
}

static void op_resume_body(struct hfa_exchange *exchange)
{
    struct hfa_http2_stream *stream = exchange->stream;

    if (stream->websocket != NULL) {
        stream->is_hungry = stream->conn->has_hungry = true;
        hfa_http2_changed(stream->conn);
        return;
    }
    size_t most = hfa_http2_limits(stream->conn)->request_buffer;
    bool was_full = stream->unacknowledged >= most;
    acknowledge(stream);
    if (was_full && stream->unacknowledged < most)
        restart_body_window(stream); /* the client is not to blame for the pause */
}

static bool begin_websocket(struct hfa_http2_stream *stream)
{
    struct hfa_request *request = &stream->exchange->request;
    struct hfa_ws_refusal refusal;

    if (hfa_ws_handshake_check_connect(request->fields, request->field_count, &refusal) == HFA_OK) {
        request->is_websocket = true;
        return true;
    }
    hfa_http2_stream_refuse(stream, refusal.http_status, refusal.reason);
    return false;
}

void hfa_http2_stream_begin(struct hfa_http2_stream *stream, bool ends)
{
    struct hfa_http2_conn *conn = stream->conn;
    struct hfa_bytes protocol = conn->head.protocol;
    int status_code = 0;

    stream->peer_ended = ends;
    enum hfa_status status = hfa_field_section_finish(&conn->head, !ends, HFA_HTTP_2, &status_code);
    if (status != HFA_OK) {
        hfa_http2_stream_refuse(stream, status_code,
                                status_code == 400 ? HFA_BYTES("Invalid HTTP request received.")
                                                   : hfa_status_phrase(status_code));
        return;
    }
    restart_body_window(stream);
    if (hfa_dispatcher_is_full(conn->carrier->dispatcher)) {
        hfa_http2_stream_refuse(stream, 503, hfa_status_phrase(503));
        return;
    }
    if (protocol.length > 0 && !hfa_bytes_equal(protocol, HFA_BYTES("websocket"))) {
        hfa_http2_stream_refuse(stream, 501, hfa_status_phrase(501));
        return;
    }
    if (protocol.length > 0 && !begin_websocket(stream))
        return;
    if (stream->exchange->request.is_websocket)
        stream->exchange->wants_continue = false;
    conn->carrier->dispatcher->counters.h2_streams++;
    hfa_exchange_notify(stream->exchange, HFA_EVENT_REQUEST);
}

/* WebSockets and ends. */

/* The fields of the answer that accepts a WebSocket: what was agreed on, and the application's. */
static enum hfa_status add_extensions(struct hfa_http2_stream *stream,
                                      const struct hfa_field **fields, size_t *count)
{
    struct hfa_bytes extensions = hfa_ws_stream_extensions(stream->websocket);

    if (extensions.length == 0)
        return HFA_OK;
    struct hfa_field *all = hfa_arena_alloc(&stream->exchange->arena, (*count + 1) * sizeof(*all));
    if (all == NULL)
        return HFA_ERR_NO_MEMORY;
    all[0] = (struct hfa_field){HFA_BYTES("sec-websocket-extensions"), extensions};
    if (*count > 0)
        memcpy(all + 1, *fields, *count * sizeof(*all));
    *fields = all;
    ++*count;
    return HFA_OK;
}

static enum hfa_status op_accept(struct hfa_exchange *exchange, const struct hfa_field *fields,
                                 size_t field_count)
{
    struct hfa_http2_stream *stream = exchange->stream;

    if (stream->websocket == NULL)
        stream->websocket = hfa_ws_stream_new(&stream->carrier, exchange);
    if (stream->websocket == NULL)
        return HFA_ERR_NO_MEMORY;
    enum hfa_status status = add_extensions(stream, &fields, &field_count);
    if (status != HFA_OK)
        return status;
    stream->has_body = true;
    status = submit_head(stream, 200, fields, field_count, false);
    if (status != HFA_OK)
        return status;
    exchange->response = HFA_RESPONSE_STARTED;
    exchange->websocket_accepted = true;
    hfa_ws_stream_start(stream->websocket);
    on_websocket_change(&stream->carrier);
    feed_websocket(stream);
    return HFA_OK;
}

static enum hfa_status op_send_message(struct hfa_exchange *exchange, enum hfa_message_kind kind,
                                       struct hfa_bytes bytes, void *owner)
{
    struct hfa_http2_stream *stream = exchange->stream;

    note_output(stream);
    enum hfa_status status = hfa_ws_stream_send(stream->websocket, kind, bytes, owner);
    finish_websocket(stream);
    return status;
}

static enum hfa_status op_send_close(struct hfa_exchange *exchange, uint16_t code,
                                     struct hfa_bytes reason)
{
    struct hfa_http2_stream *stream = exchange->stream;

    note_output(stream);
    return hfa_ws_stream_send_close(stream->websocket, code, reason);
}

static void op_abort(struct hfa_exchange *exchange)
{
    struct hfa_http2_stream *stream = exchange->stream;

    if (stream->websocket != NULL) {
        hfa_ws_stream_forget_exchange(stream->websocket);
        finish_websocket(stream);
        return;
    }
    bool is_all_sent = stream->is_head_sent && stream->carrier.output.length == 0;
    if (!stream->is_submitted || is_all_sent) {
        hfa_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    stream->resets_when_sent = true; /* what was sent before still arrives */
    resume(stream);
}

static const struct hfa_exchange_ops http2_ops = {
    .start = op_start,
    .write = op_write,
    .respond = hfa_exchange_respond_in_steps,
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

/* Too little of a body that is awaited has come. */
static void check_body(struct hfa_http2_stream *stream)
{
    const struct hfa_limits *limits = hfa_http2_limits(stream->conn);
    uint64_t least = limits->body_rate * (limits->body_timeout_ns / HFA_NS_PER_MS) / 1000;
    bool is_awaited = !stream->peer_ended && !stream->exchange->request.is_websocket &&
                      !stream->exchange->wants_continue &&
                      stream->unacknowledged < limits->request_buffer;

    if (hfa_http2_now(stream->conn) < stream->body_until_ns)
        return;
    if (!is_awaited || stream->body_bytes >= (least > 0 ? least : 1)) {
        restart_body_window(stream);
        return;
    }
    hfa_http2_stream_refuse(stream, 408, hfa_status_phrase(408));
    tell_disconnect(stream->exchange);
}

void hfa_http2_stream_check_time(struct hfa_http2_stream *stream)
{
    struct hfa_http2_conn *conn = stream->conn;
    uint64_t now_ns = hfa_http2_now(conn);
    uint64_t write_timeout_ns = hfa_http2_limits(conn)->write_timeout_ns;

    if (stream->is_reset || stream == conn->receiving)
        return;
    if (stream->is_discarding) {
        if (now_ns >= stream->discard_until_ns)
            hfa_http2_stream_reset(stream, NGHTTP2_NO_ERROR);
        return;
    }
    if (stream->carrier.output.length > 0 && write_timeout_ns > 0 &&
        now_ns >= stream->moved_ns + write_timeout_ns) {
        conn->carrier->dispatcher->counters.h2_stalled_streams++;
        hfa_http2_stream_reset(stream, NGHTTP2_CANCEL);
        return;
    }
    if (stream->websocket == NULL)
        check_body(stream);
    else if (now_ns >= stream->carrier.deadline_ns) {
        hfa_ws_stream_on_timeout(stream->websocket);
        finish_websocket(stream);
    }
}

void hfa_http2_stream_shutdown(struct hfa_http2_stream *stream)
{
    if (stream == stream->conn->receiving)
        return;
    if (stream->is_discarding) {
        hfa_http2_stream_reset(stream, NGHTTP2_NO_ERROR);
        return;
    }
    if (stream->websocket != NULL) {
        hfa_ws_stream_shutdown(stream->websocket);
        finish_websocket(stream);
    } else if (stream->exchange->response != HFA_RESPONSE_COMPLETE) {
        hfa_exchange_notify(stream->exchange, HFA_EVENT_SHUTDOWN);
    }
}
