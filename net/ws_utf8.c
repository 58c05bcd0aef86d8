#include "ws_utf8.h"

#include <stdint.h>
#include <string.h>

#include "ws_kernel.h"

/* A run of ASCII shorter than this is walked over here: a kernel pays off on longer ones. It is
 * also at least the length of the longest character, 4. */
#define SHORT_RUN sizeof(uint64_t)

void hfa_ws_utf8_init(struct hfa_ws_utf8 *utf8)
{
    *utf8 = (struct hfa_ws_utf8){0, 0x80, 0xBF, true};
}

/* One byte of any text: the table of RFC 3629 section 4 and Unicode's table 3-7. */
static bool feed_byte(struct hfa_ws_utf8 *utf8, unsigned char byte)
{
    if (utf8->missing) {
        if (byte < utf8->lowest || byte > utf8->highest)
            return false;
        *utf8 = (struct hfa_ws_utf8){(unsigned char)(utf8->missing - 1), 0x80, 0xBF, false};
        return true;
    }
    if (byte < 0x80)
        return true;
    utf8->is_ascii = false;
    if (byte < 0xC2 || byte > 0xF4)
        return false; /* a stray continuation, an overlong form, or above U+10FFFF */
    if (byte < 0xE0) {
        utf8->missing = 1;
        return true;
    }
    if (byte < 0xF0) {
        utf8->missing = 2;
        if (byte == 0xE0)
            utf8->lowest = 0xA0; /* lower ones are overlong */
        else if (byte == 0xED)
            utf8->highest = 0x9F; /* higher ones are surrogates */
        return true;
    }
    utf8->missing = 3;
    if (byte == 0xF0)
        utf8->lowest = 0x90; /* lower ones are overlong */
    else if (byte == 0xF4)
        utf8->highest = 0x8F; /* higher ones are above U+10FFFF */
    return true;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

/* Length of the character at `at`, which does not start in ASCII and has 4 readable bytes; 0 when
 * it is malformed. */
static size_t character_length(const unsigned char *at)
{
    unsigned char lead = at[0];
    if (lead < 0xE0)
        return lead >= 0xC2 && is_continuation(at[1]) ? 2 : 0;
    if (lead < 0xF0) {
        unsigned value = (unsigned)(lead & 0x0F) << 12 | (unsigned)(at[1] & 0x3F) << 6;
        bool well_formed = is_continuation(at[1]) && is_continuation(at[2]) && value >= 0x800 &&
                           (value & 0xF800) != 0xD800;
        return well_formed ? 3 : 0;
    }
    unsigned value = (unsigned)(lead & 0x0F) << 18 | (unsigned)(at[1] & 0x3F) << 12;
    bool well_formed = is_continuation(at[1]) && is_continuation(at[2]) && is_continuation(at[3]) &&
                       value >= 0x10000 && value <= 0x10FFFF;
    return well_formed ? 4 : 0;
}

bool hfa_ws_utf8_feed(struct hfa_ws_utf8 *utf8, const char *data, size_t length)
{
    if (length == 0)
        return true; /* `data` may be NULL */
    const unsigned char *at = (const unsigned char *)data;
    const unsigned char *end = at + length;

    while (utf8->missing && at < end) {
        if (!feed_byte(utf8, *at++))
            return false;
    }
    if (end - at >= (ptrdiff_t)SHORT_RUN)
        at += hfa_ws_kernels()->ascii_prefix(at, (size_t)(end - at));
    while (end - at >= (ptrdiff_t)SHORT_RUN) {
        if (*at >= 0x80) {
            size_t character = character_length(at);
            if (character == 0)
                return false;
            utf8->is_ascii = false;
            at += character;
            continue;
        }
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        if (word & UINT64_C(0x8080808080808080)) {
            do
                at++;
            while (*at < 0x80);
        } else {
            at += SHORT_RUN;
            at += hfa_ws_kernels()->ascii_prefix(at, (size_t)(end - at));
        }
    }
    while (at < end) {
        if (!feed_byte(utf8, *at++))
            return false;
    }
    return true;
}
