/* What the native methods of a WebSocket object do (websocket_channel.h): an operation each.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_WEBSOCKET_METHODS_H
#define HFA_WEBSOCKET_METHODS_H

#include "dict_watch.h"
#include "operation.h"

enum hfa_websocket_method {
    HFA_WEBSOCKET_RECEIVE_TEXT,
    HFA_WEBSOCKET_RECEIVE_BYTES,
    HFA_WEBSOCKET_RECEIVE_JSON,
    HFA_WEBSOCKET_SEND_TEXT,
    HFA_WEBSOCKET_SEND_BYTES,
    HFA_WEBSOCKET_SEND_JSON,
    HFA_WEBSOCKET_ACCEPT,
    HFA_WEBSOCKET_CLOSE,
    HFA_WEBSOCKET_COUNT,
};

#define HFA_WEBSOCKET_OPTION_COUNT 2 /* of accept() and of close() */

struct hfa_websocket_channel {
    PyObject_HEAD struct hfa_asgi_call *call; /* owned */
    PyObject *websocket;                      /* owned until the end */
    PyObject *fields;                         /* owned: its __dict__ */
    struct hfa_dict_watch unchanged;          /* `fields`, since it was last looked at */
    bool may_receive, may_send;               /* what was seen then */
    PyObject *receive, *send;                 /* owned: the call's, as they were given to it */
    PyObject *connecting, *connected;         /* owned: members of WebSocketState */
    PyObject *disconnected;                   /* owned: another */
    PyObject *disconnect;                     /* owned: WebSocketDisconnect */
    PyObject *json;                           /* owned: the module */
    PyObject *dumps_kwnames, *separators;     /* owned: json.dumps()' arguments */
    PyObject *originals[HFA_WEBSOCKET_COUNT]; /* owned: the class's functions */
    PyObject *methods[HFA_WEBSOCKET_COUNT];   /* owned until the end: what lies in `fields` */
};

/* What each does. Its owner is the channel; its argument what it is to send, or for accept() and
 * close() a tuple of the values of their options. */
extern const struct hfa_operation_kind hfa_websocket_methods[HFA_WEBSOCKET_COUNT];

/* The names of the options of accept() and close(), in the order of the parameters of the class's
 * functions; NULL for all other methods. */
extern const char *const hfa_websocket_options[HFA_WEBSOCKET_COUNT][HFA_WEBSOCKET_OPTION_COUNT];

/* Calls a method: an awaitable, a new reference; NULL with an exception. websocket_channel.c */
PyObject *hfa_websocket_channel_start(struct hfa_websocket_channel *channel,
                                      enum hfa_websocket_method method, PyObject *const *args,
                                      Py_ssize_t count, PyObject *kwnames);

/* websocket.<name>, out of its dictionary: borrowed; NULL: not there. */
PyObject *hfa_websocket_channel_field(const struct hfa_websocket_channel *channel, PyObject *name);

#endif
