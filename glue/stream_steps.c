#include "stream_steps.h"

#include <stdatomic.h>

#include "operation.h"
#include "server_object.h"

struct hfa_stream_steps {
    struct hfa_job job;
    struct hfa_post post;       /* tells the loop of the first item that nobody has taken */
    struct hfa_run *run;        /* owned */
    struct hfa_asgi_call *call; /* owned: whose operations wait for news */
    PyObject *iterator;         /* owned */
    PyObject *serialize;        /* owned */
    PyObject *context;          /* owned: each step runs in a copy */
    PyObject *exception;        /* owned: what a step has raised */
    struct hfa_json_encoder encoder;
    PyObject *items[HFA_STREAM_STEPS_MAX]; /* owned from `taken` to `count` */
    unsigned count, taken;
    size_t size; /* bytes in `items` */
    enum hfa_stream_kind kind;
    bool is_over;    /* the iterator has ended, or failed */
    bool is_stopped; /* no further step */
    bool is_running; /* the pool has the job */
    bool has_run;
    bool is_dropped;
    atomic_bool is_posted;  /* the reactor has the post */
    atomic_uint references; /* of the owner, of a job in the pool, of a post on its way */
};

static void free_steps(struct hfa_stream_steps *steps)
{
    for (unsigned i = steps->taken; i < steps->count; i++)
        Py_DECREF(steps->items[i]);
    Py_XDECREF(steps->run);
    Py_XDECREF((PyObject *)steps->call);
    Py_XDECREF(steps->iterator);
    Py_XDECREF(steps->serialize);
    Py_XDECREF(steps->context);
    Py_XDECREF(steps->exception);
    hfa_json_encoder_free(&steps->encoder);
    PyMem_Free(steps);
}

/* One of its holders is through: the owner, the job, the post. The last one frees it. */
static void let_go(struct hfa_stream_steps *steps)
{
    if (atomic_fetch_sub(&steps->references, 1) == 1)
        free_steps(steps);
}

/* --- In a worker --------------------------------------------------------------------------------
 */

static struct hfa_stream_steps *steps_of_job(struct hfa_job *job)
{
    return (struct hfa_stream_steps *)((char *)job - offsetof(struct hfa_stream_steps, job));
}

/* The bytes of a line of JSON; takes `item`. */
static PyObject *line_of(struct hfa_stream_steps *steps, PyObject *item)
{
    PyObject *line = NULL;

    hfa_json_encoder_reset(&steps->encoder);
    if (hfa_stream_item_write(steps->run, HFA_STREAM_LINES, steps->serialize, &steps->encoder,
                              item) == 0)
        line = PyBytes_FromStringAndSize(steps->encoder.data, (Py_ssize_t)steps->encoder.length);
    Py_DECREF(item);
    return line;
}

static size_t size_of(PyObject *item)
{
    if (PyBytes_CheckExact(item))
        return (size_t)PyBytes_GET_SIZE(item);
    return PyUnicode_CheckExact(item) ? (size_t)PyUnicode_GET_LENGTH(item) : 0;
}

/* NULL, with the exception of a stream that outlives its server. */
static PyObject *refuse_closed(void)
{
    PyErr_SetString(PyExc_RuntimeError, "the server has been closed");
    return NULL;
}

/* One step, in a copy of the context. False: there is no further one. */
static bool take_step(struct hfa_stream_steps *steps)
{
    struct hfa_pool *pool = steps->run->server->pool;
    PyObject *context = pool == NULL ? refuse_closed() : PyContext_Copy(steps->context);
    PyObject *item = NULL;

    if (context != NULL && hfa_pool_enter_context(pool, context) == 0) {
        item = PyIter_Next(steps->iterator);
        if (item != NULL && steps->kind == HFA_STREAM_LINES)
            item = line_of(steps, item);
        if (item == NULL)
            steps->exception = hfa_job_take_exception();
        PyContext_Exit(context);
    } else {
        steps->exception = hfa_take_exception();
    }
    Py_XDECREF(context);
    if (item == NULL) {
        steps->is_over = true;
        return false;
    }
    steps->size += size_of(item);
    steps->items[steps->count++] = item;
    return true;
}

static void on_steps_run(struct hfa_job *job)
{
    struct hfa_stream_steps *steps = steps_of_job(job);
    uint64_t until_ns = hfa_thread_usage_clock() + HFA_STREAM_STEPS_NS;

    steps->has_run = true;
    while (take_step(steps) && !steps->is_stopped && steps->count < HFA_STREAM_STEPS_MAX &&
           steps->size < HFA_STREAM_STEPS_SIZE && hfa_thread_usage_clock() < until_ns) {
        if (steps->is_posted || steps->count - steps->taken > 1 ||
            steps->run->server->reactor == NULL)
            continue;
        /* The next step may take long. */
        steps->is_posted = true;
        atomic_fetch_add(&steps->references, 1);
        hfa_reactor_post(steps->run->server->reactor, &steps->post);
    }
}

