/* Frame heads: what is read, what is refused and with which code, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "ws_frame.h"

#define MASK_KEY "\x37\xfa\x21\x3d"

/* Decodes bytes that end at an unreadable page. */
static enum hfa_status decode(struct hfa_bytes input, bool masked, struct hfa_ws_frame_head *head,
                              size_t *consumed, struct hfa_ws_close *fault)
{
    struct guard_page page;
    guard_page_map(&page, input.data, input.length);
    enum hfa_status status = hfa_ws_frame_decode((struct hfa_bytes){page.data, input.length},
                                                 masked, head, consumed, fault);
    guard_page_unmap(&page);
    return status;
}

/* Every proper prefix of a head asks for more; the whole one is read and no byte behind it. */
static struct hfa_ws_frame_head decode_whole(struct hfa_bytes wire, bool masked)
{
    struct hfa_ws_frame_head head;
    struct hfa_ws_close fault;
    size_t consumed = 99;
    for (size_t length = 0; length < wire.length; length++)
        assert_int_equal(
            decode((struct hfa_bytes){wire.data, length}, masked, &head, &consumed, &fault),
            HFA_AGAIN);
    assert_int_equal(decode(wire, masked, &head, &consumed, &fault), HFA_OK);
    assert_int_equal(consumed, wire.length);

    char longer[HFA_WS_FRAME_HEAD_MAX + 1];
    memcpy(longer, wire.data, wire.length);
    longer[wire.length] = 'x';
    assert_int_equal(
        decode((struct hfa_bytes){longer, wire.length + 1}, masked, &head, &consumed, &fault),
        HFA_OK);
    assert_int_equal(consumed, wire.length);
    return head;
}

/* The head is refused with `code` as soon as `shown_after` bytes are there, and not before. */
static void assert_refused(struct hfa_bytes wire, bool masked, size_t shown_after, unsigned code)
{
    struct hfa_ws_frame_head head;
    struct hfa_ws_close fault;
    size_t consumed;
    for (size_t length = 0; length <= wire.length; length++) {
        fault.code = 0;
        enum hfa_status status =
            decode((struct hfa_bytes){wire.data, length}, masked, &head, &consumed, &fault);
        if (length < shown_after) {
            assert_int_equal(status, HFA_AGAIN);
            continue;
        }
        assert_int_equal(status, HFA_ERR_PROTOCOL);
        assert_int_equal(fault.code, code);
        assert_true(fault.reason.length > 0);
        assert_true(fault.reason.length <= HFA_WS_CLOSE_REASON_MAX);
    }
}

static void test_short_masked_head_is_read(void **state)
{
    struct hfa_ws_frame_head head = decode_whole(HFA_BYTES("\x81\x85" MASK_KEY), true);
    assert_int_equal(head.opcode, HFA_WS_OPCODE_TEXT);
    assert_true(head.final);
    assert_true(head.masked);
    assert_int_equal(head.reserved, 0);
    assert_int_equal(head.payload_length, 5);
    assert_memory_equal(head.mask_key, MASK_KEY, 4);
}

static void test_unmasked_head_is_read_where_masks_are_forbidden(void **state)
{
    struct hfa_ws_frame_head head = decode_whole(HFA_BYTES("\x02\x7d"), false);
    assert_int_equal(head.opcode, HFA_WS_OPCODE_BINARY);
    assert_false(head.final);
    assert_false(head.masked);
    assert_int_equal(head.payload_length, 125);
    assert_memory_equal(head.mask_key, "\0\0\0\0", 4);
}

