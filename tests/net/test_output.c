/* What waits to be sent: copied, borrowed, and from files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "output.h"

static struct hfa_buffer_pool pool;
static struct hfa_output output;
static struct hfa_lent *released;

static int open_output(void **state)
{
    hfa_buffer_pool_init(&pool);
    output = (struct hfa_output){0};
    released = NULL;
    return 0;
}

static unsigned free_released(void)
{
    unsigned count = 0;

    while (released != NULL) {
        struct hfa_lent *lent = released;
        released = lent->next;
        free(lent);
        count++;
    }
    return count;
}

static int free_output(void **state)
{
    hfa_output_clear(&output, &pool, &released);
    free_released();
    hfa_buffer_pool_free(&pool);
    return output.length == 0 ? 0 : -1;
}

static void append(const char *text)
{
    assert_int_equal(hfa_output_append(&output, &pool, (struct hfa_bytes){text, strlen(text)}),
                     HFA_OK);
}

/* All that is up to the next file range, sent in steps of `step` bytes. */
static void assert_comes_out(const char *expected, size_t step)
{
    char got[256] = {0};
    size_t length = 0;
    struct iovec vectors[8];

    while (hfa_output_vectors(&output, vectors, 8) > 0) {
        size_t size = vectors[0].iov_len < step ? vectors[0].iov_len : step;
        assert_true(length + size < sizeof(got));
        memcpy(got + length, vectors[0].iov_base, size);
        length += size;
        hfa_output_consume(&output, &pool, size, &released);
    }
    assert_string_equal(got, expected);
}

static void test_small_pieces_leave_as_one(void **state)
{
    struct iovec vectors[8];
    append("one ");
    append("two ");
    append("three");
    assert_int_equal(hfa_output_vectors(&output, vectors, 8), 1);
    assert_int_equal(output.length, 13);
    assert_comes_out("one two three", 3);
    assert_int_equal(output.length, 0);
}

static void test_order_is_kept_around_borrowed_memory(void **state)
{
    for (size_t step = 1; step < 20; step++) {
        int owner = 0;
        append("before ");
        assert_int_equal(hfa_output_borrow(&output, HFA_BYTES("lent "), &owner), HFA_OK);
        append("between ");
        assert_int_equal(hfa_output_borrow(&output, HFA_BYTES("lent again "), &owner), HFA_OK);
        append("behind");
        assert_comes_out("before lent between lent again behind", step);
        assert_int_equal(free_released(), 2);
    }
}

static void test_lent_memory_comes_back_with_its_last_byte(void **state)
{
    int owner = 0;
    hfa_output_borrow(&output, HFA_BYTES("lent"), &owner);
    hfa_output_consume(&output, &pool, 3, &released);
    assert_null(released);
    hfa_output_consume(&output, &pool, 1, &released);
    assert_non_null(released);
    assert_ptr_equal(released->owner, &owner);
    assert_int_equal(free_released(), 1);
}

static void test_a_cleared_output_gives_everything_back(void **state)
{
    int owner = 0, fds[2];
    assert_int_equal(pipe(fds), 0);
    append("text");
    hfa_output_borrow(&output, HFA_BYTES("lent"), &owner);
    assert_int_equal(hfa_output_append_file(&output, fds[0], 0, 10), HFA_OK);
    hfa_output_clear(&output, &pool, &released);
    assert_int_equal(free_released(), 1);
    assert_int_equal(output.length, 0);
    assert_int_equal(close(fds[0]), -1);
    close(fds[1]);
}

static void test_a_file_range_stops_the_vectors_and_is_closed_when_sent(void **state)
{
    int fds[2], fd = -1;
    off_t offset = 0;
    size_t length = 0;
    struct iovec vectors[8];
    assert_int_equal(pipe(fds), 0);
    append("head");
    hfa_output_append_file(&output, fds[0], 100, 50);
    append("tail");
    assert_false(hfa_output_next_file(&output, &fd, &offset, &length));
    assert_comes_out("head", 4);
    assert_int_equal(hfa_output_vectors(&output, vectors, 8), 0);
    assert_true(hfa_output_next_file(&output, &fd, &offset, &length));
    assert_int_equal(fd, fds[0]);
    hfa_output_consume(&output, &pool, 20, &released);
    assert_true(hfa_output_next_file(&output, &fd, &offset, &length));
    assert_int_equal(offset, 120);
    assert_int_equal(length, 30);
    hfa_output_consume(&output, &pool, 30, &released);
    assert_int_equal(close(fds[0]), -1);
    assert_comes_out("tail", 4);
    close(fds[1]);
}

static void test_large_output_is_complete(void **state)
{
    static char piece[50000];
    uint64_t sent = 0;
    for (int i = 0; i < 20; i++) {
        memset(piece, 'a' + i, sizeof(piece));
        hfa_output_append(&output, &pool, (struct hfa_bytes){piece, sizeof(piece)});
    }
    assert_int_equal(output.length, 20 * sizeof(piece));
    struct iovec vectors[4];
    while (hfa_output_vectors(&output, vectors, 4) > 0) {
        size_t size = vectors[0].iov_len < 777 ? vectors[0].iov_len : 777;
        for (size_t i = 0; i < size; i++)
            assert_int_equal(((char *)vectors[0].iov_base)[i],
                             'a' + (int)((sent + i) / sizeof(piece)));
        hfa_output_consume(&output, &pool, size, &released);
        sent += size;
    }
    assert_int_equal(sent, 20 * sizeof(piece));
}

static void test_borrowing_without_memory_borrows_nothing(void **state)
{
    int owner = 0;
    append("kept");
    for (long index = 0; index < 2; index++) {
        failing_malloc_arm(index);
        assert_int_equal(hfa_output_borrow(&output, HFA_BYTES("lent"), &owner), HFA_ERR_NO_MEMORY);
        failing_malloc_disarm();
    }
    assert_int_equal(output.length, 4);
    assert_comes_out("kept", 4);
    assert_int_equal(free_released(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_small_pieces_leave_as_one, open_output, free_output),
        cmocka_unit_test_setup_teardown(test_order_is_kept_around_borrowed_memory, open_output,
                                        free_output),
        cmocka_unit_test_setup_teardown(test_lent_memory_comes_back_with_its_last_byte, open_output,
                                        free_output),
        cmocka_unit_test_setup_teardown(test_a_cleared_output_gives_everything_back, open_output,
                                        free_output),
        cmocka_unit_test_setup_teardown(test_a_file_range_stops_the_vectors_and_is_closed_when_sent,
                                        open_output, free_output),
        cmocka_unit_test_setup_teardown(test_large_output_is_complete, open_output, free_output),
        cmocka_unit_test_setup_teardown(test_borrowing_without_memory_borrows_nothing, open_output,
                                        free_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
