/* Offers of compression, and what is answered to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "ws_extension.h"

#define WINDOW_BITS 12

/* What is answered to one field of offers; "" when none is accepted. */
static const char *answer(const char *offers, struct hfa_ws_deflate_terms *terms)
{
    static char out[HFA_WS_EXTENSION_MAX + 1];
    size_t length = 0;
    struct hfa_field field = {HFA_BYTES("sec-websocket-extensions"), {offers, strlen(offers)}};
    bool chosen = hfa_ws_extension_choose(&field, 1, WINDOW_BITS, terms, out, &length);
    out[chosen ? length : 0] = '\0';
    return out;
}

static void assert_answer(const char *offers, const char *expected)
{
    struct hfa_ws_deflate_terms terms;
    assert_string_equal(answer(offers, &terms), expected);
}

static void test_plain_offer_bounds_our_window_alone(void **state)
{
    struct hfa_ws_deflate_terms terms;
    assert_string_equal(answer("permessage-deflate", &terms),
                        "permessage-deflate; server_max_window_bits=12");
    assert_int_equal(terms.server_window_bits, 12);
    assert_int_equal(terms.client_window_bits, 15);
    assert_int_equal(terms.memory_level, 5);
    assert_false(terms.server_no_context_takeover || terms.client_no_context_takeover);
}

static void test_offer_of_browsers_bounds_both_windows(void **state)
{
    struct hfa_ws_deflate_terms terms;
    assert_string_equal(answer("permessage-deflate; client_max_window_bits", &terms),
                        "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12");
    assert_int_equal(terms.client_window_bits, 12);
}

static void test_smaller_windows_are_kept_to(void **state)
{
    struct hfa_ws_deflate_terms terms;
    assert_string_equal(
        answer("permessage-deflate; server_max_window_bits=9; client_max_window_bits=8", &terms),
        "permessage-deflate; server_max_window_bits=9; client_max_window_bits=8");
    assert_int_equal(terms.server_window_bits, 9);
    assert_int_equal(terms.client_window_bits, 8);
}

static void test_larger_windows_are_bounded(void **state)
{
    assert_answer("permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
                  "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12");
}

static void test_context_takeover_is_given_up_as_asked(void **state)
{
    struct hfa_ws_deflate_terms terms;
    assert_string_equal(
        answer("permessage-deflate;server_no_context_takeover ; client_no_context_takeover",
               &terms),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=12");
    assert_true(terms.server_no_context_takeover && terms.client_no_context_takeover);
}

static void test_values_may_be_quoted(void **state)
{
    assert_answer("permessage-deflate; server_max_window_bits=\"1\\0\"",
                  "permessage-deflate; server_max_window_bits=10");
}

static void test_first_offer_that_can_be_kept_to_is_taken(void **state)
{
    assert_answer("x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8, "
                  "permessage-deflate; new, permessage-deflate; server_max_window_bits=11, "
                  "permessage-deflate",
                  "permessage-deflate; server_max_window_bits=11");
}

static void test_offers_may_stand_in_several_fields(void **state)
{
    char out[HFA_WS_EXTENSION_MAX];
    size_t length = 0;
    struct hfa_ws_deflate_terms terms;
    struct hfa_field fields[] = {
        {HFA_BYTES_INIT("host"), HFA_BYTES_INIT("permessage-deflate")},
        {HFA_BYTES_INIT("sec-websocket-extensions"), HFA_BYTES_INIT("other; a=b")},
        {HFA_BYTES_INIT("sec-websocket-extensions"), HFA_BYTES_INIT("permessage-deflate")},
    };
    assert_false(hfa_ws_extension_choose(fields, 2, WINDOW_BITS, &terms, out, &length));
    assert_true(hfa_ws_extension_choose(fields, 3, WINDOW_BITS, &terms, out, &length));
}

static void test_offers_that_are_not_accepted(void **state)
{
    static const char *const parameters[] = {
        "server_max_window_bits",
        "server_max_window_bits=8",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=100",
        "client_max_window_bits=0",
        "client_max_window_bits=abc",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "unknown",
        "Server_no_context_takeover",
        "server_max_window_bits=\"\"",
    };
    static const char *const repeated[] = {
        "server_max_window_bits=10",
        "client_max_window_bits",
        "server_no_context_takeover",
        "client_no_context_takeover",
    };
    char offer[200];
    for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
        snprintf(offer, sizeof(offer), "permessage-deflate; %s", parameters[i]);
        assert_answer(offer, "");
    }
    for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
        snprintf(offer, sizeof(offer), "permessage-deflate; %s; %s", repeated[i], repeated[i]);
        assert_answer(offer, "");
    }
    assert_answer("Permessage-Deflate", "");
    assert_answer("permessage-bzip2", "");
}

static void test_longest_answer_fits(void **state)
{
    char out[HFA_WS_EXTENSION_MAX];
    size_t length = 0;
    struct hfa_ws_deflate_terms terms;
    struct hfa_bytes offer = HFA_BYTES("permessage-deflate; server_no_context_takeover; "
                                       "client_no_context_takeover; client_max_window_bits");
    struct hfa_field field = {HFA_BYTES("sec-websocket-extensions"), offer};
    assert_true(hfa_ws_extension_choose(&field, 1, 15, &terms, out, &length));
    assert_int_equal(length, HFA_WS_EXTENSION_MAX);
    assert_int_equal(terms.memory_level, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_offer_bounds_our_window_alone),
        cmocka_unit_test(test_offer_of_browsers_bounds_both_windows),
        cmocka_unit_test(test_smaller_windows_are_kept_to),
        cmocka_unit_test(test_larger_windows_are_bounded),
        cmocka_unit_test(test_context_takeover_is_given_up_as_asked),
        cmocka_unit_test(test_values_may_be_quoted),
        cmocka_unit_test(test_first_offer_that_can_be_kept_to_is_taken),
        cmocka_unit_test(test_offers_may_stand_in_several_fields),
        cmocka_unit_test(test_offers_that_are_not_accepted),
        cmocka_unit_test(test_longest_answer_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
