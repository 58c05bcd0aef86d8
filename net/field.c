#include "field.h"

#include "byte_class.h"
#include "ip_address.h"

/* Every byte is looked at, without an early exit: values are nearly always good. */
static bool all_in_class(struct hfa_bytes bytes, enum hfa_byte_class wanted)
{
    const uint8_t *table = hfa_byte_classes;
    const unsigned char *at = (const unsigned char *)bytes.data;
    const unsigned char *end = at + bytes.length;
    unsigned classes = (unsigned)wanted;

    for (; end - at >= 4; at += 4)
        classes &= (unsigned)table[at[0]] & table[at[1]] & table[at[2]] & table[at[3]];
    for (; at < end; at++)
        classes &= table[*at];
    return classes != 0;
}

bool hfa_field_is_token(struct hfa_bytes bytes)
{
    return bytes.length > 0 && all_in_class(bytes, HFA_BYTE_TOKEN);
}

bool hfa_field_name_is_safe(struct hfa_bytes name)
{
    return name.length > 0 && all_in_class(name, HFA_BYTE_SENT_NAME);
}

/* Bit 7 of each byte of a word that is a control other than HTAB; no byte carries into another. */
static inline uint64_t unsafe_bytes(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = word & 0x7f * ones;
    uint64_t not_control = low + (0x80 - 0x20) * ones;
    uint64_t is_delete = low + 1 * ones;
    uint64_t not_tab = (low ^ '\t' * ones) + 0x7f * ones;

    return ((~not_control & not_tab) | is_delete) & ~word & 0x80 * ones;
}

bool hfa_field_value_is_safe(struct hfa_bytes value)
{
    const char *at = value.data;
    uint64_t bad = 0;
    uint64_t word;

    if (value.length < sizeof(word)) {
        word = UINT64_C(0x2020202020202020); /* spaces, which are safe */
        for (size_t i = 0; i < value.length; i++)
            word = word << 8 | (unsigned char)at[i];
        return unsafe_bytes(word) == 0;
    }
    const char *last = at + value.length - sizeof(word);
    for (; at < last; at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        bad |= unsafe_bytes(word);
    }
    memcpy(&word, last, sizeof(word)); /* may overlap the one before */
    return (bad | unsafe_bytes(word)) == 0;
}

bool hfa_field_next_element(struct hfa_bytes *list, struct hfa_bytes *element)
{
    while (list->length > 0) {
        const char *comma = memchr(list->data, ',', list->length);
        size_t length = comma != NULL ? (size_t)(comma - list->data) : list->length;
        size_t taken = comma != NULL ? length + 1 : length;
        *element = hfa_field_trim((struct hfa_bytes){list->data, length});
        list->data += taken;
        list->length -= taken;
        if (element->length > 0)
            return true;
    }
    return false;
}

enum hfa_status hfa_field_parse_content_length(struct hfa_bytes value, uint64_t *length)
{
    if (value.length == 0)
        return HFA_ERR_PROTOCOL;
    uint64_t sum = 0;
    bool fits = true;
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return HFA_ERR_PROTOCOL;
        uint64_t digit = (uint64_t)(value.data[i] - '0');
        if (sum > ((uint64_t)INT64_MAX - digit) / 10)
            fits = false;
        if (fits)
            sum = sum * 10 + digit;
    }
    if (!fits)
        return HFA_ERR_LIMIT;
    *length = sum;
    return HFA_OK;
}

/* RFC 3986 3.2.3: *DIGIT, so it may be empty, and it may be no port that TCP has. */
static bool is_port(struct hfa_bytes port)
{
    for (size_t i = 0; i < port.length; i++)
        if (port.data[i] < '0' || port.data[i] > '9')
            return false;
    return true;
}

/* RFC 3986 3.2.2: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool is_future_address(struct hfa_bytes text)
{
    size_t at = 1;
    if (text.length == 0 || (text.data[0] | 0x20) != 'v')
        return false;
    while (at < text.length && hfa_byte_hex(text.data[at]) >= 0)
        at++;
    if (at == 1 || at + 1 >= text.length || text.data[at] != '.')
        return false;
    for (at++; at < text.length; at++)
        if (text.data[at] != ':' && !hfa_byte_is(text.data[at], HFA_BYTE_REG_NAME))
            return false;
    return true;
}

/* Length of the host up to its port or the end, 0 when it is malformed. */
static size_t measure_ip_literal(struct hfa_bytes value)
{
    const char *end = memchr(value.data, ']', value.length);
    if (end == NULL)
        return 0;
    struct hfa_bytes inside = {value.data + 1, (size_t)(end - value.data) - 1};
    uint8_t unused[16];
    if (!hfa_ip_address_parse_v6(inside, unused) && !is_future_address(inside))
        return 0;
    return inside.length + 2;
}

static size_t measure_name(struct hfa_bytes value)
{
    const uint8_t *classes = hfa_byte_classes;
    const unsigned char *bytes = (const unsigned char *)value.data;
    size_t at = 0;
    for (;;) {
        while (value.length - at >= 4 &&
               (classes[bytes[at]] & classes[bytes[at + 1]] & classes[bytes[at + 2]] &
                classes[bytes[at + 3]] & HFA_BYTE_REG_NAME) != 0)
            at += 4;
        while (at < value.length && hfa_byte_is(value.data[at], HFA_BYTE_REG_NAME))
            at++;
        if (at == value.length || value.data[at] == ':')
            return at;
        if (value.data[at] != '%' || value.length - at < 3 ||
            hfa_byte_hex(value.data[at + 1]) < 0 || hfa_byte_hex(value.data[at + 2]) < 0)
            return 0;
        at += 3;
    }
}

bool hfa_field_is_host(struct hfa_bytes value)
{
    if (value.length == 0)
        return true;
    size_t host = value.data[0] == '[' ? measure_ip_literal(value) : measure_name(value);
    if (host == 0)
        return false;
    if (host == value.length)
        return true;
    return value.data[host] == ':' &&
           is_port((struct hfa_bytes){value.data + host + 1, value.length - host - 1});
}
