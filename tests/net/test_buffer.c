/* The byte queue and its pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "buffer.h"
#include "failing_malloc.h"
#include "recycle.h"

static struct hfa_buffer_pool pool;
static struct hfa_buffer buffer;

static int open_pool(void **state)
{
    hfa_buffer_pool_init(&pool);
    buffer = (struct hfa_buffer){0};
    return 0;
}

static int free_pool(void **state)
{
    hfa_buffer_release(&buffer, &pool);
    hfa_buffer_pool_free(&pool);
    return 0;
}

static void test_bytes_come_out_in_order_whatever_the_sizes(void **state)
{
    unsigned char next_in = 0, next_out = 0;
    for (size_t round = 1; round < 2000; round++) {
        char piece[97];
        size_t in = round * 7 % sizeof(piece);
        for (size_t i = 0; i < in; i++)
            piece[i] = (char)next_in++;
        assert_int_equal(hfa_buffer_append(&buffer, &pool, (struct hfa_bytes){piece, in}), HFA_OK);
        size_t out = round * 5 % (hfa_buffer_length(&buffer) + 1);
        for (size_t i = 0; i < out; i++)
            assert_int_equal((unsigned char)buffer.data[buffer.start + i], next_out++);
        hfa_buffer_consume(&buffer, &pool, out);
    }
}

static void test_an_emptied_buffer_holds_no_storage_and_the_pool_recycles_it(void **state)
{
    hfa_buffer_append(&buffer, &pool, HFA_BYTES("abc"));
    char *storage = buffer.data;
    hfa_buffer_consume(&buffer, &pool, 3);
    assert_null(buffer.data);
    assert_int_equal(pool.count[0], HFA_RECYCLES);
    hfa_buffer_append(&buffer, &pool, HFA_BYTES("abc"));
    if (HFA_RECYCLES)
        assert_ptr_equal(buffer.data, storage);
    assert_int_equal(pool.count[0], 0);
}

static void test_reserve_keeps_the_content(void **state)
{
    static const size_t sizes[] = {1, 5000, 20000, 70000, 500000};
    hfa_buffer_append(&buffer, &pool, HFA_BYTES("xabc"));
    hfa_buffer_consume(&buffer, &pool, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(hfa_buffer_reserve(&buffer, &pool, sizes[i]), HFA_OK);
        assert_true(hfa_buffer_room(&buffer) >= sizes[i]);
        assert_true(hfa_bytes_equal(hfa_buffer_bytes(&buffer), HFA_BYTES("abc")));
    }
}

static void test_no_memory_leaves_the_buffer_as_it_was(void **state)
{
    hfa_buffer_append(&buffer, &pool, HFA_BYTES("abc"));
    failing_malloc_arm(0);
    assert_int_equal(hfa_buffer_reserve(&buffer, &pool, 10000), HFA_ERR_NO_MEMORY);
    failing_malloc_disarm();
    assert_true(hfa_bytes_equal(hfa_buffer_bytes(&buffer), HFA_BYTES("abc")));
    assert_int_equal(hfa_buffer_reserve(&buffer, &pool, SIZE_MAX), HFA_ERR_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_come_out_in_order_whatever_the_sizes, open_pool,
                                        free_pool),
        cmocka_unit_test_setup_teardown(
            test_an_emptied_buffer_holds_no_storage_and_the_pool_recycles_it, open_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_reserve_keeps_the_content, open_pool, free_pool),
        cmocka_unit_test_setup_teardown(test_no_memory_leaves_the_buffer_as_it_was, open_pool,
                                        free_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
