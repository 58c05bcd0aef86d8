/* The PROXY protocol, versions 1 and 2: what a load balancer says of the connection it passes on,
 * in front of everything else (haproxy's doc/proxy-protocol.txt).
 *
 * Parses bytes into a value; allocates nothing. Any thread.
 */
#ifndef HFA_PROXY_PROTOCOL_H
#define HFA_PROXY_PROTOCOL_H

#include <stdbool.h>

#include "address.h"
#include "status.h"

/* Bytes of the longest header that is taken; version 2 may carry extensions, which are skipped. */
#define HFA_PROXY_HEADER_MAX 4096

struct hfa_proxy_header {
    size_t length;      /* bytes that it takes at the start of the connection */
    bool has_addresses; /* false: the proxy speaks for itself, or for something that is not IP */
    struct hfa_address client;
    struct hfa_address server;
};

/* HFA_OK: `header` is filled. HFA_AGAIN: every byte of `input` belongs to a header that is longer.
 * HFA_ERR_PROTOCOL: no header, or a broken one. HFA_ERR_LIMIT: longer than HFA_PROXY_HEADER_MAX. */
enum hfa_status hfa_proxy_protocol_parse(struct hfa_bytes input, struct hfa_proxy_header *header);

#endif
