/* WebSockets through the HTTP/1.1 engine: from the handshake to the close. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "carrier_fixture.h"
#include "failing_malloc.h"

/* The key and its proof are RFC 6455's example. */
#define HANDSHAKE                                                                                  \
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define ACCEPTED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nserver: test\r\n\r\n"

/* Frames of a client; a mask of zeros leaves the payload readable. */
#define TEXT_HI    "\x81\x82\0\0\0\0hi"
#define CLOSE_1000 "\x88\x82\0\0\0\0\x03\xe8"

static const struct hfa_limits default_limits = HFA_LIMITS_DEFAULT;
static struct carrier_fixture fixture;
static uint16_t close_code; /* the last that the application was told */

/* Accepts, sends each message back, and remembers the close. */
static void serve_messages(struct carrier_fixture *echo, struct hfa_exchange *exchange,
                           enum hfa_event event)
{
    if (event == HFA_EVENT_REQUEST) {
        echo->exchange = exchange;
        if (exchange->request.is_websocket)
            echo->failure = hfa_exchange_accept(exchange, NULL, 0);
        return;
    }
    if (event != HFA_EVENT_MESSAGE)
        return;
    struct hfa_message *message;
    while ((message = hfa_exchange_take_message(exchange)) != NULL) {
        if (message->kind == HFA_MESSAGE_CLOSE)
            close_code = message->close_code;
        else
            hfa_exchange_send_message(exchange, message->kind,
                                      (struct hfa_bytes){message->data, message->length}, NULL);
        hfa_exchange_free_message(message);
    }
}

static void open_with(const struct hfa_limits *limits, carrier_serve serve)
{
    memset(&fixture, 0, sizeof(fixture));
    close_code = 0;
    assert_true(carrier_fixture_open(&fixture, limits, serve));
}

static void open_accepted(void)
{
    open_with(&default_limits, serve_messages);
    carrier_feed_text(&fixture, HANDSHAKE "\r\n");
    assert_string_equal(fixture.sent, ACCEPTED);
    carrier_forget_sent(&fixture);
}

static int close_fixture(void **state)
{
    carrier_fixture_close(&fixture);
    return fixture.dispatcher.active == 0 ? 0 : -1;
}

static void assert_frames(struct hfa_bytes expected)
{
    assert_int_equal(fixture.sent_length, expected.length);
    assert_memory_equal(fixture.sent, expected.data, expected.length);
}

static void test_a_handshake_is_accepted_with_its_proof(void **state)
{
    open_accepted();
    assert_false(fixture.is_closed);
    assert_true(fixture.carrier.wants_input);
}

static void test_a_message_behind_the_handshake_waits_for_the_accept(void **state)
{
    open_with(&default_limits, serve_never);
    carrier_feed(&fixture, HFA_BYTES(HANDSHAKE "\r\n" TEXT_HI));
    assert_string_equal(fixture.sent, "");
    assert_int_equal(hfa_exchange_accept(fixture.exchange, NULL, 0), HFA_OK);
    carrier_settle(&fixture);
    struct hfa_message *message = hfa_exchange_take_message(fixture.exchange);
    assert_non_null(message);
    assert_int_equal(message->kind, HFA_MESSAGE_TEXT);
    assert_int_equal(message->length, 2);
    assert_memory_equal(message->data, "hi", 2);
    hfa_exchange_free_message(message);
}

static void test_messages_are_echoed(void **state)
{
    open_accepted();
    carrier_feed(&fixture, HFA_BYTES(TEXT_HI TEXT_HI));
    assert_frames(HFA_BYTES("\x81\x02hi\x81\x02hi"));
}

static void test_messages_that_come_byte_by_byte_are_echoed(void **state)
{
    open_accepted();
    carrier_feed_slowly(&fixture, HFA_BYTES(TEXT_HI TEXT_HI));
    assert_frames(HFA_BYTES("\x81\x02hi\x81\x02hi"));
}

static void test_a_ping_is_answered_without_the_application(void **state)
{
    open_accepted();
    fixture.serve = serve_never;
    carrier_feed(&fixture, HFA_BYTES("\x89\x81\0\0\0\0p"));
    assert_frames(HFA_BYTES("\x8a\x01p"));
}

static void test_the_peers_close_is_answered_and_told(void **state)
{
    open_accepted();
    carrier_feed(&fixture, HFA_BYTES(CLOSE_1000));
    assert_frames(HFA_BYTES("\x88\x02\x03\xe8"));
    assert_int_equal(close_code, 1000);
    assert_true(fixture.is_closed);
}

