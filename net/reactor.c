#include "reactor.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/timerfd.h>
#endif

#include "reactor_backend.h"

#define READY_MAX 512

/* What is watched under a descriptor. Events name the descriptor and the generation, never a
 * pointer: an event that the kernel still held when the descriptor was closed finds nothing. */
struct slot {
    struct hfa_watch *watch;
    uint32_t generation;
};

struct hfa_reactor {
    struct hfa_backend *backend;
    struct slot *slots; /* by descriptor */
    size_t slot_count;
    uint64_t now_ns;
    struct hfa_timer_wheel timers;
    struct hfa_deferred *deferred;
    struct hfa_watch wake_watch; /* read end of the pipe */
    int wake_fd;                 /* write end */
    bool woken;                  /* a wait has to end; these two are read and set atomically */
    bool is_waiting;             /* only a byte in the pipe ends the wait */
    bool is_armed;               /* another loop waits for us, at any time */
    pthread_mutex_t posts_lock;
    struct hfa_post *posts; /* newest first */
    struct hfa_watch timer_watch;
    uint64_t armed_ns;
    bool is_paused; /* the rest of `ready` is the next turn's */
    int ready_at;
    int ready_count;
    struct hfa_ready ready[READY_MAX];
};

static uint64_t read_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void drain_fd(int fd)
{
    char bytes[64];

    while (read(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
        continue;
}

static void on_wake(struct hfa_watch *watch, unsigned readiness)
{
    (void)readiness;
    drain_fd(watch->fd);
}

static enum hfa_status open_wake_pipe(struct hfa_reactor *reactor)
{
    int fds[2];

    if (pipe(fds) < 0)
        return HFA_ERR_SYSTEM;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    reactor->wake_fd = fds[1];
    reactor->wake_watch =
        (struct hfa_watch){.fd = fds[0], .interest = HFA_READABLE, .on_ready = on_wake};
    return hfa_reactor_add(reactor, &reactor->wake_watch);
}

enum hfa_status hfa_reactor_new(struct hfa_reactor **reactor)
{
    struct hfa_reactor *new = calloc(1, sizeof(*new));

    if (new == NULL)
        return HFA_ERR_NO_MEMORY;
    new->wake_fd = new->wake_watch.fd = new->timer_watch.fd = -1;
    pthread_mutex_init(&new->posts_lock, NULL);
    enum hfa_status status = hfa_backend_new(&new->backend);
    if (status == HFA_OK)
        status = open_wake_pipe(new);
    if (status != HFA_OK) {
        hfa_reactor_free(new);
        return status;
    }
    new->now_ns = read_clock();
    hfa_timer_wheel_init(&new->timers, new->now_ns);
    *reactor = new;
    return HFA_OK;
}

static void free_deferred(struct hfa_reactor *reactor)
{
    while (reactor->deferred != NULL) {
        struct hfa_deferred *deferred = reactor->deferred;
        reactor->deferred = deferred->next;
        deferred->free(deferred);
    }
}

void hfa_reactor_free(struct hfa_reactor *reactor)
{
    free_deferred(reactor);
    if (reactor->wake_fd >= 0)
        close(reactor->wake_fd);
    if (reactor->wake_watch.fd >= 0)
        close(reactor->wake_watch.fd);
    if (reactor->timer_watch.fd >= 0)
        close(reactor->timer_watch.fd);
    if (reactor->backend != NULL)
        hfa_backend_free(reactor->backend);
    pthread_mutex_destroy(&reactor->posts_lock);
    free(reactor->slots);
    free(reactor);
}

enum hfa_status hfa_reactor_add(struct hfa_reactor *reactor, struct hfa_watch *watch)
{
    size_t index = (size_t)watch->fd;

    if (index >= reactor->slot_count) {
        size_t count = index + 1 > reactor->slot_count * 2 ? index + 64 : reactor->slot_count * 2;
        struct slot *slots = realloc(reactor->slots, count * sizeof(*slots));
        if (slots == NULL)
            return HFA_ERR_NO_MEMORY;
        for (size_t i = reactor->slot_count; i < count; i++)
            slots[i] = (struct slot){0};
        reactor->slots = slots;
        reactor->slot_count = count;
    }
    struct slot *slot = &reactor->slots[index];
    enum hfa_status status = hfa_backend_add(reactor->backend, watch->fd, slot->generation,
                                             watch->interest, watch->exclusive);
    if (status == HFA_OK)
        slot->watch = watch;
    return status;
}

enum hfa_status hfa_reactor_modify(struct hfa_reactor *reactor, struct hfa_watch *watch,
                                   unsigned interest)
{
    if (watch->interest == interest)
        return HFA_OK;
    watch->interest = interest;
    return hfa_backend_modify(reactor->backend, watch->fd, reactor->slots[watch->fd].generation,
                              interest);
}

void hfa_reactor_remove(struct hfa_reactor *reactor, struct hfa_watch *watch)
{
    struct slot *slot = &reactor->slots[watch->fd];

    if (slot->watch != watch)
        return;
    hfa_backend_remove(reactor->backend, watch->fd);
    slot->watch = NULL;
    slot->generation++;
}

static void run_posts(struct hfa_reactor *reactor)
{
    pthread_mutex_lock(&reactor->posts_lock);
    struct hfa_post *newest = reactor->posts;
    reactor->posts = NULL;
    pthread_mutex_unlock(&reactor->posts_lock);

    struct hfa_post *oldest = NULL;
    while (newest != NULL) {
        struct hfa_post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct hfa_post *post = oldest;
        oldest = post->next;
        post->run(post); /* last use of post */
    }
}

/* Asks the system what is ready. */
static enum hfa_status wait_for_readiness(struct hfa_reactor *reactor, uint64_t timeout_ns,
                                          uint64_t due_ns)
{
    reactor->ready_at = reactor->ready_count = 0;
    if (timeout_ns > 0 && due_ns != HFA_NEVER) {
        uint64_t now_ns = hfa_reactor_update_now(reactor);
        uint64_t wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        if (wait_ns < timeout_ns)
            timeout_ns = wait_ns;
    }
    /* Who wakes sets `woken` first and then looks whether we wait; we do it the other way round, so
     * that one of the two sees the other. */
    __atomic_store_n(&reactor->is_waiting, true, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&reactor->woken, __ATOMIC_SEQ_CST))
        timeout_ns = 0;
    enum hfa_status status = hfa_backend_wait(reactor->backend, timeout_ns, reactor->ready,
                                              READY_MAX, &reactor->ready_count);
    __atomic_store_n(&reactor->is_waiting, reactor->is_armed, __ATOMIC_SEQ_CST);
    return status;
}

enum hfa_status hfa_reactor_poll(struct hfa_reactor *reactor, uint64_t timeout_ns)
{
    uint64_t due_ns = hfa_timer_wheel_next(&reactor->timers);

    if (!hfa_reactor_has_rest(reactor)) {
        enum hfa_status status = wait_for_readiness(reactor, timeout_ns, due_ns);
        if (status != HFA_OK)
            return status;
    }
    hfa_reactor_update_now(reactor);
    reactor->is_paused = false;
    while (hfa_reactor_has_rest(reactor) && !reactor->is_paused) {
        const struct hfa_ready *ready = &reactor->ready[reactor->ready_at++];
        const struct slot *slot = &reactor->slots[ready->fd];
        if (slot->watch != NULL && slot->generation == ready->generation)
            slot->watch->on_ready(slot->watch, ready->readiness);
    }
    if (due_ns <= reactor->now_ns)
        hfa_timer_wheel_advance(&reactor->timers, reactor->now_ns);
    /* Only after on_wake(): it would swallow the byte of a wake-up that comes after this. */
    if (!hfa_reactor_has_rest(reactor) &&
        __atomic_exchange_n(&reactor->woken, false, __ATOMIC_ACQ_REL))
        run_posts(reactor);
    free_deferred(reactor);
    return HFA_OK;
}

void hfa_reactor_pause(struct hfa_reactor *reactor)
{
    reactor->is_paused = true;
}

bool hfa_reactor_has_rest(const struct hfa_reactor *reactor)
{
    return reactor->ready_at < reactor->ready_count;
}

int hfa_reactor_fd(const struct hfa_reactor *reactor)
{
    return hfa_backend_fd(reactor->backend);
}

#ifdef __linux__
static void on_timer_fd(struct hfa_watch *watch, unsigned readiness)
{
    (void)readiness;
    drain_fd(watch->fd);
}

enum hfa_status hfa_reactor_arm(struct hfa_reactor *reactor)
{
    uint64_t due_ns = hfa_timer_wheel_next(&reactor->timers);

    if (!reactor->is_armed) {
        reactor->is_armed = true;
        __atomic_store_n(&reactor->is_waiting, true, __ATOMIC_SEQ_CST);
    }
    if (due_ns == reactor->armed_ns)
        return HFA_OK;
    if (reactor->timer_watch.fd < 0) {
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd < 0)
            return HFA_ERR_SYSTEM;
        reactor->timer_watch =
            (struct hfa_watch){.fd = fd, .interest = HFA_READABLE, .on_ready = on_timer_fd};
        enum hfa_status status = hfa_reactor_add(reactor, &reactor->timer_watch);
        if (status != HFA_OK)
            return status;
    }
    struct itimerspec spec = {{0, 0}, {0, 0}};
    if (due_ns != HFA_NEVER) {
        spec.it_value.tv_sec = (time_t)(due_ns / 1000000000);
        spec.it_value.tv_nsec = (long)(due_ns % 1000000000);
    }
    if (timerfd_settime(reactor->timer_watch.fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
        return HFA_ERR_SYSTEM;
    reactor->armed_ns = due_ns;
    return HFA_OK;
}
#else
enum hfa_status hfa_reactor_arm(struct hfa_reactor *reactor)
{
    (void)reactor;
    return HFA_ERR_INVALID; /* no descriptor to arm: hfa_reactor_fd() is -1 here */
}
#endif

uint64_t hfa_reactor_now(const struct hfa_reactor *reactor)
{
    return reactor->now_ns;
}

const uint64_t *hfa_reactor_clock(const struct hfa_reactor *reactor)
{
    return &reactor->now_ns;
}

uint64_t hfa_reactor_update_now(struct hfa_reactor *reactor)
{
    reactor->now_ns = read_clock();
    return reactor->now_ns;
}

struct hfa_timer_wheel *hfa_reactor_timers(struct hfa_reactor *reactor)
{
    return &reactor->timers;
}

void hfa_reactor_defer(struct hfa_reactor *reactor, struct hfa_deferred *deferred)
{
    deferred->next = reactor->deferred;
    reactor->deferred = deferred;
}

void hfa_reactor_wake(struct hfa_reactor *reactor)
{
    int saved = errno;

    if (!__atomic_exchange_n(&reactor->woken, true, __ATOMIC_SEQ_CST) &&
        __atomic_load_n(&reactor->is_waiting, __ATOMIC_SEQ_CST)) {
        ssize_t written = write(reactor->wake_fd, "", 1);
        (void)written; /* full: a wake-up is under way already */
    }
    errno = saved;
}

void hfa_reactor_post(struct hfa_reactor *reactor, struct hfa_post *post)
{
    pthread_mutex_lock(&reactor->posts_lock);
    post->next = reactor->posts;
    reactor->posts = post;
    pthread_mutex_unlock(&reactor->posts_lock);
    hfa_reactor_wake(reactor);
}

void hfa_reactor_cancel_post(struct hfa_reactor *reactor, const struct hfa_post *post)
{
    pthread_mutex_lock(&reactor->posts_lock);
    struct hfa_post **link = &reactor->posts;
    while (*link != NULL && *link != post)
        link = &(*link)->next;
    if (*link != NULL)
        *link = post->next;
    pthread_mutex_unlock(&reactor->posts_lock);
}

const char *hfa_reactor_name(void)
{
    return hfa_backend_name();
}
