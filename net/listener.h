/* Listening sockets: opening them, and accepting from them.
 *
 * Opening needs no server: a supervisor can open, keep and hand down descriptors. Descriptors that
 * come out of here are the caller's.
 */
#ifndef HFA_LISTENER_H
#define HFA_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

#define HFA_LISTENER_ADDRESSES_MAX 16

/* What went wrong, for a message to the operator. */
struct hfa_listener_error {
    char text[256];
};

/* Listens on every address that `host` stands for ("" for all interfaces). Port 0: the system
 * chooses one, the same for all addresses. Fills at most HFA_LISTENER_ADDRESSES_MAX descriptors. */
enum hfa_status hfa_listener_open_tcp(const char *host, unsigned port, int backlog, bool reuse_port,
                                      int *fds, size_t *count, struct hfa_listener_error *error);

/* Listens on a Unix socket with `mode` permissions. A socket file that nobody listens on any more
 * is replaced; anything else at `path` is an error. */
enum hfa_status hfa_listener_open_unix(const char *path, unsigned mode, int backlog, int *fd,
                                       struct hfa_listener_error *error);

/* Makes an inherited descriptor ready: HFA_ERR_INVALID unless it is a stream socket. */
enum hfa_status hfa_listener_adopt(int fd, int backlog, struct hfa_listener_error *error);

/* One connection, which does not block and closes on exec: HFA_AGAIN when none waits; HFA_ERR_LIMIT
 * when descriptors or memory are out, so that accepting has to pause; HFA_ERR_SYSTEM when that one
 * connection failed, or `fd` is bad. */
enum hfa_status hfa_listener_accept(int fd, int *accepted);

#endif
