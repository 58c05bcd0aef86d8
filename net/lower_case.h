/* ASCII letters in lower case, eight bytes at a time. */
#ifndef HFA_LOWER_CASE_H
#define HFA_LOWER_CASE_H

#include <stdint.h>

#include "bytes.h"

/* The same for every byte order: no byte carries into another. */
static inline uint64_t hfa_lower_case_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & 0x7f * ones;
    uint64_t from_a = low + (0x80 - 'A') * ones;
    uint64_t beyond_z = low + (0x7f - 'Z') * ones;
    uint64_t upper = (from_a ^ beyond_z) & ~word & 0x80 * ones;

    return word | upper >> 2;
}

/* Less than a word, and more than nothing. */
static inline void hfa_lower_case_copy_few(char *to, struct hfa_bytes from)
{
    size_t last = from.length - 1;
    uint32_t head, tail;

    if (from.length >= sizeof(head)) { /* the two halves may overlap */
        memcpy(&head, from.data, sizeof(head));
        memcpy(&tail, from.data + from.length - sizeof(tail), sizeof(tail));
        uint64_t word = hfa_lower_case_word(head | (uint64_t)tail << 32);
        head = (uint32_t)word;
        tail = (uint32_t)(word >> 32);
        memcpy(to, &head, sizeof(head));
        memcpy(to + from.length - sizeof(tail), &tail, sizeof(tail));
        return;
    }
    unsigned char first = (unsigned char)from.data[0];
    unsigned char middle = (unsigned char)from.data[last / 2 + last % 2];
    unsigned char end = (unsigned char)from.data[last];
    uint64_t word = hfa_lower_case_word(first | (uint64_t)middle << 8 | (uint64_t)end << 16);
    to[0] = (char)word;
    to[last / 2 + last % 2] = (char)(word >> 8);
    to[last] = (char)(word >> 16);
}

/* Copies `from` to `to`, which may be the same place, and returns where it ends there. */
static inline char *hfa_lower_case_copy(char *to, struct hfa_bytes from)
{
    size_t at = 0;
    uint64_t word;

    if (from.length < sizeof(word)) {
        if (from.length > 0)
            hfa_lower_case_copy_few(to, from);
        return to + from.length;
    }
    for (;;) {
        memcpy(&word, from.data + at, sizeof(word));
        word = hfa_lower_case_word(word);
        memcpy(to + at, &word, sizeof(word));
        if (at + sizeof(word) == from.length)
            return to + from.length;
        at += sizeof(word);
        if (at + sizeof(word) > from.length)
            at = from.length - sizeof(word); /* overlaps what is done: the same again */
    }
}

#endif
