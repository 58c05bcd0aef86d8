/* application/x-www-form-urlencoded, as it comes: a body in pieces of any size becomes names and
 * values, as python-multipart finds them for Starlette's forms.
 *
 * Fields are between ampersands, empty ones are passed over, and a name ends at the first '='.
 * Nothing is decoded (query.h does that) and nothing is malformed. No Python, no allocation.
 */
#ifndef HFA_URLENCODED_H
#define HFA_URLENCODED_H

#include "bytes.h"

/* Zero: before the first field. */
struct hfa_urlencoded {
    bool in_field;
    bool in_value;
};

enum hfa_urlencoded_event {
    HFA_URLENCODED_MORE,  /* `rest` is used up */
    HFA_URLENCODED_NAME,  /* a piece of a name */
    HFA_URLENCODED_VALUE, /* a piece of a value */
    HFA_URLENCODED_END,   /* the field is complete */
};

/* Takes the next piece off `rest`; *piece is a view of it, never empty. */
enum hfa_urlencoded_event hfa_urlencoded_next(struct hfa_urlencoded *parser, struct hfa_bytes *rest,
                                              struct hfa_bytes *piece);

/* The body is over. True: that completes a field. */
bool hfa_urlencoded_finish(struct hfa_urlencoded *parser);

#endif