static void test_a_close_that_memory_is_missing_for_cuts_the_connection_at_once(void **state)
{
    open_accepted();
    hfa_buffer_pool_free(&fixture.dispatcher.buffers); /* nothing is left to recycle */
    failing_malloc_arm(0);
    assert_int_equal(hfa_exchange_send_close(fixture.exchange, 1000, HFA_BYTES("bye")),
                     HFA_ERR_NO_MEMORY);
    failing_malloc_disarm();
    carrier_settle(&fixture);
    assert_string_equal(fixture.sent, "");
    assert_true(fixture.is_closed);
}

static void test_the_applications_close_waits_for_the_peers(void **state)
{
    open_accepted();
    assert_int_equal(hfa_exchange_send_close(fixture.exchange, 1000, HFA_BYTES("bye")), HFA_OK);
    carrier_settle(&fixture);
    assert_frames(HFA_BYTES("\x88\x05\x03\xe8"
                            "bye"));
    assert_false(fixture.is_closed);
    assert_int_equal(
        hfa_exchange_send_message(fixture.exchange, HFA_MESSAGE_TEXT, HFA_BYTES("late"), NULL),
        HFA_ERR_STATE);
    carrier_feed(&fixture, HFA_BYTES(CLOSE_1000));
    assert_true(fixture.is_closed);
}

static void test_a_close_that_is_not_answered_ends_after_a_while(void **state)
{
    open_accepted();
    hfa_exchange_send_close(fixture.exchange, 1000, HFA_BYTES(""));
    carrier_release(&fixture);
    carrier_pass_time(&fixture, 10 * HFA_NS_PER_S - 1);
    assert_false(fixture.is_closed);
    carrier_pass_time(&fixture, 1);
    assert_true(fixture.is_closed);
}

static void test_a_closing_handshake_goes_on_after_the_release(void **state)
{
    open_accepted();
    hfa_exchange_send_close(fixture.exchange, 1000, HFA_BYTES(""));
    carrier_release(&fixture);
    assert_false(fixture.is_closed);
    carrier_feed(&fixture, HFA_BYTES(TEXT_HI CLOSE_1000));
    assert_true(fixture.is_closed);
    assert_frames(HFA_BYTES("\x88\x02\x03\xe8"));
}

static void test_a_release_without_close_ends_without_a_close_frame(void **state)
{
    open_accepted();
    carrier_release(&fixture);
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.sent_length, 0);
}

static void test_a_ping_without_pong_closes_with_1011(void **state)
{
    open_accepted();
    carrier_pass_time(&fixture, default_limits.ping_interval_ns);
    assert_int_equal(fixture.sent_length, 6);
    assert_memory_equal(fixture.sent, "\x89\x04", 2);
    carrier_forget_sent(&fixture);
    carrier_pass_time(&fixture, default_limits.ping_timeout_ns - 1);
    assert_int_equal(fixture.sent_length, 0);
    carrier_pass_time(&fixture, 1);
    assert_frames(HFA_BYTES("\x88\x18\x03\xf3keepalive ping timeout"));
    assert_true(fixture.is_closed);
}

static void test_a_pong_keeps_the_connection(void **state)
{
    char pong[10] = {'\x8a', '\x84'};
    open_accepted();
    for (int i = 0; i < 5; i++) {
        carrier_pass_time(&fixture, default_limits.ping_interval_ns);
        assert_int_equal(fixture.sent_length, 6);
        memcpy(pong + 6, fixture.sent + 2, 4);
        carrier_forget_sent(&fixture);
        carrier_feed(&fixture, (struct hfa_bytes){pong, sizeof(pong)});
        assert_false(fixture.is_closed);
    }
}

static void test_a_pong_to_another_ping_does_not_count(void **state)
{
    open_accepted();
    carrier_pass_time(&fixture, default_limits.ping_interval_ns);
    carrier_feed(&fixture, HFA_BYTES("\x8a\x83\0\0\0\0old"));
    carrier_pass_time(&fixture, default_limits.ping_timeout_ns);
    assert_true(fixture.is_closed);
}

static void test_shutdown_closes_with_1012_and_tells_the_application(void **state)
{
    open_accepted();
    carrier_shutdown(&fixture);
    assert_frames(HFA_BYTES("\x88\x02\x03\xf4"));
    assert_int_equal(close_code, 1012);
    assert_true(fixture.is_closed);
}

static void test_a_frame_without_mask_closes_with_1002(void **state)
{
    open_accepted();
    carrier_feed(&fixture, HFA_BYTES("\x81\x02hi"));
    assert_true(fixture.sent_length >= 4);
    assert_memory_equal(fixture.sent + 2, "\x03\xea", 2);
    assert_int_equal(close_code, 1002);
    assert_true(fixture.is_closed);
}

static void test_a_message_above_the_limit_closes_with_1009(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.message_size = 1;
    open_with(&limits, serve_messages);
    carrier_feed(&fixture, HFA_BYTES(HANDSHAKE "\r\n" TEXT_HI));
    assert_int_equal(close_code, 1009);
    assert_true(fixture.is_closed);
}

