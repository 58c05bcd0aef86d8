#include "arena.h"

#include <stdint.h>
#include <stdlib.h>

#define ALIGNMENT  16
#define BLOCK_SIZE 4096

struct hfa_arena_block {
    struct hfa_arena_block *next;
    size_t unused; /* keeps the memory behind it aligned */
};

void hfa_arena_init(struct hfa_arena *arena, void *first, size_t first_size)
{
    size_t skew = (ALIGNMENT - (uintptr_t)first % ALIGNMENT) % ALIGNMENT;

    if (skew > first_size)
        skew = first_size;
    arena->first = (char *)first + skew;
    arena->first_size = (first_size - skew) / ALIGNMENT * ALIGNMENT;
    arena->next = arena->first;
    arena->end = arena->first + arena->first_size;
    arena->blocks = NULL;
}

static void *alloc_from_block(struct hfa_arena *arena, size_t size)
{
    size_t payload = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct hfa_arena_block *block = malloc(sizeof(*block) + payload);

    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    char *memory = (char *)(block + 1);
    /* A large piece gets a block of its own; the current one stays in use if it has more room. */
    if (payload - size > (size_t)(arena->end - arena->next)) {
        arena->next = memory + size;
        arena->end = memory + payload;
    }
    return memory;
}

void *hfa_arena_alloc(struct hfa_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > (size_t)(arena->end - arena->next))
        return alloc_from_block(arena, size);
    void *memory = arena->next;
    arena->next += size;
    return memory;
}

void hfa_arena_reset(struct hfa_arena *arena)
{
    while (arena->blocks != NULL) {
        struct hfa_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->next = arena->first;
    arena->end = arena->first + arena->first_size;
}
