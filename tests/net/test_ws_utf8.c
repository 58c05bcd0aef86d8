/* UTF-8 validation against an oracle that knows nothing but how to encode a code point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "ws_kernel.h"
#include "ws_utf8.h"

#define CODE_POINTS 0x110000u

/* How a text may go on after its first bytes. */
enum verdict {
    INVALID,  /* no continuation makes it valid */
    CUT,      /* valid so far, inside a character */
    COMPLETE, /* valid */
};

/* For every 1, 2 or 3 bytes, packed big-endian: do they begin or make up an encoded character? */
static unsigned char begins[3][(1u << 24) / 8];
static unsigned char completes[3][(1u << 24) / 8];

static size_t encode(uint32_t point, unsigned char out[4])
{
    if (point < 0x80) {
        out[0] = (unsigned char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, point >>= 6)
        out[i] = (unsigned char)(0x80 | (point & 0x3F));
    static const unsigned char leads[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    out[0] = (unsigned char)(leads[length] | point);
    return length;
}

static uint32_t pack(const unsigned char *bytes, size_t length)
{
    uint32_t packed = 0;
    for (size_t i = 0; i < length; i++)
        packed = packed << 8 | bytes[i];
    return packed;
}

static void mark(unsigned char *set, uint32_t packed)
{
    set[packed / 8] = (unsigned char)(set[packed / 8] | 1u << packed % 8);
}

static bool is_marked(const unsigned char *set, uint32_t packed)
{
    return set[packed / 8] >> packed % 8 & 1;
}

static int build_oracle(void **state)
{
    for (uint32_t point = 0; point < CODE_POINTS; point++) {
        unsigned char bytes[4];
        if (point >= 0xD800 && point < 0xE000)
            continue;
        size_t length = encode(point, bytes);
        for (size_t i = 1; i < length; i++)
            mark(begins[i - 1], pack(bytes, i));
        if (length < 4)
            mark(completes[length - 1], pack(bytes, length));
    }
    return 0;
}

static enum verdict judge(const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t taken = 1;
        while (taken < 4 && !is_marked(completes[taken - 1], pack(bytes + at, taken))) {
            if (!is_marked(begins[taken - 1], pack(bytes + at, taken)))
                return INVALID;
            if (at + taken == length)
                return CUT;
            taken++;
        }
        /* The last of four bytes: any continuation. */
        if (taken == 4 && (bytes[at + 3] & 0xC0) != 0x80)
            return INVALID;
        at += taken;
    }
    return COMPLETE;
}

static enum verdict validate_pieces(const unsigned char *bytes, size_t length, size_t piece)
{
    struct hfa_ws_utf8 utf8;
    hfa_ws_utf8_init(&utf8);
    for (size_t at = 0; at < length; at += piece) {
        size_t size = length - at < piece ? length - at : piece;
        if (!hfa_ws_utf8_feed(&utf8, (const char *)bytes + at, size))
            return INVALID;
    }
    return hfa_ws_utf8_is_complete(&utf8) ? COMPLETE : CUT;
}

static void assert_judged(const unsigned char *bytes, size_t length)
{
    enum verdict expected = judge(bytes, length);
    assert_int_equal(validate_pieces(bytes, length, length ? length : 1), expected);
    assert_int_equal(validate_pieces(bytes, length, 1), expected);
}

/* The bytes alone, where the end is near, and deep in ASCII, where the wide paths run. */
static void assert_judged_anywhere(const unsigned char *bytes, size_t length)
{
    unsigned char text[48];
    assert_judged(bytes, length);
    memset(text, 'x', sizeof(text));
    memcpy(text + 9, bytes, length);
    enum verdict expected = judge(text, sizeof(text));
    assert_int_equal(validate_pieces(text, sizeof(text), sizeof(text)), expected);
}

static void test_every_code_point_is_accepted(void **state)
{
    for (uint32_t point = 0; point < CODE_POINTS; point++) {
        unsigned char bytes[4];
        if (point >= 0xD800 && point < 0xE000)
            continue;
        size_t length = encode(point, bytes);
        if (validate_pieces(bytes, length, length) != COMPLETE)
            fail_msg("U+%04X was refused", point);
    }
}

static void test_surrogates_and_values_above_the_last_are_refused(void **state)
{
    for (uint32_t point = 0xD800; point < 0xE000; point++) {
        unsigned char bytes[4];
        size_t length = encode(point, bytes);
        assert_int_equal(validate_pieces(bytes, length, length), INVALID);
    }
    for (uint32_t point = CODE_POINTS; point < 0x200000; point += 0xFFF) {
        unsigned char bytes[4];
        size_t length = encode(point, bytes);
        assert_int_equal(validate_pieces(bytes, length, length), INVALID);
    }
}

static void test_every_three_bytes_are_judged_like_the_encoder(void **state)
{
    for (uint32_t packed = 0; packed < 1u << 24; packed++) {
        unsigned char bytes[4] = {(unsigned char)(packed >> 16), (unsigned char)(packed >> 8),
                                  (unsigned char)packed};
        enum verdict expected = judge(bytes, 3);
        if (validate_pieces(bytes, 3, 3) != expected)
            fail_msg("%06X was misjudged", packed);
    }
}

static void test_four_bytes_are_judged_like_the_encoder(void **state)
{
    static const unsigned char edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                          0xA0, 0xBF, 0xC0, 0xE1, 0xFF};
    for (unsigned lead = 0xE0; lead < 0x100; lead++) {
        for (unsigned second = 0; second < 0x100; second++) {
            for (size_t i = 0; i < sizeof(edges) * sizeof(edges); i++) {
                unsigned char bytes[4] = {(unsigned char)lead, (unsigned char)second,
                                          edges[i / sizeof(edges)], edges[i % sizeof(edges)]};
                assert_judged_anywhere(bytes, sizeof(bytes));
            }
        }
    }
}

