/* Reads a PROXY protocol header. Fed byte by byte it says the same, and asks for more until it is
 * whole; what follows a header changes nothing.
 */
#include <stdint.h>
#include <string.h>

#include "proxy_protocol.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_same(const struct hfa_proxy_header *left, const struct hfa_proxy_header *right)
{
    require(left->length == right->length);
    require(left->has_addresses == right->has_addresses);
    require(memcmp(&left->client, &right->client, sizeof(left->client)) == 0);
    require(memcmp(&left->server, &right->server, sizeof(left->server)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfa_proxy_header whole;
    struct hfa_proxy_header part;
    enum hfa_status status =
        hfa_proxy_protocol_parse((struct hfa_bytes){(const char *)data, size}, &whole);

    require(status != HFA_OK || (whole.length > 0 && whole.length <= size));
    require(status != HFA_OK || whole.length <= HFA_PROXY_HEADER_MAX);
    for (size_t length = 0; length <= size; length++) {
        char *copy = malloc(length + (length == 0));
        require(copy != NULL);
        memcpy(copy, data, length);
        enum hfa_status early = hfa_proxy_protocol_parse((struct hfa_bytes){copy, length}, &part);
        free(copy);
        if (early == HFA_AGAIN)
            continue;
        require(early == status);
        if (status == HFA_OK) {
            require(length == whole.length);
            require_same(&whole, &part);
        }
        return 0;
    }
    require(status == HFA_AGAIN);
    return 0;
}
