/* The direct way between a WebSocket object of Starlette's and its connection.
 *
 * The object is Starlette's own. While its endpoint runs, methods of the same names lie in its
 * dictionary, in front of those of its class: receive_text(), receive_bytes(), receive_json(),
 * send_text(), send_bytes(), send_json(), accept(), close(). Each does what the class's method
 * would, with the same states, exceptions and order, but without ASGI messages. In every other
 * situation (another state, receive or send replaced by somebody, unusual arguments) it leaves the
 * call to the class's method. The class's iter_text(), iter_bytes() and iter_json() call these
 * methods, so they are as direct.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_WEBSOCKET_CHANNEL_H
#define HFA_WEBSOCKET_CHANNEL_H

#include "asgi_call.h"

struct hfa_websocket_channel;

extern PyType_Spec hfa_websocket_channel_spec;

/* Opens the way for `websocket`, which has been made with `receive` and `send` of the call, unless
 * somebody has replaced a function of its class. `parts` is what
 * python/hyperfastapi/_fastapi/websockets.py knows of that. -1 with an exception. */
int hfa_websocket_channel_open(struct hfa_asgi_call *call, PyObject *websocket, PyObject *parts,
                               PyObject *receive, PyObject *send);

/* The endpoint has returned: the object is as its class made it. */
void hfa_websocket_channel_end(struct hfa_websocket_channel *channel);

#endif
