/* The head parser beyond the transcripts: views, feeds, bounds and misuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "http1_head.h"
#include "http1_scan.h"

enum { FIELDS_MAX = 32 };

static const struct hfa_http1_limits LIMITS = {
    .head_size = 4096, .target_size = 256, .field_count = FIELDS_MAX};

struct parse {
    struct hfa_http1_head_parser parser;
    struct hfa_http1_head head;
    struct hfa_field fields[FIELDS_MAX];
    size_t consumed;
    int http_status;
};

static void begin(struct parse *parse)
{
    parse->head.fields = parse->fields;
    hfa_http1_head_reset(&parse->parser, &parse->head);
}

static enum hfa_status feed_within(struct parse *parse, struct hfa_bytes input,
                                   const struct hfa_http1_limits *limits)
{
    return hfa_http1_parse_head(&parse->parser, input, limits, &parse->head, &parse->consumed,
                                &parse->http_status);
}

static enum hfa_status feed(struct parse *parse, struct hfa_bytes input)
{
    return feed_within(parse, input, &LIMITS);
}

static void assert_bytes(struct hfa_bytes found, const char *expected)
{
    assert_int_equal(found.length, strlen(expected));
    if (found.length > 0)
        assert_memory_equal(found.data, expected, found.length);
}

static void assert_view_in(struct hfa_bytes view, struct hfa_bytes input)
{
    assert_true(view.data >= input.data && view.data + view.length <= input.data + input.length);
}

static void test_what_decides_framing_is_read_on_the_way(void **state)
{
    struct parse parse;
    begin(&parse);
    struct hfa_bytes input = HFA_BYTES("POST /a?b HTTP/1.1\r\nHost: h:1\r\nContent-Length: 12\r\n"
                                       "Connection: close\r\nExpect: 100-continue\r\n\r\nbody");
    assert_int_equal(feed(&parse, input), HFA_OK);
    assert_int_equal(parse.consumed, input.length - 4);
    assert_bytes(parse.head.method, "POST");
    assert_bytes(parse.head.target, "/a?b");
    assert_bytes(parse.head.host, "h:1");
    assert_int_equal(parse.head.minor_version, 1);
    assert_int_equal(parse.head.content_length, 12);
    assert_int_equal(parse.head.flags, HFA_HTTP1_HOST | HFA_HTTP1_CONTENT_LENGTH | HFA_HTTP1_CLOSE |
                                           HFA_HTTP1_EXPECT_CONTINUE);
    assert_int_equal(parse.head.field_count, 4);
    assert_bytes(parse.fields[1].name, "Content-Length");
    assert_bytes(parse.fields[1].value, "12");
}

/* With one byte more at each feed, and the head somewhere else each time. */
static void test_views_follow_a_head_that_moves(void **state)
{
    static const char wire[] = "GET /path HTTP/1.1\r\nhost: example\r\nx: \t value \r\ny:\r\n\r\n";
    size_t length = sizeof(wire) - 1;
    struct parse parse;
    begin(&parse);
    for (size_t fed = 0; fed <= length; fed++) {
        struct guard_page page;
        guard_page_map(&page, wire, fed);
        struct hfa_bytes input = {page.data, fed};
        enum hfa_status status = feed(&parse, input);
        assert_int_equal(status, fed < length ? HFA_AGAIN : HFA_OK);
        assert_int_equal(parse.consumed, fed < length ? 0 : length);
        if (status == HFA_OK) {
            assert_view_in(parse.head.method, input);
            assert_bytes(parse.head.method, "GET");
            assert_bytes(parse.head.target, "/path");
            assert_bytes(parse.head.host, "example");
            assert_int_equal(parse.head.field_count, 3);
            assert_bytes(parse.fields[0].name, "host");
            assert_bytes(parse.fields[1].value, "value");
            assert_bytes(parse.fields[2].name, "y");
            assert_bytes(parse.fields[2].value, "");
            for (size_t i = 0; i < 3; i++) {
                assert_view_in(parse.fields[i].name, input);
                assert_view_in(parse.fields[i].value, input);
            }
        }
        guard_page_unmap(&page);
    }
}

/* Cut anywhere into two feeds, with every kernel, for heads of every length around the size of a
 * block: whole vectors, tails and the borders between them. */
