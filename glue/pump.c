#include "pump.h"

#include "await.h"
#include "operation.h"
#include "output.h"
#include "server_object.h"

/* --- Out ----------------------------------------------------------------------------------------
 */

/* NULL: the client has gone, and nobody is told. */
static struct hfa_exchange *open_exchange(const struct hfa_pump *pump)
{
    struct hfa_exchange *exchange = hfa_run_exchange(pump->run);

    return exchange == NULL || exchange->stream == NULL ? NULL : exchange;
}

/* What is held leaves, each item as ASGI's message of it would. -1 with an exception. */
static int put_out(struct hfa_pump *pump)
{
    size_t start = 0;
    int status = 0;

    for (unsigned i = 0; i < pump->held_count && status == 0; i++) {
        struct hfa_exchange *exchange = open_exchange(pump);
        if (exchange == NULL)
            break;
        const struct hfa_bytes item = {pump->held.data + start, pump->ends[i] - start};
        start = pump->ends[i];
        status = hfa_asgi_check(hfa_exchange_write(exchange, item, NULL, false));
    }
    if (pump->held_count > 0)
        hfa_server_object_output(pump->run->server, HFA_OUTPUT_NOW);
    pump->held_count = 0;
    hfa_json_encoder_reset(&pump->held);
    return status;
}

