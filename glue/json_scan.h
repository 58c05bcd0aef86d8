/* The bytes of a JSON string that cannot stand for themselves, found a block at a time.
 *
 * Those are '"', '\\' and the control bytes below 0x20 (RFC 8259 7). Strings are mostly short, so
 * the kernels are inline and none needs more of a processor than its architecture promises: no
 * choice is left to the run time. No Python here.
 */
#ifndef HFA_JSON_SCAN_H
#define HFA_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Tests build the portable kernel everywhere. */
#if defined(HFA_JSON_SCAN_PORTABLE)
#include "json_scan_portable.h"
#elif defined(__SSE2__)
#include "json_scan_sse2.h"
#elif defined(__aarch64__)
#include "json_scan_neon.h"
#else
#include "json_scan_portable.h"
#endif

/* Of the kernel above:
 *
 *   hfa_json_mask hfa_json_copy_block(char *out, const char *in)
 *       copies HFA_JSON_BLOCK_SIZE bytes; tells which are special, 0: none
 *   hfa_json_mask hfa_json_copy_ascii_block(char *out, const char *in)
 *       the same; bytes from 0x80 on count as special too
 *   hfa_json_mask hfa_json_find_block(const char *in)
 *   hfa_json_mask hfa_json_find_ascii_block(const char *in)
 *       the same two, without a copy
 *   unsigned hfa_json_mask_first(hfa_json_mask mask)
 *       the place of the first byte that a mask tells of; there must be one
 */

#define HFA_JSON_EACH_BYTE UINT64_C(0x0101010101010101)

static inline bool hfa_json_is_special(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

static inline uint64_t hfa_json_load_8(const char *in)
{
    uint64_t word;
    memcpy(&word, in, sizeof(word));
    return word;
}

static inline uint32_t hfa_json_load_4(const char *in)
{
    uint32_t word;
    memcpy(&word, in, sizeof(word));
    return word;
}

/* Whether one of the eight bytes is special. */
static inline bool hfa_json_has_special_8(uint64_t word)
{
    uint64_t quote = word ^ HFA_JSON_EACH_BYTE * '"';
    uint64_t backslash = word ^ HFA_JSON_EACH_BYTE * '\\';
    uint64_t below = (word - HFA_JSON_EACH_BYTE * 0x20) & ~word;
    uint64_t equal =
        ((quote - HFA_JSON_EACH_BYTE) & ~quote) | ((backslash - HFA_JSON_EACH_BYTE) & ~backslash);
    return ((below | equal) & HFA_JSON_EACH_BYTE * 0x80) != 0;
}

static inline bool hfa_json_has_non_ascii_8(uint64_t word)
{
    return (word & HFA_JSON_EACH_BYTE * 0x80) != 0;
}

/* Copies `size` bytes, fewer than a block, unless one is special. Writes nothing behind them. */
static inline bool hfa_json_copy_rest(char *out, const char *in, size_t size)
{
    if (size >= 8) {
        uint64_t first = hfa_json_load_8(in);
        uint64_t last = hfa_json_load_8(in + size - 8);
        if (hfa_json_has_special_8(first) || hfa_json_has_special_8(last))
            return false;
        memcpy(out, &first, 8);
        memcpy(out + size - 8, &last, 8);
        return true;
    }
    if (size >= 4) {
        uint32_t first = hfa_json_load_4(in);
        uint32_t last = hfa_json_load_4(in + size - 4);
        if (hfa_json_has_special_8((uint64_t)last << 32 | first))
            return false;
        memcpy(out, &first, 4);
        memcpy(out + size - 4, &last, 4);
        return true;
    }
    for (size_t i = 0; i < size; i++) {
        if (hfa_json_is_special((unsigned char)in[i]))
            return false;
        out[i] = in[i];
    }
    return true;
}

#endif
