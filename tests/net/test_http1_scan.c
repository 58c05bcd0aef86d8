/* Scanner kernels: each byte, at each place of a block, is told as the table says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "byte_class.h"
#include "guard_page.h"
#include "http1_head.h"
#include "http1_scan.h"

enum { BLOCKS = 4 };

static bool is_outside(unsigned char byte, enum hfa_http1_class class)
{
    static const enum hfa_byte_class classes[] = {
        [HFA_HTTP1_NAME] = HFA_BYTE_NAME,
        [HFA_HTTP1_LINE] = HFA_BYTE_LINE,
        [HFA_HTTP1_VISIBLE] = HFA_BYTE_VISIBLE,
    };
    return !hfa_byte_is((char)byte, classes[class]);
}

static void assert_block(const char *kernel, const struct hfa_http1_block *block, const char *bytes)
{
    for (size_t class = 0; class < HFA_HTTP1_CLASSES; class ++) {
        for (size_t i = 0; i < HFA_HTTP1_BLOCK_SIZE; i++) {
            bool found = (block->outside[class] >> i & 1) != 0;
            if (found != is_outside((unsigned char)bytes[i], class))
                fail_msg("%s: class %zu, byte 0x%02x at %zu", kernel, class,
                         (unsigned char)bytes[i], i);
        }
    }
}

static void test_every_byte_at_every_place_is_told_as_in_the_table(void **state)
{
    const struct hfa_http1_scanner *const *scanner = hfa_http1_scanners();
    for (; *scanner != NULL; scanner++) {
        for (unsigned first = 0; first < 256; first++) {
            char bytes[HFA_HTTP1_BLOCK_SIZE];
            struct hfa_http1_block block;
            for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (char)(first + i);
            (*scanner)->classify(bytes, 1, bytes, &block);
            assert_block((*scanner)->name, &block, bytes);
        }
    }
}

static void test_blocks_follow_each_other_but_for_the_last(void **state)
{
    const struct hfa_http1_scanner *const *scanner = hfa_http1_scanners();
    char bytes[BLOCKS * HFA_HTTP1_BLOCK_SIZE];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (char)(random >> 24);
    }
    struct guard_page page;
    guard_page_map(&page, bytes, sizeof(bytes));
    for (; *scanner != NULL; scanner++) {
        for (size_t count = 1; count <= BLOCKS; count++) {
            struct hfa_http1_block blocks[BLOCKS];
            const char *data = page.data;
            const char *last = page.data + sizeof(bytes) - HFA_HTTP1_BLOCK_SIZE;
            (*scanner)->classify(data, count, last, blocks);
            for (size_t i = 0; i + 1 < count; i++)
                assert_block((*scanner)->name, &blocks[i], data + i * HFA_HTTP1_BLOCK_SIZE);
            assert_block((*scanner)->name, &blocks[count - 1], last);
        }
    }
    guard_page_unmap(&page);
}

static void test_the_fastest_kernel_is_chosen(void **state)
{
    const struct hfa_http1_scanner *const *scanners = hfa_http1_scanners();
    assert_string_equal(hfa_http1_head_scanner(), scanners[0]->name);
    size_t count = 0;
    while (scanners[count] != NULL)
        count++;
    assert_ptr_equal(scanners[count - 1], &hfa_http1_scanner_portable);
#if defined(__x86_64__)
    assert_true(count >= 2);
    assert_string_equal(scanners[0]->name, __builtin_cpu_supports("avx2") ? "avx2" : "sse2");
#elif defined(__aarch64__)
    assert_string_equal(scanners[0]->name, "neon");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fastest_kernel_is_chosen),
        cmocka_unit_test(test_every_byte_at_every_place_is_told_as_in_the_table),
        cmocka_unit_test(test_blocks_follow_each_other_but_for_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
