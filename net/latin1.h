/* White space in Latin-1 text, for values that the reference server handles as Python strings. */
#ifndef HFA_LATIN1_H
#define HFA_LATIN1_H

#include "bytes.h"

/* What str.strip() removes of the first 256 characters. */
static inline bool hfa_latin1_is_space(char byte)
{
    unsigned char code = (unsigned char)byte;
    return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
           code == 0xa0;
}

static inline struct hfa_bytes hfa_latin1_trim(struct hfa_bytes text)
{
    while (text.length > 0 && hfa_latin1_is_space(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && hfa_latin1_is_space(text.data[text.length - 1]))
        text.length--;
    return text;
}

#endif
