/* The two loops of a WebSocket that touch every byte, once for each instruction set.
 *
 * A kernel set is a constant table; ws_kernel.c picks one for this processor at run time. Kernels
 * allocate nothing, read and write nothing outside [data, data + length), want no alignment and
 * may run in any thread. ws_mask.h and ws_utf8.h are the interface for everybody else.
 */
#ifndef HFA_WS_KERNEL_H
#define HFA_WS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

struct hfa_ws_kernels {
    const char *name;

    /* data[i] ^= the byte of `key` at i % 4 in memory order. */
    void (*mask)(unsigned char *data, size_t length, uint32_t key);

    /* How many bytes at the start of data are below 0x80: exact. */
    size_t (*ascii_prefix)(const unsigned char *data, size_t length);
};

/* The fastest set that this processor runs; static storage. */
const struct hfa_ws_kernels *hfa_ws_kernels(void);

/* Every set that this processor runs, the fastest first; returns how many there are. */
#define HFA_WS_KERNELS_MAX 3
size_t hfa_ws_kernels_list(const struct hfa_ws_kernels *list[static HFA_WS_KERNELS_MAX]);

extern const struct hfa_ws_kernels hfa_ws_kernels_portable;
#if defined(__x86_64__)
#define HFA_WS_KERNELS_X86 1
extern const struct hfa_ws_kernels hfa_ws_kernels_sse2;
extern const struct hfa_ws_kernels hfa_ws_kernels_avx2;
#elif defined(__aarch64__)
#define HFA_WS_KERNELS_NEON 1
extern const struct hfa_ws_kernels hfa_ws_kernels_neon;
#endif

#endif
