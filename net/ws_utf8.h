/* UTF-8 validation of text that arrives in pieces (RFC 3629, RFC 6455 8.1).
 *
 * Accepts exactly the well-formed sequences: no overlong forms, no surrogates, nothing above
 * U+10FFFF. An open value without resources; one object a text, any thread.
 */
#ifndef HFA_WS_UTF8_H
#define HFA_WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>

struct hfa_ws_utf8 {
    unsigned char missing; /* continuation bytes that the last character still needs */
    unsigned char lowest;  /* bounds of the next one, tighter than 0x80..0xBF after some leads */
    unsigned char highest;
    bool is_ascii; /* all that has been fed */
};

void hfa_ws_utf8_init(struct hfa_ws_utf8 *utf8);

/* Takes the next piece. False as soon as no continuation could make the text valid: the first
 * wrong byte is found in the call that brings it. Do not feed again after that. */
bool hfa_ws_utf8_feed(struct hfa_ws_utf8 *utf8, const char *data, size_t length);

/* True if the text may end here: no character is cut in two. */
static inline bool hfa_ws_utf8_is_complete(const struct hfa_ws_utf8 *utf8)
{
    return utf8->missing == 0;
}

#endif
