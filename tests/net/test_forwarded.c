/* What X-Forwarded-For and X-Forwarded-Proto make of client and scheme. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "forwarded.h"

enum { FIELDS_MAX = 8 };

/* Lines "name: value" as fields. */
static size_t split(const char *lines, struct hfa_field *fields)
{
    size_t count = 0;
    while (*lines != '\0') {
        size_t name = strcspn(lines, ":");
        size_t end = strcspn(lines, "\n");
        fields[count].name = (struct hfa_bytes){lines, name};
        fields[count].value = hfa_field_trim((struct hfa_bytes){lines + name + 1, end - name - 1});
        lines += end + 1;
        count++;
    }
    return count;
}

static struct hfa_forwarded read_fields(const char *trusted, const char *lines, bool is_websocket)
{
    struct hfa_field fields[FIELDS_MAX];
    struct hfa_trust *trust;
    struct hfa_bytes bad_item;
    struct hfa_forwarded forwarded;
    size_t count = split(lines, fields);
    assert_int_equal(
        hfa_trust_create((struct hfa_bytes){trusted, strlen(trusted)}, &trust, &bad_item), HFA_OK);
    hfa_forwarded_from_x_fields(trust, fields, count, is_websocket, &forwarded);
    hfa_trust_destroy(trust);
    return forwarded;
}

static void assert_client(const char *trusted, const char *lines, const char *host, int64_t port)
{
    struct hfa_forwarded forwarded = read_fields(trusted, lines, false);
    assert_int_equal(forwarded.client_host.length, strlen(host));
    if (host[0] != '\0')
        assert_memory_equal(forwarded.client_host.data, host, strlen(host));
    assert_int_equal(forwarded.client_port, port);
}

static void assert_scheme(const char *lines, bool is_websocket, const char *scheme)
{
    struct hfa_forwarded forwarded = read_fields("127.0.0.1", lines, is_websocket);
    assert_int_equal(forwarded.scheme.length, strlen(scheme));
    if (scheme[0] != '\0')
        assert_memory_equal(forwarded.scheme.data, scheme, strlen(scheme));
}

static void test_without_the_fields_nothing_changes(void **state)
{
    assert_client("*", "host: a\n", "", 0);
    assert_scheme("host: a\n", false, "");
    assert_client("*", "x-forwarded-for:\n", "", 0);
    assert_client("127.0.0.1", "x-forwarded-for: 192.0.2.1,\n", "", 0);
    assert_client("*", "x-forwarded-for: :80\n", "", 0);
}

static void test_the_last_untrusted_host_is_the_client(void **state)
{
    assert_client("127.0.0.1", "x-forwarded-for: 192.0.2.1\n", "192.0.2.1", 0);
    assert_client("127.0.0.1", "x-forwarded-for: 1.1.1.1, 2.2.2.2\n", "2.2.2.2", 0);
    assert_client("127.0.0.1, 10.0.0.0/8",
                  "x-forwarded-for: 1.1.1.1, 2.2.2.2 ,10.0.0.1:99, 10.9.9.9\n", "2.2.2.2", 0);
}

static void test_several_fields_make_one_list(void **state)
{
    assert_client("10.0.0.0/8",
                  "x-forwarded-for: 1.1.1.1, 2.2.2.2\nx: y\nx-forwarded-for: 10.0.0.1\n", "2.2.2.2",
                  0);
    assert_client("10.0.0.0/8", "x-forwarded-for: 1.1.1.1\nx-forwarded-for: 3.3.3.3\n", "3.3.3.3",
                  0);
}

static void test_the_first_host_is_the_client_when_all_are_trusted(void **state)
{
    assert_client("10.0.0.0/8", "x-forwarded-for: 10.0.0.3, 10.0.0.2, 10.0.0.1\n", "10.0.0.3", 0);
    assert_client("*", "x-forwarded-for: 1.1.1.1:5, 2.2.2.2\nx-forwarded-for: 3.3.3.3\n", "1.1.1.1",
                  5);
}

static void test_a_port_is_taken_where_it_is_given(void **state)
{
    assert_client("*", "x-forwarded-for: 1.1.1.1:8080\n", "1.1.1.1", 8080);
    assert_client("*", "x-forwarded-for: [2001:db8::1]:443\n", "2001:db8::1", 443);
    assert_client("*", "x-forwarded-for: [2001:db8::1]\n", "2001:db8::1", 0);
    assert_client("*", "x-forwarded-for: 2001:db8::1\n", "2001:db8::1", 0);
    assert_client("*", "x-forwarded-for: client:1\n", "client", 1);
}

static void test_malformed_hosts_are_kept_as_they_are(void **state)
{
    assert_client("*", "x-forwarded-for: 1.1.1.1:port\n", "1.1.1.1:port", 0);
    assert_client("*", "x-forwarded-for: 1.1.1.1:\n", "1.1.1.1:", 0);
    assert_client("*", "x-forwarded-for: [::1\n", "[::1", 0);
    assert_client("*", "x-forwarded-for: [::1]x\n", "[::1]x", 0);
    assert_client("*", "x-forwarded-for: [::1]:x\n", "::1", 0);
    assert_client("*", "x-forwarded-for: 1.1.1.1:99999999999999999999\n",
                  "1.1.1.1:99999999999999999999", 0);
    /* A trusted address with a malformed port is not trusted. */
    assert_client("10.0.0.1", "x-forwarded-for: 1.1.1.1, 10.0.0.1:x\n", "10.0.0.1:x", 0);
}

static void test_a_known_scheme_is_taken(void **state)
{
    assert_scheme("x-forwarded-proto: https\n", false, "https");
    assert_scheme("x-forwarded-proto: ws\n", false, "ws");
    assert_scheme("x-forwarded-proto: http\n", true, "ws");
    assert_scheme("x-forwarded-proto: https\n", true, "wss");
    assert_scheme("x-forwarded-proto: wss\n", true, "wss");
}

static void test_the_last_scheme_counts_known_or_not(void **state)
{
    assert_scheme("x-forwarded-proto: https\nx-forwarded-proto: http\n", false, "http");
    assert_scheme("x-forwarded-proto: https\nx-forwarded-proto: ftp\n", false, "");
    assert_scheme("x-forwarded-proto: HTTPS\n", false, "");
    assert_scheme("x-forwarded-proto: https, http\n", false, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_the_fields_nothing_changes),
        cmocka_unit_test(test_the_last_untrusted_host_is_the_client),
        cmocka_unit_test(test_several_fields_make_one_list),
        cmocka_unit_test(test_the_first_host_is_the_client_when_all_are_trusted),
        cmocka_unit_test(test_a_port_is_taken_where_it_is_given),
        cmocka_unit_test(test_malformed_hosts_are_kept_as_they_are),
        cmocka_unit_test(test_a_known_scheme_is_taken),
        cmocka_unit_test(test_the_last_scheme_counts_known_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