/* The same where an exception is set, which stays. */
static void put_out_raising(struct hfa_pump *pump)
{
    PyObject *exception = hfa_take_exception();

    if (put_out(pump) < 0)
        PyErr_Clear();
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static int perform_room(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_exchange *exchange = operation->call->exchange;

    if (exchange != NULL && exchange->stream != NULL && !hfa_exchange_is_writable(exchange))
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

static const struct hfa_operation_kind operation_room = {"send", perform_room};

/* A large piece is lent to the connection, not copied. */
static int put_out_large(struct hfa_pump *pump, PyObject *piece)
{
    if (put_out(pump) < 0)
        return -1;
    struct hfa_exchange *exchange = open_exchange(pump);
    if (exchange == NULL)
        return 0;
    const struct hfa_bytes bytes = {PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece)};
    int status = hfa_asgi_check(hfa_exchange_write(exchange, bytes, Py_NewRef(piece), false));
    hfa_server_object_output(pump->run->server, HFA_OUTPUT_NOW);
    return status;
}

/* The clock stands once the server is closed; what is in progress goes on without it. */
static uint64_t now_of(const struct hfa_pump *pump)
{
    struct hfa_reactor *reactor = pump->run->server->reactor;

    return reactor == NULL ? pump->taken_ns : hfa_reactor_update_now(reactor);
}

/* Takes what the iterator has given. -1 with an exception. */
static int take(struct hfa_pump *pump, PyObject *item)
{
    if (pump->kind == HFA_STREAM_PIECES && PyBytes_CheckExact(item) &&
        PyBytes_GET_SIZE(item) >= HFA_OUTPUT_BORROW_MIN) {
        pump->taken_ns = now_of(pump);
        return put_out_large(pump, item);
    }
    if (hfa_stream_item_write(pump->run, pump->kind, pump->serialize, &pump->held, item) < 0)
        return -1;
    pump->taken_ns = now_of(pump);
    if (pump->held_count == 0)
        pump->held_since_ns = pump->taken_ns;
    pump->ends[pump->held_count++] = pump->held.length;
    return 0;
}

static bool has_held_enough(const struct hfa_pump *pump)
{
    if (pump->held_count == 0)
        return false;
    return !pump->holds || pump->held_count == HFA_PUMP_HOLD_MAX ||
           pump->held.length >= HFA_PUMP_HOLD_SIZE ||
           pump->taken_ns - pump->held_since_ns >= HFA_PUMP_HOLD_NS;
}

/* --- In -----------------------------------------------------------------------------------------
 */

static PyObject *next_item(struct hfa_pump *pump)
{
    PyTypeObject *type = Py_TYPE(pump->source);
    unaryfunc next = (unaryfunc)PyType_GetSlot(type, Py_am_anext);

    if (next == NULL)
        return PyErr_Format(PyExc_TypeError,
                            "'async for' received an object from __aiter__ that does not implement "
                            "__anext__: %.100s",
                            type->tp_name);
    PyObject *awaitable = next(pump->source);
    PyObject *iterator = awaitable == NULL ? NULL : hfa_await_iterator(awaitable);
    Py_XDECREF(awaitable);
    return iterator;
}

static int perform_steps(struct hfa_operation *operation, PyObject **result)
{
    struct hfa_pump *pump = (struct hfa_pump *)operation->owner;
    bool is_ready = pump->wait == HFA_PUMP_AWAITS_THE_LAST
                        ? !hfa_stream_steps_are_running(pump->steps)
                        : hfa_stream_steps_have_news(pump->steps);

    if (!is_ready)
        return 0;
    *result = Py_NewRef(Py_None);
    return 1;
}

static const struct hfa_operation_kind operation_steps = {"step", perform_steps};

/* What follows gives outcomes as PyIter_Send() does, of what has to be waited for. */

static PySendResult await_operation(struct hfa_pump *pump, enum hfa_pump_wait wait,
                                    const struct hfa_operation_kind *kind, PyObject **value)
{
    *value = NULL;
    pump->wait = wait;
    pump->inner = hfa_operation_new(pump->run->call, kind, (PyObject *)pump, NULL);
    return pump->inner == NULL ? PYGEN_ERROR : PyIter_Send(pump->inner, Py_None, value);
}

static PySendResult next_of_steps(struct hfa_pump *pump, PyObject **value)
{
    pump->wait = HFA_PUMP_RUNS;
    switch (hfa_stream_steps_take(pump->steps, value)) {
    case HFA_STREAM_TAKE_ITEM:
        pump->wait = HFA_PUMP_AWAITS_ITEM;
        return PYGEN_RETURN;
    case HFA_STREAM_TAKE_WAITS:
        return await_operation(pump, HFA_PUMP_AWAITS_STEPS, &operation_steps, value);
    case HFA_STREAM_TAKE_END:
        pump->wait = HFA_PUMP_AWAITS_ITEM;
        PyErr_SetNone(PyExc_StopAsyncIteration);
        return PYGEN_ERROR;
    case HFA_STREAM_TAKE_FAILED:
        break;
    }
    return PYGEN_ERROR;
}

static PySendResult next_step(struct hfa_pump *pump, PyObject **value)
{
    *value = NULL;
    if (pump->steps != NULL)
        return next_of_steps(pump, value);
    pump->wait = HFA_PUMP_AWAITS_ITEM; /* __anext__() itself may end the iteration, too */
    pump->inner = next_item(pump);
    if (pump->inner == NULL)
        return PYGEN_ERROR;
    return PyIter_Send(pump->inner, Py_None, value);
}

/* Whether others have a turn before the next item. */
static bool gives_turn(struct hfa_pump *pump)
{
    const struct hfa_ready_queue *ready = &pump->run->server->ready;

    if (!pump->takes_turns)
        return false;
    if (ready->items == NULL || pump->taken_ns - pump->turn_ns >= HFA_PUMP_HOLD_NS)
        return true; /* nobody can tell whether somebody waits */
    Py_ssize_t waiting = hfa_ready_queue_count(ready);
    if (waiting < 0)
        PyErr_Clear();
    return waiting < 0 || waiting > (Py_ssize_t)pump->run->server->pump_turns;
}

static void begin_turn(struct hfa_pump *pump)
{
    pump->wait = HFA_PUMP_AWAITS_TURN;
    pump->run->server->pump_turns++;
}

static void end_turn(struct hfa_pump *pump)
{
    if (pump->wait != HFA_PUMP_AWAITS_TURN)
        return;
    pump->wait = HFA_PUMP_RUNS;
    pump->run->server->pump_turns--;
}

/* The worker is through that a cancellation has had to wait for: raises that. */
static void lift_shield(struct hfa_pump *pump)
{
    PyObject *shield = pump->shield;
    PyObject *exception = hfa_take_exception();

    pump->shield = NULL;
    if (exception == NULL)
        exception = pump->cancelling;
    else
        Py_XDECREF(pump->cancelling);
    pump->cancelling = NULL;
    PyObject *lifted = PyObject_CallMethodObjArgs(
        shield, pump->run->application->state->str___exit__, Py_None, Py_None, Py_None, NULL);
    Py_DECREF(shield);
    if (lifted == NULL)
        Py_DECREF(exception);
    else
        hfa_raise_exception(exception);
    Py_XDECREF(lifted);
}

static PySendResult end(struct hfa_pump *pump, PyObject **result)
{
    pump->is_done = true;
    *result = NULL;
    if (pump->steps != NULL)
        hfa_stream_steps_stop(pump->steps);
    if (pump->shield != NULL)
        lift_shield(pump);
    if (PyErr_Occurred()) {
        put_out_raising(pump);
        return PYGEN_ERROR;
    }
    if (put_out(pump) < 0)
        return PYGEN_ERROR;
    *result = Py_NewRef(Py_None);
    return PYGEN_RETURN;
}

/* An item has come, or there is room again; a turn of others is PYGEN_NEXT with None. */
static PySendResult go_further(struct hfa_pump *pump, enum hfa_pump_wait waited, PyObject *item,
                               PyObject **value)
{
    *value = NULL;
    if (waited == HFA_PUMP_AWAITS_STEPS)
        return next_of_steps(pump, value);
    if (waited == HFA_PUMP_AWAITS_ITEM && take(pump, item) < 0)
        return PYGEN_ERROR;
    struct hfa_exchange *exchange = open_exchange(pump);
    if (exchange != NULL && !hfa_exchange_is_writable(exchange))
        return await_operation(pump, HFA_PUMP_AWAITS_ROOM, &operation_room, value);
    if (has_held_enough(pump) && put_out(pump) < 0)
        return PYGEN_ERROR;
    if (!gives_turn(pump))
        return next_step(pump, value);
    begin_turn(pump);
    *value = Py_NewRef(Py_None);
    return PYGEN_NEXT;
}

/* What was waited for has been stepped, with this outcome; goes on until something has to wait. */
static PySendResult go_on(struct hfa_pump *pump, PySendResult outcome, PyObject *value,
                          PyObject **result)
{
    *result = NULL;
    while (outcome != PYGEN_NEXT) {
        enum hfa_pump_wait waited = pump->wait;
        pump->wait = HFA_PUMP_RUNS;
        Py_CLEAR(pump->inner);
        if (outcome == PYGEN_ERROR) {
            if (waited == HFA_PUMP_AWAITS_ITEM && PyErr_ExceptionMatches(PyExc_StopAsyncIteration))
                PyErr_Clear();
            return end(pump, result);
        }
        PyObject *taken = value;
        value = NULL;
        if (waited != HFA_PUMP_AWAITS_THE_LAST)
            outcome = go_further(pump, waited, taken, &value);
        Py_DECREF(taken);
        if (waited == HFA_PUMP_AWAITS_THE_LAST)
            return end(pump, result);
    }
    if (pump->wait != HFA_PUMP_AWAITS_TURN && pump->wait != HFA_PUMP_AWAITS_ROOM &&
        put_out(pump) < 0) {
        Py_DECREF(value);
        return end(pump, result);
    }
    *result = value;
    return PYGEN_NEXT;
}

/* A cancellation has come while a worker steps the iterator. AnyIO's waits for workers, asyncio's
 * own does not: the worker goes on alone. False: the latter, or with an exception. */
static bool shield_worker(struct hfa_pump *pump, PyObject *exception)
{
    if (pump->wait != HFA_PUMP_AWAITS_STEPS || !hfa_stream_steps_are_running(pump->steps))
        return false;
    hfa_stream_steps_stop(pump->steps);
    PyObject *shield = PyObject_CallOneArg(pump->run->application->hooks.shield, exception);
    if (shield == NULL || shield == Py_None) {
        Py_XDECREF(shield);
        return false;
    }
    pump->shield = shield;
    pump->cancelling = Py_NewRef(exception);
    return true;
}

/* --- The coroutine ------------------------------------------------------------------------------
 */

static bool can_step(const struct hfa_pump *pump)
{
    if (pump->is_running)
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
    else if (pump->is_done)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    else
        return true;
    return false;
}

static PySendResult pump_send(PyObject *self, PyObject *value, PyObject **result)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;
    PySendResult outcome;
    PyObject *stepped = NULL;

    *result = NULL;
    if (!can_step(pump))
        return PYGEN_ERROR;
    if (pump->is_new && value != Py_None) {
        PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
    }
    pump->is_new = false;
    pump->is_running = true;
    end_turn(pump);
    if (pump->inner == NULL) {
        pump->turn_ns = now_of(pump);
        outcome = next_step(pump, &stepped);
    } else {
        outcome = PyIter_Send(pump->inner, value, &stepped);
    }
    outcome = go_on(pump, outcome, stepped, result);
    pump->is_running = false;
    return outcome;
}

