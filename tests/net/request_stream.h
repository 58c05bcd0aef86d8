/* Reads pipelined requests as a connection does and describes them, for tests and fuzzers.
 *
 * The description is text, one line for each thing found, bytes that are not visible ASCII or SP
 * escaped as \xHH and '\' as \\:
 *
 *     request POST /a?b HTTP/1.1
 *     authority example.com          absolute-form and authority-form
 *     path /a
 *     query b                        when there is one
 *     field Host: example.com        one line a field, names as sent
 *     flags close expect-continue    when there are some
 *     body hello                     when the request has framing for one
 *     refused 400                    nothing behind it is looked at
 *     waiting head                   the bytes end inside of a head, or of a body
 */
#ifndef REQUEST_STREAM_H
#define REQUEST_STREAM_H

#include "http1_body.h"
#include "http1_head.h"

enum { REQUEST_STREAM_FIELDS_MAX = 128 };

struct request_stream {
    struct hfa_http1_limits limits;
    size_t trailer_limit;
    int phase; /* private */
    struct hfa_http1_head_parser parser;
    struct hfa_http1_head head;
    struct hfa_http1_chunked chunked;
    uint64_t body_left;
    bool body_is_empty;
    struct hfa_field fields[REQUEST_STREAM_FIELDS_MAX];
    size_t whole; /* requests that have ended, bodies included */
    char *text;   /* owned; NUL-terminated */
    size_t text_length;
    size_t text_room;
};

/* With the server's default limits. Release with request_stream_end(). */
void request_stream_begin(struct request_stream *stream);

/* Takes bytes from the start of `input`; returns how many. What is left is to be given again, with
 * more behind it; it may have moved. */
size_t request_stream_take(struct request_stream *stream, struct hfa_bytes input);

/* Adds "waiting ..." if the bytes given do not end between two requests; `left` are those that
 * were not taken. */
void request_stream_finish(struct request_stream *stream, size_t left);

void request_stream_end(struct request_stream *stream);

#endif
