/* A socket's address as text and port, for the request's client and server. A value. */
#ifndef HFA_ADDRESS_H
#define HFA_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bytes.h"

enum hfa_address_family {
    HFA_ADDRESS_NONE, /* unknown, or an unnamed Unix socket */
    HFA_ADDRESS_IPV4,
    HFA_ADDRESS_IPV6,
    HFA_ADDRESS_UNIX,
};

struct hfa_address {
    enum hfa_address_family family;
    uint16_t port;
    uint32_t scope_id;    /* IPv6 */
    unsigned char ip[16]; /* network order; 4 used for IPv4 */
};

/* Longest text, with its NUL. */
#define HFA_ADDRESS_TEXT_MAX 46

void hfa_address_from_sockaddr(struct hfa_address *address, const struct sockaddr *from,
                               socklen_t length);

/* The same family, IP, scope and port. */
bool hfa_address_equal(const struct hfa_address *left, const struct hfa_address *right);

/* Writes the IP without port, "" for other families; returns its length. */
size_t hfa_address_text(const struct hfa_address *address, char text[static HFA_ADDRESS_TEXT_MAX]);

#endif
