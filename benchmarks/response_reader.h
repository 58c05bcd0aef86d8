/* Reads the HTTP/1.x answers of one connection, and judges each against what was expected.
 *
 * Takes bytes and gives events; it has no socket and no clock. Framing is read strictly: an answer
 * that breaks it ends the connection, since nothing after it can be told apart. An answer that is
 * well framed but not the expected one is a fault, and reading goes on.
 */
#ifndef HFA_RESPONSE_READER_H
#define HFA_RESPONSE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HFA_RESPONSE_HEAD_MAX = 65536, /* a longer head breaks the connection */
    HFA_RESPONSE_SAMPLE_MAX = 64,  /* bytes kept of each body, for telling workers apart */
    HFA_RESPONSE_CHUNK_LINE_MAX = 1024,
};

/* What every answer must be. Borrowed by the readers that use it. */
struct hfa_response_rules {
    int status;        /* the status to expect; 0 takes any 2xx */
    int64_t length;    /* length of every body; -1 takes any */
    const char *body;  /* the bytes of every body, length of them, or NULL to take any */
    bool head_request; /* answers to HEAD have no body whatever their head says */
    bool keep_sample;  /* keep the first bytes of each body in sample */
};

enum hfa_response_event {
    HFA_RESPONSE_MORE,   /* all input is used, the answer goes on */
    HFA_RESPONSE_DONE,   /* one answer is complete; fault says whether it is the expected one */
    HFA_RESPONSE_BROKEN, /* not HTTP/1.x framing: close; problem says what */
};

enum hfa_response_fault {
    HFA_RESPONSE_FINE,
    HFA_RESPONSE_BAD_STATUS,
    HFA_RESPONSE_BAD_LENGTH,
    HFA_RESPONSE_BAD_BODY,
};

/* How a head frames its body, as parsed once. */
struct hfa_response_head {
    int status;
    bool chunked;
    bool until_close;
    bool close_after;
    uint64_t content_length;
};

/* The last head that was parsed, shared by all connections: servers repeat their heads to the byte
 * within a second, and equal bytes mean the same thing. Owns bytes; zero-initialised is empty. */
struct hfa_response_cache {
    char *bytes;
    size_t length;
    size_t capacity;
    struct hfa_response_head head;
};

enum hfa_response_state {
    HFA_RESPONSE_IN_HEAD,
    HFA_RESPONSE_IN_BODY,       /* remaining bytes by Content-Length */
    HFA_RESPONSE_IN_CHUNK_LINE, /* the line with a chunk's size */
    HFA_RESPONSE_IN_CHUNK,      /* remaining bytes of a chunk */
    HFA_RESPONSE_AFTER_CHUNK,   /* the CRLF behind a chunk */
    HFA_RESPONSE_IN_TRAILER,
    HFA_RESPONSE_TO_CLOSE, /* the body ends where the connection does */
};

/* Zero-initialised plus rules and cache is ready for the first answer. Owns held. */
struct hfa_response_reader {
    const struct hfa_response_rules *rules; /* borrows */
    struct hfa_response_cache *cache;       /* borrows */
    enum hfa_response_state state;
    struct hfa_response_head head;
    uint64_t remaining;
    uint64_t body_length;
    bool body_differs;
    char *held; /* a head or a line that came in pieces */
    size_t held_length;
    size_t held_capacity;
    /* of the answer that HFA_RESPONSE_DONE reported */
    enum hfa_response_fault fault;
    int status;
    uint64_t length;
    bool close_after;
    char sample[HFA_RESPONSE_SAMPLE_MAX];
    size_t sample_length;
    const char *problem; /* static text, after HFA_RESPONSE_BROKEN */
};

/* Reads data from *used on and moves *used past what was read. Stops behind each answer. */
enum hfa_response_event hfa_response_read(struct hfa_response_reader *reader, const char *data,
                                          size_t length, size_t *used);

/* The connection has ended: completes an answer that ends there. HFA_RESPONSE_MORE if none was
 * under way, HFA_RESPONSE_BROKEN if one is cut. */
enum hfa_response_event hfa_response_end(struct hfa_response_reader *reader);

/* Forgets an answer under way, for the next connection; keeps the buffer. */
void hfa_response_reset(struct hfa_response_reader *reader);

/* Frees what the reader or the cache owns. */
void hfa_response_reader_free(struct hfa_response_reader *reader);
void hfa_response_cache_free(struct hfa_response_cache *cache);

#endif
