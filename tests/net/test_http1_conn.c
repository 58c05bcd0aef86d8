/* The HTTP/1.1 engine: requests in, answers out, without a socket and with a fake clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "carrier_fixture.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 2\r\n"
#define OK_10   "HTTP/1.0 200 OK\r\nserver: test\r\ncontent-length: 2\r\n"
#define GET     "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

#define SECONDS(count) ((count)*HFA_NS_PER_S)

static const struct hfa_limits default_limits = HFA_LIMITS_DEFAULT;
static struct carrier_fixture fixture;

static void open_with(const struct hfa_limits *limits, carrier_serve serve)
{
    memset(&fixture, 0, sizeof(fixture));
    assert_true(carrier_fixture_open(&fixture, limits, serve));
}

static void open_default(carrier_serve serve)
{
    open_with(&default_limits, serve);
}

static int close_fixture(void **state)
{
    carrier_fixture_close(&fixture);
    return fixture.dispatcher.active == 0 && fixture.owners_lent == fixture.owners_back ? 0 : -1;
}

static void assert_sent(const char *expected)
{
    assert_string_equal(fixture.sent, expected);
}

static void assert_sent_starts(const char *start)
{
    char got[64] = {0};
    assert_true(strlen(start) < sizeof(got));
    memcpy(got, fixture.sent, strlen(start));
    assert_string_equal(got, start);
}

static void assert_refused(int status_code)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status_code);
    assert_sent_starts(line);
    assert_non_null(strstr(fixture.sent, "\r\nconnection: close\r\n"));
    assert_true(fixture.is_closed);
    assert_true(fixture.carrier.wants_linger);
    assert_int_equal(fixture.requests, 0);
}

/* Answers: keep-alive, order, framing. */

static void test_a_request_is_answered_and_the_connection_stays(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, GET);
    assert_sent(OK_HEAD "\r\nok");
    assert_false(fixture.is_closed);
    assert_true(fixture.carrier.wants_input);
}

/* A whole response at once is what its two steps would be, whatever is asked and answered. */

static int whole_status;

static void serve_whole(struct carrier_fixture *self, struct hfa_exchange *exchange,
                        enum hfa_event event)
{
    if (event != HFA_EVENT_REQUEST)
        return;
    enum hfa_status status = hfa_exchange_respond(exchange, whole_status,
                                                  HFA_BYTES("application/json"), HFA_BYTES("{}"));
    if (status != HFA_OK)
        self->failure = status;
    hfa_exchange_release(exchange);
}

static void serve_in_steps(struct carrier_fixture *self, struct hfa_exchange *exchange,
                           enum hfa_event event)
{
    const struct hfa_field fields[] = {
        {HFA_BYTES("content-length"), HFA_BYTES("2")},
        {HFA_BYTES("content-type"), HFA_BYTES("application/json")},
    };

    if (event != HFA_EVENT_REQUEST)
        return;
    enum hfa_status status = hfa_exchange_start(exchange, whole_status, fields, 2, false);
    if (status == HFA_OK)
        status = hfa_exchange_write(exchange, HFA_BYTES("{}"), NULL, true);
    if (status != HFA_OK)
        self->failure = status;
    hfa_exchange_release(exchange);
}

static void test_a_whole_response_is_what_its_two_steps_are(void **state)
{
    static const char *const requests[] = {
        GET,
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET,
    };
    static const int codes[] = {200, 201, 204, 304, 404, 500, 999};
    static char expected[1024];

    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        for (size_t k = 0; k < sizeof(codes) / sizeof(codes[0]); k++) {
            whole_status = codes[k];
            open_default(serve_in_steps);
            carrier_feed_text(&fixture, requests[i]);
            assert_true(fixture.sent_length > 0 && fixture.sent_length < sizeof(expected));
            memcpy(expected, fixture.sent, fixture.sent_length + 1);
            bool was_closed = fixture.is_closed;
            enum hfa_status failure = fixture.failure;
            carrier_fixture_close(&fixture);

            open_default(serve_whole);
            carrier_feed_text(&fixture, requests[i]);
            assert_string_equal(fixture.sent, expected);
            assert_int_equal(fixture.is_closed, was_closed);
            assert_int_equal(fixture.failure, failure);
            carrier_fixture_close(&fixture);
        }
    }
    open_default(serve_whole);
}

