#include "ip_address.h"

#include "byte_class.h"

/* The decimal parts are three digits at most, without a leading zero: parsers disagree about
 * whether 010 is eight or ten. */
bool hfa_ip_address_parse_v4(struct hfa_bytes text, uint8_t out[static 4])
{
    size_t at = 0;
    for (size_t part = 0; part < 4; part++) {
        if (part > 0) {
            if (at == text.length || text.data[at] != '.')
                return false;
            at++;
        }
        size_t start = at;
        unsigned number = 0;
        while (at < text.length && text.data[at] >= '0' && text.data[at] <= '9') {
            if (at - start == 3)
                return false;
            number = number * 10 + (unsigned)(text.data[at] - '0');
            at++;
        }
        if (at == start || number > 255 || (at - start > 1 && text.data[start] == '0'))
            return false;
        out[part] = (uint8_t)number;
    }
    return at == text.length;
}

/* Reads "h:h:...:h" with up to `room` groups of 16 bits, the last two of which may be written as
 * an IPv4 address when `may_end_in_v4`. Returns the number of groups, or -1. */
static int parse_groups(struct hfa_bytes text, int room, bool may_end_in_v4, uint8_t *out)
{
    int groups = 0;
    size_t at = 0;
    if (text.length == 0)
        return 0;
    for (;;) {
        size_t start = at;
        unsigned value = 0;
        while (at < text.length && hfa_byte_hex(text.data[at]) >= 0) {
            if (at - start == 4)
                return -1;
            value = value << 4 | (unsigned)hfa_byte_hex(text.data[at]);
            at++;
        }
        if (at < text.length && text.data[at] == '.') {
            struct hfa_bytes tail = {text.data + start, text.length - start};
            if (!may_end_in_v4 || groups + 2 > room ||
                !hfa_ip_address_parse_v4(tail, out + (size_t)groups * 2))
                return -1;
            return groups + 2;
        }
        if (at == start || groups == room)
            return -1;
        out[groups * 2] = (uint8_t)(value >> 8);
        out[groups * 2 + 1] = (uint8_t)value;
        groups++;
        if (at == text.length)
            return groups;
        if (text.data[at] != ':')
            return -1;
        at++;
    }
}

bool hfa_ip_address_parse_v6(struct hfa_bytes text, uint8_t out[static 16])
{
    enum { GROUPS = 8 };
    size_t gap = 0;
    while (gap + 1 < text.length && !(text.data[gap] == ':' && text.data[gap + 1] == ':'))
        gap++;
    if (gap + 1 >= text.length)
        return parse_groups(text, GROUPS, true, out) == GROUPS;

    /* "::" stands for one group of zeros at least. */
    uint8_t after[16];
    struct hfa_bytes low = {text.data + gap + 2, text.length - gap - 2};
    int high_groups = parse_groups((struct hfa_bytes){text.data, gap}, GROUPS - 1, false, out);
    if (high_groups < 0)
        return false;
    int low_groups = parse_groups(low, GROUPS - 1 - high_groups, true, after);
    if (low_groups < 0)
        return false;
    size_t high_size = (size_t)high_groups * 2;
    size_t low_size = (size_t)low_groups * 2;
    memset(out + high_size, 0, 16 - high_size - low_size);
    memcpy(out + 16 - low_size, after, low_size);
    return true;
}

bool hfa_ip_address_parse(struct hfa_bytes text, struct hfa_ip_address *address)
{
    *address = (struct hfa_ip_address){.length = 4};
    if (hfa_ip_address_parse_v4(text, address->bytes))
        return true;

    address->length = 16;
    const char *percent = text.length > 0 ? memchr(text.data, '%', text.length) : NULL;
    if (percent != NULL) {
        size_t before = (size_t)(percent - text.data);
        address->scope = (struct hfa_bytes){percent + 1, text.length - before - 1};
        text.length = before;
        if (address->scope.length == 0 ||
            memchr(address->scope.data, '%', address->scope.length) != NULL ||
            memchr(address->scope.data, '/', address->scope.length) != NULL)
            return false;
    }
    return hfa_ip_address_parse_v6(text, address->bytes);
}

bool hfa_ip_address_equal(const struct hfa_ip_address *left, const struct hfa_ip_address *right)
{
    return left->length == right->length && memcmp(left->bytes, right->bytes, left->length) == 0 &&
           hfa_bytes_equal(left->scope, right->scope);
}
