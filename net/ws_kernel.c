#include "ws_kernel.h"

#include <stdatomic.h>

size_t hfa_ws_kernels_list(const struct hfa_ws_kernels *list[static HFA_WS_KERNELS_MAX])
{
    size_t count = 0;
#if defined(HFA_WS_KERNELS_X86)
    if (__builtin_cpu_supports("avx2"))
        list[count++] = &hfa_ws_kernels_avx2;
    list[count++] = &hfa_ws_kernels_sse2; /* part of x86-64 */
#elif defined(HFA_WS_KERNELS_NEON)
    list[count++] = &hfa_ws_kernels_neon; /* part of ARMv8-A */
#endif
    list[count++] = &hfa_ws_kernels_portable;
    return count;
}

const struct hfa_ws_kernels *hfa_ws_kernels(void)
{
    /* Threads that race here store the same pointer to constant data: no ordering is needed. */
    static _Atomic(const struct hfa_ws_kernels *) chosen;
    const struct hfa_ws_kernels *kernels = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!kernels) {
        const struct hfa_ws_kernels *list[HFA_WS_KERNELS_MAX];
        hfa_ws_kernels_list(list);
        kernels = list[0];
        atomic_store_explicit(&chosen, kernels, memory_order_relaxed);
    }
    return kernels;
}
