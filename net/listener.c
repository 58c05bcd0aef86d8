#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum hfa_status fail(struct hfa_listener_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum hfa_status fail(struct hfa_listener_error *error, const char *format, ...)
{
    va_list arguments;
    int saved = errno;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    errno = saved;
    return HFA_ERR_SYSTEM;
}

/* Makes a new descriptor close on exec and not block. Returns it, or -1 and closes it. */
static int prepare(int fd)
{
    if (fd < 0)
        return -1;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int open_socket(int family)
{
    return prepare(socket(family, SOCK_STREAM, 0));
}

static unsigned bound_port(int fd)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);

    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0)
        return 0;
    if (storage.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
}

static void set_port(struct sockaddr *address, unsigned port)
{
    if (address->sa_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
}

static int listen_on(const struct addrinfo *info, int backlog, bool reuse_port)
{
    int fd = open_socket(info->ai_family);
    int on = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        goto fail;
    /* An IPv4 address of its own may be among the host's: keep the two apart. */
    if (info->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        goto fail;
    if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0)
        goto fail;
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, backlog) < 0)
        goto fail;
    return fd;

fail:;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

enum hfa_status hfa_listener_open_tcp(const char *host, unsigned port, int backlog, bool reuse_port,
                                      int *fds, size_t *count, struct hfa_listener_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[16];

    *count = 0;
    snprintf(service, sizeof(service), "%u", port);
    int code = getaddrinfo(host[0] == '\0' ? NULL : host, service, &hints, &found);
    if (code != 0)
        return fail(error, "cannot resolve host '%s': %s", host, gai_strerror(code));
    for (struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        if (info->ai_family != AF_INET && info->ai_family != AF_INET6)
            continue;
        if (*count == HFA_LISTENER_ADDRESSES_MAX)
            break;
        if (port == 0 && *count > 0)
            set_port(info->ai_addr, bound_port(fds[0]));
        int fd = listen_on(info, backlog, reuse_port);
        if (fd >= 0) {
            fds[(*count)++] = fd;
        } else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
            fail(error, "cannot listen on %s port %u: %s", host[0] == '\0' ? "*" : host, port,
                 strerror(errno));
            goto fail;
        }
    }
    if (*count == 0) {
        fail(error, "cannot listen on %s port %u: %s", host[0] == '\0' ? "*" : host, port,
             strerror(errno));
        goto fail;
    }
    freeaddrinfo(found);
    return HFA_OK;

fail:
    while (*count > 0)
        close(fds[--*count]);
    freeaddrinfo(found);
    return HFA_ERR_SYSTEM;
}

/* Removes the socket file of a server that is gone; leaves everything else alone. */
static void remove_stale(const struct sockaddr_un *address)
{
    struct stat status;

    if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = open_socket(AF_UNIX);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
        errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

enum hfa_status hfa_listener_open_unix(const char *path, unsigned mode, int backlog, int *fd,
                                       struct hfa_listener_error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *fd = -1;
    if (strlen(path) >= sizeof(address.sun_path))
        return fail(error, "Unix socket path '%s' is longer than %zu bytes", path,
                    sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    remove_stale(&address);
    int new = open_socket(AF_UNIX);
    if (new < 0)
        return fail(error, "cannot open a Unix socket: %s", strerror(errno));
    if (bind(new, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        fail(error, "cannot listen on '%s': %s", address.sun_path, strerror(errno));
        close(new);
        return HFA_ERR_SYSTEM;
    }
    /* Permissions before listen(): until then nobody can connect. */
    if (chmod(address.sun_path, (mode_t)mode) < 0 || listen(new, backlog) < 0) {
        fail(error, "cannot listen on '%s': %s", address.sun_path, strerror(errno));
        unlink(address.sun_path);
        close(new);
        return HFA_ERR_SYSTEM;
    }
    *fd = new;
    return HFA_OK;
}

enum hfa_status hfa_listener_adopt(int fd, int backlog, struct hfa_listener_error *error)
{
    int type = 0;
    socklen_t length = sizeof(type);

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
        fail(error, "descriptor %d is not a socket: %s", fd, strerror(errno));
        return HFA_ERR_INVALID;
    }
    if (type != SOCK_STREAM) {
        fail(error, "descriptor %d is not a stream socket", fd);
        return HFA_ERR_INVALID;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return fail(error, "descriptor %d: %s", fd, strerror(errno));
    if (listen(fd, backlog) < 0)
        return fail(error, "cannot listen on descriptor %d: %s", fd, strerror(errno));
    return HFA_OK;
}

enum hfa_status hfa_listener_accept(int fd, int *accepted)
{
#ifdef __linux__
    *accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    *accepted = prepare(accept(fd, NULL, NULL));
#endif
    if (*accepted >= 0)
        return HFA_OK;
    switch (errno) {
    case EAGAIN:
#if EAGAIN != EWOULDBLOCK
    case EWOULDBLOCK:
#endif
        return HFA_AGAIN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return HFA_ERR_LIMIT;
    default:
        return HFA_ERR_SYSTEM;
    }
}
