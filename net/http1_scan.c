#include "http1_scan.h"

#include <stdatomic.h>

#include "http1_head.h"

/* NULL until first asked for. Threads that race here store the same pointer. */
static _Atomic(const struct hfa_http1_scanner *) current;

const struct hfa_http1_scanner *const *hfa_http1_scanners(void)
{
    /* Faster kernels need more of a processor, so what is left out is always at the front. */
    static const struct hfa_http1_scanner *const with_end[] = {
#if defined(__x86_64__)
        &hfa_http1_scanner_avx2,
        &hfa_http1_scanner_sse2,
#elif defined(__aarch64__)
        &hfa_http1_scanner_neon,
#endif
        &hfa_http1_scanner_portable,
        NULL,
    };
    size_t first = 0;
    while (!with_end[first]->is_supported())
        first++;
    return with_end + first;
}

const struct hfa_http1_scanner *hfa_http1_scanner_current(void)
{
    const struct hfa_http1_scanner *scanner = atomic_load_explicit(&current, memory_order_relaxed);
    if (scanner == NULL) {
        scanner = hfa_http1_scanners()[0];
        atomic_store_explicit(&current, scanner, memory_order_relaxed);
    }
    return scanner;
}

void hfa_http1_scanner_set(const struct hfa_http1_scanner *scanner)
{
    atomic_store_explicit(&current, scanner, memory_order_relaxed);
}

const char *hfa_http1_head_scanner(void)
{
    return hfa_http1_scanner_current()->name;
}