static void test_nothing_is_sent_before_the_head_is_complete(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\n\r");
    assert_sent("");
    carrier_feed_text(&fixture, "\n");
    assert_sent(OK_HEAD "\r\nok");
}

static void test_connection_close_is_answered_and_obeyed(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET);
    assert_sent(OK_HEAD "connection: close\r\n\r\nok");
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.requests, 1);
}

static void test_http10_closes_unless_asked_to_stay(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "GET / HTTP/1.0\r\n\r\n");
    assert_sent(OK_10 "connection: close\r\n\r\nok");
    assert_true(fixture.is_closed);
}

static void test_http10_keep_alive_stays(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_sent(OK_10 "connection: keep-alive\r\n\r\nok");
    assert_false(fixture.is_closed);
}

static void test_the_applications_connection_close_ends_the_connection(void **state)
{
    struct hfa_field fields[] = {
        {HFA_BYTES("content-length"), HFA_BYTES("0")},
        {HFA_BYTES("Connection"), HFA_BYTES("close")},
    };
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, fields, 2, true), HFA_OK);
    carrier_release(&fixture);
    assert_sent("HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 0\r\nconnection: close\r\n"
                "\r\n");
    assert_true(fixture.is_closed);
}

static void test_pipelined_requests_are_answered_one_after_the_other(void **state)
{
    open_default(serve_echo);
    carrier_feed_text(&fixture, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                                "POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo"
                                "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(fixture.log, "GET /1 []\nPOST /2 [two]\nGET /3 []\n");
}

static void test_a_pipelined_request_waits_for_the_answer_before_it(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET GET);
    assert_int_equal(fixture.requests, 1);
    struct hfa_exchange *first = fixture.exchange;
    carrier_answer(&fixture, first, HFA_BYTES("1"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_int_equal(fixture.requests, 2);
    assert_non_null(fixture.exchange);
    assert_true(fixture.exchange->response == HFA_RESPONSE_NONE);
    assert_sent("HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 1\r\n\r\n1");
}

static void test_a_full_pipeline_is_not_read_until_the_answer_is_out(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    for (int i = 0; i < 1000; i++)
        carrier_feed_text(&fixture, GET);
    assert_false(fixture.carrier.wants_input);
    fixture.serve = serve_at_once;
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("ok"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_int_equal(fixture.requests, 1001);
    assert_true(fixture.carrier.wants_input);
}

static void start_and_write(int status_code, const struct hfa_field *fields, size_t field_count)
{
    assert_int_equal(hfa_exchange_start(fixture.exchange, status_code, fields, field_count, false),
                     HFA_OK);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("body"), NULL, true), HFA_OK);
    carrier_release(&fixture);
}

static void test_head_gets_the_fields_and_no_body(void **state)
{
    struct hfa_field length = {HFA_BYTES("content-length"), HFA_BYTES("4")};
    open_default(serve_never);
    carrier_feed_text(&fixture, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    start_and_write(200, &length, 1);
    assert_sent("HTTP/1.1 200 OK\r\nserver: test\r\ncontent-length: 4\r\n\r\n");
    assert_false(fixture.is_closed);
}

static void test_204_has_no_body(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    start_and_write(204, NULL, 0);
    assert_sent("HTTP/1.1 204 No Content\r\nserver: test\r\n\r\n");
    assert_false(fixture.is_closed);
}

static void test_304_has_no_body(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    start_and_write(304, NULL, 0);
    assert_sent("HTTP/1.1 304 Not Modified\r\nserver: test\r\n\r\n");
    assert_false(fixture.is_closed);
}

static void test_a_body_without_length_is_chunked(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    start_and_write(200, NULL, 0);
    assert_sent("HTTP/1.1 200 OK\r\nserver: test\r\ntransfer-encoding: chunked\r\n\r\n"
                "4\r\nbody\r\n0\r\n\r\n");
    assert_false(fixture.is_closed);
}

static void test_a_body_without_length_ends_an_http10_connection(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    start_and_write(200, NULL, 0);
    assert_sent("HTTP/1.0 200 OK\r\nserver: test\r\nconnection: close\r\n\r\nbody");
    assert_true(fixture.is_closed);
    assert_false(fixture.carrier.wants_reset);
}

static void test_a_large_lent_body_comes_back_when_it_is_sent(void **state)
{
    static char large[HFA_OUTPUT_BORROW_MIN];
    memset(large, 'x', sizeof(large));
    open_default(serve_never);
    fixture.holds_output = true;
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, false), HFA_OK);
    fixture.owners_lent = 1;
    struct hfa_bytes body = {large, sizeof(large)};
    assert_int_equal(hfa_exchange_write(fixture.exchange, body, &fixture, true), HFA_OK);
    carrier_release(&fixture);
    assert_int_equal(fixture.owners_back, 0);
    fixture.holds_output = false;
    carrier_settle(&fixture);
    assert_int_equal(fixture.owners_back, 1);
}

