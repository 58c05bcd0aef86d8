#include "buffer.h"

#include <stdlib.h>

#include "recycle.h"

struct hfa_buffer_block {
    struct hfa_buffer_block *next;
};

static const size_t class_size[HFA_BUFFER_CLASSES] = {4096, 16384, 65536};
/* What the pool keeps of each size: at most 4 MiB in all. */
static const unsigned class_keep[HFA_BUFFER_CLASSES] = {256, 128, 16};

void hfa_buffer_pool_init(struct hfa_buffer_pool *pool)
{
    *pool = (struct hfa_buffer_pool){0};
}

void hfa_buffer_pool_free(struct hfa_buffer_pool *pool)
{
    for (unsigned i = 0; i < HFA_BUFFER_CLASSES; i++) {
        while (pool->free[i] != NULL) {
            struct hfa_buffer_block *block = pool->free[i];
            pool->free[i] = block->next;
            free(block);
        }
        pool->count[i] = 0;
    }
}

static char *take(struct hfa_buffer_pool *pool, size_t wanted, size_t *capacity)
{
    for (unsigned i = 0; i < HFA_BUFFER_CLASSES; i++) {
        if (wanted > class_size[i])
            continue;
        *capacity = class_size[i];
        if (pool->free[i] == NULL)
            return malloc(class_size[i]);
        struct hfa_buffer_block *block = pool->free[i];
        pool->free[i] = block->next;
        pool->count[i]--;
        return (char *)block;
    }
    *capacity = wanted;
    return malloc(wanted);
}

static void give_back(struct hfa_buffer_pool *pool, char *data, size_t capacity)
{
    for (unsigned i = 0; i < HFA_BUFFER_CLASSES; i++) {
        if (HFA_RECYCLES && capacity == class_size[i] && pool->count[i] < class_keep[i]) {
            struct hfa_buffer_block *block = (struct hfa_buffer_block *)data;
            block->next = pool->free[i];
            pool->free[i] = block;
            pool->count[i]++;
            return;
        }
    }
    free(data);
}

enum hfa_status hfa_buffer_reserve(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool,
                                   size_t size)
{
    size_t length = hfa_buffer_length(buffer);

    if (size <= hfa_buffer_room(buffer))
        return HFA_OK;
    if (size > SIZE_MAX / 4 || length > SIZE_MAX / 4)
        return HFA_ERR_NO_MEMORY;
    if (length + size <= buffer->capacity && buffer->start >= length) {
        memcpy(buffer->data, buffer->data + buffer->start, length);
        buffer->start = 0;
        buffer->end = length;
        return HFA_OK;
    }
    size_t wanted = length + size;
    if (wanted > class_size[HFA_BUFFER_CLASSES - 1] && wanted < 2 * buffer->capacity)
        wanted = 2 * buffer->capacity;
    size_t capacity = 0;
    char *data = take(pool, wanted, &capacity);
    if (data == NULL)
        return HFA_ERR_NO_MEMORY;
    if (length > 0)
        memcpy(data, buffer->data + buffer->start, length);
    if (buffer->data != NULL)
        give_back(pool, buffer->data, buffer->capacity);
    *buffer = (struct hfa_buffer){data, 0, length, capacity};
    return HFA_OK;
}

enum hfa_status hfa_buffer_append(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool,
                                  struct hfa_bytes bytes)
{
    if (bytes.length == 0)
        return HFA_OK;
    enum hfa_status status = hfa_buffer_reserve(buffer, pool, bytes.length);
    if (status != HFA_OK)
        return status;
    memcpy(buffer->data + buffer->end, bytes.data, bytes.length);
    buffer->end += bytes.length;
    return HFA_OK;
}

void hfa_buffer_consume(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool, size_t size)
{
    buffer->start += size;
    if (buffer->start == buffer->end)
        hfa_buffer_release(buffer, pool);
}

void hfa_buffer_release(struct hfa_buffer *buffer, struct hfa_buffer_pool *pool)
{
    if (buffer->data != NULL)
        give_back(pool, buffer->data, buffer->capacity);
    *buffer = (struct hfa_buffer){0};
}
