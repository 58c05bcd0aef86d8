#include "pool.h"

#include "job_queue.h"
#include "limiter.h"
#include "switch_interval.h"
#include "watchdog.h"
#include "worker.h"

#include <unistd.h>

/* Finished jobs wait at most this long for the rest of their batch. */
#define PUBLISH_NS (300 * 1000)
/* Workers for jobs that don't count, beside those that tokens allow. */
#define FREE_WORKERS_MAX 64
/* So many idle workers stay; the others end after so long, as AnyIO's do. */
#define IDLE_KEPT   2
#define IDLE_MAX_NS (10ull * 1000 * 1000 * 1000)

/* Guarded by the interpreter lock, but for what is atomic. */
struct hfa_pool {
    struct hfa_state *state; /* borrowed */
    void (*wake)(void *data);
    void *wake_data;
    struct hfa_pool *next, **link; /* among the module's pools; link is NULL: not in there */
    unsigned references;           /* the owner's, and one a worker */
    pid_t process;                 /* threads don't survive a fork */
    bool is_open;                  /* has seen its loop, with the first job */
    bool is_closing;
    struct hfa_anyio anyio;
    struct hfa_limiter limiter;
    struct hfa_watchdog watchdog;

    struct hfa_job_queue quick, slow;           /* need a token */
    struct hfa_job_queue free_quick, free_slow; /* don't count */
    struct hfa_job_queue finished;
    bool has_unpublished;           /* some of them the loop has not been told of */
    unsigned running, free_running; /* jobs in progress: that count, that don't */

    struct hfa_worker *all;  /* every worker */
    unsigned worker_count;   /* of them */
    struct hfa_worker *idle; /* a stack: the last one to fall asleep is the first to wake */
    unsigned idle_count;
    struct hfa_worker *chosen; /* the loop thread's alone: kick() wakes them */
    unsigned starting_quick;   /* workers that kick() has to start */
    unsigned starting_slow;
    struct hfa_worker *quick_worker; /* NULL: none has the role, or it is being started */
    unsigned coming_slow;            /* workers that will look for slow jobs */
    unsigned owed;                   /* tokens that workers are to give back after their job */
    unsigned given;                  /* tokens that they have given back */

    atomic_bool is_armed;     /* the loop waits, or is about to: wake it */
    atomic_bool is_published; /* finished jobs are to be collected */
    atomic_bool needs_plan;   /* other workers are needed than those that were chosen */
    atomic_bool has_quick;    /* some worker has the role, or will have it */
    atomic_uint progress;     /* quick jobs begun; 0 never */
    atomic_uint quick_job;    /* `progress` at the start of the one in progress; 0: none is */
    atomic_uint stuck_job;    /* the `quick_job` that the watchdog has seen for too long */
    unsigned seen_job;        /* the watchdog's alone: `quick_job` when it looked last */
    unsigned seen_progress;   /* likewise */
};

/* --- Telling the loop ------------------------------------------------------------------------ */

/* true: the loop waits and has to be woken. */
static bool publish(struct hfa_pool *pool)
{
    pool->has_unpublished = false;
    atomic_store(&pool->is_published, true);
    return atomic_exchange(&pool->is_armed, false);
}

bool hfa_pool_has_done(const struct hfa_pool *pool)
{
    return atomic_load(&pool->is_published) || atomic_load(&pool->needs_plan);
}

/* Any thread: the loop has to choose workers anew. */
static void ask_for_plan(struct hfa_pool *pool)
{
    atomic_store(&pool->needs_plan, true);
    if (atomic_exchange(&pool->is_armed, false))
        pool->wake(pool->wake_data);
}

/* In the watchdog's thread. A quick job that is still the same one at the second look has been
 * running for at least one interval: whoever waits behind it needs another worker. */
static bool look(void *data)
{
    struct hfa_pool *pool = data;
    unsigned job = atomic_load(&pool->quick_job);
    unsigned progress = atomic_load_explicit(&pool->progress, memory_order_relaxed);
    bool moves = progress != pool->seen_progress;

    if (job != 0 && job == pool->seen_job && job != atomic_load(&pool->stuck_job)) {
        atomic_store(&pool->stuck_job, job);
        ask_for_plan(pool);
    }
    pool->seen_job = job;
    pool->seen_progress = progress;
    return atomic_load(&pool->has_quick) || moves;
}

