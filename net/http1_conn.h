/* One HTTP/1.0 or HTTP/1.1 connection: heads, bodies, keep-alive and framing of the answers.
 *
 * Sans I/O: see protocol.h. The engine owns its current exchange's protocol reference; everything
 * else it borrows from the carrier. One request is in progress at a time: what a client pipelines
 * waits as bytes until the answer before it is complete, so answers cannot overtake each other.
 */
#ifndef HFA_HTTP1_CONN_H
#define HFA_HTTP1_CONN_H

#include "protocol.h"

struct hfa_http1_conn;

extern const struct hfa_protocol hfa_http1_protocol;

/* The engine borrows `carrier`; hfa_http1_protocol.free() frees the engine. NULL: out of memory. */
struct hfa_http1_conn *hfa_http1_conn_new(struct hfa_carrier *carrier);

#endif
