/* "type; name=value; other=\"value\"", as python-multipart's parse_options_header() takes it apart:
 * Content-Type of a form and Content-Disposition of a part.
 *
 * All text is Latin-1. Everything is a view until a value is unquoted. No Python, no allocation.
 */
#ifndef HFA_HEADER_OPTIONS_H
#define HFA_HEADER_OPTIONS_H

#include "bytes.h"

struct hfa_header_option {
    struct hfa_bytes name;
    bool has_value;         /* names of those with a value are compared in lower case */
    struct hfa_bytes value; /* as written, quotes included */
};

/* Takes what goes before the first option, without spaces around it, off `rest`. */
struct hfa_bytes hfa_header_options_type(struct hfa_bytes *rest);

/* Takes the next option off `rest`; of several with one name the last counts. False: there is none
 * left. */
bool hfa_header_options_next(struct hfa_bytes *rest, struct hfa_header_option *option);

/* Whether an option's name is `name`, which is lower-case ASCII. */
bool hfa_header_option_is(const struct hfa_header_option *option, struct hfa_bytes name);

/* Writes a value without its quotes and escapes to `unquoted`, which has room for the value as
 * written, and returns it. */
struct hfa_bytes hfa_header_option_unquote(struct hfa_bytes value, char *unquoted);

/* A file's name without the path that old browsers send before it. */
struct hfa_bytes hfa_header_option_file_name(struct hfa_bytes value);

#endif
