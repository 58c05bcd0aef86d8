/* Fields of application/x-www-form-urlencoded, in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "urlencoded.h"

#define TOLD_MAX 400

struct told {
    char text[TOLD_MAX]; /* "[name|value]..." */
    bool in_field, in_value;
};

static void tell(struct told *told, const char *format, struct hfa_bytes piece)
{
    size_t length = strlen(told->text);
    snprintf(told->text + length, TOLD_MAX - length, format, (int)piece.length, piece.data);
}

static void begin(struct told *told, bool is_value)
{
    if (!told->in_field)
        strcat(told->text, "[");
    if (is_value && !told->in_value)
        strcat(told->text, "|");
    told->in_field = true;
    told->in_value = is_value;
}

static void end(struct told *told)
{
    begin(told, told->in_value);
    strcat(told->text, told->in_value ? "]" : "|]");
    told->in_field = told->in_value = false;
}

/* The piece ends at an unreadable page. */
static void feed(struct hfa_urlencoded *parser, const char *text, size_t length, struct told *told)
{
    struct guard_page page;
    struct hfa_bytes piece;
    guard_page_map(&page, text, length);
    struct hfa_bytes rest = {page.data, length};
    for (;;) {
        enum hfa_urlencoded_event event = hfa_urlencoded_next(parser, &rest, &piece);
        if (event == HFA_URLENCODED_MORE)
            break;
        if (event == HFA_URLENCODED_END) {
            end(told);
            continue;
        }
        assert_true(piece.length > 0);
        begin(told, event == HFA_URLENCODED_VALUE);
        tell(told, "%.*s", piece);
    }
    assert_int_equal(rest.length, 0);
    guard_page_unmap(&page);
}

static void assert_told(const char *body, size_t first, const char *expected)
{
    struct hfa_urlencoded parser = {0};
    struct told told = {0};
    feed(&parser, body, first, &told);
    feed(&parser, body + first, strlen(body) - first, &told);
    if (hfa_urlencoded_finish(&parser))
        end(&told);
    assert_string_equal(told.text, expected);
    assert_false(hfa_urlencoded_finish(&parser));
}

static void test_fields_are_the_same_however_the_body_is_cut(void **state)
{
    static const struct {
        const char *body;
        const char *expected;
    } cases[] = {
        {"", ""},
        {"&&", ""},
        {"a=1", "[a|1]"},
        {"a=1&b=2&", "[a|1][b|2]"},
        {"&a&b=&=c&=&d=e=f;g&&h=&", "[a|][b|][|c][|][d|e=f;g][h|]"},
        {"a=%26%3D+&=", "[a|%26%3D+][|]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t first = 0; first <= strlen(cases[i].body); first++)
            assert_told(cases[i].body, first, cases[i].expected);
}

static void test_a_body_may_come_byte_by_byte(void **state)
{
    const char *body = "name=a+b&&other=%41&flag&=";
    struct hfa_urlencoded parser = {0};
    struct told told = {0};
    for (size_t i = 0; i < strlen(body); i++)
        feed(&parser, body + i, 1, &told);
    if (hfa_urlencoded_finish(&parser))
        end(&told);
    assert_string_equal(told.text, "[name|a+b][other|%41][flag|][|]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_are_the_same_however_the_body_is_cut),
        cmocka_unit_test(test_a_body_may_come_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