static void test_first_wrong_byte_is_found_at_once(void **state)
{
    /* Overlong, surrogate, too large: wrong with the second byte, before the character ends. */
    static const char *const wrong[] = {"\xC0",     "\xC1", "\xE0\x9F", "\xED\xA0", "\xF0\x8F",
                                        "\xF4\x90", "\xF5", "\xFF",     "\x80",     "\xE2\x82\x41"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct hfa_ws_utf8 utf8;
        size_t length = strlen(wrong[i]);
        hfa_ws_utf8_init(&utf8);
        assert_true(hfa_ws_utf8_feed(&utf8, wrong[i], length - 1));
        assert_false(hfa_ws_utf8_feed(&utf8, wrong[i] + length - 1, 1));
    }
}

static void test_empty_pieces_change_nothing(void **state)
{
    struct hfa_ws_utf8 utf8;
    hfa_ws_utf8_init(&utf8);
    assert_true(hfa_ws_utf8_feed(&utf8, NULL, 0));
    assert_true(hfa_ws_utf8_is_complete(&utf8));
    assert_true(hfa_ws_utf8_feed(&utf8, "only ASCII so far", 17));
    assert_true(utf8.is_ascii);
    assert_true(hfa_ws_utf8_feed(&utf8, "\xE2\x82", 2));
    assert_false(utf8.is_ascii);
    assert_true(hfa_ws_utf8_feed(&utf8, NULL, 0));
    assert_false(hfa_ws_utf8_is_complete(&utf8));
    assert_true(hfa_ws_utf8_feed(&utf8, "\xAC", 1));
    assert_true(hfa_ws_utf8_is_complete(&utf8));
    assert_true(hfa_ws_utf8_feed(&utf8, "and ASCII again", 15));
    assert_false(utf8.is_ascii);
    hfa_ws_utf8_init(&utf8);
    assert_true(hfa_ws_utf8_feed(&utf8, "long enough \xC3\xA9 for a kernel", 27));
    assert_false(utf8.is_ascii);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* Text of all character lengths with runs of ASCII, sometimes broken in one place. */
static size_t make_text(uint32_t *seed, unsigned char *text, size_t room)
{
    static const uint32_t bases[] = {0x20, 0xA0, 0x4E00, 0x1F600};
    size_t length = 0;
    size_t aim = next_random(seed) % (room - 64);
    while (length < aim) {
        uint32_t base = bases[next_random(seed) % 4];
        for (uint32_t run = next_random(seed) % 20 + 1; run > 0 && length < aim; run--)
            length += encode(base + next_random(seed) % 0x40, text + length);
    }
    if (length > 0 && next_random(seed) % 2)
        text[next_random(seed) % length] = (unsigned char)next_random(seed);
    return length;
}

static void test_random_texts_cut_anywhere_are_judged_like_the_encoder(void **state)
{
    uint32_t seed = 20110;
    for (int round = 0; round < 20000; round++) {
        unsigned char text[512];
        size_t length = make_text(&seed, text, sizeof(text));
        enum verdict expected = judge(text, length);
        assert_int_equal(validate_pieces(text, length, length + 1), expected);
        assert_int_equal(validate_pieces(text, length, next_random(&seed) % 40 + 1), expected);
    }
}

static void test_nothing_past_the_end_is_read(void **state)
{
    uint32_t seed = 6455;
    for (int round = 0; round < 2000; round++) {
        unsigned char text[400];
        struct guard_page page;
        size_t length = make_text(&seed, text, sizeof(text));
        guard_page_map(&page, text, length);
        assert_int_equal(validate_pieces((unsigned char *)page.data, length, length + 1),
                         judge(text, length));
        guard_page_unmap(&page);
    }
}

static void test_every_kernel_counts_the_ascii_prefix(void **state)
{
    const struct hfa_ws_kernels *list[HFA_WS_KERNELS_MAX];
    size_t count = hfa_ws_kernels_list(list);
    for (size_t k = 0; k < count; k++) {
        for (size_t length = 0; length <= 300; length++) {
            struct guard_page page;
            guard_page_map(&page, NULL, length);
            memset(page.data, 0x7F, length);
            const unsigned char *data = (const unsigned char *)page.data;
            assert_int_equal(list[k]->ascii_prefix(data, length), length);
            for (size_t at = 0; at < length; at += 1 + at / 8) {
                page.data[at] = (char)0x80;
                assert_int_equal(list[k]->ascii_prefix(data, length), at);
                page.data[at] = 0;
            }
            guard_page_unmap(&page);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_is_accepted),
        cmocka_unit_test(test_surrogates_and_values_above_the_last_are_refused),
        cmocka_unit_test(test_every_three_bytes_are_judged_like_the_encoder),
        cmocka_unit_test(test_four_bytes_are_judged_like_the_encoder),
        cmocka_unit_test(test_first_wrong_byte_is_found_at_once),
        cmocka_unit_test(test_empty_pieces_change_nothing),
        cmocka_unit_test(test_random_texts_cut_anywhere_are_judged_like_the_encoder),
        cmocka_unit_test(test_nothing_past_the_end_is_read),
        cmocka_unit_test(test_every_kernel_counts_the_ascii_prefix),
    };
    return cmocka_run_group_tests(tests, build_oracle, NULL);
}
