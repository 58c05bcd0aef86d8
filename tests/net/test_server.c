/* Connections of a server over real sockets: how they begin, wait, end and are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server_fixture.h"

#define GET(path)            "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define ANSWER(length, path) "HTTP/1.1 200 OK\r\ncontent-length: " length "\r\n\r\n" path

#define LARGE ((size_t)4 << 20)

static const struct hfa_limits default_limits = HFA_LIMITS_DEFAULT;
static struct server_fixture fixture;
static char *received;
static char *large; /* a pattern that shows what is missing or out of place */

static int close_fixture(void **state)
{
    server_fixture_close(&fixture);
    return 0;
}

static void assert_next(int client, const char *expected)
{
    size_t length = 0;
    while (length < strlen(expected)) {
        ssize_t got =
            client_receive(&fixture, client, received + length, strlen(expected) - length);
        assert_true(got > 0);
        length += (size_t)got;
    }
    received[length] = '\0';
    assert_string_equal(received, expected);
}

static void assert_end(int client)
{
    char byte;
    assert_int_equal(client_receive(&fixture, client, &byte, 1), 0);
    close(client);
}

static void test_a_connection_is_kept_for_the_next_request(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_path);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/1")));
    assert_next(client, ANSWER("2", "/1"));
    client_send(&fixture, client, HFA_BYTES(GET("/2")));
    assert_next(client, ANSWER("2", "/2"));
    assert_int_equal(hfa_server_connections(fixture.server), 1);
    close(client);
    server_wait_for_connections(&fixture, 0);
}

static void test_a_pipelining_connection_lets_others_have_their_turn(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_path);
    int eager = client_connect(&fixture, 0);
    int other = client_connect(&fixture, 0);
    char requests[40 * (sizeof(GET("/")) - 1) + 1] = ""; /* in one piece, to arrive together */
    for (int i = 0; i < 40; i++)
        strcat(requests, GET("/"));
    client_send(&fixture, eager, (struct hfa_bytes){requests, sizeof(requests) - 1});
    client_send(&fixture, other, HFA_BYTES(GET("/other")));
    assert_next(other, ANSWER("6", "/other"));
    for (int i = 0; i < 40; i++)
        assert_next(eager, ANSWER("1", "/"));
    const char *others = strstr(fixture.log, "other");
    assert_non_null(others);
    assert_in_range(others - fixture.log, 1, 18);
    close(eager);
    close(other);
}

#define GET_FRAME 18
#define PREFACE   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"

/* A GET frame; the path is one byte and a slash. */
static void append_get(char **at, int stream, char path)
{
    char frame[GET_FRAME + 1] = "\0\0\x09\x01\x05\0\0\0\0\x82\x86\x41\x01"
                                "a\x04\x02/.";

    frame[7] = (char)(stream >> 8);
    frame[8] = (char)stream;
    frame[17] = path;
    memcpy(*at, frame, GET_FRAME);
    *at += GET_FRAME;
}

static void test_a_connection_of_many_streams_lets_others_have_their_turn(void **state)
{
    char requests[sizeof(PREFACE) + 100 * GET_FRAME];
    char *at = requests;
    server_fixture_open(&fixture, &default_limits, serve_path);
    int eager = client_connect(&fixture, 0);
    int other = client_connect(&fixture, 0);
    memcpy(at, PREFACE, sizeof(PREFACE) - 1);
    at += sizeof(PREFACE) - 1;
    for (int i = 0; i < 100; i++)
        append_get(&at, 1 + 2 * i, 'e');
    client_send(&fixture, eager, (struct hfa_bytes){requests, (size_t)(at - requests)});
    at = requests + sizeof(PREFACE) - 1;
    append_get(&at, 1, 'o');
    client_send(&fixture, other, (struct hfa_bytes){requests, (size_t)(at - requests)});
    while (strlen(fixture.log) < 202)
        server_turn(&fixture);
    const char *others = strchr(fixture.log, 'o');
    assert_non_null(others);
    assert_in_range(others - fixture.log, 1, 2 * 17);
    close(eager);
    close(other);
}

/* The reset of a stream, as its client's cancellation. */
static void append_reset(char **at, int stream)
{
    char frame[13] = "\0\0\x04\x03\0\0\0\0\0\0\0\0\x08";

    frame[7] = (char)(stream >> 8);
    frame[8] = (char)stream;
    memcpy(*at, frame, sizeof(frame));
    *at += sizeof(frame);
}

