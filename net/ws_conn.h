/* The server's side of one WebSocket as a pure protocol: bytes in, events out, frames out
 * (RFC 6455). No I/O and no clock; what carries the bytes (HTTP/1.1, /2 or /3) is not its business.
 *
 * Owns the buffer of a message that arrives in pieces or packed, and the streams of compression;
 * borrows everything else. One thread at a time. The caller
 *   - feeds what it has read with hfa_ws_conn_input() until that wants more,
 *   - answers HFA_WS_EVENT_PING with hfa_ws_conn_pong(), HFA_WS_EVENT_CLOSE with
 *     hfa_ws_conn_close_reply(), a fault with hfa_ws_conn_close(),
 *   - ends the transport when hfa_ws_conn_is_closed(), or when the peer has not answered a close
 *     within the caller's time limit,
 *   - keeps its own time for keep-alive: it sends a ping with a payload of its choice and waits
 *     for HFA_WS_EVENT_PONG with the same payload; other pongs are to be ignored (RFC 6455 5.5.3).
 */
#ifndef HFA_WS_CONN_H
#define HFA_WS_CONN_H

#include "ws_deflate.h"
#include "ws_frame.h"
#include "ws_utf8.h"

struct hfa_ws_limits {
    size_t message_size; /* bytes of one message, unpacked, of all its frames: close code 1009 */
};

#define HFA_WS_LIMITS_DEFAULT ((struct hfa_ws_limits){.message_size = 16 * 1024 * 1024})

/* A buffer up to this size is kept for the next message; a larger one is freed after its use. */
#define HFA_WS_BUFFER_KEPT (16 * 1024)

enum hfa_ws_state {
    HFA_WS_STATE_OPEN,           /* messages flow both ways */
    HFA_WS_STATE_CLOSE_SENT,     /* our close is out, the peer's is awaited; messages are dropped */
    HFA_WS_STATE_CLOSE_RECEIVED, /* the peer has closed and has no answer yet; input is dropped */
    HFA_WS_STATE_FAILED,         /* the peer broke a rule and was not told yet; input is dropped */
    HFA_WS_STATE_CLOSED,         /* nothing to send or to read any more: end the transport */
};

enum hfa_ws_event_type {
    HFA_WS_EVENT_TEXT,   /* a whole text message; `data` is valid UTF-8 */
    HFA_WS_EVENT_BINARY, /* a whole binary message */
    HFA_WS_EVENT_PING,   /* `data` is what the pong has to carry */
    HFA_WS_EVENT_PONG,   /* `data` is what some ping carried, or anything else */
    HFA_WS_EVENT_CLOSE,  /* `code` and `data`, the reason; HFA_WS_CLOSE_NO_STATUS without a code */
    HFA_WS_EVENT_FAULT,  /* comes with an error: `code` and `data`, the reason, to close with */
};

struct hfa_ws_event {
    enum hfa_ws_event_type type;
    unsigned code;
    bool is_ascii;         /* of text */
    struct hfa_bytes data; /* in the input or in the connection, until its next input, trim or free;
                              static with HFA_WS_EVENT_FAULT */
};

/* Open for embedding; only ws_conn.c writes the fields. */
struct hfa_ws_conn {
    struct hfa_ws_limits limits;
    struct hfa_ws_deflate *deflate; /* owned; NULL: no compression was agreed on */
    enum hfa_ws_state state;
    unsigned short code_sent;     /* code of our close frame, NO_STATUS for an empty one; 0: none */
    unsigned short code_received; /* code of the peer's, likewise */

    /* The frame that is being received. */
    struct hfa_ws_frame_head frame;
    uint64_t payload_left;
    bool in_payload;
    unsigned char head_length; /* bytes in head_bytes */
    char head_bytes[HFA_WS_FRAME_HEAD_MAX];

    /* The message that is being received. */
    enum hfa_ws_opcode message_type; /* HFA_WS_OPCODE_CONTINUATION: none */
    bool is_packed;                  /* compressed; its bytes are unpacked as they come */
    uint64_t message_length;         /* of the frames announced so far, unless packed */
    struct hfa_ws_utf8 utf8;
    bool delivered; /* the last event's view is in `buffer` */
    char *buffer;   /* owned; NULL: none */
    size_t buffer_length;
    size_t buffer_capacity;

    /* The control frame that is being received, or the peer's close. */
    unsigned char control_length;
    char control[HFA_WS_CONTROL_PAYLOAD_MAX];
};

/* Copies `limits`. Allocates nothing: an open connection at rest holds no memory but its own. */
void hfa_ws_conn_init(struct hfa_ws_conn *ws, const struct hfa_ws_limits *limits);

/* permessage-deflate was agreed on: takes `deflate`. Once, before anything is received or sent. */
void hfa_ws_conn_use_deflate(struct hfa_ws_conn *ws, struct hfa_ws_deflate *deflate);

/* Frees what it owns. The struct is the caller's. */
void hfa_ws_conn_free(struct hfa_ws_conn *ws);

