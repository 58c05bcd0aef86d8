#include "ws_conn.h"

#include <stdlib.h>

#include "ws_mask.h"

/* A message announced at up to this size gets its whole buffer at once; a longer one has to arrive
 * before its buffer grows further. */
#define BUFFER_TRUSTED ((size_t)4 * 1024)
/* The first buffer of a packed message. */
#define UNPACKED_LEAST ((size_t)1024)

void hfa_ws_conn_init(struct hfa_ws_conn *ws, const struct hfa_ws_limits *limits)
{
    *ws = (struct hfa_ws_conn){
        .limits = *limits,
        .state = HFA_WS_STATE_OPEN,
        .message_type = HFA_WS_OPCODE_CONTINUATION,
    };
}

static void free_buffer(struct hfa_ws_conn *ws)
{
    free(ws->buffer);
    ws->buffer = NULL;
    ws->buffer_length = 0;
    ws->buffer_capacity = 0;
}

void hfa_ws_conn_use_deflate(struct hfa_ws_conn *ws, struct hfa_ws_deflate *deflate)
{
    ws->deflate = deflate;
}

void hfa_ws_conn_free(struct hfa_ws_conn *ws)
{
    free_buffer(ws);
    hfa_ws_deflate_free(ws->deflate);
    ws->deflate = NULL;
}

/* The one place where the state changes. Whoever leaves HFA_WS_STATE_OPEN needs no more messages.
 */
static void set_state(struct hfa_ws_conn *ws, enum hfa_ws_state state)
{
    ws->state = state;
    if (!ws->delivered)
        free_buffer(ws);
}

static bool is_control(enum hfa_ws_opcode opcode)
{
    return opcode & HFA_WS_CONTROL_BIT;
}

static enum hfa_status fail(struct hfa_ws_conn *ws, enum hfa_status status, unsigned code,
                            struct hfa_bytes reason, struct hfa_ws_event *event)
{
    *event = (struct hfa_ws_event){HFA_WS_EVENT_FAULT, code, false, reason};
    /* With our close sent there is nothing left to tell the peer. */
    set_state(ws, ws->state == HFA_WS_STATE_CLOSE_SENT ? HFA_WS_STATE_CLOSED : HFA_WS_STATE_FAILED);
    return status;
}

static enum hfa_status fail_protocol(struct hfa_ws_conn *ws, struct hfa_bytes reason,
                                     struct hfa_ws_event *event)
{
    return fail(ws, HFA_ERR_PROTOCOL, HFA_WS_CLOSE_PROTOCOL_ERROR, reason, event);
}

static enum hfa_status fail_memory(struct hfa_ws_conn *ws, struct hfa_ws_event *event)
{
    return fail(ws, HFA_ERR_NO_MEMORY, HFA_WS_CLOSE_INTERNAL_ERROR, HFA_BYTES(""), event);
}

static enum hfa_status fail_size(struct hfa_ws_conn *ws, struct hfa_ws_event *event)
{
    return fail(ws, HFA_ERR_PROTOCOL, HFA_WS_CLOSE_TOO_BIG,
                HFA_BYTES("message is longer than the limit"), event);
}

/* The frame may have the bit that says that its message is packed (RFC 7692 6). */
static bool may_be_packed(const struct hfa_ws_conn *ws, const struct hfa_ws_frame_head *frame)
{
    return ws->deflate != NULL &&
           (frame->opcode == HFA_WS_OPCODE_TEXT || frame->opcode == HFA_WS_OPCODE_BINARY);
}

/* Judges a frame by what came before it and starts it. */
static enum hfa_status begin_frame(struct hfa_ws_conn *ws, const struct hfa_ws_frame_head *frame,
                                   struct hfa_ws_event *event)
{
    bool in_message = ws->message_type != HFA_WS_OPCODE_CONTINUATION;
    uint64_t so_far = ws->is_packed ? ws->buffer_length : ws->message_length;
    if (!is_control(frame->opcode) && frame->payload_length > ws->limits.message_size - so_far)
        return fail_size(ws, event);
    /* No other reserved bit has a meaning (RFC 6455 5.2). */
    if (frame->reserved & ~(may_be_packed(ws, frame) ? (unsigned)HFA_WS_RSV1 : 0u))
        return fail_protocol(ws, HFA_BYTES("reserved bits are set"), event);
    if (is_control(frame->opcode)) {
        ws->control_length = 0;
    } else {
        if (frame->opcode == HFA_WS_OPCODE_CONTINUATION && !in_message)
            return fail_protocol(ws, HFA_BYTES("continuation of no message"), event);
        if (frame->opcode != HFA_WS_OPCODE_CONTINUATION && in_message)
            return fail_protocol(ws, HFA_BYTES("new message inside another"), event);
        if (!in_message) {
            ws->message_type = frame->opcode;
            ws->is_packed = frame->reserved != 0;
            hfa_ws_utf8_init(&ws->utf8);
            if (ws->is_packed && ws->state == HFA_WS_STATE_OPEN &&
                hfa_ws_deflate_begin_message(ws->deflate) != HFA_OK)
                return fail_memory(ws, event);
        }
        if (!ws->is_packed)
            ws->message_length += frame->payload_length;
    }
    ws->frame = *frame;
    ws->payload_left = frame->payload_length;
    ws->in_payload = true;
    return HFA_OK;
}

