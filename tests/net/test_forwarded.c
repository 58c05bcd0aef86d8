/* What X-Forwarded-* and Forwarded make of client, scheme, host and prefix. */
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
    hfa_forwarded_from_x_fields(trust, HFA_FORWARDED_FOR | HFA_FORWARDED_PROTO, fields, count,
                                is_websocket, &forwarded);
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

#define ALL 0x1fu

static void read_with(void (*read)(const struct hfa_trust *, unsigned, const struct hfa_field *,
                                   size_t, bool, struct hfa_forwarded *),
                      unsigned parts, const char *trusted, const char *lines,
                      struct hfa_forwarded *forwarded)
{
    struct hfa_field fields[FIELDS_MAX];
    struct hfa_trust *trust;
    struct hfa_bytes bad_item;
    size_t count = split(lines, fields);

    assert_int_equal(
        hfa_trust_create((struct hfa_bytes){trusted, strlen(trusted)}, &trust, &bad_item), HFA_OK);
    read(trust, parts, fields, count, false, forwarded);
    hfa_trust_destroy(trust);
}

static void assert_text(struct hfa_bytes got, const char *expected)
{
    char text[256] = "";

    assert_true(got.length < sizeof(text));
    if (got.length > 0)
        memcpy(text, got.data, got.length);
    assert_string_equal(text, expected);
}

static void test_host_port_and_prefix_are_read_when_asked_for(void **state)
{
    static const char lines[] = "x-forwarded-host: first.test, a.test:81\n"
                                "x-forwarded-port: 8443\n"
                                "x-forwarded-prefix: /api/\n";
    struct hfa_forwarded forwarded;

    read_with(hfa_forwarded_from_x_fields, ALL, "*", lines, &forwarded);
    assert_text(forwarded.host, "a.test:81");
    assert_text(forwarded.port, "8443");
    assert_text(forwarded.prefix, "/api");
    read_with(hfa_forwarded_from_x_fields, HFA_FORWARDED_FOR | HFA_FORWARDED_PROTO, "*", lines,
              &forwarded);
    assert_text(forwarded.host, "");
    assert_text(forwarded.port, "");
    assert_text(forwarded.prefix, "");
}

static void test_values_that_cannot_be_used_change_nothing(void **state)
{
    static const char *const lines[] = {
        "x-forwarded-host: a b\nx-forwarded-port: x\nx-forwarded-prefix: //evil.test\n",
        "x-forwarded-host: u@a.test\nx-forwarded-port: 65536\nx-forwarded-prefix: api\n",
        "x-forwarded-host: [::1\nx-forwarded-port: 0\nx-forwarded-prefix: /a?b\n",
        "x-forwarded-host:\nx-forwarded-port:\nx-forwarded-prefix: /\\evil.test\n",
    };
    struct hfa_forwarded forwarded;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        read_with(hfa_forwarded_from_x_fields, ALL, "*", lines[i], &forwarded);
        assert_text(forwarded.host, "");
        assert_text(forwarded.port, "");
        assert_text(forwarded.prefix, "");
    }
}

static void test_forwarded_names_client_scheme_and_host(void **state)
{
    struct hfa_forwarded forwarded;

    read_with(hfa_forwarded_from_field, ALL, "10.0.0.0/8",
              "forwarded: for=203.0.113.7, For=\"[2001:db8::1]:4711\";proto=https; host=a.test,"
              " for=10.0.0.1;proto=http;by=10.0.0.2\n",
              &forwarded);
    assert_text(forwarded.client_host, "2001:db8::1");
    assert_int_equal(forwarded.client_port, 4711);
    assert_text(forwarded.scheme, "https");
    assert_text(forwarded.host, "a.test");
}

static void test_forwarded_is_walked_to_its_start_when_all_are_trusted(void **state)
{
    struct hfa_forwarded forwarded;

    read_with(hfa_forwarded_from_field, ALL, "*",
              "forwarded: for=_hidden;proto=https\nforwarded: for=10.0.0.1\n", &forwarded);
    assert_text(forwarded.client_host, "_hidden");
    assert_text(forwarded.scheme, "https");
}

static void test_forwarded_that_is_broken_says_nothing(void **state)
{
    static const char *const lines[] = {
        "forwarded: for=203.0.113.7 proto=https\n",
        "forwarded: for=\"203.0.113.7\n",
        "forwarded: for=203.0.113.7, for=\n",
        "forwarded: for\n",
        "forwarded: for=\"a\\\"b\"\n",
        "forwarded: for=[2001:db8::1]\n",
        "forwarded: =1\n",
        "forwarded: \"for\"=203.0.113.7\n",
    };
    struct hfa_forwarded forwarded;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        read_with(hfa_forwarded_from_field, ALL, "10.0.0.0/8", lines[i], &forwarded);
        assert_text(forwarded.client_host, "");
        assert_text(forwarded.scheme, "");
    }
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
        cmocka_unit_test(test_host_port_and_prefix_are_read_when_asked_for),
        cmocka_unit_test(test_values_that_cannot_be_used_change_nothing),
        cmocka_unit_test(test_forwarded_names_client_scheme_and_host),
        cmocka_unit_test(test_forwarded_is_walked_to_its_start_when_all_are_trusted),
        cmocka_unit_test(test_forwarded_that_is_broken_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
