#include <string.h>

#include "ws_kernel.h"

static void mask(unsigned char *data, size_t length, uint32_t key)
{
    uint64_t key_twice = (uint64_t)key << 32 | key;
    while (length >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, data, sizeof(word));
        word ^= key_twice;
        memcpy(data, &word, sizeof(word));
        data += sizeof(word);
        length -= sizeof(word);
    }
    unsigned char key_bytes[4];
    memcpy(key_bytes, &key, sizeof(key));
    for (size_t i = 0; i < length; i++)
        data[i] ^= key_bytes[i & 3];
}

static size_t ascii_prefix(const unsigned char *data, size_t length)
{
    size_t i = 0;
    while (length - i >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, data + i, sizeof(word));
        if (word & UINT64_C(0x8080808080808080))
            break;
        i += sizeof(word);
    }
    while (i < length && data[i] < 0x80)
        i++;
    return i;
}

const struct hfa_ws_kernels hfa_ws_kernels_portable = {"portable", mask, ascii_prefix};
