/* What carries a connection's bytes: a socket as it is, or TLS on it, behind one table.
 *
 * Owned by its connection, which asks `wants` what to wait for after each call that returned
 * HFA_AGAIN. Loop thread.
 */
#ifndef HFA_TRANSPORT_H
#define HFA_TRANSPORT_H

#include <stdbool.h>

#include "output.h"

struct hfa_transport;

struct hfa_transport_ops {
    /* Brings the transport to where bytes can flow. HFA_OK, HFA_AGAIN, or an error: close. */
    enum hfa_status (*handshake)(struct hfa_transport *transport);
    /* As hfa_socket_read(). Afterwards has_input tells whether the transport itself holds more,
     * which no readiness of the descriptor will announce. */
    enum hfa_status (*read)(struct hfa_transport *transport, char *data, size_t size,
                            size_t *length);
    /* As hfa_socket_write(). */
    enum hfa_status (*write)(struct hfa_transport *transport, struct hfa_output *output,
                             struct hfa_buffer_pool *buffers, struct hfa_lent **released,
                             uint64_t *written);
    /* Ends our side; the peer can still send. */
    void (*shutdown_write)(struct hfa_transport *transport);
    /* Closes the descriptor and frees what the transport holds. */
    void (*close)(struct hfa_transport *transport, bool reset);
};

struct hfa_transport {
    const struct hfa_transport_ops *ops;
    int fd;           /* owned */
    bool has_input;   /* received bytes wait inside of the transport */
    bool wants_write; /* during a handshake: wait for room to write, not for input */
    void *session;    /* TLS: owned */
};

/* Bytes as they are. */
extern const struct hfa_transport_ops hfa_transport_plain;

#endif
