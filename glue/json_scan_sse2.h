/* The kernel for x86-64: comparisons, 16 bytes at a time. */
#ifndef HFA_JSON_SCAN_SSE2_H
#define HFA_JSON_SCAN_SSE2_H

#if defined(__SSE2__)
#include <emmintrin.h>

#define HFA_JSON_BLOCK_SIZE 16

static inline __m128i hfa_json_special_bytes(__m128i bytes)
{
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    return _mm_or_si128(control, _mm_or_si128(quote, backslash));
}

typedef unsigned hfa_json_mask;

static inline unsigned hfa_json_mask_first(hfa_json_mask mask)
{
    return (unsigned)__builtin_ctz(mask);
}

static inline hfa_json_mask hfa_json_copy_block(char *out, const char *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    _mm_storeu_si128((__m128i *)(void *)out, bytes);
    return (unsigned)_mm_movemask_epi8(hfa_json_special_bytes(bytes));
}

/* The sign bit, which is all that the mask is made of, is set in bytes from 0x80 on. */
static inline hfa_json_mask hfa_json_copy_ascii_block(char *out, const char *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    _mm_storeu_si128((__m128i *)(void *)out, bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(hfa_json_special_bytes(bytes), bytes));
}

static inline hfa_json_mask hfa_json_find_block(const char *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    return (unsigned)_mm_movemask_epi8(hfa_json_special_bytes(bytes));
}

static inline hfa_json_mask hfa_json_find_ascii_block(const char *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)in);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(hfa_json_special_bytes(bytes), bytes));
}

#endif

#endif
