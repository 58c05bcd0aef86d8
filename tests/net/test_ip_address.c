/* Addresses in text: one strict reading of each form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "ip_address.h"

static struct hfa_bytes text(const char *literal)
{
    return (struct hfa_bytes){literal, strlen(literal)};
}

static void assert_address(const char *written, const char *bytes, size_t length)
{
    struct guard_page page;
    struct hfa_ip_address address;
    guard_page_map(&page, written, strlen(written));
    if (!hfa_ip_address_parse((struct hfa_bytes){page.data, strlen(written)}, &address))
        fail_msg("refused: %s", written);
    guard_page_unmap(&page);
    assert_int_equal(address.length, length);
    assert_memory_equal(address.bytes, bytes, length);
}

static void test_ipv4_has_four_decimal_parts(void **state)
{
    assert_address("0.0.0.0", "\0\0\0\0", 4);
    assert_address("127.0.0.1", "\x7f\0\0\1", 4);
    assert_address("255.255.255.255", "\xff\xff\xff\xff", 4);
}

static void test_ipv6_has_eight_groups_or_a_gap(void **state)
{
    assert_address("::", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_address("::1", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    assert_address("1::", "\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_address("2001:DB8::aB:1", "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\xab\0\1", 16);
    assert_address("1:2:3:4:5:6:7:8", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\x8", 16);
    assert_address("1:2:3:4:5:6:7::", "\0\1\0\2\0\3\0\4\0\5\0\6\0\7\0\0", 16);
    assert_address("::2:3:4:5:6:7:8", "\0\0\0\2\0\3\0\4\0\5\0\6\0\7\0\x8", 16);
}

static void test_ipv6_may_end_in_ipv4(void **state)
{
    assert_address("::ffff:192.0.2.1", "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
    assert_address("::192.0.2.1", "\0\0\0\0\0\0\0\0\0\0\0\0\xc0\0\2\1", 16);
    assert_address("1:2:3:4:5:6:192.0.2.1", "\0\1\0\2\0\3\0\4\0\5\0\6\xc0\0\2\1", 16);
}

static void test_everything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.",
        ".1.2.3",
        "1..2.3",
        "256.0.0.1",
        "01.2.3.4",
        "1.2.3.00",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1.2.3.0004",
        "0x1.2.3.4",
        "1.2.3.-4",
        ":",
        ":::",
        "1",
        "1:2",
        "::1::",
        "1::2::3",
        "12345::",
        "::g",
        ":1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "1:2:3:4:5:6:7:8::",
        "1::2:3:4:5:6:7:8",
        "1.2.3.4::",
        "::1.2.3",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::1.2.3.4:1",
        "[::1]",
        "::1/64",
        "::1%",
        "::1%a%b",
        "::1%a/b",
        "1.2.3.4%eth0",
        "\xb2::",
    };
    struct hfa_ip_address address;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (hfa_ip_address_parse(text(bad[i]), &address))
            fail_msg("accepted: %s", bad[i]);
}

static void test_a_zone_is_a_part_of_the_address(void **state)
{
    struct hfa_ip_address eth0, eth1, none, upper;
    assert_true(hfa_ip_address_parse(text("fe80::1%eth0"), &eth0));
    assert_true(hfa_ip_address_parse(text("fe80::1%eth1"), &eth1));
    assert_true(hfa_ip_address_parse(text("fe80::1"), &none));
    assert_true(hfa_ip_address_parse(text("FE80:0::1%eth0"), &upper));
    assert_true(hfa_ip_address_equal(&eth0, &upper));
    assert_false(hfa_ip_address_equal(&eth0, &eth1));
    assert_false(hfa_ip_address_equal(&eth0, &none));
}

static void test_an_ipv4_address_differs_from_its_ipv6_form(void **state)
{
    struct hfa_ip_address short_form, long_form;
    assert_true(hfa_ip_address_parse(text("192.0.2.1"), &short_form));
    assert_true(hfa_ip_address_parse(text("::ffff:192.0.2.1"), &long_form));
    assert_false(hfa_ip_address_equal(&short_form, &long_form));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4_has_four_decimal_parts),
        cmocka_unit_test(test_ipv6_has_eight_groups_or_a_gap),
        cmocka_unit_test(test_ipv6_may_end_in_ipv4),
        cmocka_unit_test(test_everything_else_is_refused),
        cmocka_unit_test(test_a_zone_is_a_part_of_the_address),
        cmocka_unit_test(test_an_ipv4_address_differs_from_its_ipv6_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
