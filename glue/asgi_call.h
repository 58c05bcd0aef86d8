/* One call of the application: a coroutine, written in C, around `await app(scope, receive, send)`.
 *
 * It is what the request's asyncio.Task runs. Nothing leaves it but what the application yields:
 * its result and its exceptions are dealt with here, in the task, as servers do. It holds the
 * application's reference to the exchange from on_request() until the application is done.
 *
 * All functions need the interpreter lock and the loop's thread.
 */
#ifndef HFA_ASGI_CALL_H
#define HFA_ASGI_CALL_H

#include "direct_step.h"
#include "exchange.h"
#include "state.h"

struct hfa_server_object;
struct hfa_operation;
struct hfa_websocket_channel;

enum hfa_call_state {
    HFA_CALL_NEW,
    HFA_CALL_RUNNING,
    HFA_CALL_SUSPENDED,
    HFA_CALL_DONE,
};

struct hfa_asgi_call {
    PyObject_HEAD struct hfa_server_object *server; /* owned */
    struct hfa_exchange *exchange;                  /* NULL when released */
    PyObject *scope;                                /* owned */
    PyObject *awaiting;                             /* owned: the application's coroutine */
    PyObject *task;      /* owned while it is suspended: tasks are held weakly */
    PyObject *coroutine; /* borrowed: what the task steps, the call or a run; NULL: it has ended */
    struct hfa_kept_step *kept;    /* in that coroutine */
    struct hfa_kept_step own_kept; /* the call's own */
    struct hfa_operation *waiting; /* receive() and send() calls that wait */
    struct hfa_asgi_call *next;    /* the server's calls */
    struct hfa_asgi_call **link;
    enum hfa_call_state state;
    bool is_websocket;
    bool is_disconnected; /* the application may be told that the client has gone */
    bool is_shutting_down;
    bool response_started;
    bool response_complete;
    bool has_trailers;    /* http.response.trailers ends the response */
    bool awaits_trailers; /* the body is complete */
    PyObject *staged_by; /* owned: the application whose native middleware sees the head; or NULL */
    PyObject *on_gone;   /* owned: called once when the client has gone; or NULL */
    PyObject *trailers;  /* owned list of those that came with more_trailers; or NULL */
    bool body_ended;     /* http.request with more_body False was delivered */
    /* WebSockets. */
    struct hfa_websocket_channel *channel; /* owned; NULL: the application uses messages alone */
    bool connect_delivered;
    bool handshake_complete; /* accepted or denied */
    bool close_sent;
    bool is_given_up;             /* closed by us: the client did not keep up */
    bool close_received;          /* websocket.disconnect with the client's close was delivered */
    bool disconnect_delivered;    /* of the lost connection */
    size_t messages_before_close; /* received before the application's close, not yet taken */
    PyObject *close_event;        /* owned: websocket.disconnect for the application's close */
    PyObject *denial;             /* owned: [status, headers, body so far] */
};

extern PyType_Spec hfa_asgi_call_spec;

/* Makes the call for a request and starts its task. Takes the application's reference to
 * `exchange`. Errors end in a 500 response and the loop's exception handler. */
void hfa_asgi_call_start(struct hfa_server_object *server, struct hfa_exchange *exchange);

/* For a run of a compiled route (plan_run.h) whose request Python code has to see: a call without a
 * coroutine of its own, which takes over the application's reference to `exchange`; `scope` is the
 * request's. `coroutine` is the run, and `kept` is in it; who owns it clears call->coroutine when
 * it ends. A new reference, or NULL with an exception and nothing taken. */
struct hfa_asgi_call *hfa_asgi_call_adopt(struct hfa_server_object *server,
                                          struct hfa_exchange *exchange, PyObject *scope,
                                          PyObject *coroutine, struct hfa_kept_step *kept);
/* Its receive() and send(), new references. -1 with an exception. */
int hfa_asgi_call_channels(struct hfa_asgi_call *call, PyObject **receive, PyObject **send);
/* The call that both are of, borrowed; NULL: something has taken the place of one. */
struct hfa_asgi_call *hfa_asgi_call_of(const struct hfa_state *state, PyObject *receive,
                                       PyObject *send);
/* The application has returned `result`, or raised `exception` (borrowed, may be NULL). */
void hfa_asgi_call_finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception);
/* It will never end: gives the exchange back. */
void hfa_asgi_call_drop(struct hfa_asgi_call *call);

/* Lets every receive() and send() that waits look again, and calls on_gone if that is due. */
void hfa_asgi_call_wake(struct hfa_asgi_call *call);
/* The same at once, for who is called by the loop itself. */
void hfa_asgi_call_step(struct hfa_asgi_call *call);

/* The server closes for good: gives the exchange back before the application is done. It is told
 * that its client has gone. */
void hfa_asgi_call_abandon(struct hfa_asgi_call *call);

/* One step of receive() or send(): 1 done, *result is a new reference; 0 it has to wait; -1 with an
 * exception. */
int hfa_asgi_http_receive(struct hfa_asgi_call *call, PyObject **result);
int hfa_asgi_http_send(struct hfa_asgi_call *call, PyObject *message);
int hfa_asgi_websocket_receive(struct hfa_asgi_call *call, PyObject **result);
int hfa_asgi_websocket_send(struct hfa_asgi_call *call, PyObject *message);

/* The same without messages. Takes a text or binary message: *data is a new reference to str or
 * bytes. 2: what comes next is of another kind, and only an event tells it: *result is the event.
 */
int hfa_asgi_websocket_take(struct hfa_asgi_call *call, enum hfa_message_kind kind,
                            PyObject **result);
/* Sends a str or bytes object, of that exact type. 2: not in this state; send the message. */
int hfa_asgi_websocket_put(struct hfa_asgi_call *call, PyObject *data);
/* Takes websocket.connect; false: that has been received already. */
bool hfa_asgi_websocket_take_connect(struct hfa_asgi_call *call);
/* Accept and close, with what the messages of these types hold: borrowed, and NULL for what one
 * would not. Results as of hfa_asgi_websocket_put(), or 0: it has to wait. */
int hfa_asgi_websocket_accept(struct hfa_asgi_call *call, PyObject *subprotocol, PyObject *headers);
int hfa_asgi_websocket_close(struct hfa_asgi_call *call, PyObject *code, PyObject *reason);

/* The application has returned, or raised (`exception`, borrowed). */
void hfa_asgi_http_finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception);
void hfa_asgi_websocket_finish(struct hfa_asgi_call *call, PyObject *result, PyObject *exception);

/* Response header fields from ASGI's iterable of pairs. `*holder` owns what the views borrow from;
 * free both with hfa_asgi_fields_free(). */
struct hfa_asgi_fields {
    struct hfa_field *fields;
    size_t count;
    PyObject *holder;
    struct hfa_field few[16];
};
int hfa_asgi_fields_read(struct hfa_asgi_fields *fields, PyObject *headers);
void hfa_asgi_fields_free(struct hfa_asgi_fields *fields);

/* message[key], or message.get(key): a new reference; NULL without an exception when it is absent
 * and not required. */
PyObject *hfa_asgi_message_item(PyObject *message, PyObject *key, bool required);

/* Sets the Python exception for a status of net/; HFA_OK, and HFA_ERR_CLOSED, which applications
 * are not told of, return 0, else -1. */
int hfa_asgi_check(enum hfa_status status);

#endif
