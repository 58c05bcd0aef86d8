#include "ws_mask.h"

#include <string.h>

#include "ws_kernel.h"

/* Below this the call through the table costs more than wide registers save. */
#define SHORT_PAYLOAD 32

void hfa_ws_mask(char *data, size_t length, const unsigned char key[static 4], size_t offset)
{
    unsigned char rotated[4];
    for (size_t i = 0; i < 4; i++)
        rotated[i] = key[(offset + i) & 3];
    uint32_t key_word;
    memcpy(&key_word, rotated, sizeof(key_word));
    if (length < SHORT_PAYLOAD)
        hfa_ws_kernels_portable.mask((unsigned char *)data, length, key_word);
    else
        hfa_ws_kernels()->mask((unsigned char *)data, length, key_word);
}
