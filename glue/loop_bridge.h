/* The turn: the reactor run from inside asyncio's select(), or as a reader of another loop. */
#ifndef HFA_LOOP_BRIDGE_H
#define HFA_LOOP_BRIDGE_H

#include "server_object.h"

/* Serves until asyncio has something to do or `timeout_ns` has passed (HFA_NEVER: no bound).
 * *selector_ready: asyncio's own selector has events. -1 with an exception. */
int hfa_loop_bridge_turn(struct hfa_server_object *server, uint64_t timeout_ns,
                         bool *selector_ready);

/* Sends what is waiting, between two turns. */
void hfa_loop_bridge_flush(struct hfa_server_object *server);

#endif
