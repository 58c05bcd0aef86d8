/* Status lines of HTTP/1.x responses, built once (RFC 9112 4).
 *
 * The phrases are RFC 9110's until hfa_status_line_set_phrase() replaces one: an embedder whose
 * language has a table of its own can make the two agree. Set phrases before serving; reading is
 * for any thread.
 */
#ifndef HFA_STATUS_LINE_H
#define HFA_STATUS_LINE_H

#include "bytes.h"
#include "status.h"

/* "HTTP/1.1 <code> <phrase>CRLF"; codes without a phrase keep the space before the line's end.
 * `code` is between 100 and 999. The view is static. */
struct hfa_bytes hfa_status_line(int code);

/* The reason phrase of a code; empty when it has none. */
struct hfa_bytes hfa_status_phrase(int code);

/* HFA_ERR_INVALID: a code outside 100..999, or a phrase too long or with control bytes. */
enum hfa_status hfa_status_line_set_phrase(int code, struct hfa_bytes phrase);

#endif
