/* Cookies of Cookie fields, and their quoted values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cookie.h"
#include "guard_page.h"

static struct hfa_bytes text(const char *literal)
{
    return (struct hfa_bytes){literal, strlen(literal)};
}

/* The cookies as "[name|value]...", unquoted. Field and values end at unreadable pages. */
static void assert_cookies(const char *field, const char *expected)
{
    struct guard_page page, unquoted;
    struct hfa_cookie cookie;
    char line[200] = "";
    guard_page_map(&page, field, strlen(field));
    struct hfa_bytes rest = {page.data, page.length};
    while (hfa_cookie_next(&rest, &cookie)) {
        guard_page_map(&unquoted, NULL, cookie.value.length);
        size_t length = hfa_cookie_unquote(cookie.value, unquoted.data);
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "[%.*s|%.*s]",
                 (int)cookie.name.length, cookie.name.data, (int)length, unquoted.data);
        guard_page_unmap(&unquoted);
    }
    assert_string_equal(line, expected);
    guard_page_unmap(&page);
}

static void test_cookies_are_between_semicolons_and_stripped(void **state)
{
    assert_cookies("", "");
    assert_cookies(" ; ;=; = ", "");
    assert_cookies("a=1; b = 2 ;c=", "[a|1][b|2][c|]");
    assert_cookies("d=x=y; alone; =value", "[d|x=y][|alone][|value]");
    assert_cookies("\xa0\x85"
                   "a\x1f=\x1c"
                   "b\t",
                   "[a|b]");
    assert_cookies("a=1, b=2", "[a|1, b=2]");
}

static void test_quoted_values_are_unquoted(void **state)
{
    assert_cookies("a=\"b c\"; d=\"\"", "[a|b c][d|]");
    assert_cookies("a=\"", "[a|\"]");
    assert_cookies("a=\"b", "[a|\"b]");
    assert_cookies("a=\"\\\"\\\\\\x\"", "[a|\"\\x]");
    assert_cookies("a=\"\\101\\302\\08\"", "[a|A\xc2"
                                           "08]");
    assert_cookies("a=\"\\400\\37\"", "[a|40037]");
    assert_cookies("a=\"b\\\"", "[a|b\\]");
    assert_cookies("a=\"\\\n\"", "[a|\\\n]");
    assert_cookies("a=\\101", "[a|\\101]");
    assert_cookies("a=\"b;c\"", "[a|\"b][|c\"]");
}

static void test_names_are_latin1_and_compared_with_utf8(void **state)
{
    assert_true(hfa_cookie_name_equals(text("abc"), text("abc")));
    assert_true(hfa_cookie_name_equals(text("\xe9z\xff"), text("\xc3\xa9z\xc3\xbf")));
    assert_false(hfa_cookie_name_equals(text("\xc3\xa9"), text("\xc3\xa9")));
    assert_false(hfa_cookie_name_equals(text("ab"), text("abc")));
    assert_false(hfa_cookie_name_equals(text("abc"), text("ab")));
    assert_false(hfa_cookie_name_equals(text("\xe9"), text("\xc3")));
    assert_true(hfa_cookie_name_equals(text(""), text("")));
}

static void test_the_last_cookie_of_all_fields_is_found(void **state)
{
    const struct hfa_field fields[] = {
        {HFA_BYTES_INIT("cookie"), HFA_BYTES_INIT("a=1; b=2; a=3")},
        {HFA_BYTES_INIT("x-cookie"), HFA_BYTES_INIT("a=7")},
        {HFA_BYTES_INIT("cookie"), HFA_BYTES_INIT("b=4; b=5; c=6")},
    };
    static const char *const names[] = {"a", "b", "c"};
    static const char *const values[] = {"3", "5", "6"};
    struct hfa_bytes value;
    for (size_t i = 0; i < 3; i++) {
        assert_true(hfa_cookie_find_last(fields, 3, text(names[i]), &value));
        assert_int_equal(value.length, 1);
        assert_memory_equal(value.data, values[i], 1);
    }
    assert_false(hfa_cookie_find_last(fields, 3, text("d"), &value));
    assert_false(hfa_cookie_find_last(fields, 0, text("a"), &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookies_are_between_semicolons_and_stripped),
        cmocka_unit_test(test_quoted_values_are_unquoted),
        cmocka_unit_test(test_names_are_latin1_and_compared_with_utf8),
        cmocka_unit_test(test_the_last_cookie_of_all_fields_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
