#include "route_pattern.h"

#include <stdint.h>

#define NOWHERE ((size_t)-1)

/* Looking for the end of a parameter costs a try for so many bytes. */
#define BYTES_A_TRY 64

bool hfa_route_pattern_equal(const struct hfa_route_pattern *left,
                             const struct hfa_route_pattern *right)
{
    if (left->param_count != right->param_count ||
        !hfa_bytes_equal(left->literals[0], right->literals[0]))
        return false;
    for (unsigned i = 0; i < left->param_count; i++)
        if (left->convertors[i] != right->convertors[i] ||
            !hfa_bytes_equal(left->literals[i + 1], right->literals[i + 1]))
            return false;
    return true;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex_digit(char byte)
{
    char lower = (char)(byte | 0x20);

    return is_digit(byte) || (lower >= 'a' && lower <= 'f');
}

static size_t end_of_digits(struct hfa_bytes text, size_t start)
{
    while (start < text.length && is_digit(text.data[start]))
        start++;
    return start;
}

static size_t end_of_float(struct hfa_bytes text, size_t start)
{
    size_t whole = end_of_digits(text, start);

    if (whole == start || whole == text.length || text.data[whole] != '.')
        return whole;
    size_t fraction = end_of_digits(text, whole + 1);
    return fraction > whole + 1 ? fraction : whole;
}

static size_t end_of_uuid(struct hfa_bytes text, size_t start)
{
    static const unsigned char groups[] = {8, 4, 4, 4, 12};
    size_t at = start;

    for (unsigned group = 0; group < sizeof(groups); group++) {
        if (group > 0 && at < text.length && text.data[at] == '-')
            at++;
        for (unsigned i = 0; i < groups[group]; i++, at++)
            if (at >= text.length || !is_hex_digit(text.data[at]))
                return NOWHERE;
    }
    return at;
}

/* Where `byte` is next, or the end. */
static size_t end_before(struct hfa_bytes text, size_t start, char byte)
{
    const char *found =
        start < text.length ? memchr(text.data + start, byte, text.length - start) : NULL;

    return found != NULL ? (size_t)(found - text.data) : text.length;
}

/* The greatest end of a parameter that begins at `start`; NOWHERE when it can't. */
static size_t longest_end(enum hfa_convertor convertor, struct hfa_bytes text, size_t start)
{
    size_t end = NOWHERE;

    switch (convertor) {
    case HFA_CONVERTOR_STR:
        end = end_before(text, start, '/');
        break;
    case HFA_CONVERTOR_INT:
        end = end_of_digits(text, start);
        break;
    case HFA_CONVERTOR_FLOAT:
        end = end_of_float(text, start);
        break;
    case HFA_CONVERTOR_UUID:
        return end_of_uuid(text, start);
    case HFA_CONVERTOR_PATH:
        return end_before(text, start, '\n');
    }
    return end > start ? end : NOWHERE;
}

/* Whether a parameter that could reach from `start` to `longest` may end at `end` instead. */
static bool may_end(enum hfa_convertor convertor, struct hfa_bytes text, size_t start,
                    size_t longest, size_t end)
{
    if (end > longest || end < start)
        return false;
    /* Characters, not bytes, are given back. */
    bool between_characters = end == text.length || ((unsigned char)text.data[end] & 0xc0) != 0x80;
    switch (convertor) {
    case HFA_CONVERTOR_STR:
        return end > start && between_characters;
    case HFA_CONVERTOR_INT:
        return end > start;
    case HFA_CONVERTOR_FLOAT:
        return end > start && text.data[end - 1] != '.';
    case HFA_CONVERTOR_UUID:
        return end == longest;
    case HFA_CONVERTOR_PATH:
        return between_characters;
    }
    return false;
}

/* The greatest end below `end`. */
static size_t shorter_end(enum hfa_convertor convertor, struct hfa_bytes text, size_t start,
                          size_t longest, size_t end)
{
    while (end > start)
        if (may_end(convertor, text, start, longest, --end))
            return end;
    return NOWHERE;
}

static bool is_at(struct hfa_bytes literal, struct hfa_bytes text, size_t at)
{
    return literal.length <= text.length - at &&
           (literal.length == 0 || memcmp(text.data + at, literal.data, literal.length) == 0);
}

static uint64_t bit(size_t position)
{
    return position < 64 ? (uint64_t)1 << position : 0;
}

static bool has_bit(uint64_t bits, size_t position)
{
    return (bits & bit(position)) != 0;
}

/* False when not that much work is left. */
static bool spend(unsigned *tries, size_t amount)
{
    if (*tries < amount) {
        *tries = 0;
        return false;
    }
    *tries -= (unsigned)amount;
    return true;
}

enum hfa_route_pattern_match hfa_route_pattern_match(const struct hfa_route_pattern *pattern,
                                                     struct hfa_bytes text, unsigned *tries,
                                                     struct hfa_bytes *captures)
{
    size_t starts[HFA_ROUTE_PARAMS_MAX], longest[HFA_ROUTE_PARAMS_MAX], ends[HFA_ROUTE_PARAMS_MAX];
    /* Where a parameter and all behind it can't begin, as far as a word has bits. */
    uint64_t failed[HFA_ROUTE_PARAMS_MAX];
    struct hfa_bytes first = pattern->literals[0];
    struct hfa_bytes last = pattern->literals[pattern->param_count];

    if (!is_at(first, text, 0))
        return HFA_ROUTE_PATTERN_DIFFERS;
    if (pattern->param_count == 0)
        return first.length == text.length ? HFA_ROUTE_PATTERN_MATCHES : HFA_ROUTE_PATTERN_DIFFERS;
    if (last.length > text.length || !is_at(last, text, text.length - last.length))
        return HFA_ROUTE_PATTERN_DIFFERS;

    unsigned depth = 0, deepest = pattern->param_count - 1;
    size_t at = first.length;
    memset(failed, 0, pattern->param_count * sizeof(failed[0]));
    for (;;) {
        /* A parameter begins at `at`. */
        enum hfa_convertor convertor = pattern->convertors[depth];
        starts[depth] = at;
        longest[depth] = has_bit(failed[depth], at) ? NOWHERE : longest_end(convertor, text, at);
        ends[depth] = longest[depth];
        if (depth > 0 && longest[depth] != NOWHERE &&
            !spend(tries, (longest[depth] - at) / BYTES_A_TRY))
            return HFA_ROUTE_PATTERN_UNDECIDED;
        if (depth == deepest && longest[depth] != NOWHERE) {
            /* Only one end leaves just the last literal. */
            ends[depth] = text.length - last.length;
            if (may_end(convertor, text, at, longest[depth], ends[depth]))
                break;
            ends[depth] = NOWHERE;
        }
        /* Give back until what follows can begin. */
        for (;;) {
            if (ends[depth] == NOWHERE) {
                if (depth == 0)
                    return HFA_ROUTE_PATTERN_DIFFERS;
                failed[depth] |= bit(starts[depth]);
                depth--;
            } else {
                if (!spend(tries, 1))
                    return HFA_ROUTE_PATTERN_UNDECIDED;
                if (is_at(pattern->literals[depth + 1], text, ends[depth])) {
                    at = ends[depth] + pattern->literals[depth + 1].length;
                    break;
                }
            }
            ends[depth] = shorter_end(pattern->convertors[depth], text, starts[depth],
                                      longest[depth], ends[depth]);
        }
        depth++;
    }
    for (unsigned i = 0; i < pattern->param_count; i++)
        captures[i] = (struct hfa_bytes){text.data + starts[i], ends[i] - starts[i]};
    return HFA_ROUTE_PATTERN_MATCHES;
}