/* --- In the loop thread -------------------------------------------------------------------------
 */

/* Without the interpreter lock: the dispatcher, which comes next, steps who waits for news. */
static void on_posted(struct hfa_post *post)
{
    struct hfa_stream_steps *steps =
        (struct hfa_stream_steps *)((char *)post - offsetof(struct hfa_stream_steps, post));

    if (steps->call->exchange != NULL)
        hfa_exchange_notify(steps->call->exchange, HFA_EVENT_WRITABLE);
    steps->is_posted = false;
    if (atomic_fetch_sub(&steps->references, 1) > 1)
        return;
    PyGILState_STATE locked = PyGILState_Ensure();
    free_steps(steps);
    PyGILState_Release(locked);
}

static void on_steps_done(struct hfa_job *job)
{
    struct hfa_stream_steps *steps = steps_of_job(job);

    steps->is_running = false;
    if (!steps->has_run) {
        steps->is_over = true;
        refuse_closed();
        steps->exception = hfa_take_exception();
    }
    if (!steps->is_dropped)
        hfa_asgi_call_step(steps->call); /* the owner may drop the steps */
    let_go(steps);
}

static int start(struct hfa_stream_steps *steps)
{
    if (steps->run->server->pool == NULL) {
        refuse_closed();
        return -1;
    }
    steps->count = steps->taken = 0;
    steps->size = 0;
    steps->has_run = false;
    steps->is_running = true;
    steps->references++; /* the job's */
    if (hfa_pool_submit(steps->run->server->pool, &steps->job) == 0)
        return 0;
    steps->is_running = false;
    steps->references--;
    return -1;
}

struct hfa_stream_steps *hfa_stream_steps_new(struct hfa_run *run, PyObject *iterator,
                                              enum hfa_stream_kind kind, PyObject *serialize)
{
    struct hfa_stream_steps *steps = PyMem_Calloc(1, sizeof(*steps));

    if (steps == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    atomic_init(&steps->references, 1);
    steps->run = (struct hfa_run *)Py_NewRef((PyObject *)run);
    steps->call = (struct hfa_asgi_call *)Py_NewRef((PyObject *)run->call);
    steps->iterator = Py_NewRef(iterator);
    steps->serialize = Py_NewRef(serialize);
    steps->context = PyContext_CopyCurrent();
    steps->kind = kind;
    steps->post.run = on_posted;
    steps->job.site = &run->plan->stream_site;
    steps->job.run = on_steps_run;
    steps->job.done = on_steps_done;
    steps->job.counts = true;
    hfa_json_encoder_init(&steps->encoder, run->application->state, NULL);
    if (steps->context == NULL) {
        free_steps(steps);
        return NULL;
    }
    return steps;
}

void hfa_stream_steps_drop(struct hfa_stream_steps *steps)
{
    if (steps == NULL)
        return;
    steps->is_dropped = true;
    steps->is_stopped = true;
    let_go(steps);
}

enum hfa_stream_take hfa_stream_steps_take(struct hfa_stream_steps *steps, PyObject **item)
{
    *item = NULL;
    if (steps->taken < steps->count) {
        *item = steps->items[steps->taken++];
        return HFA_STREAM_TAKE_ITEM;
    }
    if (steps->is_running)
        return HFA_STREAM_TAKE_WAITS;
    if (steps->exception != NULL) {
        hfa_raise_exception(steps->exception); /* steals */
        steps->exception = NULL;
        return HFA_STREAM_TAKE_FAILED;
    }
    if (steps->is_over)
        return HFA_STREAM_TAKE_END;
    return start(steps) < 0 ? HFA_STREAM_TAKE_FAILED : HFA_STREAM_TAKE_WAITS;
}

bool hfa_stream_steps_have_news(const struct hfa_stream_steps *steps)
{
    return steps->taken < steps->count || !steps->is_running;
}

bool hfa_stream_steps_are_running(const struct hfa_stream_steps *steps)
{
    return steps->is_running;
}

void hfa_stream_steps_stop(struct hfa_stream_steps *steps)
{
    steps->is_stopped = true;
}

int hfa_stream_steps_traverse(const struct hfa_stream_steps *steps, visitproc visit, void *arg)
{
    if (atomic_load(&steps->references) != 1)
        return 0; /* others hold them as well */
    Py_VISIT(steps->run);
    Py_VISIT((PyObject *)steps->call);
    Py_VISIT(steps->iterator);
    Py_VISIT(steps->serialize);
    for (unsigned i = steps->taken; i < steps->count; i++)
        Py_VISIT(steps->items[i]);
    return 0;
}
