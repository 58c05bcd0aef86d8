/* Parts of multipart/form-data, in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "multipart.h"

#define TOLD_MAX 2000

/* What has come: "name: value" lines, "{data}", "." where a part ends, "#" where the body does, "!"
 * when it is malformed. */
struct told {
    char text[TOLD_MAX];
    size_t length;
    bool in_data;
};

static void put(struct told *told, struct hfa_bytes piece)
{
    assert_true(told->length + piece.length < TOLD_MAX);
    memcpy(told->text + told->length, piece.data, piece.length);
    told->length += piece.length;
}

static void tell(struct told *told, const struct hfa_multipart_event *event)
{
    switch (event->kind) {
    case HFA_MULTIPART_HEADER:
        put(told, event->name);
        put(told, HFA_BYTES(": "));
        put(told, event->value);
        put(told, HFA_BYTES("\n"));
        break;
    case HFA_MULTIPART_HEADERS_END:
        put(told, HFA_BYTES("{"));
        break;
    case HFA_MULTIPART_DATA:
        assert_true(event->value.length > 0);
        put(told, event->value);
        break;
    case HFA_MULTIPART_PART_END:
        put(told, HFA_BYTES("}."));
        break;
    case HFA_MULTIPART_END:
        put(told, HFA_BYTES("#"));
        break;
    case HFA_MULTIPART_MALFORMED:
        put(told, HFA_BYTES("!"));
        break;
    case HFA_MULTIPART_MORE:
        break;
    }
}

/* The piece ends at an unreadable page. False: the body is malformed. */
static bool feed(struct hfa_multipart *parser, const char *text, size_t length, struct told *told)
{
    struct hfa_multipart_event event;
    struct guard_page page;
    guard_page_map(&page, text, length);
    struct hfa_bytes rest = {page.data, length};
    do {
        event = hfa_multipart_next(parser, &rest);
        tell(told, &event);
    } while (event.kind != HFA_MULTIPART_MORE && event.kind != HFA_MULTIPART_MALFORMED);
    guard_page_unmap(&page);
    return event.kind != HFA_MULTIPART_MALFORMED;
}

/* In pieces: up to `first`, up to `second`, and the rest. */
static void read_in_three(const char *body, size_t length, size_t first, size_t second,
                          struct told *told)
{
    struct hfa_multipart parser;
    *told = (struct told){0};
    assert_true(hfa_multipart_init(&parser, HFA_BYTES("B")));
    if (feed(&parser, body, first, told) && feed(&parser, body + first, second - first, told))
        feed(&parser, body + second, length - second, told);
    told->text[told->length] = '\0';
}

static void assert_told(const char *body, const char *expected)
{
    size_t length = strlen(body);
    struct told told;
    for (size_t first = 0; first <= length; first++)
        for (size_t second = first; second <= length; second++) {
            read_in_three(body, length, first, second, &told);
            assert_string_equal(told.text, expected);
        }
}

static void test_parts_are_the_same_however_the_body_is_cut(void **state)
{
    assert_told("--B\r\nA: b\r\n\r\nx\r\n--B--\r\n", "A: b\n{x}.#");
    assert_told("--B\r\nA: b\r\nC:  d \r\n\r\nx\r\ny\r\n--B\r\n\r\n\r\n--B--",
                "A: b\nC: d \n{x\r\ny}.{}.#");
    assert_told("--B--", "#");
    assert_told("", "");
}

static void test_a_preamble_begins_with_a_line_end_and_has_no_hyphen(void **state)
{
    assert_told("\r\nhello --B\r\n\r\nx\r\n--B--", "{x}.#");
    assert_told("\n--B--", "#");
    assert_told("\r\na-b\r\n--B\r\n", "!");
    assert_told("hello\r\n--B\r\n", "!");
    assert_told("--C\r\n", "!");
    assert_told("--B \r\n", "!");
    assert_told("--B\r\r", "!");
    assert_told("--B-x", "!");
}

static void test_what_looks_like_a_delimiter_is_data_unless_a_line_end_follows(void **state)
{
    assert_told("--B\r\n\r\na\r\n--Bx\r\n--B\ry\r\n--B-z\r\n--C\r\r\n\r\n--B--",
                "{a\r\n--Bx\r\n--B\ry\r\n--B-z\r\n--C\r\r\n}.#");
    assert_told("--B\r\n\r\n\r\n-\r\n--\r\n\r\n--B--", "{\r\n-\r\n--\r\n}.#");
    assert_told("--B\r\n\r\n--B--", "{--B--");
}

static void test_a_delimiter_is_found_wherever_it_stands(void **state)
{
    static const char filling[] = "\r-\r\r-abc\r\n-\r\n--";
    char body[300], expected[300];
    struct told told;

    for (size_t length = 1; length < 200; length++) {
        int used = snprintf(body, sizeof(body), "--B\r\n\r\n");
        for (size_t i = 0; i < length; i++)
            body[used++] = filling[i % (sizeof(filling) - 1)];
        int shown = snprintf(expected, sizeof(expected), "{%.*s}.#", (int)length, body + 7);
        used += snprintf(body + used, sizeof(body) - (size_t)used, "\r\n--B--");
        assert_true(used < (int)sizeof(body) && shown < (int)sizeof(expected));
        for (size_t cut = 7; cut <= (size_t)used; cut++) {
            read_in_three(body, (size_t)used, 7, cut, &told);
            assert_string_equal(told.text, expected);
        }
    }
}

