#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy_protocol.h"

static struct hfa_proxy_header header;

/* The bytes stand at the end of an allocation: reading past them is an error. */
static enum hfa_status parse(const char *data, size_t length)
{
    char *copy = malloc(length + (length == 0));

    assert_non_null(copy);
    memcpy(copy, data, length);
    enum hfa_status status = hfa_proxy_protocol_parse((struct hfa_bytes){copy, length}, &header);
    free(copy);
    return status;
}

static enum hfa_status parse_text(const char *text)
{
    return parse(text, strlen(text));
}

static void assert_address(const struct hfa_address *address, const char *text, unsigned port)
{
    char got[HFA_ADDRESS_TEXT_MAX];

    hfa_address_text(address, got);
    assert_string_equal(got, text);
    assert_int_equal(address->port, port);
}

static void test_version_1_names_both_ends(void **state)
{
    assert_int_equal(parse_text("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET "), HFA_OK);
    assert_int_equal(header.length, 45);
    assert_true(header.has_addresses);
    assert_address(&header.client, "192.0.2.1", 56324);
    assert_address(&header.server, "198.51.100.2", 443);
    assert_int_equal(parse_text("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), HFA_OK);
    assert_address(&header.client, "2001:db8::1", 1);
    assert_address(&header.server, "::1", 65535);
}

static void test_version_1_of_an_unknown_protocol_says_nothing(void **state)
{
    assert_int_equal(parse_text("PROXY UNKNOWN\r\n"), HFA_OK);
    assert_false(header.has_addresses);
    assert_int_equal(parse_text("PROXY UNKNOWN whatever 1 2\r\n"), HFA_OK);
    assert_false(header.has_addresses);
}

static void test_what_is_no_version_1_header_is_refused(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 0443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.2 56324 443\r\n",
        "proxy TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY UNKNOWN "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse_text(bad[i]), HFA_ERR_PROTOCOL);
}

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void test_version_2_names_both_ends(void **state)
{
    static const char v4[] = SIGNATURE "\x21\x11\0\x0f\xc0\0\x02\x01\xc6\x33\x64\x02\x12\x34\x01"
                                       "\xbb\x20\0\0GET";
    assert_int_equal(parse(v4, sizeof(v4) - 1), HFA_OK);
    assert_int_equal(header.length, 31); /* with an extension of three bytes */
    assert_address(&header.client, "192.0.2.1", 0x1234);
    assert_address(&header.server, "198.51.100.2", 443);
    static const char v6[] = SIGNATURE "\x21\x21\0\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50\x01\xbb";
    assert_int_equal(parse(v6, sizeof(v6) - 1), HFA_OK);
    assert_address(&header.client, "2001:db8::1", 80);
    assert_address(&header.server, "::1", 443);
}

static void test_version_2_of_the_proxy_itself_says_nothing(void **state)
{
    static const char local[] = SIGNATURE "\x20\0\0\0";
    static const char unix_socket[] = SIGNATURE "\x21\x31\0\x01"
                                                "a";

    assert_int_equal(parse(local, sizeof(local) - 1), HFA_OK);
    assert_false(header.has_addresses);
    assert_int_equal(parse(unix_socket, sizeof(unix_socket) - 1), HFA_OK);
    assert_false(header.has_addresses);
}

static void test_what_is_no_version_2_header_is_refused(void **state)
{
    static const char version[] = SIGNATURE "\x11\x11\0\x0c"
                                            "aaaaaaaaaaaa";
    static const char command[] = SIGNATURE "\x22\x11\0\x0c"
                                            "aaaaaaaaaaaa";
    static const char family[] = SIGNATURE "\x21\x41\0\x0c"
                                           "aaaaaaaaaaaa";
    static const char short_v4[] = SIGNATURE "\x21\x11\0\x0b"
                                             "aaaaaaaaaaa";
    static const char long_one[] = SIGNATURE "\x21\x11\xff\xff";

    assert_int_equal(parse(version, sizeof(version) - 1), HFA_ERR_PROTOCOL);
    assert_int_equal(parse(command, sizeof(command) - 1), HFA_ERR_PROTOCOL);
    assert_int_equal(parse(family, sizeof(family) - 1), HFA_ERR_PROTOCOL);
    assert_int_equal(parse(short_v4, sizeof(short_v4) - 1), HFA_ERR_PROTOCOL);
    assert_int_equal(parse(long_one, sizeof(long_one) - 1), HFA_ERR_LIMIT);
}

static void test_every_start_of_a_header_waits_for_more(void **state)
{
    static const char v1[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
    static const char v2[] =
        SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb";

    for (size_t length = 0; length < sizeof(v1) - 1; length++)
        assert_int_equal(parse(v1, length), HFA_AGAIN);
    for (size_t length = 0; length < sizeof(v2) - 1; length++)
        assert_int_equal(parse(v2, length), HFA_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1_names_both_ends),
        cmocka_unit_test(test_version_1_of_an_unknown_protocol_says_nothing),
        cmocka_unit_test(test_what_is_no_version_1_header_is_refused),
        cmocka_unit_test(test_version_2_names_both_ends),
        cmocka_unit_test(test_version_2_of_the_proxy_itself_says_nothing),
        cmocka_unit_test(test_what_is_no_version_2_header_is_refused),
        cmocka_unit_test(test_every_start_of_a_header_waits_for_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
