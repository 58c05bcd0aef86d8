/* A borrowed view of bytes: never owns, never NUL-terminated by contract. */
#ifndef HFA_BYTES_H
#define HFA_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct hfa_bytes {
    const char *data;
    size_t length;
};

/* The initializer of a view of a string literal, for static tables; and the view itself. */
#define HFA_BYTES_INIT(literal)                                                                    \
    {                                                                                              \
        "" literal "", sizeof(literal) - 1                                                         \
    }
#define HFA_BYTES(literal) ((struct hfa_bytes)HFA_BYTES_INIT(literal))

static inline bool hfa_bytes_equal(struct hfa_bytes left, struct hfa_bytes right)
{
    return left.length == right.length &&
           (left.length == 0 || memcmp(left.data, right.data, left.length) == 0);
}

/* ASCII case-insensitive comparison with a view that is already lower-case. */
static inline bool hfa_bytes_equal_lower(struct hfa_bytes any_case, struct hfa_bytes lower)
{
    if (any_case.length != lower.length)
        return false;
    for (size_t i = 0; i < lower.length; i++) {
        char byte = any_case.data[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte | 0x20);
        if (byte != lower.data[i])
            return false;
    }
    return true;
}

#endif
