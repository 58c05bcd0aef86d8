/* The kernel for 64-bit ARM: comparisons, 16 bytes at a time. */
#ifndef HFA_JSON_SCAN_NEON_H
#define HFA_JSON_SCAN_NEON_H

#if defined(__aarch64__)
#include <arm_neon.h>
#include <stdint.h>

#define HFA_JSON_BLOCK_SIZE 16

static inline uint8x16_t hfa_json_special_bytes(uint8x16_t bytes)
{
    uint8x16_t control = vcltq_u8(bytes, vdupq_n_u8(0x20));
    uint8x16_t quote = vceqq_u8(bytes, vdupq_n_u8('"'));
    uint8x16_t backslash = vceqq_u8(bytes, vdupq_n_u8('\\'));
    return vorrq_u8(control, vorrq_u8(quote, backslash));
}

/* Four bits a byte. */
typedef uint64_t hfa_json_mask;

static inline hfa_json_mask hfa_json_mask_of(uint8x16_t bytes)
{
    uint8x8_t halves = vshrn_n_u16(vreinterpretq_u16_u8(bytes), 4);
    return vget_lane_u64(vreinterpret_u64_u8(halves), 0);
}

static inline unsigned hfa_json_mask_first(hfa_json_mask mask)
{
    return (unsigned)__builtin_ctzll(mask) / 4;
}

static inline uint8x16_t hfa_json_special_or_not_ascii(uint8x16_t bytes)
{
    return vorrq_u8(hfa_json_special_bytes(bytes), vcgeq_u8(bytes, vdupq_n_u8(0x80)));
}

static inline hfa_json_mask hfa_json_copy_block(char *out, const char *in)
{
    uint8x16_t bytes = vld1q_u8((const uint8_t *)in);
    vst1q_u8((uint8_t *)out, bytes);
    return hfa_json_mask_of(hfa_json_special_bytes(bytes));
}

static inline hfa_json_mask hfa_json_copy_ascii_block(char *out, const char *in)
{
    uint8x16_t bytes = vld1q_u8((const uint8_t *)in);
    vst1q_u8((uint8_t *)out, bytes);
    return hfa_json_mask_of(hfa_json_special_or_not_ascii(bytes));
}

static inline hfa_json_mask hfa_json_find_block(const char *in)
{
    return hfa_json_mask_of(hfa_json_special_bytes(vld1q_u8((const uint8_t *)in)));
}

static inline hfa_json_mask hfa_json_find_ascii_block(const char *in)
{
    return hfa_json_mask_of(hfa_json_special_or_not_ascii(vld1q_u8((const uint8_t *)in)));
}

#endif

#endif
