/* HTTP/1.x responses: heads and the framing of bodies (RFC 9112 6).
 *
 * Writes to a carrier's output and decides, with the request's version and method and the
 * application's fields, how the body's end will be known. Nothing is written for what is refused.
 */
#ifndef HFA_HTTP1_RESPONSE_H
#define HFA_HTTP1_RESPONSE_H

#include "protocol.h"

enum hfa_http1_framing {
    HFA_HTTP1_FRAMING_NONE,   /* no body: to HEAD, 204 and 304 */
    HFA_HTTP1_FRAMING_LENGTH, /* content-length */
    HFA_HTTP1_FRAMING_CHUNKED,
    HFA_HTTP1_FRAMING_CLOSE, /* HTTP/1.0 without a length: the end of the connection */
};

struct hfa_http1_response {
    enum hfa_http1_framing framing;
    bool is_http10;
    bool is_head_request;
    bool is_started;
    uint64_t left; /* of the declared content-length */
};

void hfa_http1_response_init(struct hfa_http1_response *response,
                             const struct hfa_request *request);

/* Writes the head, and the end of the body when `last`. *keep_alive: in, whether the connection
 * could stay; out, whether it will. HFA_ERR_FIELD_VALUE: framing fields that contradict each other
 * or cannot be read, which would let two responses be taken for one. */
enum hfa_status hfa_http1_response_start(struct hfa_http1_response *response,
                                         struct hfa_carrier *carrier, int status_code,
                                         const struct hfa_field *fields, size_t field_count,
                                         bool last, bool *keep_alive);

/* A whole response to an HTTP/1.1 request that was not HEAD, on a connection that stays; see
 * hfa_exchange_respond(). Not for status codes without a body. */
enum hfa_status hfa_http1_response_whole(struct hfa_http1_response *response,
                                         struct hfa_carrier *carrier, int status_code,
                                         struct hfa_bytes content_type, struct hfa_bytes body);

/* Body bytes; see hfa_exchange_write(). An owner is always taken: lent or given back. */
enum hfa_status hfa_http1_response_write(struct hfa_http1_response *response,
                                         struct hfa_carrier *carrier, struct hfa_bytes bytes,
                                         void *owner, bool last);

/* Takes `fd`. */
enum hfa_status hfa_http1_response_write_file(struct hfa_http1_response *response,
                                              struct hfa_carrier *carrier, int fd, uint64_t offset,
                                              uint64_t length, bool last);

/* Ends the body, with fields behind it where it is chunked. */
enum hfa_status hfa_http1_response_write_trailers(struct hfa_http1_response *response,
                                                  struct hfa_carrier *carrier,
                                                  const struct hfa_field *fields,
                                                  size_t field_count);

/* An interim response; nothing is sent to an HTTP/1.0 client (RFC 9110 15.2). */
enum hfa_status hfa_http1_response_inform(const struct hfa_http1_response *response,
                                          struct hfa_carrier *carrier, int status_code,
                                          const struct hfa_field *fields, size_t field_count);

/* True when a client takes the end of the connection for the end of a whole body. */
bool hfa_http1_response_ends_by_close(const struct hfa_http1_response *response);

/* The server's own refusals: one line of text and connection: close. */
void hfa_http1_response_refuse(struct hfa_carrier *carrier, int status_code);
/* The same with one more field (empty name: none) and a text of the caller's. */
void hfa_http1_response_refuse_with(struct hfa_carrier *carrier, int status_code,
                                    const struct hfa_field *field, struct hfa_bytes text);

/* 101 (Switching Protocols) for a WebSocket. `extensions` may be empty. */
enum hfa_status hfa_http1_response_accept(struct hfa_carrier *carrier, struct hfa_bytes ws_accept,
                                          struct hfa_bytes extensions,
                                          const struct hfa_field *fields, size_t field_count);

#endif
