/* A thread that looks every millisecond whether something is stuck, and sleeps when nothing runs.
 * Knows nothing of Python. */
#ifndef HFA_WATCHDOG_H
#define HFA_WATCHDOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct hfa_watchdog {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t woken;
    bool is_running;
    bool is_stopping; /* guarded by the mutex */
    atomic_bool is_asleep;
    bool (*look)(void *data); /* in its thread; false: nothing runs */
    void *data;
};

/* `watchdog` is all zero. Starts the thread; 0, or the error of pthread_create(). */
int hfa_watchdog_start(struct hfa_watchdog *watchdog, bool (*look)(void *data), void *data);

/* Ends the thread and waits for it: without the interpreter lock, if look() may take that. */
void hfa_watchdog_stop(struct hfa_watchdog *watchdog);

/* Any thread: something runs. Cheap while it is awake. */
void hfa_watchdog_wake(struct hfa_watchdog *watchdog);

#endif
