#include "ws_stream.h"

#include <stdlib.h>

#include "ws_conn.h"
#include "ws_extension.h"

/* How long the peer may take to answer our close frame. */
#define CLOSE_TIMEOUT_NS (10 * HFA_NS_PER_S)

#define CLOSE_INTERNAL_ERROR  1011
#define CLOSE_SERVICE_RESTART 1012

struct hfa_ws_stream {
    struct hfa_carrier *carrier;
    struct hfa_exchange *exchange; /* NULL once the application has let go */
    struct hfa_ws_conn codec;
    bool is_done;
    bool awaits_pong;
    char ping_payload[4];
    uint64_t ping_due_ns; /* the next ping, or the pong's deadline */
    size_t extensions_length;
    char extensions[HFA_WS_EXTENSION_MAX];
};

static const struct hfa_limits *limits_of(const struct hfa_ws_stream *stream)
{
    return stream->carrier->dispatcher->limits;
}

static enum hfa_status agree_on_extensions(struct hfa_ws_stream *stream,
                                           const struct hfa_request *request)
{
    unsigned window_bits = limits_of(stream)->deflate_window_bits;
    struct hfa_ws_deflate_terms terms;

    if (window_bits == 0 || !hfa_ws_deflate_is_available() ||
        !hfa_ws_extension_choose(request->fields, request->field_count, window_bits, &terms,
                                 stream->extensions, &stream->extensions_length))
        return HFA_OK;
    struct hfa_ws_deflate *deflate = hfa_ws_deflate_new(&terms);
    if (deflate == NULL)
        return HFA_ERR_NO_MEMORY;
    hfa_ws_conn_use_deflate(&stream->codec, deflate);
    return HFA_OK;
}

struct hfa_ws_stream *hfa_ws_stream_new(struct hfa_carrier *carrier, struct hfa_exchange *exchange)
{
    struct hfa_ws_stream *stream = calloc(1, sizeof(*stream));

    if (stream == NULL)
        return NULL;
    struct hfa_ws_limits limits = {.message_size = carrier->dispatcher->limits->message_size};
    hfa_ws_conn_init(&stream->codec, &limits);
    stream->carrier = carrier;
    stream->exchange = exchange;
    stream->ping_due_ns = HFA_NEVER;
    if (agree_on_extensions(stream, &exchange->request) != HFA_OK) {
        hfa_ws_stream_free(stream);
        return NULL;
    }
    return stream;
}

struct hfa_bytes hfa_ws_stream_extensions(const struct hfa_ws_stream *stream)
{
    return (struct hfa_bytes){stream->extensions, stream->extensions_length};
}

void hfa_ws_stream_free(struct hfa_ws_stream *stream)
{
    hfa_ws_conn_free(&stream->codec);
    free(stream);
}

static void set_deadline(struct hfa_ws_stream *stream, uint64_t deadline_ns)
{
    stream->ping_due_ns = deadline_ns;
    stream->carrier->deadline_ns = deadline_ns;
}

static void schedule_ping(struct hfa_ws_stream *stream)
{
    uint64_t interval_ns = limits_of(stream)->ping_interval_ns;

    stream->awaits_pong = false;
    set_deadline(stream, interval_ns == 0 ? HFA_NEVER : *stream->carrier->now_ns + interval_ns);
}

void hfa_ws_stream_start(struct hfa_ws_stream *stream)
{
    schedule_ping(stream);
}

/* A frame that cannot be queued for want of memory ends the connection. */
static void put(struct hfa_ws_stream *stream, const char *frame, size_t length)
{
    if (hfa_output_append(&stream->carrier->output, &stream->carrier->dispatcher->buffers,
                          (struct hfa_bytes){frame, length}) != HFA_OK)
        stream->is_done = true;
    stream->carrier->on_change(stream->carrier);
}

static void push_close(struct hfa_ws_stream *stream, unsigned code, struct hfa_bytes reason)
{
    struct hfa_message close = {
        .kind = HFA_MESSAGE_CLOSE, .close_code = (uint16_t)code, .length = reason.length};

    if (stream->exchange != NULL &&
        hfa_exchange_push_message(stream->exchange, &close, reason.data) != HFA_OK)
        stream->is_done = true;
}

