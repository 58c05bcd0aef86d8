#include "reactor_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 512

struct hfa_backend {
    int epoll_fd;
    struct epoll_event events[EVENTS_MAX];
};

enum hfa_status hfa_backend_new(struct hfa_backend **backend)
{
    struct hfa_backend *new = calloc(1, sizeof(*new));

    if (new == NULL)
        return HFA_ERR_NO_MEMORY;
    new->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (new->epoll_fd < 0) {
        free(new);
        return HFA_ERR_SYSTEM;
    }
    *backend = new;
    return HFA_OK;
}

void hfa_backend_free(struct hfa_backend *backend)
{
    close(backend->epoll_fd);
    free(backend);
}

int hfa_backend_fd(const struct hfa_backend *backend)
{
    return backend->epoll_fd;
}

const char *hfa_backend_name(void)
{
    return "epoll";
}

static uint32_t to_epoll(unsigned interest)
{
    return ((interest & HFA_READABLE) ? EPOLLIN : 0) | ((interest & HFA_WRITABLE) ? EPOLLOUT : 0);
}

static enum hfa_status control(struct hfa_backend *backend, int operation, int fd,
                               uint32_t generation, uint32_t events)
{
    struct epoll_event event = {.events = events,
                                .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};

    return epoll_ctl(backend->epoll_fd, operation, fd, &event) < 0 ? HFA_ERR_SYSTEM : HFA_OK;
}

enum hfa_status hfa_backend_add(struct hfa_backend *backend, int fd, uint32_t generation,
                                unsigned interest, bool exclusive)
{
    uint32_t events = exclusive ? EPOLLIN | EPOLLEXCLUSIVE : to_epoll(interest);

    return control(backend, EPOLL_CTL_ADD, fd, generation, events);
}

enum hfa_status hfa_backend_modify(struct hfa_backend *backend, int fd, uint32_t generation,
                                   unsigned interest)
{
    return control(backend, EPOLL_CTL_MOD, fd, generation, to_epoll(interest));
}

void hfa_backend_remove(struct hfa_backend *backend, int fd)
{
    epoll_ctl(backend->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* Milliseconds, rounded up so that a timer is not waited for in a busy loop. */
static int to_ms(uint64_t timeout_ns)
{
    if (timeout_ns == HFA_NEVER)
        return -1;
    uint64_t ms = (timeout_ns + 999999) / 1000000;
    return ms > 3600000 ? 3600000 : (int)ms;
}

enum hfa_status hfa_backend_wait(struct hfa_backend *backend, uint64_t timeout_ns,
                                 struct hfa_ready *ready, int size, int *count)
{
    int wanted = size < EVENTS_MAX ? size : EVENTS_MAX;

    *count = 0;
    int got = epoll_wait(backend->epoll_fd, backend->events, wanted, to_ms(timeout_ns));
    if (got < 0)
        return errno == EINTR ? HFA_OK : HFA_ERR_SYSTEM;
    for (int i = 0; i < got; i++) {
        uint32_t events = backend->events[i].events;
        uint64_t data = backend->events[i].data.u64;
        ready[i].fd = (int)(uint32_t)data;
        ready[i].generation = (uint32_t)(data >> 32);
        ready[i].readiness = ((events & EPOLLIN) ? HFA_READABLE : 0) |
                             ((events & EPOLLOUT) ? HFA_WRITABLE : 0) |
                             ((events & (EPOLLERR | EPOLLHUP)) ? HFA_HANGUP : 0);
    }
    *count = got;
    return HFA_OK;
}
