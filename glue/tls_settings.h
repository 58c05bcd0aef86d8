/* TLS contexts from the server's settings. */
#ifndef HFA_TLS_SETTINGS_H
#define HFA_TLS_SETTINGS_H

#include "state.h"
#include "tls.h"

/* Reads the settings named tls_* and http2 out of a mapping. `ticket_secret` is bytes, or None.
 * NULL with an exception: a ValueError that names the file or setting that cannot be used. The
 * caller owns the reference. */
struct hfa_tls_context *hfa_tls_settings_read(PyObject *settings, PyObject *ticket_secret);

#endif
