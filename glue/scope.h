/* ASGI scopes: a request as the dictionary that applications read. */
#ifndef HFA_SCOPE_H
#define HFA_SCOPE_H

#include "exchange.h"
#include "state.h"

struct hfa_server_object;

/* The templates that scopes are copied from. */
int hfa_scope_init(struct hfa_state *state);

/* A new dictionary of its own for this request; NULL with an exception. */
PyObject *hfa_scope_new(struct hfa_server_object *server, struct hfa_exchange *exchange);

/* Puts the host that a trusted proxy names into the request, as hfa_scope_new() does, and tells
 * whether the client has spoken TLS: to us, or to such a proxy. -1 with an exception. */
int hfa_scope_apply_proxy(struct hfa_server_object *server, struct hfa_exchange *exchange,
                          bool *is_secure);

/* A line of the access log, where it is on. `scope` is the request's; NULL: it is made of the
 * exchange. -1 with an exception. */
int hfa_scope_log_access(struct hfa_server_object *server, struct hfa_exchange *exchange,
                         PyObject *scope, int status);

/* The fields of a request as a list of (name, value) in bytes; a new reference. */
PyObject *hfa_scope_headers(const struct hfa_state *state, const struct hfa_request *request);

/* A path as urllib.parse.unquote() decodes it: UTF-8, with U+FFFD for what is not. */
PyObject *hfa_scope_unquote(struct hfa_bytes path);

#endif
