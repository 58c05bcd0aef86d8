#include "ws_kernel.h"

#if defined(HFA_WS_KERNELS_X86)

#include <emmintrin.h>

#define STEP sizeof(__m128i)

static void mask(unsigned char *data, size_t length, uint32_t key)
{
    const __m128i keys = _mm_set1_epi32((int)key);
    while (length >= 4 * STEP) {
        __m128i *at = (__m128i *)data;
        __m128i a = _mm_xor_si128(_mm_loadu_si128(at), keys);
        __m128i b = _mm_xor_si128(_mm_loadu_si128(at + 1), keys);
        __m128i c = _mm_xor_si128(_mm_loadu_si128(at + 2), keys);
        __m128i d = _mm_xor_si128(_mm_loadu_si128(at + 3), keys);
        _mm_storeu_si128(at, a);
        _mm_storeu_si128(at + 1, b);
        _mm_storeu_si128(at + 2, c);
        _mm_storeu_si128(at + 3, d);
        data += 4 * STEP;
        length -= 4 * STEP;
    }
    while (length >= STEP) {
        __m128i *at = (__m128i *)data;
        _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), keys));
        data += STEP;
        length -= STEP;
    }
    hfa_ws_kernels_portable.mask(data, length, key);
}

static size_t ascii_prefix(const unsigned char *data, size_t length)
{
    size_t i = 0;
    while (length - i >= 4 * STEP) {
        const __m128i *at = (const __m128i *)(data + i);
        __m128i a = _mm_or_si128(_mm_loadu_si128(at), _mm_loadu_si128(at + 1));
        __m128i b = _mm_or_si128(_mm_loadu_si128(at + 2), _mm_loadu_si128(at + 3));
        if (_mm_movemask_epi8(_mm_or_si128(a, b)))
            break;
        i += 4 * STEP;
    }
    while (length - i >= STEP) {
        int high = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(data + i)));
        if (high)
            return i + (size_t)__builtin_ctz((unsigned)high);
        i += STEP;
    }
    while (i < length && data[i] < 0x80)
        i++;
    return i;
}

const struct hfa_ws_kernels hfa_ws_kernels_sse2 = {"sse2", mask, ascii_prefix};

#endif