/* Reads a frame's head, from `data` alone when it is whole there. HFA_AGAIN: all was taken. */
static enum hfa_status read_head(struct hfa_ws_conn *ws, const char *data, size_t length,
                                 size_t *taken, struct hfa_ws_event *event)
{
    struct hfa_ws_frame_head frame;
    struct hfa_ws_close fault;
    struct hfa_bytes input = {data, length};
    size_t kept = ws->head_length;
    if (kept > 0) {
        size_t more = sizeof(ws->head_bytes) - kept;
        if (more > length)
            more = length;
        memcpy(ws->head_bytes + kept, data, more);
        input = (struct hfa_bytes){ws->head_bytes, kept + more};
    }
    enum hfa_status status = hfa_ws_frame_decode(input, true, &frame, taken, &fault);
    if (status == HFA_AGAIN) {
        /* Less than a whole head: it fits. */
        if (kept == 0)
            memcpy(ws->head_bytes, data, length);
        ws->head_length = (unsigned char)input.length;
        *taken = length;
        return HFA_AGAIN;
    }
    if (status != HFA_OK)
        return fail(ws, status, fault.code, fault.reason, event);
    *taken -= kept;
    ws->head_length = 0;
    return begin_frame(ws, &frame, event);
}

/* Makes room for `more` bytes of the message. */
static enum hfa_status reserve(struct hfa_ws_conn *ws, size_t more)
{
    size_t needed = ws->buffer_length + more;
    if (needed <= ws->buffer_capacity)
        return HFA_OK;
    /* begin_frame() has bounded it by limits.message_size. */
    size_t announced = (size_t)ws->message_length;
    size_t capacity = ws->buffer_capacity * 2;
    size_t trusted = announced < BUFFER_TRUSTED ? announced : BUFFER_TRUSTED;
    size_t most = ws->frame.final ? announced : ws->limits.message_size;
    if (capacity < trusted)
        capacity = trusted;
    if (capacity < needed)
        capacity = needed;
    if (capacity > most)
        capacity = most;
    char *buffer = realloc(ws->buffer, capacity);
    if (!buffer)
        return HFA_ERR_NO_MEMORY;
    ws->buffer = buffer;
    ws->buffer_capacity = capacity;
    return HFA_OK;
}

static void unmask(const struct hfa_ws_conn *ws, char *data, size_t length)
{
    uint64_t offset = ws->frame.payload_length - ws->payload_left;
    hfa_ws_mask(data, length, ws->frame.mask_key, (size_t)(offset & 3));
}

static enum hfa_status end_control(struct hfa_ws_conn *ws, struct hfa_bytes payload,
                                   struct hfa_ws_event *event)
{
    if (ws->frame.opcode != HFA_WS_OPCODE_CLOSE) {
        if (ws->state != HFA_WS_STATE_OPEN)
            return HFA_AGAIN; /* nothing may be sent in answer */
        event->type =
            ws->frame.opcode == HFA_WS_OPCODE_PING ? HFA_WS_EVENT_PING : HFA_WS_EVENT_PONG;
        event->code = 0;
        event->data = payload;
        return HFA_OK;
    }
    struct hfa_ws_close close, fault;
    enum hfa_status status = hfa_ws_close_decode(payload, &close, &fault);
    if (status != HFA_OK)
        return fail(ws, status, fault.code, fault.reason, event);
    ws->code_received = (unsigned short)close.code;
    *event = (struct hfa_ws_event){HFA_WS_EVENT_CLOSE, close.code, false, close.reason};
    set_state(ws, ws->state == HFA_WS_STATE_CLOSE_SENT ? HFA_WS_STATE_CLOSED
                                                       : HFA_WS_STATE_CLOSE_RECEIVED);
    return HFA_OK;
}

