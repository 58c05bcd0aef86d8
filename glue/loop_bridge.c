#include "loop_bridge.h"

#include <errno.h>
#include <time.h>

/* A finished response waits at most this long behind other requests' handlers. */
#define FLUSH_INTERVAL_NS (500 * 1000)
/* A step that takes longer has blocked the loop, or the system has let others run. Where a second
 * one follows within SLOW_WITHIN steps more may come: for so many steps every answer leaves before
 * the next step begins. */
#define BLOCKED_NS    (500 * 1000)
#define SLOW_WITHIN   64
#define CAREFUL_STEPS 256
/* Steps, and time, after which what has arrived meanwhile is looked at. */
#define DISPATCH_MAX    512
#define DISPATCH_MAX_NS (2 * 1000 * 1000)
/* Steps after which asyncio has its turn even though it has asked for nothing. */
#define TURN_MAX 4096
/* While jobs compute: so long the loop keeps the interpreter lock while it has work, and for so
 * long at least it lets them have it. */
#define KEEP_NS (1000 * 1000)
#define LEND_NS (20 * 1000)

/* Something can be handed over: news for the application, or what worker threads have finished. */
static bool has_work(const struct hfa_server_object *server)
{
    return hfa_server_has_work(server->server) || hfa_pool_has_done(server->pool);
}

/* Another loop does not ask before it waits: has it call when there is more to do. */
static void prepare_wait(struct hfa_server_object *server)
{
    hfa_switch_interval_shorten(&server->state->switch_interval);
    if (server->server == NULL)
        return;
    hfa_reactor_arm(server->reactor);
    hfa_pool_kick(server->pool);
    if (has_work(server) || hfa_reactor_has_rest(server->reactor))
        hfa_reactor_wake(server->reactor);
}

/* Jobs compute, and want the lock all the time. To give it away and to get it back would take
 * longer than what is done meanwhile, so it is kept for a while. */
static bool shares_lock(const struct hfa_server_object *server)
{
    return server->state->switch_interval.jobs > 0;
}

/* Who shares it wakes often, and has little to do each time. */
static void set_hurried(struct hfa_server_object *server, bool is_hurried)
{
    if (is_hurried && server->schedule.thread == 0)
        hfa_thread_schedule_open(&server->schedule);
    hfa_thread_schedule_set_hurried(&server->schedule, is_hurried);
}

static void note_lock(struct hfa_server_object *server)
{
    bool is_shared = shares_lock(server);

    hfa_switch_interval_lengthen(&server->state->switch_interval);
    set_hurried(server, is_shared);
    if (is_shared)
        server->lock_ns = hfa_reactor_update_now(server->reactor);
}

static bool has_kept_lock_long(const struct hfa_server_object *server)
{
    return shares_lock(server) && hfa_reactor_now(server->reactor) - server->lock_ns >= KEEP_NS;
}

/* Workers that are woken only now may have it before those that have waited for it. */
static PyThreadState *give_lock(struct hfa_server_object *server)
{
    bool is_shared = shares_lock(server);

    hfa_switch_interval_shorten(&server->state->switch_interval);
    PyThreadState *thread_state = PyEval_SaveThread();
    if (is_shared)
        hfa_pool_kick(server->pool);
    return thread_state;
}

static void take_lock(struct hfa_server_object *server, PyThreadState *thread_state)
{
    PyEval_RestoreThread(thread_state);
    int error = errno; /* of what was done without it */
    note_lock(server);
    errno = error;
}

/* Who gives it back and takes it again at once has it before those that wait are awake: so we
 * sleep, too. */
static void lend_lock(struct hfa_server_object *server)
{
    static const struct timespec pause = {0, LEND_NS};
    PyThreadState *thread_state = give_lock(server);

    if (hfa_server_has_output(server->server))
        hfa_server_flush(server->server);
    nanosleep(&pause, NULL);
    take_lock(server, thread_state);
}

void hfa_loop_bridge_flush(struct hfa_server_object *server)
{
    if (server->server == NULL || !hfa_server_has_output(server->server))
        return;
    if (shares_lock(server)) {
        hfa_server_flush(server->server);
    } else {
        Py_BEGIN_ALLOW_THREADS;
        hfa_server_flush(server->server);
        Py_END_ALLOW_THREADS;
    }
    if (server->is_foreign && !server->is_in_turn)
        prepare_wait(server);
}

static enum hfa_status wait(struct hfa_server_object *server, uint64_t timeout_ns)
{
    if (hfa_server_has_output(server->server))
        hfa_server_flush(server->server);
    hfa_pool_kick(server->pool);
    if (has_work(server))
        timeout_ns = 0;
    return hfa_reactor_poll(server->reactor, timeout_ns);
}

