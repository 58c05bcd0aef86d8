/* What starlette.middleware.sessions.SessionMiddleware does to a request whose session nobody has
 * used: nothing that shows. Where one has been used, the response is for the middleware itself.
 *
 * Made once from the middleware's configuration. Interpreter lock.
 */
#ifndef HFA_SESSION_STAGE_H
#define HFA_SESSION_STAGE_H

#include "compat.h"
#include "exchange.h"

struct hfa_session_stage {
    PyObject *name;  /* owned bytes: the cookie's */
    PyObject *reads; /* owned: (list of Cookie fields) -> whether they are certain to be readable */
    PyObject *open;  /* owned: (scope): puts the session there */
    PyObject *type;  /* owned: Session */
};

/* Reads (name, reads, open, Session). -1 with an exception; clear it in every case. */
int hfa_session_stage_init(struct hfa_session_stage *stage, PyObject *description);
void hfa_session_stage_clear(struct hfa_session_stage *stage);
int hfa_session_stage_traverse(const struct hfa_session_stage *stage, visitproc visit, void *arg);

/* Whether opening the session of a request will neither fail nor depend on when it is done. */
bool hfa_session_stage_is_certain(const struct hfa_session_stage *stage,
                                  const struct hfa_request *request);

/* Puts the session into the scope of a request. -1 with an exception. */
int hfa_session_stage_open(const struct hfa_session_stage *stage, PyObject *scope);

/* Whether the session in a scope has not been looked at, or changed, or replaced. */
bool hfa_session_stage_is_unused(const struct hfa_session_stage *stage, PyObject *scope);

#endif