/* At most 125 bytes: always gathered in `control`, which outlives the input for the reply. */
static enum hfa_status read_control(struct hfa_ws_conn *ws, const char *data, size_t length,
                                    struct hfa_ws_event *event)
{
    char *at = ws->control + ws->control_length;
    if (length > 0)
        memcpy(at, data, length);
    unmask(ws, at, length);
    ws->control_length = (unsigned char)(ws->control_length + length);
    ws->payload_left -= length;
    if (ws->payload_left > 0)
        return HFA_AGAIN;
    ws->in_payload = false;
    return end_control(ws, (struct hfa_bytes){ws->control, ws->control_length}, event);
}

/* Validates the next piece of a message's unmasked payload. */
static bool text_is_valid(struct hfa_ws_conn *ws, struct hfa_bytes piece, bool last)
{
    if (ws->message_type != HFA_WS_OPCODE_TEXT)
        return true;
    return hfa_ws_utf8_feed(&ws->utf8, piece.data, piece.length) &&
           (!last || hfa_ws_utf8_is_complete(&ws->utf8));
}

static enum hfa_status fail_text(struct hfa_ws_conn *ws, struct hfa_ws_event *event)
{
    return fail(ws, HFA_ERR_PROTOCOL, HFA_WS_CLOSE_INVALID_PAYLOAD, HFA_BYTES("text is not UTF-8"),
                event);
}

static void end_message(struct hfa_ws_conn *ws)
{
    ws->message_type = HFA_WS_OPCODE_CONTINUATION;
    ws->message_length = 0;
    ws->is_packed = false;
}

/* The message is whole, in the input or in the buffer. */
static void tell_message(struct hfa_ws_conn *ws, struct hfa_bytes data, struct hfa_ws_event *event)
{
    event->type = ws->message_type == HFA_WS_OPCODE_TEXT ? HFA_WS_EVENT_TEXT : HFA_WS_EVENT_BINARY;
    event->code = 0;
    event->is_ascii = event->type == HFA_WS_EVENT_TEXT && ws->utf8.is_ascii;
    event->data = data;
    ws->delivered = ws->buffer != NULL && data.data == ws->buffer;
    end_message(ws);
}

/* Our close is out: payloads need not be kept or judged (RFC 6455 1.4), only passed over. */
static enum hfa_status drop_data(struct hfa_ws_conn *ws, size_t length)
{
    ws->payload_left -= length;
    if (ws->payload_left == 0) {
        ws->in_payload = false;
        if (ws->frame.final)
            end_message(ws);
    }
    return HFA_AGAIN;
}

/* Room for more of a packed message, whose length nobody knows: at most one byte above the limit,
 * in which it shows that there is more. */
static enum hfa_status reserve_unpacked(struct hfa_ws_conn *ws)
{
    size_t most = ws->limits.message_size;
    size_t capacity = ws->buffer_capacity * 2;
    if (ws->buffer_length < ws->buffer_capacity)
        return HFA_OK;
    if (most < SIZE_MAX)
        most++;
    if (capacity < UNPACKED_LEAST)
        capacity = UNPACKED_LEAST;
    if (capacity > most)
        capacity = most;
    char *buffer = realloc(ws->buffer, capacity);
    if (!buffer)
        return HFA_ERR_NO_MEMORY;
    ws->buffer = buffer;
    ws->buffer_capacity = capacity;
    return HFA_OK;
}

/* Unpacks into the buffer. HFA_OK, or a failure with its event. */
static enum hfa_status unpack(struct hfa_ws_conn *ws, struct hfa_bytes packed,
                              struct hfa_ws_event *event)
{
    enum hfa_status status;
    do {
        if (reserve_unpacked(ws) != HFA_OK)
            return fail_memory(ws, event);
        char *at = ws->buffer + ws->buffer_length;
        size_t written = 0;
        status = hfa_ws_deflate_unpack(ws->deflate, &packed, at,
                                       ws->buffer_capacity - ws->buffer_length, &written);
        ws->buffer_length += written;
        /* In the order of the bytes, so that the same fault is found however they were cut. */
        if (!text_is_valid(ws, (struct hfa_bytes){at, written}, false))
            return fail_text(ws, event);
        if (ws->buffer_length > ws->limits.message_size)
            return fail_size(ws, event);
        if (status == HFA_ERR_NO_MEMORY)
            return fail_memory(ws, event);
        if (status < 0)
            return fail_protocol(ws, HFA_BYTES("message cannot be unpacked"), event);
    } while (status == HFA_AGAIN);
    return HFA_OK;
}

