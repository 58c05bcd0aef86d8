/* The server: listeners, connections and the turn in which they are served.
 *
 * It lives in a reactor's thread and calls the application only from hfa_server_dispatch(). A turn:
 *
 *     hfa_reactor_poll()       reads and parses what is ready; only queues
 *     hfa_server_dispatch()    hands requests and news to the application
 *     hfa_server_flush()       sends the answers, connection by connection
 *
 * Only hfa_server_dispatch() needs the embedder's interpreter lock. After a flush there may be new
 * work (hfa_server_has_work()): repeat before waiting.
 */
#ifndef HFA_SERVER_H
#define HFA_SERVER_H

#include "dispatcher.h"
#include "reactor.h"

struct hfa_server;

/* Borrows `reactor` and `app`, copies `limits`. The caller owns *server. */
enum hfa_status hfa_server_new(struct hfa_reactor *reactor, struct hfa_app *app,
                               const struct hfa_limits *limits, struct hfa_server **server);

/* Closes every connection and listener at once and frees the server. Exchanges that the application
 * still holds must have been released before: see hfa_server_close() and hfa_server_active(). */
void hfa_server_free(struct hfa_server *server);

/* Header fields of every response: a date, and `fields` as "name: value\r\n" lines (copied).
 * HFA_ERR_INVALID: longer than HFA_SERVER_FIELDS_MAX. */
#define HFA_SERVER_FIELDS_MAX 4096
enum hfa_status hfa_server_set_default_fields(struct hfa_server *server, bool date,
                                              struct hfa_bytes fields);

/* TLS for connections accepted from now on; those that are open keep theirs. Takes the caller's
 * reference. */
struct hfa_tls_context;
void hfa_server_set_tls(struct hfa_server *server, struct hfa_tls_context *context);

/* Peers whose connections begin with a PROXY protocol header: addresses, networks, or "unix:" for
 * whoever connects to a Unix socket. Borrowed until the server is freed. */
struct hfa_trust;
void hfa_server_set_proxy_trust(struct hfa_server *server, const struct hfa_trust *trust);

/* Accepts from a listening descriptor. Takes `fd` when it succeeds. `shared`: other processes
 * accept from it too. */
enum hfa_status hfa_server_listen(struct hfa_server *server, int fd, bool shared);

/* Calls the application for at most `most` exchanges; returns for how many. Requests that were
 * pipelined behind an answered one are parsed and handed over in the same call, so that their
 * answers leave together. */
unsigned hfa_server_dispatch(struct hfa_server *server, unsigned most);

/* Sends what the connections have to send and closes those that are done. */
void hfa_server_flush(struct hfa_server *server);

/* True when hfa_server_dispatch() has something to do. */
bool hfa_server_has_work(const struct hfa_server *server);

/* True when hfa_server_flush() has something to do. */
bool hfa_server_has_output(const struct hfa_server *server);

/* Stops accepting (what waits to be accepted still is), closes idle connections, lets the others
 * finish their request; streams and WebSockets are told through on_shutdown(). */
void hfa_server_drain(struct hfa_server *server);

/* Closes every connection at once; their exchanges end with on_disconnect(). */
void hfa_server_close(struct hfa_server *server);

size_t hfa_server_connections(const struct hfa_server *server);
size_t hfa_server_active(const struct hfa_server *server);     /* requests under way */
uint64_t hfa_server_requests(const struct hfa_server *server); /* handed over since the start */
const struct hfa_counters *hfa_server_counters(const struct hfa_server *server); /* borrows */

#endif