/* --- Workers --------------------------------------------------------------------------------- */

static void drop_reference(struct hfa_pool *pool)
{
    if (--pool->references > 0)
        return;
    hfa_anyio_close(&pool->anyio);
    PyMem_Free(pool);
}

static void take_quick_role(struct hfa_pool *pool, struct hfa_worker *worker)
{
    pool->quick_worker = worker;
    worker->role = HFA_WORKER_QUICK;
    atomic_store(&pool->has_quick, true);
}

static void give_up_quick_role(struct hfa_pool *pool, struct hfa_worker *worker)
{
    if (pool->quick_worker != worker)
        return;
    pool->quick_worker = NULL;
    atomic_store(&pool->quick_job, 0);
    atomic_store(&pool->has_quick, false);
}

static void arrive(struct hfa_worker *worker)
{
    if (!worker->is_coming)
        return;
    worker->is_coming = false;
    if (worker->role == HFA_WORKER_SLOW)
        worker->pool->coming_slow--;
}

static void end(struct hfa_worker *worker)
{
    struct hfa_pool *pool = worker->pool;

    *worker->link_of_all = worker->next_of_all;
    if (worker->next_of_all != NULL)
        worker->next_of_all->link_of_all = worker->link_of_all;
    pool->worker_count--;
    give_up_quick_role(pool, worker);
    arrive(worker);
    drop_reference(pool);
}

static struct hfa_job *take_slow(struct hfa_pool *pool, bool has_token)
{
    struct hfa_job *job = hfa_job_queue_pop(&pool->free_slow);

    return job == NULL && has_token ? hfa_job_queue_pop(&pool->slow) : job;
}

/* A site may have turned out slow after its job was queued. */
static struct hfa_job *take_quick(struct hfa_pool *pool, bool has_token)
{
    struct hfa_job *job = NULL;
    bool has_moved = false;

    while (job == NULL) {
        job = hfa_job_queue_pop(&pool->free_quick);
        if (job == NULL && has_token)
            job = hfa_job_queue_pop(&pool->quick);
        if (job == NULL)
            break;
        if (hfa_job_site_is_slow(job->site)) {
            hfa_job_queue_push(job->counts ? &pool->slow : &pool->free_slow, job);
            job = NULL;
            has_moved = true;
        }
    }
    if (has_moved)
        ask_for_plan(pool);
    return job;
}

/* The oldest job that the worker may run; NULL: there is none. */
static struct hfa_job *take(struct hfa_worker *worker)
{
    struct hfa_pool *pool = worker->pool;
    bool has_token = pool->running < pool->limiter.held - pool->given;
    struct hfa_job *job = NULL;

    if (worker->role == HFA_WORKER_SLOW) {
        job = take_slow(pool, has_token);
        if (job != NULL)
            return job;
        /* The role goes to whoever is there first. */
        if (pool->quick_worker != NULL || pool->starting_quick > 0)
            return NULL;
        take_quick_role(pool, worker);
    }
    job = take_quick(pool, has_token);
    /* Slow jobs wait for workers that are on their way; what is left over we can do. */
    if (job == NULL && pool->free_slow.count + pool->slow.count > pool->coming_slow) {
        job = take_slow(pool, has_token);
        if (job != NULL) {
            give_up_quick_role(pool, worker);
            worker->role = HFA_WORKER_SLOW;
        }
    }
    return job;
}

static void read_clocks(struct hfa_worker *worker)
{
    hfa_thread_usage_read(&worker->usage);
    worker->clock_ns = worker->published_ns = worker->usage.wall_ns;
}

/* For the job in progress, which computes. */
static void begin_computing(struct hfa_worker *worker)
{
    if (worker->is_computing)
        return;
    worker->is_computing = true;
    hfa_switch_interval_begin_job(&worker->pool->state->switch_interval);
    hfa_thread_schedule_set_hurried(&worker->schedule, false);
    hfa_thread_schedule_set_patient(&worker->schedule, true);
}

static void end_computing(struct hfa_worker *worker)
{
    if (!worker->is_computing)
        return;
    worker->is_computing = false;
    hfa_switch_interval_end_job(&worker->pool->state->switch_interval);
    hfa_thread_schedule_set_patient(&worker->schedule, false);
}

