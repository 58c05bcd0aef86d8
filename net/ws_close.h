/* WebSocket close codes and the payload of close frames (RFC 6455 5.5.1 and 7.4).
 *
 * Allocates nothing; any thread.
 */
#ifndef HFA_WS_CLOSE_H
#define HFA_WS_CLOSE_H

#include <stdbool.h>

#include "bytes.h"
#include "status.h"

/* The codes that this library and its callers have a use for. */
enum hfa_ws_close_code {
    HFA_WS_CLOSE_NORMAL = 1000,
    HFA_WS_CLOSE_GOING_AWAY = 1001,
    HFA_WS_CLOSE_PROTOCOL_ERROR = 1002,
    HFA_WS_CLOSE_NO_STATUS = 1005,       /* the close frame had no code; never on the wire */
    HFA_WS_CLOSE_ABNORMAL = 1006,        /* there was no close frame; never on the wire */
    HFA_WS_CLOSE_INVALID_PAYLOAD = 1007, /* text that is not UTF-8 */
    HFA_WS_CLOSE_POLICY = 1008,
    HFA_WS_CLOSE_TOO_BIG = 1009,
    HFA_WS_CLOSE_INTERNAL_ERROR = 1011,
    HFA_WS_CLOSE_SERVICE_RESTART = 1012,
};

/* What a close frame says, or should say. `reason` is UTF-8 and borrowed. */
struct hfa_ws_close {
    unsigned code;
    struct hfa_bytes reason;
};

/* A control frame's payload is at most 125 bytes: 2 for the code, the rest for the reason. */
#define HFA_WS_CLOSE_PAYLOAD_MAX 125
#define HFA_WS_CLOSE_REASON_MAX  (HFA_WS_CLOSE_PAYLOAD_MAX - 2)

/* True for codes that may be on the wire: 1000 to 1003, 1007 to 1014, 3000 to 4999. */
bool hfa_ws_close_code_is_valid(unsigned code);

/* Reads a close frame's payload; an empty one is HFA_WS_CLOSE_NO_STATUS. `close->reason` is a view
 * into `payload`. HFA_ERR_PROTOCOL: one byte alone, a code that may not be on the wire, or a
 * reason that is not UTF-8; `fault` is then what to answer. */
enum hfa_status hfa_ws_close_decode(struct hfa_bytes payload, struct hfa_ws_close *close,
                                    struct hfa_ws_close *fault);

/* Writes a close frame's payload. HFA_ERR_INVALID: a code that may not be on the wire, or a reason
 * that is too long or not UTF-8. */
enum hfa_status hfa_ws_close_encode(struct hfa_ws_close close,
                                    char out[static HFA_WS_CLOSE_PAYLOAD_MAX], size_t *length);

#endif