static void test_a_file_is_sent_as_a_chunk(void **state)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("0123456789", file);
    fflush(file);
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, false), HFA_OK);
    assert_int_equal(hfa_exchange_write_file(fixture.exchange, dup(fileno(file)), 2, 5, true),
                     HFA_OK);
    carrier_release(&fixture);
    fclose(file);
    assert_non_null(strstr(fixture.sent, "\r\n\r\n5\r\n23456\r\n0\r\n\r\n"));
}

static void test_more_body_than_declared_is_refused(void **state)
{
    struct hfa_field length = {HFA_BYTES("content-length"), HFA_BYTES("3")};
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, &length, 1, false), HFA_OK);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("body"), NULL, true),
                     HFA_ERR_BODY_TOO_LONG);
    carrier_release(&fixture);
    assert_true(fixture.is_closed);
}

static void test_less_body_than_declared_closes_the_connection(void **state)
{
    struct hfa_field length = {HFA_BYTES("content-length"), HFA_BYTES("5")};
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, &length, 1, false), HFA_OK);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("body"), NULL, true),
                     HFA_ERR_BODY_TOO_SHORT);
    carrier_release(&fixture);
    assert_true(fixture.is_closed);
}

static void test_a_field_with_a_line_end_is_refused_and_nothing_is_sent(void **state)
{
    struct hfa_field field = {HFA_BYTES("x"), HFA_BYTES("a\r\nb: c")};
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, &field, 1, true),
                     HFA_ERR_FIELD_VALUE);
    carrier_release(&fixture);
    assert_sent("");
    assert_true(fixture.is_closed);
}

/* Request bodies. */

static void assert_same_in_pieces(const char *input, const char *expected_log)
{
    static char whole[CARRIER_TEXT_MAX];
    struct hfa_bytes bytes = {input, strlen(input)};

    open_default(serve_echo);
    carrier_feed(&fixture, bytes);
    assert_string_equal(fixture.log, expected_log);
    memcpy(whole, fixture.sent, fixture.sent_length + 1);
    bool is_closed = fixture.is_closed;
    assert_int_equal(close_fixture(NULL), 0);

    open_default(serve_echo);
    carrier_feed_slowly(&fixture, bytes);
    assert_string_equal(fixture.log, expected_log);
    assert_string_equal(fixture.sent, whole);
    assert_int_equal(fixture.is_closed, is_closed);
}

static void test_a_body_of_known_length_is_the_same_in_pieces(void **state)
{
    assert_same_in_pieces(
        "POST /l HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world" GET,
        "POST /l [hello world]\nGET / []\n");
}

static void test_a_chunked_body_is_the_same_in_pieces(void **state)
{
    assert_same_in_pieces("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n" GET,
                          "POST /c [hello world]\nGET / []\n");
}

static void test_a_bad_chunk_is_400_in_pieces_too(void **state)
{
    assert_same_in_pieces("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\nx\r\n",
                          "");
    assert_sent_starts("HTTP/1.1 400 ");
    assert_true(fixture.is_closed);
}

static void test_100_continue_is_sent_at_the_first_read_only(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                                "Expect: 100-continue\r\n\r\n");
    assert_sent("");
    hfa_exchange_read(fixture.exchange);
    hfa_exchange_read(fixture.exchange);
    carrier_settle(&fixture);
    assert_sent("HTTP/1.1 100 Continue\r\n\r\n");
    carrier_forget_sent(&fixture);
    carrier_feed_text(&fixture, "hi");
    assert_true(fixture.exchange->body_complete);
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("ok"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_sent(OK_HEAD "\r\nok");
    assert_false(fixture.is_closed);
}