static void run(struct hfa_worker *worker, struct hfa_job *job)
{
    struct hfa_pool *pool = worker->pool;
    struct hfa_job_site *site = job->site;
    unsigned *running = job->counts ? &pool->running : &pool->free_running;

    if (worker->role == HFA_WORKER_QUICK) {
        unsigned progress = pool->progress + 1;
        if (progress == 0)
            progress = 1;
        atomic_store_explicit(&pool->progress, progress, memory_order_relaxed);
        atomic_store_explicit(&pool->quick_job, progress, memory_order_relaxed);
    }
    ++*running;
    worker->job = job;
    if (site->is_busy)
        begin_computing(worker);
    job->run(job);
    end_computing(worker);
    worker->job = NULL;
    --*running;
    if (pool->is_closing && pool->link == NULL)
        return; /* abandoned */
    if (pool->quick_worker == worker)
        atomic_store_explicit(&pool->quick_job, 0, memory_order_relaxed);
    bool is_contended = pool->state->switch_interval.jobs > 0;
    worker->clock_ns = hfa_job_site_learn(site, worker->clock_ns, &worker->usage, is_contended);
    hfa_job_queue_push(&pool->finished, job);
    pool->has_unpublished = true;
    if (worker->role == HFA_WORKER_QUICK && worker->clock_ns - worker->published_ns < PUBLISH_NS)
        return;
    if (!pool->is_closing && publish(pool))
        pool->wake(pool->wake_data);
    /* The wake-up is not the next job's, and what it waits for says nothing about jobs. */
    read_clocks(worker);
}

static void push_idle(struct hfa_pool *pool, struct hfa_worker *worker)
{
    give_up_quick_role(pool, worker);
    worker->role = HFA_WORKER_IDLE;
    worker->next = pool->idle;
    pool->idle = worker;
    pool->idle_count++;
}

static void remove_idle(struct hfa_pool *pool, struct hfa_worker *worker)
{
    struct hfa_worker **link = &pool->idle;

    while (*link != worker)
        link = &(*link)->next;
    *link = worker->next;
    pool->idle_count--;
}

/* What it has in hand is over soon, while the jobs that compute are not: it keeps the interpreter
 * lock from them as the loop thread does. */
static void set_hurried(struct hfa_worker *worker, bool is_hurried)
{
    struct hfa_switch_interval *interval = &worker->pool->state->switch_interval;

    hfa_thread_schedule_set_hurried(&worker->schedule, is_hurried && interval->jobs > 0);
    if (is_hurried)
        hfa_switch_interval_lengthen(interval);
    else
        hfa_switch_interval_shorten(interval);
}

/* Sleeps until chosen. false: it is one too many. */
static bool rest(struct hfa_worker *worker)
{
    struct hfa_pool *pool = worker->pool;
    bool must_wake = !pool->is_closing && pool->has_unpublished && publish(pool);

    hfa_switch_interval_shorten(&pool->state->switch_interval);
    push_idle(pool, worker);
    for (;;) {
        PyThreadState *thread_state = PyEval_SaveThread();
        if (must_wake)
            pool->wake(pool->wake_data);
        must_wake = false;
        bool is_woken = hfa_worker_sleep(worker, IDLE_MAX_NS);
        PyEval_RestoreThread(thread_state);
        if (is_woken)
            return true;
        if (worker->role != HFA_WORKER_IDLE) {
            /* Chosen just now: the wake-up is on its way. */
            Py_BEGIN_ALLOW_THREADS;
            hfa_worker_sleep(worker, HFA_WORKER_FOREVER);
            Py_END_ALLOW_THREADS;
            return true;
        }
        if (pool->idle_count > IDLE_KEPT) {
            remove_idle(pool, worker);
            return false;
        }
    }
}

static void serve(struct hfa_worker *worker)
{
    struct hfa_pool *pool = worker->pool;
    PyObject *claim = hfa_anyio_enter_thread(&pool->anyio);

    hfa_thread_clock_open(&worker->cpu_clock);
    hfa_thread_schedule_open(&worker->schedule);
    if (claim == NULL)
        PyErr_WriteUnraisable(worker->thread);
    for (;;) {
        read_clocks(worker);
        set_hurried(worker, worker->role == HFA_WORKER_QUICK);
        arrive(worker);
        while (!pool->is_closing) {
            struct hfa_job *job = take(worker);
            if (job == NULL)
                break;
            bool counts = job->counts;
            run(worker, job);
            if (counts && pool->owed > 0) {
                pool->owed--;
                pool->given++;
                break;
            }
        }
        if (pool->is_closing || !rest(worker))
            break;
    }
    hfa_anyio_leave_thread(claim);
}

