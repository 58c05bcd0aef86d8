/* Masking: every kernel against one byte at a time, in place, in pieces, beside a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "ws_kernel.h"
#include "ws_mask.h"

/* More than four of the widest registers, several times over. */
#define LENGTH_MAX 700

static const unsigned char key[4] = {0x37, 0xFA, 0x21, 0x3D};

static void fill(char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        data[i] = (char)(i * 7 + (i >> 5));
}

static void mask_plainly(char *data, size_t length, size_t offset)
{
    for (size_t i = 0; i < length; i++)
        data[i] = (char)(data[i] ^ key[(offset + i) % 4]);
}

static void test_example_of_the_rfc(void **state)
{
    char data[] = {0x7f, (char)0x9f, 0x4d, 0x51, 0x58};
    hfa_ws_mask(data, sizeof(data), key, 0);
    assert_memory_equal(data, "Hello", 5);
}

static void test_every_kernel_masks_like_the_definition(void **state)
{
    const struct hfa_ws_kernels *list[HFA_WS_KERNELS_MAX];
    size_t count = hfa_ws_kernels_list(list);
    uint32_t key_word;
    memcpy(&key_word, key, sizeof(key_word));

    for (size_t k = 0; k < count; k++) {
        print_message("kernel %s\n", list[k]->name);
        for (size_t length = 0; length <= LENGTH_MAX; length++) {
            /* Both ends of the piece change what is aligned, and the end is unreadable. */
            char expected[LENGTH_MAX];
            struct guard_page page;
            fill(expected, length);
            guard_page_map(&page, expected, length);
            mask_plainly(expected, length, 0);
            list[k]->mask((unsigned char *)page.data, length, key_word);
            assert_memory_equal(page.data, expected, length);
            guard_page_unmap(&page);
        }
    }
}

static void test_kernels_leave_the_neighbours_alone(void **state)
{
    const struct hfa_ws_kernels *list[HFA_WS_KERNELS_MAX];
    size_t count = hfa_ws_kernels_list(list);
    for (size_t k = 0; k < count; k++) {
        for (size_t start = 0; start < 40; start++) {
            char data[LENGTH_MAX], expected[LENGTH_MAX];
            size_t length = LENGTH_MAX - 80;
            uint32_t key_word;
            memcpy(&key_word, key, sizeof(key_word));
            fill(data, sizeof(data));
            fill(expected, sizeof(expected));
            mask_plainly(expected + start, length, 0);
            list[k]->mask((unsigned char *)data + start, length, key_word);
            assert_memory_equal(data, expected, sizeof(data));
        }
    }
}

static void test_pieces_give_the_same_as_the_whole(void **state)
{
    for (size_t cut = 0; cut <= 200; cut++) {
        char data[200], expected[200];
        fill(data, sizeof(data));
        fill(expected, sizeof(expected));
        mask_plainly(expected, sizeof(expected), 0);
        hfa_ws_mask(data, cut, key, 0);
        hfa_ws_mask(data + cut, sizeof(data) - cut, key, cut);
        assert_memory_equal(data, expected, sizeof(data));
    }
}

static void test_chosen_kernel_is_the_first_of_the_list(void **state)
{
    const struct hfa_ws_kernels *list[HFA_WS_KERNELS_MAX];
    size_t count = hfa_ws_kernels_list(list);
    assert_true(count >= 1 && count <= HFA_WS_KERNELS_MAX);
    assert_ptr_equal(hfa_ws_kernels(), list[0]);
    assert_string_equal(list[count - 1]->name, "portable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_rfc),
        cmocka_unit_test(test_every_kernel_masks_like_the_definition),
        cmocka_unit_test(test_kernels_leave_the_neighbours_alone),
        cmocka_unit_test(test_pieces_give_the_same_as_the_whole),
        cmocka_unit_test(test_chosen_kernel_is_the_first_of_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
