#include "loop_bridge.h"

/* Requests handed over between two looks at the clock. */
#define BATCH 16
/* A finished response waits at most this long behind other requests' handlers. */
#define FLUSH_INTERVAL_NS (500 * 1000)

static void flush_without_lock(struct hfa_server_object *server)
{
    Py_BEGIN_ALLOW_THREADS hfa_server_flush(server->server);
    Py_END_ALLOW_THREADS server->last_flush_ns = hfa_reactor_now(server->reactor);
}

void hfa_loop_bridge_flush(struct hfa_server_object *server)
{
    if (server->server != NULL && hfa_server_has_output(server->server))
        flush_without_lock(server);
}

/* What asyncio would look at: work for its next turn, or another deadline than it told us. */
struct loop_view {
    Py_ssize_t scheduled;
    PyObject *next; /* borrowed and only compared */
};

static struct loop_view look(const struct hfa_server_object *server)
{
    struct loop_view view = {0, NULL};

    if (server->scheduled != NULL) {
        view.scheduled = PyList_GET_SIZE(server->scheduled);
        view.next = view.scheduled > 0 ? PyList_GET_ITEM(server->scheduled, 0) : NULL;
    }
    return view;
}

static bool asyncio_has_work(const struct hfa_server_object *server, struct loop_view before)
{
    struct loop_view now = look(server);

    return now.scheduled != before.scheduled || now.next != before.next ||
           (server->ready != NULL && PyObject_Size(server->ready) != 0);
}

/* Hands over what is ready, with pauses to send what is finished. */
static void dispatch(struct hfa_server_object *server)
{
    uint64_t started_ns = hfa_reactor_now(server->reactor);
    unsigned handed_over;

    do {
        handed_over = hfa_server_dispatch(server->server, BATCH);
        if (hfa_reactor_update_now(server->reactor) - started_ns > FLUSH_INTERVAL_NS)
            break;
    } while (handed_over == BATCH);
    if (hfa_server_has_output(server->server))
        flush_without_lock(server);
}

static int poll_once(struct hfa_server_object *server, uint64_t timeout_ns)
{
    enum hfa_status status;

    Py_BEGIN_ALLOW_THREADS status = hfa_reactor_poll(server->reactor, timeout_ns);
    Py_END_ALLOW_THREADS if (status == HFA_OK) return 0;
    if (status == HFA_ERR_NO_MEMORY)
        PyErr_NoMemory();
    else
        PyErr_SetFromErrno(PyExc_OSError);
    return -1;
}

int hfa_loop_bridge_turn(struct hfa_server_object *server, uint64_t timeout_ns,
                         bool *selector_ready)
{
    uint64_t deadline_ns = HFA_NEVER;
    struct loop_view before = look(server);
    int status = 0;

    if (timeout_ns != HFA_NEVER && timeout_ns > 0)
        deadline_ns = hfa_reactor_update_now(server->reactor) + timeout_ns;
    server->is_in_turn = true;
    server->selector_ready = false;
    if (hfa_server_has_output(server->server))
        flush_without_lock(server);
    for (;;) {
        bool has_work = hfa_server_has_work(server->server);
        if (poll_once(server, has_work ? 0 : timeout_ns) < 0) {
            status = -1;
            break;
        }
        if (hfa_server_has_work(server->server) || hfa_server_has_output(server->server))
            dispatch(server);
        else if (PyErr_CheckSignals() < 0) {
            status = -1;
            break;
        }
        if (server->selector_ready || server->is_foreign || asyncio_has_work(server, before))
            break;
        if (deadline_ns == HFA_NEVER) {
            if (timeout_ns == 0)
                break;
            continue;
        }
        uint64_t now_ns = hfa_reactor_now(server->reactor);
        if (now_ns >= deadline_ns)
            break;
        timeout_ns = deadline_ns - now_ns;
    }
    server->is_in_turn = false;
    *selector_ready = server->selector_ready;
    return status;
}
