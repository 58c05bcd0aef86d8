/* The kernel for x86-64 processors of 2013 and later: 32 bytes at a time. */
#include "http1_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET_AVX2 __attribute__((target("avx2")))

/* Letters, digits and '-' by their low half: bit h of entry l is set when 0xhl is one. The shuffle
 * yields 0 for 8-bit bytes, which are none. */
#define NAMES_BY_LOW_HALF                                                                          \
    (char)0xa8, (char)0xf8, (char)0xf8, (char)0xf8, (char)0xf8, (char)0xf8, (char)0xf8,            \
        (char)0xf8, (char)0xf8, (char)0xf8, (char)0xf0, 0x50, 0x50, 0x54, 0x50, 0x50

#define BIT_OF_HIGH_HALF 1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0

TARGET_AVX2 static inline uint64_t bits(__m256i mask)
{
    return (uint64_t)(unsigned)_mm256_movemask_epi8(mask);
}

TARGET_AVX2 static void classify(const char *data, size_t count, const char *last,
                                 struct hfa_http1_block *blocks)
{
    const __m256i low_table = _mm256_setr_epi8(NAMES_BY_LOW_HALF, NAMES_BY_LOW_HALF);
    const __m256i high_table = _mm256_setr_epi8(BIT_OF_HIGH_HALF, BIT_OF_HIGH_HALF);
    const __m256i low_half = _mm256_set1_epi8(0x0f);
    const __m256i last_control = _mm256_set1_epi8(0x1f);
    const __m256i space = _mm256_set1_epi8(' ');
    const __m256i delete_byte = _mm256_set1_epi8(0x7f);

    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count)
            data = last;
        uint64_t no_name_bits = 0;
        uint64_t no_line_bits = 0;
        uint64_t visible_bits = 0;
        for (unsigned shift = 0; shift < HFA_HTTP1_BLOCK_SIZE; shift += 32, data += 32) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)data);
            __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_half);
            __m256i name = _mm256_and_si256(_mm256_shuffle_epi8(low_table, bytes),
                                            _mm256_shuffle_epi8(high_table, high));
            __m256i no_name = _mm256_cmpeq_epi8(name, _mm256_setzero_si256());
            __m256i delete = _mm256_cmpeq_epi8(bytes, delete_byte);
            __m256i control = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, last_control), bytes);
            /* Signed: 8-bit bytes are below SP and so not visible. */
            __m256i visible = _mm256_andnot_si256(delete, _mm256_cmpgt_epi8(bytes, space));
            no_name_bits |= bits(no_name) << shift;
            no_line_bits |= bits(_mm256_or_si256(control, delete)) << shift;
            visible_bits |= bits(visible) << shift;
        }
        blocks[i].outside[HFA_HTTP1_NAME] = no_name_bits;
        blocks[i].outside[HFA_HTTP1_LINE] = no_line_bits;
        blocks[i].outside[HFA_HTTP1_VISIBLE] = ~visible_bits;
    }
}

static bool is_supported(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

const struct hfa_http1_scanner hfa_http1_scanner_avx2 = {"avx2", classify, is_supported};
#endif
