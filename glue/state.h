/* State of one import of the module: types, names and constants, made once. */
#ifndef HFA_STATE_H
#define HFA_STATE_H

#include "compat.h"
#include "free_list.h"
#include "header_names.h"
#include "json_decode.h"
#include "switch_interval.h"

/* Interned str objects, each `state->str_<name>`. */
#define HFA_NAMES(X)                                                                               \
    X(type, "type")                                                                                \
    X(asgi, "asgi")                                                                                \
    X(version, "version")                                                                          \
    X(spec_version, "spec_version")                                                                \
    X(http_version, "http_version")                                                                \
    X(server, "server")                                                                            \
    X(client, "client")                                                                            \
    X(scheme, "scheme")                                                                            \
    X(root_path, "root_path")                                                                      \
    X(headers, "headers")                                                                          \
    X(state, "state")                                                                              \
    X(method, "method")                                                                            \
    X(path, "path")                                                                                \
    X(raw_path, "raw_path")                                                                        \
    X(query_string, "query_string")                                                                \
    X(subprotocols, "subprotocols")                                                                \
    X(subprotocol, "subprotocol")                                                                  \
    X(extensions, "extensions")                                                                    \
    X(status, "status")                                                                            \
    X(body, "body")                                                                                \
    X(more_body, "more_body")                                                                      \
    X(text, "text")                                                                                \
    X(bytes, "bytes")                                                                              \
    X(code, "code")                                                                                \
    X(reason, "reason")                                                                            \
    X(http, "http")                                                                                \
    X(https, "https")                                                                              \
    X(websocket, "websocket")                                                                      \
    X(ws, "ws")                                                                                    \
    X(wss, "wss")                                                                                  \
    X(v10, "1.0")                                                                                  \
    X(v11, "1.1")                                                                                  \
    X(v2, "2")                                                                                     \
    X(v3, "3")                                                                                     \
    X(tls, "tls")                                                                                  \
    X(v23, "2.3")                                                                                  \
    X(v24, "2.4")                                                                                  \
    X(v30, "3.0")                                                                                  \
    X(empty, "")                                                                                   \
    X(GET, "GET")                                                                                  \
    X(POST, "POST")                                                                                \
    X(http_request, "http.request")                                                                \
    X(http_disconnect, "http.disconnect")                                                          \
    X(http_response_start, "http.response.start")                                                  \
    X(http_response_body, "http.response.body")                                                    \
    X(http_response_trailers, "http.response.trailers")                                            \
    X(http_response_early_hint, "http.response.early_hint")                                        \
    X(trailers, "trailers")                                                                        \
    X(more_trailers, "more_trailers")                                                              \
    X(links, "links")                                                                              \
    X(http_response_pathsend, "http.response.pathsend")                                            \
    X(http_response_zerocopysend, "http.response.zerocopysend")                                    \
    X(file, "file")                                                                                \
    X(offset, "offset")                                                                            \
    X(count, "count")                                                                              \
    X(websocket_http_response, "websocket.http.response")                                          \
    X(websocket_connect, "websocket.connect")                                                      \
    X(websocket_receive, "websocket.receive")                                                      \
    X(websocket_disconnect, "websocket.disconnect")                                                \
    X(websocket_accept, "websocket.accept")                                                        \
    X(websocket_send, "websocket.send")                                                            \
    X(websocket_close, "websocket.close")                                                          \
    X(websocket_response_start, "websocket.http.response.start")                                   \
    X(websocket_response_body, "websocket.http.response.body")                                     \
    X(loop, "loop")                                                                                \
    X(context, "context")                                                                          \
    X(eager_start, "eager_start")                                                                  \
    X(create_future, "create_future")                                                              \
    X(create_task, "create_task")                                                                  \
    X(get_task_factory, "get_task_factory")                                                        \
    X(get_debug, "get_debug")                                                                      \
    X(call_soon, "call_soon")                                                                      \
    X(call_exception_handler, "call_exception_handler")                                            \
    X(set_result, "set_result")                                                                    \
    X(done, "done")                                                                                \
    X(close, "close")                                                                              \
    X(pop, "pop")                                                                                  \
    X(_scheduled, "_scheduled")                                                                    \
    X(_run, "_run")                                                                                \
    X(_stopping, "_stopping")                                                                      \
    X(_debug, "_debug")                                                                            \
    X(_thread_id, "_thread_id")                                                                    \
    X(_task_factory, "_task_factory")                                                              \
    X(message, "message")                                                                          \
    X(exception, "exception")                                                                      \
    X(items, "items")                                                                              \
    X(startswith, "startswith")                                                                    \
    X(_sa, "_sa")                                                                                  \
    X(from_attributes, "from_attributes")                                                          \
    X(join, "join")                                                                                \
    X(path_params, "path_params")                                                                  \
    X(app, "app")                                                                                  \
    X(router, "router")                                                                            \
    X(route, "route")                                                                              \
    X(endpoint, "endpoint")                                                                        \
    X(exception_handlers, "starlette.exception_handlers")                                          \
    X(included_router, "included_router")                                                          \
    X(max_body_size, "starlette.max_body_size")                                                    \
    X(telemetry, "fastapi.telemetry")                                                              \
    X(effective_route_context, "effective_route_context")                                          \
    X(inner_stack, "fastapi_inner_astack")                                                         \
    X(function_stack, "fastapi_function_astack")                                                   \
    X(middleware_stack, "fastapi_middleware_astack")                                               \
    X(fastapi, "fastapi")                                                                          \
    X(dependency_overrides, "dependency_overrides")                                                \
    X(status_code, "status_code")                                                                  \
    X(raw_headers, "raw_headers")                                                                  \
    X(application_state, "application_state")                                                      \
    X(client_state, "client_state")                                                                \
    X(_receive, "_receive")                                                                        \
    X(receive, "receive")                                                                          \
    X(_send, "_send")                                                                              \
    X(send, "send")                                                                                \
    X(_exit_callbacks, "_exit_callbacks")                                                          \
    X(whole, "whole")                                                                              \
    X(sent, "sent")                                                                                \
    X(loads, "loads")                                                                              \
    X(dumps, "dumps")                                                                              \
    X(comment, "comment")                                                                          \
    X(event, "event")                                                                              \
    X(raw_data, "raw_data")                                                                        \
    X(data, "data")                                                                                \
    X(id, "id")                                                                                    \
    X(retry, "retry")                                                                              \
    X(model_dump_json, "model_dump_json")                                                          \
    X(background, "background")                                                                    \
    X(__aenter__, "__aenter__")                                                                    \
    X(__aexit__, "__aexit__")                                                                      \
    X(__enter__, "__enter__")                                                                      \
    X(__exit__, "__exit__")                                                                        \
    X(__call__, "__call__")

