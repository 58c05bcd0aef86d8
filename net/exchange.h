/* The exchange: one request and its response, the same for every HTTP version.
 *
 * All protocols meet the application here. A protocol fills the request and puts news (a request,
 * body bytes, room to write, the peer's departure, a message) into the dispatcher's queue; the
 * dispatcher hands them to the application later, never from inside the call that caused them. The
 * application answers through the functions below, which reach the protocol by its operations.
 *
 * Lifetime: the protocol and the application hold one reference each. The application's begins
 * with on_request() and ends with hfa_exchange_release(), its last use. Views in the request die
 * with the exchange. After the transport is gone the exchange stays valid: what is sent then is
 * refused with HFA_ERR_CLOSED. Everything here is for the loop thread.
 */
#ifndef HFA_EXCHANGE_H
#define HFA_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "arena.h"
#include "buffer.h"
#include "field.h"
#include "peer_tls.h"

enum hfa_http_version {
    HFA_HTTP_1_0 = 10,
    HFA_HTTP_1_1 = 11,
    HFA_HTTP_2 = 20,
    HFA_HTTP_3 = 30,
};

#define HFA_LENGTH_UNKNOWN UINT64_MAX

struct hfa_request {
    enum hfa_http_version version;
    struct hfa_bytes method;
    struct hfa_bytes target;        /* as sent */
    struct hfa_bytes path;          /* not decoded; "*" for the asterisk-form */
    struct hfa_bytes query;         /* without '?' */
    const struct hfa_field *fields; /* names lower-case, values trimmed, order kept */
    size_t field_count;
    uint64_t content_length; /* HFA_LENGTH_UNKNOWN: chunked */
    bool has_body;
    bool is_websocket; /* a valid WebSocket handshake: answer with accept or a denial */
};

/* The value of the first field of a name, in lower case; NULL: there is none. */
static inline const struct hfa_bytes *hfa_request_field(const struct hfa_request *request,
                                                        struct hfa_bytes name)
{
    for (size_t i = 0; i < request->field_count; i++) {
        if (hfa_bytes_equal(request->fields[i].name, name))
            return &request->fields[i].value;
    }
    return NULL;
}

/* Who talks to whom. Shared by a connection and its exchanges, so that a request whose client has
 * left still knows where it came from. */
struct hfa_peer {
    struct hfa_peer *next;            /* the dispatcher's: with news, or without references */
    struct hfa_exchange *ready_first; /* its exchanges with news */
    struct hfa_exchange *ready_last;
    struct hfa_dispatcher *dispatcher;
    unsigned references;
    bool is_secure;
    bool app_flag;            /* the application's */
    struct hfa_peer_tls *tls; /* owned; NULL without TLS */
    struct hfa_address client;
    struct hfa_address server;
    void *app_data;          /* the application's, given back through on_peer_gone() */
    void *conn;              /* the connection; NULL once it is closed */
    void (*end)(void *conn); /* closes it after the request in progress, or now if idle */
};

enum hfa_event {
    HFA_EVENT_REQUEST = 1 << 0,
    HFA_EVENT_BODY = 1 << 1,       /* body bytes arrived, or its end */
    HFA_EVENT_WRITABLE = 1 << 2,   /* hfa_exchange_is_writable() has become true again */
    HFA_EVENT_DISCONNECT = 1 << 3, /* the peer has gone; no further event follows */
    HFA_EVENT_MESSAGE = 1 << 4,    /* a WebSocket message, or its end, can be taken */
    HFA_EVENT_SHUTDOWN = 1 << 5,   /* the server drains: end a stream or WebSocket soon */
};

enum hfa_response_state {
    HFA_RESPONSE_NONE,
    HFA_RESPONSE_STARTED,
    HFA_RESPONSE_COMPLETE,
    HFA_RESPONSE_ABORTED,
};

enum hfa_message_kind {
    HFA_MESSAGE_TEXT = 1,
    HFA_MESSAGE_BINARY = 2,
    HFA_MESSAGE_CLOSE = 8, /* code and reason are set; the last message */
};

