/* Decodes a chunked body whole, in pieces and byte by byte, and compares it with a decoder that is
 * written as the grammar is (RFC 9112 7.1).
 *
 * Input: a byte that chooses the bound on the trailers, one the size of the pieces, then the body.
 */
#include <stdint.h>
#include <string.h>

#include "byte_class.h"
#include "http1_body.h"
#include "require.h"

#define HEADER_SIZE 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What became of a body. */
struct outcome {
    enum hfa_status status;
    size_t consumed; /* when it has ended */
    char *body;      /* owned */
    size_t body_length;
};

/* --- the grammar, over the whole input ---------------------------------------------------------
 */

static bool has_crlf(struct hfa_bytes input, size_t at, enum hfa_status *status)
{
    if (at < input.length && input.data[at] != '\r') {
        *status = HFA_ERR_PROTOCOL;
        return false;
    }
    if (at + 1 < input.length && input.data[at + 1] != '\n') {
        *status = HFA_ERR_PROTOCOL;
        return false;
    }
    *status = HFA_AGAIN;
    return at + 1 < input.length;
}

static bool read_trailer_line(struct hfa_bytes input, size_t *at, size_t *room,
                              enum hfa_status *status)
{
    bool in_value = false;
    size_t start = *at;
    for (;; (*at)++) {
        if (*at == input.length) {
            *status = HFA_AGAIN;
            return false;
        }
        if (*room == 0) {
            *status = HFA_ERR_LIMIT;
            return false;
        }
        (*room)--;
        char byte = input.data[*at];
        if (!in_value && byte == ':' && *at > start) {
            in_value = true;
        } else if (in_value && byte == '\r') {
            break;
        } else if (!hfa_byte_is(byte, in_value ? HFA_BYTE_TEXT : HFA_BYTE_TOKEN)) {
            *status = HFA_ERR_PROTOCOL;
            return false;
        }
    }
    (*at)++;
    if (*at == input.length) {
        *status = HFA_AGAIN;
        return false;
    }
    if (*room == 0) {
        *status = HFA_ERR_LIMIT;
        return false;
    }
    (*room)--;
    if (input.data[*at] != '\n') {
        *status = HFA_ERR_PROTOCOL;
        return false;
    }
    (*at)++;
    return true;
}

static void read_trailers(struct hfa_bytes input, size_t at, size_t room, struct outcome *outcome)
{
    while (at == input.length || input.data[at] != '\r') {
        if (!read_trailer_line(input, &at, &room, &outcome->status))
            return;
    }
    if (!has_crlf(input, at, &outcome->status))
        return;
    outcome->status = HFA_OK;
    outcome->consumed = at + 2;
}

/* Digits up to the line's end. False: `outcome->status` says why. */
static bool read_size(struct hfa_bytes input, size_t *at, uint64_t *size, struct outcome *outcome)
{
    size_t digits = 0;
    *size = 0;
    while (*at < input.length && hfa_byte_hex(input.data[*at]) >= 0) {
        if (++digits > 16) {
            outcome->status = HFA_ERR_PROTOCOL;
            return false;
        }
        *size = *size * 16 + (uint64_t)hfa_byte_hex(input.data[(*at)++]);
    }
    if (*at < input.length && digits == 0) {
        outcome->status = HFA_ERR_PROTOCOL;
        return false;
    }
    if (!has_crlf(input, *at, &outcome->status))
        return false;
    *at += 2;
    return true;
}

static struct outcome decode_by_grammar(struct hfa_bytes input, size_t trailer_limit)
{
    struct outcome outcome = {.body = malloc(input.length + 1)};
    size_t at = 0;
    uint64_t size;
    require(outcome.body != NULL);
    while (read_size(input, &at, &size, &outcome)) {
        if (size == 0) {
            read_trailers(input, at, trailer_limit, &outcome);
            break;
        }
        size_t left = input.length - at;
        size_t taken = size < left ? (size_t)size : left;
        memcpy(outcome.body + outcome.body_length, input.data + at, taken);
        outcome.body_length += taken;
        at += taken;
        if (taken < size) {
            outcome.status = HFA_AGAIN;
            break;
        }
        if (!has_crlf(input, at, &outcome.status))
            break;
        at += 2;
    }
    return outcome;
}

/* --- ours, in pieces ---------------------------------------------------------------------------
 */

static struct outcome decode(struct hfa_bytes input, size_t trailer_limit, size_t piece)
{
    struct outcome outcome = {.status = HFA_AGAIN, .body = malloc(input.length + 1)};
    struct hfa_http1_chunked decoder;
    require(outcome.body != NULL);
    hfa_http1_chunked_init(&decoder);
    for (size_t start = 0; start < input.length && outcome.status == HFA_AGAIN; start += piece) {
        size_t length = input.length - start < piece ? input.length - start : piece;
        char *copy = malloc(length);
        require(copy != NULL);
        memcpy(copy, input.data + start, length);
        for (size_t at = 0; at < length && outcome.status == HFA_AGAIN;) {
            struct hfa_bytes rest = {copy + at, length - at};
            struct hfa_bytes data;
            size_t consumed;
            outcome.status =
                hfa_http1_chunked_decode(&decoder, rest, trailer_limit, &consumed, &data);
            require(consumed <= rest.length);
            require(outcome.status != HFA_AGAIN || consumed > 0);
            require(data.data >= rest.data && data.length <= rest.length &&
                    data.data + data.length <= rest.data + rest.length);
            if (outcome.status == HFA_OK || outcome.status == HFA_AGAIN) {
                memcpy(outcome.body + outcome.body_length, data.data, data.length);
                outcome.body_length += data.length;
            }
            at += consumed;
            if (outcome.status == HFA_OK)
                outcome.consumed = start + at;
        }
        free(copy);
    }
    if (outcome.status != HFA_AGAIN) {
        struct hfa_bytes data;
        size_t consumed;
        require(hfa_http1_chunked_decode(&decoder, HFA_BYTES("0\r\n\r\n"), trailer_limit, &consumed,
                                         &data) == outcome.status);
        require(consumed == 0 && data.length == 0);
    }
    return outcome;
}

/* Of a body with a fault, what stood before it may be dropped. */
static void require_same(const struct outcome *expected, struct outcome found)
{
    require(expected->status == found.status);
    require(expected->consumed == found.consumed);
    require(found.body_length <= expected->body_length);
    require(expected->status < 0 || found.body_length == expected->body_length);
    require(memcmp(expected->body, found.body, found.body_length) == 0);
    free(found.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= HEADER_SIZE)
        return 0;
    size_t trailer_limit = data[0] == 255 ? 8192 : data[0];
    size_t piece = (size_t)data[1] + 2;
    struct hfa_bytes input = {(const char *)data + HEADER_SIZE, size - HEADER_SIZE};

    struct outcome expected = decode_by_grammar(input, trailer_limit);
    require_same(&expected, decode(input, trailer_limit, input.length));
    require_same(&expected, decode(input, trailer_limit, piece));
    require_same(&expected, decode(input, trailer_limit, 1));
    free(expected.body);
    return 0;
}
