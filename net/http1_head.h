/* HTTP/1.x request heads: bytes in, views out (RFC 9112 2 to 6).
 *
 * Strict and without leniency switches: whatever two parsers could read in two ways is refused.
 * Allocates nothing. The views borrow from the input. Any thread, one parser object a thread.
 *
 * Incremental: feed the same head again from its first byte with more bytes behind it; what was
 * scanned before is not scanned again. Start a new head with hfa_http1_head_reset().
 */
#ifndef HFA_HTTP1_HEAD_H
#define HFA_HTTP1_HEAD_H

#include <stdint.h>

#include "field.h"

/* What decides the framing and life of the connection, found while parsing. */
enum hfa_http1_flag {
    HFA_HTTP1_CHUNKED = 1 << 0,           /* transfer-encoding: chunked, alone */
    HFA_HTTP1_CONTENT_LENGTH = 1 << 1,    /* content_length holds */
    HFA_HTTP1_CLOSE = 1 << 2,             /* connection: close */
    HFA_HTTP1_KEEP_ALIVE = 1 << 3,        /* connection: keep-alive */
    HFA_HTTP1_UPGRADE = 1 << 4,           /* connection: upgrade */
    HFA_HTTP1_UPGRADE_WEBSOCKET = 1 << 5, /* upgrade: websocket */
    HFA_HTTP1_EXPECT_CONTINUE = 1 << 6,   /* expect: 100-continue, from an HTTP/1.1 client */
    HFA_HTTP1_HOST = 1 << 7,              /* a Host field, `host` is its value */
};

struct hfa_http1_head {
    struct hfa_bytes method;
    struct hfa_bytes target; /* request-target as sent */
    unsigned minor_version;  /* 0 or 1; 1.2 to 1.9 count as 1.1 (RFC 9110 2.5) */
    unsigned flags;          /* enum hfa_http1_flag */
    uint64_t content_length; /* at most INT64_MAX */
    struct hfa_bytes host;
    struct hfa_field *fields; /* the caller's array; names as sent, values trimmed */
    size_t field_count;
};

struct hfa_http1_limits {
    size_t head_size;   /* bytes of the whole head: 431 */
    size_t target_size; /* bytes of the request-target: 414 */
    size_t field_count; /* fields, and the length of the caller's array: 431 */
};

/* Parser state between two feeds of one head: an open value, no resources. Offsets count from the
 * head's first byte. */
struct hfa_http1_head_parser {
    size_t part;          /* start of the method, target, name or value at hand */
    size_t scanned;       /* bytes that need not be looked at again */
    uintptr_t origin;     /* where the head's first byte was when views were taken */
    unsigned state;       /* private to http1_head.c */
    unsigned empty_lines; /* passed over before the request line */
};

/* Makes ready for a new head; `head->fields` stays as the caller has set it. */
void hfa_http1_head_reset(struct hfa_http1_head_parser *parser, struct hfa_http1_head *head);

/* Parses one head out of `input`, which starts at the head's first byte. At most two empty lines
 * (CRLF) before the request line are passed over (RFC 9112 2.2) and count as part of the head.
 *
 * HFA_OK: `*consumed` bytes were the head, `head` is filled.
 * HFA_AGAIN: the head is valid so far; feed it again, longer. The bytes may have moved by then:
 *   the views in `head` hold from the moment that another status is returned, not before.
 * HFA_ERR_PROTOCOL / HFA_ERR_LIMIT: `*http_status` is what to answer before closing: 400,
 *   413 (Content-Length beyond 63 bits), 414, 417, 431, 501 (unknown transfer coding), 505.
 *   `head` holds what was read before; `method` and `target` are empty if not reached.
 * HFA_ERR_STATE: the head has ended before, or `input` has become shorter.
 *
 * The result depends on the bytes alone, never on how they were cut into feeds.
 */
enum hfa_status hfa_http1_parse_head(struct hfa_http1_head_parser *parser, struct hfa_bytes input,
                                     const struct hfa_http1_limits *limits,
                                     struct hfa_http1_head *head, size_t *consumed,
                                     int *http_status);

/* The forms of a request-target (RFC 9112 3.2), split. Views into `target`, or static storage. */
struct hfa_http1_target {
    struct hfa_bytes scheme;    /* absolute-form only; as sent, any case */
    struct hfa_bytes authority; /* absolute-form and authority-form */
    struct hfa_bytes path;      /* "*" for asterisk-form; "/" when absolute-form has none;
                                 * empty for authority-form */
    struct hfa_bytes query;     /* without '?'; empty when absent; a fragment is cut off */
};

/* `target` is one that the head parser let pass: visible ASCII. absolute-form is for http, https,
 * ws and wss; its authority, like authority-form's, is a host without userinfo (RFC 9110 4.2.4).
 *
 * HFA_ERR_PROTOCOL: no form that `method` allows. Answer 400. */
enum hfa_status hfa_http1_split_target(struct hfa_bytes method, struct hfa_bytes target,
                                       struct hfa_http1_target *split);

/* Name of the scanner chosen for this processor: "avx2", "sse2", "neon" or "portable". */
const char *hfa_http1_head_scanner(void);

#endif
