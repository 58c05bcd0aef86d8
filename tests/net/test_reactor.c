/* The reactor over the back end that was compiled in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "reactor.h"

static struct hfa_reactor *reactor;
static int pair[2];

struct counted_watch {
    struct hfa_watch watch; /* first */
    unsigned calls;
    unsigned readiness;
    struct hfa_watch *to_remove;
};

struct counted_post {
    struct hfa_post post; /* first */
    unsigned runs;
    struct hfa_post *to_post;
};

struct counted_timer {
    struct hfa_timer timer; /* first */
    unsigned expiries;
};

static void on_ready(struct hfa_watch *watch, unsigned readiness)
{
    struct counted_watch *counted = (struct counted_watch *)watch;

    counted->calls++;
    counted->readiness = readiness;
    if (counted->to_remove != NULL)
        hfa_reactor_remove(reactor, counted->to_remove);
}

static void run_post(struct hfa_post *post)
{
    struct counted_post *counted = (struct counted_post *)post;

    counted->runs++;
    if (counted->to_post != NULL)
        hfa_reactor_post(reactor, counted->to_post);
}

static void on_expire(struct hfa_timer *timer, uint64_t now_ns)
{
    ((struct counted_timer *)timer)->expiries++;
}

static struct counted_watch watch_of(int fd, unsigned interest)
{
    return (struct counted_watch){.watch = {.fd = fd, .interest = interest, .on_ready = on_ready}};
}

static int open_reactor(void **state)
{
    reactor = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return -1;
    return hfa_reactor_new(&reactor);
}

static int free_reactor(void **state)
{
    hfa_reactor_free(reactor);
    close(pair[0]);
    close(pair[1]);
    return 0;
}