#define RESETS 1500

static void test_a_flood_of_resets_lets_others_have_their_turn(void **state)
{
    static char flood[sizeof(PREFACE) + RESETS * (GET_FRAME + 13)];
    const struct hfa_counters *counters = NULL;
    struct hfa_limits limits = default_limits;
    char *at = flood;
    limits.h2_resets = RESETS;
    server_fixture_open(&fixture, &limits, serve_path);
    counters = hfa_server_counters(fixture.server);
    int hostile = client_connect(&fixture, 0);
    int other = client_connect(&fixture, 0);
    memcpy(at, PREFACE, sizeof(PREFACE) - 1);
    at += sizeof(PREFACE) - 1;
    for (int i = 0; i < RESETS; i++) {
        append_get(&at, 1 + 2 * i, 'e');
        append_reset(&at, 1 + 2 * i);
    }
    client_send(&fixture, hostile, (struct hfa_bytes){flood, (size_t)(at - flood)});
    client_send(&fixture, other, HFA_BYTES(GET("/other")));
    assert_next(other, ANSWER("6", "/other"));
    assert_in_range(counters->h2_streams, 0, RESETS / 2);
    while (counters->h2_streams < RESETS)
        server_turn(&fixture);
    assert_true(counters->h2_yields > 8);
    assert_string_equal(fixture.log, "/other");
    close(hostile);
    close(other);
}

/* Answers "/l" with more than leaves in a turn, anything else as serve_path(). */
static void serve_large_path(struct server_fixture *server, struct hfa_exchange *exchange,
                             enum hfa_event event)
{
    if (event != HFA_EVENT_REQUEST || exchange->request.path.data[1] != 'l') {
        serve_path(server, exchange, event);
        return;
    }
    assert_int_equal(hfa_exchange_start(exchange, 200, NULL, 0, false), HFA_OK);
    /* Not so much that the last turn writes up to its bound: that would be told of a turn later. */
    hfa_exchange_write(exchange, (struct hfa_bytes){large, LARGE - 100000}, NULL, true);
    hfa_exchange_release(exchange);
}

/* The output has no room when the turn for the rest comes, and the client sends nothing more. */
static void test_input_for_another_turn_outlives_a_pause(void **state)
{
    static char requests[sizeof(PREFACE) + 6 + 13 + 17 + 2 * GET_FRAME + RESETS * (GET_FRAME + 13)];
    struct hfa_limits limits = default_limits;
    char *at = requests;
    limits.h2_resets = RESETS;
    server_fixture_open(&fixture, &limits, serve_large_path);
    int client = client_connect(&fixture, 0);
    memcpy(at, PREFACE, sizeof(PREFACE) - 1);
    at += sizeof(PREFACE) - 1;
    at[-7] = 6; /* SETTINGS: windows of 16 MiB */
    memcpy(at, "\0\x04\x01\0\0\0\0\0\x04\x08\0\0\0\0\0\x01\0\0\0", 6 + 13);
    at += 6 + 13;
    append_get(&at, 1, 'l');
    for (int i = 1; i <= RESETS; i++) {
        append_get(&at, 1 + 2 * i, 'e');
        append_reset(&at, 1 + 2 * i);
        if (i == RESETS / 2) { /* PING: an answer that finds no room */
            memcpy(at, "\0\0\x08\x06\0\0\0\0\0--------", 17);
            at += 17;
        }
    }
    append_get(&at, 3 + 2 * RESETS, 'o');
    client_send(&fixture, client, (struct hfa_bytes){requests, (size_t)(at - requests)});
    for (int i = 0; i < 200 && fixture.log[0] == '\0'; i++) {
        while (recv(client, received, 65536, MSG_DONTWAIT) > 0)
            continue;
        server_turn(&fixture);
    }
    assert_string_equal(fixture.log, "/o");
    close(client);
}

