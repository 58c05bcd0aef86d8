#include "proxy_protocol.h"

#include "ip_address.h"

/* Version 1's longest line, CRLF included. */
#define LINE_MAX_V1 107

static const char signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r',
                                   '\n', 'Q',  'U',  'I',  'T',  '\n'};

#define FIXED_V2 16

/* The word up to the next space or the end, taken off `text`; words are parted by one space. */
static struct hfa_bytes next_word(struct hfa_bytes *text)
{
    const char *space = memchr(text->data, ' ', text->length);
    size_t length = space != NULL ? (size_t)(space - text->data) : text->length;
    struct hfa_bytes word = {text->data, length};

    text->data += length + (space != NULL);
    text->length -= length + (space != NULL);
    return word;
}

/* Decimal without sign or leading zeros, at most 65535. */
static bool parse_port(struct hfa_bytes text, uint16_t *port)
{
    unsigned value = 0;

    if (text.length == 0 || text.length > 5 || (text.data[0] == '0' && text.length > 1))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool parse_ip(struct hfa_bytes text, enum hfa_address_family family,
                     struct hfa_address *address)
{
    address->family = family;
    return family == HFA_ADDRESS_IPV4 ? hfa_ip_address_parse_v4(text, address->ip)
                                      : hfa_ip_address_parse_v6(text, address->ip);
}

static enum hfa_status parse_v1(struct hfa_bytes input, struct hfa_proxy_header *header)
{
    struct hfa_bytes prefix = HFA_BYTES("PROXY ");
    size_t compared = input.length < prefix.length ? input.length : prefix.length;

    if (memcmp(input.data, prefix.data, compared) != 0)
        return HFA_ERR_PROTOCOL;
    const char *end = memchr(input.data, '\n', input.length);
    if (end == NULL)
        return input.length >= LINE_MAX_V1 ? HFA_ERR_PROTOCOL : HFA_AGAIN;
    header->length = (size_t)(end - input.data) + 1;
    if (header->length > LINE_MAX_V1 || header->length < prefix.length + 2 || end[-1] != '\r')
        return HFA_ERR_PROTOCOL;
    struct hfa_bytes rest = {input.data + prefix.length, header->length - prefix.length - 2};
    struct hfa_bytes protocol = next_word(&rest);
    enum hfa_address_family family = HFA_ADDRESS_IPV4;
    if (hfa_bytes_equal(protocol, HFA_BYTES("UNKNOWN")))
        return HFA_OK; /* what follows on the line is to be ignored */
    if (hfa_bytes_equal(protocol, HFA_BYTES("TCP6")))
        family = HFA_ADDRESS_IPV6;
    else if (!hfa_bytes_equal(protocol, HFA_BYTES("TCP4")))
        return HFA_ERR_PROTOCOL;
    struct hfa_bytes client = next_word(&rest);
    struct hfa_bytes server = next_word(&rest);
    struct hfa_bytes client_port = next_word(&rest);
    if (!parse_ip(client, family, &header->client) || !parse_ip(server, family, &header->server) ||
        !parse_port(client_port, &header->client.port) || !parse_port(rest, &header->server.port))
        return HFA_ERR_PROTOCOL;
    header->has_addresses = true;
    return HFA_OK;
}

static uint16_t read_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* Version 2's two addresses, then the two ports. */
static void read_addresses(const unsigned char *at, size_t ip_size, enum hfa_address_family family,
                           struct hfa_proxy_header *header)
{
    header->client.family = header->server.family = family;
    memcpy(header->client.ip, at, ip_size);
    memcpy(header->server.ip, at + ip_size, ip_size);
    header->client.port = read_u16(at + 2 * ip_size);
    header->server.port = read_u16(at + 2 * ip_size + 2);
    header->has_addresses = true;
}

static enum hfa_status parse_v2(struct hfa_bytes input, struct hfa_proxy_header *header)
{
    const unsigned char *bytes = (const unsigned char *)input.data;

    if (input.length < FIXED_V2)
        return HFA_AGAIN;
    unsigned version = bytes[12] >> 4;
    unsigned command = bytes[12] & 0x0f;
    unsigned family = bytes[13] >> 4;
    unsigned transport = bytes[13] & 0x0f;
    size_t length = read_u16(bytes + 14);
    if (version != 2 || command > 1 || family > 3 || transport > 2)
        return HFA_ERR_PROTOCOL;
    header->length = FIXED_V2 + length;
    if (header->length > HFA_PROXY_HEADER_MAX)
        return HFA_ERR_LIMIT;
    if (input.length < header->length)
        return HFA_AGAIN;
    if (command == 0 || transport != 1)
        return HFA_OK; /* LOCAL, or no TCP: the connection's own addresses stay */
    if ((family == 1 && length < 12) || (family == 2 && length < 36))
        return HFA_ERR_PROTOCOL;
    if (family == 1)
        read_addresses(bytes + FIXED_V2, 4, HFA_ADDRESS_IPV4, header);
    else if (family == 2)
        read_addresses(bytes + FIXED_V2, 16, HFA_ADDRESS_IPV6, header);
    return HFA_OK;
}

enum hfa_status hfa_proxy_protocol_parse(struct hfa_bytes input, struct hfa_proxy_header *header)
{
    *header = (struct hfa_proxy_header){0};
    if (input.length == 0)
        return HFA_AGAIN;
    size_t compared = input.length < sizeof(signature) ? input.length : sizeof(signature);
    if (memcmp(input.data, signature, compared) == 0)
        return parse_v2(input, header);
    return parse_v1(input, header);
}
