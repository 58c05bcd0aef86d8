/* What a trusted proxy in front says about the client, and about how it was spoken to.
 *
 * One struct for every way of saying so; one function for each way. Nothing allocates; the views
 * borrow from the fields or are static. Any thread.
 *
 * A proxy that does not set a field passes on what its client has put there: only those fields may
 * be read that the operator knows the proxy to set.
 */
#ifndef HFA_FORWARDED_H
#define HFA_FORWARDED_H

#include "exchange.h"
#include "field.h"
#include "trust.h"

enum hfa_forwarded_part {
    HFA_FORWARDED_FOR = 1 << 0,
    HFA_FORWARDED_PROTO = 1 << 1,
    HFA_FORWARDED_HOST = 1 << 2,
    HFA_FORWARDED_PORT = 1 << 3,
    HFA_FORWARDED_PREFIX = 1 << 4,
};

struct hfa_forwarded {
    struct hfa_bytes client_host; /* Latin-1 text; empty: the connection's peer stays the client */
    int64_t client_port;          /* 0 unless the proxy has named one */
    struct hfa_bytes scheme;      /* "http", "https", "ws" or "wss"; empty: unchanged */
    struct hfa_bytes host;        /* a valid Host field's value; empty: unchanged */
    struct hfa_bytes port;        /* digits, for a host that has none; empty: unchanged */
    struct hfa_bytes prefix;      /* of the path, with a slash before and none behind; or empty */
};

/* Reads X-Forwarded-For and X-Forwarded-Proto, and of -Host, -Port and -Prefix those among `parts`,
 * of which the last value counts, and only if it can be used. To be called only for a peer that
 * `trust` covers.
 *
 * The client is the last host of X-Forwarded-For that is not trusted itself, as each proxy appends
 * the one that it has seen; the first host when all are trusted, or everybody is. All fields of
 * that name make one list. Hosts are taken as "host", "192.0.2.1:port" or "[address]:port", and
 * need not be addresses. The last X-Forwarded-Proto counts, if it is a scheme listed above; for a
 * WebSocket http and https become ws and wss.
 *
 * `fields` have lower-case names. */
void hfa_forwarded_from_x_fields(const struct hfa_trust *trust, unsigned parts,
                                 const struct hfa_field *fields, size_t field_count,
                                 bool is_websocket, struct hfa_forwarded *forwarded);

/* Reads Forwarded (RFC 7239). The client is found as above, in the "for" of each element; scheme
 * and host are those of the element that names the client. An obfuscated or unknown client is taken
 * as text. From an element that breaks the RFC's grammar on, nothing is read. */
void hfa_forwarded_from_field(const struct hfa_trust *trust, unsigned parts,
                              const struct hfa_field *fields, size_t field_count, bool is_websocket,
                              struct hfa_forwarded *forwarded);

/* Puts host and port into the request's Host field. HFA_ERR_NO_MEMORY. */
enum hfa_status hfa_forwarded_replace_host(struct hfa_exchange *exchange,
                                           const struct hfa_forwarded *forwarded);

#endif
