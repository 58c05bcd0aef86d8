/* Tokens of AnyIO's default thread limiter, held on behalf of the pool's workers.
 *
 * AnyIO's own callers see our tokens as borrowed, and we see theirs: at most total_tokens `def`
 * steps run at once, theirs and ours together. When none is left, a task waits for one in AnyIO's
 * queue, among the others. Everything here is for the loop thread, with the interpreter lock.
 */
#ifndef HFA_LIMITER_H
#define HFA_LIMITER_H

#include "anyio.h"

struct hfa_limiter {
    unsigned held;                 /* read-only: tokens that are ours */
    const struct hfa_anyio *anyio; /* borrowed */
    unsigned known;                /* borrowers made so far, the pending one aside */
    unsigned capacity;
    PyObject **borrowers; /* owned: the first `held` hold a token each, the rest are spare */
    struct hfa_borrowing *pending; /* waits for a token; NULL: nobody does */
    void (*on_granted)(void *data);
    void *data;
    PyObject *str_acquire, *str_acquire_nowait, *str_release, *str_total, *str_borrowed;
    PyObject *would_block; /* the exception's type */
};

/* `limiter` is all zero. on_granted(data): a token that hfa_limiter_hold() had to wait for is
 * there. -1 with an exception. */
int hfa_limiter_open(struct hfa_limiter *limiter, const struct hfa_anyio *anyio,
                     void (*on_granted)(void *data), void *data);

/* Returns all tokens and waits for none any longer. */
void hfa_limiter_close(struct hfa_limiter *limiter);

/* Takes tokens until `wanted` are held, or as many as there are; then waits for one more. -1 with
 * an exception. */
int hfa_limiter_hold(struct hfa_limiter *limiter, unsigned wanted);

/* Returns tokens until `wanted` are held; those who wait for one are woken. */
void hfa_limiter_keep(struct hfa_limiter *limiter, unsigned wanted);

/* How many tokens others have a right to: they wait while all are taken, or fewer are allowed
 * by now. */
unsigned hfa_limiter_owed(struct hfa_limiter *limiter);

#endif
