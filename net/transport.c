#include "transport.h"

#include "socket.h"

static enum hfa_status plain_handshake(struct hfa_transport *transport)
{
    return HFA_OK;
}

static enum hfa_status plain_read(struct hfa_transport *transport, char *data, size_t size,
                                  size_t *length)
{
    return hfa_socket_read(transport->fd, data, size, length);
}

static enum hfa_status plain_write(struct hfa_transport *transport, struct hfa_output *output,
                                   struct hfa_buffer_pool *buffers, struct hfa_lent **released,
                                   uint64_t *written)
{
    return hfa_socket_write(transport->fd, output, buffers, released, written);
}

static void plain_shutdown_write(struct hfa_transport *transport)
{
    hfa_socket_shutdown_write(transport->fd);
}

static void plain_close(struct hfa_transport *transport, bool reset)
{
    hfa_socket_close(transport->fd, reset);
}

const struct hfa_transport_ops hfa_transport_plain = {
    .handshake = plain_handshake,
    .read = plain_read,
    .write = plain_write,
    .shutdown_write = plain_shutdown_write,
    .close = plain_close,
};
