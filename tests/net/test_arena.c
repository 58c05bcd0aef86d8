/* A request's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"
#include "failing_malloc.h"

static _Alignas(16) char first[256];

static void test_first_memory_is_used_before_malloc(void **state)
{
    struct hfa_arena arena;
    hfa_arena_init(&arena, first, sizeof(first));
    failing_malloc_arm(-1);
    for (int i = 0; i < 16; i++) {
        char *memory = hfa_arena_alloc(&arena, 16);
        assert_true(memory >= first && memory + 16 <= first + sizeof(first));
    }
    assert_int_equal(failing_malloc_disarm(), 0);
    hfa_arena_reset(&arena);
}

static void test_pieces_are_aligned_and_apart(void **state)
{
    struct hfa_arena arena;
    char *pieces[300];
    hfa_arena_init(&arena, first + 1, sizeof(first) - 1);
    for (size_t i = 0; i < 300; i++) {
        pieces[i] = hfa_arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal((unsigned char)pieces[i][j], i & 0xff);
    }
    hfa_arena_reset(&arena);
}

static void test_a_piece_larger_than_a_block_is_had(void **state)
{
    struct hfa_arena arena;
    hfa_arena_init(&arena, first, sizeof(first));
    char *large = hfa_arena_alloc(&arena, 1000000);
    assert_non_null(large);
    memset(large, 1, 1000000);
    hfa_arena_reset(&arena);
}

static void test_a_reset_arena_starts_over(void **state)
{
    struct hfa_arena arena;
    hfa_arena_init(&arena, first, sizeof(first));
    void *before = hfa_arena_alloc(&arena, 64);
    assert_non_null(hfa_arena_alloc(&arena, 10000));
    hfa_arena_reset(&arena);
    assert_ptr_equal(hfa_arena_alloc(&arena, 64), before);
    hfa_arena_reset(&arena);
}

static void test_no_memory_is_null_and_the_arena_stays_usable(void **state)
{
    struct hfa_arena arena;
    hfa_arena_init(&arena, first, sizeof(first));
    failing_malloc_arm(0);
    assert_null(hfa_arena_alloc(&arena, 1000));
    assert_non_null(hfa_arena_alloc(&arena, 1000));
    failing_malloc_disarm();
    hfa_arena_reset(&arena);
}

static void test_a_size_that_overflows_is_null(void **state)
{
    struct hfa_arena arena;
    hfa_arena_init(&arena, first, sizeof(first));
    assert_null(hfa_arena_alloc(&arena, SIZE_MAX));
    assert_null(hfa_arena_alloc(&arena, SIZE_MAX - 15));
    hfa_arena_reset(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_memory_is_used_before_malloc),
        cmocka_unit_test(test_pieces_are_aligned_and_apart),
        cmocka_unit_test(test_a_piece_larger_than_a_block_is_had),
        cmocka_unit_test(test_a_reset_arena_starts_over),
        cmocka_unit_test(test_no_memory_is_null_and_the_arena_stays_usable),
        cmocka_unit_test(test_a_size_that_overflows_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