static enum hfa_status flush_and_poll(struct hfa_server_object *server, uint64_t timeout_ns)
{
    if (shares_lock(server)) {
        if (has_kept_lock_long(server))
            lend_lock(server);
        hfa_loop_bridge_flush(server);
        enum hfa_status status = hfa_reactor_poll(server->reactor, 0);
        if (status != HFA_OK || timeout_ns == 0 || has_work(server) || server->selector_ready)
            return status;
    }
    PyThreadState *thread_state = give_lock(server);
    enum hfa_status status = wait(server, timeout_ns);
    take_lock(server, thread_state);
    return status;
}

static void note_step(struct hfa_server_object *server, uint64_t took_ns)
{
    if (took_ns > BLOCKED_NS) {
        if (server->suspicious > 0)
            server->careful = CAREFUL_STEPS;
        server->suspicious = SLOW_WITHIN;
        return;
    }
    server->suspicious -= server->suspicious > 0;
    server->careful -= server->careful > 0;
}

/* Steps one after the other, with pauses to send what is finished. */
struct stretch {
    uint64_t started_ns, flushed_ns, before_ns;
};

static struct stretch begin_stretch(struct hfa_server_object *server)
{
    uint64_t now_ns = hfa_reactor_update_now(server->reactor);

    return (struct stretch){now_ns, now_ns, now_ns};
}

static bool is_long(const struct stretch *stretch)
{
    return stretch->before_ns - stretch->started_ns >= DISPATCH_MAX_NS;
}

static void end_step(struct hfa_server_object *server, struct stretch *stretch)
{
    uint64_t now_ns = hfa_reactor_update_now(server->reactor);

    note_step(server, now_ns - stretch->before_ns);
    if (server->careful > 0 || now_ns - stretch->flushed_ns > FLUSH_INTERVAL_NS) {
        hfa_loop_bridge_flush(server);
        stretch->flushed_ns = now_ns;
    }
    if (server->server != NULL && has_kept_lock_long(server)) {
        lend_lock(server);
        now_ns = hfa_reactor_now(server->reactor);
        stretch->flushed_ns = now_ns;
    }
    stretch->before_ns = now_ns;
}

/* Hands over what is ready, one by one, with pauses to send what is finished. Returns how many
 * steps it has taken. */
static unsigned dispatch(struct hfa_server_object *server)
{
    struct stretch stretch = begin_stretch(server);
    bool was_dispatching = server->is_dispatching;
    server->is_dispatching = true;
    unsigned steps = hfa_pool_has_done(server->pool) ? hfa_pool_collect(server->pool) : 0;

    while (steps < DISPATCH_MAX && !is_long(&stretch) && hfa_server_has_work(server->server)) {
        hfa_server_dispatch(server->server, 1);
        steps++;
        end_step(server, &stretch);
    }
    server->is_dispatching = was_dispatching;
    return steps;
}

/* Runs asyncio's callbacks that are due now, as asyncio would next. Returns how many; -1 with an
 * exception that ends the loop. One of them may have closed the server. */
static int run_callbacks(struct hfa_server_object *server)
{
    Py_ssize_t due = hfa_ready_queue_count(&server->ready);
    if (due == 0)
        return 0;
    struct stretch stretch = begin_stretch(server);
    bool was_in_callback = server->is_in_callback;
    int steps = 0;
    while (steps < due && steps < DISPATCH_MAX && !is_long(&stretch) &&
           hfa_ready_queue_count(&server->ready) > 0) {
        server->is_in_callback = true;
        int status = hfa_ready_queue_run(&server->ready);
        server->is_in_callback = was_in_callback;
        if (status < 0)
            return -1;
        steps++;
        if (server->server == NULL)
            break;
        end_step(server, &stretch);
    }
    return steps;
}

void hfa_loop_bridge_dispatch(struct hfa_server_object *server)
{
    bool was_in_turn = server->is_in_turn;

    server->is_in_turn = true;
    dispatch(server);
    server->is_in_turn = was_in_turn;
    hfa_loop_bridge_flush(server);
}

/* What asyncio knew when it asked us to wait: its next deadline, and how many there are. */
struct loop_view {
    PyObject *scheduled; /* owned: loop._scheduled, which asyncio replaces now and then */
    PyObject *next;      /* borrowed, and only compared */
    Py_ssize_t count;
};

static void look(const struct hfa_server_object *server, struct loop_view *view)
{
    *view = (struct loop_view){NULL, NULL, 0};
    if (server->ready.items == NULL)
        return;
    view->scheduled = hfa_ready_queue_attribute(&server->ready, server->state->str__scheduled);
    if (view->scheduled == NULL) {
        PyErr_Clear();
        return;
    }
    view->count = PyList_Size(view->scheduled);
    view->next = view->count > 0 ? PyList_GetItem(view->scheduled, 0) : NULL;
}

