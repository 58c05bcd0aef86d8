/* Cookie fields as starlette.requests.cookie_parser reads them: as browsers do, not as RFC 6265
 * says. Text is Latin-1, a byte a character, throughout.
 *
 * Everything is a view into a field until it is unquoted. No Python, no allocation, no state: any
 * thread.
 */
#ifndef HFA_COOKIE_H
#define HFA_COOKIE_H

#include <stdbool.h>

#include "bytes.h"
#include "field.h"

struct hfa_cookie {
    struct hfa_bytes name;  /* stripped; empty where there is no '=' */
    struct hfa_bytes value; /* stripped; quotes and escapes as written */
};

/* Takes the next cookie off a field's value; those without name and value are passed over. False:
 * there is none left. */
bool hfa_cookie_next(struct hfa_bytes *rest, struct hfa_cookie *cookie);

/* True if the value is in quotes: unquoting changes it. */
bool hfa_cookie_is_quoted(struct hfa_bytes value);

/* Writes the value as http.cookies._unquote() leaves it, at most value.length bytes; returns the
 * length. */
size_t hfa_cookie_unquote(struct hfa_bytes value, char *unquoted);

/* Whether a cookie's name is `name`, which is UTF-8. */
bool hfa_cookie_name_equals(struct hfa_bytes latin1, struct hfa_bytes name);

/* The value, as written, of the last cookie with this name (UTF-8) in all fields that are called
 * "cookie". */
bool hfa_cookie_find_last(const struct hfa_field *fields, size_t count, struct hfa_bytes name,
                          struct hfa_bytes *value);

#endif
