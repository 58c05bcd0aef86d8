#include "query.h"

/* What one piece of the input decodes to at most: a character, or U+FFFD. */
#define PIECE_MAX 4

bool hfa_query_next(struct hfa_bytes *rest, struct hfa_query_pair *pair)
{
    while (rest->length > 0 && rest->data[0] == '&') {
        rest->data++;
        rest->length--;
    }
    if (rest->length == 0)
        return false;
    const char *ampersand = memchr(rest->data, '&', rest->length);
    size_t length = ampersand != NULL ? (size_t)(ampersand - rest->data) : rest->length;
    const char *equals = memchr(rest->data, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - rest->data) : length;
    size_t value_start = equals != NULL ? name_length + 1 : length;
    pair->name = (struct hfa_bytes){rest->data, name_length};
    pair->value = (struct hfa_bytes){rest->data + value_start, length - value_start};
    rest->data += length;
    rest->length -= length;
    return true;
}

/* Stands for itself. */
static inline bool is_plain(char byte)
{
    return byte != '%' && byte != '+' && (unsigned char)byte < 0x80;
}

bool hfa_query_is_plain(struct hfa_bytes raw)
{
    for (size_t i = 0; i < raw.length; i++)
        if (!is_plain(raw.data[i]))
            return false;
    return true;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The byte that an escape at `at` stands for; -1: there is none. */
static int escape_at(struct hfa_bytes raw, size_t at)
{
    if (raw.length - at < 3 || raw.data[at] != '%')
        return -1;
    int high = hex_digit(raw.data[at + 1]), low = hex_digit(raw.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* How many bytes follow the first one of a character; `lowest` and `highest` bound the next.
 * -1: no character begins so (RFC 3629). */
static int continuations(int lead, int *lowest, int *highest)
{
    *lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0xc2 || lead > 0xf4)
        return -1;
    return lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
}

/* Decodes what is at `*at` and goes beyond it; returns the length of the piece. */
static size_t next_piece(struct hfa_bytes raw, size_t *at, char piece[PIECE_MAX])
{
    unsigned char byte = (unsigned char)raw.data[*at];
    int escape = escape_at(raw, *at);
    int lowest, highest;
    size_t length = 1;

    if (escape < 0x80) {
        *at += escape < 0 ? 1 : 3;
        if (escape < 0 && byte >= 0x80) {
            piece[0] = (char)(0xc0 | byte >> 6);
            piece[1] = (char)(0x80 | (byte & 0x3f));
            return 2;
        }
        piece[0] = escape >= 0 ? (char)escape : byte == '+' ? ' ' : (char)byte;
        return 1;
    }
    int missing = continuations(escape, &lowest, &highest);
    piece[0] = (char)escape;
    *at += 3;
    while (missing > 0) {
        escape = *at < raw.length ? escape_at(raw, *at) : -1;
        if (escape < lowest || escape > highest)
            break;
        piece[length++] = (char)escape;
        *at += 3;
        missing--;
        lowest = 0x80;
        highest = 0xbf;
    }
    if (missing == 0)
        return length;
    memcpy(piece, "\xef\xbf\xbd", 3);
    return 3;
}

size_t hfa_query_decode(struct hfa_bytes raw, char *decoded)
{
    char piece[PIECE_MAX];
    size_t length = 0;

    for (size_t at = 0; at < raw.length;) {
        size_t size = next_piece(raw, &at, piece);
        memcpy(decoded + length, piece, size);
        length += size;
    }
    return length;
}

bool hfa_query_name_equals(struct hfa_bytes raw, struct hfa_bytes name)
{
    char piece[PIECE_MAX];
    size_t at = 0;

    while (at < raw.length && is_plain(raw.data[at])) {
        if (at == name.length || raw.data[at] != name.data[at])
            return false;
        at++;
    }
    name.data += at;
    name.length -= at;
    while (at < raw.length) {
        size_t size = next_piece(raw, &at, piece);
        if (size > name.length || memcmp(piece, name.data, size) != 0)
            return false;
        name.data += size;
        name.length -= size;
    }
    return name.length == 0;
}

bool hfa_query_find_last(struct hfa_bytes query, struct hfa_bytes name, struct hfa_bytes *value)
{
    struct hfa_query_pair pair;
    bool found = false;

    while (hfa_query_next(&query, &pair))
        if (hfa_query_name_equals(pair.name, name)) {
            *value = pair.value;
            found = true;
        }
    return found;
}
