/* A native method of a WebSocket object, as the application gets hold of it.
 *
 * It is called as the method that it stands for and shows that one's attributes (`__self__`,
 * `__func__`, `__name__`, `__code__`, ...), so that inspect and asyncio take it for what it stands
 * for: a coroutine function. To who hands it on, as to a background task, that makes the
 * difference.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_WEBSOCKET_BOUND_H
#define HFA_WEBSOCKET_BOUND_H

#include "websocket_methods.h"

extern PyType_Spec hfa_websocket_bound_spec;

/* A new reference to the method of a channel; NULL with an exception. */
PyObject *hfa_websocket_bound_new(struct hfa_websocket_channel *channel,
                                  enum hfa_websocket_method method);

#endif