/* --- Choosing workers: in the loop thread ---------------------------------------------------- */

/* false: no more workers can be had. */
static bool choose(struct hfa_pool *pool, enum hfa_worker_role role)
{
    struct hfa_worker *worker = pool->idle;

    if (worker == NULL) {
        unsigned count = pool->worker_count + pool->starting_quick + pool->starting_slow;
        if (count >= pool->limiter.held + FREE_WORKERS_MAX)
            return false;
        if (role == HFA_WORKER_QUICK) {
            pool->starting_quick++;
            atomic_store(&pool->has_quick, true);
        } else {
            pool->starting_slow++;
        }
    } else {
        pool->idle = worker->next;
        pool->idle_count--;
        worker->role = role;
        worker->is_coming = true;
        worker->next = pool->chosen;
        pool->chosen = worker;
        if (role == HFA_WORKER_QUICK)
            take_quick_role(pool, worker);
    }
    if (role == HFA_WORKER_SLOW)
        pool->coming_slow++;
    return true;
}

static bool is_quick_worker_running_counted(const struct hfa_pool *pool)
{
    return pool->quick_worker != NULL && pool->quick_worker->job != NULL &&
           pool->quick_worker->job->counts;
}

/* One for each job in progress, one for the quick jobs, one for each slow job. */
static unsigned tokens_wanted(const struct hfa_pool *pool)
{
    unsigned wanted = pool->running + pool->slow.count;

    if (pool->quick.count > 0 && !is_quick_worker_running_counted(pool))
        wanted++;
    return wanted;
}

static void replace_stuck_worker(struct hfa_pool *pool)
{
    unsigned job = pool->quick_job;

    atomic_store(&pool->needs_plan, false);
    if (job == 0 || job != pool->stuck_job || pool->quick_worker == NULL)
        return;
    struct hfa_worker *worker = pool->quick_worker;
    if (worker->job != NULL) {
        /* The interpreter lock is ours: it waits for something, or has just had to let go. */
        uint64_t cpu_ns = hfa_thread_clock_read(&worker->cpu_clock);
        cpu_ns = cpu_ns > worker->usage.cpu_ns ? cpu_ns - worker->usage.cpu_ns : 0;
        hfa_job_site_suspect(worker->job->site, cpu_ns);
        if (worker->job->site->is_busy)
            begin_computing(worker);
    }
    worker->role = HFA_WORKER_SLOW;
    give_up_quick_role(pool, worker);
}

/* Chooses the workers that the queues need and tokens allow. */
static void choose_workers(struct hfa_pool *pool)
{
    unsigned held = pool->limiter.held - pool->given;
    unsigned tokens = held > pool->running ? held - pool->running : 0;
    bool has_quick = pool->free_quick.count > 0;

    if (pool->quick.count > 0 && is_quick_worker_running_counted(pool)) {
        has_quick = true;
    } else if (pool->quick.count > 0 && tokens > 0) {
        has_quick = true;
        tokens--;
    }
    if (has_quick && pool->quick_worker == NULL && pool->starting_quick == 0)
        choose(pool, HFA_WORKER_QUICK);
    unsigned slow = pool->free_slow.count + (pool->slow.count < tokens ? pool->slow.count : tokens);
    while (slow > pool->coming_slow && choose(pool, HFA_WORKER_SLOW))
        ;
}

/* After something has changed that submit() does not know of. */
static void plan(struct hfa_pool *pool)
{
    replace_stuck_worker(pool);
    unsigned wanted = tokens_wanted(pool);
    if (wanted > pool->limiter.held && hfa_limiter_hold(&pool->limiter, wanted) < 0)
        PyErr_WriteUnraisable(pool->anyio.limiter);
    choose_workers(pool);
}

/* AnyIO has given us the token that we waited for. */
static void on_granted(void *data)
{
    struct hfa_pool *pool = data;

    if (pool->is_closing)
        return;
    hfa_limiter_keep(&pool->limiter, tokens_wanted(pool));
    plan(pool);
    hfa_pool_kick(pool);
}