/* Something to run that is not for us, another deadline than it told us, or the wish to end. */
static bool asyncio_has_work(const struct hfa_server_object *server, const struct loop_view *before,
                             bool runs_callbacks)
{
    bool is_stopping = false;

    if (server->ready.items == NULL)
        return false;
    if (!runs_callbacks && hfa_ready_queue_count(&server->ready) != 0)
        return true;
    if (before->scheduled != NULL) {
        Py_ssize_t count = PyList_Size(before->scheduled);
        PyObject *next = count > 0 ? PyList_GetItem(before->scheduled, 0) : NULL; /* borrowed */
        if (count != before->count || next != before->next)
            return true;
    }
    PyObject *stopping = hfa_ready_queue_attribute(&server->ready, server->state->str__stopping);
    if (stopping == NULL)
        PyErr_Clear();
    else
        is_stopping = stopping == Py_True;
    Py_XDECREF(stopping);
    return is_stopping;
}

/* In debug mode asyncio times each callback; what we do has to be one. */
static int is_debugging(const struct hfa_server_object *server)
{
    PyObject *debug = PyObject_CallMethodNoArgs(server->loop, server->state->str_get_debug);

    if (debug == NULL)
        return -1;
    int answer = PyObject_IsTrue(debug);
    Py_DECREF(debug);
    return answer;
}

static int schedule_dispatch(struct hfa_server_object *server)
{
    if (server->is_dispatch_scheduled || !has_work(server))
        return 0;
    PyObject *method = PyObject_GetAttrString((PyObject *)server, "dispatch");
    PyObject *handle =
        method == NULL
            ? NULL
            : PyObject_CallMethodOneArg(server->loop, server->state->str_call_soon, method);
    Py_XDECREF(method);
    if (handle == NULL)
        return -1;
    Py_DECREF(handle);
    server->is_dispatch_scheduled = true;
    return 0;
}

static int raise_status(enum hfa_status status)
{
    if (status == HFA_ERR_NO_MEMORY)
        PyErr_NoMemory();
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

/* Waits and serves until there is a reason to go back to asyncio. */
static int serve(struct hfa_server_object *server, uint64_t timeout_ns, bool is_debug,
                 const struct loop_view *before)
{
    uint64_t deadline_ns = HFA_NEVER;
    uint64_t wait_ns = timeout_ns;
    bool runs_callbacks = !is_debug && hfa_ready_queue_is_ours(&server->ready);
    unsigned steps = 0;

    if (timeout_ns > 0 && timeout_ns != HFA_NEVER)
        deadline_ns = hfa_reactor_update_now(server->reactor) + timeout_ns;
    for (;;) {
        enum hfa_status status = flush_and_poll(server, wait_ns);
        if (status != HFA_OK)
            return raise_status(status);
        if (PyErr_CheckSignals() < 0)
            return -1;
        if (server->server == NULL) /* a signal handler has closed it */
            return 0;
        if (is_debug && schedule_dispatch(server) < 0)
            return -1;
        if (!is_debug)
            steps += dispatch(server);
        if (runs_callbacks) {
            int ran = run_callbacks(server);
            if (ran < 0)
                return -1;
            if (server->server == NULL)
                return 0;
            steps += (unsigned)ran;
        }
        if (server->selector_ready || server->is_foreign || timeout_ns == 0 || steps > TURN_MAX ||
            asyncio_has_work(server, before, runs_callbacks))
            return 0;
        uint64_t now_ns = hfa_reactor_now(server->reactor);
        if (now_ns >= deadline_ns)
            return 0;
        wait_ns = deadline_ns == HFA_NEVER ? HFA_NEVER : deadline_ns - now_ns;
        if (hfa_ready_queue_count(&server->ready) > 0)
            wait_ns = 0;
    }
}

int hfa_loop_bridge_turn(struct hfa_server_object *server, uint64_t timeout_ns)
{
    struct loop_view before;
    bool was_in_turn = server->is_in_turn; /* a handler may run the loop from inside */
    int is_debug = server->is_foreign ? 0 : is_debugging(server);

    if (is_debug < 0)
        return -1;
    look(server, &before);
    server->selector_ready = false;
    server->is_in_turn = true;
    if (server->is_foreign && !was_in_turn)
        note_lock(server); /* another loop has taken it */
    int status = serve(server, timeout_ns, is_debug, &before);
    server->is_in_turn = was_in_turn;
    Py_XDECREF(before.scheduled);
    if (!was_in_turn) {
        PyObject *exception = status < 0 ? hfa_take_exception() : NULL;
        hfa_loop_bridge_flush(server);
        if (server->is_foreign)
            prepare_wait(server);
        if (exception != NULL)
            hfa_raise_exception(exception);
    }
    return status;
}
