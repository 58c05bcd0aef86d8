/* Timers with coarse resolution: a hashed wheel, O(1) to set, cancel and move.
 *
 * The clock is an argument. A timer is embedded in its owner, which must cancel it before it dies.
 * One thread.
 */
#ifndef HFA_TIMER_H
#define HFA_TIMER_H

#include <stdbool.h>

#include "time_ns.h"

#define HFA_TIMER_SLOTS   512
#define HFA_TIMER_TICK_NS (UINT64_C(1) << 25) /* 33.5 ms: a time-out may be late by this much */

struct hfa_timer {
    struct hfa_timer *next;
    struct hfa_timer **link; /* the pointer that points here; NULL when not in the wheel */
    uint64_t deadline_ns;
    uint64_t slot_tick; /* tick of the slot that it stands in */
    void (*on_expire)(struct hfa_timer *timer, uint64_t now_ns);
};

struct hfa_timer_wheel {
    struct hfa_timer *slots[HFA_TIMER_SLOTS];
    uint64_t occupied[HFA_TIMER_SLOTS / 64];
    uint64_t tick; /* ticks before this one have been looked at */
    unsigned count;
};

void hfa_timer_wheel_init(struct hfa_timer_wheel *wheel, uint64_t now_ns);

/* Sets or moves the timer. A later deadline than before only writes the new one down: the timer is
 * moved when its old slot comes up, so a busy connection does not pay for its time-out. */
void hfa_timer_set(struct hfa_timer_wheel *wheel, struct hfa_timer *timer, uint64_t deadline_ns);

void hfa_timer_cancel(struct hfa_timer_wheel *wheel, struct hfa_timer *timer);

/* When hfa_timer_wheel_advance() should be called next; HFA_NEVER without timers. */
uint64_t hfa_timer_wheel_next(const struct hfa_timer_wheel *wheel);

/* Calls on_expire() of each timer whose deadline has passed. A callback may set and cancel any
 * timer, its own too. */
void hfa_timer_wheel_advance(struct hfa_timer_wheel *wheel, uint64_t now_ns);

#endif