static void push_data(struct hfa_ws_stream *stream, const struct hfa_ws_event *event)
{
    struct hfa_message message = {.kind = event->type == HFA_WS_EVENT_TEXT ? HFA_MESSAGE_TEXT
                                                                           : HFA_MESSAGE_BINARY,
                                  .is_ascii = event->is_ascii,
                                  .length = event->data.length};

    if (stream->exchange != NULL &&
        hfa_exchange_push_message(stream->exchange, &message, event->data.data) != HFA_OK)
        stream->is_done = true;
}

static void put_close(struct hfa_ws_stream *stream, unsigned code, struct hfa_bytes reason)
{
    char frame[HFA_WS_CONTROL_FRAME_MAX];
    struct hfa_ws_close close = {.code = (unsigned short)code, .reason = reason};
    size_t length = 0;

    if (hfa_ws_conn_close(&stream->codec, close, frame, &length) == HFA_OK)
        put(stream, frame, length);
}

static void on_event(struct hfa_ws_stream *stream, const struct hfa_ws_event *event)
{
    char frame[HFA_WS_CONTROL_FRAME_MAX];
    size_t length = 0;

    switch (event->type) {
    case HFA_WS_EVENT_TEXT:
    case HFA_WS_EVENT_BINARY:
        push_data(stream, event);
        break;
    case HFA_WS_EVENT_PING:
        if (hfa_ws_conn_pong(&stream->codec, event->data, frame, &length) == HFA_OK)
            put(stream, frame, length);
        break;
    case HFA_WS_EVENT_PONG:
        /* Only the answer to our last ping says that the peer lives. */
        if (stream->awaits_pong && event->data.length == sizeof(stream->ping_payload) &&
            memcmp(event->data.data, stream->ping_payload, sizeof(stream->ping_payload)) == 0)
            schedule_ping(stream);
        break;
    case HFA_WS_EVENT_CLOSE:
        push_close(stream, event->code, event->data);
        if (hfa_ws_conn_close_reply(&stream->codec, frame, &length) == HFA_OK)
            put(stream, frame, length);
        stream->is_done = true;
        break;
    case HFA_WS_EVENT_FAULT:
        push_close(stream, event->code, event->data);
        put_close(stream, event->code, event->data);
        stream->is_done = true;
        break;
    }
}

size_t hfa_ws_stream_input(struct hfa_ws_stream *stream, char *data, size_t length)
{
    size_t used = 0;

    while (!stream->is_done && hfa_ws_stream_wants_input(stream)) {
        struct hfa_ws_event event;
        size_t consumed = 0;
        enum hfa_status status =
            hfa_ws_conn_input(&stream->codec, data + used, length - used, &consumed, &event);
        used += consumed;
        if (status == HFA_AGAIN)
            break;
        on_event(stream, &event);
        if (hfa_ws_conn_is_closed(&stream->codec))
            stream->is_done = true;
    }
    if (stream->exchange != NULL)
        stream->exchange->is_followed = used < length && !stream->is_done;
    stream->carrier->wants_input = hfa_ws_stream_wants_input(stream);
    return stream->is_done ? length : used;
}

bool hfa_ws_stream_wants_input(const struct hfa_ws_stream *stream)
{
    /* Pings are answered from the output: a peer that does not read gets no more answers. */
    if (stream->carrier->output.length >= limits_of(stream)->response_buffer)
        return false;
    /* One message at a time: what the application answers to it leaves before a close behind it is
     * looked at. After our own close only the peer's matters. */
    return stream->exchange == NULL || stream->exchange->messages == NULL ||
           !hfa_ws_conn_is_open(&stream->codec);
}

void hfa_ws_stream_on_timeout(struct hfa_ws_stream *stream)
{
    char frame[HFA_WS_CONTROL_FRAME_MAX];
    size_t length = 0;
    uint64_t now_ns = *stream->carrier->now_ns;

    if (!hfa_ws_conn_is_open(&stream->codec)) {
        stream->is_done = true; /* the peer has not answered our close */
        return;
    }
    if (stream->awaits_pong) {
        put_close(stream, CLOSE_INTERNAL_ERROR, HFA_BYTES("keepalive ping timeout"));
        stream->is_done = true;
        return;
    }
    uint32_t payload = (uint32_t)(now_ns >> 10) * UINT32_C(2654435761);
    memcpy(stream->ping_payload, &payload, sizeof(payload));
    struct hfa_bytes view = {stream->ping_payload, sizeof(stream->ping_payload)};
    if (hfa_ws_conn_ping(&stream->codec, view, frame, &length) == HFA_OK)
        put(stream, frame, length);
    if (limits_of(stream)->ping_timeout_ns == 0) {
        schedule_ping(stream);
        return;
    }
    stream->awaits_pong = true;
    set_deadline(stream, now_ns + limits_of(stream)->ping_timeout_ns);
}

