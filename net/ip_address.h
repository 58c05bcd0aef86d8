/* IPv4 and IPv6 addresses in text (RFC 4291 2.2, RFC 6943 3.1.1).
 *
 * One strict reading of each form: four decimal parts without leading zeros; groups of up to four
 * hexadecimal digits, "::" for at least one group. Nothing allocates; any thread.
 */
#ifndef HFA_IP_ADDRESS_H
#define HFA_IP_ADDRESS_H

#include <stdint.h>

#include "bytes.h"

struct hfa_ip_address {
    uint8_t bytes[16];      /* network order; an IPv4 address fills the first four */
    uint8_t length;         /* 4 or 16 */
    struct hfa_bytes scope; /* RFC 4007 zone behind '%', borrowed from the text; IPv6 only */
};

/* Fills the four bytes of an IPv4 address; false: not one. */
bool hfa_ip_address_parse_v4(struct hfa_bytes text, uint8_t out[static 4]);

/* Fills the sixteen bytes of an IPv6 address without a zone; false: not one. */
bool hfa_ip_address_parse_v6(struct hfa_bytes text, uint8_t out[static 16]);

/* Either form; an IPv6 address may carry "%zone". False: no address. */
bool hfa_ip_address_parse(struct hfa_bytes text, struct hfa_ip_address *address);

/* Equal kind, bytes and zone. ::ffff:192.0.2.1 and 192.0.2.1 are two addresses. */
bool hfa_ip_address_equal(const struct hfa_ip_address *left, const struct hfa_ip_address *right);

#endif