static void test_a_server_ends_with_input_for_another_turn(void **state)
{
    char requests[sizeof(PREFACE) + 120 * GET_FRAME];
    char *at = requests;
    server_fixture_open(&fixture, &default_limits, serve_path);
    int client = client_connect(&fixture, 0);
    memcpy(at, PREFACE, sizeof(PREFACE) - 1);
    at += sizeof(PREFACE) - 1;
    for (int i = 0; i < 120; i++)
        append_get(&at, 1 + 2 * i, 'e');
    client_send(&fixture, client, (struct hfa_bytes){requests, (size_t)(at - requests)});
    while (hfa_server_counters(fixture.server)->h2_yields == 0)
        server_turn(&fixture);
    server_fixture_close(&fixture);
    close(client);
}

static void test_connections_beyond_the_limit_wait_for_a_place(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.connections = 1;
    server_fixture_open(&fixture, &limits, serve_path);
    int first = client_connect(&fixture, 0);
    client_send(&fixture, first, HFA_BYTES(GET("/1")));
    assert_next(first, ANSWER("2", "/1"));
    int second = client_connect(&fixture, 0);
    client_send(&fixture, second, HFA_BYTES(GET("/2")));
    client_send(&fixture, first, HFA_BYTES(GET("/3")));
    assert_next(first, ANSWER("2", "/3"));
    close(first);
    assert_next(second, ANSWER("2", "/2"));
    assert_string_equal(fixture.log, "/1/3/2");
    close(second);
}

static void test_an_idle_connection_ends_without_a_word(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.idle_timeout_ns = 20 * HFA_NS_PER_MS;
    server_fixture_open(&fixture, &limits, serve_path);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    assert_next(client, ANSWER("1", "/"));
    assert_end(client);
}

/* Closing while the peer still sends would reset the connection, and lose the answer with it. */
static void test_a_refusal_reaches_a_client_that_is_still_sending(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_path);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES("nonsense\r\n\r\n"));
    client_send(&fixture, client, (struct hfa_bytes){large, LARGE});
    ssize_t length = client_receive_all(&fixture, client, received, LARGE);
    assert_true(length > 0);
    assert_memory_equal(received, "HTTP/1.1 400 ", 13);
    close(client);
    server_wait_for_connections(&fixture, 0);
}

static void test_a_client_that_never_stops_sending_is_left_after_a_while(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.linger_timeout_ns = 20 * HFA_NS_PER_MS;
    server_fixture_open(&fixture, &limits, serve_path);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES("nonsense\r\n\r\n"));
    server_turn(&fixture);
    assert_int_equal(hfa_server_connections(fixture.server), 1);
    while (hfa_server_connections(fixture.server) > 0) {
        send(client, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        server_turn(&fixture);
    }
    close(client);
}

/* Sends the large pattern, lent, under its length. */
static void serve_large(struct server_fixture *server, struct hfa_exchange *exchange,
                        enum hfa_event event)
{
    char length[24];
    struct hfa_field field = {HFA_BYTES("content-length"), {length, 0}};

    if (event != HFA_EVENT_REQUEST)
        return;
    field.value.length = (size_t)snprintf(length, sizeof(length), "%zu", LARGE);
    assert_int_equal(hfa_exchange_start(exchange, 200, &field, 1, false), HFA_OK);
    assert_int_equal(hfa_exchange_write(exchange, (struct hfa_bytes){large, LARGE}, server, true),
                     HFA_OK);
    hfa_exchange_release(exchange);
}

static void assert_large_follows(int client)
{
    size_t length = 0;
    for (unsigned pieces = 1; length < LARGE; pieces++) {
        /* Little at a time: the server has to wait for room again and again. */
        ssize_t got = client_receive(&fixture, client, received, 8192);
        assert_true(got > 0);
        assert_memory_equal(received, large + length, (size_t)got);
        length += (size_t)got;
        if (pieces % 16 == 0)
            server_turn(&fixture);
    }
    assert_int_equal(length, LARGE);
}

static void test_a_slow_reader_gets_everything(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_large);
    int client = client_connect(&fixture, 4096);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    assert_next(client, "HTTP/1.1 200 OK\r\ncontent-length: 4194304\r\n\r\n");
    assert_large_follows(client);
    server_turn(&fixture);
    assert_int_equal(fixture.owners_back, 1);
    close(client);
}

/* What the client's system has received, with one turn of the server's at most. */
static size_t receive_a_turn(int client)
{
    size_t length = 0;
    ssize_t got = 0;
    server_turn(&fixture);
    while ((got = recv(client, received, LARGE, MSG_DONTWAIT)) > 0)
        length += (size_t)got;
    return length;
}

