/* Reads Forwarded (RFC 7239) with a list of trusted peers.
 *
 * Input: a line with the trusted peers, then lines with a value of the field each. What comes out
 * stands in the values, and a client that is named is not trusted unless everybody is, or all were.
 */
#include <stdint.h>
#include <string.h>

#include "forwarded.h"
#include "require.h"

#define FIELDS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hfa_bytes take_line(struct hfa_bytes *text)
{
    const char *end = text->length > 0 ? memchr(text->data, '\n', text->length) : NULL;
    struct hfa_bytes line = {text->data, end != NULL ? (size_t)(end - text->data) : text->length};

    text->data += line.length + (end != NULL);
    text->length -= line.length + (end != NULL);
    return line;
}

static void require_inside(struct hfa_bytes part, const char *data, size_t size)
{
    require(part.length == 0 || (part.data >= data && part.data + part.length <= data + size));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct hfa_bytes text = {data, size};
    struct hfa_bytes trusted = take_line(&text);
    struct hfa_field fields[FIELDS_MAX];
    struct hfa_trust *trust = NULL;
    struct hfa_bytes bad_item;
    struct hfa_forwarded forwarded;
    size_t count = 0;

    if (hfa_trust_create(trusted, &trust, &bad_item) != HFA_OK)
        return 0;
    while (text.length > 0 && count < FIELDS_MAX)
        fields[count++] = (struct hfa_field){HFA_BYTES("forwarded"), take_line(&text)};
    for (unsigned parts = 0; parts < 32; parts++) {
        hfa_forwarded_from_field(trust, parts, fields, count, (parts & 1) != 0, &forwarded);
        require_inside(forwarded.client_host, data, size);
        require_inside(forwarded.host, data, size);
        require(hfa_field_is_host(forwarded.host));
        require((parts & HFA_FORWARDED_FOR) || forwarded.client_host.length == 0);
        require((parts & HFA_FORWARDED_HOST) || forwarded.host.length == 0);
        require((parts & HFA_FORWARDED_PROTO) || forwarded.scheme.length == 0);
        hfa_forwarded_from_x_fields(trust, parts, fields, count, false, &forwarded);
        require(forwarded.client_host.length == 0 && forwarded.prefix.length == 0);
    }
    hfa_trust_destroy(trust);
    return 0;
}
