/* What a parser told of an input, as one number: the same bytes have to make the same story however
 * they were cut.
 */
#ifndef STORY_H
#define STORY_H

#include <stdint.h>

#include "bytes.h"

struct story {
    uint64_t hash;
    unsigned events;
};

#define STORY_START ((struct story){.hash = UINT64_C(0xcbf29ce484222325)})

/* FNV-1a. The length is part of it, so that "a", "b" differs from "ab". */
static inline void story_add(struct story *story, struct hfa_bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        story->hash = (story->hash ^ (unsigned char)bytes.data[i]) * UINT64_C(0x100000001b3);
    story->hash = (story->hash ^ bytes.length) * UINT64_C(0x100000001b3);
}

static inline void story_add_number(struct story *story, uint64_t number)
{
    story->hash = (story->hash ^ number) * UINT64_C(0x100000001b3);
}

static inline bool story_equal(struct story left, struct story right)
{
    return left.hash == right.hash && left.events == right.events;
}

#endif