/* Returns the tokens that nothing needs, and those that others wait for. */
static void settle_tokens(struct hfa_pool *pool)
{
    struct hfa_limiter *limiter = &pool->limiter;
    unsigned wanted = tokens_wanted(pool);
    unsigned left = limiter->held - pool->given;

    pool->given = 0;
    hfa_limiter_keep(limiter, wanted < left ? wanted : left);
    pool->owed = limiter->held > 0 ? hfa_limiter_owed(limiter) : 0;
    if (pool->owed > pool->running)
        pool->owed = pool->running;
}

/* --- At the interpreter's exit --------------------------------------------------------------- */

/* Idle workers end; those with a job end after it. */
static void stop(struct hfa_pool *pool)
{
    pool->is_closing = true;
    while (pool->idle != NULL) {
        struct hfa_worker *worker = pool->idle;
        remove_idle(pool, worker);
        worker->role = HFA_WORKER_SLOW;
        hfa_worker_wake(worker);
    }
    while (pool->chosen != NULL) {
        struct hfa_worker *worker = pool->chosen;
        pool->chosen = worker->next;
        hfa_worker_wake(worker);
    }
    Py_BEGIN_ALLOW_THREADS;
    hfa_watchdog_stop(&pool->watchdog);
    Py_END_ALLOW_THREADS;
}

/* Before the interpreter waits for all threads that are not daemons. A pool whose loop was never
 * closed would keep it waiting. */
static PyObject *stop_pools(PyObject *module, PyObject *arguments)
{
    struct hfa_state *state = PyModule_GetState(module);

    (void)arguments;
    for (struct hfa_pool *pool = state->pools; pool != NULL; pool = pool->next)
        if (!pool->is_closing && pool->process == getpid())
            stop(pool);
    Py_RETURN_NONE;
}

static PyMethodDef stop_pools_def = {"stop_pools", stop_pools, METH_NOARGS, NULL};

/* The jobs that compute are the parent's. */
static PyObject *forget_jobs(PyObject *module, PyObject *arguments)
{
    struct hfa_state *state = PyModule_GetState(module);

    (void)arguments;
    hfa_switch_interval_forget_jobs(&state->switch_interval);
    Py_RETURN_NONE;
}

static PyMethodDef forget_jobs_def = {"forget_jobs", forget_jobs, METH_NOARGS, NULL};

