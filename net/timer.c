#include "timer.h"

#include <string.h>

void hfa_timer_wheel_init(struct hfa_timer_wheel *wheel, uint64_t now_ns)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->tick = now_ns / HFA_TIMER_TICK_NS;
}

/* A timer stands in the slot whose end is at or after its deadline, one round ahead at most: a
 * later one is put into the last slot of the round and moved on from there. That is one short of
 * a full round: a callback of the current slot may not grow it. */
static void link_timer(struct hfa_timer_wheel *wheel, struct hfa_timer *timer)
{
    uint64_t tick = timer->deadline_ns / HFA_TIMER_TICK_NS + 1;
    uint64_t last = wheel->tick + HFA_TIMER_SLOTS - 2;

    if (tick > last)
        tick = last;
    if (tick < wheel->tick)
        tick = wheel->tick;
    unsigned slot = (unsigned)(tick % HFA_TIMER_SLOTS);
    timer->slot_tick = tick;
    timer->next = wheel->slots[slot];
    timer->link = &wheel->slots[slot];
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    wheel->slots[slot] = timer;
    wheel->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
    wheel->count++;
}

static void unlink_timer(struct hfa_timer_wheel *wheel, struct hfa_timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->link = NULL;
    timer->next = NULL;
    wheel->count--;
    unsigned slot = (unsigned)(timer->slot_tick % HFA_TIMER_SLOTS);
    if (wheel->slots[slot] == NULL)
        wheel->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

void hfa_timer_set(struct hfa_timer_wheel *wheel, struct hfa_timer *timer, uint64_t deadline_ns)
{
    uint64_t old_ns = timer->deadline_ns;

    timer->deadline_ns = deadline_ns;
    if (timer->link != NULL) {
        if (deadline_ns >= old_ns)
            return;
        unlink_timer(wheel, timer);
    }
    link_timer(wheel, timer);
}

void hfa_timer_cancel(struct hfa_timer_wheel *wheel, struct hfa_timer *timer)
{
    if (timer->link != NULL)
        unlink_timer(wheel, timer);
}

uint64_t hfa_timer_wheel_next(const struct hfa_timer_wheel *wheel)
{
    if (wheel->count == 0)
        return HFA_NEVER;
    for (uint64_t tick = wheel->tick; tick < wheel->tick + HFA_TIMER_SLOTS;) {
        unsigned slot = (unsigned)(tick % HFA_TIMER_SLOTS);
        uint64_t bits = wheel->occupied[slot / 64] >> (slot % 64);
        if (bits != 0)
            return (tick + (unsigned)__builtin_ctzll(bits)) * HFA_TIMER_TICK_NS;
        tick += 64 - slot % 64;
    }
    return HFA_NEVER;
}

void hfa_timer_wheel_advance(struct hfa_timer_wheel *wheel, uint64_t now_ns)
{
    uint64_t now_tick = now_ns / HFA_TIMER_TICK_NS;

    if (wheel->count == 0) {
        wheel->tick = now_tick + 1 > wheel->tick ? now_tick + 1 : wheel->tick;
        return;
    }
    while (wheel->tick <= now_tick) {
        uint64_t next_ns = hfa_timer_wheel_next(wheel);
        uint64_t next_tick = next_ns == HFA_NEVER ? now_tick + 1 : next_ns / HFA_TIMER_TICK_NS;
        if (next_tick > now_tick) {
            wheel->tick = now_tick + 1;
            return;
        }
        unsigned slot = (unsigned)(next_tick % HFA_TIMER_SLOTS);
        /* Timers set by a callback go to later slots: this one only gets shorter. */
        wheel->tick = next_tick + 1;
        while (wheel->slots[slot] != NULL) {
            struct hfa_timer *timer = wheel->slots[slot];
            unlink_timer(wheel, timer);
            if (timer->deadline_ns > now_ns)
                link_timer(wheel, timer);
            else
                timer->on_expire(timer, now_ns);
        }
    }
}