/* A received WebSocket message; the exchange owns it until it is freed with
 * hfa_exchange_free_message(). */
struct hfa_message {
    struct hfa_message *next;
    enum hfa_message_kind kind;
    uint16_t close_code;
    bool is_ascii; /* text alone: it is known to be */
    size_t length;
    char data[]; /* UTF-8 for text and close reasons */
};

struct hfa_exchange;

/* What a protocol does for its exchanges. */
struct hfa_exchange_ops {
    enum hfa_status (*start)(struct hfa_exchange *, int status_code, const struct hfa_field *fields,
                             size_t field_count, bool last);
    enum hfa_status (*write)(struct hfa_exchange *, struct hfa_bytes bytes, void *owner, bool last);
    enum hfa_status (*respond)(struct hfa_exchange *, int status_code,
                               struct hfa_bytes content_type, struct hfa_bytes body);
    enum hfa_status (*write_file)(struct hfa_exchange *, int fd, uint64_t offset, uint64_t length,
                                  bool last);
    enum hfa_status (*write_trailers)(struct hfa_exchange *, const struct hfa_field *fields,
                                      size_t field_count);
    enum hfa_status (*inform)(struct hfa_exchange *, int status_code,
                              const struct hfa_field *fields, size_t field_count);
    bool (*is_writable)(struct hfa_exchange *);
    enum hfa_status (*send_continue)(struct hfa_exchange *);
    void (*resume_body)(struct hfa_exchange *);
    void (*abort)(struct hfa_exchange *);
    enum hfa_status (*accept)(struct hfa_exchange *, const struct hfa_field *fields,
                              size_t field_count);
    enum hfa_status (*send_message)(struct hfa_exchange *, enum hfa_message_kind kind,
                                    struct hfa_bytes bytes, void *owner);
    enum hfa_status (*send_close)(struct hfa_exchange *, uint16_t code, struct hfa_bytes reason);
};

struct hfa_dispatcher;

struct hfa_exchange {
    const struct hfa_exchange_ops *ops;
    void *stream; /* the protocol's; NULL once the transport is gone */
    struct hfa_dispatcher *dispatcher;
    struct hfa_exchange *ready_next; /* its peer's queue */
    unsigned events;                 /* enum hfa_event not yet handed over */
    bool is_queued;
    unsigned char references;
    enum hfa_response_state response;

    struct hfa_request request;
    struct hfa_peer *peer;  /* holds a reference */
    struct hfa_buffer body; /* received and not yet taken */
    bool body_complete;     /* the last byte has been received */
    bool wants_continue;    /* a 100 (Continue) is owed at the first read */
    bool is_disconnected;
    bool is_paused; /* the application was told to wait with writing */
    bool websocket_accepted;
    bool is_followed;             /* more has come behind the message that was received last */
    struct hfa_message *messages; /* received and not yet taken, oldest first */
    struct hfa_message *messages_last;
    size_t messages_size; /* memory that they take */

    void *app_data; /* the application's own; set and freed by it */
    struct hfa_arena arena;
};

/* Sends the response head; `last` when no body follows. Fields are checked (HFA_ERR_FIELD_NAME,
 * HFA_ERR_FIELD_VALUE) before anything is queued. The response counts as started even if a field
 * was refused: abort it. Framing fields follow the protocol: what the application says of
 * content-length is kept and enforced, connection and transfer-encoding are the protocol's. */
enum hfa_status hfa_exchange_start(struct hfa_exchange *exchange, int status_code,
                                   const struct hfa_field *fields, size_t field_count, bool last);

/* Sends body bytes. With an `owner` large bytes are borrowed until on_release(owner), which always
 * comes, small ones or an error included; without one they are copied. HFA_ERR_BODY_TOO_LONG and
 * _TOO_SHORT hold against a declared content-length: abort then. */
enum hfa_status hfa_exchange_write(struct hfa_exchange *exchange, struct hfa_bytes bytes,
                                   void *owner, bool last);

/* The response that most are: content-length and content-type in front of `body`, which is copied.
 * As hfa_exchange_start() and hfa_exchange_write(), but that `content_type` is not checked: it is
 * the caller's own. */
