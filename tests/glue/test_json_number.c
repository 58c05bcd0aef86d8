/* Numbers of JSON: what the C library reads and what it writes with 17 digits is the judge. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json_number.h"

enum { ROUNDS = 200000 };

static uint64_t next_random(uint64_t *random)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void assert_integer(int64_t value)
{
    char text[HFA_JSON_INTEGER_SIZE], expected[HFA_JSON_INTEGER_SIZE];
    int length = snprintf(expected, sizeof(expected), "%lld", (long long)value);
    assert_int_equal(hfa_json_write_integer(text, value) - text, length);
    assert_memory_equal(text, expected, (size_t)length);
}

static void test_integers_are_written_as_printf_does(void **state)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t difference = 0; difference < 3; difference++) {
            assert_integer((int64_t)((UINT64_C(1) << bit) - 1 + difference));
            assert_integer((int64_t)(0 - (UINT64_C(1) << bit) - 1 + difference));
        }
    }
    uint64_t power = 1;
    for (unsigned digits = 0; digits < 19; digits++, power *= 10) {
        assert_integer((int64_t)power - 1);
        assert_integer((int64_t)power);
        assert_integer(-(int64_t)power);
    }
}

/* The text means the same double, and no digit can be left out. */
static void assert_double(double value)
{
    char text[HFA_JSON_DOUBLE_SIZE + 1], shorter[40];
    char *end = hfa_json_write_double(text, value);
    assert_true(end <= text + HFA_JSON_DOUBLE_SIZE);
    *end = 0;
    if (strtod(text, NULL) != value || signbit(strtod(text, NULL)) != signbit(value))
        fail_msg("%s is not %.17g", text, value);
    unsigned digits = 0;
    unsigned zeros = 0;
    for (const char *c = text; *c != 0 && *c != 'e'; c++) {
        if (*c >= '1' && *c <= '9') {
            digits += 1 + (digits == 0 ? 0 : zeros);
            zeros = 0;
        } else if (*c == '0') {
            zeros++;
        }
    }
    if (digits < 2)
        return;
    snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2, value);
    if (strtod(shorter, NULL) == value)
        fail_msg("%s is %s", text, shorter);
}

static void test_doubles_are_written_with_the_fewest_digits(void **state)
{
    uint64_t random = 88172645463325252u;
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        for (uint64_t fraction = 0; fraction < 3; fraction++) {
            assert_double(double_of(exponent << 52 | fraction));
            assert_double(double_of((UINT64_C(1) << 63) + ((exponent + 1) << 52) - 1 - fraction));
        }
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        double value = double_of(next_random(&random));
        if (isfinite(value))
            assert_double(value);
        assert_double((double)(next_random(&random) % 100000000) / 1000);
        assert_double((double)(next_random(&random) % 100000000) / 10000);
        assert_double((double)(next_random(&random) % 1000000000000000) / 10000);
        assert_double((double)(next_random(&random) % 1000000000000000) / 1e6);
    }
}

static void assert_text(double value, const char *expected)
{
    char text[HFA_JSON_DOUBLE_SIZE + 1];
    *hfa_json_write_double(text, value) = 0;
    assert_string_equal(text, expected);
}

static void test_the_notation_is_that_of_python(void **state)
{
    assert_text(0.0, "0.0");
    assert_text(-0.0, "-0.0");
    assert_text(1.0, "1.0");
    assert_text(1e15, "1000000000000000.0");
    assert_text(9999999999999998.0, "9999999999999998.0");
    assert_text(1e16, "1e+16");
    assert_text(123456789012345680.0, "1.2345678901234568e+17");
    assert_text(0.0001, "0.0001");
    assert_text(0.00012345, "0.00012345");
    assert_text(0.00001, "1e-05");
    assert_text(-1.5e-7, "-1.5e-07");
    assert_text(DBL_TRUE_MIN, "5e-324");
    assert_text(-DBL_MAX, "-1.7976931348623157e+308");
    assert_text(12.5, "12.5");
    assert_text(1e23, "1e+23");
}

/* Returns whether it was made at all. */
static bool assert_made(uint64_t digits, int exponent)
{
    char text[48];
    double value;
    snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, exponent);
    if (!hfa_json_make_double(false, digits, exponent, &value))
        return false;
    if (value != strtod(text, NULL))
        fail_msg("%s: %.17g, not %.17g", text, value, strtod(text, NULL));
    assert_true(hfa_json_make_double(true, digits, exponent, &value));
    assert_true(value == -strtod(text, NULL));
    return true;
}

static void test_doubles_are_made_of_digits_as_strtod_does(void **state)
{
    uint64_t random = 1234567891011u;
    unsigned made = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        made += assert_made(next_random(&random), (int)(next_random(&random) % 600) - 300);
        made += assert_made(next_random(&random) >> next_random(&random) % 60,
                            (int)(next_random(&random) % 60) - 40);
    }
    /* Only now and then may a number be left to another way. */
    assert_true(made > 2 * ROUNDS * 9 / 10);
}

/* 2^53 + 1 lies half-way between two doubles; so does each multiple of it by a power of two. */
static void test_a_half_goes_to_the_even_double(void **state)
{
    for (unsigned shift = 0; shift < 10; shift++) {
        uint64_t half = ((UINT64_C(1) << 53) + 1) << shift;
        for (uint64_t odd = 0; odd < 64; odd += 2) {
            assert_true(assert_made(half + (odd << shift), 0));
            assert_true(assert_made(half + (odd << shift) + 1, 0));
            assert_true(assert_made(half + (odd << shift) - 1, 0));
        }
    }
    for (int exponent = 1; exponent <= 23; exponent++) {
        uint64_t digits = UINT64_C(9007199254740993);
        for (int i = 0; i < exponent && digits % 5 == 0; i++)
            digits /= 5;
        assert_made(digits, exponent);
        assert_made(digits, -exponent);
    }
}

static void test_zero_keeps_its_sign_and_extremes_are_left_alone(void **state)
{
    double value;
    assert_true(hfa_json_make_double(true, 0, 999999, &value));
    assert_true(value == 0 && signbit(value));
    assert_false(hfa_json_make_double(false, 1, 309, &value));
    assert_false(hfa_json_make_double(false, 2, 308, &value));
    assert_false(hfa_json_make_double(false, 1, -308, &value));
    assert_false(hfa_json_make_double(false, 1, -2000000000, &value));
    assert_false(hfa_json_make_double(false, 1, 2000000000, &value));
    assert_true(hfa_json_make_double(false, 17976931348623157, 292, &value));
    assert_true(value == DBL_MAX);
}

static int prepare(void **state)
{
    hfa_json_number_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_are_written_as_printf_does),
        cmocka_unit_test(test_doubles_are_written_with_the_fewest_digits),
        cmocka_unit_test(test_the_notation_is_that_of_python),
        cmocka_unit_test(test_doubles_are_made_of_digits_as_strtod_does),
        cmocka_unit_test(test_a_half_goes_to_the_even_double),
        cmocka_unit_test(test_zero_keeps_its_sign_and_extremes_are_left_alone),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
