/* What a connection has to send, in order: copied bytes, borrowed memory, ranges of files.
 *
 * Small pieces are copied together so that a turn's answers leave in one system call. Borrowed
 * memory stays its owner's until it comes out of the queue as released. One thread.
 */
#ifndef HFA_OUTPUT_H
#define HFA_OUTPUT_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "buffer.h"

/* Memory that is no longer needed: `owner` is given back to whoever lent it. */
struct hfa_lent {
    struct hfa_lent *next;
    void *owner;
};

struct hfa_output_segment;

struct hfa_output {
    struct hfa_output_segment *first; /* sealed segments, sent before the tail */
    struct hfa_output_segment *last;
    struct hfa_buffer tail; /* copied bytes behind the segments */
    uint64_t length;        /* bytes waiting in all */
};

/* Pieces of borrowed memory below this are better copied than referred to. */
#define HFA_OUTPUT_BORROW_MIN 16384

/* What a connection sends at most before others have their turn, however fast its peer takes it. */
#define HFA_OUTPUT_STEP ((size_t)512 * 1024)

enum hfa_status hfa_output_append(struct hfa_output *output, struct hfa_buffer_pool *pool,
                                  struct hfa_bytes bytes);

/* Room for `size` bytes that the caller writes to *at and then counts with hfa_output_commit(). */
enum hfa_status hfa_output_reserve(struct hfa_output *output, struct hfa_buffer_pool *pool,
                                   size_t size, char **at);
void hfa_output_commit(struct hfa_output *output, size_t size);

/* Borrows `bytes` until they are sent or the output is cleared; `owner` then comes out of
 * hfa_output_consume() or hfa_output_clear(). On failure nothing was borrowed. */
enum hfa_status hfa_output_borrow(struct hfa_output *output, struct hfa_bytes bytes, void *owner);

/* Takes `fd`: it is closed when the range is sent or the output cleared. On failure the caller
 * still owns it. */
enum hfa_status hfa_output_append_file(struct hfa_output *output, int fd, uint64_t offset,
                                       uint64_t length);

/* Fills at most `count` vectors from the start, up to the first file range; returns how many. */
int hfa_output_vectors(const struct hfa_output *output, struct iovec *vectors, int count);

/* True when the next thing to send is a range of a file. */
bool hfa_output_next_file(const struct hfa_output *output, int *fd, off_t *offset, size_t *length);

/* Copies `size` bytes from the start to `into`, which has room for them. HFA_ERR_SYSTEM: a file is
 * shorter than was announced. Nothing is consumed. */
enum hfa_status hfa_output_copy(const struct hfa_output *output, char *into, size_t size);

/* `size` bytes from the start have been sent. Lent memory that is done is put on `*released`. */
void hfa_output_consume(struct hfa_output *output, struct hfa_buffer_pool *pool, uint64_t size,
                        struct hfa_lent **released);

/* Drops everything. */
void hfa_output_clear(struct hfa_output *output, struct hfa_buffer_pool *pool,
                      struct hfa_lent **released);

#endif
