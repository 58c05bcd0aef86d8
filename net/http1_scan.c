#include "http1_scan.h"

#include "http1_head.h"

_Atomic(const struct hfa_http1_scanner *) hfa_http1_scanner_in_use;

const struct hfa_http1_scanner *const *hfa_http1_scanners(void)
{
    static const struct hfa_http1_scanner *const kernels[] = {
#if defined(__x86_64__)
        &hfa_http1_scanner_avx2,
        &hfa_http1_scanner_sse2,
#elif defined(__aarch64__)
        &hfa_http1_scanner_neon,
#endif
        &hfa_http1_scanner_portable,
        NULL,
    };
    /* Faster kernels need more of a processor, so those it lacks are all at the front. */
    size_t first = 0;
    while (!kernels[first]->is_supported())
        first++;
    return kernels + first;
}

const struct hfa_http1_scanner *hfa_http1_scanner_choose(void)
{
    const struct hfa_http1_scanner *scanner = hfa_http1_scanners()[0];
    hfa_http1_scanner_set(scanner);
    return scanner;
}

void hfa_http1_scanner_set(const struct hfa_http1_scanner *scanner)
{
    atomic_store_explicit(&hfa_http1_scanner_in_use, scanner, memory_order_relaxed);
}

const char *hfa_http1_head_scanner(void)
{
    return hfa_http1_scanner_current()->name;
}
