/* The timer wheel, under a clock of integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "timer.h"

#define START  (1000 * HFA_NS_PER_S)
#define TICK   HFA_TIMER_TICK_NS
#define TIMERS 2000

struct counted {
    struct hfa_timer timer; /* first */
    unsigned expiries;
    uint64_t expired_ns;
};

static struct hfa_timer_wheel wheel;
static uint64_t repeat_ns;
static struct hfa_timer *to_cancel;

static void on_expire(struct hfa_timer *timer, uint64_t now_ns)
{
    struct counted *counted = (struct counted *)timer;

    counted->expiries++;
    counted->expired_ns = now_ns;
    if (repeat_ns > 0)
        hfa_timer_set(&wheel, timer, now_ns + repeat_ns);
    if (to_cancel != NULL)
        hfa_timer_cancel(&wheel, to_cancel);
}

static struct counted new_timer(void)
{
    return (struct counted){.timer = {.on_expire = on_expire}};
}

static int open_wheel(void **state)
{
    hfa_timer_wheel_init(&wheel, START);
    repeat_ns = 0;
    to_cancel = NULL;
    return 0;
}

static void test_a_timer_is_never_early_and_at_most_a_tick_late(void **state)
{
    static struct counted timers[TIMERS];
    uint64_t now_ns = START;
    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i] = new_timer();
        hfa_timer_set(&wheel, &timers[i].timer, START + i * UINT64_C(37) * HFA_NS_PER_MS);
    }
    while (wheel.count > 0) {
        uint64_t next_ns = hfa_timer_wheel_next(&wheel);
        assert_true(next_ns != HFA_NEVER);
        now_ns = next_ns > now_ns ? next_ns : now_ns + 1;
        hfa_timer_wheel_advance(&wheel, now_ns);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        assert_int_equal(timers[i].expiries, 1);
        assert_true(timers[i].expired_ns >= timers[i].timer.deadline_ns);
        assert_true(timers[i].expired_ns <= timers[i].timer.deadline_ns + TICK);
    }
}

static void test_an_empty_wheel_waits_for_nothing(void **state)
{
    struct counted counted = new_timer();
    assert_true(hfa_timer_wheel_next(&wheel) == HFA_NEVER);
    hfa_timer_set(&wheel, &counted.timer, START + TICK);
    hfa_timer_cancel(&wheel, &counted.timer);
    assert_true(hfa_timer_wheel_next(&wheel) == HFA_NEVER);
    hfa_timer_wheel_advance(&wheel, START + 10 * TICK);
    assert_int_equal(counted.expiries, 0);
}

static void test_a_timer_moved_back_expires_at_the_later_time(void **state)
{
    struct counted counted = new_timer();
    hfa_timer_set(&wheel, &counted.timer, START + 10 * TICK);
    hfa_timer_set(&wheel, &counted.timer, START + 100 * TICK);
    hfa_timer_wheel_advance(&wheel, START + 50 * TICK);
    assert_int_equal(counted.expiries, 0);
    hfa_timer_wheel_advance(&wheel, START + 101 * TICK);
    assert_int_equal(counted.expiries, 1);
}

static void test_a_timer_moved_forward_expires_at_the_earlier_time(void **state)
{
    struct counted counted = new_timer();
    hfa_timer_set(&wheel, &counted.timer, START + 100 * TICK);
    hfa_timer_set(&wheel, &counted.timer, START + 10 * TICK);
    hfa_timer_wheel_advance(&wheel, START + 11 * TICK);
    assert_int_equal(counted.expiries, 1);
}

static void test_a_deadline_beyond_the_wheel_is_kept(void **state)
{
    struct counted counted = new_timer();
    uint64_t deadline_ns = START + 5 * HFA_TIMER_SLOTS * TICK;
    hfa_timer_set(&wheel, &counted.timer, deadline_ns);
    for (uint64_t now_ns = START; now_ns < deadline_ns; now_ns += 7 * TICK) {
        hfa_timer_wheel_advance(&wheel, now_ns);
        assert_int_equal(counted.expiries, 0);
    }
    hfa_timer_wheel_advance(&wheel, deadline_ns + TICK);
    assert_int_equal(counted.expiries, 1);
}

static void test_a_callback_may_set_its_own_timer(void **state)
{
    struct counted counted = new_timer();
    repeat_ns = 3 * TICK;
    hfa_timer_set(&wheel, &counted.timer, START);
    for (unsigned i = 1; i <= 100; i++)
        hfa_timer_wheel_advance(&wheel, START + i * TICK);
    assert_in_range(counted.expiries, 25, 34);
    hfa_timer_cancel(&wheel, &counted.timer);
}

static void test_a_callback_may_cancel_a_timer_of_the_same_slot(void **state)
{
    struct counted left = new_timer(), right = new_timer();
    hfa_timer_set(&wheel, &left.timer, START + TICK);
    hfa_timer_set(&wheel, &right.timer, START + TICK);
    /* The one that was set last comes first. */
    to_cancel = &left.timer;
    hfa_timer_wheel_advance(&wheel, START + 5 * TICK);
    assert_int_equal(right.expiries, 1);
    assert_int_equal(left.expiries, 0);
}

static void test_a_deadline_in_the_past_expires_at_the_next_advance(void **state)
{
    struct counted counted = new_timer();
    hfa_timer_wheel_advance(&wheel, START + 50 * TICK);
    hfa_timer_set(&wheel, &counted.timer, START);
    hfa_timer_wheel_advance(&wheel, START + 51 * TICK);
    assert_int_equal(counted.expiries, 1);
}

static void test_a_long_sleep_expires_all_that_is_due(void **state)
{
    static struct counted timers[TIMERS];
    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i] = new_timer();
        hfa_timer_set(&wheel, &timers[i].timer, START + i * TICK);
    }
    hfa_timer_wheel_advance(&wheel, START + 10 * TIMERS * TICK);
    for (unsigned i = 0; i < TIMERS; i++)
        assert_int_equal(timers[i].expiries, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_timer_is_never_early_and_at_most_a_tick_late,
                                        open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_an_empty_wheel_waits_for_nothing, open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_timer_moved_back_expires_at_the_later_time,
                                        open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_timer_moved_forward_expires_at_the_earlier_time,
                                        open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_deadline_beyond_the_wheel_is_kept, open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_callback_may_set_its_own_timer, open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_callback_may_cancel_a_timer_of_the_same_slot,
                                        open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_deadline_in_the_past_expires_at_the_next_advance,
                                        open_wheel, NULL),
        cmocka_unit_test_setup_teardown(test_a_long_sleep_expires_all_that_is_due, open_wheel,
                                        NULL),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
