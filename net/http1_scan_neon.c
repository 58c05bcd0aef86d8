/* The kernel for 64-bit ARM processors: 16 bytes at a time, four at once for the bit masks. */
#include "http1_scan.h"

#if defined(__aarch64__)
#include <arm_neon.h>

enum { VECTORS = HFA_HTTP1_BLOCK_SIZE / 16 };

/* One bit a byte, lowest first: each byte keeps its own bit, then neighbours are added until eight
 * bits make a byte. */
static inline uint64_t bits(const uint8x16_t masks[VECTORS])
{
    static const uint8_t own_bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t weights = vld1q_u8(own_bit);
    uint8x16_t low = vpaddq_u8(vandq_u8(masks[0], weights), vandq_u8(masks[1], weights));
    uint8x16_t high = vpaddq_u8(vandq_u8(masks[2], weights), vandq_u8(masks[3], weights));
    uint8x16_t sum = vpaddq_u8(low, high);
    sum = vpaddq_u8(sum, sum);
    return vgetq_lane_u64(vreinterpretq_u64_u8(sum), 0);
}

static void classify(const char *data, size_t count, const char *last,
                     struct hfa_http1_block *blocks)
{
    /* Letters, digits and '-' by their low half: bit h of entry l is set when 0xhl is one. */
    static const uint8_t names_by_low_half[16] = {0xa8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8, 0xf8,
                                                  0xf8, 0xf8, 0xf0, 0x50, 0x50, 0x54, 0x50, 0x50};
    static const uint8_t bit_of_high_half[16] = {1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t low_table = vld1q_u8(names_by_low_half);
    const uint8x16_t high_table = vld1q_u8(bit_of_high_half);

    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count)
            data = last;
        uint8x16_t no_name[VECTORS];
        uint8x16_t no_line[VECTORS];
        uint8x16_t unseen[VECTORS];
        for (size_t k = 0; k < VECTORS; k++, data += 16) {
            uint8x16_t bytes = vld1q_u8((const uint8_t *)data);
            uint8x16_t low = vqtbl1q_u8(low_table, vandq_u8(bytes, vdupq_n_u8(0x0f)));
            uint8x16_t high = vqtbl1q_u8(high_table, vshrq_n_u8(bytes, 4));
            uint8x16_t delete = vceqq_u8(bytes, vdupq_n_u8(0x7f));
            uint8x16_t control =
                vbicq_u8(vcltq_u8(bytes, vdupq_n_u8(0x20)), vceqq_u8(bytes, vdupq_n_u8('\t')));
            no_name[k] = vceqzq_u8(vandq_u8(low, high));
            no_line[k] = vorrq_u8(control, delete);
            unseen[k] =
                vorrq_u8(vcltq_u8(bytes, vdupq_n_u8(0x21)), vcgeq_u8(bytes, vdupq_n_u8(0x7f)));
        }
        blocks[i].outside[HFA_HTTP1_NAME] = bits(no_name);
        blocks[i].outside[HFA_HTTP1_LINE] = bits(no_line);
        blocks[i].outside[HFA_HTTP1_VISIBLE] = bits(unseen);
    }
}

static bool is_supported(void)
{
    return true; /* part of the base architecture */
}

const struct hfa_http1_scanner hfa_http1_scanner_neon = {"neon", classify, is_supported};
#endif