static void test_any_length_and_any_cut_give_the_same(void **state)
{
    const struct hfa_http1_scanner *const *scanner = hfa_http1_scanners();
    for (; *scanner != NULL; scanner++) {
        hfa_http1_scanner_set(*scanner);
        for (size_t value = 0; value < 150; value++) {
            char wire[256] = "GET / HTTP/1.0\r\nab: ";
            size_t length = strlen(wire);
            memset(wire + length, 'v', value);
            length += value;
            memcpy(wire + length, "\r\n\r\n", 4);
            length += 4;
            struct guard_page page;
            guard_page_map(&page, wire, length);
            for (size_t cut = 0; cut < length; cut++) {
                struct parse parse;
                begin(&parse);
                assert_int_equal(feed(&parse, (struct hfa_bytes){page.data, cut}), HFA_AGAIN);
                assert_int_equal(feed(&parse, (struct hfa_bytes){page.data, length}), HFA_OK);
                assert_int_equal(parse.consumed, length);
                assert_int_equal(parse.head.field_count, 1);
                assert_int_equal(parse.fields[0].value.length, value);
            }
            guard_page_unmap(&page);
        }
    }
    hfa_http1_scanner_set(hfa_http1_scanners()[0]);
}

/* What was scanned is not looked at again: a byte changed behind the parser's back is not seen. */
static void test_scanned_bytes_are_not_scanned_again(void **state)
{
    char wire[] = "GET /abc HTTP/1.1\r\nhost: a\r\nx: yyyyyyyy\r\n\r\n";
    size_t length = sizeof(wire) - 1;
    struct parse parse;
    begin(&parse);
    assert_int_equal(feed(&parse, (struct hfa_bytes){wire, length - 6}), HFA_AGAIN);
    memset(wire, '\1', length - 7);
    assert_int_equal(feed(&parse, (struct hfa_bytes){wire, length}), HFA_OK);
    assert_int_equal(parse.head.field_count, 2);
}

static void test_a_refusal_leaves_what_was_read(void **state)
{
    struct parse parse;
    begin(&parse);
    assert_int_equal(feed(&parse, HFA_BYTES("GET /a HTTP/1.1\r\nbad\r\n")), HFA_ERR_PROTOCOL);
    assert_int_equal(parse.http_status, 400);
    assert_int_equal(parse.consumed, 0);
    assert_bytes(parse.head.method, "GET");
    assert_bytes(parse.head.target, "/a");

    begin(&parse);
    assert_int_equal(feed(&parse, HFA_BYTES("G@T /a HTTP/1.1\r\n")), HFA_ERR_PROTOCOL);
    assert_int_equal(parse.head.method.length, 0);
    assert_int_equal(parse.head.target.length, 0);
}

static void test_an_ended_head_takes_no_more(void **state)
{
    struct parse parse;
    struct hfa_bytes input = HFA_BYTES("GET / HTTP/1.0\r\n\r\n");
    begin(&parse);
    assert_int_equal(feed(&parse, input), HFA_OK);
    assert_int_equal(feed(&parse, input), HFA_ERR_STATE);
    begin(&parse);
    assert_int_equal(feed(&parse, HFA_BYTES("\n")), HFA_ERR_PROTOCOL);
    assert_int_equal(feed(&parse, input), HFA_ERR_STATE);
    begin(&parse);
    assert_int_equal(feed(&parse, input), HFA_OK);
}

static void test_an_input_that_shrinks_is_misuse(void **state)
{
    struct parse parse;
    begin(&parse);
    assert_int_equal(feed(&parse, HFA_BYTES("GET /abc")), HFA_AGAIN);
    assert_int_equal(feed(&parse, HFA_BYTES("GET /a")), HFA_ERR_STATE);
}

/* `wire` is refused with `http_status` as soon as it has `shown_after` bytes, and is unfinished
 * before, however it comes. */
static void assert_limit(const char *wire, const struct hfa_http1_limits *limits,
                         size_t shown_after, int http_status)
{
    struct parse parse;
    begin(&parse);
    assert_int_equal(feed_within(&parse, (struct hfa_bytes){wire, strlen(wire)}, limits),
                     HFA_ERR_LIMIT);
    assert_int_equal(parse.http_status, http_status);
    begin(&parse);
    for (size_t length = 0; length < shown_after; length++)
        assert_int_equal(feed_within(&parse, (struct hfa_bytes){wire, length}, limits), HFA_AGAIN);
    assert_int_equal(feed_within(&parse, (struct hfa_bytes){wire, shown_after}, limits),
                     HFA_ERR_LIMIT);
    assert_int_equal(parse.http_status, http_status);
}