/* Takes `*owner` by setting it to NULL when the bytes are lent. */
static enum hfa_status put_plain(struct hfa_ws_stream *stream, enum hfa_ws_opcode type,
                                 struct hfa_bytes bytes, void **owner)
{
    struct hfa_output *output = &stream->carrier->output;
    struct hfa_buffer_pool *buffers = &stream->carrier->dispatcher->buffers;
    char head[HFA_WS_FRAME_HEAD_MAX];
    size_t length = 0;
    enum hfa_status status =
        hfa_ws_conn_message_head(&stream->codec, type, bytes.length, head, &length);

    if (status == HFA_OK)
        status = hfa_output_append(output, buffers, (struct hfa_bytes){head, length});
    if (status != HFA_OK || *owner == NULL)
        return status != HFA_OK ? status : hfa_output_append(output, buffers, bytes);
    status = hfa_output_borrow(output, bytes, *owner);
    if (status == HFA_OK)
        *owner = NULL;
    return status;
}

static enum hfa_status put_packed(struct hfa_ws_stream *stream, enum hfa_ws_opcode type,
                                  struct hfa_bytes bytes)
{
    struct hfa_output *output = &stream->carrier->output;
    size_t room = 0;
    size_t length = 0;
    char *at = NULL;
    enum hfa_status status = hfa_ws_conn_pack_room(&stream->codec, bytes.length, &room);

    if (status == HFA_OK)
        status = hfa_output_reserve(output, &stream->carrier->dispatcher->buffers, room, &at);
    if (status == HFA_OK)
        status = hfa_ws_conn_pack(&stream->codec, type, bytes, at, room, &length);
    if (status == HFA_OK)
        hfa_output_commit(output, length);
    return status;
}

enum hfa_status hfa_ws_stream_send(struct hfa_ws_stream *stream, enum hfa_message_kind kind,
                                   struct hfa_bytes bytes, void *owner)
{
    struct hfa_dispatcher *dispatcher = stream->carrier->dispatcher;
    enum hfa_ws_opcode type = kind == HFA_MESSAGE_TEXT ? HFA_WS_OPCODE_TEXT : HFA_WS_OPCODE_BINARY;
    enum hfa_status status = hfa_ws_conn_packs(&stream->codec)
                                 ? put_packed(stream, type, bytes)
                                 : put_plain(stream, type, bytes, &owner);

    if (status == HFA_ERR_NO_MEMORY)
        stream->is_done = true; /* half a frame may be queued: nothing can follow it */
    if (owner != NULL && dispatcher->app->on_release != NULL)
        dispatcher->app->on_release(dispatcher->app, owner);
    stream->carrier->on_change(stream->carrier);
    return status;
}

enum hfa_status hfa_ws_stream_send_close(struct hfa_ws_stream *stream, uint16_t code,
                                         struct hfa_bytes reason)
{
    char frame[HFA_WS_CONTROL_FRAME_MAX];
    struct hfa_ws_close close = {.code = code, .reason = reason};
    size_t length = 0;
    enum hfa_status status = hfa_ws_conn_close(&stream->codec, close, frame, &length);

    if (status != HFA_OK)
        return status;
    put(stream, frame, length);
    if (stream->is_done)
        return HFA_ERR_NO_MEMORY;
    set_deadline(stream, *stream->carrier->now_ns + CLOSE_TIMEOUT_NS);
    stream->carrier->wants_input = true;
    return HFA_OK;
}

void hfa_ws_stream_shutdown(struct hfa_ws_stream *stream)
{
    if (hfa_ws_conn_is_open(&stream->codec)) {
        push_close(stream, CLOSE_SERVICE_RESTART, (struct hfa_bytes){0});
        put_close(stream, CLOSE_SERVICE_RESTART, (struct hfa_bytes){0});
    }
    stream->is_done = true;
}

void hfa_ws_stream_forget_exchange(struct hfa_ws_stream *stream)
{
    stream->exchange = NULL;
    /* Gone without a close frame: the peer sees the connection end. */
    if (hfa_ws_conn_is_open(&stream->codec))
        stream->is_done = true;
}

bool hfa_ws_stream_is_done(const struct hfa_ws_stream *stream)
{
    return stream->is_done;
}
