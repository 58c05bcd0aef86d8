#include "watchdog.h"

#include <limits.h>
#include <signal.h>
#include <time.h>

#define INTERVAL_NS (1000 * 1000)
/* Looks without anything running, after which it sleeps: traffic comes in bursts. */
#define QUIET_LOOKS 20
#define STACK_SIZE  (256 * 1024)

/* look() may wait for the interpreter lock, whose holder may wait for the mutex. */
static bool look_unlocked(struct hfa_watchdog *watchdog)
{
    pthread_mutex_unlock(&watchdog->mutex);
    bool runs = watchdog->look(watchdog->data);
    pthread_mutex_lock(&watchdog->mutex);
    return runs;
}

/* With the mutex held. */
static void sleep_until_woken(struct hfa_watchdog *watchdog)
{
    atomic_store(&watchdog->is_asleep, true);
    /* What began between the last look and here has not seen that it has to wake us. */
    if (look_unlocked(watchdog))
        atomic_store(&watchdog->is_asleep, false);
    while (atomic_load(&watchdog->is_asleep) && !watchdog->is_stopping)
        pthread_cond_wait(&watchdog->woken, &watchdog->mutex);
}

static void *watch(void *data)
{
    static const struct timespec interval = {0, INTERVAL_NS};
    struct hfa_watchdog *watchdog = data;
    unsigned quiet = 0;

    pthread_mutex_lock(&watchdog->mutex);
    while (!watchdog->is_stopping) {
        pthread_mutex_unlock(&watchdog->mutex);
        nanosleep(&interval, NULL);
        pthread_mutex_lock(&watchdog->mutex);
        if (watchdog->is_stopping)
            break;
        quiet = look_unlocked(watchdog) ? 0 : quiet + 1;
        if (quiet < QUIET_LOOKS)
            continue;
        sleep_until_woken(watchdog);
        quiet = 0;
    }
    pthread_mutex_unlock(&watchdog->mutex);
    return NULL;
}

int hfa_watchdog_start(struct hfa_watchdog *watchdog, bool (*look)(void *data), void *data)
{
    pthread_attr_t attributes;
    sigset_t all, before;

    watchdog->look = look;
    watchdog->data = data;
    int error = pthread_attr_init(&attributes);
    if (error != 0)
        return error;
    pthread_mutex_init(&watchdog->mutex, NULL);
    pthread_cond_init(&watchdog->woken, NULL);
    pthread_attr_setstacksize(&attributes,
                              STACK_SIZE < PTHREAD_STACK_MIN ? PTHREAD_STACK_MIN : STACK_SIZE);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&watchdog->thread, &attributes, watch, watchdog);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    watchdog->is_running = error == 0;
    return error;
}

void hfa_watchdog_stop(struct hfa_watchdog *watchdog)
{
    if (!watchdog->is_running)
        return;
    pthread_mutex_lock(&watchdog->mutex);
    watchdog->is_stopping = true;
    pthread_cond_signal(&watchdog->woken);
    pthread_mutex_unlock(&watchdog->mutex);
    pthread_join(watchdog->thread, NULL);
    pthread_cond_destroy(&watchdog->woken);
    pthread_mutex_destroy(&watchdog->mutex);
    watchdog->is_running = false;
}

void hfa_watchdog_wake(struct hfa_watchdog *watchdog)
{
    if (!atomic_load_explicit(&watchdog->is_asleep, memory_order_seq_cst))
        return;
    pthread_mutex_lock(&watchdog->mutex);
    atomic_store(&watchdog->is_asleep, false);
    pthread_cond_signal(&watchdog->woken);
    pthread_mutex_unlock(&watchdog->mutex);
}