static void test_100_continue_is_not_sent_when_the_body_has_come(void **state)
{
    open_default(serve_echo);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                                "Expect: 100-continue\r\n\r\nok");
    assert_sent(OK_HEAD "\r\nok");
}

static void test_an_answer_instead_of_100_continue_closes(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                                "Expect: 100-continue\r\n\r\n");
    assert_sent(OK_HEAD "connection: close\r\n\r\nok");
    assert_true(fixture.is_closed);
}

static void test_an_unread_body_is_passed_over(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n");
    assert_sent(OK_HEAD "\r\nok");
    carrier_forget_sent(&fixture);
    carrier_feed_text(&fixture, "GET /trick HTTP/1.1\r\nHost: a\r\n");
    assert_int_equal(fixture.requests, 1);
    carrier_feed_text(&fixture, "\r\n");
    assert_false(fixture.is_closed);
    assert_int_equal(fixture.requests, 1);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(fixture.requests, 2);
    assert_sent(OK_HEAD "\r\nok");
}

static void test_a_long_unread_body_ends_the_connection(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.discard_size = 100;
    open_with(&limits, serve_at_once);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    for (int i = 0; i < 100; i++)
        carrier_feed_text(&fixture, "x");
    assert_false(fixture.is_closed);
    carrier_feed_text(&fixture, "x");
    assert_true(fixture.is_closed);
    assert_true(fixture.carrier.wants_linger);
    assert_sent(OK_HEAD "\r\nok");
}

/* The answer has gone out: a second one would be taken for the next request's. */
static void test_a_fault_in_a_body_that_is_passed_over_closes_in_silence(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    carrier_feed_text(&fixture, "1\r\nx?\r\n");
    assert_true(fixture.is_closed);
    assert_sent(OK_HEAD "\r\nok");
}

/* Refusals. */

static void refuse_text(const char *input, int status_code)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, input);
    assert_refused(status_code);
    assert_int_equal(close_fixture(NULL), 0);
    open_default(serve_at_once);
    carrier_feed_slowly(&fixture, (struct hfa_bytes){input, strlen(input)});
    assert_refused(status_code);
}

static void test_length_beside_chunks_is_400(void **state)
{
    refuse_text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
                "\r\n0\r\n\r\n",
                400);
}

static void test_two_lengths_are_400(void **state)
{
    refuse_text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
                400);
}

static void test_chunked_twice_is_refused(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.requests, 0);
}

static void test_a_space_before_the_colon_is_400(void **state)
{
    refuse_text("POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc", 400);
}

static void test_a_bare_line_feed_is_400(void **state)
{
    refuse_text("GET / HTTP/1.1\nHost: a\n\n", 400);
}

static void test_an_unknown_transfer_coding_is_501(void **state)
{
    refuse_text("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501);
}

static void test_another_version_is_505(void **state)
{
    refuse_text("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505);
}

static void test_a_head_above_the_limit_is_431(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.head_size = 64;
    open_with(&limits, serve_at_once);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\nX: 012345678901234567890123456789"
                                "012345678901234567890123456789\r\n\r\n");
    assert_refused(431);
}

static void test_trailers_above_the_limit_are_431(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.trailer_size = 8;
    open_with(&limits, serve_echo);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "0\r\nX-Long: 0123456789\r\n\r\n");
    assert_sent_starts("HTTP/1.1 431 ");
    assert_true(fixture.is_closed);
}

static void test_limit_concurrency_answers_503_and_closes(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.concurrency = 2;
    open_with(&limits, serve_at_once);
    fixture.dispatcher.connections = 2;
    carrier_feed_text(&fixture, GET);
    assert_refused(503);
}

/* A request of another connection that the application has not been told of yet. */
static void queue_another_request(void)
{
    struct hfa_exchange *exchange =
        hfa_dispatcher_new_exchange(&fixture.dispatcher, fixture.carrier.peer);

    assert_non_null(exchange);
    hfa_exchange_notify(exchange, HFA_EVENT_REQUEST);
    hfa_exchange_detach(exchange);
}

