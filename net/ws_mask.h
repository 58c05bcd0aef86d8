/* Masking of WebSocket payloads (RFC 6455 5.3), in place.
 *
 * Masking and unmasking are the same operation. Allocates nothing; any thread.
 */
#ifndef HFA_WS_MASK_H
#define HFA_WS_MASK_H

#include <stddef.h>

/* Applies `key` to `length` bytes that start `offset` bytes into the frame's payload, so that a
 * payload can be unmasked in the pieces it arrives in. */
void hfa_ws_mask(char *data, size_t length, const unsigned char key[static 4], size_t offset);

#endif
