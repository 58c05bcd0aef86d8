/* The insides of an HTTP/2 connection, shared by http2_conn.c, which speaks with nghttp2 and the
 * connection, and http2_stream.c, which speaks with the application. */
#ifndef HFA_HTTP2_STATE_H
#define HFA_HTTP2_STATE_H

#include <nghttp2/nghttp2.h>

#include "field_section.h"
#include "http2_conn.h"
#include "http2_frame.h"
#include "http2_guard.h"
#include "ws_stream.h"

/* More than can be in flight at once with limits->h2_streams left at its default. */
#define HFA_HTTP2_RESETS_KEPT 256

/* Fields of every response, the server's own: the status beside them has no place here. */
#define HFA_HTTP2_DEFAULT_FIELDS 15

/* One request and its response. Lives in its exchange's arena, from the head's first frame until
 * nghttp2 has closed the stream. */
struct hfa_http2_stream {
    /* `output` is what the application has sent and no frame has taken yet; a WebSocket has the
     * whole for its transport. */
    struct hfa_carrier carrier;
    struct hfa_http2_conn *conn;
    struct hfa_exchange *exchange; /* the protocol's reference */
    struct hfa_http2_stream *next;
    struct hfa_http2_stream **link;
    int32_t id;
    bool is_submitted;     /* nghttp2 has the response's head */
    bool is_head_sent;     /* a frame has taken it */
    bool is_hungry;        /* the WebSocket's messages are taken: it may be fed */
    bool is_deferred;      /* nghttp2 waits to be told of more bytes */
    bool is_ended;         /* nothing follows what is in the output */
    bool is_reset;         /* we have asked nghttp2 to reset it */
    bool resets_when_sent; /* the response is cut: a reset takes the place of its end */
    bool peer_ended;       /* the client will send no more */
    bool is_discarding;    /* the response is whole, the rest of the request is passed over */
    bool has_body;         /* bytes of the response are sent, not only counted */
    bool has_length;       /* of the response */
    uint64_t counted;      /* bytes of the output that conn->unsent knows of */
    uint64_t length_left;  /* of the response's content-length */
    unsigned interim_due;  /* heads of interim responses that no frame has taken yet */
    size_t discarded;      /* bytes that the client was let send since then */
    uint64_t discard_until_ns;
    size_t unacknowledged;  /* bytes received that the client's window still counts */
    uint64_t body_bytes;    /* received in the current time-out window */
    uint64_t body_until_ns; /* end of that window */
    uint64_t moved_ns;      /* when bytes of the output last went into a frame, or came first */
    struct hfa_ws_stream *websocket; /* owned */
    nghttp2_nv *trailers;            /* in the arena */
    size_t trailer_count;
};

struct hfa_http2_conn {
    struct hfa_carrier *carrier;    /* borrowed */
    nghttp2_session *session;       /* owned */
    struct hfa_bytes default_lines; /* what default_fields was made of */
    nghttp2_nv default_fields[HFA_HTTP2_DEFAULT_FIELDS];
    size_t default_count;
    struct hfa_http2_guard guard;
    struct hfa_http2_stream *streams;
    struct hfa_http2_stream *receiving; /* whose head is arriving */
    struct hfa_field_section head;      /* of that one */
    uint64_t head_until_ns;
    uint64_t idle_until_ns;
    uint64_t tick_ns;   /* when the streams' time-outs are looked at next */
    uint64_t goaway_ns; /* when a drain says which streams were the last */
    size_t frame_left;  /* bytes of the frame at hand that are still to come */
    bool is_in_head;    /* that frame carries fields */
    size_t work;        /* what the input at hand has cost so far, in bytes of fields unpacked */
    int32_t last_id;    /* the highest that the client has opened */
    /* Streams that we have reset, the latest at their place modulo the size: the client may have
     * sent more on them before it knew. */
    int32_t reset_ids[HFA_HTTP2_RESETS_KEPT];
    bool is_draining;
    bool had_stream;
    bool said_goodbye; /* the last GOAWAY is submitted */
    unsigned reset_count;
    uint64_t unsent;   /* bytes in all streams' outputs */
    bool has_hungry;   /* a stream is_hungry */
    bool has_paused;   /* a stream may have been told to wait because of them */
    bool is_condemned; /* ended for what the client did */
    bool is_broken;    /* nothing is read any more */
    bool is_pumping;   /* inside of nghttp2: it must not be entered again */
    bool has_more;     /* frames wait for the output to drain */
};

static inline const struct hfa_limits *hfa_http2_limits(const struct hfa_http2_conn *conn)
{
    return conn->carrier->dispatcher->limits;
}

static inline uint64_t hfa_http2_now(const struct hfa_http2_conn *conn)
{
    return *conn->carrier->now_ns;
}

/* Tells the connection that there is something to send. */
static inline void hfa_http2_changed(struct hfa_http2_conn *conn)
{
    conn->carrier->on_change(conn->carrier);
}

/* A stream for a head that begins; NULL: out of memory. */
struct hfa_http2_stream *hfa_http2_stream_new(struct hfa_http2_conn *conn, int32_t id);

/* The head is complete: hands the request over, or answers it here. */
void hfa_http2_stream_begin(struct hfa_http2_stream *stream, bool ends);

/* Body bytes, or a WebSocket's. */
enum hfa_status hfa_http2_stream_data(struct hfa_http2_stream *stream, struct hfa_bytes bytes);
void hfa_http2_stream_end_data(struct hfa_http2_stream *stream);

/* Feeds the WebSockets whose applications have taken what had come. Not from inside of their calls:
 * what an application answers to a message leaves before a close behind it is looked at. */
void hfa_http2_stream_feed_hungry(struct hfa_http2_conn *conn);

/* A HEADERS frame of the stream was sent. */
void hfa_http2_stream_sent_head(struct hfa_http2_stream *stream);

/* The response is sent to its end and the request is not. Clients that send their bodies without a
 * look at what comes are let go on for a while, as over HTTP/1.1; then RFC 9113 8.1's reset. */
void hfa_http2_stream_discard(struct hfa_http2_stream *stream);

/* nghttp2 asks how much there is to send: a count, or NGHTTP2_ERR_DEFERRED. */
ssize_t hfa_http2_stream_offer(struct hfa_http2_stream *stream, size_t most, uint32_t *flags);
/* `size` bytes of the output have gone into a frame. */
void hfa_http2_stream_took(struct hfa_http2_stream *stream, size_t size);

/* Time-outs of one stream, looked at now and then. */
void hfa_http2_stream_check_time(struct hfa_http2_stream *stream);

void hfa_http2_stream_shutdown(struct hfa_http2_stream *stream);

/* Answers in the application's place. */
void hfa_http2_stream_refuse(struct hfa_http2_stream *stream, int status_code,
                             struct hfa_bytes text);

/* Asks nghttp2 to reset it, once. */
void hfa_http2_stream_reset(struct hfa_http2_stream *stream, uint32_t error_code);

/* nghttp2 has closed it, or the connection is gone: the application hears of it. `cancelled`: if it
 * has not begun with the request, it need not. Last use. */
void hfa_http2_stream_close(struct hfa_http2_stream *stream, bool cancelled);

/* Less waits to be sent: lets those write on that had to wait for it. */
void hfa_http2_stream_resume_writing(struct hfa_http2_conn *conn);

#endif