static PyObject *pump_next(PyObject *self)
{
    PyObject *result;
    PySendResult outcome = pump_send(self, Py_None, &result);

    return hfa_await_next_result(outcome, result);
}

static PyObject *method_send(PyObject *self, PyObject *value)
{
    PyObject *result;
    PySendResult outcome = pump_send(self, value, &result);

    return hfa_await_step_result(outcome, result);
}

static PyObject *method_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;
    PyObject *stepped = NULL;
    PyObject *result = NULL;
    PySendResult outcome;

    if (!hfa_await_can_throw(count) || !can_step(pump))
        return NULL;
    pump->is_new = false;
    pump->is_running = true;
    end_turn(pump);
    if (shield_worker(pump, args[0])) {
        Py_CLEAR(pump->inner);
        outcome = await_operation(pump, HFA_PUMP_AWAITS_THE_LAST, &operation_steps, &stepped);
        outcome = go_on(pump, outcome, stepped, &result);
    } else if (pump->inner == NULL || PyErr_Occurred()) {
        if (!PyErr_Occurred())
            hfa_await_set_thrown(args, count);
        outcome = end(pump, &result);
    } else {
        outcome = hfa_await_throw(pump->inner, args, count, &stepped);
        outcome = go_on(pump, outcome, stepped, &result);
    }
    pump->is_running = false;
    return hfa_await_step_result(outcome, result);
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;

    (void)unused;
    if (pump->is_done)
        Py_RETURN_NONE;
    if (!can_step(pump))
        return NULL;
    pump->is_done = true;
    end_turn(pump);
    if (pump->steps != NULL)
        hfa_stream_steps_stop(pump->steps);
    int closed = pump->inner == NULL ? 0 : hfa_await_close(pump->inner);
    Py_CLEAR(pump->inner);
    if (closed < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *get_name(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    return PyUnicode_FromString("pump");
}

static PyObject *get_await(PyObject *self, void *unused)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;

    (void)unused;
    return Py_NewRef(pump->inner == NULL ? Py_None : pump->inner);
}

