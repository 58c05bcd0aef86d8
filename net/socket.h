/* Stream sockets: reading, and writing an output queue. The only place with listener.c and udp.c
 * that calls the socket interface. Loop thread. */
#ifndef HFA_SOCKET_H
#define HFA_SOCKET_H

#include "address.h"
#include "output.h"

/* What an accepted connection still needs: TCP_NODELAY where it applies. */
void hfa_socket_prepare(int fd);

/* HFA_OK: `*length` bytes, at least one. HFA_AGAIN: none now. HFA_ERR_CLOSED: the peer has ended
 * its side. HFA_ERR_SYSTEM: the connection is lost. */
enum hfa_status hfa_socket_read(int fd, char *data, size_t size, size_t *length);

/* As hfa_socket_read(), but the bytes stay to be read. */
enum hfa_status hfa_socket_peek(int fd, char *data, size_t size, size_t *length);

/* Sends as much as the socket takes, and little more than HFA_OUTPUT_STEP. HFA_OK: all is sent.
 * HFA_AGAIN: the rest waits until the socket is writable. HFA_ERR_SYSTEM: the connection is lost,
 * or a file could not be read to its end. `*written` counts the bytes that left, on every return.
 */
enum hfa_status hfa_socket_write(int fd, struct hfa_output *output, struct hfa_buffer_pool *buffers,
                                 struct hfa_lent **released, uint64_t *written);

/* Ends our side; the peer can still send. */
void hfa_socket_shutdown_write(int fd);

/* Closes; with `reset` the peer sees a broken connection instead of an orderly end. */
void hfa_socket_close(int fd, bool reset);

void hfa_socket_addresses(int fd, struct hfa_address *client, struct hfa_address *server);

#endif
