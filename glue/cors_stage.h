/* What starlette.middleware.cors.CORSMiddleware does to a response that is not a preflight's.
 *
 * Made once from the middleware's configuration; a preflight request is for the middleware itself.
 * Interpreter lock.
 */
#ifndef HFA_CORS_STAGE_H
#define HFA_CORS_STAGE_H

#include "compat.h"
#include "exchange.h"
#include "response_fields.h"

struct hfa_cors_stage {
    PyObject *simple;  /* owned tuple of (name, value) in bytes, names lower-case */
    PyObject *origins; /* owned tuple of bytes: those that are allowed by name */
    PyObject *regex;   /* owned: fullmatch of a compiled pattern, or None */
    bool allows_all;
    bool allows_credentials;
};

/* Reads (simple, origins, fullmatch or None, allows all, allows credentials). -1 with an exception;
 * clear it in every case. */
int hfa_cors_stage_init(struct hfa_cors_stage *stage, PyObject *description);
void hfa_cors_stage_clear(struct hfa_cors_stage *stage);
int hfa_cors_stage_traverse(const struct hfa_cors_stage *stage, visitproc visit, void *arg);

/* Whether the middleware answers this request itself. */
bool hfa_cors_stage_is_preflight(const struct hfa_request *request);

/* -1 with an exception. */
int hfa_cors_stage_apply(const struct hfa_cors_stage *stage, const struct hfa_request *request,
                         struct hfa_response_fields *fields);

#endif
