/* HTTP/1.x message bodies: the chunked coding, decoded in place (RFC 9112 7.1).
 *
 * Allocates nothing. Chunk extensions are refused, as no client needs them and proxies read them
 * in different ways; trailer fields are validated, counted and dropped.
 */
#ifndef HFA_HTTP1_BODY_H
#define HFA_HTTP1_BODY_H

#include <stdint.h>

#include "bytes.h"
#include "status.h"

/* An open value, no resources; one thread at a time. */
struct hfa_http1_chunked {
    uint64_t chunk_left;  /* bytes of the current chunk still to come */
    size_t trailer_size;  /* bytes of trailer lines so far, CRLF included */
    unsigned size_digits; /* digits of the chunk size so far */
    unsigned state;       /* private to http1_body.c */
};

void hfa_http1_chunked_init(struct hfa_http1_chunked *decoder);

/* Takes chunked bytes from the start of `input`.
 *
 * HFA_OK: the body and its trailers have ended; `*consumed` bytes belonged to them.
 * HFA_AGAIN: `*consumed` bytes were used; call again with what is left and more.
 * On both, `*data` is a view into `input` with body bytes found on the way (possibly empty): one
 *   call returns at most one run of data, so call until nothing is consumed.
 * HFA_ERR_PROTOCOL: a bad size, extension, line end or trailer: answer 400 and close. `*data` is
 *   what stood before the fault in the same input and may be dropped.
 * HFA_ERR_LIMIT: the trailer lines are longer than `trailer_limit`: answer 431 and close.
 * An end or an error lasts: further calls consume nothing and return the same.
 */
enum hfa_status hfa_http1_chunked_decode(struct hfa_http1_chunked *decoder, struct hfa_bytes input,
                                         size_t trailer_limit, size_t *consumed,
                                         struct hfa_bytes *data);

/* Size of the longest chunk head: 16 hexadecimal digits and CRLF. */
#define HFA_HTTP1_CHUNK_HEAD_MAX 18

/* Writes "<size in hex>CRLF" and returns its length. */
size_t hfa_http1_chunk_head(uint64_t size, char out[static HFA_HTTP1_CHUNK_HEAD_MAX]);

#endif
