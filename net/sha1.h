/* SHA-1 (FIPS 180-4), for the WebSocket handshake, which uses it as a fixed scrambling and not for
 * its strength. Not for anything that has to resist an attacker. */
#ifndef HFA_SHA1_H
#define HFA_SHA1_H

#include "bytes.h"

#define HFA_SHA1_SIZE 20

/* The digest of `message`. Allocates nothing; any thread. */
void hfa_sha1(struct hfa_bytes message, unsigned char digest[static HFA_SHA1_SIZE]);

#endif
