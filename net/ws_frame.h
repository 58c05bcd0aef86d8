/* Heads of WebSocket frames: bytes in, values out, and back (RFC 6455 5.2).
 *
 * Knows one frame, not messages, roles or extensions: what reserved bits mean, how long a message
 * may be and which frame may follow which is ws_conn.h's business. Allocates nothing; any thread.
 */
#ifndef HFA_WS_FRAME_H
#define HFA_WS_FRAME_H

#include <stdint.h>

#include "ws_close.h"

enum hfa_ws_opcode {
    HFA_WS_OPCODE_CONTINUATION = 0x0,
    HFA_WS_OPCODE_TEXT = 0x1,
    HFA_WS_OPCODE_BINARY = 0x2,
    HFA_WS_OPCODE_CLOSE = 0x8,
    HFA_WS_OPCODE_PING = 0x9,
    HFA_WS_OPCODE_PONG = 0xA,
};

/* Control frames have the top bit of the opcode (RFC 6455 5.5). */
#define HFA_WS_CONTROL_BIT         0x8
#define HFA_WS_CONTROL_PAYLOAD_MAX 125

#define HFA_WS_RSV1     0x40
#define HFA_WS_RSV2     0x20
#define HFA_WS_RSV3     0x10
#define HFA_WS_RSV_MASK 0x70

struct hfa_ws_frame_head {
    uint64_t payload_length; /* below 2^63 */
    enum hfa_ws_opcode opcode;
    unsigned reserved; /* HFA_WS_RSV bits, not judged here */
    bool final;
    bool masked;
    unsigned char mask_key[4]; /* zeros when not masked */
};

/* Longest head: 2 bytes, 8 of length, 4 of mask key. */
#define HFA_WS_FRAME_HEAD_MAX 14

/* Reads one head from the start of `input`; `masked` says what the sender has to do: true for
 * frames from a client. Stateless: feed the same head again, longer, after HFA_AGAIN.
 *
 * HFA_OK: the head had `*consumed` bytes.
 * HFA_AGAIN: more bytes are needed; nothing was written.
 * HFA_ERR_PROTOCOL: an unknown opcode, a control frame that is fragmented or too long, masked
 *   against the rule, or a length that is not in its shortest form or has its top bit set. Found
 *   with the first byte that shows it. `fault` is the close to answer with.
 */
enum hfa_status hfa_ws_frame_decode(struct hfa_bytes input, bool masked,
                                    struct hfa_ws_frame_head *head, size_t *consumed,
                                    struct hfa_ws_close *fault);

/* Writes a head and returns its length. The head must be one that decode accepts. */
size_t hfa_ws_frame_encode(const struct hfa_ws_frame_head *head,
                           char out[static HFA_WS_FRAME_HEAD_MAX]);

#endif
