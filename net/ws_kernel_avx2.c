#include "ws_kernel.h"

#if defined(HFA_WS_KERNELS_X86)

#include <immintrin.h>

#define STEP sizeof(__m256i)

/* Compiled for AVX2 whatever the rest of the library is compiled for: reached only through the
 * table, after the processor was asked. */
__attribute__((target("avx2"))) static void mask(unsigned char *data, size_t length, uint32_t key)
{
    const __m256i keys = _mm256_set1_epi32((int)key);
    while (length >= 4 * STEP) {
        __m256i *at = (__m256i *)data;
        __m256i a = _mm256_xor_si256(_mm256_loadu_si256(at), keys);
        __m256i b = _mm256_xor_si256(_mm256_loadu_si256(at + 1), keys);
        __m256i c = _mm256_xor_si256(_mm256_loadu_si256(at + 2), keys);
        __m256i d = _mm256_xor_si256(_mm256_loadu_si256(at + 3), keys);
        _mm256_storeu_si256(at, a);
        _mm256_storeu_si256(at + 1, b);
        _mm256_storeu_si256(at + 2, c);
        _mm256_storeu_si256(at + 3, d);
        data += 4 * STEP;
        length -= 4 * STEP;
    }
    while (length >= STEP) {
        __m256i *at = (__m256i *)data;
        _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), keys));
        data += STEP;
        length -= STEP;
    }
    hfa_ws_kernels_sse2.mask(data, length, key);
}

__attribute__((target("avx2"))) static size_t ascii_prefix(const unsigned char *data, size_t length)
{
    size_t i = 0;
    while (length - i >= 4 * STEP) {
        const __m256i *at = (const __m256i *)(data + i);
        __m256i a = _mm256_or_si256(_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1));
        __m256i b = _mm256_or_si256(_mm256_loadu_si256(at + 2), _mm256_loadu_si256(at + 3));
        if (_mm256_movemask_epi8(_mm256_or_si256(a, b)))
            break;
        i += 4 * STEP;
    }
    while (length - i >= STEP) {
        int high = _mm256_movemask_epi8(_mm256_loadu_si256((const __m256i *)(data + i)));
        if (high)
            return i + (size_t)__builtin_ctz((unsigned)high);
        i += STEP;
    }
    return i + hfa_ws_kernels_sse2.ascii_prefix(data + i, length - i);
}

const struct hfa_ws_kernels hfa_ws_kernels_avx2 = {"avx2", mask, ascii_prefix};

#endif
