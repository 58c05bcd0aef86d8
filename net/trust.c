#include "trust.h"

#include <stdlib.h>

#include "byte_class.h"
#include "ip_address.h"
#include "latin1.h"

enum kind { ADDRESS, NETWORK, LITERAL };

struct item {
    enum kind kind;
    unsigned prefix;               /* NETWORK: leading bits that count */
    struct hfa_ip_address address; /* ADDRESS and NETWORK; its zone is a view into the text */
    struct hfa_bytes literal;      /* LITERAL: a view into the text */
};

/* One allocation: the copied text follows the items. */
struct hfa_trust {
    bool is_everybody;
    size_t count;
    struct item items[];
};

static bool is_digits(struct hfa_bytes text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.length > 0;
}

/* Leading ones of a mask whose other bits are zeros; -1 for other masks. */
static int count_prefix(uint32_t mask)
{
    int prefix = 0;
    while (prefix < 32 && (mask & UINT32_C(0x80000000) >> prefix) != 0)
        prefix++;
    return prefix == 32 || mask << prefix == 0 ? prefix : -1;
}

/* "8", or for IPv4 also "255.0.0.0" and its inverse "0.255.255.255". Returns -1 for others. */
static int parse_prefix(struct hfa_bytes text, const struct hfa_ip_address *address)
{
    unsigned longest = address->length * 8u;
    if (is_digits(text)) {
        unsigned prefix = 0;
        for (size_t i = 0; i < text.length && prefix <= longest; i++)
            prefix = prefix * 10 + (unsigned)(text.data[i] - '0');
        return prefix <= longest ? (int)prefix : -1;
    }
    uint8_t bytes[4];
    if (address->length != 4 || !hfa_ip_address_parse_v4(text, bytes))
        return -1;
    uint32_t mask = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
                    (uint32_t)bytes[3];
    int prefix = count_prefix(mask);
    return prefix >= 0 ? prefix : count_prefix(~mask);
}

static bool in_network(const struct hfa_ip_address *address, const struct item *network)
{
    if (address->length != network->address.length)
        return false;
    size_t whole = network->prefix / 8;
    unsigned rest = network->prefix % 8;
    if (memcmp(address->bytes, network->address.bytes, whole) != 0)
        return false;
    unsigned different =
        rest > 0 ? (unsigned)(address->bytes[whole] ^ network->address.bytes[whole]) : 0;
    return different >> (8 - rest) == 0;
}

static bool has_host_bits(const struct item *network)
{
    for (unsigned bit = network->prefix; bit < network->address.length * 8u; bit++)
        if ((network->address.bytes[bit / 8] & 0x80u >> bit % 8) != 0)
            return true;
    return false;
}

static bool parse_network(struct hfa_bytes text, size_t slash, struct item *item)
{
    struct hfa_bytes mask = {text.data + slash + 1, text.length - slash - 1};
    if (!hfa_ip_address_parse((struct hfa_bytes){text.data, slash}, &item->address))
        return false;
    int prefix = parse_prefix(mask, &item->address);
    if (prefix < 0)
        return false;
    item->kind = NETWORK;
    item->prefix = (unsigned)prefix;
    return !has_host_bits(item);
}

/* Whether somebody who writes this means an address: digits and dots, or hexadecimal digits with
 * colons, perhaps in brackets. */
static bool looks_like_address(struct hfa_bytes text)
{
    bool has_dot = false;
    bool has_colon = false;
    bool has_letter = false;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.data[i];
        if (byte == '.')
            has_dot = true;
        else if (byte == ':')
            has_colon = true;
        else if (byte >= '0' && byte <= '9')
            continue;
        else if (hfa_byte_hex(byte) >= 0)
            has_letter = true;
        else if (byte != '[' && byte != ']')
            return false;
    }
    return has_colon || (has_dot && !has_letter);
}

/* Reads one trimmed item that is not empty. */
static enum hfa_status parse_item(struct hfa_bytes text, struct item *item)
{
    const char *slash = memchr(text.data, '/', text.length);
    struct hfa_bytes host = text;
    if (slash != NULL) {
        host.length = (size_t)(slash - text.data);
        if (parse_network(text, host.length, item))
            return HFA_OK;
    } else if (hfa_ip_address_parse(text, &item->address)) {
        item->kind = ADDRESS;
        return HFA_OK;
    }
    struct hfa_ip_address unused;
    if (hfa_bytes_equal(text, HFA_BYTES("*")) || looks_like_address(host) ||
        hfa_ip_address_parse(host, &unused))
        return HFA_ERR_INVALID;
    item->kind = LITERAL;
    item->literal = text;
    return HFA_OK;
}

static size_t count_commas(struct hfa_bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += text.data[i] == ',';
    return count;
}

enum hfa_status hfa_trust_create(struct hfa_bytes text, struct hfa_trust **trust,
                                 struct hfa_bytes *bad_item)
{
    size_t most = count_commas(text) + 1;
    *trust = NULL;
    *bad_item = (struct hfa_bytes){text.data, 0};
    if (most > (SIZE_MAX - sizeof(struct hfa_trust) - text.length) / sizeof(struct item))
        return HFA_ERR_NO_MEMORY;
    struct hfa_trust *made = calloc(1, sizeof(*made) + most * sizeof(struct item) + text.length);
    if (made == NULL)
        return HFA_ERR_NO_MEMORY;
    if (hfa_bytes_equal(text, HFA_BYTES("*"))) {
        made->is_everybody = true;
        *trust = made;
        return HFA_OK;
    }

    char *copy = (char *)(made->items + most);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    size_t start = 0;
    for (size_t i = 0; i < most; i++) {
        const char *comma =
            start < text.length ? memchr(copy + start, ',', text.length - start) : NULL;
        size_t end = comma != NULL ? (size_t)(comma - copy) : text.length;
        struct hfa_bytes item = hfa_latin1_trim((struct hfa_bytes){copy + start, end - start});
        if (item.length > 0) {
            if (parse_item(item, &made->items[made->count]) != HFA_OK) {
                *bad_item = (struct hfa_bytes){text.data + (item.data - copy), item.length};
                free(made);
                return HFA_ERR_INVALID;
            }
            made->count++;
        }
        start = end + 1;
    }
    *trust = made;
    return HFA_OK;
}

void hfa_trust_destroy(struct hfa_trust *trust)
{
    free(trust);
}

bool hfa_trust_is_everybody(const struct hfa_trust *trust)
{
    return trust->is_everybody;
}

bool hfa_trust_covers(const struct hfa_trust *trust, struct hfa_bytes peer)
{
    if (trust->is_everybody)
        return true;
    if (peer.length == 0)
        return false;
    struct hfa_ip_address address;
    bool is_address = hfa_ip_address_parse(peer, &address);
    for (size_t i = 0; i < trust->count; i++) {
        const struct item *item = &trust->items[i];
        bool covered = false;
        switch (item->kind) {
        case ADDRESS:
            covered = is_address && hfa_ip_address_equal(&address, &item->address);
            break;
        case NETWORK:
            covered = is_address && in_network(&address, item);
            break;
        case LITERAL:
            covered = !is_address && hfa_bytes_equal(peer, item->literal);
            break;
        }
        if (covered)
            return true;
    }
    return false;
}
