/* Memory that lives as long as one request: allocated forward, freed all at once.
 *
 * The first memory is borrowed from the owner (usually right behind the owning struct); what does
 * not fit comes in blocks from malloc, which a reset frees. One thread at a time.
 */
#ifndef HFA_ARENA_H
#define HFA_ARENA_H

#include <stddef.h>

struct hfa_arena_block;

struct hfa_arena {
    char *next;
    char *end;
    char *first; /* borrowed */
    size_t first_size;
    struct hfa_arena_block *blocks; /* owned */
};

void hfa_arena_init(struct hfa_arena *arena, void *first, size_t first_size);

/* Aligned for any object; NULL when memory is out. The arena owns it. */
void *hfa_arena_alloc(struct hfa_arena *arena, size_t size);

/* Frees all that was allocated; the arena can be used again. */
void hfa_arena_reset(struct hfa_arena *arena);

#endif
