/* Content-Type and Content-Disposition with their options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "header_options.h"

/* "type" and, for each option, "[name|unquoted value]"; the header ends at an unreadable page. */
static void assert_options(const char *header, const char *expected)
{
    struct hfa_header_option option;
    struct guard_page page, unquoted;
    char line[200];
    guard_page_map(&page, header, strlen(header));
    struct hfa_bytes rest = {page.data, page.length};
    struct hfa_bytes type = hfa_header_options_type(&rest);
    snprintf(line, sizeof(line), "%.*s", (int)type.length, type.data);
    while (hfa_header_options_next(&rest, &option)) {
        guard_page_map(&unquoted, NULL, option.value.length);
        struct hfa_bytes value = hfa_header_option_unquote(option.value, unquoted.data);
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "[%.*s|%.*s]",
                 (int)option.name.length, option.name.data, (int)value.length, value.data);
        guard_page_unmap(&unquoted);
    }
    assert_string_equal(line, expected);
    guard_page_unmap(&page);
}

static void test_options_are_between_semicolons_that_are_not_quoted(void **state)
{
    assert_options("", "");
    assert_options(" text/plain\t", "text/plain");
    assert_options("form-data; name=a", "form-data[name|a]");
    assert_options("form-data;name = a ;\tfilename =b", "form-data[name|a][filename|b]");
    assert_options("form-data; name=\"a;b\"; x=\"c\"", "form-data[name|a;b][x|c]");
    assert_options("form-data; name=\"a; x=b", "form-data[name|\"a; x=b]");
    assert_options("form-data; name=\"a\\\";b\"; x=c", "form-data[name|a\";b][x|c]");
    assert_options("form-data;; flag ;=v;a=b=c", "form-data[|][flag|][|v][a|b=c]");
}

static void test_quotes_and_escapes_are_taken_off(void **state)
{
    assert_options("t; a=\"\"", "t[a|]");
    assert_options("t; a=\"", "t[a|\"]");
    assert_options("t; a=\"x", "t[a|\"x]");
    assert_options("t; a=x\\y", "t[a|x\\y]");
    assert_options("t; a=\"x\\y\"", "t[a|x\\y]");
    assert_options("t; a=\"x\\\\y\"", "t[a|x\\y]");
    assert_options("t; a=\"x\\\"y\"", "t[a|x\"y]");
    /* Both replacements, one after the other. */
    assert_options("t; a=\"x\\\\\"y\"", "t[a|x\"y]");
}

static void test_names_are_compared_in_lower_case_where_there_is_a_value(void **state)
{
    struct hfa_bytes rest = HFA_BYTES("t; NAME=a; FLAG; flag; name*=b");
    struct hfa_header_option option;
    hfa_header_options_type(&rest);
    assert_true(hfa_header_options_next(&rest, &option));
    assert_true(hfa_header_option_is(&option, HFA_BYTES("name")));
    assert_true(hfa_header_options_next(&rest, &option));
    assert_false(hfa_header_option_is(&option, HFA_BYTES("flag")));
    assert_true(hfa_header_options_next(&rest, &option));
    assert_true(hfa_header_option_is(&option, HFA_BYTES("flag")));
    assert_true(hfa_header_options_next(&rest, &option));
    assert_false(hfa_header_option_is(&option, HFA_BYTES("name")));
    assert_false(hfa_header_options_next(&rest, &option));
}

static void assert_file_name(const char *value, const char *expected)
{
    struct hfa_bytes name = hfa_header_option_file_name((struct hfa_bytes){value, strlen(value)});
    assert_int_equal(name.length, strlen(expected));
    assert_memory_equal(name.data, expected, name.length);
}

static void test_whole_paths_are_cut_to_the_name_of_the_file(void **state)
{
    assert_file_name("", "");
    assert_file_name("a.txt", "a.txt");
    assert_file_name("a\\b.txt", "a\\b.txt");
    assert_file_name("C:\\a\\b.txt", "b.txt");
    assert_file_name("C:\\", "");
    assert_file_name("\\\\host\\b.txt", "b.txt");
    assert_file_name("/a/b.txt", "/a/b.txt");
    assert_file_name("C:", "C:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_between_semicolons_that_are_not_quoted),
        cmocka_unit_test(test_quotes_and_escapes_are_taken_off),
        cmocka_unit_test(test_names_are_compared_in_lower_case_where_there_is_a_value),
        cmocka_unit_test(test_whole_paths_are_cut_to_the_name_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
