#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

void hfa_address_from_sockaddr(struct hfa_address *address, const struct sockaddr *from,
                               socklen_t length)
{
    *address = (struct hfa_address){.family = HFA_ADDRESS_NONE};
    if (from->sa_family == AF_INET && length >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof(in));
        address->family = HFA_ADDRESS_IPV4;
        address->port = ntohs(in.sin_port);
        memcpy(address->ip, &in.sin_addr, 4);
    } else if (from->sa_family == AF_INET6 && length >= (socklen_t)sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof(in6));
        address->family = HFA_ADDRESS_IPV6;
        address->port = ntohs(in6.sin6_port);
        address->scope_id = in6.sin6_scope_id;
        memcpy(address->ip, &in6.sin6_addr, 16);
    } else if (from->sa_family == AF_UNIX) {
        address->family = HFA_ADDRESS_UNIX;
    }
}

bool hfa_address_equal(const struct hfa_address *left, const struct hfa_address *right)
{
    return left->family == right->family && left->port == right->port &&
           left->scope_id == right->scope_id && memcmp(left->ip, right->ip, sizeof(left->ip)) == 0;
}

size_t hfa_address_text(const struct hfa_address *address, char text[static HFA_ADDRESS_TEXT_MAX])
{
    int family = address->family == HFA_ADDRESS_IPV4 ? AF_INET : AF_INET6;

    text[0] = '\0';
    if (address->family != HFA_ADDRESS_IPV4 && address->family != HFA_ADDRESS_IPV6)
        return 0;
    if (inet_ntop(family, address->ip, text, HFA_ADDRESS_TEXT_MAX) == NULL)
        return 0;
    return strlen(text);
}