static void test_requests_that_arrive_together_count_for_limit_concurrency(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.concurrency = 2;
    open_with(&limits, serve_at_once);
    queue_another_request();
    queue_another_request();
    carrier_feed_text(&fixture, GET);
    assert_sent_starts("HTTP/1.1 503 ");
    assert_true(fixture.is_closed);
}

static void test_a_request_within_limit_concurrency_is_served(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.concurrency = 2;
    open_with(&limits, serve_at_once);
    carrier_feed_text(&fixture, GET GET);
    assert_sent(OK_HEAD "\r\nok" OK_HEAD "\r\nok");
}

static struct hfa_bytes host_of(const struct hfa_request *request)
{
    struct hfa_bytes host = {0};
    unsigned count = 0;

    for (size_t i = 0; i < request->field_count; i++) {
        if (hfa_bytes_equal(request->fields[i].name, HFA_BYTES("host"))) {
            host = request->fields[i].value;
            count++;
        }
    }
    assert_int_equal(count, 1);
    return host;
}

static void test_an_absolute_target_replaces_host(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "GET http://real:81/p?q HTTP/1.1\r\nHost: fake\r\n\r\n");
    const struct hfa_request *request = &fixture.exchange->request;
    assert_true(hfa_bytes_equal(host_of(request), HFA_BYTES("real:81")));
    assert_true(hfa_bytes_equal(request->path, HFA_BYTES("/p")));
    assert_true(hfa_bytes_equal(request->query, HFA_BYTES("q")));
}

static void test_an_absolute_target_brings_the_host_that_http10_lacks(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "GET http://real/ HTTP/1.0\r\nX: 1\r\n\r\n");
    assert_true(hfa_bytes_equal(host_of(&fixture.exchange->request), HFA_BYTES("real")));
    assert_int_equal(fixture.exchange->request.field_count, 2);
}

static void test_names_of_fields_are_lower_case_and_values_as_sent(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nHost: a\r\nX-Mixed-Case:  A b \r\n\r\n");
    const struct hfa_field *field = &fixture.exchange->request.fields[1];
    assert_true(hfa_bytes_equal(field->name, HFA_BYTES("x-mixed-case")));
    assert_true(hfa_bytes_equal(field->value, HFA_BYTES("A b")));
}

/* Time-outs. */

static void test_an_idle_connection_is_closed_without_a_word(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, GET);
    carrier_forget_sent(&fixture);
    carrier_pass_time(&fixture, default_limits.idle_timeout_ns - 1);
    assert_false(fixture.is_closed);
    carrier_pass_time(&fixture, 1);
    assert_true(fixture.is_closed);
    assert_sent("");
}

static void test_a_slow_head_is_408_whatever_trickles_in(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "GET / HTTP/1.1\r\nX: ");
    for (int i = 0; i < 14; i++) {
        carrier_pass_time(&fixture, SECONDS(1));
        carrier_feed_text(&fixture, "x");
    }
    assert_false(fixture.is_closed);
    carrier_pass_time(&fixture, SECONDS(1));
    assert_refused(408);
}

static void test_a_body_below_the_rate_is_408(void **state)
{
    open_default(serve_echo);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        carrier_feed_text(&fixture, "x");
        carrier_pass_time(&fixture, SECONDS(1));
    }
    assert_sent_starts("HTTP/1.1 408 ");
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.disconnects, 1);
}

static void test_a_body_at_the_rate_may_take_any_time(void **state)
{
    char piece[240];
    memset(piece, 'x', sizeof(piece));
    open_default(serve_echo);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 24000\r\n\r\n");
    for (int i = 0; i < 99; i++) {
        carrier_feed(&fixture, (struct hfa_bytes){piece, sizeof(piece)});
        carrier_pass_time(&fixture, SECONDS(1));
        assert_false(fixture.is_closed);
    }
    carrier_feed(&fixture, (struct hfa_bytes){piece, sizeof(piece)});
    assert_sent_starts("HTTP/1.1 200 ");
}

