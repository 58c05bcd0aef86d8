/* ASGI's TLS extension: what the application may know of the connection's TLS. */
#ifndef HFA_TLS_EXTENSION_H
#define HFA_TLS_EXTENSION_H

#include "peer_tls.h"
#include "state.h"

/* scope["extensions"]["tls"]; a new reference, NULL with an exception. */
PyObject *hfa_tls_extension_new(const struct hfa_peer_tls *tls);

#endif
