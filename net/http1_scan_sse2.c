/* The kernel for every x86-64 processor: comparisons, 16 bytes at a time. */
#include "http1_scan.h"

#if defined(__x86_64__)
#include <emmintrin.h>

static inline __m128i equal(__m128i bytes, char wanted)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted));
}

static inline __m128i either(__m128i left, __m128i right)
{
    return _mm_or_si128(left, right);
}

/* SSE2 compares signed bytes only: 8-bit bytes are the least ones. A range is told by one
 * comparison after it has been moved to begin at the least byte. */
static inline __m128i in_range(__m128i bytes, char first, char last)
{
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - first)));
    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-128 + last - first + 1)));
}

/* Bit 0x20 makes letters lower-case; no other byte becomes a letter by it. */
static inline __m128i in_name(__m128i bytes)
{
    __m128i letter = in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 'z');
    return either(either(letter, in_range(bytes, '0', '9')), equal(bytes, '-'));
}

static inline uint64_t bits(__m128i mask)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(mask);
}

static void classify(const char *data, size_t count, const char *last,
                     struct hfa_http1_block *blocks)
{
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count)
            data = last;
        uint64_t name_bits = 0;
        uint64_t no_line_bits = 0;
        uint64_t unseen_bits = 0;
        for (unsigned shift = 0; shift < HFA_HTTP1_BLOCK_SIZE; shift += 16, data += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
            __m128i delete = equal(bytes, 0x7f);
            __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
            __m128i unseen = either(_mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21)), delete);
            name_bits |= bits(in_name(bytes)) << shift;
            no_line_bits |= bits(either(control, delete)) << shift;
            unseen_bits |= bits(unseen) << shift;
        }
        blocks[i].outside[HFA_HTTP1_NAME] = ~name_bits;
        blocks[i].outside[HFA_HTTP1_LINE] = no_line_bits;
        blocks[i].outside[HFA_HTTP1_VISIBLE] = unseen_bits;
    }
}

static bool is_supported(void)
{
    return true;
}

const struct hfa_http1_scanner hfa_http1_scanner_sse2 = {"sse2", classify, is_supported};
#endif
