/* Rules for field names, values, lists, lengths and hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "field.h"
#include "guard_page.h"

static struct hfa_bytes text(const char *literal)
{
    return (struct hfa_bytes){literal, strlen(literal)};
}

static void assert_bytes(struct hfa_bytes found, const char *expected)
{
    assert_int_equal(found.length, strlen(expected));
    assert_memory_equal(found.data, expected, found.length);
}

static void test_only_token_characters_make_a_token(void **state)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (int code = 0; code < 256; code++) {
        char byte = (char)code;
        bool expected = (code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
                        (code >= 'A' && code <= 'Z') || (code != 0 && strchr(others, code) != NULL);
        char inside[] = {'a', byte, 'z'};
        assert_int_equal(hfa_field_is_token((struct hfa_bytes){&byte, 1}), expected);
        assert_int_equal(hfa_field_is_token((struct hfa_bytes){inside, 3}), expected);
    }
    assert_false(hfa_field_is_token(text("")));
}

/* The reference server's list of bytes that no name may have. */
static void test_sent_names_may_have_what_the_reference_sends(void **state)
{
    static const char refused[] = "()<>@,;:[]={} \t\\\"";
    for (int code = 0; code < 256; code++) {
        char name[] = {'x', (char)code};
        bool expected = code >= 0x20 && code != 0x7f && strchr(refused, code) == NULL;
        assert_int_equal(hfa_field_name_is_safe((struct hfa_bytes){name, 2}), expected);
    }
    assert_false(hfa_field_name_is_safe(text("")));
}

static void test_a_name_is_known_in_any_case_and_only_as_a_whole(void **state)
{
    assert_true(HFA_FIELD_NAME_IS(text("host"), "host"));
    assert_true(HFA_FIELD_NAME_IS(text("HoST"), "host"));
    assert_true(HFA_FIELD_NAME_IS(text("Content-Length"), "content-length"));
    assert_true(HFA_FIELD_NAME_IS(text("TRANSFER-ENCODING"), "transfer-encoding"));
    assert_false(HFA_FIELD_NAME_IS(text("hosts"), "host"));
    assert_false(HFA_FIELD_NAME_IS(text("hos"), "host"));
    char name[] = "transfer-encoding";
    for (size_t at = 0; at < sizeof(name) - 1; at++) {
        char good = name[at];
        for (int code = 0x21; code < 0x7f; code++) {
            name[at] = (char)code;
            if (hfa_field_name_is_safe(text(name)))
                assert_int_equal(HFA_FIELD_NAME_IS(text(name), "transfer-encoding"),
                                 code == good || code == good - ('a' - 'A') * (good != '-'));
        }
        name[at] = good;
    }
}

static void test_sent_values_may_have_no_control_byte_but_tab(void **state)
{
    for (int code = 0; code < 256; code++) {
        bool expected = code == '\t' || (code >= 0x20 && code != 0x7f);
        for (size_t length = 1; length <= 25; length++) {
            struct guard_page page;
            guard_page_map(&page, NULL, length);
            memset(page.data, 'v', length);
            for (size_t at = 0; at < length; at++) {
                page.data[at] = (char)code;
                assert_int_equal(hfa_field_value_is_safe((struct hfa_bytes){page.data, length}),
                                 expected);
                page.data[at] = 'v';
            }
            guard_page_unmap(&page);
        }
    }
    assert_true(hfa_field_value_is_safe(text("")));
}

static void test_trim_takes_spaces_and_tabs_at_both_ends(void **state)
{
    assert_bytes(hfa_field_trim(text("")), "");
    assert_bytes(hfa_field_trim(text(" \t ")), "");
    assert_bytes(hfa_field_trim(text("a")), "a");
    assert_bytes(hfa_field_trim(text("\t a \t b \t")), "a \t b");
    assert_bytes(hfa_field_trim(text("\va\r")), "\va\r");
}

