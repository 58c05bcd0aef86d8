/* Lower case by words: the same as byte by byte, for every byte at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "guard_page.h"
#include "lower_case.h"

#define LENGTH_MAX 33

static char lower_of(unsigned byte)
{
    return (char)(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
}

/* The text ends at an unreadable page, before and behind the copy stands what must stay. */
static void assert_lowered(const char *text, size_t length)
{
    char to[LENGTH_MAX + 2];
    memset(to, '#', sizeof(to));
    char *end = hfa_lower_case_copy(to + 1, (struct hfa_bytes){text, length});
    assert_ptr_equal(end, to + 1 + length);
    assert_int_equal(to[0], '#');
    assert_int_equal(*end, '#');
    for (size_t i = 0; i < length; i++)
        assert_int_equal(to[1 + i], lower_of((unsigned char)text[i]));
}

static void test_every_byte_at_every_place_is_lowered_alone(void **state)
{
    for (size_t length = 1; length <= LENGTH_MAX; length++) {
        struct guard_page page;
        guard_page_map(&page, NULL, length);
        for (size_t place = 0; place < length; place++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(page.data, 'Q', length);
                page.data[place] = (char)byte;
                assert_lowered(page.data, length);
            }
        }
        guard_page_unmap(&page);
    }
    assert_lowered("", 0);
}

static void test_text_can_be_lowered_in_place(void **state)
{
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        char text[LENGTH_MAX + 1];
        for (size_t i = 0; i <= length; i++)
            text[i] = (char)('A' + i % 26);
        hfa_lower_case_copy(text, (struct hfa_bytes){text, length});
        for (size_t i = 0; i < length; i++)
            assert_int_equal(text[i], 'a' + (char)(i % 26));
        assert_int_equal(text[length], 'A' + (char)(length % 26));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_at_every_place_is_lowered_alone),
        cmocka_unit_test(test_text_can_be_lowered_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