static PyObject *get_running(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_pump *)self)->is_running);
}

static PyObject *get_is_full(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((struct hfa_pump *)self)->wait == HFA_PUMP_AWAITS_ROOM);
}

static PyObject *get_silence(PyObject *self, void *unused)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;
    uint64_t now_ns = now_of(pump);

    (void)unused;
    return PyFloat_FromDouble((double)(now_ns - pump->taken_ns) / 1e9);
}

static int pump_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(pump->run);
    Py_VISIT(pump->source);
    Py_VISIT(pump->serialize);
    Py_VISIT(pump->inner);
    Py_VISIT(pump->shield);
    Py_VISIT(pump->cancelling);
    return pump->steps == NULL ? 0 : hfa_stream_steps_traverse(pump->steps, visit, arg);
}

static int pump_clear(PyObject *self)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;

    Py_CLEAR(pump->source);
    Py_CLEAR(pump->serialize);
    Py_CLEAR(pump->inner);
    Py_CLEAR(pump->shield);
    Py_CLEAR(pump->cancelling);
    hfa_stream_steps_drop(pump->steps);
    pump->steps = NULL;
    return 0;
}

static void pump_dealloc(PyObject *self)
{
    struct hfa_pump *pump = (struct hfa_pump *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    end_turn(pump);
    pump_clear(self);
    hfa_json_encoder_free(&pump->held);
    Py_DECREF(pump->run);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

PyObject *hfa_pump_new(PyObject *self, PyObject *args)
{
    struct hfa_run *run = (struct hfa_run *)self;
    struct hfa_state *state = run->application->state;
    PyObject *source, *serialize;
    int is_sync, kind, takes_turns, holds;

    if (!PyArg_ParseTuple(args, "OpippO:pump", &source, &is_sync, &kind, &takes_turns, &holds,
                          &serialize))
        return NULL;
    if (run->call == NULL || run->server == NULL || run->server->pool == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "nothing is sent yet");
        return NULL;
    }
    struct hfa_pump *pump = PyObject_GC_New(struct hfa_pump, state->pump_type);
    if (pump == NULL)
        return NULL;
    memset((char *)pump + sizeof(PyObject), 0, sizeof(*pump) - sizeof(PyObject));
    pump->run = (struct hfa_run *)Py_NewRef(self);
    pump->source = is_sync ? NULL : Py_NewRef(source);
    pump->serialize = Py_NewRef(serialize);
    hfa_json_encoder_init(&pump->held, state, NULL);
    pump->taken_ns = hfa_reactor_update_now(run->server->reactor);
    /* Lines of `def` iterators come from the workers as bytes. */
    pump->kind = is_sync && kind == HFA_STREAM_LINES ? HFA_STREAM_PIECES : kind;
    pump->takes_turns = takes_turns;
    pump->holds = holds;
    pump->is_new = true;
    PyObject_GC_Track(pump);
    if (is_sync) {
        pump->steps = hfa_stream_steps_new(run, source, kind, serialize);
        if (pump->steps == NULL)
            Py_CLEAR(pump);
    }
    return (PyObject *)pump;
}

static PyMethodDef pump_methods[] = {
    {"send", method_send, METH_O, "Steps the coroutine."},
    {"throw", (PyCFunction)(void (*)(void))method_throw, METH_FASTCALL,
     "Raises an exception where the coroutine waits."},
    {"close", method_close, METH_NOARGS, "Ends the coroutine."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pump_getset[] = {
    {"__name__", get_name, NULL, NULL, NULL},
    {"__qualname__", get_name, NULL, NULL, NULL},
    {"cr_await", get_await, NULL, "What it waits for, or None.", NULL},
    {"cr_running", get_running, NULL, "Whether it is being stepped.", NULL},
    {"is_full", get_is_full, NULL, "Whether an item waits for room in the connection.", NULL},
    {"silence", get_silence, NULL, "Seconds since the last item came.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pump_slots[] = {
    {Py_tp_doc, "A coroutine: takes the items of a stream and sends them."},
    {Py_tp_dealloc, pump_dealloc},
    {Py_tp_traverse, pump_traverse},
    {Py_tp_clear, pump_clear},
    {Py_tp_methods, pump_methods},
    {Py_tp_getset, pump_getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, pump_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, pump_send},
    {0, NULL},
};

PyType_Spec hfa_pump_spec = {
    .name = "hyperfastapi._core.Pump",
    .basicsize = sizeof(struct hfa_pump),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = pump_slots,
};
