/* The reactor: readiness of file descriptors, timers, and work posted by other threads.
 *
 * A turn is one call of hfa_reactor_poll(): it waits, then calls on_ready() of each watch whose
 * descriptor is ready, on_expire() of each timer that is due, and the posted functions; last it
 * frees what was deferred. Everything but hfa_reactor_wake() and hfa_reactor_post() is for the
 * thread that polls. Knows nothing of sockets beyond their descriptors.
 */
#ifndef HFA_REACTOR_H
#define HFA_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"
#include "timer.h"

enum hfa_readiness {
    HFA_READABLE = 1 << 0,
    HFA_WRITABLE = 1 << 1,
    HFA_HANGUP = 1 << 2, /* both directions are closed, or an error is pending */
};

/* Embedded in its owner, which removes it before it dies. */
struct hfa_watch {
    int fd;
    unsigned interest; /* HFA_READABLE, HFA_WRITABLE */
    bool exclusive;    /* a listener shared by processes: wake one of them */
    void (*on_ready)(struct hfa_watch *watch, unsigned readiness);
};

/* Work handed to the reactor's thread. Embedded in its owner, which must live until it has run. */
struct hfa_post {
    struct hfa_post *next;
    void (*run)(struct hfa_post *post);
};

/* Freed at the end of the turn, so that a callback may close its own connection. */
struct hfa_deferred {
    struct hfa_deferred *next;
    void (*free)(struct hfa_deferred *deferred);
};

struct hfa_reactor;

/* The caller owns *reactor and frees it, after all watches were removed. */
enum hfa_status hfa_reactor_new(struct hfa_reactor **reactor);
void hfa_reactor_free(struct hfa_reactor *reactor);

enum hfa_status hfa_reactor_add(struct hfa_reactor *reactor, struct hfa_watch *watch);
enum hfa_status hfa_reactor_modify(struct hfa_reactor *reactor, struct hfa_watch *watch,
                                   unsigned interest);
void hfa_reactor_remove(struct hfa_reactor *reactor, struct hfa_watch *watch);

/* Runs one turn, waiting at most `timeout_ns` (HFA_NEVER: without bound). */
enum hfa_status hfa_reactor_poll(struct hfa_reactor *reactor, uint64_t timeout_ns);

/* From on_ready(): ends the turn behind it. What else was ready is the next turn's, which then does
 * not wait. */
void hfa_reactor_pause(struct hfa_reactor *reactor);
/* Whether a paused turn has left something. */
bool hfa_reactor_has_rest(const struct hfa_reactor *reactor);

/* A descriptor that is readable when a turn has something to do, for use inside another loop;
 * timers included once hfa_reactor_arm() was called. -1: this back end has none. */
int hfa_reactor_fd(const struct hfa_reactor *reactor);

/* For use inside another loop: makes hfa_reactor_fd() readable at the next timer's deadline. */
enum hfa_status hfa_reactor_arm(struct hfa_reactor *reactor);

/* Monotonic time at the start of the current turn's callbacks. */
uint64_t hfa_reactor_now(const struct hfa_reactor *reactor);

/* Where hfa_reactor_now() is kept, for who asks often; lives as long as the reactor. */
const uint64_t *hfa_reactor_clock(const struct hfa_reactor *reactor);

/* Reads the clock again, for work between two turns. */
uint64_t hfa_reactor_update_now(struct hfa_reactor *reactor);

struct hfa_timer_wheel *hfa_reactor_timers(struct hfa_reactor *reactor); /* borrows */

void hfa_reactor_defer(struct hfa_reactor *reactor, struct hfa_deferred *deferred);

/* Any thread, and signal handlers: ends a wait. */
void hfa_reactor_wake(struct hfa_reactor *reactor);

/* Any thread: `post` runs in the reactor's thread at its next turn. */
void hfa_reactor_post(struct hfa_reactor *reactor, struct hfa_post *post);

/* The reactor's thread: a post that has not run yet, if it is one, never will. */
void hfa_reactor_cancel_post(struct hfa_reactor *reactor, const struct hfa_post *post);

/* "epoll" or "poll". */
const char *hfa_reactor_name(void);

#endif
