/* What a trusted proxy in front says about the client and the scheme that it was spoken to in.
 *
 * One struct for every way of saying so; one function for each way. Nothing allocates; the views
 * borrow from the fields or are static. Any thread.
 */
#ifndef HFA_FORWARDED_H
#define HFA_FORWARDED_H

#include "field.h"
#include "trust.h"

struct hfa_forwarded {
    struct hfa_bytes client_host; /* Latin-1 text; empty: the connection's peer stays the client */
    int64_t client_port;          /* 0 unless the proxy has named one */
    struct hfa_bytes scheme;      /* "http", "https", "ws" or "wss"; empty: unchanged */
};

/* Reads X-Forwarded-For and X-Forwarded-Proto. To be called only for a peer that `trust` covers.
 *
 * The client is the last host of X-Forwarded-For that is not trusted itself, as each proxy appends
 * the one that it has seen; the first host when all are trusted, or everybody is. All fields of
 * that name make one list. Hosts are taken as "host", "192.0.2.1:port" or "[address]:port", and
 * need not be addresses. The last X-Forwarded-Proto counts, if it is a scheme listed above; for a
 * WebSocket http and https become ws and wss.
 *
 * `fields` have lower-case names. */
void hfa_forwarded_from_x_fields(const struct hfa_trust *trust, const struct hfa_field *fields,
                                 size_t field_count, bool is_websocket,
                                 struct hfa_forwarded *forwarded);

#endif
