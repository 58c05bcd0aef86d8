/* Which of the extensions that a client offers are used: permessage-deflate, or none (RFC 6455 9.1,
 * RFC 7692 7.1).
 *
 * Allocates nothing; any thread.
 */
#ifndef HFA_WS_EXTENSION_H
#define HFA_WS_EXTENSION_H

#include "field.h"
#include "ws_deflate.h"

/* The longest value of Sec-WebSocket-Extensions in an answer. */
#define HFA_WS_EXTENSION_MAX 128

/* Takes the first offer of permessage-deflate that can be kept to, as the reference server does.
 * `window_bits` (9 to 15) bounds both windows, the client's where it lets itself be bounded.
 *
 * The fields are those that hfa_ws_handshake_check() has accepted. False: there is no such offer.
 * True: `terms` are agreed on, and the first `*length` bytes of `out` are what to answer. */
bool hfa_ws_extension_choose(const struct hfa_field *fields, size_t field_count,
                             unsigned window_bits, struct hfa_ws_deflate_terms *terms,
                             char out[static HFA_WS_EXTENSION_MAX], size_t *length);

#endif
