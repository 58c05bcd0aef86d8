/* The kernel for every x86-64 processor: comparisons, 16 bytes at a time. */
#include "http1_scan.h"

#if defined(__x86_64__)
#include <emmintrin.h>

static inline __m128i equal(__m128i bytes, char wanted)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(wanted));
}

/* SSE2 compares signed bytes only, so 8-bit bytes are the least ones: `bytes < 0x21` holds for
 * controls, SP and all of 0x80 to 0xff. */
static inline __m128i below_visible(__m128i bytes)
{
    return _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21));
}

static inline __m128i either(__m128i left, __m128i right)
{
    return _mm_or_si128(left, right);
}

/* The delimiters of RFC 9110 5.6.2: "(),/:;<=>?@[\]{} and what is not visible. */
static inline __m128i outside_token(__m128i bytes, __m128i outside_visible)
{
    /* '[' and '{', ']' and '}' differ in one bit, '(' and ')' in another. */
    __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    __m128i even = _mm_and_si128(bytes, _mm_set1_epi8((char)0xfe));
    /* ':' to '@', moved down so that the range begins at the least signed byte. */
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - ':')));
    __m128i colon_to_at = _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(-128 + '@' - ':' + 1)));

    __m128i brackets = either(either(equal(lower, '{'), equal(lower, '}')), equal(bytes, '\\'));
    __m128i comma_slash = either(equal(bytes, ','), equal(bytes, '/'));
    __m128i quote_parentheses = either(equal(bytes, '"'), equal(even, '('));
    return either(either(either(brackets, comma_slash), either(quote_parentheses, colon_to_at)),
                  outside_visible);
}

static inline uint64_t bits(__m128i mask)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(mask);
}

static void classify(const char *data, size_t count, const char *last,
                     struct hfa_http1_masks *masks)
{
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count)
            data = last;
        uint64_t no_token_bits = 0;
        uint64_t no_text_bits = 0;
        uint64_t unseen_bits = 0;
        for (unsigned shift = 0; shift < HFA_HTTP1_BLOCK_SIZE; shift += 16, data += 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)data);
            __m128i delete = equal(bytes, 0x7f);
            __m128i control =
                _mm_andnot_si128(equal(bytes, '\t'),
                                 _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes));
            __m128i unseen = either(below_visible(bytes), delete);
            no_token_bits |= bits(outside_token(bytes, unseen)) << shift;
            no_text_bits |= bits(either(control, delete)) << shift;
            unseen_bits |= bits(unseen) << shift;
        }
        masks->outside[HFA_HTTP1_TOKEN][i] = no_token_bits;
        masks->outside[HFA_HTTP1_TEXT][i] = no_text_bits;
        masks->outside[HFA_HTTP1_VISIBLE][i] = unseen_bits;
    }
}

static bool is_supported(void)
{
    return true;
}

const struct hfa_http1_scanner hfa_http1_scanner_sse2 = {"sse2", classify, is_supported};
#endif
