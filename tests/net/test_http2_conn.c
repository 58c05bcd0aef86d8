/* The HTTP/2 engine, fed with frames made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "carrier_fixture.h"
#include "failing_malloc.h"
#include "http2_conn.h"

enum frame_type {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    WINDOW_UPDATE = 8,
    CONTINUATION = 9,
};

#define END_STREAM  1
#define END_HEADERS 4

/* GET and POST of "/" at authority "a": HPACK's static table and one literal. */
#define GET                                                                                        \
    "\x82\x84\x86\x41\x01"                                                                         \
    "a"
#define POST                                                                                       \
    "\x83\x84\x86\x41\x01"                                                                         \
    "a"

static struct carrier_fixture fixture;
static const struct hfa_limits default_limits = HFA_LIMITS_DEFAULT;

static void feed_frame(enum frame_type type, unsigned flags, unsigned stream,
                       struct hfa_bytes payload)
{
    char bytes[9 + 20000];
    const unsigned char head[9] = {(unsigned char)(payload.length >> 16),
                                   (unsigned char)(payload.length >> 8),
                                   (unsigned char)payload.length,
                                   (unsigned char)type,
                                   (unsigned char)flags,
                                   (unsigned char)(stream >> 24),
                                   (unsigned char)(stream >> 16),
                                   (unsigned char)(stream >> 8),
                                   (unsigned char)stream};

    assert_true(payload.length <= 20000);
    memcpy(bytes, head, sizeof(head));
    if (payload.length > 0)
        memcpy(bytes + 9, payload.data, payload.length);
    carrier_feed(&fixture, (struct hfa_bytes){bytes, 9 + payload.length});
}

static void introduce(void)
{
    carrier_feed_text(&fixture, HFA_HTTP2_PREFACE);
    feed_frame(SETTINGS, 0, 0, (struct hfa_bytes){0});
}

static void open_with(const struct hfa_limits *limits, carrier_serve serve)
{
    memset(&fixture, 0, sizeof(fixture));
    assert_true(carrier_fixture_open_http2(&fixture, limits, serve));
    introduce();
}

static int close_fixture(void **state)
{
    carrier_fixture_close(&fixture);
    return fixture.dispatcher.active == 0 ? 0 : -1;
}

struct frame {
    enum frame_type type;
    unsigned flags;
    unsigned stream;
    struct hfa_bytes payload;
};

/* Takes the next frame of a type and stream that was sent from *at on; false: there is none. */
static bool next_frame(size_t *at, enum frame_type type, unsigned stream, struct frame *frame)
{
    while (*at + 9 <= fixture.sent_length) {
        const unsigned char *head = (const unsigned char *)fixture.sent + *at;
        size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        frame->type = (enum frame_type)head[3];
        frame->flags = head[4];
        frame->stream =
            (unsigned)head[5] << 24 | (unsigned)head[6] << 16 | (unsigned)head[7] << 8 | head[8];
        frame->payload = (struct hfa_bytes){fixture.sent + *at + 9, length};
        *at += 9 + length;
        if (frame->type == type && frame->stream == stream)
            return true;
    }
    return false;
}

static bool has_frame(enum frame_type type, unsigned stream)
{
    struct frame frame;
    size_t at = 0;

    return next_frame(&at, type, stream, &frame);
}

/* The bytes of a stream's DATA frames; *ended: one of them ended it. */
static size_t data_of(unsigned stream, char *into, size_t size, bool *ended)
{
    struct frame frame;
    size_t at = 0;
    size_t length = 0;

    *ended = false;
    while (next_frame(&at, DATA, stream, &frame)) {
        assert_true(length + frame.payload.length <= size);
        memcpy(into + length, frame.payload.data, frame.payload.length);
        length += frame.payload.length;
        *ended = (frame.flags & END_STREAM) != 0;
    }
    return length;
}

static void assert_body(unsigned stream, const char *expected)
{
    char body[256];
    bool ended = false;

    size_t length = data_of(stream, body, sizeof(body) - 1, &ended);
    body[length] = '\0';
    assert_string_equal(body, expected);
    assert_true(ended);
}