static void test_messages_that_are_not_taken_stop_the_input(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.request_buffer = 64;
    open_with(&limits, serve_never);
    carrier_feed_text(&fixture, HANDSHAKE "\r\n");
    assert_int_equal(hfa_exchange_accept(fixture.exchange, NULL, 0), HFA_OK);
    for (int i = 0; i < 100; i++)
        carrier_feed(&fixture, HFA_BYTES(TEXT_HI));
    assert_false(fixture.carrier.wants_input);
    assert_true(fixture.exchange->messages_size < 128);
    unsigned taken = 0;
    struct hfa_message *message;
    while ((message = hfa_exchange_take_message(fixture.exchange)) != NULL) {
        hfa_exchange_free_message(message);
        taken++;
        carrier_settle(&fixture);
    }
    assert_int_equal(taken, 100);
    assert_true(fixture.carrier.wants_input);
}

static void test_a_peer_that_leaves_is_a_disconnect(void **state)
{
    open_accepted();
    carrier_end_input(&fixture);
    assert_int_equal(fixture.disconnects, 1);
    assert_true(fixture.is_closed);
    assert_int_equal(
        hfa_exchange_send_message(fixture.exchange, HFA_MESSAGE_TEXT, HFA_BYTES("x"), NULL),
        HFA_ERR_CLOSED);
}

static void test_a_denied_handshake_is_an_ordinary_answer_that_closes(void **state)
{
    open_with(&default_limits, serve_never);
    carrier_feed_text(&fixture, HANDSHAKE "\r\n");
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("no"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_string_equal(fixture.sent, "HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 2\r\n"
                                      "connection: close\r\n\r\nno");
    assert_true(fixture.is_closed);
}

static void test_another_version_of_websocket_is_400(void **state)
{
    open_with(&default_limits, serve_messages);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_memory_equal(fixture.sent, "HTTP/1.1 400 ", 13);
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.requests, 0);
}

static void test_a_handshake_with_a_body_is_400(void **state)
{
    open_with(&default_limits, serve_messages);
    carrier_feed_text(&fixture, HANDSHAKE "Content-Length: 2\r\n\r\nhi");
    assert_memory_equal(fixture.sent, "HTTP/1.1 400 ", 13);
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.requests, 0);
}

static void test_an_ordinary_request_cannot_be_accepted(void **state)
{
    open_with(&default_limits, serve_never);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(hfa_exchange_accept(fixture.exchange, NULL, 0), HFA_ERR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_handshake_is_accepted_with_its_proof, close_fixture),
        cmocka_unit_test_teardown(test_a_message_behind_the_handshake_waits_for_the_accept,
                                  close_fixture),
        cmocka_unit_test_teardown(test_messages_are_echoed, close_fixture),
        cmocka_unit_test_teardown(test_messages_that_come_byte_by_byte_are_echoed, close_fixture),
        cmocka_unit_test_teardown(test_a_ping_is_answered_without_the_application, close_fixture),
        cmocka_unit_test_teardown(test_the_peers_close_is_answered_and_told, close_fixture),
        cmocka_unit_test_teardown(test_the_applications_close_waits_for_the_peers, close_fixture),
        cmocka_unit_test_teardown(
            test_a_close_that_memory_is_missing_for_cuts_the_connection_at_once, close_fixture),
        cmocka_unit_test_teardown(test_a_close_that_is_not_answered_ends_after_a_while,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_closing_handshake_goes_on_after_the_release,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_release_without_close_ends_without_a_close_frame,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_ping_without_pong_closes_with_1011, close_fixture),
        cmocka_unit_test_teardown(test_a_pong_keeps_the_connection, close_fixture),
        cmocka_unit_test_teardown(test_a_pong_to_another_ping_does_not_count, close_fixture),
        cmocka_unit_test_teardown(test_shutdown_closes_with_1012_and_tells_the_application,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_frame_without_mask_closes_with_1002, close_fixture),
        cmocka_unit_test_teardown(test_a_message_above_the_limit_closes_with_1009, close_fixture),
        cmocka_unit_test_teardown(test_messages_that_are_not_taken_stop_the_input, close_fixture),
        cmocka_unit_test_teardown(test_a_peer_that_leaves_is_a_disconnect, close_fixture),
        cmocka_unit_test_teardown(test_a_denied_handshake_is_an_ordinary_answer_that_closes,
                                  close_fixture),
        cmocka_unit_test_teardown(test_another_version_of_websocket_is_400, close_fixture),
        cmocka_unit_test_teardown(test_a_handshake_with_a_body_is_400, close_fixture),
        cmocka_unit_test_teardown(test_an_ordinary_request_cannot_be_accepted, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
