/* The two compressed streams of a WebSocket that has agreed on permessage-deflate (RFC 7692).
 *
 * Knows payloads of messages, not frames. A stream is made when it is first needed, and then holds
 * its window until the end. One thread at a time.
 */
#ifndef HFA_WS_DEFLATE_H
#define HFA_WS_DEFLATE_H

#include <stdbool.h>

#include "bytes.h"
#include "status.h"

/* What zlib's raw deflate can keep to: not 8, for which it writes what a decoder may refuse. */
#define HFA_WS_WINDOW_BITS_MIN 9
#define HFA_WS_WINDOW_BITS_MAX 15

/* What client and server have agreed on. */
struct hfa_ws_deflate_terms {
    bool server_no_context_takeover;
    bool client_no_context_takeover;
    unsigned char server_window_bits; /* 9 to 15 */
    unsigned char client_window_bits; /* 8 to 15 */
    unsigned char memory_level;       /* of our stream: zlib's, 1 to 9 */
};

struct hfa_ws_deflate;

/* False in a build without zlib, where hfa_ws_deflate_new() always fails. */
bool hfa_ws_deflate_is_available(void);

/* Copies `terms`. NULL: out of memory. */
struct hfa_ws_deflate *hfa_ws_deflate_new(const struct hfa_ws_deflate_terms *terms);
void hfa_ws_deflate_free(struct hfa_ws_deflate *deflate); /* may be NULL */

/* A compressed message begins: what is unpacked from now on belongs to it. HFA_ERR_NO_MEMORY. */
enum hfa_status hfa_ws_deflate_begin_message(struct hfa_ws_deflate *deflate);

/* Stands behind the payload of each message, and is not sent with it (RFC 7692 7.2.2). */
#define HFA_WS_DEFLATE_TAIL HFA_BYTES("\x00\x00\xff\xff")

/* Unpacks from the start of `*input`, which then holds the rest, into `out`.
 * HFA_OK: all was used, and nothing is held back. HFA_AGAIN: `out` is full; there may be more, also
 * when the input is used up. HFA_ERR_PROTOCOL: not what deflate writes. HFA_ERR_NO_MEMORY. */
enum hfa_status hfa_ws_deflate_unpack(struct hfa_ws_deflate *deflate, struct hfa_bytes *input,
                                      char *out, size_t room, size_t *written);

/* Packs a whole message without its tail; `out` has at least hfa_ws_deflate_bound() bytes, which
 * makes the stream that it asks. HFA_ERR_NO_MEMORY; nothing more can be packed then. */
enum hfa_status hfa_ws_deflate_bound(struct hfa_ws_deflate *deflate, size_t length, size_t *bound);
enum hfa_status hfa_ws_deflate_pack(struct hfa_ws_deflate *deflate, struct hfa_bytes message,
                                    char *out, size_t room, size_t *written);

#endif
