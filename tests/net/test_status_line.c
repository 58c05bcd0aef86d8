/* Status lines and their phrases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "status_line.h"

static void assert_line(int code, const char *expected)
{
    char text[128] = {0};
    struct hfa_bytes line = hfa_status_line(code);
    assert_true(line.length < sizeof(text));
    memcpy(text, line.data, line.length);
    assert_string_equal(text, expected);
}

static void test_known_codes_have_their_phrase(void **state)
{
    assert_line(101, "HTTP/1.1 101 Switching Protocols\r\n");
    assert_line(200, "HTTP/1.1 200 OK\r\n");
    assert_line(503, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_true(hfa_bytes_equal(hfa_status_phrase(404), HFA_BYTES("Not Found")));
}

static void test_codes_without_a_phrase_keep_the_space(void **state)
{
    assert_line(299, "HTTP/1.1 299 \r\n");
    assert_line(999, "HTTP/1.1 999 \r\n");
    assert_int_equal(hfa_status_phrase(999).length, 0);
}

static void test_every_code_has_a_line(void **state)
{
    for (int code = 100; code <= 999; code++) {
        char start[16];
        snprintf(start, sizeof(start), "HTTP/1.1 %d ", code);
        struct hfa_bytes line = hfa_status_line(code);
        assert_true(line.length >= 15);
        assert_memory_equal(line.data, start, 13);
        assert_memory_equal(line.data + line.length - 2, "\r\n", 2);
        assert_int_equal(hfa_status_phrase(code).length, line.length - 15);
    }
}

static void test_a_phrase_can_be_replaced(void **state)
{
    assert_int_equal(hfa_status_line_set_phrase(418, HFA_BYTES("I'm a Teapot")), HFA_OK);
    assert_line(418, "HTTP/1.1 418 I'm a Teapot\r\n");
}

static void test_a_phrase_that_would_break_the_line_is_refused(void **state)
{
    char large[300];
    memset(large, 'x', sizeof(large));
    struct hfa_bytes before = hfa_status_line(500);
    assert_int_equal(hfa_status_line_set_phrase(500, HFA_BYTES("a\r\nb: c")), HFA_ERR_INVALID);
    assert_int_equal(hfa_status_line_set_phrase(500, (struct hfa_bytes){large, sizeof(large)}),
                     HFA_ERR_INVALID);
    assert_int_equal(hfa_status_line_set_phrase(99, HFA_BYTES("x")), HFA_ERR_INVALID);
    assert_int_equal(hfa_status_line_set_phrase(1000, HFA_BYTES("x")), HFA_ERR_INVALID);
    assert_true(hfa_bytes_equal(hfa_status_line(500), before));
    assert_line(500, "HTTP/1.1 500 Internal Server Error\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_codes_have_their_phrase),
        cmocka_unit_test(test_codes_without_a_phrase_keep_the_space),
        cmocka_unit_test(test_every_code_has_a_line),
        cmocka_unit_test(test_a_phrase_can_be_replaced),
        cmocka_unit_test(test_a_phrase_that_would_break_the_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
