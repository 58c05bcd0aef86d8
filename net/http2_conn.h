/* One HTTP/2 connection (RFC 9113): streams of requests and responses, by nghttp2.
 *
 * Sans I/O: see protocol.h. A stream is an exchange; what it needs beside lives in the exchange's
 * arena. Responses wait in their streams and are put into frames when the connection is about to
 * write, in the order that RFC 9218's priorities ask for and no further than the client's windows
 * and limits->response_buffer allow: so send() waits while the client does not read.
 */
#ifndef HFA_HTTP2_CONN_H
#define HFA_HTTP2_CONN_H

#include "protocol.h"

/* What a client sends first (RFC 9113 3.4). */
#define HFA_HTTP2_PREFACE_LINE "PRI * HTTP/2.0\r\n"
#define HFA_HTTP2_PREFACE      HFA_HTTP2_PREFACE_LINE "\r\nSM\r\n\r\n"

struct hfa_http2_conn;

extern const struct hfa_protocol hfa_http2_protocol;

/* The engine borrows `carrier`; hfa_http2_protocol.free() frees the engine. NULL: out of memory, or
 * a build without HTTP/2. */
struct hfa_http2_conn *hfa_http2_conn_new(struct hfa_carrier *carrier);

/* nghttp2's version, "" in a build without HTTP/2. */
const char *hfa_http2_library(void);

#endif
