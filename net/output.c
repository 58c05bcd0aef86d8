#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum segment_kind {
    SEGMENT_COPIED,
    SEGMENT_BORROWED,
    SEGMENT_FILE,
};

struct hfa_output_segment {
    struct hfa_lent lent; /* first: a segment becomes the list node of its released owner */
    struct hfa_output_segment *next;
    enum segment_kind kind;
    int fd;
    struct hfa_buffer copied;
    struct hfa_bytes borrowed;
    uint64_t offset;
    uint64_t length; /* of the file range still to send */
};

/* Above this the tail is sealed instead of moved to larger storage. */
#define TAIL_MAX 65536

static void push(struct hfa_output *output, struct hfa_output_segment *segment)
{
    segment->next = NULL;
    if (output->last != NULL)
        output->last->next = segment;
    else
        output->first = segment;
    output->last = segment;
}

static struct hfa_output_segment *new_segment(enum segment_kind kind)
{
    struct hfa_output_segment *segment = calloc(1, sizeof(*segment));

    if (segment != NULL)
        segment->kind = kind;
    return segment;
}

/* Moves the tail behind the sealed segments, so that something else can follow it. */
static enum hfa_status seal_tail(struct hfa_output *output)
{
    if (output->tail.data == NULL)
        return HFA_OK;
    struct hfa_output_segment *segment = new_segment(SEGMENT_COPIED);
    if (segment == NULL)
        return HFA_ERR_NO_MEMORY;
    segment->copied = output->tail;
    output->tail = (struct hfa_buffer){0};
    push(output, segment);
    return HFA_OK;
}

enum hfa_status hfa_output_reserve(struct hfa_output *output, struct hfa_buffer_pool *pool,
                                   size_t size, char **at)
{
    if (hfa_buffer_room(&output->tail) < size) {
        if (hfa_buffer_length(&output->tail) + size > TAIL_MAX) {
            enum hfa_status status = seal_tail(output);
            if (status != HFA_OK)
                return status;
        }
        enum hfa_status status = hfa_buffer_reserve(&output->tail, pool, size);
        if (status != HFA_OK)
            return status;
    }
    *at = output->tail.data + output->tail.end;
    return HFA_OK;
}

void hfa_output_commit(struct hfa_output *output, size_t size)
{
    output->tail.end += size;
    output->length += size;
}

enum hfa_status hfa_output_append(struct hfa_output *output, struct hfa_buffer_pool *pool,
                                  struct hfa_bytes bytes)
{
    char *at = NULL;

    if (bytes.length == 0)
        return HFA_OK;
    enum hfa_status status = hfa_output_reserve(output, pool, bytes.length, &at);
    if (status != HFA_OK)
        return status;
    memcpy(at, bytes.data, bytes.length);
    hfa_output_commit(output, bytes.length);
    return HFA_OK;
}

enum hfa_status hfa_output_borrow(struct hfa_output *output, struct hfa_bytes bytes, void *owner)
{
    struct hfa_output_segment *segment = new_segment(SEGMENT_BORROWED);

    if (segment == NULL)
        return HFA_ERR_NO_MEMORY;
    if (seal_tail(output) != HFA_OK) {
        free(segment);
        return HFA_ERR_NO_MEMORY;
    }
    segment->lent.owner = owner;
    segment->borrowed = bytes;
    output->length += bytes.length;
    push(output, segment);
    return HFA_OK;
}

enum hfa_status hfa_output_append_file(struct hfa_output *output, int fd, uint64_t offset,
                                       uint64_t length)
{
    struct hfa_output_segment *segment = new_segment(SEGMENT_FILE);

    if (segment == NULL)
        return HFA_ERR_NO_MEMORY;
    if (seal_tail(output) != HFA_OK) {
        free(segment);
        return HFA_ERR_NO_MEMORY;
    }
    segment->fd = fd;
    segment->offset = offset;
    segment->length = length;
    output->length += length;
    push(output, segment);
    return HFA_OK;
}

static struct hfa_bytes segment_bytes(const struct hfa_output_segment *segment)
{
    return segment->kind == SEGMENT_COPIED ? hfa_buffer_bytes(&segment->copied) : segment->borrowed;
}