static void test_each_bound_is_judged_at_its_byte(void **state)
{
    static const char wire[] = "GET /abcdef HTTP/1.1\r\nhost: a\r\nx: 1\r\n\r\n";
    static const struct hfa_http1_limits exact = {sizeof(wire) - 1, 7, 2};
    struct parse parse;
    begin(&parse);
    assert_int_equal(feed_within(&parse, (struct hfa_bytes){wire, sizeof(wire) - 1}, &exact),
                     HFA_OK);

    /* A head that has filled its room without ending is too large. */
    assert_limit(wire, &(struct hfa_http1_limits){sizeof(wire) - 2, 7, 2}, sizeof(wire) - 2, 431);
    assert_limit(wire, &(struct hfa_http1_limits){sizeof(wire) - 1, 6, 2}, 11, 414);
    assert_limit(wire, &(struct hfa_http1_limits){sizeof(wire) - 1, 7, 1}, 32, 431);
    /* Nothing of the head but its target does not fit. */
    assert_limit(wire, &(struct hfa_http1_limits){9, 100, 2}, 9, 414);
}

static void test_a_field_array_of_no_length_is_never_written(void **state)
{
    struct hfa_http1_head_parser parser;
    struct hfa_http1_head head = {.fields = NULL};
    struct hfa_http1_limits limits = {4096, 256, 0};
    size_t consumed;
    int http_status;
    hfa_http1_head_reset(&parser, &head);
    assert_int_equal(hfa_http1_parse_head(&parser, HFA_BYTES("GET / HTTP/1.0\r\na: b\r\n\r\n"),
                                          &limits, &head, &consumed, &http_status),
                     HFA_ERR_LIMIT);
    hfa_http1_head_reset(&parser, &head);
    assert_int_equal(hfa_http1_parse_head(&parser, HFA_BYTES("GET / HTTP/1.0\r\n\r\n"), &limits,
                                          &head, &consumed, &http_status),
                     HFA_OK);
}

static void test_split_target_lends_views_of_the_target(void **state)
{
    struct hfa_http1_target split;
    struct hfa_bytes target = HFA_BYTES("HTTP://example.com:8000/a%20b?c=d#e");
    assert_int_equal(hfa_http1_split_target(HFA_BYTES("GET"), target, &split), HFA_OK);
    assert_bytes(split.scheme, "HTTP");
    assert_bytes(split.authority, "example.com:8000");
    assert_bytes(split.path, "/a%20b");
    assert_bytes(split.query, "c=d");
    assert_view_in(split.path, target);

    assert_int_equal(hfa_http1_split_target(HFA_BYTES("GET"), HFA_BYTES("/"), &split), HFA_OK);
    assert_int_equal(split.scheme.length, 0);
    assert_int_equal(split.authority.length, 0);
    assert_int_equal(split.query.length, 0);
    assert_int_equal(hfa_http1_split_target(HFA_BYTES("GET"), HFA_BYTES(""), &split),
                     HFA_ERR_PROTOCOL);
    /* Methods are case-sensitive: this is not CONNECT. */
    assert_int_equal(hfa_http1_split_target(HFA_BYTES("connect"), HFA_BYTES("a:1"), &split),
                     HFA_ERR_PROTOCOL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_decides_framing_is_read_on_the_way),
        cmocka_unit_test(test_views_follow_a_head_that_moves),
        cmocka_unit_test(test_any_length_and_any_cut_give_the_same),
        cmocka_unit_test(test_scanned_bytes_are_not_scanned_again),
        cmocka_unit_test(test_a_refusal_leaves_what_was_read),
        cmocka_unit_test(test_an_ended_head_takes_no_more),
        cmocka_unit_test(test_an_input_that_shrinks_is_misuse),
        cmocka_unit_test(test_each_bound_is_judged_at_its_byte),
        cmocka_unit_test(test_a_field_array_of_no_length_is_never_written),
        cmocka_unit_test(test_split_target_lends_views_of_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
