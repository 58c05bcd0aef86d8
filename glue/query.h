/* Query strings and forms (application/x-www-form-urlencoded) as Python's
 * urllib.parse.parse_qsl(query.decode("latin-1"), keep_blank_values=True) reads them, which is what
 * Starlette's QueryParams holds.
 *
 * Everything is a view into the query until it is decoded. No Python, no allocation, no state: any
 * thread.
 */
#ifndef HFA_QUERY_H
#define HFA_QUERY_H

#include <stdbool.h>

#include "bytes.h"

/* As written: '+' and escapes are not decoded. */
struct hfa_query_pair {
    struct hfa_bytes name;
    struct hfa_bytes value;
};

/* Takes the next pair off `rest`. Nothing between two '&' is no pair; a name without '=' has an
 * empty value. False: there is none left. */
bool hfa_query_next(struct hfa_bytes *rest, struct hfa_query_pair *pair);

/* True if decoding changes nothing: no '+', no escape, no byte above ASCII. */
bool hfa_query_is_plain(struct hfa_bytes raw);

/* Room that hfa_query_decode() needs at most. */
#define HFA_QUERY_DECODED_MAX(length) (2 * (length))

/* Writes a name or value, decoded, as UTF-8 and returns its length. Escapes are UTF-8, with U+FFFD
 * for what is not (one for each maximal part, as Python replaces errors); an unescaped byte above
 * ASCII is the character of that number, and '%' without two hexadecimal digits itself. */
size_t hfa_query_decode(struct hfa_bytes raw, char *decoded);

/* Whether a name, decoded, is `name`, which is UTF-8. */
bool hfa_query_name_equals(struct hfa_bytes raw, struct hfa_bytes name);

/* The value as written of the last pair with this name (UTF-8): what a scalar parameter gets. */
bool hfa_query_find_last(struct hfa_bytes query, struct hfa_bytes name, struct hfa_bytes *value);

#endif
