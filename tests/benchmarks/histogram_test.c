#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct hfa_histogram histogram;

static int clear(void **state)
{
    memset(&histogram, 0, sizeof(histogram));
    return 0;
}

static void test_empty_histogram_has_quantile_zero(void **state)
{
    assert_int_equal(hfa_histogram_quantile(&histogram, 0.5), 0);
}

static void test_single_value_is_every_quantile(void **state)
{
    hfa_histogram_record(&histogram, 123456789);
    assert_int_equal(hfa_histogram_quantile(&histogram, 0.0), 123456789);
    assert_int_equal(hfa_histogram_quantile(&histogram, 0.5), 123456789);
    assert_int_equal(hfa_histogram_quantile(&histogram, 1.0), 123456789);
}

static void test_values_are_read_back_within_a_64th(void **state)
{
    for (uint64_t value = 1; value < UINT64_C(86400) * 1000000000; value = value * 3 / 2 + 1) {
        memset(&histogram, 0, sizeof(histogram));
        hfa_histogram_record(&histogram, value);
        hfa_histogram_record(&histogram, value * 2); /* so that max_ns does not hide the bucket */
        uint64_t read = hfa_histogram_quantile(&histogram, 0.5);
        assert_in_range(read, value, value + value / 64);
    }
}

static void test_quantiles_count_values_not_their_sizes(void **state)
{
    for (uint64_t value = 1; value <= 60; value++) {
        hfa_histogram_record(&histogram, value); /* below 64 buckets are exact */
    }
    assert_int_equal(hfa_histogram_quantile(&histogram, 0.5), 30);
    assert_int_equal(hfa_histogram_quantile(&histogram, 0.9), 54);
    assert_int_equal(hfa_histogram_quantile(&histogram, 1.0), 60);
    assert_int_equal(histogram.sum_ns, 60 * 61 / 2);
}

static void test_values_beyond_the_range_keep_their_maximum(void **state)
{
    hfa_histogram_record(&histogram, UINT64_MAX / 2);
    assert_true(hfa_histogram_quantile(&histogram, 1.0) <= UINT64_MAX / 2);
    assert_true(histogram.max_ns == UINT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty_histogram_has_quantile_zero, clear),
        cmocka_unit_test_setup(test_single_value_is_every_quantile, clear),
        cmocka_unit_test_setup(test_values_are_read_back_within_a_64th, clear),
        cmocka_unit_test_setup(test_quantiles_count_values_not_their_sizes, clear),
        cmocka_unit_test_setup(test_values_beyond_the_range_keep_their_maximum, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
