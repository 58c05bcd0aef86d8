#include "http2_conn.h"

#include <stdlib.h>

#include "http2_state.h"

/* How often the streams' time-outs are looked at. */
#define TICK_NS HFA_NS_PER_S
/* What a client may send on all streams together before we take any. */
#define CONNECTION_WINDOW (1024 * 1024)
/* A stream's window is limits->request_buffer, but so much at least. */
#define STREAM_WINDOW_MIN 16384
/* After so many frames of one piece of input, what they call for is put into the output: it is
 * counted there, and a client that goes too far has no more of its input looked at. */
#define FRAMES_AT_ONCE 32
/* What one call of input() may cost before the rest waits for another turn, in which other
 * connections have theirs. A unit is what one byte of a field costs to be unpacked and checked: a
 * few instructions. As many requests as a client may have under way are within it. */
#define WORK_MAX    ((size_t)128 * 1024)
#define WORK_FRAME  128
#define WORK_STREAM 1024
#define WORK_FIELD  32
/* A byte of HPACK may stand for a whole table: so many are unpacked between two looks at the work.
 */
#define HEAD_PIECE 32

static struct hfa_http2_stream *find_stream(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static uint64_t after(const struct hfa_http2_conn *conn, uint64_t timeout_ns)
{
    return timeout_ns == 0 ? HFA_NEVER : hfa_http2_now(conn) + timeout_ns;
}

static uint64_t earlier(uint64_t left_ns, uint64_t right_ns)
{
    return left_ns < right_ns ? left_ns : right_ns;
}

/* What the connection waits for at most. A WebSocket's own deadline brings the tick forward. */
static void set_deadline(struct hfa_http2_conn *conn)
{
    uint64_t deadline_ns = earlier(conn->head_until_ns, conn->goaway_ns);

    if (conn->streams == NULL)
        conn->tick_ns = HFA_NEVER;
    else if (conn->tick_ns == HFA_NEVER)
        conn->tick_ns = hfa_http2_now(conn) + TICK_NS;
    conn->carrier->deadline_ns =
        earlier(deadline_ns, conn->streams == NULL ? conn->idle_until_ns : conn->tick_ns);
}

/* Looks at every stream's time-outs, and when to look again. */
static void tick(struct hfa_http2_conn *conn)
{
    struct hfa_http2_stream *next = NULL;

    conn->tick_ns = hfa_http2_now(conn) + TICK_NS;
    for (struct hfa_http2_stream *each = conn->streams; each != NULL; each = next) {
        next = each->next;
        hfa_http2_stream_check_time(each);
        conn->tick_ns = earlier(conn->tick_ns, each->carrier.deadline_ns);
    }
}

/* A connection error. The return value ends nghttp2's reading. */
static int condemn(struct hfa_http2_conn *conn, uint32_t error_code)
{
    conn->is_condemned = true;
    nghttp2_session_terminate_session(conn->session, error_code);
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int spend(struct hfa_http2_conn *conn, enum hfa_http2_cost cost)
{
    if (hfa_http2_guard_spend(&conn->guard, cost, hfa_http2_now(conn)) == HFA_OK)
        return 0;
    return condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void remember_reset(struct hfa_http2_conn *conn, int32_t id)
{
    conn->reset_ids[conn->reset_count++ % HFA_HTTP2_RESETS_KEPT] = id;
}

static bool was_reset(const struct hfa_http2_conn *conn, int32_t id)
{
    unsigned kept =
        conn->reset_count < HFA_HTTP2_RESETS_KEPT ? conn->reset_count : HFA_HTTP2_RESETS_KEPT;

    for (unsigned i = 0; i < kept; i++) {
        if (conn->reset_ids[i] == id)
            return true;
    }
    return false;
}

/* RFC 9113 5.1: nothing may come on a stream that the client has ended or passed over; nghttp2,
 * which keeps no closed streams, would let it pass. */
static int check_stream(struct hfa_http2_conn *conn, const struct hfa_http2_frame_head *head)
{
    if (head->stream_id > conn->last_id) {
        if (head->type == NGHTTP2_HEADERS)
            conn->last_id = head->stream_id;
        return 0;
    }
    if (head->stream_id == 0 || nghttp2_session_find_stream(conn->session, head->stream_id) != NULL)
        return 0; /* nghttp2 knows what to do */
    if (was_reset(conn, head->stream_id))
        return 0;
    return condemn(conn, NGHTTP2_STREAM_CLOSED);
}

/* Judges a frame before nghttp2 sees it, so that those count as well that it would pass over. */
static int check_frame(struct hfa_http2_conn *conn, const struct hfa_http2_frame_head *head)
{
    bool is_answer = (head->flags & NGHTTP2_FLAG_ACK) != 0;

    switch (head->type) {
    case NGHTTP2_HEADERS:
        hfa_http2_guard_begin_head(&conn->guard);
        return check_stream(conn, head);
    case NGHTTP2_CONTINUATION:
        return spend(conn, HFA_HTTP2_CONTINUATION);
    case NGHTTP2_DATA:
        if (head->length == 0 && !(head->flags & NGHTTP2_FLAG_END_STREAM) &&
            spend(conn, HFA_HTTP2_EMPTY) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        return check_stream(conn, head);
    case NGHTTP2_RST_STREAM:
        return spend(conn, HFA_HTTP2_RESET);
    case NGHTTP2_SETTINGS:
        return is_answer ? 0 : spend(conn, HFA_HTTP2_SETTINGS);
    case NGHTTP2_PING:
        return is_answer ? 0 : spend(conn, HFA_HTTP2_PING);
    case NGHTTP2_WINDOW_UPDATE:
        return spend(conn, HFA_HTTP2_WINDOW);
    case NGHTTP2_PRIORITY:
        /* RFC 9113 6.3; RFC 7540 5.3.1. */
        if (head->stream_id == 0 || head->stream_id == head->dependency)
            return condemn(conn, NGHTTP2_PROTOCOL_ERROR);
        return spend(conn, HFA_HTTP2_PRIORITY);
    default:
        /* PRIORITY_UPDATE. Unknown types are to be ignored (RFC 9113 5.5), but are not free. */
        return spend(conn, HFA_HTTP2_PRIORITY);
    }
}

static void end_head(struct hfa_http2_conn *conn)
{
    hfa_field_section_end(&conn->head);
    conn->receiving = NULL;
    conn->head_until_ns = HFA_NEVER;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (conn->receiving != NULL)
        end_head(conn); /* it was broken: nghttp2 has yet to reset its stream */
    struct hfa_http2_stream *stream = hfa_http2_stream_new(conn, frame->hd.stream_id);
    if (stream == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, stream->id, stream);
    if (hfa_field_section_begin(&conn->head, stream->exchange) != HFA_OK)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    conn->had_stream = true;
    conn->receiving = stream;
    conn->head_until_ns = after(conn, hfa_http2_limits(conn)->head_timeout_ns);
    return 0;
}

static struct hfa_bytes bytes_of(nghttp2_rcbuf *buffer)
{
    nghttp2_vec vec = nghttp2_rcbuf_get_buf(buffer);

    return (struct hfa_bytes){(const char *)vec.base, vec.len};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;
    struct hfa_bytes name_text = bytes_of(name);
    struct hfa_bytes value_text = bytes_of(value);

    conn->work += WORK_FIELD + name_text.length + value_text.length;
    /* Trailers were checked by nghttp2 and are of no use to ASGI. */
    if (conn->receiving == NULL || conn->receiving->id != frame->hd.stream_id)
        return 0;
    enum hfa_status status = hfa_field_section_add(&conn->head, name_text,
                                                   nghttp2_rcbuf_is_static(name) != 0, value_text);
    if (status == HFA_ERR_LIMIT) {
        conn->carrier->dispatcher->counters.h2_head_floods++;
        return condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return status == HFA_OK ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A field that nghttp2 would pass over: the request is not what its sender meant. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;

    if (conn->receiving != NULL)
        conn->head.is_malformed = true;
    /* It counts all the same: named by one byte, it was unpacked and looked through as others. */
    return on_header(session, frame, name, value, flags, opaque);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct hfa_http2_stream *stream = NULL;

    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    stream = find_stream(session, frame->hd.stream_id);
    if (stream == NULL)
        return 0;
    if (stream == conn->receiving) {
        conn->receiving = NULL; /* from here on it is like any other */
        hfa_http2_stream_begin(stream, ends);
        end_head(conn);
    } else if (ends) {
        hfa_http2_stream_end_data(stream);
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t length, void *opaque)
{
    struct hfa_http2_stream *stream = find_stream(session, id);

    /* One slow request does not keep the others' bytes from coming: only streams wait. */
    nghttp2_session_consume_connection(session, length);
    if (stream == NULL)
        return 0;
    if (hfa_http2_stream_data(stream, (struct hfa_bytes){(const char *)data, length}) != HFA_OK)
        hfa_http2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;
    struct hfa_http2_stream *stream = find_stream(session, id);

    if (stream == NULL)
        return 0;
    if (stream == conn->receiving)
        end_head(conn);
    hfa_http2_stream_close(stream, error_code != NGHTTP2_NO_ERROR);
    if (conn->streams == NULL)
        conn->idle_until_ns = after(conn, hfa_http2_limits(conn)->idle_timeout_ns);
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;
    struct hfa_http2_stream *stream = NULL;

    switch (frame->hd.type) {
    case NGHTTP2_RST_STREAM:
        stream = find_stream(session, frame->hd.stream_id);
        remember_reset(conn, frame->hd.stream_id);
        if ((stream != NULL && stream->is_reset) ||
            frame->rst_stream.error_code == NGHTTP2_NO_ERROR)
            return 0;
        return spend(conn, frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM
                               ? HFA_HTTP2_RESET
                               : HFA_HTTP2_ERROR);
    case NGHTTP2_DATA:
        hfa_http2_guard_allow_window(&conn->guard);
        hfa_http2_guard_allow_window(&conn->guard); /* the stream's and the connection's */
        break;
    case NGHTTP2_HEADERS:
        break;
    default:
        return 0;
    }
    stream = find_stream(session, frame->hd.stream_id);
    if (stream != NULL && frame->hd.type == NGHTTP2_HEADERS)
        hfa_http2_stream_sent_head(stream);
    if (stream != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !stream->peer_ended)
        hfa_http2_stream_discard(stream);
    return 0;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t length, nghttp2_data_source *source, void *opaque)
{
    struct hfa_http2_conn *conn = opaque;
    struct hfa_http2_stream *stream = source->ptr;
    struct hfa_output *output = &conn->carrier->output;
    char *at = NULL;

    if (hfa_output_reserve(output, &conn->carrier->dispatcher->buffers,
                           HFA_HTTP2_FRAME_HEAD_SIZE + length, &at) != HFA_OK)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memcpy(at, head, HFA_HTTP2_FRAME_HEAD_SIZE);
    if (hfa_output_copy(&stream->carrier.output, at + HFA_HTTP2_FRAME_HEAD_SIZE, length) != HFA_OK)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    hfa_output_commit(output, HFA_HTTP2_FRAME_HEAD_SIZE + length);
    hfa_http2_stream_took(stream, length);
    return 0;
}

/* Puts frames into the output, up to what it may hold. */
static void pump(struct hfa_http2_conn *conn)
{
    struct hfa_carrier *carrier = conn->carrier;
    uint64_t most = hfa_http2_limits(conn)->response_buffer;

    conn->has_more = false;
    for (;;) {
        const uint8_t *frame = NULL;
        if (carrier->output.length >= most && !conn->is_broken) {
            conn->has_more = nghttp2_session_want_write(conn->session) != 0;
            break;
        }
        ssize_t length = nghttp2_session_mem_send(conn->session, &frame);
        if (length > 0 &&
            hfa_output_append(&carrier->output, &carrier->dispatcher->buffers,
                              (struct hfa_bytes){(const char *)frame, (size_t)length}) != HFA_OK)
            length = NGHTTP2_ERR_NOMEM;
        if (length <= 0) {
            conn->is_broken |= length < 0;
            break;
        }
    }
    hfa_http2_stream_resume_writing(conn);
}

static void http2_prepare_output(void *engine)
{
    struct hfa_http2_conn *conn = engine;
    struct hfa_carrier *carrier = conn->carrier;

    if (carrier->wants_close)
        return;
    hfa_http2_stream_feed_hungry(conn);
    if (conn->is_draining && conn->streams == NULL && !conn->said_goodbye && conn->had_stream) {
        conn->said_goodbye = true;
        nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR);
    }
    pump(conn);
    set_deadline(conn);
    /* A peer that does not read gets no more answers to what it sends. */
    carrier->wants_input = !conn->is_broken && !conn->has_more;
    if (conn->is_broken || (nghttp2_session_want_read(conn->session) == 0 &&
                            nghttp2_session_want_write(conn->session) == 0)) {
        carrier->wants_input = false;
        carrier->wants_close = true;
        carrier->wants_linger = true;
        carrier->deadline_ns = HFA_NEVER;
    }
}

/* The client will send no more: what it waits for is still sent. */
static void end_input(struct hfa_http2_conn *conn)
{
    struct hfa_http2_stream *next = NULL;

    for (struct hfa_http2_stream *each = conn->streams; each != NULL; each = next) {
        next = each->next;
        if (each == conn->receiving || !each->peer_ended)
            hfa_http2_stream_reset(each, NGHTTP2_CANCEL);
        else if (!each->exchange->is_disconnected) {
            each->exchange->is_disconnected = true;
            hfa_exchange_notify(each->exchange, HFA_EVENT_DISCONNECT);
        }
    }
    conn->is_draining = true;
    conn->had_stream = true;
}

/* Requests that the application has not seen yet are not worth its while. */
static void cancel_streams(struct hfa_http2_conn *conn)
{
    for (struct hfa_http2_stream *each = conn->streams; each != NULL; each = each->next)
        hfa_exchange_cancel(each->exchange);
}

/* Their exchanges end; nghttp2 forgets them with the session. */
static void close_streams(struct hfa_http2_conn *conn)
{
    if (conn->receiving != NULL)
        end_head(conn);
    while (conn->streams != NULL) {
        struct hfa_http2_stream *stream = conn->streams;
        nghttp2_session_set_stream_user_data(conn->session, stream->id, NULL);
        hfa_http2_stream_close(stream, conn->is_condemned);
    }
}

/* Gives nghttp2 a piece that lies in one frame. */
static void receive(struct hfa_http2_conn *conn, const char *data, size_t length)
{
    ssize_t taken = nghttp2_session_mem_recv(conn->session, (const uint8_t *)data, length);

    if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        condemn(conn, NGHTTP2_PROTOCOL_ERROR);
    conn->is_broken |= taken < 0;
}

/* Takes what there is of the frame at hand, or of the next one once its head is here. Returns how
 * much was taken. */
static size_t input_frame(struct hfa_http2_conn *conn, struct hfa_bytes input)
{
    struct hfa_http2_frame_head head;
    size_t taken = 0;

    if (conn->frame_left == 0) {
        if (!hfa_http2_frame_head_read(input, &head))
            return 0;
        if (check_frame(conn, &head) != 0) {
            conn->is_broken = true;
            return 0;
        }
        taken = HFA_HTTP2_FRAME_HEAD_SIZE;
        conn->frame_left = head.length;
        conn->is_in_head = head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION;
        conn->work += WORK_FRAME + (head.type == NGHTTP2_HEADERS ? WORK_STREAM : 0);
    }
    size_t payload = input.length - taken;
    if (payload > conn->frame_left)
        payload = conn->frame_left;
    if (conn->is_in_head && payload > HEAD_PIECE)
        payload = HEAD_PIECE;
    conn->frame_left -= payload;
    size_t work = conn->work;
    receive(conn, input.data, taken + payload);
    /* nghttp2 unpacks the fields of a refused stream, too, and tells nobody. */
    if (conn->is_in_head && conn->receiving == NULL && conn->work == work)
        conn->work += WORK_FIELD * payload;
    return taken + payload;
}

/* Whether what comes next is work for another turn. Frames that may take a request back belong to
 * the turn of that request: they are cheap, and how many there may be is bounded. */
static bool is_for_later(const struct hfa_http2_conn *conn, struct hfa_bytes input)
{
    struct hfa_http2_frame_head head;

    if (conn->work < WORK_MAX)
        return false;
    if (conn->frame_left > 0 || !hfa_http2_frame_head_read(input, &head))
        return true;
    return head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION ||
           head.type == NGHTTP2_DATA;
}

static enum hfa_status http2_input(void *engine, char *data, size_t length, bool eof,
                                   size_t *consumed)
{
    struct hfa_http2_conn *conn = engine;
    size_t at = 0;

    conn->work = 0;
    conn->carrier->wants_turn = false;
    for (unsigned frames = 1; at < length && !conn->is_broken; frames++) {
        struct hfa_bytes rest = {data + at, length - at};
        conn->carrier->wants_turn = is_for_later(conn, rest);
        size_t taken = conn->carrier->wants_turn ? 0 : input_frame(conn, rest);
        if (taken == 0)
            break;
        at += taken;
        if (frames % FRAMES_AT_ONCE == 0 && nghttp2_session_want_write(conn->session) != 0)
            pump(conn);
    }
    /* What a client's faults have reset must not reach the application first. */
    pump(conn);
    if (conn->is_condemned)
        cancel_streams(conn);
    /* Its GOAWAY is all that a broken connection still sends. */
    if (conn->is_broken) {
        at = length;
        conn->carrier->wants_input = false;
    }
    if (conn->carrier->wants_turn)
        conn->carrier->dispatcher->counters.h2_yields++;
    *consumed = at;
    if (length > 0)
        conn->idle_until_ns = after(conn, hfa_http2_limits(conn)->idle_timeout_ns);
    if (eof && !conn->carrier->wants_turn)
        end_input(conn);
    hfa_http2_changed(conn);
    return HFA_OK;
}

static void say_goodbye(struct hfa_http2_conn *conn)
{
    conn->goaway_ns = HFA_NEVER;
    if (conn->said_goodbye)
        return;
    conn->said_goodbye = true;
    nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(conn->session), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

static void http2_on_timeout(void *engine)
{
    struct hfa_http2_conn *conn = engine;
    uint64_t now_ns = hfa_http2_now(conn);

    if (now_ns >= conn->goaway_ns)
        say_goodbye(conn);
    if (now_ns >= conn->head_until_ns || (conn->streams == NULL && now_ns >= conn->idle_until_ns)) {
        conn->head_until_ns = conn->idle_until_ns = HFA_NEVER;
        conn->said_goodbye = true;
        nghttp2_session_terminate_session(conn->session, NGHTTP2_NO_ERROR);
    }
    if (now_ns >= conn->tick_ns)
        tick(conn);
    set_deadline(conn);
    hfa_http2_changed(conn);
}

static void http2_on_drained(void *engine)
{
    struct hfa_http2_conn *conn = engine;

    if (conn->has_more || conn->has_paused)
        hfa_http2_changed(conn);
}

static void http2_on_closed(void *engine)
{
    struct hfa_http2_conn *conn = engine;

    conn->is_broken = true;
    close_streams(conn);
}

static void http2_shutdown(void *engine)
{
    struct hfa_http2_conn *conn = engine;
    struct hfa_http2_stream *next = NULL;

    if (conn->is_draining)
        return;
    conn->is_draining = true;
    /* RFC 9113 6.8: first that an end is near, then which requests were the last. A client that
     * has just connected may ask once. */
    conn->goaway_ns = after(conn, hfa_http2_limits(conn)->linger_timeout_ns / 4);
    if (conn->streams != NULL || !conn->had_stream)
        nghttp2_submit_shutdown_notice(conn->session);
    for (struct hfa_http2_stream *each = conn->streams; each != NULL; each = next) {
        next = each->next;
        hfa_http2_stream_shutdown(each);
    }
    set_deadline(conn);
}

static void http2_free(void *engine)
{
    struct hfa_http2_conn *conn = engine;

    http2_on_closed(conn);
    nghttp2_session_del(conn->session);
    free(conn);
}

const struct hfa_protocol hfa_http2_protocol = {
    .name = "h2",
    .input = http2_input,
    .prepare_output = http2_prepare_output,
    .on_timeout = http2_on_timeout,
    .on_drained = http2_on_drained,
    .on_closed = http2_on_closed,
    .shutdown = http2_shutdown,
    .free = http2_free,
};

static void set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
}

static void set_options(nghttp2_option *option, const struct hfa_limits *limits)
{
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
#ifdef HFA_NGHTTP2_LIMITS
    /* Its own bounds stand above ours, which are counted. */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    nghttp2_option_set_max_continuations(option, (size_t)limits->h2_continuations + 1);
#endif
}

static int make_session(struct hfa_http2_conn *conn)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int error = nghttp2_session_callbacks_new(&callbacks);

    if (error == 0)
        error = nghttp2_option_new(&option);
    if (error == 0) {
        set_callbacks(callbacks);
        set_options(option, hfa_http2_limits(conn));
        error = nghttp2_session_server_new2(&conn->session, callbacks, conn, option);
    }
    if (error != 0)
        conn->session = NULL; /* nghttp2 has freed what it leaves there */
    if (option != NULL)
        nghttp2_option_del(option);
    if (callbacks != NULL)
        nghttp2_session_callbacks_del(callbacks);
    return error;
}

static int introduce(struct hfa_http2_conn *conn)
{
    const struct hfa_limits *limits = hfa_http2_limits(conn);
    size_t window = limits->request_buffer;

    if (window < STREAM_WINDOW_MIN)
        window = STREAM_WINDOW_MIN;
    if (window > NGHTTP2_MAX_WINDOW_SIZE)
        window = NGHTTP2_MAX_WINDOW_SIZE;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->h2_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->head_size},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int error = nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings,
                                        sizeof(settings) / sizeof(settings[0]));
    if (error == 0)
        error = nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
                                                      CONNECTION_WINDOW);
    return error;
}

struct hfa_http2_conn *hfa_http2_conn_new(struct hfa_carrier *carrier)
{
    struct hfa_http2_conn *conn = calloc(1, sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->carrier = carrier;
    conn->head_until_ns = conn->goaway_ns = conn->tick_ns = HFA_NEVER;
    conn->frame_left = sizeof(HFA_HTTP2_PREFACE) - 1;
    hfa_http2_guard_init(&conn->guard, hfa_http2_limits(conn), &carrier->dispatcher->counters);
    if (make_session(conn) != 0 || introduce(conn) != 0) {
        nghttp2_session_del(conn->session);
        free(conn);
        return NULL;
    }
    conn->idle_until_ns = after(conn, hfa_http2_limits(conn)->idle_timeout_ns);
    carrier->dispatcher->counters.h2_connections++;
    carrier->wants_input = true;
    carrier->wants_close = carrier->wants_linger = false;
    set_deadline(conn);
    return conn;
}

const char *hfa_http2_library(void)
{
    static char text[32];

    if (text[0] == '\0') {
        strcpy(text, "nghttp2 ");
        strncat(text, nghttp2_version(0)->version_str, sizeof(text) - strlen(text) - 1);
    }
    return text;
}
