/* What FastAPI answers where no route of an application takes a request: 404, 405, or a redirect to
 * the path with or without its last slash.
 *
 * The responses are made by FastAPI's own handlers (python/hyperfastapi/_fastapi/unrouted.py), and
 * sent by a run whose plan has nothing else to do. Interpreter lock.
 */
#ifndef HFA_UNROUTED_H
#define HFA_UNROUTED_H

#include "bytes.h"
#include "router.h"
#include "state.h"

struct hfa_exchange;
struct hfa_server_object;

struct hfa_unrouted {
    PyObject *answers; /* owned: not_found(), not_allowed(), ...; NULL: all of it is FastAPI's */
    PyObject *plan;    /* owned Plan that only sends */
    bool redirects;
};

/* A request that no route takes. Borrows everything. */
struct hfa_unrouted_request {
    const struct hfa_route_match *match; /* HFA_MATCH_NONE or HFA_MATCH_PARTIAL */
    struct hfa_bytes method;
    struct hfa_bytes path;            /* as the router takes it */
    PyObject *scope;                  /* NULL: one is made of the exchange when it is needed */
    struct hfa_server_object *server; /* without a scope */
    struct hfa_exchange *exchange;    /* without a scope */
};

/* Reads (answers, plan), or None. -1 with an exception; nothing has changed then. */
int hfa_unrouted_read(struct hfa_unrouted *unrouted, const struct hfa_state *state, PyObject *from);
void hfa_unrouted_clear(struct hfa_unrouted *unrouted);
int hfa_unrouted_traverse(const struct hfa_unrouted *unrouted, visitproc visit, void *arg);

/* The Response: a new reference. NULL with an exception, or without one: it is FastAPI's. */
PyObject *hfa_unrouted_answer(const struct hfa_unrouted *unrouted, const struct hfa_router *router,
                              const struct hfa_unrouted_request *request);

#endif
