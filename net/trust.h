/* The peers whose word about the client is taken: proxies in front of the server. */
#ifndef HFA_TRUST_H
#define HFA_TRUST_H

#include "bytes.h"
#include "status.h"

/* Immutable once created: any thread. */
struct hfa_trust;

/* Builds what `text` says: "*" trusts everybody, else a comma-separated list of
 *   - IPv4 and IPv6 addresses,
 *   - networks without host bits: 10.0.0.0/8, 10.0.0.0/255.0.0.0, 2001:db8::/32,
 *   - other literals, compared byte by byte, such as names of Unix sockets.
 * Items are trimmed and empty ones passed over; an empty list trusts nobody. The text is Latin-1,
 * as field values are, and is copied.
 *
 * HFA_OK: the caller owns `*trust`.
 * HFA_ERR_INVALID: `*bad_item` is the item, a view into `text`, that is meant as an address or a
 *   network and is none, or a "*" that does not stand alone. It would trust nobody in silence.
 * HFA_ERR_NO_MEMORY. */
enum hfa_status hfa_trust_create(struct hfa_bytes text, struct hfa_trust **trust,
                                 struct hfa_bytes *bad_item);

void hfa_trust_destroy(struct hfa_trust *trust);

bool hfa_trust_is_everybody(const struct hfa_trust *trust);

/* Whether a peer, by the text of its address or a literal, is trusted. An empty text, which stands
 * for a peer without an address, is covered by "*" alone. */
bool hfa_trust_covers(const struct hfa_trust *trust, struct hfa_bytes peer);

#endif