static enum hfa_status read_packed(struct hfa_ws_conn *ws, char *data, size_t length,
                                   struct hfa_ws_event *event)
{
    unmask(ws, data, length);
    enum hfa_status status = unpack(ws, (struct hfa_bytes){data, length}, event);
    if (status != HFA_OK)
        return status;
    ws->payload_left -= length;
    if (ws->payload_left > 0)
        return HFA_AGAIN;
    ws->in_payload = false;
    if (!ws->frame.final)
        return HFA_AGAIN;
    status = unpack(ws, HFA_WS_DEFLATE_TAIL, event);
    if (status != HFA_OK)
        return status;
    if (!text_is_valid(ws, HFA_BYTES(""), true))
        return fail_text(ws, event);
    tell_message(ws, (struct hfa_bytes){ws->buffer, ws->buffer_length}, event);
    return HFA_OK;
}

static enum hfa_status read_data(struct hfa_ws_conn *ws, char *data, size_t length,
                                 struct hfa_ws_event *event)
{
    if (ws->state != HFA_WS_STATE_OPEN)
        return drop_data(ws, length);
    if (ws->is_packed)
        return read_packed(ws, data, length, event);

    bool frame_ends = length == ws->payload_left;
    bool message_ends = frame_ends && ws->frame.final;
    struct hfa_bytes piece = {data, length};
    bool whole = message_ends && ws->buffer_length == 0;
    if (whole) {
        unmask(ws, data, length);
    } else if (length > 0) {
        if (reserve(ws, length) != HFA_OK)
            return fail_memory(ws, event);
        char *at = ws->buffer + ws->buffer_length;
        memcpy(at, data, length);
        unmask(ws, at, length);
        ws->buffer_length += length;
        piece.data = at;
    }
    if (!text_is_valid(ws, piece, message_ends))
        return fail_text(ws, event);
    ws->payload_left -= length;
    if (!frame_ends)
        return HFA_AGAIN;
    ws->in_payload = false;
    if (!message_ends)
        return HFA_AGAIN;

    tell_message(ws, whole ? piece : (struct hfa_bytes){ws->buffer, ws->buffer_length}, event);
    return HFA_OK;
}

/* Ends the last event's view into the buffer. */
static void take_back(struct hfa_ws_conn *ws)
{
    if (!ws->delivered)
        return;
    ws->delivered = false;
    ws->buffer_length = 0;
    if (ws->buffer_capacity > HFA_WS_BUFFER_KEPT || ws->state != HFA_WS_STATE_OPEN)
        free_buffer(ws);
}

enum hfa_status hfa_ws_conn_input(struct hfa_ws_conn *ws, char *data, size_t length,
                                  size_t *consumed, struct hfa_ws_event *event)
{
    size_t used = 0;
    enum hfa_status status = HFA_AGAIN;
    take_back(ws);
    while (status == HFA_AGAIN && used < length) {
        if (ws->state != HFA_WS_STATE_OPEN && ws->state != HFA_WS_STATE_CLOSE_SENT) {
            used = length;
            break;
        }
        if (!ws->in_payload) {
            size_t taken = 0;
            status = read_head(ws, data + used, length - used, &taken, event);
            used += taken;
            if (status != HFA_OK)
                break;
        }
        /* Also with nothing left: an empty payload ends its frame at once. */
        size_t piece = length - used;
        if (piece > ws->payload_left)
            piece = (size_t)ws->payload_left;
        if (is_control(ws->frame.opcode))
            status = read_control(ws, data + used, piece, event);
        else
            status = read_data(ws, data + used, piece, event);
        used += piece;
    }
    *consumed = used;
    return status;
}

void hfa_ws_conn_trim(struct hfa_ws_conn *ws)
{
    take_back(ws);
    if (ws->buffer_length == 0)
        free_buffer(ws);
}

static size_t write_head(enum hfa_ws_opcode opcode, uint64_t length,
                         char out[static HFA_WS_FRAME_HEAD_MAX])
{
    struct hfa_ws_frame_head head = {.payload_length = length, .opcode = opcode, .final = true};
    return hfa_ws_frame_encode(&head, out);
}

enum hfa_status hfa_ws_conn_message_head(const struct hfa_ws_conn *ws, enum hfa_ws_opcode type,
                                         uint64_t length, char out[static HFA_WS_FRAME_HEAD_MAX],
                                         size_t *head_length)
{
    if (ws->state != HFA_WS_STATE_OPEN)
        return HFA_ERR_STATE;
    *head_length = write_head(type, length, out);
    return HFA_OK;
}

