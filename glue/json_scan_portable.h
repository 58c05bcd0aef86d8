/* The kernel for every processor: a comparison a byte. */
#ifndef HFA_JSON_SCAN_PORTABLE_H
#define HFA_JSON_SCAN_PORTABLE_H

#include <stdbool.h>
#include <string.h>

#define HFA_JSON_BLOCK_SIZE 16

/* A bit a byte. */
typedef unsigned hfa_json_mask;

static inline unsigned hfa_json_mask_first(hfa_json_mask mask)
{
    return (unsigned)__builtin_ctz(mask);
}

static inline hfa_json_mask hfa_json_mask_of(const char *in, unsigned char greatest)
{
    hfa_json_mask mask = 0;
    for (unsigned i = 0; i < HFA_JSON_BLOCK_SIZE; i++) {
        unsigned char byte = (unsigned char)in[i];
        bool is_special = byte < 0x20 || byte == '"' || byte == '\\' || byte > greatest;
        mask |= (unsigned)is_special << i;
    }
    return mask;
}

static inline hfa_json_mask hfa_json_copy_block(char *out, const char *in)
{
    memcpy(out, in, HFA_JSON_BLOCK_SIZE);
    return hfa_json_mask_of(in, 0xff);
}

static inline hfa_json_mask hfa_json_copy_ascii_block(char *out, const char *in)
{
    memcpy(out, in, HFA_JSON_BLOCK_SIZE);
    return hfa_json_mask_of(in, 0x7f);
}

static inline hfa_json_mask hfa_json_find_block(const char *in)
{
    return hfa_json_mask_of(in, 0xff);
}

static inline hfa_json_mask hfa_json_find_ascii_block(const char *in)
{
    return hfa_json_mask_of(in, 0x7f);
}

#endif
