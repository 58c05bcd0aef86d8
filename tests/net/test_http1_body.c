/* The chunked decoder and the writer of chunk heads; the transcripts have the syntax. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "http1_body.h"

enum { TRAILER_LIMIT = 64 };

struct result {
    enum hfa_status status;
    size_t consumed;
    char body[64];
    size_t body_length;
};

/* Decodes until nothing moves any more. The bytes come in feeds of `step`, each at the end of
 * readable memory. */
static struct result decode(struct hfa_bytes wire, size_t step)
{
    struct result result = {.status = HFA_AGAIN};
    struct hfa_http1_chunked decoder;
    hfa_http1_chunked_init(&decoder);
    size_t fed = 0;
    while (result.status == HFA_AGAIN && fed < wire.length) {
        fed = wire.length - fed < step ? wire.length : fed + step;
        struct guard_page page;
        guard_page_map(&page, wire.data + result.consumed, fed - result.consumed);
        size_t at = 0;
        size_t consumed;
        do {
            struct hfa_bytes data;
            struct hfa_bytes input = {page.data + at, page.length - at};
            result.status =
                hfa_http1_chunked_decode(&decoder, input, TRAILER_LIMIT, &consumed, &data);
            assert_true(consumed <= input.length);
            assert_true(data.length == 0 || (data.data >= input.data &&
                                             data.data + data.length <= page.data + page.length));
            assert_true(result.body_length + data.length <= sizeof(result.body));
            memcpy(result.body + result.body_length, data.data, data.length);
            result.body_length += data.length;
            at += consumed;
        } while (result.status == HFA_AGAIN && consumed > 0);
        result.consumed += at;
        guard_page_unmap(&page);
    }
    return result;
}

static void assert_decodes(struct hfa_bytes wire, enum hfa_status status, size_t consumed,
                           const char *body)
{
    for (size_t step = 1; step <= wire.length; step++) {
        struct result result = decode(wire, step);
        assert_int_equal(result.status, status);
        if (status >= 0)
            assert_int_equal(result.consumed, consumed);
        assert_int_equal(result.body_length, strlen(body));
        assert_memory_equal(result.body, body, strlen(body));
    }
}

static void test_a_body_ends_behind_its_trailers(void **state)
{
    assert_decodes(HFA_BYTES("3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\nGET"), HFA_OK, 35,
                   "abc0123456789abcdef");
    assert_decodes(HFA_BYTES("0\r\na: b\r\nc:\r\n\r\nGET"), HFA_OK, 15, "");
}

static void test_an_open_body_asks_for_more(void **state)
{
    assert_decodes(HFA_BYTES("3\r\nab"), HFA_AGAIN, 5, "ab");
    assert_decodes(HFA_BYTES("3\r\nabc\r\n0\r\n\r"), HFA_AGAIN, 12, "abc");
    assert_decodes(HFA_BYTES("fffffffffffffff"), HFA_AGAIN, 15, "");
}

static void test_what_stood_before_a_fault_is_handed_out(void **state)
{
    assert_decodes(HFA_BYTES("3\r\nabcX"), HFA_ERR_PROTOCOL, 0, "abc");
    assert_decodes(HFA_BYTES("3\r\nabc\r\n;"), HFA_ERR_PROTOCOL, 0, "abc");
}

static void test_trailers_have_a_bound(void **state)
{
    /* 64 bytes with their line end, and one more. */
    assert_decodes(
        HFA_BYTES("0\r\nx: 34567890123456789012345678901234567890123456789012345678901\r\n\r\n"),
        HFA_OK, 69, "");
    assert_decodes(
        HFA_BYTES("0\r\nx: 345678901234567890123456789012345678901234567890123456789012\r\n\r\n"),
        HFA_ERR_LIMIT, 0, "");
}

static void test_an_end_or_a_fault_lasts(void **state)
{
    struct hfa_http1_chunked decoder;
    size_t consumed;
    struct hfa_bytes data;
    hfa_http1_chunked_init(&decoder);
    assert_int_equal(
        hfa_http1_chunked_decode(&decoder, HFA_BYTES("0\r\n\r\n"), 0, &consumed, &data), HFA_OK);
    assert_int_equal(consumed, 5);
    assert_int_equal(
        hfa_http1_chunked_decode(&decoder, HFA_BYTES("0\r\n\r\n"), 0, &consumed, &data), HFA_OK);
    assert_int_equal(consumed, 0);

    hfa_http1_chunked_init(&decoder);
    assert_int_equal(hfa_http1_chunked_decode(&decoder, HFA_BYTES("x"), 0, &consumed, &data),
                     HFA_ERR_PROTOCOL);
    assert_int_equal(
        hfa_http1_chunked_decode(&decoder, HFA_BYTES("0\r\n\r\n"), 0, &consumed, &data),
        HFA_ERR_PROTOCOL);
    assert_int_equal(consumed, 0);
}

static void test_chunk_heads_are_written_without_leading_zeros(void **state)
{
    static const struct {
        uint64_t size;
        const char *head;
    } cases[] = {
        {0, "0\r\n"},
        {1, "1\r\n"},
        {0xf, "f\r\n"},
        {0x10, "10\r\n"},
        {65536, "10000\r\n"},
        {UINT64_C(0x123456789abcdef), "123456789abcdef\r\n"},
        {UINT64_MAX, "ffffffffffffffff\r\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char head[HFA_HTTP1_CHUNK_HEAD_MAX];
        size_t length = hfa_http1_chunk_head(cases[i].size, head);
        assert_int_equal(length, strlen(cases[i].head));
        assert_memory_equal(head, cases[i].head, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_ends_behind_its_trailers),
        cmocka_unit_test(test_an_open_body_asks_for_more),
        cmocka_unit_test(test_what_stood_before_a_fault_is_handed_out),
        cmocka_unit_test(test_trailers_have_a_bound),
        cmocka_unit_test(test_an_end_or_a_fault_lasts),
        cmocka_unit_test(test_chunk_heads_are_written_without_leading_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