static void test_longer_lengths_are_read(void **state)
{
    assert_int_equal(decode_whole(HFA_BYTES("\x82\xfe\x00\x7e" MASK_KEY), true).payload_length,
                     126);
    assert_int_equal(decode_whole(HFA_BYTES("\x82\xfe\xff\xff" MASK_KEY), true).payload_length,
                     65535);
    assert_int_equal(
        decode_whole(HFA_BYTES("\x82\xff\0\0\0\0\0\x01\0\0" MASK_KEY), true).payload_length, 65536);
    assert_true(decode_whole(HFA_BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" MASK_KEY), true)
                    .payload_length == INT64_MAX);
}

static void test_reserved_bits_are_reported_not_judged(void **state)
{
    assert_int_equal(decode_whole(HFA_BYTES("\xc1\x80" MASK_KEY), true).reserved, HFA_WS_RSV1);
    assert_int_equal(decode_whole(HFA_BYTES("\xa1\x80" MASK_KEY), true).reserved, HFA_WS_RSV2);
    assert_int_equal(decode_whole(HFA_BYTES("\x91\x80" MASK_KEY), true).reserved, HFA_WS_RSV3);
    assert_int_equal(decode_whole(HFA_BYTES("\xf9\x80" MASK_KEY), true).reserved, HFA_WS_RSV_MASK);
}

static void test_unknown_opcodes_are_refused(void **state)
{
    for (unsigned opcode = 0; opcode < 16; opcode++) {
        char wire[] = {(char)(0x80 | opcode), (char)0x80, 1, 2, 3, 4};
        if (opcode <= 2 || (opcode >= 8 && opcode <= 10))
            assert_int_equal(decode_whole((struct hfa_bytes){wire, 6}, true).opcode, opcode);
        else
            assert_refused((struct hfa_bytes){wire, 6}, true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
    }
}

static void test_mask_against_the_rule_is_refused(void **state)
{
    assert_refused(HFA_BYTES("\x81\x05Hello"), true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
    assert_refused(HFA_BYTES("\x81\x85" MASK_KEY), false, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
}

static void test_fragmented_control_frames_are_refused(void **state)
{
    assert_refused(HFA_BYTES("\x08\x80" MASK_KEY), true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
    assert_refused(HFA_BYTES("\x09\x80" MASK_KEY), true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
    assert_refused(HFA_BYTES("\x0a\x80" MASK_KEY), true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
}

static void test_control_frames_above_125_bytes_are_refused(void **state)
{
    assert_int_equal(decode_whole(HFA_BYTES("\x89\xfd" MASK_KEY), true).payload_length, 125);
    assert_refused(HFA_BYTES("\x89\xfe\x00\x7e"), true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
    assert_refused(HFA_BYTES("\x88\xff\0\0\0\0\0\x01\0\0"), true, 2, HFA_WS_CLOSE_PROTOCOL_ERROR);
}

static void test_lengths_that_could_be_shorter_are_refused(void **state)
{
    assert_refused(HFA_BYTES("\x82\xfe\x00\x7d" MASK_KEY), true, 4, HFA_WS_CLOSE_PROTOCOL_ERROR);
    assert_refused(HFA_BYTES("\x82\xfe\x00\x00" MASK_KEY), true, 4, HFA_WS_CLOSE_PROTOCOL_ERROR);
    assert_refused(HFA_BYTES("\x82\xff\0\0\0\0\0\0\xff\xff" MASK_KEY), true, 10,
                   HFA_WS_CLOSE_PROTOCOL_ERROR);
}

static void test_length_with_its_top_bit_is_too_big(void **state)
{
    assert_refused(HFA_BYTES("\x82\xff\x80\0\0\0\0\0\0\0" MASK_KEY), true, 10,
                   HFA_WS_CLOSE_TOO_BIG);
}

static void test_heads_are_written_as_they_are_read(void **state)
{
    static const uint64_t lengths[] = {0, 1, 125, 126, 127, 65535, 65536, INT64_MAX};
    static const size_t sizes[] = {2, 2, 2, 4, 4, 4, 10, 10};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (unsigned masked = 0; masked < 2; masked++) {
            struct hfa_ws_frame_head head = {
                .payload_length = lengths[i],
                .opcode = HFA_WS_OPCODE_CONTINUATION,
                .reserved = HFA_WS_RSV1,
                .final = masked,
                .masked = masked,
            };
            memcpy(head.mask_key, masked ? "abcd" : "\0\0\0\0", 4);
            char wire[HFA_WS_FRAME_HEAD_MAX];
            size_t length = hfa_ws_frame_encode(&head, wire);
            assert_int_equal(length, sizes[i] + (masked ? 4 : 0));
            struct hfa_ws_frame_head back = decode_whole((struct hfa_bytes){wire, length}, masked);
            assert_int_equal(back.opcode, head.opcode);
            assert_true(back.payload_length == head.payload_length);
            assert_int_equal(back.reserved, head.reserved);
            assert_int_equal(back.final, head.final);
            assert_int_equal(back.masked, head.masked);
            assert_memory_equal(back.mask_key, head.mask_key, 4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_masked_head_is_read),
        cmocka_unit_test(test_unmasked_head_is_read_where_masks_are_forbidden),
        cmocka_unit_test(test_longer_lengths_are_read),
        cmocka_unit_test(test_reserved_bits_are_reported_not_judged),
        cmocka_unit_test(test_unknown_opcodes_are_refused),
        cmocka_unit_test(test_mask_against_the_rule_is_refused),
        cmocka_unit_test(test_fragmented_control_frames_are_refused),
        cmocka_unit_test(test_control_frames_above_125_bytes_are_refused),
        cmocka_unit_test(test_lengths_that_could_be_shorter_are_refused),
        cmocka_unit_test(test_length_with_its_top_bit_is_too_big),
        cmocka_unit_test(test_heads_are_written_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