static void test_a_slow_application_is_not_the_clients_fault(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.request_buffer = 4;
    open_with(&limits, serve_never);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbody");
    assert_false(fixture.carrier.wants_input);
    carrier_pass_time(&fixture, SECONDS(3600));
    assert_false(fixture.is_closed);
    hfa_exchange_consume_body(fixture.exchange, 4);
    assert_true(fixture.carrier.wants_input);
    carrier_pass_time(&fixture, default_limits.body_timeout_ns - 1);
    assert_false(fixture.is_closed);
}

static void test_a_client_that_waits_for_100_continue_is_not_timed_out(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                                "Expect: 100-continue\r\n\r\n");
    carrier_pass_time(&fixture, SECONDS(3590));
    assert_false(fixture.is_closed);
    hfa_exchange_read(fixture.exchange);
    carrier_settle(&fixture);
    carrier_pass_time(&fixture, default_limits.body_timeout_ns - 1);
    assert_sent("HTTP/1.1 100 Continue\r\n\r\n");
    carrier_pass_time(&fixture, 1);
    assert_true(fixture.is_closed);
}

static void test_a_body_that_nobody_reads_times_out_in_silence(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    carrier_pass_time(&fixture, default_limits.body_timeout_ns);
    assert_true(fixture.is_closed);
    assert_sent(OK_HEAD "\r\nok");
}

static void test_an_application_may_take_any_time_for_its_answer(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    carrier_pass_time(&fixture, SECONDS(86400));
    assert_false(fixture.is_closed);
}

/* Back-pressure and half-close. */

static void test_input_stops_at_the_request_buffer_and_resumes(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.request_buffer = 10;
    open_with(&limits, serve_never);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n");
    carrier_feed_text(&fixture, "0123456789");
    assert_false(fixture.carrier.wants_input);
    hfa_exchange_read(fixture.exchange);
    assert_false(fixture.carrier.wants_input);
    hfa_exchange_consume_body(fixture.exchange, 1);
    assert_true(fixture.carrier.wants_input);
    carrier_feed_text(&fixture, "01234567890123456789");
    assert_true(fixture.exchange->body_complete);
    assert_int_equal(hfa_buffer_length(&fixture.exchange->body), 29);
}

static void test_a_full_output_pauses_the_application_until_it_drains(void **state)
{
    static char large[70000];
    memset(large, 'x', sizeof(large));
    open_default(serve_never);
    fixture.holds_output = true;
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, false), HFA_OK);
    assert_true(hfa_exchange_is_writable(fixture.exchange));
    struct hfa_bytes piece = {large, sizeof(large)};
    assert_int_equal(hfa_exchange_write(fixture.exchange, piece, NULL, false), HFA_OK);
    assert_false(hfa_exchange_is_writable(fixture.exchange));
    carrier_settle(&fixture);
    assert_int_equal(fixture.writables, 0);
    fixture.holds_output = false;
    carrier_settle(&fixture);
    assert_int_equal(fixture.writables, 1);
    assert_true(hfa_exchange_is_writable(fixture.exchange));
}

static void test_a_half_closed_client_still_gets_its_answer(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    carrier_end_input(&fixture);
    assert_int_equal(fixture.disconnects, 1);
    assert_false(fixture.is_closed);
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("ok"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_sent(OK_HEAD "\r\nok");
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.disconnects, 1);
}

static void test_a_pipeline_is_served_to_its_end_after_a_half_close(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET GET);
    carrier_end_input(&fixture);
    fixture.serve = serve_at_once;
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("ok"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_sent(OK_HEAD "\r\nok" OK_HEAD "\r\nok");
    assert_true(fixture.is_closed);
}

static void test_a_body_that_is_cut_off_is_a_disconnect(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nx");
    carrier_end_input(&fixture);
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.disconnects, 1);
    assert_false(fixture.exchange->body_complete);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, true), HFA_ERR_CLOSED);
}

static void test_a_head_that_is_cut_off_closes_in_silence(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, "GET / HT");
    carrier_end_input(&fixture);
    assert_true(fixture.is_closed);
    assert_sent("");
}

/* Abort and close. */

static void start_then_abort(const char *request)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, request);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, false), HFA_OK);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("part"), NULL, false), HFA_OK);
    carrier_release(&fixture);
    assert_true(fixture.is_closed);
}

