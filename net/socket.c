#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/sendfile.h>
#endif

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* there SO_NOSIGPIPE is set on the socket */
#endif

#define VECTORS_MAX 64

void hfa_socket_prepare(int fd)
{
    int on = 1;

    /* Fails on Unix sockets, which have no such delay. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
}

static enum hfa_status receive(int fd, char *data, size_t size, int flags, size_t *length)
{
    ssize_t got;

    do {
        got = recv(fd, data, size, flags);
    } while (got < 0 && errno == EINTR);
    *length = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return HFA_OK;
    if (got == 0)
        return HFA_ERR_CLOSED;
    return errno == EAGAIN || errno == EWOULDBLOCK ? HFA_AGAIN : HFA_ERR_SYSTEM;
}

enum hfa_status hfa_socket_read(int fd, char *data, size_t size, size_t *length)
{
    return receive(fd, data, size, 0, length);
}

enum hfa_status hfa_socket_peek(int fd, char *data, size_t size, size_t *length)
{
    return receive(fd, data, size, MSG_PEEK, length);
}

static ssize_t send_file(int fd, int file_fd, off_t offset, size_t length)
{
    if (length > HFA_OUTPUT_STEP)
        length = HFA_OUTPUT_STEP;
#ifdef __linux__
    return sendfile(fd, file_fd, &offset, length);
#else
    char bytes[16384];
    ssize_t got = pread(file_fd, bytes, length < sizeof(bytes) ? length : sizeof(bytes), offset);
    return got <= 0 ? got : send(fd, bytes, (size_t)got, MSG_NOSIGNAL);
#endif
}

/* Cuts them down to one step; returns how many are left. */
static int limit_vectors(struct iovec *vectors, int count)
{
    size_t left = HFA_OUTPUT_STEP;

    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len >= left) {
            vectors[i].iov_len = left;
            return i + 1;
        }
        left -= vectors[i].iov_len;
    }
    return count;
}

static ssize_t send_vectors(int fd, const struct hfa_output *output)
{
    struct iovec vectors[VECTORS_MAX];
    int count = limit_vectors(vectors, hfa_output_vectors(output, vectors, VECTORS_MAX));

    if (count == 1)
        return send(fd, vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL);
    struct msghdr message = {.msg_iov = vectors};
    message.msg_iovlen = (size_t)count;
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

enum hfa_status hfa_socket_write(int fd, struct hfa_output *output, struct hfa_buffer_pool *buffers,
                                 struct hfa_lent **released, uint64_t *written)
{
    *written = 0;
    while (output->length > 0) {
        int file_fd = -1;
        off_t offset = 0;
        size_t length = 0;
        bool is_file = hfa_output_next_file(output, &file_fd, &offset, &length);
        ssize_t sent = is_file ? send_file(fd, file_fd, offset, length) : send_vectors(fd, output);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? HFA_AGAIN : HFA_ERR_SYSTEM;
        if (sent == 0 && is_file)
            return HFA_ERR_SYSTEM; /* the file has become shorter than what was announced */
        hfa_output_consume(output, buffers, (uint64_t)sent, released);
        *written += (uint64_t)sent;
        if (*written >= HFA_OUTPUT_STEP && output->length > 0)
            return HFA_AGAIN; /* others first */
    }
    return HFA_OK;
}

void hfa_socket_shutdown_write(int fd)
{
    shutdown(fd, SHUT_WR);
}

void hfa_socket_close(int fd, bool reset)
{
    if (reset) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    }
    close(fd);
}

void hfa_socket_addresses(int fd, struct hfa_address *client, struct hfa_address *server)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);

    *client = *server = (struct hfa_address){.family = HFA_ADDRESS_NONE};
    if (getpeername(fd, (struct sockaddr *)&storage, &length) == 0)
        hfa_address_from_sockaddr(client, (struct sockaddr *)&storage, length);
    length = sizeof(storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &length) == 0)
        hfa_address_from_sockaddr(server, (struct sockaddr *)&storage, length);
}