static void test_a_fast_reader_lets_others_have_their_turn(void **state)
{
    size_t length = 0;
    server_fixture_open(&fixture, &default_limits, serve_large);
    int client = client_connect(&fixture, (int)LARGE);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    while (length < LARGE) {
        size_t got = receive_a_turn(client);
        assert_in_range(got, 0, HFA_OUTPUT_STEP);
        length += got;
    }
    close(client);
}

static void test_a_fast_reader_of_a_stream_lets_others_have_their_turn(void **state)
{
    /* Windows for all of it, the stream's and the connection's. */
    static const char windows[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                  "\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff"
                                  "\0\0\x04\x08\0\0\0\0\0\x70\0\0\0";
    char request[GET_FRAME];
    char *at = request;
    size_t length = 0;
    server_fixture_open(&fixture, &default_limits, serve_large);
    int client = client_connect(&fixture, (int)LARGE);
    append_get(&at, 1, 'e');
    client_send(&fixture, client, (struct hfa_bytes){windows, sizeof(windows) - 1});
    client_send(&fixture, client, (struct hfa_bytes){request, sizeof(request)});
    while (length < LARGE) {
        size_t got = receive_a_turn(client);
        assert_in_range(got, 0, HFA_OUTPUT_STEP + default_limits.response_buffer + 32768);
        length += got;
    }
    close(client);
}

static void test_a_reader_that_takes_nothing_is_cut(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.write_timeout_ns = 20 * HFA_NS_PER_MS;
    server_fixture_open(&fixture, &limits, serve_large);
    int client = client_connect(&fixture, 4096);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    server_wait_for_connections(&fixture, 1);
    server_wait_for_connections(&fixture, 0);
    server_turn(&fixture);
    assert_int_equal(fixture.owners_back, 1);
    close(client);
}

/* Writes the pattern in pieces, as long as there is room; starts over when there is again. */
static void serve_in_pieces(struct server_fixture *server, struct hfa_exchange *exchange,
                            enum hfa_event event)
{
    if (event == HFA_EVENT_REQUEST) {
        server->exchange = exchange;
        assert_int_equal(hfa_exchange_start(exchange, 200, NULL, 0, false), HFA_OK);
    } else if (event != HFA_EVENT_WRITABLE) {
        return;
    }
    while (server->written < LARGE && hfa_exchange_is_writable(exchange)) {
        struct hfa_bytes piece = {large + server->written, 4096};
        server->written += piece.length;
        hfa_exchange_write(exchange, piece, NULL, server->written == LARGE);
    }
}

static void test_an_application_that_waits_for_room_is_told_of_it(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_in_pieces);
    int client = client_connect(&fixture, 4096);
    client_send(&fixture, client, HFA_BYTES("GET / HTTP/1.0\r\n\r\n"));
    assert_next(client, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n");
    assert_true(fixture.written < LARGE);
    assert_large_follows(client);
    assert_end(client);
}

static void test_an_application_that_streams_is_told_that_its_reader_was_cut(void **state)
{
    struct hfa_limits limits = default_limits;
    limits.write_timeout_ns = 20 * HFA_NS_PER_MS;
    server_fixture_open(&fixture, &limits, serve_in_pieces);
    int client = client_connect(&fixture, 4096);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    while (fixture.disconnects == 0)
        server_turn(&fixture);
    assert_int_equal(hfa_server_connections(fixture.server), 0);
    assert_int_equal(hfa_exchange_write(fixture.exchange, HFA_BYTES("late"), NULL, false),
                     HFA_ERR_CLOSED);
    close(client);
}

static void serve_file(struct server_fixture *server, struct hfa_exchange *exchange,
                       enum hfa_event event)
{
    if (event != HFA_EVENT_REQUEST)
        return;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(large, 1, LARGE, file), LARGE);
    fflush(file);
    int fd = dup(fileno(file));
    fclose(file);
    assert_int_equal(hfa_exchange_start(exchange, 200, NULL, 0, false), HFA_OK);
    assert_int_equal(hfa_exchange_write_file(exchange, fd, 0, LARGE, true), HFA_OK);
    hfa_exchange_release(exchange);
}

static void test_a_file_is_sent_as_it_is(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_file);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES("GET / HTTP/1.0\r\n\r\n"));
    assert_next(client, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n");
    assert_large_follows(client);
    assert_end(client);
}