static void test_an_aborted_chunked_answer_has_no_last_chunk(void **state)
{
    start_then_abort(GET GET);
    assert_sent("HTTP/1.1 200 OK\r\nserver: test\r\ntransfer-encoding: chunked\r\n\r\n"
                "4\r\npart\r\n");
    assert_int_equal(fixture.requests, 1);
}

static void test_an_aborted_answer_without_length_is_reset(void **state)
{
    start_then_abort("GET / HTTP/1.0\r\n\r\n");
    assert_true(fixture.carrier.wants_reset);
}

static void test_a_released_request_without_answer_ends_the_connection(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    carrier_release(&fixture);
    assert_true(fixture.is_closed);
    assert_sent("");
}

static void test_a_lost_connection_leaves_a_usable_exchange(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, false), HFA_OK);
    hfa_http1_protocol.on_closed(fixture.engine);
    carrier_settle(&fixture);
    assert_int_equal(fixture.disconnects, 1);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("x"), NULL, false),
                     HFA_ERR_CLOSED);
    assert_true(hfa_exchange_is_writable(fixture.exchange));
    assert_true(hfa_bytes_equal(fixture.exchange->request.path, HFA_BYTES("/")));
}

static void test_shutdown_closes_an_idle_connection(void **state)
{
    open_default(serve_at_once);
    carrier_feed_text(&fixture, GET);
    carrier_shutdown(&fixture);
    assert_true(fixture.is_closed);
}

