/* Middleware that is native: what it does to a whole response, in the middleware's order.
 *
 * Owned by the application that it was compiled for. Loop thread, interpreter lock.
 */
#ifndef HFA_RESPONSE_STAGE_H
#define HFA_RESPONSE_STAGE_H

#include "cors_stage.h"
#include "gzip_stage.h"
#include "host_stage.h"
#include "session_stage.h"

#define HFA_RESPONSE_STAGES_MAX 8

struct hfa_asgi_fields;
struct hfa_exchange;

enum hfa_stage_kind {
    HFA_STAGE_CORS,
    HFA_STAGE_GZIP,
    HFA_STAGE_HOST,
    HFA_STAGE_SESSION,
    HFA_STAGE_HTTPS, /* HTTPSRedirectMiddleware: nothing to be done for what has come by TLS */
};

struct hfa_response_stage {
    enum hfa_stage_kind kind;
    PyObject *answer; /* owned: (scope) -> the middleware's own response, or None: it has none */
    union {
        struct hfa_cors_stage cors;
        struct hfa_gzip_stage gzip;
        struct hfa_host_stage host;
        struct hfa_session_stage session;
    } of;
};

struct hfa_response_stages {
    size_t count;
    struct hfa_response_stage items[HFA_RESPONSE_STAGES_MAX]; /* innermost first */
};

/* Reads a tuple of ("cors", "gzip", "host", "session" or "https", description, answer). -1 with an
 * exception, and nothing to clear. */
int hfa_response_stages_init(struct hfa_response_stages *stages, PyObject *descriptions);
void hfa_response_stages_clear(struct hfa_response_stages *stages);
int hfa_response_stages_traverse(const struct hfa_response_stages *stages, visitproc visit,
                                 void *arg);

/* The outermost stage whose middleware answers this request itself, or may do so; -1: all let it
 * through. `is_secure`: it has come by TLS. */
Py_ssize_t hfa_response_stages_answering(const struct hfa_response_stages *stages,
                                         const struct hfa_request *request, bool is_secure);

/* What that middleware answers, a Response, which only the stages outside of it see: a new
 * reference. NULL: only the middleware itself can tell. */
PyObject *hfa_response_stages_answer(const struct hfa_response_stages *stages, Py_ssize_t stage,
                                     PyObject *scope);

/* Puts what middleware leaves in the scope of a request there, before anybody sees it. -1 with an
 * exception. */
int hfa_response_stages_fill(const struct hfa_response_stages *stages, PyObject *scope);

/* Whether what has been done to the scope since, NULL: there is none, is for the middleware. */
bool hfa_response_stages_need_scope(const struct hfa_response_stages *stages, PyObject *scope);

/* Whether a stage has something to do to the scope. */
bool hfa_response_stages_fill_scopes(const struct hfa_response_stages *stages);

/* Whether a body of this size is for the middleware itself. */
bool hfa_response_stages_need_thread(const struct hfa_response_stages *stages,
                                     const struct hfa_request *request, size_t size);

/* Whether a response that is sent in pieces needs no more of the stages than its head does; `type`
 * is its media type, empty where that is not known. */
bool hfa_response_stages_take_streams(const struct hfa_response_stages *stages,
                                      struct hfa_bytes type);

/* Starts such a response, with what they do to its head; NULL: there are none. -1 with an
 * exception. */
int hfa_response_stages_start(const struct hfa_response_stages *stages,
                              struct hfa_exchange *exchange, int status,
                              const struct hfa_asgi_fields *fields);

/* What the stages from the `from`th on do to a response. -1 with an exception. *body may become a
 * view of a stage's memory, until the next response. */
int hfa_response_stages_apply(struct hfa_response_stages *stages, size_t from,
                              const struct hfa_request *request, int status,
                              struct hfa_response_fields *fields, struct hfa_bytes *body);

#endif
