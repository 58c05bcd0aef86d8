#include "reactor_backend.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

/* poll(2): for systems without epoll. Descriptors lie side by side; index_of[] finds them. */
struct hfa_backend {
    struct pollfd *fds;
    uint32_t *generations;
    int *index_of; /* by descriptor; -1: not watched */
    size_t count;
    size_t capacity; /* of fds and generations */
    size_t index_size;
    size_t resume; /* where the next scan starts, so that none starves */
};

enum hfa_status hfa_backend_new(struct hfa_backend **backend)
{
    *backend = calloc(1, sizeof(**backend));
    return *backend == NULL ? HFA_ERR_NO_MEMORY : HFA_OK;
}

void hfa_backend_free(struct hfa_backend *backend)
{
    free(backend->fds);
    free(backend->generations);
    free(backend->index_of);
    free(backend);
}

int hfa_backend_fd(const struct hfa_backend *backend)
{
    (void)backend;
    return -1;
}

const char *hfa_backend_name(void)
{
    return "poll";
}

static short to_poll(unsigned interest)
{
    return (short)(((interest & HFA_READABLE) ? POLLIN : 0) |
                   ((interest & HFA_WRITABLE) ? POLLOUT : 0));
}

static enum hfa_status grow(struct hfa_backend *backend, int fd)
{
    if ((size_t)fd >= backend->index_size) {
        size_t size = ((size_t)fd + 1) * 2;
        int *index_of = realloc(backend->index_of, size * sizeof(*index_of));
        if (index_of == NULL)
            return HFA_ERR_NO_MEMORY;
        for (size_t i = backend->index_size; i < size; i++)
            index_of[i] = -1;
        backend->index_of = index_of;
        backend->index_size = size;
    }
    if (backend->count == backend->capacity) {
        size_t capacity = backend->capacity == 0 ? 64 : backend->capacity * 2;
        struct pollfd *fds = realloc(backend->fds, capacity * sizeof(*fds));
        if (fds == NULL)
            return HFA_ERR_NO_MEMORY;
        backend->fds = fds;
        uint32_t *generations = realloc(backend->generations, capacity * sizeof(*generations));
        if (generations == NULL)
            return HFA_ERR_NO_MEMORY;
        backend->generations = generations;
        backend->capacity = capacity;
    }
    return HFA_OK;
}

enum hfa_status hfa_backend_add(struct hfa_backend *backend, int fd, uint32_t generation,
                                unsigned interest, bool exclusive)
{
    enum hfa_status status = grow(backend, fd);

    (void)exclusive; /* poll(2) wakes every process: the losers find nothing to accept */
    if (status != HFA_OK)
        return status;
    backend->index_of[fd] = (int)backend->count;
    backend->fds[backend->count] = (struct pollfd){.fd = fd, .events = to_poll(interest)};
    backend->generations[backend->count] = generation;
    backend->count++;
    return HFA_OK;
}

enum hfa_status hfa_backend_modify(struct hfa_backend *backend, int fd, uint32_t generation,
                                   unsigned interest)
{
    backend->fds[backend->index_of[fd]].events = to_poll(interest);
    backend->generations[backend->index_of[fd]] = generation;
    return HFA_OK;
}

void hfa_backend_remove(struct hfa_backend *backend, int fd)
{
    size_t index = (size_t)backend->index_of[fd];
    size_t last = --backend->count;

    backend->index_of[fd] = -1;
    if (index != last) {
        backend->fds[index] = backend->fds[last];
        backend->generations[index] = backend->generations[last];
        backend->index_of[backend->fds[index].fd] = (int)index;
    }
}

enum hfa_status hfa_backend_wait(struct hfa_backend *backend, uint64_t timeout_ns,
                                 struct hfa_ready *ready, int size, int *count)
{
    uint64_t ms = timeout_ns == HFA_NEVER ? 3600000 : (timeout_ns + 999999) / 1000000;
    int timeout_ms = timeout_ns == HFA_NEVER ? -1 : ms > 3600000 ? 3600000 : (int)ms;

    *count = 0;
    int got = poll(backend->fds, (nfds_t)backend->count, timeout_ms);
    if (got < 0)
        return errno == EINTR ? HFA_OK : HFA_ERR_SYSTEM;
    if (backend->resume >= backend->count)
        backend->resume = 0;
    size_t at = backend->resume;
    for (size_t seen = 0; seen < backend->count && got > 0 && *count < size; seen++) {
        const struct pollfd *entry = &backend->fds[at];
        short events = entry->revents;
        if (events != 0) {
            got--;
            ready[*count] = (struct hfa_ready){
                .fd = entry->fd,
                .generation = backend->generations[at],
                .readiness = ((events & POLLIN) ? (unsigned)HFA_READABLE : 0) |
                             ((events & POLLOUT) ? (unsigned)HFA_WRITABLE : 0) |
                             ((events & (POLLERR | POLLHUP | POLLNVAL)) ? (unsigned)HFA_HANGUP : 0),
            };
            (*count)++;
        }
        at = at + 1 == backend->count ? 0 : at + 1;
    }
    backend->resume = at;
    return HFA_OK;
}
