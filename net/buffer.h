/* A contiguous queue of bytes: appended at the end, consumed from the start.
 *
 * Storage comes in three sizes from a pool that recycles it, larger ones from malloc. An empty
 * buffer holds no storage once released. One thread.
 */
#ifndef HFA_BUFFER_H
#define HFA_BUFFER_H

#include <stdint.h>

#include "bytes.h"
#include "status.h"

#define HFA_BUFFER_CLASSES 3

/* Recycled storage of 4, 16 and 64 KiB. Owned by the server, outlives every buffer. */
struct hfa_buffer_pool {
    struct hfa_buffer_block *free[HFA_BUFFER_CLASSES];
    unsigned count[HFA_BUFFER_CLASSES];
};

struct hfa_buffer {
    char *data;   /* owned storage or NULL */
    size_t start; /* first byte not consumed */
    size_t end;   /* behind the last byte */
    size_t capacity;
};

void hfa_buffer_pool_init(struct hfa_buffer_pool *pool);
void hfa_buffer_pool_free(struct hfa_buffer_pool *pool);

static inline size_t hfa_buffer_length(const struct hfa_buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline struct hfa_bytes hfa_buffer_bytes(const struct hfa_buffer *buffer)
{
    /* C has no NULL + 0. */
    const char *first = buffer->data != NULL ? buffer->data + buffer->start : NULL;

    return (struct hfa_bytes){first, buffer->end - buffer->start};
}

static inline size_t hfa_buffer_room(const struct hfa_buffer *buffer)
{
    return buffer->capacity - buffer->end;
}

/* Makes room for `size` more bytes behind the last one, moving the content if need be. */
enum hfa_status hfa_buffer_reserve(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool,
                                   size_t size);

enum hfa_status hfa_buffer_append(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool,
                                  struct hfa_bytes bytes);

/* Drops `size` bytes from the start; storage goes back to the pool when nothing is left. */
void hfa_buffer_consume(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool, size_t size);

/* Drops everything and gives the storage back. */
void hfa_buffer_release(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool);

#endif
