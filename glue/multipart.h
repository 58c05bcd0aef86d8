/* multipart/form-data, as it comes: a body in pieces of any size becomes headers and data of parts.
 *
 * What is accepted is what python-multipart accepts of the same body in one piece, so that no
 * outcome depends on how the network has cut it. The preamble may only be line ends and what
 * follows them up to a hyphen; whatever follows the last delimiter is passed over; a body that ends
 * early is not malformed, its last part is merely never complete.
 *
 * No Python, no allocation: a parser is a few kilobytes, and only a header is ever copied.
 */
#ifndef HFA_MULTIPART_H
#define HFA_MULTIPART_H

#include "bytes.h"

#define HFA_MULTIPART_BOUNDARY_MAX    256
#define HFA_MULTIPART_HEADERS_MAX     8            /* of one part */
#define HFA_MULTIPART_HEADER_SIZE_MAX (4096 + 128) /* name, colon, spaces and value of one */

enum hfa_multipart_state {
    HFA_MULTIPART_AT_START,
    HFA_MULTIPART_IN_PREAMBLE,
    HFA_MULTIPART_IN_FIRST_DELIMITER,
    HFA_MULTIPART_AFTER_FIRST_DELIMITER,
    HFA_MULTIPART_AFTER_FIRST_CR,
    HFA_MULTIPART_AFTER_FIRST_HYPHEN,
    HFA_MULTIPART_AT_HEADER,
    HFA_MULTIPART_IN_HEADER_NAME,
    HFA_MULTIPART_BEFORE_HEADER_VALUE,
    HFA_MULTIPART_IN_HEADER_VALUE,
    HFA_MULTIPART_AFTER_HEADER_CR,
    HFA_MULTIPART_AFTER_HEADERS_CR,
    HFA_MULTIPART_IN_DATA,
    HFA_MULTIPART_AFTER_DELIMITER,
    HFA_MULTIPART_AFTER_DELIMITER_CR,
    HFA_MULTIPART_AFTER_DELIMITER_HYPHEN,
    HFA_MULTIPART_IN_PADDING,
    HFA_MULTIPART_AFTER_PADDING_CR,
    HFA_MULTIPART_AT_END, /* the last part's end has been told, the body's has not */
    HFA_MULTIPART_IN_EPILOGUE,
    HFA_MULTIPART_IS_MALFORMED,
};

/* Private to multipart.c. */
struct hfa_multipart {
    enum hfa_multipart_state state;
    size_t delimiter_length; /* CR LF "--" boundary */
    size_t matched;          /* of the delimiter, before what comes next */
    unsigned header_count;
    size_t header_size; /* what counts of the header so far */
    size_t name_length;
    size_t header_length;                               /* of `header` that is used */
    char delimiter[4 + HFA_MULTIPART_BOUNDARY_MAX + 1]; /* and the byte that followed it */
    char header[HFA_MULTIPART_HEADER_SIZE_MAX];         /* name and value of the current one */
};

enum hfa_multipart_kind {
    HFA_MULTIPART_MORE,        /* `rest` is used up */
    HFA_MULTIPART_HEADER,      /* `name` and `value` of a header; the value's end is not trimmed */
    HFA_MULTIPART_HEADERS_END, /* the part's data follows */
    HFA_MULTIPART_DATA,        /* `value`: some of the part's data, never empty */
    HFA_MULTIPART_PART_END,    /* the part is complete */
    HFA_MULTIPART_END,         /* so is the body: what follows is passed over */
    HFA_MULTIPART_MALFORMED,   /* nothing else will come */
};

struct hfa_multipart_event {
    enum hfa_multipart_kind kind;
    /* Views of `rest` or of the parser, until the next call. */
    struct hfa_bytes name, value;
};

/* False: such a boundary delimits nothing: it is too long, or breaks lines. */
bool hfa_multipart_init(struct hfa_multipart *parser, struct hfa_bytes boundary);

/* Takes what makes the next event off `rest`. */
struct hfa_multipart_event hfa_multipart_next(struct hfa_multipart *parser, struct hfa_bytes *rest);

#endif
