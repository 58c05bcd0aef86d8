#include "ws_extension.h"

/* zlib's memory level at which its tables are as large as the window. */
#define MEMORY_LEVEL(window_bits) ((unsigned char)((window_bits) > 8 ? (window_bits)-7 : 1))

/* One offer; window bits of 0: not spoken of. */
struct offer {
    bool server_no_context_takeover;
    bool client_no_context_takeover;
    bool client_accepts_bound; /* client_max_window_bits, with or without a value */
    unsigned server_window_bits;
    unsigned client_window_bits;
};

/* Cuts the piece in front of `separator` off `rest`, trimmed; false: that was the last. */
static bool cut(struct hfa_bytes *rest, char separator, struct hfa_bytes *piece)
{
    const char *end = rest->length > 0 ? memchr(rest->data, separator, rest->length) : NULL;
    size_t length = end != NULL ? (size_t)(end - rest->data) : rest->length;

    *piece = hfa_field_trim((struct hfa_bytes){rest->data, length});
    if (end == NULL) {
        rest->length = 0;
        return false;
    }
    *rest = (struct hfa_bytes){end + 1, rest->length - length - 1};
    return true;
}

/* "8" to "15", also as a quoted string; 0: anything else. */
static unsigned read_window_bits(struct hfa_bytes value)
{
    char digits[2];
    size_t count = 0;
    bool is_quoted = value.length >= 2 && value.data[0] == '"';

    if (is_quoted)
        value = (struct hfa_bytes){value.data + 1, value.length - 2};
    for (size_t i = 0; i < value.length; i++) {
        if (is_quoted && value.data[i] == '\\' && i + 1 < value.length)
            i++;
        if (count == sizeof(digits) || value.data[i] < '0' || value.data[i] > '9')
            return 0;
        digits[count++] = value.data[i];
    }
    if (count == 1)
        return digits[0] >= '8' ? (unsigned)(digits[0] - '0') : 0;
    return count == 2 && digits[0] == '1' && digits[1] <= '5' ? 10 + (unsigned)(digits[1] - '0')
                                                              : 0;
}

/* Each parameter at most once, with a value or without as it has to be (RFC 7692 7.1). */
static bool read_parameter(struct offer *offer, struct hfa_bytes parameter)
{
    struct hfa_bytes name;
    bool has_value = cut(&parameter, '=', &name);
    unsigned bits = has_value ? read_window_bits(hfa_field_trim(parameter)) : 0;

    if (hfa_bytes_equal(name, HFA_BYTES("server_no_context_takeover"))) {
        bool is_first = !offer->server_no_context_takeover;
        offer->server_no_context_takeover = true;
        return is_first && !has_value;
    }
    if (hfa_bytes_equal(name, HFA_BYTES("client_no_context_takeover"))) {
        bool is_first = !offer->client_no_context_takeover;
        offer->client_no_context_takeover = true;
        return is_first && !has_value;
    }
    if (hfa_bytes_equal(name, HFA_BYTES("server_max_window_bits"))) {
        bool is_first = offer->server_window_bits == 0;
        offer->server_window_bits = bits;
        return is_first && bits != 0;
    }
    if (hfa_bytes_equal(name, HFA_BYTES("client_max_window_bits"))) {
        bool is_first = !offer->client_accepts_bound;
        offer->client_accepts_bound = true;
        offer->client_window_bits = bits;
        return is_first && (!has_value || bits != 0);
    }
    return false;
}

static bool read_offer(struct hfa_bytes element, struct offer *offer)
{
    struct hfa_bytes piece;
    bool more = cut(&element, ';', &piece);

    *offer = (struct offer){0};
    if (!hfa_bytes_equal(piece, HFA_BYTES("permessage-deflate")))
        return false;
    while (more) {
        more = cut(&element, ';', &piece);
        if (!read_parameter(offer, piece))
            return false;
    }
    return true;
}

static char *put(char *at, struct hfa_bytes bytes)
{
    memcpy(at, bytes.data, bytes.length);
    return at + bytes.length;
}

static char *put_bits(char *at, struct hfa_bytes name, unsigned bits)
{
    at = put(at, name);
    if (bits >= 10)
        *at++ = '1';
    *at++ = (char)('0' + bits % 10);
    return at;
}

static size_t write_answer(const struct hfa_ws_deflate_terms *terms, bool bounds_client,
                           char out[static HFA_WS_EXTENSION_MAX])
{
    char *at = put(out, HFA_BYTES("permessage-deflate"));

    if (terms->server_no_context_takeover)
        at = put(at, HFA_BYTES("; server_no_context_takeover"));
    if (terms->client_no_context_takeover)
        at = put(at, HFA_BYTES("; client_no_context_takeover"));
    at = put_bits(at, HFA_BYTES("; server_max_window_bits="), terms->server_window_bits);
    if (bounds_client)
        at = put_bits(at, HFA_BYTES("; client_max_window_bits="), terms->client_window_bits);
    return (size_t)(at - out);
}

static unsigned char smaller(unsigned asked, unsigned ours)
{
    return (unsigned char)(asked != 0 && asked < ours ? asked : ours);
}

static bool agree(const struct offer *offer, unsigned window_bits,
                  struct hfa_ws_deflate_terms *terms)
{
    *terms = (struct hfa_ws_deflate_terms){
        .server_no_context_takeover = offer->server_no_context_takeover,
        .client_no_context_takeover = offer->client_no_context_takeover,
        .server_window_bits = smaller(offer->server_window_bits, window_bits),
        .client_window_bits = offer->client_accepts_bound
                                  ? smaller(offer->client_window_bits, window_bits)
                                  : HFA_WS_WINDOW_BITS_MAX,
        .memory_level = MEMORY_LEVEL(window_bits),
    };
    return terms->server_window_bits >= HFA_WS_WINDOW_BITS_MIN;
}

bool hfa_ws_extension_choose(const struct hfa_field *fields, size_t field_count,
                             unsigned window_bits, struct hfa_ws_deflate_terms *terms,
                             char out[static HFA_WS_EXTENSION_MAX], size_t *length)
{
    for (size_t i = 0; i < field_count; i++) {
        struct hfa_bytes list = fields[i].value;
        struct hfa_bytes element;
        struct offer offer;
        if (!hfa_bytes_equal_lower(fields[i].name, HFA_BYTES("sec-websocket-extensions")))
            continue;
        while (hfa_field_next_element(&list, &element)) {
            if (!read_offer(element, &offer) || !agree(&offer, window_bits, terms))
                continue;
            *length = write_answer(terms, offer.client_accepts_bound, out);
            return true;
        }
    }
    return false;
}
