/* Who is trusted, and which settings are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "trust.h"

static struct hfa_bytes text(const char *literal)
{
    return (struct hfa_bytes){literal, strlen(literal)};
}

static struct hfa_trust *create(const char *setting)
{
    struct hfa_trust *trust;
    struct hfa_bytes bad_item;
    assert_int_equal(hfa_trust_create(text(setting), &trust, &bad_item), HFA_OK);
    assert_non_null(trust);
    return trust;
}

static void assert_covers(const char *setting, const char *peer, bool expected)
{
    struct hfa_trust *trust = create(setting);
    if (hfa_trust_covers(trust, text(peer)) != expected)
        fail_msg("\"%s\" %s \"%s\"", setting, expected ? "does not cover" : "covers", peer);
    hfa_trust_destroy(trust);
}

static void assert_refused(const char *setting, const char *item)
{
    struct hfa_trust *trust;
    struct hfa_bytes bad_item;
    assert_int_equal(hfa_trust_create(text(setting), &trust, &bad_item), HFA_ERR_INVALID);
    assert_null(trust);
    assert_int_equal(bad_item.length, strlen(item));
    assert_memory_equal(bad_item.data, item, bad_item.length);
    assert_true(bad_item.data >= setting && bad_item.data < setting + strlen(setting));
}

static void test_a_star_trusts_everybody(void **state)
{
    assert_covers("*", "192.0.2.1", true);
    assert_covers("*", "anything", true);
    assert_covers("*", "", true);
    struct hfa_trust *trust = create("*");
    assert_true(hfa_trust_is_everybody(trust));
    hfa_trust_destroy(trust);
}

static void test_an_empty_setting_trusts_nobody(void **state)
{
    assert_covers("", "127.0.0.1", false);
    assert_covers("", "", false);
    assert_covers(" , ,", "", false);
}

static void test_addresses_are_compared_as_addresses(void **state)
{
    assert_covers("127.0.0.1,::1", "127.0.0.1", true);
    assert_covers("127.0.0.1, 0:0::0:1 ", "::1", true);
    assert_covers("127.0.0.1,::1", "127.0.0.2", false);
    assert_covers("127.0.0.1", "::ffff:127.0.0.1", false);
    assert_covers("fe80::1%eth0", "fe80::1%eth0", true);
    assert_covers("fe80::1%eth0", "fe80::1", false);
    assert_covers("127.0.0.1", "", false);
    assert_covers("127.0.0.1", "127.0.0.1:80", false);
}

static void test_networks_cover_their_addresses(void **state)
{
    assert_covers("10.0.0.0/8", "10.255.0.1", true);
    assert_covers("10.0.0.0/8", "11.0.0.0", false);
    assert_covers("10.0.0.0/255.0.0.0", "10.1.2.3", true);
    assert_covers("10.0.0.0/0.255.255.255", "10.1.2.3", true);
    assert_covers("192.168.4.0/22", "192.168.7.255", true);
    assert_covers("192.168.4.0/22", "192.168.8.0", false);
    assert_covers("192.0.2.1/32", "192.0.2.1", true);
    assert_covers("0.0.0.0/0", "255.1.2.3", true);
    assert_covers("0.0.0.0/0", "::1", false);
    assert_covers("2001:db8::/32", "2001:db8:ffff::1%zone", true);
    assert_covers("2001:db8::/33", "2001:db8:8000::", false);
    assert_covers("::/0", "ffff::", true);
}

static void test_other_texts_are_literals(void **state)
{
    assert_covers("127.0.0.1, unix:, /run/proxy.sock", "/run/proxy.sock", true);
    assert_covers("unix:", "unix:", true);
    assert_covers("proxy", "Proxy", false);
    assert_covers("proxy", "prox", false);
}

static void test_malformed_addresses_and_networks_are_named(void **state)
{
    assert_refused("127.0.0.1, 10.0.0.256", "10.0.0.256");
    assert_refused("10.0.0", "10.0.0");
    assert_refused("10.0.0.1/8", "10.0.0.1/8");
    assert_refused("10.0.0.0/33 ,::1", "10.0.0.0/33");
    assert_refused("10.0.0.0/", "10.0.0.0/");
    assert_refused("10.0.0.0/255.0.255.0", "10.0.0.0/255.0.255.0");
    assert_refused("10.0.0.0/8/8", "10.0.0.0/8/8");
    assert_refused("10.0/8", "10.0/8");
    assert_refused("2001:db8::/129", "2001:db8::/129");
    assert_refused("2001:db8::/ffff::", "2001:db8::/ffff::");
    assert_refused("1::2::3", "1::2::3");
    assert_refused("[::1]", "[::1]");
    assert_refused("127.0.0.1:80", "127.0.0.1:80");
    assert_refused("fe80::1%eth0/64", "fe80::1%eth0/64");
}

static void test_a_star_in_a_list_is_named(void **state)
{
    assert_refused("127.0.0.1,*", "*");
    assert_refused(" *", "*");
}

static void test_running_out_of_memory_is_told(void **state)
{
    struct hfa_trust *trust;
    struct hfa_bytes bad_item;
    failing_malloc_arm(0);
    assert_int_equal(hfa_trust_create(text("127.0.0.1"), &trust, &bad_item), HFA_ERR_NO_MEMORY);
    assert_int_equal(failing_malloc_disarm(), 1);
    assert_null(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_star_trusts_everybody),
        cmocka_unit_test(test_an_empty_setting_trusts_nobody),
        cmocka_unit_test(test_addresses_are_compared_as_addresses),
        cmocka_unit_test(test_networks_cover_their_addresses),
        cmocka_unit_test(test_other_texts_are_literals),
        cmocka_unit_test(test_malformed_addresses_and_networks_are_named),
        cmocka_unit_test(test_a_star_in_a_list_is_named),
        cmocka_unit_test(test_running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
