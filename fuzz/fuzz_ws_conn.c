/* Feeds bytes to one WebSocket whole and in pieces: both have to tell the same story.
 *
 * Input: a byte that chooses the message limit, one the size of the pieces, one the number of
 * events after which we close (255: never), one the terms of compression (0: none), then what the
 * client sends.
 */
#include <stdint.h>
#include <string.h>

#include "require.h"
#include "story.h"
#include "ws_conn.h"

#define HEADER_SIZE 4
#define NEVER       255

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A decoder of its own: one character at a time, by its value. */
static bool is_utf8(struct hfa_bytes text)
{
    for (size_t at = 0; at < text.length;) {
        unsigned char lead = (unsigned char)text.data[at++];
        size_t more = lead < 0x80 ? 0 : lead < 0xC0 ? 9 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (more > 3 || lead > 0xF7 || text.length - at < more)
            return false;
        uint32_t value = more ? lead & (0x3Fu >> more) : lead;
        for (size_t i = 0; i < more; i++) {
            unsigned char byte = (unsigned char)text.data[at++];
            if (byte >> 6 != 2)
                return false;
            value = value << 6 | (byte & 0x3F);
        }
        if (value < least[more] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
            return false;
    }
    return true;
}

/* Our frames have to be ones that a client accepts. */
static void require_frame(const char *frame, size_t length)
{
    struct hfa_ws_frame_head head;
    struct hfa_ws_close fault;
    size_t head_length;
    struct hfa_bytes bytes = {frame, length};
    require(hfa_ws_frame_decode(bytes, false, &head, &head_length, &fault) == HFA_OK);
    require(head.final && head.reserved == 0);
    require(head_length + head.payload_length == length);
}

static void answer(struct hfa_ws_conn *ws, const struct hfa_ws_event *event)
{
    char out[HFA_WS_CONTROL_FRAME_MAX];
    size_t length = 0;
    struct hfa_ws_close close = {event->code, event->data};
    switch (event->type) {
    case HFA_WS_EVENT_TEXT:
        require(is_utf8(event->data));
        require(hfa_ws_conn_is_open(ws));
        return;
    case HFA_WS_EVENT_BINARY:
    case HFA_WS_EVENT_PONG:
        require(hfa_ws_conn_is_open(ws));
        return;
    case HFA_WS_EVENT_PING:
        require(hfa_ws_conn_pong(ws, event->data, out, &length) == HFA_OK);
        break;
    case HFA_WS_EVENT_CLOSE:
        require(is_utf8(event->data));
        require(event->code == HFA_WS_CLOSE_NO_STATUS || hfa_ws_close_code_is_valid(event->code));
        if (hfa_ws_conn_is_closed(ws))
            return;
        require(hfa_ws_conn_close_reply(ws, out, &length) == HFA_OK);
        require(hfa_ws_conn_is_closed(ws));
        break;
    case HFA_WS_EVENT_FAULT:
        if (hfa_ws_conn_is_closed(ws))
            return;
        require(hfa_ws_conn_close(ws, close, out, &length) == HFA_OK);
        require(hfa_ws_conn_is_closed(ws));
        break;
    }
    require_frame(out, length);
}

/* Our own close, once so many events were told. What comes after depends on nothing but the bytes,
 * so that the story is still the same in pieces. */
static void close_when_due(struct hfa_ws_conn *ws, const struct story *story, unsigned close_after)
{
    char out[HFA_WS_CONTROL_FRAME_MAX];
    size_t length;
    struct hfa_ws_close close = {HFA_WS_CLOSE_NORMAL, HFA_BYTES("done")};
    if (story->events != close_after || !hfa_ws_conn_is_open(ws))
        return;
    require(hfa_ws_conn_close(ws, close, out, &length) == HFA_OK);
    require_frame(out, length);
}

static void feed(struct hfa_ws_conn *ws, const uint8_t *bytes, size_t length, unsigned close_after,
                 struct story *story, bool *ended)
{
    char *piece = malloc(length);
    size_t at = 0;
    require(piece != NULL);
    memcpy(piece, bytes, length);
    for (;;) {
        struct hfa_ws_event event;
        size_t consumed;
        enum hfa_status status = hfa_ws_conn_input(ws, piece + at, length - at, &consumed, &event);
        require(consumed <= length - at);
        at += consumed;
        require(ws->buffer_capacity <= 4096 + 2 * ws->limits.message_size);
        if (status == HFA_AGAIN) {
            require(at == length);
            break;
        }
        require(!*ended);
        require(status == HFA_OK || event.type == HFA_WS_EVENT_FAULT);
        require(event.type == HFA_WS_EVENT_FAULT || event.data.length <= ws->limits.message_size ||
                event.data.length <= HFA_WS_CONTROL_PAYLOAD_MAX);
        story_add_number(story, event.type);
        story_add_number(story, event.code);
        story_add(story, event.data);
        story->events++;
        *ended = event.type == HFA_WS_EVENT_CLOSE || event.type == HFA_WS_EVENT_FAULT;
        answer(ws, &event);
        close_when_due(ws, story, close_after);
    }
    free(piece);
}

/* Compression by the bits of one byte: the client's window, and whether it is kept. */
static void use_deflate(struct hfa_ws_conn *ws, unsigned choice)
{
    struct hfa_ws_deflate_terms terms = {
        .client_no_context_takeover = choice & 0x10,
        .server_window_bits = 9,
        .client_window_bits = (unsigned char)(8 + (choice & 7)),
        .memory_level = 1,
    };
    if (choice == 0 || !hfa_ws_deflate_is_available())
        return;
    struct hfa_ws_deflate *deflate = hfa_ws_deflate_new(&terms);
    require(deflate != NULL);
    hfa_ws_conn_use_deflate(ws, deflate);
}

static struct story tell(const uint8_t *data, size_t size, size_t limit, size_t piece,
                         unsigned close_after, unsigned deflate)
{
    struct story story = STORY_START;
    bool ended = false; /* a close or a fault was told: nothing may follow */
    struct hfa_ws_limits limits = {.message_size = limit};
    struct hfa_ws_conn ws;
    hfa_ws_conn_init(&ws, &limits);
    use_deflate(&ws, deflate);
    close_when_due(&ws, &story, close_after);
    for (size_t at = 0; at < size; at += piece) {
        feed(&ws, data + at, size - at < piece ? size - at : piece, close_after, &story, &ended);
        if (at % 3 == 0)
            hfa_ws_conn_trim(&ws);
    }
    hfa_ws_conn_free(&ws);
    return story;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= HEADER_SIZE)
        return 0;
    size_t limit = (size_t)data[0] * data[0] * 16;
    size_t piece = (size_t)data[1] + 1;
    unsigned close_after = data[2];
    unsigned deflate = data[3];
    const uint8_t *wire = data + HEADER_SIZE;
    size_t length = size - HEADER_SIZE;

    struct story whole = tell(wire, length, limit, length, close_after, deflate);
    struct story cut = tell(wire, length, limit, piece, close_after, deflate);
    struct story bytes = tell(wire, length, limit, 1, close_after, deflate);
    require(story_equal(whole, cut));
    require(story_equal(whole, bytes));
    return 0;
}