static void test_shutdown_lets_a_request_finish_with_connection_close(void **state)
{
    open_default(serve_never);
    carrier_feed_text(&fixture, GET GET);
    carrier_shutdown(&fixture);
    assert_int_equal(fixture.shutdowns, 1);
    assert_false(fixture.is_closed);
    carrier_answer(&fixture, fixture.exchange, HFA_BYTES("ok"));
    fixture.exchange = NULL;
    carrier_settle(&fixture);
    assert_sent(OK_HEAD "connection: close\r\n\r\nok");
    assert_true(fixture.is_closed);
    assert_int_equal(fixture.requests, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_request_is_answered_and_the_connection_stays,
                                  close_fixture),
        cmocka_unit_test_teardown(test_nothing_is_sent_before_the_head_is_complete, close_fixture),
        cmocka_unit_test_teardown(test_connection_close_is_answered_and_obeyed, close_fixture),
        cmocka_unit_test_teardown(test_http10_closes_unless_asked_to_stay, close_fixture),
        cmocka_unit_test_teardown(test_http10_keep_alive_stays, close_fixture),
        cmocka_unit_test_teardown(test_the_applications_connection_close_ends_the_connection,
                                  close_fixture),
        cmocka_unit_test_teardown(test_pipelined_requests_are_answered_one_after_the_other,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_pipelined_request_waits_for_the_answer_before_it,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_full_pipeline_is_not_read_until_the_answer_is_out,
                                  close_fixture),
        cmocka_unit_test_teardown(test_head_gets_the_fields_and_no_body, close_fixture),
        cmocka_unit_test_teardown(test_204_has_no_body, close_fixture),
        cmocka_unit_test_teardown(test_304_has_no_body, close_fixture),
        cmocka_unit_test_teardown(test_a_whole_response_is_what_its_two_steps_are, close_fixture),
        cmocka_unit_test_teardown(test_a_body_without_length_is_chunked, close_fixture),
        cmocka_unit_test_teardown(test_a_body_without_length_ends_an_http10_connection,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_large_lent_body_comes_back_when_it_is_sent, close_fixture),
        cmocka_unit_test_teardown(test_a_file_is_sent_as_a_chunk, close_fixture),
        cmocka_unit_test_teardown(test_more_body_than_declared_is_refused, close_fixture),
        cmocka_unit_test_teardown(test_less_body_than_declared_closes_the_connection,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_field_with_a_line_end_is_refused_and_nothing_is_sent,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_body_of_known_length_is_the_same_in_pieces, close_fixture),
        cmocka_unit_test_teardown(test_a_chunked_body_is_the_same_in_pieces, close_fixture),
        cmocka_unit_test_teardown(test_a_bad_chunk_is_400_in_pieces_too, close_fixture),
        cmocka_unit_test_teardown(test_100_continue_is_sent_at_the_first_read_only, close_fixture),
        cmocka_unit_test_teardown(test_100_continue_is_not_sent_when_the_body_has_come,
                                  close_fixture),
        cmocka_unit_test_teardown(test_an_answer_instead_of_100_continue_closes, close_fixture),
        cmocka_unit_test_teardown(test_an_unread_body_is_passed_over, close_fixture),
        cmocka_unit_test_teardown(test_a_long_unread_body_ends_the_connection, close_fixture),
        cmocka_unit_test_teardown(test_a_fault_in_a_body_that_is_passed_over_closes_in_silence,
                                  close_fixture),
        cmocka_unit_test_teardown(test_length_beside_chunks_is_400, close_fixture),
        cmocka_unit_test_teardown(test_two_lengths_are_400, close_fixture),
        cmocka_unit_test_teardown(test_chunked_twice_is_refused, close_fixture),
        cmocka_unit_test_teardown(test_a_space_before_the_colon_is_400, close_fixture),
        cmocka_unit_test_teardown(test_a_bare_line_feed_is_400, close_fixture),
        cmocka_unit_test_teardown(test_an_unknown_transfer_coding_is_501, close_fixture),
        cmocka_unit_test_teardown(test_another_version_is_505, close_fixture),
        cmocka_unit_test_teardown(test_a_head_above_the_limit_is_431, close_fixture),
        cmocka_unit_test_teardown(test_trailers_above_the_limit_are_431, close_fixture),
        cmocka_unit_test_teardown(test_limit_concurrency_answers_503_and_closes, close_fixture),
        cmocka_unit_test_teardown(test_requests_that_arrive_together_count_for_limit_concurrency,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_request_within_limit_concurrency_is_served, close_fixture),
        cmocka_unit_test_teardown(test_an_absolute_target_replaces_host, close_fixture),
        cmocka_unit_test_teardown(test_an_absolute_target_brings_the_host_that_http10_lacks,
                                  close_fixture),
        cmocka_unit_test_teardown(test_names_of_fields_are_lower_case_and_values_as_sent,
                                  close_fixture),
        cmocka_unit_test_teardown(test_an_idle_connection_is_closed_without_a_word, close_fixture),
        cmocka_unit_test_teardown(test_a_slow_head_is_408_whatever_trickles_in, close_fixture),
        cmocka_unit_test_teardown(test_a_body_below_the_rate_is_408, close_fixture),
        cmocka_unit_test_teardown(test_a_body_at_the_rate_may_take_any_time, close_fixture),
        cmocka_unit_test_teardown(test_a_slow_application_is_not_the_clients_fault, close_fixture),
        cmocka_unit_test_teardown(test_a_client_that_waits_for_100_continue_is_not_timed_out,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_body_that_nobody_reads_times_out_in_silence,
                                  close_fixture),
        cmocka_unit_test_teardown(test_an_application_may_take_any_time_for_its_answer,
                                  close_fixture),
        cmocka_unit_test_teardown(test_input_stops_at_the_request_buffer_and_resumes,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_full_output_pauses_the_application_until_it_drains,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_half_closed_client_still_gets_its_answer, close_fixture),
        cmocka_unit_test_teardown(test_a_pipeline_is_served_to_its_end_after_a_half_close,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_body_that_is_cut_off_is_a_disconnect, close_fixture),
        cmocka_unit_test_teardown(test_a_head_that_is_cut_off_closes_in_silence, close_fixture),
        cmocka_unit_test_teardown(test_an_aborted_chunked_answer_has_no_last_chunk, close_fixture),
        cmocka_unit_test_teardown(test_an_aborted_answer_without_length_is_reset, close_fixture),
        cmocka_unit_test_teardown(test_a_released_request_without_answer_ends_the_connection,
                                  close_fixture),
        cmocka_unit_test_teardown(test_a_lost_connection_leaves_a_usable_exchange, close_fixture),
        cmocka_unit_test_teardown(test_shutdown_closes_an_idle_connection, close_fixture),
        cmocka_unit_test_teardown(test_shutdown_lets_a_request_finish_with_connection_close,
                                  close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
