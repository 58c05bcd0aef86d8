/* The scanner of JSON strings: every byte at every place, up to the last readable byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "json_scan.h"

static bool is_special(unsigned byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

static unsigned first(hfa_json_mask mask)
{
    return mask == 0 ? HFA_JSON_BLOCK_SIZE : hfa_json_mask_first(mask);
}

static void assert_block(const char *in, unsigned byte, unsigned place)
{
    unsigned special = is_special(byte) ? place : HFA_JSON_BLOCK_SIZE;
    unsigned not_ascii = byte >= 0x80 ? place : special;
    struct guard_page out;

    guard_page_map(&out, NULL, HFA_JSON_BLOCK_SIZE);
    assert_int_equal(first(hfa_json_copy_block(out.data, in)), special);
    assert_memory_equal(out.data, in, HFA_JSON_BLOCK_SIZE);
    memset(out.data, 0, HFA_JSON_BLOCK_SIZE);
    assert_int_equal(first(hfa_json_copy_ascii_block(out.data, in)), not_ascii);
    assert_memory_equal(out.data, in, HFA_JSON_BLOCK_SIZE);
    assert_int_equal(first(hfa_json_find_block(in)), special);
    assert_int_equal(first(hfa_json_find_ascii_block(in)), not_ascii);
    guard_page_unmap(&out);
}

static void test_a_block_ends_at_its_first_special_byte(void **state)
{
    struct guard_page in;

    guard_page_map(&in, NULL, HFA_JSON_BLOCK_SIZE);
    for (unsigned byte = 0; byte < 256; byte++) {
        for (unsigned place = 0; place < HFA_JSON_BLOCK_SIZE; place++) {
            memset(in.data, 'a', HFA_JSON_BLOCK_SIZE);
            in.data[place] = (char)byte;
            assert_block(in.data, byte, place);
        }
    }
    memset(in.data, '"', HFA_JSON_BLOCK_SIZE);
    assert_int_equal(first(hfa_json_find_block(in.data)), 0);
    guard_page_unmap(&in);
}

static void assert_rest(unsigned byte, size_t size, size_t place)
{
    struct guard_page in, out;

    guard_page_map(&in, NULL, size);
    guard_page_map(&out, NULL, size);
    memset(in.data, 'z', size);
    in.data[place] = (char)byte;
    assert_int_equal(hfa_json_copy_rest(out.data, in.data, size), !is_special(byte));
    if (!is_special(byte))
        assert_memory_equal(out.data, in.data, size);
    guard_page_unmap(&in);
    guard_page_unmap(&out);
}

static void test_a_rest_is_copied_unless_a_byte_is_special(void **state)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t size = 1; size < HFA_JSON_BLOCK_SIZE; size++) {
            for (size_t place = 0; place < size; place++)
                assert_rest(byte, size, place);
        }
    }
    assert_true(hfa_json_copy_rest(NULL, NULL, 0));
}

static void test_eight_bytes_are_told_at_once(void **state)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (unsigned place = 0; place < 8; place++) {
            /* A neighbour's borrow must not be taken for a special byte. */
            for (unsigned filler = 0x20; filler < 0x100; filler += 0x1f) {
                uint64_t word = HFA_JSON_EACH_BYTE * filler;
                word &= ~(UINT64_C(0xff) << 8 * place);
                word |= (uint64_t)byte << 8 * place;
                bool expected = is_special(byte) || is_special(filler);
                assert_int_equal(hfa_json_has_special_8(word), expected);
                assert_int_equal(hfa_json_has_non_ascii_8(word), byte >= 0x80 || filler >= 0x80);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_ends_at_its_first_special_byte),
        cmocka_unit_test(test_a_rest_is_copied_unless_a_byte_is_special),
        cmocka_unit_test(test_eight_bytes_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