static unsigned error_of(enum frame_type type, unsigned stream)
{
    struct frame frame;
    size_t at = 0;

    assert_true(next_frame(&at, type, stream, &frame));
    return (unsigned char)frame.payload.data[frame.payload.length - 1];
}

static void assert_goaway(unsigned error_code)
{
    struct frame frame;
    size_t at = 0;

    assert_true(next_frame(&at, GOAWAY, 0, &frame));
    assert_int_equal((unsigned char)frame.payload.data[7], error_code);
    assert_true(fixture.is_closed);
}

static void test_a_request_is_answered_on_its_stream(void **state)
{
    open_with(&default_limits, serve_at_once);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    assert_true(has_frame(SETTINGS, 0));
    assert_true(has_frame(HEADERS, 1));
    assert_body(1, "ok");
    assert_int_equal(fixture.requests, 1);
    assert_false(fixture.is_closed);
}

static void test_input_cut_anywhere_means_the_same(void **state)
{
    static const char bytes[] =
        HFA_HTTP2_PREFACE "\0\0\0\x04\0\0\0\0\0"
                          "\0\0\x05\x02\0\0\0\0\x03\0\0\0\0\0"
                          "\0\0\x06\x01\x04\0\0\0\x01" POST "\0\0\x05\0\x01\0\0\0\x01hello";
    memset(&fixture, 0, sizeof(fixture));
    assert_true(carrier_fixture_open_http2(&fixture, &default_limits, serve_echo));
    carrier_feed_slowly(&fixture, (struct hfa_bytes){bytes, sizeof(bytes) - 1});
    assert_string_equal(fixture.log, "POST / [hello]\n");
    assert_body(1, "hello");
}

static void test_requests_overtake_one_that_waits(void **state)
{
    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    struct hfa_exchange *first = fixture.exchange;
    fixture.serve = serve_at_once;
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 3, HFA_BYTES(GET));
    assert_body(3, "ok");
    carrier_answer(&fixture, first, HFA_BYTES("late"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_body(1, "late");
}

static void test_a_body_is_as_long_as_its_window(void **state)
{
    static char piece[16384];
    struct frame frame;
    size_t at = 0;

    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    for (int i = 0; i < 4; i++)
        feed_frame(DATA, 0, 1, (struct hfa_bytes){piece, i < 3 ? 16384 : 16383});
    assert_false(next_frame(&at, WINDOW_UPDATE, 1, &frame));
    assert_int_equal(hfa_buffer_length(&fixture.exchange->body), 65535);
    hfa_exchange_consume_body(fixture.exchange, 40000);
    carrier_settle(&fixture);
    at = 0;
    assert_true(next_frame(&at, WINDOW_UPDATE, 1, &frame));
    carrier_release(&fixture);
}

static void test_a_response_waits_for_the_clients_window(void **state)
{
    static char body[100000];
    static char got[200000];
    bool ended = true;

    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, false), HFA_OK);
    assert_true(hfa_exchange_is_writable(fixture.exchange));
    assert_int_equal(
        hfa_exchange_write(fixture.exchange, (struct hfa_bytes){body, 100000}, NULL, false),
        HFA_OK);
    carrier_settle(&fixture);
    assert_int_equal(data_of(1, got, sizeof(got), &ended), 65535);
    assert_true(hfa_exchange_is_writable(fixture.exchange)); /* 34,465 bytes wait */
    hfa_exchange_write(fixture.exchange, (struct hfa_bytes){body, 60000}, NULL, true);
    assert_false(hfa_exchange_is_writable(fixture.exchange));
    carrier_release(&fixture);
    feed_frame(WINDOW_UPDATE, 0, 1, HFA_BYTES("\0\0\xff\xff"));
    feed_frame(WINDOW_UPDATE, 0, 0, HFA_BYTES("\0\x02\0\0"));
    assert_int_equal(data_of(1, got, sizeof(got), &ended), 2 * 65535);
    assert_false(ended);
}

static void test_more_than_was_declared_is_refused(void **state)
{
    const struct hfa_field length = {HFA_BYTES("Content-Length"), HFA_BYTES("2")};

    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, &length, 1, false), HFA_OK);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("abc"), NULL, false),
                     HFA_ERR_BODY_TOO_LONG);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("a"), NULL, true),
                     HFA_ERR_BODY_TOO_SHORT);
    carrier_release(&fixture);
}

