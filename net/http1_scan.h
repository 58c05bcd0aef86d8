/* Classification of request bytes, 64 at a time: the vectorised part of the head parser.
 *
 * A kernel tells for each byte whether it stands outside three classes; what the parser looks for
 * is always the next byte outside one of them. One kernel a file, all with the same results; the
 * fastest that the processor runs is chosen once.
 */
#ifndef HFA_HTTP1_SCAN_H
#define HFA_HTTP1_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hfa_http1_class {
    HFA_HTTP1_TOKEN,   /* RFC 9110 5.6.2 tchar */
    HFA_HTTP1_TEXT,    /* no control byte but HTAB; 8-bit bytes are text */
    HFA_HTTP1_VISIBLE, /* 0x21 to 0x7e */
    HFA_HTTP1_CLASSES,
};

#define HFA_HTTP1_BLOCK_SIZE 64

/* Blocks classified at a time: enough for few calls, little enough that a pipelined request does
 * not pay for its successors. */
#define HFA_HTTP1_WINDOW_BLOCKS 4

/* Bit i of outside[class][block] is set when byte i of the block is not in the class. */
struct hfa_http1_masks {
    uint64_t outside[HFA_HTTP1_CLASSES][HFA_HTTP1_WINDOW_BLOCKS];
};

struct hfa_http1_scanner {
    const char *name;
    /* Fills the masks of `count` blocks, one at least. The blocks stand behind each other from
     * `data` on, but for the last, which is read at `last`. Reads no other byte. */
    void (*classify)(const char *data, size_t count, const char *last,
                     struct hfa_http1_masks *masks);
    bool (*is_supported)(void);
};

/* The kernels of this build; where a target lacks one its file is empty. */
extern const struct hfa_http1_scanner hfa_http1_scanner_portable;
extern const struct hfa_http1_scanner hfa_http1_scanner_sse2;
extern const struct hfa_http1_scanner hfa_http1_scanner_avx2;
extern const struct hfa_http1_scanner hfa_http1_scanner_neon;

/* All that this processor runs, fastest first, NULL behind the last. Static storage. */
const struct hfa_http1_scanner *const *hfa_http1_scanners(void);

/* The one in use: the fastest, unless a test or a benchmark has set another. Any thread. */
const struct hfa_http1_scanner *hfa_http1_scanner_current(void);
void hfa_http1_scanner_set(const struct hfa_http1_scanner *scanner);

#endif