static int register_fork(PyObject *module)
{
    PyObject *result = NULL;
    PyObject *os = PyImport_ImportModule("os");
    PyObject *function = os == NULL ? NULL : PyObject_GetAttrString(os, "register_at_fork");
    PyObject *hook = function == NULL ? NULL : PyCFunction_New(&forget_jobs_def, module);
    PyObject *keywords = hook == NULL ? NULL : Py_BuildValue("{s:O}", "after_in_child", hook);
    PyObject *none = keywords == NULL ? NULL : PyTuple_New(0);

    if (none != NULL)
        result = PyObject_Call(function, none, keywords);
    Py_XDECREF(none);
    Py_XDECREF(keywords);
    Py_XDECREF(hook);
    Py_XDECREF(function);
    Py_XDECREF(os);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

static int register_exit(struct hfa_state *state)
{
    PyObject *result = NULL;
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *module = PyType_GetModule(state->server_type); /* borrowed */
    PyObject *hook =
        threading == NULL || module == NULL ? NULL : PyCFunction_New(&stop_pools_def, module);

    if (hook != NULL)
        result = PyObject_CallMethod(threading, "_register_atexit", "O", hook);
    Py_XDECREF(hook);
    Py_XDECREF(threading);
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    if (register_fork(module) < 0)
        return -1;
    state->stops_pools = true;
    return 0;
}

/* --- The pool -------------------------------------------------------------------------------- */

int hfa_pool_new(struct hfa_state *state, void (*wake)(void *), void *wake_data,
                 struct hfa_pool **pool)
{
    if (!state->stops_pools && register_exit(state) < 0)
        return -1;
    struct hfa_pool *made = PyMem_Calloc(1, sizeof(*made));
    if (made == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    made->state = state;
    made->wake = wake;
    made->wake_data = wake_data;
    made->references = 1;
    made->process = getpid();
    made->next = state->pools;
    made->link = &state->pools;
    if (made->next != NULL)
        made->next->link = &made->next;
    state->pools = made;
    *pool = made;
    return 0;
}

static int open_pool(struct hfa_pool *pool)
{
    hfa_anyio_close(&pool->anyio); /* what a failed attempt left */
    if (hfa_anyio_open(&pool->anyio) < 0 ||
        hfa_limiter_open(&pool->limiter, &pool->anyio, on_granted, pool) < 0)
        return -1;
    int error = hfa_watchdog_start(&pool->watchdog, look, pool);
    if (error != 0) {
        errno = error;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    pool->is_open = true;
    return 0;
}

/* Whether the worker that does the quick jobs will see a new one, and has the token it needs. */
static bool is_expected(const struct hfa_pool *pool, const struct hfa_job *job)
{
    if (pool->quick_worker == NULL && pool->starting_quick == 0)
        return false;
    unsigned current = atomic_load_explicit(&pool->quick_job, memory_order_relaxed);
    if (current != 0 && current == atomic_load_explicit(&pool->stuck_job, memory_order_relaxed))
        return false;
    return !job->counts || pool->quick.count > 0 || is_quick_worker_running_counted(pool);
}

int hfa_pool_submit(struct hfa_pool *pool, struct hfa_job *job)
{
    bool is_slow = hfa_job_site_is_slow(job->site);

    if (pool->is_closing) {
        PyErr_SetString(PyExc_RuntimeError, "the worker threads have ended");
        return -1;
    }
    if (!is_slow && is_expected(pool, job)) {
        hfa_job_queue_push(job->counts ? &pool->quick : &pool->free_quick, job);
        return 0;
    }
    if (!pool->is_open && open_pool(pool) < 0)
        return -1;
    replace_stuck_worker(pool);
    if (job->counts && hfa_limiter_hold(&pool->limiter, tokens_wanted(pool) + 1) < 0)
        return -1;
    if (is_slow)
        hfa_job_queue_push(job->counts ? &pool->slow : &pool->free_slow, job);
    else
        hfa_job_queue_push(job->counts ? &pool->quick : &pool->free_quick, job);
    choose_workers(pool);
    return 0;
}

/* Puts what has not begun among the finished jobs. */
static void give_up_jobs(struct hfa_pool *pool)
{
    struct hfa_job_queue *queues[] = {&pool->quick, &pool->slow, &pool->free_quick,
                                      &pool->free_slow};
    struct hfa_job *job;

    for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++)
        while ((job = hfa_job_queue_pop(queues[i])) != NULL)
            hfa_job_queue_push(&pool->finished, job);
}

static int start_worker(struct hfa_pool *pool, enum hfa_worker_role role)
{
    struct hfa_worker *worker = hfa_worker_new(pool);

    if (role == HFA_WORKER_QUICK)
        pool->starting_quick--;
    else
        pool->starting_slow--;
    if (worker == NULL) {
        if (role == HFA_WORKER_SLOW)
            pool->coming_slow--;
        else
            atomic_store(&pool->has_quick, false);
        return -1;
    }
    worker->serve = serve;
    worker->end = end;
    worker->role = role;
    worker->is_coming = true;
    worker->next_of_all = pool->all;
    worker->link_of_all = &pool->all;
    if (pool->all != NULL)
        pool->all->link_of_all = &worker->next_of_all;
    pool->all = worker;
    pool->worker_count++;
    pool->references++;
    if (role == HFA_WORKER_QUICK)
        take_quick_role(pool, worker);
    return hfa_worker_start(worker);
}

static void start_workers(struct hfa_pool *pool)
{
    PyGILState_STATE lock = PyGILState_Ensure();
    int status = 0;

    while (pool->starting_quick > 0)
        status |= start_worker(pool, HFA_WORKER_QUICK);
    while (pool->starting_slow > 0)
        status |= start_worker(pool, HFA_WORKER_SLOW);
    if (status < 0) {
        PyErr_WriteUnraisable(pool->anyio.limiter);
        if (pool->worker_count == 0) {
            give_up_jobs(pool);
            publish(pool);
        }
    }
    PyGILState_Release(lock);
}

void hfa_pool_kick(struct hfa_pool *pool)
{
    atomic_store(&pool->is_armed, true);
    if (pool->chosen == NULL && pool->starting_quick + pool->starting_slow == 0)
        return;
    hfa_watchdog_wake(&pool->watchdog);
    while (pool->chosen != NULL) {
        struct hfa_worker *worker = pool->chosen;
        pool->chosen = worker->next;
        hfa_worker_wake(worker);
    }
    if (pool->starting_quick + pool->starting_slow > 0)
        start_workers(pool);
}

static unsigned finish_jobs(struct hfa_pool *pool)
{
    struct hfa_job_queue finished = hfa_job_queue_take(&pool->finished);
    unsigned count = finished.count;
    struct hfa_job *job;

    pool->has_unpublished = false;
    while ((job = hfa_job_queue_pop(&finished)) != NULL)
        job->done(job);
    return count;
}

unsigned hfa_pool_collect(struct hfa_pool *pool)
{
    atomic_store(&pool->is_published, false);
    unsigned count = finish_jobs(pool);
    if (pool->is_open && !pool->is_closing) {
        settle_tokens(pool);
        plan(pool);
    }
    return count;
}

static void join(PyObject *thread, uint64_t timeout_ns)
{
    PyObject *result = timeout_ns == UINT64_MAX
                           ? PyObject_CallMethod(thread, "join", NULL)
                           : PyObject_CallMethod(thread, "join", "d", (double)timeout_ns / 1e9);

    if (result == NULL)
        PyErr_WriteUnraisable(thread);
    Py_XDECREF(result);
}

/* One that is still starting has no thread to wait for yet, and none to be found later: it is the
 * loop thread that starts them. */
static struct hfa_worker *find_worker(struct hfa_pool *pool, bool with_job)
{
    struct hfa_worker *worker = pool->all;

    while (worker != NULL && (worker->job != NULL) != with_job)
        worker = worker->next_of_all;
    return worker;
}

static void join_workers(struct hfa_pool *pool, uint64_t timeout_ns)
{
    uint64_t start_ns = hfa_thread_usage_clock();
    struct hfa_worker *worker;

    for (;;) {
        uint64_t passed_ns = hfa_thread_usage_clock() - start_ns;
        worker = find_worker(pool, false); /* it ends by itself: no need for a bound */
        uint64_t wait_ns = UINT64_MAX;
        if (worker == NULL) {
            worker = find_worker(pool, true);
            if (worker == NULL || passed_ns >= timeout_ns)
                return;
            wait_ns = timeout_ns - passed_ns;
        }
        if (worker->thread == NULL) { /* at its very end */
            Py_BEGIN_ALLOW_THREADS;
            usleep(100);
            Py_END_ALLOW_THREADS;
            continue;
        }
        PyObject *thread = Py_NewRef(worker->thread);
        join(thread, wait_ns);
        Py_DECREF(thread);
    }
}

unsigned hfa_pool_free(struct hfa_pool *pool, uint64_t timeout_ns)
{
    unsigned abandoned = 0;

    if (pool == NULL)
        return 0;
    if (pool->process == getpid()) {
        stop(pool);
        give_up_jobs(pool);
        finish_jobs(pool);
        join_workers(pool, timeout_ns);
        abandoned = pool->running + pool->free_running;
    }
    *pool->link = pool->next;
    if (pool->next != NULL)
        pool->next->link = pool->link;
    pool->link = NULL;
    finish_jobs(pool);
    hfa_limiter_close(&pool->limiter);
    drop_reference(pool);
    return abandoned;
}

int hfa_pool_enter_context(struct hfa_pool *pool, PyObject *context)
{
    if (PyContext_Enter(context) < 0)
        return -1;
    if (hfa_anyio_hide_library(&pool->anyio) == 0)
        return 0;
    PyObject *exception = hfa_take_exception();
    if (PyContext_Exit(context) < 0)
        PyErr_Clear();
    hfa_raise_exception(exception);
    return -1;
}

PyObject *hfa_job_take_exception(void)
{
    PyObject *raised = hfa_take_exception();

    if (raised == NULL || !PyErr_GivenExceptionMatches(raised, PyExc_StopIteration))
        return raised;
    PyObject *error =
        PyObject_CallFunction(PyExc_RuntimeError, "s", "coroutine raised StopIteration");
    if (error == NULL) {
        Py_DECREF(raised);
        return hfa_take_exception();
    }
    PyException_SetCause(error, raised);
    return error;
}