enum hfa_status hfa_ws_conn_pack_room(struct hfa_ws_conn *ws, size_t length, size_t *room)
{
    if (ws->state != HFA_WS_STATE_OPEN)
        return HFA_ERR_STATE;
    enum hfa_status status = hfa_ws_deflate_bound(ws->deflate, length, room);
    *room += HFA_WS_FRAME_HEAD_MAX;
    return status;
}

enum hfa_status hfa_ws_conn_pack(struct hfa_ws_conn *ws, enum hfa_ws_opcode type,
                                 struct hfa_bytes message, char *out, size_t room, size_t *length)
{
    char *payload = out + HFA_WS_FRAME_HEAD_MAX;
    size_t payload_length = 0;
    char head_bytes[HFA_WS_FRAME_HEAD_MAX];

    if (ws->state != HFA_WS_STATE_OPEN)
        return HFA_ERR_STATE;
    enum hfa_status status = hfa_ws_deflate_pack(ws->deflate, message, payload,
                                                 room - HFA_WS_FRAME_HEAD_MAX, &payload_length);
    if (status != HFA_OK)
        return status;
    struct hfa_ws_frame_head head = {
        .payload_length = payload_length, .opcode = type, .reserved = HFA_WS_RSV1, .final = true};
    size_t head_length = hfa_ws_frame_encode(&head, head_bytes);
    memcpy(out, head_bytes, head_length);
    memmove(out + head_length, payload, payload_length);
    *length = head_length + payload_length;
    return HFA_OK;
}

static size_t write_control(enum hfa_ws_opcode opcode, struct hfa_bytes payload,
                            char out[static HFA_WS_CONTROL_FRAME_MAX])
{
    size_t head_length = write_head(opcode, payload.length, out);
    if (payload.length > 0)
        memcpy(out + head_length, payload.data, payload.length);
    return head_length + payload.length;
}

static enum hfa_status write_ping_or_pong(const struct hfa_ws_conn *ws, enum hfa_ws_opcode opcode,
                                          struct hfa_bytes payload,
                                          char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length)
{
    if (ws->state != HFA_WS_STATE_OPEN)
        return HFA_ERR_STATE;
    if (payload.length > HFA_WS_CONTROL_PAYLOAD_MAX)
        return HFA_ERR_INVALID;
    *length = write_control(opcode, payload, out);
    return HFA_OK;
}

enum hfa_status hfa_ws_conn_ping(const struct hfa_ws_conn *ws, struct hfa_bytes payload,
                                 char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length)
{
    return write_ping_or_pong(ws, HFA_WS_OPCODE_PING, payload, out, length);
}

enum hfa_status hfa_ws_conn_pong(const struct hfa_ws_conn *ws, struct hfa_bytes payload,
                                 char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length)
{
    return write_ping_or_pong(ws, HFA_WS_OPCODE_PONG, payload, out, length);
}

static void sent_close(struct hfa_ws_conn *ws, unsigned code)
{
    ws->code_sent = (unsigned short)code;
    set_state(ws, ws->state == HFA_WS_STATE_OPEN ? HFA_WS_STATE_CLOSE_SENT : HFA_WS_STATE_CLOSED);
}

enum hfa_status hfa_ws_conn_close(struct hfa_ws_conn *ws, struct hfa_ws_close close,
                                  char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length)
{
    char payload[HFA_WS_CLOSE_PAYLOAD_MAX];
    size_t payload_length;
    if (ws->code_sent != 0 || ws->state == HFA_WS_STATE_CLOSED)
        return HFA_ERR_STATE;
    enum hfa_status status = hfa_ws_close_encode(close, payload, &payload_length);
    if (status != HFA_OK)
        return status;
    *length = write_control(HFA_WS_OPCODE_CLOSE, (struct hfa_bytes){payload, payload_length}, out);
    sent_close(ws, close.code);
    return HFA_OK;
}

enum hfa_status hfa_ws_conn_close_reply(struct hfa_ws_conn *ws,
                                        char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length)
{
    if (ws->state != HFA_WS_STATE_CLOSE_RECEIVED)
        return HFA_ERR_STATE;
    *length = write_control(HFA_WS_OPCODE_CLOSE,
                            (struct hfa_bytes){ws->control, ws->control_length}, out);
    sent_close(ws, ws->code_received);
    return HFA_OK;
}
