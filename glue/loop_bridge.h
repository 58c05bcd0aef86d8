/* The reactor in asyncio's event loop: one turn of the two together. */
#ifndef HFA_LOOP_BRIDGE_H
#define HFA_LOOP_BRIDGE_H

#include "server_object.h"

/* In place of select(): serves until asyncio has something to do, or until the time is over, and
 * leaves in server->selector_ready whether asyncio's own selector has events. Under another loop,
 * and in debug mode, it serves what is ready and returns. -1 with an exception, of a signal handler
 * or of the system; never of an application. */
int hfa_loop_bridge_turn(struct hfa_server_object *server, uint64_t timeout_ns);

/* Serves what has been received already. */
void hfa_loop_bridge_dispatch(struct hfa_server_object *server);

/* Sends what waits. Releases the interpreter lock meanwhile. */
void hfa_loop_bridge_flush(struct hfa_server_object *server);

#endif
