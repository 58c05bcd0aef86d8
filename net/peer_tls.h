/* What a TLS handshake has told of the two sides, as text for the application. A value that
 * outlives its connection; any thread. */
#ifndef HFA_PEER_TLS_H
#define HFA_PEER_TLS_H

#include "bytes.h"

struct hfa_peer_tls {
    unsigned version;              /* 0x0303, 0x0304 */
    unsigned cipher;               /* IANA's number of the cipher suite */
    struct hfa_bytes server_cert;  /* PEM */
    struct hfa_bytes client_chain; /* PEM blocks, the client's own first; empty without one */
    struct hfa_bytes client_name;  /* distinguished name in RFC 4514's form, UTF-8 */
};

/* One allocation holds all: hfa_tls_describe() makes it. */
void hfa_peer_tls_free(struct hfa_peer_tls *tls);

#endif
