/* A WebSocket in progress: its codec, its exchange, keep-alive pings and the closing handshake.
 *
 * Between ws_conn, which knows frames, and the protocol that carries them. Frames are written to
 * the carrier's output; received messages go to the exchange's queue. Owned by the carrying
 * protocol, which looks at hfa_ws_stream_is_done() after each call. Loop thread.
 */
#ifndef HFA_WS_STREAM_H
#define HFA_WS_STREAM_H

#include "protocol.h"

struct hfa_ws_stream;

/* Agrees on extensions with the exchange's request. Borrows both. NULL: out of memory. */
struct hfa_ws_stream *hfa_ws_stream_new(struct hfa_carrier *carrier, struct hfa_exchange *exchange);
void hfa_ws_stream_free(struct hfa_ws_stream *stream);

/* What to answer as Sec-WebSocket-Extensions; empty: no such field. Lives as long as the stream. */
struct hfa_bytes hfa_ws_stream_extensions(const struct hfa_ws_stream *stream);

/* The handshake is complete: keep-alive begins. */
void hfa_ws_stream_start(struct hfa_ws_stream *stream);

/* Takes bytes from the peer, changing them; returns how many were used. */
size_t hfa_ws_stream_input(struct hfa_ws_stream *stream, char *data, size_t length);

/* The application, or the peer, has to catch up before more is read. */
bool hfa_ws_stream_wants_input(const struct hfa_ws_stream *stream);

void hfa_ws_stream_on_timeout(struct hfa_ws_stream *stream);

/* See hfa_exchange_send_message() and hfa_exchange_send_close(). */
enum hfa_status hfa_ws_stream_send(struct hfa_ws_stream *stream, enum hfa_message_kind kind,
                                   struct hfa_bytes bytes, void *owner);
enum hfa_status hfa_ws_stream_send_close(struct hfa_ws_stream *stream, uint16_t code,
                                         struct hfa_bytes reason);

/* The server goes away: 1012 to the peer and to the application. */
void hfa_ws_stream_shutdown(struct hfa_ws_stream *stream);

/* The application has let go of the exchange. A closing handshake under way is still finished. */
void hfa_ws_stream_forget_exchange(struct hfa_ws_stream *stream);

/* True when the transport is to be closed once the output is sent. */
bool hfa_ws_stream_is_done(const struct hfa_ws_stream *stream);

#endif
