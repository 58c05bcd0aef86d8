/* The opening handshake of a WebSocket over HTTP/1.1, the server's half (RFC 6455 4.2).
 *
 * Judges a request's fields and computes the answer's proof; writing the response is the caller's.
 * Allocates nothing; views borrow from the request. Any thread.
 *
 * The caller asks for HTTP/1.1 itself: an Upgrade field of an HTTP/1.0 request is to be ignored
 * (RFC 9110 7.8), so that such a request never comes here.
 */
#ifndef HFA_WS_HANDSHAKE_H
#define HFA_WS_HANDSHAKE_H

#include "field.h"

/* Length of Sec-WebSocket-Accept: 20 bytes in base64. */
#define HFA_WS_ACCEPT_SIZE 28

/* How to turn a handshake down: close the connection afterwards. */
struct hfa_ws_refusal {
    int http_status;         /* 400, 405 or 426 */
    struct hfa_field field;  /* to be sent along; empty name: none */
    struct hfa_bytes reason; /* one line of text without its end */
};

/* Judges a request that asks for an upgrade to websocket.
 *
 * HFA_OK: the handshake may be accepted with `accept` as Sec-WebSocket-Accept.
 * HFA_ERR_PROTOCOL: a method other than GET; no "upgrade" in Connection, or other than just
 *   "websocket" in Upgrade; a key that is missing, repeated or not 16 bytes in base64; a version
 *   that is missing, repeated or not 13; a repeated Origin; a malformed list in Connection,
 *   Upgrade, Sec-WebSocket-Extensions or Sec-WebSocket-Protocol. `refusal` is what to answer.
 */
enum hfa_status hfa_ws_handshake_check(struct hfa_bytes method, const struct hfa_field *fields,
                                       size_t field_count, char accept[static HFA_WS_ACCEPT_SIZE],
                                       struct hfa_ws_refusal *refusal);

/* Judges an extended CONNECT for "websocket" of HTTP/2 or HTTP/3 (RFC 8441 5): the same rules, but
 * there is no key to prove and no upgrade to ask for. */
enum hfa_status hfa_ws_handshake_check_connect(const struct hfa_field *fields, size_t field_count,
                                               struct hfa_ws_refusal *refusal);

/* Takes the next element off the value of a Sec-WebSocket-Protocol field: what stands between
 * commas, trimmed. Unlike hfa_field_next_element() it yields empty elements too, as the reference
 * server shows them to applications. False: no further element. */
bool hfa_ws_handshake_next_subprotocol(struct hfa_bytes *list, struct hfa_bytes *element);

#endif