static void test_a_readable_descriptor_is_told_until_it_is_read(void **state)
{
    struct counted_watch counted = watch_of(pair[0], HFA_READABLE);
    char byte;
    assert_int_equal(hfa_reactor_add(reactor, &counted.watch), HFA_OK);
    assert_int_equal(hfa_reactor_poll(reactor, 0), HFA_OK);
    assert_int_equal(counted.calls, 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    hfa_reactor_poll(reactor, HFA_NEVER);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(counted.calls, 2);
    assert_int_equal(counted.readiness, HFA_READABLE);
    assert_int_equal(read(pair[0], &byte, 1), 1);
    hfa_reactor_poll(reactor, 0);
    assert_int_equal(counted.calls, 2);
    hfa_reactor_remove(reactor, &counted.watch);
}

static void test_interest_decides_what_is_told(void **state)
{
    struct counted_watch counted = watch_of(pair[0], 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(hfa_reactor_add(reactor, &counted.watch), HFA_OK);
    hfa_reactor_poll(reactor, 0);
    assert_int_equal(counted.calls, 0);
    assert_int_equal(hfa_reactor_modify(reactor, &counted.watch, HFA_WRITABLE), HFA_OK);
    hfa_reactor_poll(reactor, 0);
    assert_int_equal(counted.readiness, HFA_WRITABLE);
    hfa_reactor_modify(reactor, &counted.watch, HFA_READABLE | HFA_WRITABLE);
    hfa_reactor_poll(reactor, 0);
    assert_int_equal(counted.readiness, HFA_READABLE | HFA_WRITABLE);
    hfa_reactor_remove(reactor, &counted.watch);
    hfa_reactor_poll(reactor, 0);
    assert_int_equal(counted.calls, 2);
}

static void test_a_peer_that_is_gone_is_a_hangup(void **state)
{
    struct counted_watch counted = watch_of(pair[0], HFA_READABLE);
    hfa_reactor_add(reactor, &counted.watch);
    close(pair[1]);
    pair[1] = -1;
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_true(counted.readiness & HFA_HANGUP);
    hfa_reactor_remove(reactor, &counted.watch);
}

static void on_ready_pause(struct hfa_watch *watch, unsigned readiness)
{
    on_ready(watch, readiness);
    hfa_reactor_pause(reactor);
}

static void test_what_a_paused_turn_leaves_comes_in_the_next(void **state)
{
    struct counted_watch left = watch_of(pair[0], HFA_WRITABLE);
    struct counted_watch right = watch_of(pair[1], HFA_WRITABLE);
    left.watch.on_ready = right.watch.on_ready = on_ready_pause;
    hfa_reactor_add(reactor, &left.watch);
    hfa_reactor_add(reactor, &right.watch);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(left.calls + right.calls, 1);
    assert_true(hfa_reactor_has_rest(reactor));
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(left.calls, 1);
    assert_int_equal(right.calls, 1);
    assert_false(hfa_reactor_has_rest(reactor));
    hfa_reactor_remove(reactor, &left.watch);
    hfa_reactor_remove(reactor, &right.watch);
}

static void test_what_is_removed_after_a_pause_is_not_told(void **state)
{
    struct counted_watch left = watch_of(pair[0], HFA_WRITABLE);
    struct counted_watch right = watch_of(pair[1], HFA_WRITABLE);
    left.watch.on_ready = right.watch.on_ready = on_ready_pause;
    hfa_reactor_add(reactor, &left.watch);
    hfa_reactor_add(reactor, &right.watch);
    hfa_reactor_poll(reactor, HFA_NEVER);
    hfa_reactor_remove(reactor, &left.watch);
    hfa_reactor_remove(reactor, &right.watch);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(left.calls + right.calls, 1);
}

/* Both are ready in one turn: whichever comes first takes the other one out. */
static void test_a_watch_removed_in_a_turn_is_not_told(void **state)
{
    struct counted_watch left = watch_of(pair[0], HFA_READABLE);
    struct counted_watch right = watch_of(pair[1], HFA_READABLE);
    left.to_remove = &right.watch;
    right.to_remove = &left.watch;
    assert_int_equal(write(pair[0], "x", 1), 1);
    assert_int_equal(write(pair[1], "x", 1), 1);
    hfa_reactor_add(reactor, &left.watch);
    hfa_reactor_add(reactor, &right.watch);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(left.calls + right.calls, 1);
    hfa_reactor_remove(reactor, left.calls > 0 ? &left.watch : &right.watch);
}

static void test_posts_run_once_and_in_order(void **state)
{
    struct counted_post second = {.post = {.run = run_post}};
    struct counted_post first = {.post = {.run = run_post}};
    hfa_reactor_post(reactor, &first.post);
    hfa_reactor_post(reactor, &second.post);
    assert_int_equal(first.runs, 0);
    hfa_reactor_poll(reactor, HFA_NEVER);
    hfa_reactor_poll(reactor, 0);
    assert_int_equal(first.runs, 1);
    assert_int_equal(second.runs, 1);
}

static void test_a_post_that_is_cancelled_does_not_run(void **state)
{
    struct counted_post second = {.post = {.run = run_post}};
    struct counted_post first = {.post = {.run = run_post}};
    hfa_reactor_post(reactor, &first.post);
    hfa_reactor_post(reactor, &second.post);
    hfa_reactor_cancel_post(reactor, &first.post);
    hfa_reactor_poll(reactor, HFA_NEVER);
    hfa_reactor_cancel_post(reactor, &second.post);
    assert_int_equal(first.runs, 0);
    assert_int_equal(second.runs, 1);
}

/* The timer stands in for a wait without end: the turn has to come before it. */
static void test_a_post_made_by_a_post_wakes_the_next_turn(void **state)
{
    struct counted_timer late = {.timer = {.on_expire = on_expire}};
    struct counted_post second = {.post = {.run = run_post}};
    struct counted_post first = {.post = {.run = run_post}, .to_post = &second.post};
    hfa_timer_set(hfa_reactor_timers(reactor), &late.timer,
                  hfa_reactor_now(reactor) + 10 * HFA_NS_PER_S);
    hfa_reactor_post(reactor, &first.post);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(second.runs, 0);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_int_equal(second.runs, 1);
    assert_int_equal(late.expiries, 0);
    hfa_timer_cancel(hfa_reactor_timers(reactor), &late.timer);
}

static void *post_from_thread(void *post)
{
    hfa_reactor_post(reactor, post);
    return NULL;
}

static void test_a_post_of_another_thread_ends_the_wait(void **state)
{
    struct counted_post counted = {.post = {.run = run_post}};
    for (unsigned i = 1; i <= 200; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, post_from_thread, &counted.post), 0);
        while (counted.runs < i)
            hfa_reactor_poll(reactor, HFA_NEVER);
        pthread_join(thread, NULL);
    }
}

