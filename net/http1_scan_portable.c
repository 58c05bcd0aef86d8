/* The kernel for every processor: a table lookup a byte, eight bytes' bits gathered at once. */
#include "byte_class.h"
#include "http1_scan.h"

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Collects bit `bit` of the eight bytes of `classes`, lowest byte first. The multiplication moves
 * each of the eight bits to its own place in the top byte. */
static inline uint64_t gather(uint64_t classes, unsigned bit)
{
    return ((classes >> bit & EACH_BYTE) * UINT64_C(0x0102040810204080)) >> 56;
}

static void classify(const char *data, size_t count, const char *last,
                     struct hfa_http1_block *blocks)
{
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count)
            data = last;
        const unsigned char *bytes = (const unsigned char *)data;
        uint64_t inside[HFA_HTTP1_CLASSES] = {0};
        for (unsigned shift = 0; shift < HFA_HTTP1_BLOCK_SIZE; shift += 8, bytes += 8, data += 8) {
            uint64_t classes = 0;
            for (unsigned k = 0; k < 8; k++)
                classes |= (uint64_t)hfa_byte_classes[bytes[k]] << (8 * k);
            inside[HFA_HTTP1_NAME] |= gather(classes, 0) << shift;
            inside[HFA_HTTP1_LINE] |= gather(classes, 1) << shift;
            inside[HFA_HTTP1_VISIBLE] |= gather(classes, 2) << shift;
        }
        for (size_t class = 0; class < HFA_HTTP1_CLASSES; class ++)
            blocks[i].outside[class] = ~inside[class];
    }
}

_Static_assert(HFA_BYTE_NAME == 1 << 0 && HFA_BYTE_LINE == 1 << 1 && HFA_BYTE_VISIBLE == 1 << 2,
               "gather() above names the bits of the table");

static bool is_supported(void)
{
    return true;
}

const struct hfa_http1_scanner hfa_http1_scanner_portable = {"portable", classify, is_supported};