static void test_list_elements_are_trimmed_and_empty_ones_passed_over(void **state)
{
    struct hfa_bytes list = text(" , a,\tb c ,,d, ");
    struct hfa_bytes element;
    assert_true(hfa_field_next_element(&list, &element));
    assert_bytes(element, "a");
    assert_true(hfa_field_next_element(&list, &element));
    assert_bytes(element, "b c");
    assert_true(hfa_field_next_element(&list, &element));
    assert_bytes(element, "d");
    assert_false(hfa_field_next_element(&list, &element));
    assert_false(hfa_field_next_element(&list, &element));
}

static void test_lists_may_end_at_an_unreadable_page(void **state)
{
    struct guard_page page;
    struct hfa_bytes element;
    guard_page_map(&page, "a, b,", 5);
    struct hfa_bytes list = {page.data, 5};
    size_t count = 0;
    while (hfa_field_next_element(&list, &element))
        count++;
    assert_int_equal(count, 2);
    guard_page_unmap(&page);
}

static void test_content_length_is_digits_that_fit_63_bits(void **state)
{
    static const struct {
        const char *value;
        enum hfa_status status;
        uint64_t length;
    } cases[] = {
        {"0", HFA_OK, 0},
        {"42", HFA_OK, 42},
        {"00000000000000000000000000042", HFA_OK, 42},
        {"9223372036854775807", HFA_OK, INT64_MAX},
        {"9223372036854775808", HFA_ERR_LIMIT, 0},
        {"18446744073709551616", HFA_ERR_LIMIT, 0},
        {"99999999999999999999999999999999", HFA_ERR_LIMIT, 0},
        {"99999999999999999999999999999999x", HFA_ERR_PROTOCOL, 0},
        {"", HFA_ERR_PROTOCOL, 0},
        {"+1", HFA_ERR_PROTOCOL, 0},
        {"-1", HFA_ERR_PROTOCOL, 0},
        {"1 ", HFA_ERR_PROTOCOL, 0},
        {"1,1", HFA_ERR_PROTOCOL, 0},
        {"0x1", HFA_ERR_PROTOCOL, 0},
        {"1.0", HFA_ERR_PROTOCOL, 0},
        {"\xb2", HFA_ERR_PROTOCOL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t length = 0;
        assert_int_equal(hfa_field_parse_content_length(text(cases[i].value), &length),
                         cases[i].status);
        assert_int_equal(length, cases[i].length);
    }
}

static void test_hosts_are_names_or_literals_with_a_port_of_digits(void **state)
{
    static const char *const good[] = {
        "",
        "a",
        "example.com",
        "a:",
        "a:0",
        "a:65535",
        "a:000080",
        "127.0.0.1",
        "[::]",
        "[::1]:80",
        "[1:2:3:4:5:6:7:8]",
        "[::ffff:1.2.3.4]",
        "[v1.fe80:a]:1",
        "%41b",
        "a%2fb:1",
        "_x-y.z~!$&'()*+,;=",
    };
    static const char *const bad[] = {
        " ",     "a b",       "a/b",          "a?b",   "a#b",   "u@a",  "a:b",     "a:1:2",
        ":80",   ":",         "::1",          "[]",    "[",     "[::1", "[::1]80", "[::1]:x",
        "[::g]", "[1.2.3.4]", "[::1%25eth0]", "[v.a]", "[v1.]", "[1a]", "%",       "%4",
        "%4g",   "a\\b",      "a\"b",         "<a>",   "a|b",   "\xe9", "a\tb",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!hfa_field_is_host(text(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (hfa_field_is_host(text(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    assert_false(hfa_field_is_host((struct hfa_bytes){"a\0b", 3}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_token_characters_make_a_token),
        cmocka_unit_test(test_sent_names_may_have_what_the_reference_sends),
        cmocka_unit_test(test_a_name_is_known_in_any_case_and_only_as_a_whole),
        cmocka_unit_test(test_sent_values_may_have_no_control_byte_but_tab),
        cmocka_unit_test(test_trim_takes_spaces_and_tabs_at_both_ends),
        cmocka_unit_test(test_list_elements_are_trimmed_and_empty_ones_passed_over),
        cmocka_unit_test(test_lists_may_end_at_an_unreadable_page),
        cmocka_unit_test(test_content_length_is_digits_that_fit_63_bits),
        cmocka_unit_test(test_hosts_are_names_or_literals_with_a_port_of_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
