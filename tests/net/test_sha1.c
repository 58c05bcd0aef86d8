/* SHA-1 against published and computed digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sha1.h"

static void assert_digest(struct hfa_bytes message, const char *expected)
{
    unsigned char digest[HFA_SHA1_SIZE];
    char text[2 * HFA_SHA1_SIZE + 1];
    hfa_sha1(message, digest);
    for (size_t i = 0; i < HFA_SHA1_SIZE; i++) {
        text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    text[sizeof(text) - 1] = '\0';
    assert_string_equal(text, expected);
}

static void test_examples_of_the_standard(void **state)
{
    assert_digest(HFA_BYTES(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_digest((struct hfa_bytes){NULL, 0}, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_digest(HFA_BYTES("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_digest(HFA_BYTES("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
}

static void test_a_million_letters(void **state)
{
    size_t length = 1000000;
    char *message = malloc(length);
    assert_non_null(message);
    memset(message, 'a', length);
    assert_digest((struct hfa_bytes){message, length}, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    free(message);
}

/* The digest of the digests of 300 messages, as another implementation computes it. */
static void test_every_length_around_the_block_size(void **state)
{
    static unsigned char digests[300 * HFA_SHA1_SIZE];
    char message[300];
    for (size_t length = 0; length < sizeof(message); length++) {
        hfa_sha1((struct hfa_bytes){message, length}, digests + length * HFA_SHA1_SIZE);
        message[length] = (char)(length * 7 + 3);
    }
    assert_digest((struct hfa_bytes){(const char *)digests, sizeof(digests)},
                  "ca9349a03c700fe25e6c2cde997aa96ac2227d8a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_standard),
        cmocka_unit_test(test_a_million_letters),
        cmocka_unit_test(test_every_length_around_the_block_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
