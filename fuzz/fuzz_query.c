/* Takes a query apart: its pairs are all that is between the '&', and each name and value decodes
 * to well-formed UTF-8 that is equal to itself and found again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "query.h"
#include "require.h"
#include "ws_utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of its own size, so that writing past its end is found. */
static struct hfa_bytes decode(struct hfa_bytes raw)
{
    char *memory = malloc(HFA_QUERY_DECODED_MAX(raw.length) + (raw.length == 0));
    struct hfa_ws_utf8 utf8;
    require(memory != NULL);
    struct hfa_bytes decoded = {memory, hfa_query_decode(raw, memory)};
    hfa_ws_utf8_init(&utf8);
    require(hfa_ws_utf8_feed(&utf8, decoded.data, decoded.length));
    require(hfa_ws_utf8_is_complete(&utf8));
    require(hfa_query_name_equals(raw, decoded));
    if (hfa_query_is_plain(raw))
        require(hfa_bytes_equal(raw, decoded));
    if (decoded.length > 0) {
        require(!hfa_query_name_equals(raw, (struct hfa_bytes){memory, decoded.length - 1}));
        memory[decoded.length - 1] ^= 1;
        require(!hfa_query_name_equals(raw, decoded));
        memory[decoded.length - 1] ^= 1;
    }
    return decoded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *memory = malloc(size + (size == 0));
    struct hfa_query_pair pair, other;
    struct hfa_bytes found;

    require(memory != NULL);
    memcpy(memory, data, size);
    struct hfa_bytes query = {memory, size}, rest = query;
    size_t covered = 0, ampersands = 0;
    for (size_t i = 0; i < size; i++)
        ampersands += data[i] == '&';
    while (hfa_query_next(&rest, &pair)) {
        require(pair.name.length + pair.value.length > 0 || pair.value.data > pair.name.data);
        covered += (size_t)(pair.value.data + pair.value.length - pair.name.data);
        struct hfa_bytes name = decode(pair.name), value = decode(pair.value);
        struct hfa_bytes later = rest;
        found = pair.value;
        while (hfa_query_next(&later, &other))
            if (hfa_query_name_equals(other.name, name))
                found = other.value;
        struct hfa_bytes last;
        require(hfa_query_find_last(query, name, &last));
        require(last.data == found.data && last.length == found.length);
        free((char *)name.data);
        free((char *)value.data);
    }
    require(covered + ampersands == size);
    free(memory);
    return 0;
}