int hfa_output_vectors(const struct hfa_output *output, struct iovec *vectors, int count)
{
    const struct hfa_output_segment *segment = output->first;
    int used = 0;

    for (; segment != NULL && used < count; segment = segment->next) {
        if (segment->kind == SEGMENT_FILE)
            return used;
        struct hfa_bytes bytes = segment_bytes(segment);
        vectors[used++] = (struct iovec){(void *)bytes.data, bytes.length};
    }
    if (segment == NULL && used < count && hfa_buffer_length(&output->tail) > 0) {
        struct hfa_bytes bytes = hfa_buffer_bytes(&output->tail);
        vectors[used++] = (struct iovec){(void *)bytes.data, bytes.length};
    }
    return used;
}

bool hfa_output_next_file(const struct hfa_output *output, int *fd, off_t *offset, size_t *length)
{
    const struct hfa_output_segment *segment = output->first;

    if (segment == NULL || segment->kind != SEGMENT_FILE)
        return false;
    *fd = segment->fd;
    *offset = (off_t)segment->offset;
    *length = segment->length > SIZE_MAX / 2 ? SIZE_MAX / 2 : (size_t)segment->length;
    return true;
}

/* A file's bytes may come in pieces. */
static enum hfa_status copy_file(const struct hfa_output_segment *segment, char *into, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(segment->fd, into + done, size - done, (off_t)(segment->offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return HFA_ERR_SYSTEM;
        done += (size_t)got;
    }
    return HFA_OK;
}

enum hfa_status hfa_output_copy(const struct hfa_output *output, char *into, size_t size)
{
    const struct hfa_output_segment *segment = output->first;

    for (; segment != NULL && size > 0; segment = segment->next) {
        bool is_file = segment->kind == SEGMENT_FILE;
        uint64_t left = is_file ? segment->length : segment_bytes(segment).length;
        size_t piece = left < size ? (size_t)left : size;
        if (is_file && copy_file(segment, into, piece) != HFA_OK)
            return HFA_ERR_SYSTEM;
        if (!is_file && piece > 0)
            memcpy(into, segment_bytes(segment).data, piece);
        into += piece;
        size -= piece;
    }
    if (size > 0)
        memcpy(into, hfa_buffer_bytes(&output->tail).data, size);
    return HFA_OK;
}

static void pop(struct hfa_output *output, struct hfa_buffer_pool *pool, struct hfa_lent **released)
{
    struct hfa_output_segment *segment = output->first;

    output->first = segment->next;
    if (output->first == NULL)
        output->last = NULL;
    switch (segment->kind) {
    case SEGMENT_COPIED:
        hfa_buffer_release(&segment->copied, pool);
        free(segment);
        break;
    case SEGMENT_BORROWED:
        segment->lent.next = *released;
        *released = &segment->lent;
        break;
    case SEGMENT_FILE:
        close(segment->fd);
        free(segment);
        break;
    }
}

void hfa_output_consume(struct hfa_output *output, struct hfa_buffer_pool *pool, uint64_t size,
                        struct hfa_lent **released)
{
    output->length -= size;
    while (output->first != NULL) {
        struct hfa_output_segment *segment = output->first;
        uint64_t left =
            segment->kind == SEGMENT_FILE ? segment->length : segment_bytes(segment).length;
        if (size < left) {
            if (segment->kind == SEGMENT_COPIED) {
                segment->copied.start += (size_t)size;
            } else if (segment->kind == SEGMENT_BORROWED) {
                segment->borrowed.data += size;
                segment->borrowed.length -= (size_t)size;
            } else {
                segment->offset += size;
                segment->length -= size;
            }
            return;
        }
        size -= left;
        pop(output, pool, released);
    }
    if (size > 0 || hfa_buffer_length(&output->tail) == 0)
        hfa_buffer_consume(&output->tail, pool, (size_t)size);
}

void hfa_output_clear(struct hfa_output *output, struct hfa_buffer_pool *pool,
                      struct hfa_lent **released)
{
    while (output->first != NULL)
        pop(output, pool, released);
    hfa_buffer_release(&output->tail, pool);
    output->length = 0;
}
