/* Cookies as Python's text: the str objects that Starlette's request.cookies holds. */
#ifndef HFA_COOKIE_TEXT_H
#define HFA_COOKIE_TEXT_H

#include "compat.h"
#include "cookie.h"

/* A cookie's value, unquoted: a new str, or NULL with an exception. */
PyObject *hfa_cookie_text(struct hfa_bytes value);

/* request.cookies: the cookies of all fields that are called "cookie" in a new dict; the last of a
 * name wins, in the place of the first. NULL with an exception. */
PyObject *hfa_cookie_text_dict(const struct hfa_field *fields, size_t count);

#endif
