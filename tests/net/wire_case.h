/* Wire transcripts: readable files that pair what a client sends with what a server makes of it.
 *
 * A case is a heading "## name", a fenced block ```send and a fenced block ```expect. Other text
 * explains. In `send` every line ends with CRLF, but for one that ends in a single '\'; \r \n \t
 * \\ and \xHH stand for bytes, and \{9000 text} for 9,000 times "text", in which escapes count. In
 * `expect` stand lines of request_stream.h's description, of which \{...} is expanded too. The
 * lines "request", "refused" and "waiting" are all given; of a request's other lines all of a kind
 * are, or none.
 */
#ifndef WIRE_CASE_H
#define WIRE_CASE_H

#include <stddef.h>

#include "bytes.h"

struct wire_case {
    char *name; /* owned; "file: heading", NUL-terminated */
    char *send; /* owned */
    size_t send_length;
    char *expected; /* owned; lines, NUL-terminated */
};

struct wire_cases {
    struct wire_case *cases; /* owned */
    size_t count;
};

/* Adds the cases of one file. Returns NULL, or what is wrong with the file: static storage. */
const char *wire_cases_read(struct wire_cases *cases, const char *path);

void wire_cases_free(struct wire_cases *cases);

/* Whether a description is what the case expects; if not, `*line` is the described line that is
 * not, or the expected one that is missing: a view into one of the two. */
bool wire_case_matches(const struct wire_case *wire_case, const char *described,
                       struct hfa_bytes *line);

#endif