/* Types of the module, each `state-><name>_type`, with the specification that it is made from. */
#define HFA_TYPES(X)                                                                               \
    X(server, hfa_server_object_spec)                                                              \
    X(call, hfa_asgi_call_spec)                                                                    \
    X(operation, hfa_operation_spec)                                                               \
    X(waiter, hfa_waiter_spec)                                                                     \
    X(channel, hfa_websocket_channel_spec)                                                         \
    X(bound, hfa_websocket_bound_spec)                                                             \
    X(pool, hfa_pool_object_spec)                                                                  \
    X(router, hfa_router_object_spec)                                                              \
    X(plan, hfa_plan_spec)                                                                         \
    X(pump, hfa_pump_spec)                                                                         \
    X(run, hfa_run_spec)                                                                           \
    X(application, hfa_application_spec)                                                           \
    X(stage, hfa_stage_object_spec)                                                                \
    X(static_files, hfa_static_files_spec)                                                         \
    X(form_reader, hfa_form_reader_spec)                                                           \
    X(multipart, hfa_multipart_object_spec)

struct hfa_pool;

struct hfa_state {
#define HFA_DECLARE_TYPE(name, spec) PyTypeObject *name##_type;
    HFA_TYPES(HFA_DECLARE_TYPE)
#undef HFA_DECLARE_TYPE
    PyObject *task_type;       /* asyncio.Task */
    PyObject *cancelled_error; /* asyncio.CancelledError */
    PyObject *future_type;     /* asyncio.Future */
    PyObject *enter_task;      /* asyncio.tasks._enter_task: (loop, task) */
    PyObject *leave_task;
    PyObject *spare_stop;          /* see hfa_await_next_result_again(); or NULL */
    PyObject *context_kwnames;     /* ("context",) */
    PyObject *client_disconnected; /* an OSError: send() to a WebSocket that is gone */
    PyObject *empty_bytes;
    PyObject *response_started; /* a message that stands for one that needs no sending any more */
    PyObject *from_attributes_kwnames; /* ("from_attributes",) */
    PyObject *http_template;           /* scopes to copy, in the keys' order */
    PyObject *websocket_template;
    PyObject *http_asgi; /* {"version": ..., "spec_version": ...} */
    PyObject *websocket_asgi;
    struct hfa_header_names header_names;
    struct hfa_free_list free_calls;
    struct hfa_free_list free_operations;
    struct hfa_free_list free_waiters;
    int dict_watcher;       /* of watched dictionaries; -1: there was none to have */
    struct hfa_pool *pools; /* that are not freed: they end with the interpreter */
    bool stops_pools;       /* at the interpreter's exit */
    struct hfa_switch_interval switch_interval;
    struct hfa_free_list free_runs;
    struct hfa_json_decoder json_decoder;
    PyObject *json_dumps;
    PyObject *json_dumps_options; /* JSONResponse's keyword arguments */
#define HFA_DECLARE(name, text) PyObject *str_##name;
    HFA_NAMES(HFA_DECLARE)
#undef HFA_DECLARE
};

#endif