static void test_an_aborted_response_is_reset_behind_what_was_sent(void **state)
{
    char got[16];
    bool ended = true;

    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    hfa_exchange_start(fixture.exchange, 200, NULL, 0, false);
    hfa_exchange_write(fixture.exchange, HFA_BYTES("part"), NULL, false);
    carrier_release(&fixture);
    assert_int_equal(data_of(1, got, sizeof(got), &ended), 4);
    assert_false(ended);
    assert_int_equal(error_of(RST_STREAM, 1), 2);
    assert_false(fixture.is_closed);
}

static void test_a_reset_tells_the_application(void **state)
{
    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    feed_frame(RST_STREAM, 0, 1, HFA_BYTES("\0\0\0\x08"));
    assert_int_equal(fixture.disconnects, 1);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, true), HFA_ERR_CLOSED);
    carrier_release(&fixture);
}

static void test_frames_on_a_stream_that_was_ended_end_the_connection(void **state)
{
    open_with(&default_limits, serve_at_once);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    feed_frame(DATA, 0, 1, HFA_BYTES("more"));
    assert_goaway(5);
}

static void test_the_rest_of_a_request_that_is_answered_is_passed_over(void **state)
{
    open_with(&default_limits, serve_at_once);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    assert_body(1, "ok");
    feed_frame(DATA, 0, 1, HFA_BYTES("on its way"));
    feed_frame(DATA, END_STREAM, 1, HFA_BYTES("all"));
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 3, HFA_BYTES(GET));
    assert_body(3, "ok");
    assert_false(has_frame(RST_STREAM, 1));
}

static void test_a_rest_that_does_not_end_is_reset_without_an_error(void **state)
{
    open_with(&default_limits, serve_at_once);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    carrier_pass_time(&fixture, default_limits.linger_timeout_ns + 2 * HFA_NS_PER_S);
    assert_int_equal(error_of(RST_STREAM, 1), 0);
}

static void test_a_rest_beyond_its_bound_is_reset_without_an_error(void **state)
{
    struct hfa_limits limits = default_limits;

    limits.discard_size = 8;
    open_with(&limits, serve_at_once);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    feed_frame(DATA, 0, 1, HFA_BYTES("12345678"));
    assert_false(has_frame(RST_STREAM, 1));
    feed_frame(DATA, 0, 1, HFA_BYTES("9"));
    assert_int_equal(error_of(RST_STREAM, 1), 0);
}

static void test_frames_on_a_stream_that_we_have_reset_are_passed_over(void **state)
{
    struct hfa_limits limits = default_limits;

    limits.discard_size = 0;
    open_with(&limits, serve_at_once);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    feed_frame(DATA, 0, 1, HFA_BYTES("unwanted"));
    assert_int_equal(error_of(RST_STREAM, 1), 0);
    feed_frame(DATA, 0, 1, HFA_BYTES("on its way"));
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 3, HFA_BYTES(GET));
    assert_body(3, "ok");
}

static void test_a_response_that_is_given_up_keeps_its_head(void **state)
{
    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    hfa_exchange_start(fixture.exchange, 200, NULL, 0, false);
    carrier_release(&fixture);
    assert_true(has_frame(HEADERS, 1));
    assert_int_equal(error_of(RST_STREAM, 1), 2);
}

static void test_a_stream_that_depends_on_itself_ends_the_connection(void **state)
{
    open_with(&default_limits, serve_at_once);
    feed_frame(PRIORITY, 0, 3, HFA_BYTES("\0\0\0\x03\x10"));
    assert_goaway(1);
}

/* Keeps every exchange, as many as there are. */
static struct hfa_exchange *held[64];
static size_t held_count;

static void serve_and_hold(struct carrier_fixture *unused, struct hfa_exchange *exchange,
                           enum hfa_event event)
{
    if (event == HFA_EVENT_REQUEST)
        held[held_count++] = exchange;
}