static void test_a_timer_ends_the_wait(void **state)
{
    struct counted_timer counted = {.timer = {.on_expire = on_expire}};
    uint64_t deadline_ns = hfa_reactor_now(reactor) + 50 * HFA_NS_PER_MS;
    hfa_timer_set(hfa_reactor_timers(reactor), &counted.timer, deadline_ns);
    while (counted.expiries == 0)
        hfa_reactor_poll(reactor, HFA_NEVER);
    assert_true(hfa_reactor_now(reactor) >= deadline_ns);
}

static unsigned freed;
static bool freed_in_turn;
static struct hfa_deferred deferred;

static void free_nothing(struct hfa_deferred *which)
{
    freed++;
}

static void defer_in_post(struct hfa_post *post)
{
    hfa_reactor_defer(reactor, &deferred);
    freed_in_turn = freed > 0;
}

static void test_deferred_frees_come_at_the_end_of_the_turn(void **state)
{
    struct hfa_post post = {.run = defer_in_post};
    deferred.free = free_nothing;
    freed = 0;
    hfa_reactor_post(reactor, &post);
    hfa_reactor_poll(reactor, HFA_NEVER);
    assert_false(freed_in_turn);
    assert_int_equal(freed, 1);
}

static void test_the_name_is_the_back_ends(void **state)
{
    bool has_fd = hfa_reactor_fd(reactor) >= 0;
    assert_string_equal(hfa_reactor_name(), has_fd ? "epoll" : "poll");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_readable_descriptor_is_told_until_it_is_read,
                                        open_reactor, free_reactor),
        cmocka_unit_test_setup_teardown(test_interest_decides_what_is_told, open_reactor,
                                        free_reactor),
        cmocka_unit_test_setup_teardown(test_a_peer_that_is_gone_is_a_hangup, open_reactor,
                                        free_reactor),
        cmocka_unit_test_setup_teardown(test_what_a_paused_turn_leaves_comes_in_the_next,
                                        open_reactor, free_reactor),
        cmocka_unit_test_setup_teardown(test_what_is_removed_after_a_pause_is_not_told,
                                        open_reactor, free_reactor),
        cmocka_unit_test_setup_teardown(test_a_watch_removed_in_a_turn_is_not_told, open_reactor,
                                        free_reactor),
        cmocka_unit_test_setup_teardown(test_a_post_that_is_cancelled_does_not_run, open_reactor,
                                        free_reactor),
        cmocka_unit_test_setup_teardown(test_posts_run_once_and_in_order, open_reactor,
                                        free_reactor),
        cmocka_unit_test_setup_teardown(test_a_post_made_by_a_post_wakes_the_next_turn,
                                        open_reactor, free_reactor),
        cmocka_unit_test_setup_teardown(test_a_post_of_another_thread_ends_the_wait, open_reactor,
                                        free_reactor),
        cmocka_unit_test_setup_teardown(test_a_timer_ends_the_wait, open_reactor, free_reactor),
        cmocka_unit_test_setup_teardown(test_deferred_frees_come_at_the_end_of_the_turn,
                                        open_reactor, free_reactor),
        cmocka_unit_test_setup_teardown(test_the_name_is_the_back_ends, open_reactor, free_reactor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
