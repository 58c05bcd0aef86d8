/* Pairs, decoding and names of query strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "query.h"

static struct hfa_bytes text(const char *literal)
{
    return (struct hfa_bytes){literal, strlen(literal)};
}

/* The pairs as "[name|value]...". The query ends at an unreadable page. */
static void assert_pairs(const char *query, const char *expected)
{
    struct guard_page page;
    struct hfa_query_pair pair;
    char line[200] = "";
    guard_page_map(&page, query, strlen(query));
    struct hfa_bytes rest = {page.data, page.length};
    while (hfa_query_next(&rest, &pair))
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "[%.*s|%.*s]",
                 (int)pair.name.length, pair.name.data, (int)pair.value.length, pair.value.data);
    assert_string_equal(line, expected);
    guard_page_unmap(&page);
}

static void test_pairs_are_between_ampersands_and_empty_ones_passed_over(void **state)
{
    assert_pairs("", "");
    assert_pairs("&&", "");
    assert_pairs("a=1", "[a|1]");
    assert_pairs("a=1&b=2&", "[a|1][b|2]");
    assert_pairs("&a&b=&=c&=&d=e=f;g", "[a|][b|][|c][|][d|e=f;g]");
    assert_pairs("a=%26%3D+", "[a|%26%3D+]");
}

static void test_decoding_is_that_of_unquote_with_plus(void **state)
{
    static const struct {
        const char *raw;
        const char *decoded;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"a+b%20c", "a b c"},
        {"%2B%25%41", "+%A"},
        {"%", "%"},
        {"%4", "%4"},
        {"%4g%zz", "%4g%zz"},
        {"%%41", "%A"},
        {"%+41", "% 41"},
        {"\xe9\xff", "\xc3\xa9\xc3\xbf"},
        {"%C3%a9", "\xc3\xa9"},
        {"%E2%82%AC%F0%9F%92%A9", "\xe2\x82\xac\xf0\x9f\x92\xa9"},
        {"%C3\xa9", "\xef\xbf\xbd\xc2\xa9"},
        {"%E2%82x", "\xef\xbf\xbdx"},
        {"%E2%82%E2%82%AC", "\xef\xbf\xbd\xe2\x82\xac"},
        {"%F0%9F%92", "\xef\xbf\xbd"},
        {"%80%BF", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"%C0%AF", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"%ED%A0%80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"%F4%90%80%80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct guard_page raw, decoded;
        size_t length = strlen(cases[i].raw);
        guard_page_map(&raw, cases[i].raw, length);
        guard_page_map(&decoded, NULL, HFA_QUERY_DECODED_MAX(length));
        size_t written = hfa_query_decode((struct hfa_bytes){raw.data, length}, decoded.data);
        assert_int_equal(written, strlen(cases[i].decoded));
        assert_memory_equal(decoded.data, cases[i].decoded, written);
        assert_true(
            hfa_query_name_equals((struct hfa_bytes){raw.data, length}, text(cases[i].decoded)));
        guard_page_unmap(&decoded);
        guard_page_unmap(&raw);
    }
}

static void test_escaped_zeros_are_characters(void **state)
{
    char decoded[12];
    assert_int_equal(hfa_query_decode(text("a%00b"), decoded), 3);
    assert_memory_equal(decoded, "a\0b", 3);
}

static void test_plain_text_needs_no_decoding(void **state)
{
    assert_true(hfa_query_is_plain(text("")));
    assert_true(hfa_query_is_plain(text("a-b.c_d~=;")));
    assert_false(hfa_query_is_plain(text("a+b")));
    assert_false(hfa_query_is_plain(text("a%20b")));
    assert_false(hfa_query_is_plain(text("\xe9")));
}

static void test_names_are_equal_to_what_they_decode_to_and_nothing_else(void **state)
{
    assert_true(hfa_query_name_equals(text("a%62+"), text("ab ")));
    assert_false(hfa_query_name_equals(text("ab"), text("abc")));
    assert_false(hfa_query_name_equals(text("abc"), text("ab")));
    assert_false(hfa_query_name_equals(text("a+b"), text("a+b")));
    assert_false(hfa_query_name_equals(text("a%62"), text("a%62")));
    assert_false(hfa_query_name_equals(text("\xc3\xa9"), text("\xc3\xa9")));
    assert_true(hfa_query_name_equals(text("\xe9"), text("\xc3\xa9")));
    assert_false(hfa_query_name_equals(text(""), text("a")));
}

static void test_the_last_of_a_name_is_found(void **state)
{
    struct hfa_bytes value = {NULL, 0};
    assert_true(hfa_query_find_last(text("a=1&b=2&%61=3&c=4"), text("a"), &value));
    assert_int_equal(value.length, 1);
    assert_memory_equal(value.data, "3", 1);
    assert_false(hfa_query_find_last(text("a=1"), text("b"), &value));
    assert_false(hfa_query_find_last(text(""), text(""), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_are_between_ampersands_and_empty_ones_passed_over),
        cmocka_unit_test(test_decoding_is_that_of_unquote_with_plus),
        cmocka_unit_test(test_escaped_zeros_are_characters),
        cmocka_unit_test(test_plain_text_needs_no_decoding),
        cmocka_unit_test(test_names_are_equal_to_what_they_decode_to_and_nothing_else),
        cmocka_unit_test(test_the_last_of_a_name_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
