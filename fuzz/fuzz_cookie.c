/* Takes Cookie fields, one a line, apart: names and values are stripped, unquoting never grows, and
 * what a search finds is what going through all of them finds last.
 */
#include <stdint.h>
#include <stdlib.h>

#include "cookie.h"
#include "latin1.h"
#include "require.h"

#define FIELDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its own size, so that writing past its end is found. */
static struct hfa_bytes to_utf8(struct hfa_bytes latin1)
{
    char *memory = malloc(2 * latin1.length + 1);
    size_t length = 0;
    require(memory != NULL);
    for (size_t i = 0; i < latin1.length; i++) {
        unsigned char byte = (unsigned char)latin1.data[i];
        if (byte < 0x80) {
            memory[length++] = (char)byte;
        } else {
            memory[length++] = (char)(0xc0 | byte >> 6);
            memory[length++] = (char)(0x80 | (byte & 0x3f));
        }
    }
    return (struct hfa_bytes){memory, length};
}

static void require_unquotes(struct hfa_bytes value)
{
    char *memory = malloc(value.length + (value.length == 0));
    require(memory != NULL);
    size_t length = hfa_cookie_unquote(value, memory);
    if (hfa_cookie_is_quoted(value))
        require(length + 2 <= value.length);
    else
        require(hfa_bytes_equal((struct hfa_bytes){memory, length}, value));
    free(memory);
}

static bool find_last(const struct hfa_field *fields, size_t count, struct hfa_bytes name,
                      struct hfa_bytes *value)
{
    struct hfa_cookie cookie;
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        struct hfa_bytes rest = fields[i].value;
        while (hfa_cookie_next(&rest, &cookie))
            if (hfa_bytes_equal(cookie.name, name)) {
                *value = cookie.value;
                found = true;
            }
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfa_field fields[FIELDS_MAX];
    char *memory = malloc(size + (size == 0));
    struct hfa_cookie cookie;
    size_t count = 0;

    require(memory != NULL);
    memcpy(memory, data, size);
    for (size_t at = 0; at < size && count < FIELDS_MAX;) {
        const char *end = memchr(memory + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - memory) - at : size - at;
        fields[count++] = (struct hfa_field){HFA_BYTES("cookie"), {memory + at, length}};
        at += length + 1;
    }
    for (size_t i = 0; i < count; i++) {
        struct hfa_bytes rest = fields[i].value;
        while (hfa_cookie_next(&rest, &cookie)) {
            struct hfa_bytes expected = {NULL, 0}, found = {NULL, 0};
            require(cookie.name.length > 0 || cookie.value.length > 0);
            require(hfa_latin1_trim(cookie.name).length == cookie.name.length);
            require(hfa_latin1_trim(cookie.value).length == cookie.value.length);
            require_unquotes(cookie.value);
            struct hfa_bytes name = to_utf8(cookie.name);
            require(hfa_cookie_name_equals(cookie.name, name));
            require(find_last(fields, count, cookie.name, &expected));
            require(hfa_cookie_find_last(fields, count, name, &found));
            require(found.data == expected.data && found.length == expected.length);
            free((char *)name.data);
        }
    }
    free(memory);
    return 0;
}
