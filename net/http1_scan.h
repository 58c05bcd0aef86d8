/* Classification of request bytes, 64 at a time: the vectorised part of the head parser.
 *
 * A kernel tells for each byte whether it stands outside three classes; what the parser looks for
 * is always the next byte outside one of them. The classes are what nearly all heads are made of
 * rather than all that the grammar allows, for that is quicker to tell: the parser looks at each
 * byte outside a class itself. One kernel a file, all with the same results; the fastest that the
 * processor runs is chosen once.
 */
#ifndef HFA_HTTP1_SCAN_H
#define HFA_HTTP1_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hfa_http1_class {
    HFA_HTTP1_NAME,    /* letters, digits and '-': most of RFC 9110 5.6.2 tchar */
    HFA_HTTP1_LINE,    /* no control byte: what a field line has, but for HTAB; 8-bit bytes count */
    HFA_HTTP1_VISIBLE, /* 0x21 to 0x7e: what a request target has */
    HFA_HTTP1_CLASSES,
};

#define HFA_HTTP1_BLOCK_SIZE 64

/* Bit i of outside[class] is set when byte i is not in the class. */
struct hfa_http1_block {
    uint64_t outside[HFA_HTTP1_CLASSES];
};

struct hfa_http1_scanner {
    const char *name;
    /* Fills the masks of `count` blocks, one at least. The blocks stand behind each other from
     * `data` on, but for the last, which is read at `last`. Reads no other byte. */
    void (*classify)(const char *data, size_t count, const char *last,
                     struct hfa_http1_block *blocks);
    bool (*is_supported)(void);
};

/* The kernels of this build; where a target lacks one its file is empty. */
extern const struct hfa_http1_scanner hfa_http1_scanner_portable;
extern const struct hfa_http1_scanner hfa_http1_scanner_sse2;
extern const struct hfa_http1_scanner hfa_http1_scanner_avx2;
extern const struct hfa_http1_scanner hfa_http1_scanner_neon;

/* All that this processor runs, fastest first, NULL behind the last. Static storage. */
const struct hfa_http1_scanner *const *hfa_http1_scanners(void);

/* Takes the fastest into use. Any thread: all that race here store the same pointer. */
const struct hfa_http1_scanner *hfa_http1_scanner_choose(void);

/* For tests and benchmarks. */
void hfa_http1_scanner_set(const struct hfa_http1_scanner *scanner);

/* NULL until first asked for; private to http1_scan.c and the function below. */
extern _Atomic(const struct hfa_http1_scanner *) hfa_http1_scanner_in_use;

static inline const struct hfa_http1_scanner *hfa_http1_scanner_current(void)
{
    const struct hfa_http1_scanner *scanner =
        atomic_load_explicit(&hfa_http1_scanner_in_use, memory_order_relaxed);
    return scanner != NULL ? scanner : hfa_http1_scanner_choose();
}

#endif
