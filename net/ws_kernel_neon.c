#include "ws_kernel.h"

#if defined(HFA_WS_KERNELS_NEON)

#include <arm_neon.h>

#define STEP sizeof(uint8x16_t)

static void mask(unsigned char *data, size_t length, uint32_t key)
{
    const uint8x16_t keys = vreinterpretq_u8_u32(vdupq_n_u32(key));
    while (length >= 4 * STEP) {
        uint8x16_t a = veorq_u8(vld1q_u8(data), keys);
        uint8x16_t b = veorq_u8(vld1q_u8(data + STEP), keys);
        uint8x16_t c = veorq_u8(vld1q_u8(data + 2 * STEP), keys);
        uint8x16_t d = veorq_u8(vld1q_u8(data + 3 * STEP), keys);
        vst1q_u8(data, a);
        vst1q_u8(data + STEP, b);
        vst1q_u8(data + 2 * STEP, c);
        vst1q_u8(data + 3 * STEP, d);
        data += 4 * STEP;
        length -= 4 * STEP;
    }
    while (length >= STEP) {
        vst1q_u8(data, veorq_u8(vld1q_u8(data), keys));
        data += STEP;
        length -= STEP;
    }
    hfa_ws_kernels_portable.mask(data, length, key);
}

static size_t ascii_prefix(const unsigned char *data, size_t length)
{
    size_t i = 0;
    while (length - i >= 4 * STEP) {
        const unsigned char *at = data + i;
        uint8x16_t a = vorrq_u8(vld1q_u8(at), vld1q_u8(at + STEP));
        uint8x16_t b = vorrq_u8(vld1q_u8(at + 2 * STEP), vld1q_u8(at + 3 * STEP));
        if (vmaxvq_u8(vorrq_u8(a, b)) >= 0x80)
            break;
        i += 4 * STEP;
    }
    while (length - i >= STEP && vmaxvq_u8(vld1q_u8(data + i)) < 0x80)
        i += STEP;
    while (i < length && data[i] < 0x80)
        i++;
    return i;
}

const struct hfa_ws_kernels hfa_ws_kernels_neon = {"neon", mask, ascii_prefix};

#endif