static void release_held(void)
{
    while (held_count > 0)
        hfa_exchange_release(held[--held_count]);
    carrier_settle(&fixture);
}

static void test_streams_that_do_not_move_share_a_bound(void **state)
{
    static char piece[16384];
    size_t taken = 0;

    open_with(&default_limits, serve_and_hold);
    feed_frame(SETTINGS, 0, 0, HFA_BYTES("\0\x04\0\0\0\0")); /* windows of 0 bytes */
    for (unsigned i = 0; i < 60; i++) {
        feed_frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, HFA_BYTES(GET));
        hfa_exchange_start(held[i], 200, NULL, 0, false);
        while (hfa_exchange_is_writable(held[i])) {
            hfa_exchange_write(held[i], (struct hfa_bytes){piece, sizeof(piece)}, NULL, false);
            taken += sizeof(piece);
        }
    }
    assert_in_range(taken, 4 * 65536, 5 * 65536);
    /* A stream that the client lets on moves, however crowded it is beside it. */
    feed_frame(WINDOW_UPDATE, 0, 119, HFA_BYTES("\0\0\x40\0"));
    assert_true(hfa_exchange_is_writable(held[59]));
    assert_false(hfa_exchange_is_writable(held[58]));
    release_held();
}

static void test_a_request_that_is_taken_back_at_once_never_begins(void **state)
{
    static const char both[] = "\0\0\x06\x01\x05\0\0\0\x01" GET "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08"
                               "\0\0\x06\x01\x05\0\0\0\x03" GET;

    open_with(&default_limits, serve_at_once);
    carrier_feed(&fixture, (struct hfa_bytes){both, sizeof(both) - 1});
    assert_int_equal(fixture.requests, 1);
    assert_body(3, "ok");
}

static void test_requests_that_are_taken_back_do_not_use_up_a_turn(void **state)
{
    open_with(&default_limits, serve_at_once);
    for (int i = 0; i < 3; i++) {
        struct hfa_exchange *exchange =
            hfa_dispatcher_new_exchange(&fixture.dispatcher, fixture.carrier.peer);
        assert_non_null(exchange);
        hfa_exchange_notify(exchange, HFA_EVENT_REQUEST);
        hfa_exchange_cancel(exchange);
        hfa_exchange_detach(exchange);
    }
    assert_true(hfa_dispatcher_has_work(&fixture.dispatcher));
    assert_int_equal(hfa_dispatcher_run(&fixture.dispatcher, 1), 0);
    assert_false(hfa_dispatcher_has_work(&fixture.dispatcher));
}

static void test_a_request_that_its_sender_spoils_at_once_never_begins(void **state)
{
    static const char both[] =
        "\0\0\x06\x01\x05\0\0\0\x01" GET "\0\0\x04\x08\0\0\0\0\x01\x7f\xff\xff\xff";

    open_with(&default_limits, serve_at_once);
    carrier_feed(&fixture, (struct hfa_bytes){both, sizeof(both) - 1});
    assert_int_equal(fixture.requests, 0);
    assert_int_equal(error_of(RST_STREAM, 1), 3);
}

/* How many calls the engine takes for bytes that are there all at once. */
static unsigned calls_for(struct hfa_bytes bytes)
{
    char *input = malloc(bytes.length);
    size_t at = 0;
    unsigned calls = 0;

    assert_non_null(input);
    memcpy(input, bytes.data, bytes.length);
    do {
        size_t consumed = 0;
        assert_int_equal(fixture.protocol->input(fixture.engine, input + at, bytes.length - at,
                                                 false, &consumed),
                         HFA_OK);
        at += consumed;
        calls++;
        assert_int_equal(fixture.carrier.wants_turn, at < bytes.length);
        carrier_settle(&fixture);
    } while (at < bytes.length && !fixture.is_closed);
    free(input);
    return calls;
}

