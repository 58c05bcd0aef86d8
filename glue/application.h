/* hyperfastapi._core.Application: one FastAPI application's compiled routes.
 *
 * It owns the router and the plans, knows FastAPI's own functions that a run calls (`hooks`),
 * guards what the plans were made from, and counts. There are two ways in:
 *
 *   hfa_application_serve()   a request of our own server, from its exchange: nothing of the
 *                             application's middleware stack has to run around it
 *   enter(scope, ...)         inside the application's middleware stack, under any server
 *
 * Whatever cannot be answered here is left to FastAPI's own code. Loop thread, interpreter lock.
 */
#ifndef HFA_APPLICATION_H
#define HFA_APPLICATION_H

#include "exchange.h"
#include "guard.h"
#include "json_encode.h"
#include "response_stage.h"
#include "router.h"
#include "state.h"
#include "unrouted.h"

struct hfa_server_object;
struct hfa_plan;
struct hfa_run;

/* Python objects of the route compiler's choice, by name; see
 * python/hyperfastapi/_fastapi/hooks.py. */
#define HFA_HOOKS(X)                                                                               \
    X(missing_error)                                                                               \
    X(field_errors)                                                                                \
    X(default_of)                                                                                  \
    X(delegated)                                                                                   \
    X(body_items)                                                                                  \
    X(request_error)                                                                               \
    X(body_error)                                                                                  \
    X(disconnect_error)                                                                            \
    X(response_error)                                                                              \
    X(is_json)                                                                                     \
    X(jsonable_encoder)                                                                            \
    X(make_request)                                                                                \
    X(send_others)                                                                                 \
    X(put_form_limits)                                                                             \
    X(describe_route)                                                                              \
    X(shown_stack)                                                                                 \
    X(whole_send)                                                                                  \
    X(middleware)                                                                                  \
    X(make_injected_response)                                                                      \
    X(json_response)                                                                               \
    X(background_tasks)                                                                            \
    X(security_scopes)                                                                             \
    X(make_uuid)                                                                                   \
    X(read_body)                                                                                   \
    X(run_in_thread)                                                                               \
    X(default_answer)                                                                              \
    X(answer)                                                                                      \
    X(respond)                                                                                     \
    X(bare_stack)                                                                                  \
    X(unwind)                                                                                      \
    X(enter)                                                                                       \
    X(exit_stack)                                                                                  \
    X(stack_of)                                                                                    \
    X(show_exits)                                                                                  \
    X(leave)                                                                                       \
    X(no_response)                                                                                 \
    X(not_awaited)                                                                                 \
    X(shield)                                                                                      \
    X(send_by_server)                                                                              \
    X(is_in_scope)                                                                                 \
    X(solve)                                                                                       \
    X(trace)                                                                                       \
    X(begin_bounds)                                                                                \
    X(client_gone)                                                                                 \
    X(gone_response)                                                                               \
    X(form_error)                                                                                  \
    X(form_charset)                                                                                \
    X(form_limits)                                                                                 \
    X(spooled_file)                                                                                \
    X(fill_file)                                                                                   \
    X(make_upload)                                                                                 \
    X(is_empty_file)                                                                               \
    X(make_form)                                                                                   \
    X(read_form)                                                                                   \
    X(form_values)                                                                                 \
    X(close_form)                                                                                  \
    X(server_sent_event)                                                                           \
    X(base_model)                                                                                  \
    X(response_type)                                                                               \
    X(response_call)                                                                               \
    X(validation_error)

struct hfa_hooks {
#define HFA_DECLARE_HOOK(name) PyObject *name;
    HFA_HOOKS(HFA_DECLARE_HOOK)
#undef HFA_DECLARE_HOOK
};

struct hfa_application {
    PyObject_HEAD struct hfa_state *state;
    struct hfa_hooks hooks;  /* owned */
    PyObject *app;           /* owned: the FastAPI instance */
    PyObject *recompile;     /* owned: (index or None) -> None: loads anew what has changed */
    PyObject *router_object; /* owned */
    const struct hfa_router *router; /* the router object's; NULL: nothing is loaded */
    PyObject *plans;                 /* owned tuple: a Plan or None (bridged) for each route */
    PyObject *sites; /* owned tuple: StaticFiles of a mount, or None, for each route */
    struct hfa_guards guards;
    PyObject *lists;                   /* owned tuple of (list, tuple of its items) */
    PyObject *unknown;                 /* owned tuple of keys: a scope that has one is FastAPI's */
    struct hfa_run *pending;           /* runs that resume inside the middleware stack */
    struct hfa_response_stages stages; /* middleware that is native */
    struct hfa_unrouted unrouted;      /* what answers where no route does */
    PyObject *sender;                  /* owned: the Plan of what a stage answers; or NULL */
    struct hfa_json_encoder encoder;
    bool is_encoding;
    int64_t body_limit; /* the most bytes of a request's body where no route does; -1: any number */
    bool limits_bodies; /* somewhere: then the middleware stack has to be entered for it */
    bool is_whole;      /* nothing of the user's stands between the server and the router */
    uint64_t compiled;  /* requests that a plan has taken */
    uint64_t unmatched; /* left to FastAPI: no route for them, and no answer of FastAPI's own */
    uint64_t followed;  /* left to FastAPI: something else works with their scope */
    uint64_t unguarded; /* left to FastAPI: what the plans were made from has changed */
    uint64_t *bridged;  /* owned: for each route, requests left to FastAPI */
};

extern PyType_Spec hfa_application_spec;

/* Answers a request of our own server natively. False: it has to go through the application;
 * nothing has happened. Takes the application's reference to `exchange` when true. */
bool hfa_application_serve(struct hfa_application *application, struct hfa_server_object *server,
                           struct hfa_exchange *exchange);

/* An encoder for FastAPI's responses, empty; NULL with an exception. Give it back. */
struct hfa_json_encoder *hfa_application_take_encoder(struct hfa_application *application);
void hfa_application_give_back(struct hfa_application *application,
                               struct hfa_json_encoder *encoder);

#endif
