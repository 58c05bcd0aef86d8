/* What starlette.middleware.trustedhost.TrustedHostMiddleware does to a request of a host that it
 * allows: nothing. Any other request is for the middleware itself.
 *
 * Made once from the middleware's configuration. Interpreter lock.
 */
#ifndef HFA_HOST_STAGE_H
#define HFA_HOST_STAGE_H

#include "compat.h"
#include "exchange.h"

struct hfa_host_stage {
    PyObject *patterns; /* owned tuple of bytes: hosts, or "*" and the end of hosts */
    bool allows_any;
};

/* Reads (patterns, allows any). -1 with an exception; clear it in every case. */
int hfa_host_stage_init(struct hfa_host_stage *stage, PyObject *description);
void hfa_host_stage_clear(struct hfa_host_stage *stage);

/* Whether a request is of a host that is certainly allowed: a plain name in small letters, with or
 * without a port. */
bool hfa_host_stage_allows(const struct hfa_host_stage *stage, const struct hfa_request *request);

#endif
