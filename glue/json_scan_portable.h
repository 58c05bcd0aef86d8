/* The kernel for every processor: a comparison a byte. */
#ifndef HFA_JSON_SCAN_PORTABLE_H
#define HFA_JSON_SCAN_PORTABLE_H

#include <stdbool.h>
#include <string.h>

#define HFA_JSON_BLOCK_SIZE 16

static inline unsigned hfa_json_first_byte(const char *in, unsigned char greatest)
{
    for (unsigned i = 0; i < HFA_JSON_BLOCK_SIZE; i++) {
        unsigned char byte = (unsigned char)in[i];
        if (byte < 0x20 || byte == '"' || byte == '\\' || byte > greatest)
            return i;
    }
    return HFA_JSON_BLOCK_SIZE;
}

static inline unsigned hfa_json_copy_block(char *out, const char *in)
{
    memcpy(out, in, HFA_JSON_BLOCK_SIZE);
    return hfa_json_first_byte(in, 0xff);
}

static inline unsigned hfa_json_copy_ascii_block(char *out, const char *in)
{
    memcpy(out, in, HFA_JSON_BLOCK_SIZE);
    return hfa_json_first_byte(in, 0x7f);
}

static inline unsigned hfa_json_find_block(const char *in)
{
    return hfa_json_first_byte(in, 0xff);
}

static inline unsigned hfa_json_find_ascii_block(const char *in)
{
    return hfa_json_first_byte(in, 0x7f);
}

#endif