static void test_spaces_may_follow_a_delimiter(void **state)
{
    assert_told("--B\r\n\r\nx\r\n--B \t \r\n\r\ny\r\n--B--", "{x}.{y}.#");
    assert_told("--B\r\n\r\nx\r\n--B \r-", "{x!");
    assert_told("--B\r\n\r\nx\r\n--B --", "{x!");
}

static void test_a_body_that_ends_early_is_not_malformed(void **state)
{
    assert_told("--B\r\nA", "");
    assert_told("--B\r\nA: b\r\n", "A: b\n");
    assert_told("--B\r\n\r\nx", "{x");
}

static void test_nothing_is_read_after_the_last_delimiter(void **state)
{
    assert_told("--B\r\n\r\nx\r\n--B--epilogue\r\n--B\r\n", "{x}.#");
}

static void test_headers_have_a_name_of_token_characters(void **state)
{
    assert_told("--B\r\n: x\r\n", "!");
    assert_told("--B\r\nA b: x\r\n", "!");
    assert_told("--B\r\nA\r\n: x\r\n", "!");
    assert_told("--B\r\nA: x\r-", "A: x\n!");
    assert_told("--B\r\n\rx", "!");
    assert_told("--B\r\nA:\r\n\r\n\r\n--B--", "A: \n{}.#");
}

static void test_headers_are_limited_in_number(void **state)
{
    assert_told("--B\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\n\r\n",
                "a: \nb: \nc: \nd: \ne: \nf: \ng: \nh: \n{");
    assert_told("--B\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\ni:",
                "a: \nb: \nc: \nd: \ne: \nf: \ng: \nh: \n!");
}

/* A header whose name, colon, spaces and value are `size` bytes. */
static bool accepts_header(size_t size, const char *start, size_t cut)
{
    char *body = malloc(size + 10);
    struct hfa_multipart parser;
    size_t length = 5 + strlen(start);
    assert_non_null(body);
    memcpy(body, "--B\r\n", 5);
    memcpy(body + 5, start, strlen(start));
    memset(body + length, start[strlen(start) - 1] == ' ' ? ' ' : 'v', size - strlen(start));
    length = 5 + size;
    memcpy(body + length, "\r\n", 2);
    hfa_multipart_init(&parser, HFA_BYTES("B"));
    bool good = true;
    for (size_t at = 0; at < length + 2 && good; at += cut) {
        struct hfa_bytes rest = {body + at, length + 2 - at < cut ? length + 2 - at : cut};
        struct hfa_multipart_event event;
        do
            event = hfa_multipart_next(&parser, &rest);
        while (event.kind != HFA_MULTIPART_MORE && event.kind != HFA_MULTIPART_MALFORMED);
        good = event.kind == HFA_MULTIPART_MORE;
    }
    free(body);
    return good;
}

static void test_a_header_is_limited_in_size(void **state)
{
    static const char *starts[] = {"a:", "a: "};
    static const size_t cuts[] = {1, 7, 4096, 100000};
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 4; j++) {
            assert_true(accepts_header(HFA_MULTIPART_HEADER_SIZE_MAX, starts[i], cuts[j]));
            assert_false(accepts_header(HFA_MULTIPART_HEADER_SIZE_MAX + 1, starts[i], cuts[j]));
        }
}

static void test_boundaries_that_cannot_delimit_are_refused(void **state)
{
    char boundary[HFA_MULTIPART_BOUNDARY_MAX + 1];
    struct hfa_multipart parser;
    struct hfa_bytes rest = HFA_BYTES("--B");
    memset(boundary, 'b', sizeof(boundary));
    assert_true(
        hfa_multipart_init(&parser, (struct hfa_bytes){boundary, HFA_MULTIPART_BOUNDARY_MAX}));
    assert_true(hfa_multipart_init(&parser, (struct hfa_bytes){NULL, 0}));
    assert_false(hfa_multipart_init(&parser, (struct hfa_bytes){boundary, sizeof(boundary)}));
    assert_int_equal(hfa_multipart_next(&parser, &rest).kind, HFA_MULTIPART_MALFORMED);
    assert_false(hfa_multipart_init(&parser, HFA_BYTES("a\rb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_the_same_however_the_body_is_cut),
        cmocka_unit_test(test_a_preamble_begins_with_a_line_end_and_has_no_hyphen),
        cmocka_unit_test(test_what_looks_like_a_delimiter_is_data_unless_a_line_end_follows),
        cmocka_unit_test(test_a_delimiter_is_found_wherever_it_stands),
        cmocka_unit_test(test_spaces_may_follow_a_delimiter),
        cmocka_unit_test(test_a_body_that_ends_early_is_not_malformed),
        cmocka_unit_test(test_nothing_is_read_after_the_last_delimiter),
        cmocka_unit_test(test_headers_have_a_name_of_token_characters),
        cmocka_unit_test(test_headers_are_limited_in_number),
        cmocka_unit_test(test_a_header_is_limited_in_size),
        cmocka_unit_test(test_boundaries_that_cannot_delimit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