static void test_what_is_much_work_takes_several_turns(void **state)
{
    static char pairs[400][15 + 13];
    struct hfa_limits limits = default_limits;

    limits.h2_resets = 400;
    open_with(&limits, serve_never);
    for (unsigned i = 0; i < 400; i++) {
        char stream[2] = {(char)((1 + 2 * i) >> 8), (char)(1 + 2 * i)};
        memcpy(pairs[i], "\0\0\x06\x01\x05\0\0\0\0" GET "\0\0\x04\x03\0\0\0\0\0\0\0\0\x08", 28);
        memcpy(pairs[i] + 7, stream, 2);
        memcpy(pairs[i] + 22, stream, 2);
    }
    assert_in_range(calls_for((struct hfa_bytes){pairs[0], sizeof(pairs)}), 4, 8);
    assert_int_equal(fixture.dispatcher.counters.h2_streams, 400);
    assert_in_range(fixture.dispatcher.counters.h2_yields, 3, 7);
    assert_int_equal(fixture.requests, 0);
}

static void test_fields_that_unpack_to_much_take_several_turns(void **state)
{
    static char head[9 + 6 + 6 + 4000 + 80];
    size_t payload = sizeof(head) - 9;

    /* One entry of 4,000 bytes in the decoder's table, then named 80 times. */
    open_with(&default_limits, serve_never);
    memcpy(head, "\0\0\0\x01\x05\0\0\0\x01" GET "\x40\x01x\x7f\xa1\x1e", 9 + 6 + 6);
    head[1] = (char)(payload >> 8);
    head[2] = (char)payload;
    memset(head + 21, 'a', 4000);
    memset(head + 21 + 4000, '\xbe', 80);
    assert_int_equal(calls_for((struct hfa_bytes){head, sizeof(head)}), 2);
    assert_int_equal(fixture.dispatcher.counters.h2_head_floods, 1);
    assert_goaway(11);
}

/* As above, but no field may have the byte that this one ends with. */
static void test_fields_that_are_not_allowed_count_as_any(void **state)
{
    static char head[9 + 6 + 6 + 4000 + 4000];
    size_t payload = sizeof(head) - 9;

    open_with(&default_limits, serve_never);
    memcpy(head, "\0\0\0\x01\x05\0\0\0\x01" GET "\x40\x01x\x7f\xa1\x1e", 9 + 6 + 6);
    head[1] = (char)(payload >> 8);
    head[2] = (char)payload;
    memset(head + 21, 'a', 3999);
    head[21 + 3999] = '\0';
    memset(head + 21 + 4000, '\xbe', 4000);
    assert_int_equal(calls_for((struct hfa_bytes){head, sizeof(head)}), 2);
    assert_int_equal(fixture.dispatcher.counters.h2_head_floods, 1);
    assert_goaway(11);
}

static void test_an_end_counts_once_all_before_it_is_taken(void **state)
{
    static char requests[120][15];

    open_with(&default_limits, serve_at_once);
    for (unsigned i = 0; i < 120; i++) {
        memcpy(requests[i], "\0\0\x06\x01\x05\0\0\0\0" GET, 15);
        requests[i][8] = (char)(1 + 2 * i);
    }
    memcpy(fixture.input, requests, sizeof(requests));
    fixture.input_length = sizeof(requests);
    carrier_end_input(&fixture);
    assert_int_equal(fixture.requests, 120);
    assert_int_equal(fixture.dispatcher.counters.h2_yields, 1);
    assert_body(239, "ok");
    assert_true(fixture.is_closed);
}

/* Each bound: so many pass, one more ends the connection and is counted. */
static void flood(enum frame_type type, unsigned stream, struct hfa_bytes payload, unsigned bound,
                  uint64_t *counter)
{
    for (unsigned i = 0; i < bound; i++)
        feed_frame(type, 0, stream, payload);
    assert_false(fixture.is_closed);
    assert_int_equal(*counter, 0);
    feed_frame(type, 0, stream, payload);
    assert_goaway(11);
    assert_int_equal(*counter, 1);
}

static void test_pings_are_bounded(void **state)
{
    open_with(&default_limits, serve_at_once);
    flood(PING, 0, HFA_BYTES("12345678"), default_limits.h2_pings,
          &fixture.dispatcher.counters.h2_ping_floods);
}

static void test_settings_are_bounded(void **state)
{
    open_with(&default_limits, serve_at_once);
    flood(SETTINGS, 0, (struct hfa_bytes){0}, default_limits.h2_settings - 1,
          &fixture.dispatcher.counters.h2_settings_floods);
}