enum hfa_status hfa_exchange_respond(struct hfa_exchange *exchange, int status_code,
                                     struct hfa_bytes content_type, struct hfa_bytes body);

/* Sends `length` bytes of a file from `offset`. Takes `fd` in every case. */
enum hfa_status hfa_exchange_write_file(struct hfa_exchange *exchange, int fd, uint64_t offset,
                                        uint64_t length, bool last);

/* Ends a started response with fields behind its body (RFC 9110 6.5), checked as those of a head.
 * Where the protocol or the response has no place for them they are dropped, and the response ends
 * all the same. */
enum hfa_status hfa_exchange_write_trailers(struct hfa_exchange *exchange,
                                            const struct hfa_field *fields, size_t field_count);

/* An interim response before the response is started: 103 (Early Hints). A client that cannot
 * take one is not sent it. */
enum hfa_status hfa_exchange_inform(struct hfa_exchange *exchange, int status_code,
                                    const struct hfa_field *fields, size_t field_count);

/* False: wait for on_writable() before writing more. Nothing enforces it but memory. */
bool hfa_exchange_is_writable(struct hfa_exchange *exchange);

/* The application waits for the body: sends the 100 (Continue) that is owed and reads on. */
void hfa_exchange_read(struct hfa_exchange *exchange);

/* Drops `size` bytes from the start of exchange->body. */
void hfa_exchange_consume_body(struct hfa_exchange *exchange, size_t size);

/* Ends the response now: a started one is cut so that the peer can tell. */
void hfa_exchange_abort(struct hfa_exchange *exchange);

/* Aborts an incomplete response; after a complete one ends the connection that it went out on, but
 * not one that carries other streams. */
void hfa_exchange_close(struct hfa_exchange *exchange);

/* WebSocket: completes the handshake. `fields` may hold sec-websocket-protocol. */
enum hfa_status hfa_exchange_accept(struct hfa_exchange *exchange, const struct hfa_field *fields,
                                    size_t field_count);
/* As hfa_exchange_write(), for one whole message. HFA_ERR_STATE after a close was sent. */
enum hfa_status hfa_exchange_send_message(struct hfa_exchange *exchange, enum hfa_message_kind kind,
                                          struct hfa_bytes bytes, void *owner);
/* Begins the closing handshake. HFA_ERR_NO_MEMORY: the connection is cut instead. */
enum hfa_status hfa_exchange_send_close(struct hfa_exchange *exchange, uint16_t code,
                                        struct hfa_bytes reason);
/* Takes the oldest message, or NULL; the caller frees it with hfa_exchange_free_message(). */
struct hfa_message *hfa_exchange_take_message(struct hfa_exchange *exchange);
void hfa_exchange_free_message(struct hfa_message *message);

/* The application's last use of the exchange. A response that is not complete is aborted. */
void hfa_exchange_release(struct hfa_exchange *exchange);

/* For protocols. */

/* A peer with one reference; NULL when memory is out. */
struct hfa_peer *hfa_peer_new(struct hfa_dispatcher *dispatcher);
void hfa_peer_release(struct hfa_peer *peer);

/* `respond` by way of `start` and `write`. */
enum hfa_status hfa_exchange_respond_in_steps(struct hfa_exchange *exchange, int status_code,
                                              struct hfa_bytes content_type, struct hfa_bytes body);

/* Queues news for the application. */
void hfa_exchange_notify(struct hfa_exchange *exchange, unsigned events);
/* The transport or stream is gone: tells the application and drops the protocol's reference. */
void hfa_exchange_detach(struct hfa_exchange *exchange);
/* The client has taken the request back: if the application has not seen it, it never will. Before
 * hfa_exchange_detach(). */
void hfa_exchange_cancel(struct hfa_exchange *exchange);
/* Queues a copy of a message, without its `next`, and its bytes; HFA_ERR_NO_MEMORY. */
enum hfa_status hfa_exchange_push_message(struct hfa_exchange *exchange,
                                          const struct hfa_message *head, const char *data);

#endif