/* Takes bytes from the peer, any number, cut anywhere. `data` is changed: payloads are unmasked in
 * place.
 *
 * HFA_OK: `event` is set; `*consumed` bytes were used; call again with the rest. A message that
 * lies wholly in `data` in one frame, not packed, is not copied. HFA_AGAIN: everything was consumed
 * and no event is left in it. A partial message is kept here: memory grows with the bytes that
 * came, not with what a frame announces. HFA_ERR_PROTOCOL: the peer broke a rule (1002), sent text
 * that is not UTF-8 (1007; found in the middle of a message) or a message above the limit (1009).
 * `event` says what to close with; the connection has failed: nothing after this is read.
 * HFA_ERR_NO_MEMORY: likewise, with 1011.
 *
 * After our close was sent only the peer's close, or a fault, comes out; after the peer's close or
 * a fault, nothing: all input is dropped.
 *
 * A close may come between the frames of a message, which is then dropped (RFC 6455 5.4); the
 * reference server takes it for a fault.
 */
enum hfa_status hfa_ws_conn_input(struct hfa_ws_conn *ws, char *data, size_t length,
                                  size_t *consumed, struct hfa_ws_event *event);

/* Frees the buffer if no message is in it; ends the last event's view. For connections that have
 * been at rest for a while. */
void hfa_ws_conn_trim(struct hfa_ws_conn *ws);

/* True while messages and pings may be sent: no close has gone either way. */
static inline bool hfa_ws_conn_is_open(const struct hfa_ws_conn *ws)
{
    return ws->state == HFA_WS_STATE_OPEN;
}

/* True when the transport may be ended: a close went both ways, or went out after a fault. */
static inline bool hfa_ws_conn_is_closed(const struct hfa_ws_conn *ws)
{
    return ws->state == HFA_WS_STATE_CLOSED;
}

/* True between the first and the last byte of a frame or the first and last frame of a message:
 * the peer owes more, so that a read time limit applies. */
static inline bool hfa_ws_conn_is_receiving(const struct hfa_ws_conn *ws)
{
    return ws->in_payload || ws->head_length > 0 || ws->message_type != HFA_WS_OPCODE_CONTINUATION;
}

/* Writes the head of a whole message, `length` bytes long, that the caller sends right behind it;
 * `type` is HFA_WS_OPCODE_TEXT, whose payload has to be UTF-8, or HFA_WS_OPCODE_BINARY.
 * HFA_ERR_STATE: a close was sent or received, or the connection has failed. */
enum hfa_status hfa_ws_conn_message_head(const struct hfa_ws_conn *ws, enum hfa_ws_opcode type,
                                         uint64_t length, char out[static HFA_WS_FRAME_HEAD_MAX],
                                         size_t *head_length);

/* True when messages are to be sent packed: by hfa_ws_conn_pack(), not with a bare head. */
static inline bool hfa_ws_conn_packs(const struct hfa_ws_conn *ws)
{
    return ws->deflate != NULL;
}

/* Writes a whole message, packed, into `out`, which has the room that hfa_ws_conn_pack_room() asks
 * for a message of that length. HFA_ERR_STATE as above. HFA_ERR_NO_MEMORY: nothing can be sent any
 * more. */
enum hfa_status hfa_ws_conn_pack_room(struct hfa_ws_conn *ws, size_t length, size_t *room);
enum hfa_status hfa_ws_conn_pack(struct hfa_ws_conn *ws, enum hfa_ws_opcode type,
                                 struct hfa_bytes message, char *out, size_t room, size_t *length);

/* Size of the longest control frame from a server: 2 bytes of head and the payload. */
#define HFA_WS_CONTROL_FRAME_MAX (2 + HFA_WS_CONTROL_PAYLOAD_MAX)

/* Write a whole frame. HFA_ERR_INVALID: the payload is longer than HFA_WS_CONTROL_PAYLOAD_MAX.
 * HFA_ERR_STATE as for messages. */
enum hfa_status hfa_ws_conn_ping(const struct hfa_ws_conn *ws, struct hfa_bytes payload,
                                 char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length);
enum hfa_status hfa_ws_conn_pong(const struct hfa_ws_conn *ws, struct hfa_bytes payload,
                                 char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length);

/* Writes our close frame; nothing can be sent after it. It begins the closing handshake when the
 * connection is open and ends it when the peer has closed or has failed.
 * HFA_ERR_INVALID: a code that may not be on the wire, or a reason that is longer than
 *   HFA_WS_CLOSE_REASON_MAX or not UTF-8; nothing has changed.
 * HFA_ERR_STATE: a close was sent before. */
enum hfa_status hfa_ws_conn_close(struct hfa_ws_conn *ws, struct hfa_ws_close close,
                                  char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length);

/* Writes the close frame that echoes the peer's, byte for byte.
 * HFA_ERR_STATE: the peer has not closed, or has its answer. */
enum hfa_status hfa_ws_conn_close_reply(struct hfa_ws_conn *ws,
                                        char out[static HFA_WS_CONTROL_FRAME_MAX], size_t *length);

#endif