static void test_priorities_are_bounded(void **state)
{
    open_with(&default_limits, serve_at_once);
    flood(PRIORITY, 3, HFA_BYTES("\0\0\0\0\x10"), default_limits.h2_priorities,
          &fixture.dispatcher.counters.h2_priority_floods);
}

static void test_window_updates_are_bounded(void **state)
{
    open_with(&default_limits, serve_at_once);
    flood(WINDOW_UPDATE, 0, HFA_BYTES("\0\0\0\x01"), default_limits.h2_windows,
          &fixture.dispatcher.counters.h2_window_floods);
}

static void test_empty_data_is_bounded(void **state)
{
    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    flood(DATA, 1, (struct hfa_bytes){0}, default_limits.h2_empty,
          &fixture.dispatcher.counters.h2_empty_floods);
    carrier_release(&fixture);
}

static void test_continuations_are_bounded(void **state)
{
    open_with(&default_limits, serve_at_once);
    feed_frame(HEADERS, END_STREAM, 1, (struct hfa_bytes){0});
    flood(CONTINUATION, 1, (struct hfa_bytes){0}, default_limits.h2_continuations,
          &fixture.dispatcher.counters.h2_continuation_floods);
}

static void test_resets_by_the_client_are_bounded(void **state)
{
    open_with(&default_limits, serve_never);
    for (unsigned i = 0; i <= default_limits.h2_resets; i++) {
        feed_frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, HFA_BYTES(GET));
        feed_frame(RST_STREAM, 0, 1 + 2 * i, HFA_BYTES("\0\0\0\x08"));
        if (fixture.exchange != NULL)
            carrier_release(&fixture);
    }
    assert_goaway(11);
    assert_int_equal(fixture.dispatcher.counters.h2_reset_floods, 1);
}

static void test_resets_that_the_client_provokes_are_bounded(void **state)
{
    open_with(&default_limits, serve_never);
    for (unsigned i = 0; i <= default_limits.h2_errors + 1 && !fixture.is_closed; i++) {
        feed_frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, HFA_BYTES(GET));
        feed_frame(WINDOW_UPDATE, 0, 1 + 2 * i, HFA_BYTES("\x7f\xff\xff\xff"));
        if (fixture.exchange != NULL)
            carrier_release(&fixture);
    }
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.dispatcher.counters.h2_error_floods, 1);
}

static void test_bounds_are_for_a_while(void **state)
{
    open_with(&default_limits, serve_at_once);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < default_limits.h2_pings; i++)
            feed_frame(PING, 0, 0, HFA_BYTES("12345678"));
        fixture.now_ns += 31 * HFA_NS_PER_S;
    }
    assert_false(fixture.is_closed);
}

static void test_an_idle_connection_says_goodbye(void **state)
{
    open_with(&default_limits, serve_at_once);
    carrier_pass_time(&fixture, default_limits.idle_timeout_ns + 2 * HFA_NS_PER_S);
    assert_goaway(0);
}

static void test_a_body_that_does_not_come_is_answered_with_408(void **state)
{
    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS, 1, HFA_BYTES(POST));
    carrier_pass_time(&fixture, default_limits.body_timeout_ns + 2 * HFA_NS_PER_S);
    assert_body(1, "Request Timeout");
    assert_int_equal(fixture.disconnects, 1);
    carrier_release(&fixture);
}

static void test_a_response_that_the_client_holds_back_is_reset(void **state)
{
    static char body[80000];

    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    hfa_exchange_start(fixture.exchange, 200, NULL, 0, false);
    hfa_exchange_write(fixture.exchange, (struct hfa_bytes){body, sizeof(body)}, NULL, false);
    carrier_settle(&fixture);
    carrier_pass_time(&fixture, default_limits.write_timeout_ns + 2 * HFA_NS_PER_S);
    assert_int_equal(error_of(RST_STREAM, 1), 8);
    assert_int_equal(fixture.dispatcher.counters.h2_stalled_streams, 1);
    carrier_release(&fixture);
}

