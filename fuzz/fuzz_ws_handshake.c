/* Judges handshakes made of the input's lines: "METHOD" and then "name: value" lines. */
#include <stdint.h>
#include <string.h>

#include "require.h"
#include "ws_extension.h"
#include "ws_handshake.h"

#define FIELDS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Cuts the next line, without its end, off `text`. */
static struct hfa_bytes next_line(struct hfa_bytes *text)
{
    const char *end = text->length > 0 ? memchr(text->data, '\n', text->length) : NULL;
    size_t length = end ? (size_t)(end - text->data) : text->length;
    struct hfa_bytes line = {text->data, length};
    size_t taken = end ? length + 1 : length;
    text->data += taken;
    text->length -= taken;
    return line;
}

/* A value in memory of its own, so that reading past its end is found. */
static struct hfa_bytes copy(struct hfa_bytes value)
{
    char *memory = malloc(value.length > 0 ? value.length : 1);
    require(memory != NULL);
    if (value.length > 0)
        memcpy(memory, value.data, value.length);
    return (struct hfa_bytes){memory, value.length};
}

static void require_subprotocols_cover(struct hfa_bytes value)
{
    struct hfa_bytes rest = value, element;
    size_t elements = 0, commas = 0;
    for (size_t i = 0; i < value.length; i++)
        commas += value.data[i] == ',';
    while (hfa_ws_handshake_next_subprotocol(&rest, &element)) {
        require(element.length <= value.length);
        elements++;
    }
    require(elements == commas + 1);
}

/* Terms are always ones that can be kept to, and the answer repeats nothing of the client's. */
static void require_terms(const struct hfa_field *fields, size_t count, unsigned window_bits)
{
    struct hfa_ws_deflate_terms terms;
    char answer[HFA_WS_EXTENSION_MAX];
    size_t length = 0;

    if (!hfa_ws_extension_choose(fields, count, window_bits, &terms, answer, &length))
        return;
    require(terms.server_window_bits >= 9 && terms.server_window_bits <= window_bits);
    require(terms.client_window_bits >= 8 && terms.client_window_bits <= 15);
    require(length > 0 && length <= sizeof(answer));
    require(hfa_field_value_is_safe((struct hfa_bytes){answer, length}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfa_bytes text = {(const char *)data, size};
    struct hfa_field fields[FIELDS_MAX];
    struct hfa_ws_refusal refusal = {0};
    char accept[HFA_WS_ACCEPT_SIZE] = {0};
    size_t count = 0;

    struct hfa_bytes method = next_line(&text);
    while (text.length > 0 && count < FIELDS_MAX) {
        struct hfa_bytes line = next_line(&text);
        const char *colon = line.length > 0 ? memchr(line.data, ':', line.length) : NULL;
        if (!colon)
            continue;
        size_t name_length = (size_t)(colon - line.data);
        struct hfa_bytes value = {colon + 1, line.length - name_length - 1};
        fields[count].name = (struct hfa_bytes){line.data, name_length};
        fields[count].value = copy(hfa_field_trim(value));
        require_subprotocols_cover(fields[count].value);
        count++;
    }
    if (hfa_ws_handshake_check(method, fields, count, accept, &refusal) == HFA_OK) {
        require(count >= 4);
        require(accept[HFA_WS_ACCEPT_SIZE - 1] == '=' && accept[HFA_WS_ACCEPT_SIZE - 2] != '=');
        require_terms(fields, count, 9 + (unsigned)(size % 7));
    } else {
        require(refusal.http_status == 400 || refusal.http_status == 405 ||
                refusal.http_status == 426);
        require(refusal.reason.length > 0 && hfa_field_value_is_safe(refusal.reason));
    }
    for (size_t i = 0; i < count; i++)
        free((void *)fields[i].value.data);
    return 0;
}