static void test_a_client_that_leaves_is_told_to_the_application(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_nothing);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    while (fixture.exchange == NULL)
        server_turn(&fixture);
    close(client);
    while (fixture.disconnects == 0)
        server_turn(&fixture);
    assert_int_equal(fixture.disconnects, 1);
}

static void test_a_client_that_ends_only_its_side_is_answered(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_nothing);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    shutdown(client, SHUT_WR);
    while (fixture.disconnects == 0)
        server_turn(&fixture);
    serve_path(&fixture, fixture.exchange, HFA_EVENT_REQUEST);
    fixture.exchange = NULL;
    assert_next(client, ANSWER("1", "/"));
    assert_end(client);
}

static void test_draining_ends_idle_connections_and_refuses_new_ones(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_path);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    assert_next(client, ANSWER("1", "/"));
    hfa_server_drain(fixture.server);
    assert_end(client);
    assert_int_equal(hfa_server_connections(fixture.server), 0);
}

static void test_draining_lets_a_request_finish_and_then_closes(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_nothing);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    while (fixture.exchange == NULL)
        server_turn(&fixture);
    hfa_server_drain(fixture.server);
    while (fixture.shutdowns == 0)
        server_turn(&fixture);
    assert_int_equal(hfa_server_connections(fixture.server), 1);
    serve_path(&fixture, fixture.exchange, HFA_EVENT_REQUEST);
    fixture.exchange = NULL;
    assert_next(client, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n/");
    assert_end(client);
}

/* Its handshake is done: to the client it is connected, whatever the server thinks of it. */
static void test_a_connection_that_waits_to_be_accepted_is_served_while_draining(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_path);
    int client = client_connect(&fixture, 0);
    hfa_server_drain(fixture.server);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    assert_next(client, "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n/");
    assert_end(client);
}

static void test_closing_ends_every_connection_at_once(void **state)
{
    server_fixture_open(&fixture, &default_limits, serve_nothing);
    int client = client_connect(&fixture, 0);
    client_send(&fixture, client, HFA_BYTES(GET("/")));
    while (fixture.exchange == NULL)
        server_turn(&fixture);
    hfa_server_close(fixture.server);
    server_turn(&fixture);
    assert_int_equal(hfa_server_connections(fixture.server), 0);
    assert_int_equal(fixture.disconnects, 1);
    assert_int_equal(hfa_exchange_start(fixture.exchange, 200, NULL, 0, true), HFA_ERR_CLOSED);
    close(client);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_connection_is_kept_for_the_next_request),
        TEST(test_a_pipelining_connection_lets_others_have_their_turn),
        TEST(test_a_connection_of_many_streams_lets_others_have_their_turn),
        TEST(test_a_flood_of_resets_lets_others_have_their_turn),
        TEST(test_input_for_another_turn_outlives_a_pause),
        TEST(test_a_server_ends_with_input_for_another_turn),
        TEST(test_connections_beyond_the_limit_wait_for_a_place),
        TEST(test_an_idle_connection_ends_without_a_word),
        TEST(test_a_refusal_reaches_a_client_that_is_still_sending),
        TEST(test_a_client_that_never_stops_sending_is_left_after_a_while),
        TEST(test_a_slow_reader_gets_everything),
        TEST(test_a_fast_reader_lets_others_have_their_turn),
        TEST(test_a_fast_reader_of_a_stream_lets_others_have_their_turn),
        TEST(test_a_reader_that_takes_nothing_is_cut),
        TEST(test_an_application_that_waits_for_room_is_told_of_it),
        TEST(test_an_application_that_streams_is_told_that_its_reader_was_cut),
        TEST(test_a_file_is_sent_as_it_is),
        TEST(test_a_client_that_leaves_is_told_to_the_application),
        TEST(test_a_client_that_ends_only_its_side_is_answered),
        TEST(test_draining_ends_idle_connections_and_refuses_new_ones),
        TEST(test_draining_lets_a_request_finish_and_then_closes),
        TEST(test_a_connection_that_waits_to_be_accepted_is_served_while_draining),
        TEST(test_closing_ends_every_connection_at_once),
    };
    received = malloc(LARGE);
    large = malloc(LARGE);
    if (received == NULL || large == NULL)
        return 1;
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 131 + i / 8191);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(received);
    free(large);
    return failed;
}