static void test_a_drain_answers_what_is_under_way(void **state)
{
    struct frame frame;
    size_t at = 0;

    open_with(&default_limits, serve_never);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    carrier_shutdown(&fixture);
    assert_true(next_frame(&at, GOAWAY, 0, &frame));
    assert_memory_equal(frame.payload.data, "\x7f\xff\xff\xff\0\0\0\0", 8);
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("last"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_body(1, "last");
    assert_true(next_frame(&at, GOAWAY, 0, &frame));
    assert_memory_equal(frame.payload.data, "\0\0\0\x01\0\0\0\0", 8);
    assert_true(fixture.is_closed);
}

static void feed_requests(void)
{
    static char field[6000];

    introduce();
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 1, HFA_BYTES(GET));
    feed_frame(HEADERS, END_HEADERS, 3, HFA_BYTES(POST));
    feed_frame(DATA, END_STREAM, 3, HFA_BYTES("hello"));
    /* More than an exchange's first memory holds. */
    memset(field, 'a', sizeof(field));
    memcpy(field, GET "\x40\x01x\x7f\xa1\x2d", 13);
    feed_frame(HEADERS, END_HEADERS | END_STREAM, 5,
               (struct hfa_bytes){field, 12 + 127 + 0x21 + (0x2d << 7)});
}

static void test_every_failing_allocation_is_survived(void **state)
{
    long tried = 0;

    for (long index = 0; index <= tried; index++) {
        assert_true(index < 500);
        memset(&fixture, 0, sizeof(fixture));
        failing_malloc_arm(index);
        if (carrier_fixture_open_http2(&fixture, &default_limits, serve_echo))
            feed_requests();
        carrier_fixture_close(&fixture);
        tried = failing_malloc_disarm();
        assert_int_equal(fixture.dispatcher.active, 0);
    }
    assert_true(tried > 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_is_answered_on_its_stream),
        TEST(test_input_cut_anywhere_means_the_same),
        TEST(test_requests_overtake_one_that_waits),
        TEST(test_a_body_is_as_long_as_its_window),
        TEST(test_a_response_waits_for_the_clients_window),
        TEST(test_more_than_was_declared_is_refused),
        TEST(test_an_aborted_response_is_reset_behind_what_was_sent),
        TEST(test_a_reset_tells_the_application),
        TEST(test_frames_on_a_stream_that_was_ended_end_the_connection),
        TEST(test_the_rest_of_a_request_that_is_answered_is_passed_over),
        TEST(test_a_rest_that_does_not_end_is_reset_without_an_error),
        TEST(test_a_rest_beyond_its_bound_is_reset_without_an_error),
        TEST(test_frames_on_a_stream_that_we_have_reset_are_passed_over),
        TEST(test_a_response_that_is_given_up_keeps_its_head),
        TEST(test_a_stream_that_depends_on_itself_ends_the_connection),
        TEST(test_streams_that_do_not_move_share_a_bound),
        TEST(test_a_request_that_is_taken_back_at_once_never_begins),
        TEST(test_requests_that_are_taken_back_do_not_use_up_a_turn),
        TEST(test_a_request_that_its_sender_spoils_at_once_never_begins),
        TEST(test_what_is_much_work_takes_several_turns),
        TEST(test_fields_that_unpack_to_much_take_several_turns),
        TEST(test_fields_that_are_not_allowed_count_as_any),
        TEST(test_an_end_counts_once_all_before_it_is_taken),
        TEST(test_pings_are_bounded),
        TEST(test_settings_are_bounded),
        TEST(test_priorities_are_bounded),
        TEST(test_window_updates_are_bounded),
        TEST(test_empty_data_is_bounded),
        TEST(test_continuations_are_bounded),
        TEST(test_resets_by_the_client_are_bounded),
        TEST(test_resets_that_the_client_provokes_are_bounded),
        TEST(test_bounds_are_for_a_while),
        TEST(test_an_idle_connection_says_goodbye),
        TEST(test_a_body_that_does_not_come_is_answered_with_408),
        TEST(test_a_response_that_the_client_holds_back_is_reset),
        TEST(test_a_drain_answers_what_is_under_way),
        cmocka_unit_test(test_every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
