/* The HTTP/1.1 engine when memory is out: each allocation of a run fails once. What leaks or is
 * used after its end shows under the address sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "carrier_fixture.h"
#include "failing_malloc.h"

#define ALLOCATIONS_MAX 500

static struct carrier_fixture fixture;
static char large[3 * HFA_OUTPUT_BORROW_MIN];

/* Feeds one connection; the same each time. */
typedef void (*feed_run)(void);

static void run_with_failures(feed_run feed, carrier_serve serve)
{
    struct hfa_limits limits = HFA_LIMITS_DEFAULT;
    long tried = 0;

    for (long index = 0; index <= tried; index++) {
        assert_true(index < ALLOCATIONS_MAX);
        memset(&fixture, 0, sizeof(fixture));
        failing_malloc_arm(index);
        if (carrier_fixture_open(&fixture, &limits, serve))
            feed();
        carrier_fixture_close(&fixture);
        tried = failing_malloc_disarm();
        assert_int_equal(fixture.dispatcher.active, 0);
        assert_int_equal(fixture.owners_back, fixture.owners_lent);
    }
    assert_true(tried > 0);
}

static void feed_requests(void)
{
    carrier_feed_text(&fixture, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                                "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
                                "POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "5\r\nhello\r\n0\r\n\r\n"
                                "GET http://other/4 HTTP/1.1\r\nHost: a\r\n\r\n");
    /* More than an exchange's first memory holds. */
    carrier_feed_text(&fixture, "GET /5 HTTP/1.1\r\nHost: a\r\nX: ");
    carrier_feed(&fixture, (struct hfa_bytes){large, 8000});
    carrier_feed_text(&fixture, "\r\n\r\nnonsense\r\n\r\n");
}

static unsigned answers_in(const char *text)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
        count++;
    return count;
}

/* No failure makes the engine answer more, or later requests after one that was not answered. */
static void feed_requests_and_count(void)
{
    feed_requests();
    assert_true(answers_in(fixture.sent) <= 6);
    if (fixture.input_length == 0 && !fixture.is_closed)
        assert_int_equal(fixture.requests, 5);
}

static void test_requests_survive_every_failure(void **state)
{
    run_with_failures(feed_requests_and_count, serve_echo);
}

/* A streamed answer of copied and lent pieces, cut at the first error as an application has to. */
static void serve_stream(struct carrier_fixture *stream, struct hfa_exchange *exchange,
                         enum hfa_event event)
{
    if (event != HFA_EVENT_REQUEST)
        return;
    enum hfa_status status = hfa_exchange_start(exchange, 200, NULL, 0, false);
    for (int i = 0; i < 4 && status == HFA_OK; i++) {
        status = hfa_exchange_write(exchange, HFA_BYTES("small"), NULL, false);
        if (status == HFA_OK) {
            stream->owners_lent++;
            status = hfa_exchange_write(exchange, (struct hfa_bytes){large, sizeof(large)}, stream,
                                        false);
        }
    }
    if (status == HFA_OK)
        status = hfa_exchange_write(exchange, HFA_BYTES(""), NULL, true);
    stream->failure = status;
    hfa_exchange_release(exchange);
}

static void feed_stream(void)
{
    fixture.holds_output = true;
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fixture.holds_output = false;
    carrier_settle(&fixture);
    bool has_end = fixture.sent_length >= 5 &&
                   memcmp(fixture.sent + fixture.sent_length - 5, "0\r\n\r\n", 5) == 0;
    if (fixture.requests == 1) {
        assert_int_equal(has_end, fixture.failure == HFA_OK);
        assert_int_equal(fixture.is_closed, fixture.failure != HFA_OK);
    }
}

static void test_a_streamed_answer_that_fails_never_ends_cleanly(void **state)
{
    run_with_failures(feed_stream, serve_stream);
}

static void serve_messages(struct carrier_fixture *echo, struct hfa_exchange *exchange,
                           enum hfa_event event)
{
    struct hfa_message *message;

    if (event == HFA_EVENT_DISCONNECT) {
        hfa_exchange_release(exchange);
        return;
    }
    /* Once more after a failure: accepting has to stay possible. */
    if (event == HFA_EVENT_REQUEST && hfa_exchange_accept(exchange, NULL, 0) != HFA_OK &&
        hfa_exchange_accept(exchange, NULL, 0) != HFA_OK) {
        hfa_exchange_release(exchange);
        return;
    }
    while ((message = hfa_exchange_take_message(exchange)) != NULL) {
        struct hfa_bytes bytes = {message->data, message->length};
        if (message->kind != HFA_MESSAGE_CLOSE) {
            hfa_exchange_send_message(exchange, message->kind, bytes, NULL);
            echo->owners_lent++;
            hfa_exchange_send_message(exchange, HFA_MESSAGE_BINARY,
                                      (struct hfa_bytes){large, sizeof(large)}, echo);
        }
        hfa_exchange_free_message(message);
    }
}

static void feed_websocket(void)
{
    carrier_feed_text(&fixture, "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    carrier_feed(&fixture, HFA_BYTES("\x81\x82\0\0\0\0hi\x89\x81\0\0\0\0p"));
    carrier_feed_slowly(&fixture, HFA_BYTES("\x01\x82\0\0\0\0hi\x80\x82\0\0\0\0ho"));
    carrier_pass_time(&fixture, fixture.limits.ping_interval_ns);
    carrier_feed(&fixture, HFA_BYTES("\x88\x82\0\0\0\0\x03\xe8"));
    assert_true(fixture.is_closed);
}

static void test_a_websocket_survives_every_failure(void **state)
{
    run_with_failures(feed_websocket, serve_messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_survive_every_failure),
        cmocka_unit_test(test_a_streamed_answer_that_fails_never_ends_cleanly),
        cmocka_unit_test(test_a_websocket_survives_every_failure),
    };
    memset(large, 'x', sizeof(large));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
