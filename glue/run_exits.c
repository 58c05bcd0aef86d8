#include "run_exits.h"

#include "server_object.h"

bool hfa_run_shows_request(const struct hfa_run *run)
{
    /* Middleware may have opened cancel scopes, from which FastAPI shields what is left. */
    return run->plan->needs_request || run->traced != NULL ||
           (run->plan->entry_count > 0 && run->server == NULL);
}

/* --- Entering ----------------------------------------------------------------------------------
 */

static int make_manager(struct hfa_run *run)
{
    if (run->exits == NULL) {
        run->exits = PyMem_Calloc(run->plan->entry_count, sizeof(*run->exits));
        if (run->exits == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    run->manager = hfa_run_call_frame(run);
    return run->manager == NULL ? -1 : 0;
}

void hfa_run_keep_entered(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);

    run->exits[run->exit_count++] =
        (struct hfa_run_exit){run->manager, frame->entry == HFA_ENTRY_ASYNC, frame->leaves_early};
    run->manager = NULL;
}

/* By FastAPI's own function, onto the exit stack that the application's code can see. */
static PyObject *enter_visibly(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);
    PyObject *values = PyDict_New();

    for (unsigned i = 0; i < frame->value_count && values != NULL; i++) {
        PyObject *value = run->values[frame->first + i];
        if (value == NULL)
            continue;
        if (PyDict_SetItem(values, PyTuple_GET_ITEM(frame->kwnames, (Py_ssize_t)i), value) < 0)
            Py_CLEAR(values);
    }
    PyObject *entering = values == NULL
                             ? NULL
                             : PyObject_CallFunctionObjArgs(
                                   run->application->hooks.enter, frame->dependant, run->request,
                                   values, frame->leaves_early ? Py_True : Py_False, NULL);
    Py_XDECREF(values);
    return entering;
}

enum hfa_progress hfa_run_enter_step(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);
    PyObject *entering;

    if (run->request == NULL && frame->entry == HFA_ENTRY_SYNC) {
        if (frame->makes_anywhere || make_manager(run) == 0)
            return hfa_run_hand_to_worker(run);
        hfa_run_keep_exception(run);
        return HFA_PROGRESS_AWAITS;
    }
    if (!run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    if (run->request != NULL)
        entering = enter_visibly(run);
    else
        entering =
            make_manager(run) < 0
                ? NULL
                : PyObject_CallMethodNoArgs(run->manager, run->application->state->str___aenter__);
    if (hfa_run_await(run, entering) < 0)
        hfa_run_keep_exception(run);
    else
        run->awaits_frame = true;
    return HFA_PROGRESS_AWAITS;
}

static PyObject *enter(struct hfa_run *run)
{
    if (run->manager == NULL && make_manager(run) < 0)
        return NULL;
    PyObject *manager = Py_NewRef(run->manager);
    PyObject *value = PyObject_CallMethodNoArgs(manager, run->application->state->str___enter__);
    Py_DECREF(manager);
    return value;
}

int hfa_run_enter_in_worker(struct hfa_run *run)
{
    const struct hfa_frame *frame = hfa_run_frame(run);

    if (frame->entry != HFA_ENTRY_SYNC || run->request != NULL ||
        (run->manager == NULL && !frame->makes_anywhere))
        return 0;
    PyObject *value = hfa_run_call_in_copy(run, enter);
    if (value == NULL)
        return -1;
    if (run->is_orphaned) {
        Py_DECREF(value);
        return 0;
    }
    hfa_run_store(run, value);
    return 1;
}

/* --- What there is to leave --------------------------------------------------------------------
 */

/* The last one that the run keeps itself: of the function, or of the request. */
static struct hfa_run_exit *last_exit(struct hfa_run *run, bool is_early)
{
    for (unsigned i = run->exit_count; i > 0; i--) {
        if (run->exits[i - 1].is_early == is_early)
            return &run->exits[i - 1];
    }
    return NULL;
}

static PyObject *take_exit(struct hfa_run *run, struct hfa_run_exit *place)
{
    PyObject *manager = place->manager;

    run->exit_count--;
    memmove(place, place + 1, (size_t)(run->exits + run->exit_count - place) * sizeof(*run->exits));
    return manager;
}

void hfa_run_clear_exits(struct hfa_run *run)
{
    while (run->exit_count > 0)
        Py_DECREF(run->exits[--run->exit_count].manager);
}

/* Takes those that the run keeps itself: [(manager, is async)] in the order of their entry. */
static PyObject *take_exits(struct hfa_run *run, bool is_early)
{
    PyObject *list = PyList_New(0);

    for (unsigned i = 0; i < run->exit_count && list != NULL;) {
        struct hfa_run_exit *place = &run->exits[i];
        if (place->is_early != is_early) {
            i++;
            continue;
        }
        bool is_async = place->is_async;
        PyObject *pair =
            Py_BuildValue("(NO)", take_exit(run, place), is_async ? Py_True : Py_False);
        if (pair == NULL || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

static bool has_left(const struct hfa_run *run, bool is_early)
{
    return is_early ? run->has_left_early : run->has_left;
}

static void set_left(struct hfa_run *run, bool is_early)
{
    if (is_early)
        run->has_left_early = true;
    else
        run->has_left = true;
}

/* Whether something is, or has been, on an exit stack. */
static bool is_in_use(const struct hfa_run *run, PyObject *stack)
{
    PyObject *attributes = stack == NULL ? NULL : PyObject_GenericGetDict(stack, NULL);
    int uses = attributes == NULL
                   ? 0
                   : PyDict_Contains(attributes, run->application->state->str__exit_callbacks);

    Py_XDECREF(attributes);
    PyErr_Clear();
    return uses != 0;
}

bool hfa_run_has_shown_exits(const struct hfa_run *run)
{
    return run->request != NULL &&
           (is_in_use(run, run->inner_stack) || is_in_use(run, run->function_stack) ||
            is_in_use(run, run->middleware_stack));
}

/* The visible exit stack, a new reference. NULL without an exception: nothing is on it. */
static PyObject *visible_stack(struct hfa_run *run, bool is_early)
{
    PyObject *own = is_early ? run->function_stack : run->inner_stack;

    if (run->request == NULL || has_left(run, is_early))
        return NULL;
    PyObject *stack = is_in_use(run, own)
                          ? PyObject_CallOneArg(run->application->hooks.exit_stack, own)
                          : Py_NewRef(Py_None);
    if (stack == NULL || stack != Py_None)
        return stack;
    Py_DECREF(stack);
    set_left(run, is_early);
    return NULL;
}

/* An exit stack of what there is to leave, which is the stack's then. NULL without an exception:
 * nothing is. */
static PyObject *take_stack(struct hfa_run *run, bool is_early)
{
    PyObject *stack = visible_stack(run, is_early);

    if (stack == NULL && !PyErr_Occurred() && last_exit(run, is_early) != NULL) {
        PyObject *exits = take_exits(run, is_early);
        stack = exits == NULL ? NULL : PyObject_CallOneArg(run->application->hooks.stack_of, exits);
        Py_XDECREF(exits);
    }
    set_left(run, is_early);
    return stack;
}

int hfa_run_show_exits(struct hfa_run *run)
{
    if (run->exit_count == 0)
        return 0;
    PyObject *early = take_exits(run, true);
    PyObject *late = early == NULL ? NULL : take_exits(run, false);
    PyObject *shown = late == NULL
                          ? NULL
                          : PyObject_CallFunctionObjArgs(run->application->hooks.show_exits,
                                                         run->scope, early, late, NULL);
    Py_XDECREF(early);
    Py_XDECREF(late);
    Py_XDECREF(shown);
    return shown == NULL ? -1 : 0;
}

/* --- Leaving -----------------------------------------------------------------------------------
 */

int hfa_run_leaves_first(struct hfa_run *run)
{
    if (run->has_left_early)
        return 0;
    if (last_exit(run, true) != NULL)
        return 1;
    PyObject *stack = visible_stack(run, true);
    Py_XDECREF(stack);
    return stack != NULL ? 1 : PyErr_Occurred() ? -1 : 0;
}

static PyObject *leave(struct hfa_run *run)
{
    struct hfa_run_exit *place = last_exit(run, run->phase == HFA_RUN_LEAVES_EARLY);
    PyObject *manager = take_exit(run, place);
    PyObject *left = PyObject_CallMethodObjArgs(manager, run->application->state->str___exit__,
                                                Py_None, Py_None, Py_None, NULL);

    Py_DECREF(manager);
    return left;
}

int hfa_run_leave_in_worker(struct hfa_run *run)
{
    const struct hfa_run_exit *place = last_exit(run, run->phase == HFA_RUN_LEAVES_EARLY);

    if (place == NULL || place->is_async)
        return 0;
    PyObject *left = hfa_run_call_in_copy(run, leave);
    Py_XDECREF(left);
    return left == NULL ? -1 : 1;
}

static PyObject *leave_async(struct hfa_run *run, struct hfa_run_exit *place)
{
    PyObject *manager = take_exit(run, place);
    PyObject *leaving = PyObject_CallMethodObjArgs(manager, run->application->state->str___aexit__,
                                                   Py_None, Py_None, Py_None, NULL);

    Py_DECREF(manager); /* the coroutine's now */
    return leaving;
}

enum hfa_progress hfa_run_leave_step(struct hfa_run *run)
{
    bool is_early = run->phase == HFA_RUN_LEAVES_EARLY;
    struct hfa_run_exit *place = last_exit(run, is_early);

    if (place != NULL && !place->is_async && run->server->pool != NULL)
        return hfa_run_hand_to_worker(run);
    if (place != NULL && !run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    PyObject *leaving = NULL;
    if (place != NULL && place->is_async) {
        leaving = leave_async(run, place);
    } else {
        PyObject *stack = visible_stack(run, is_early);
        if (stack != NULL && !run->is_driven) {
            Py_DECREF(stack);
            return HFA_PROGRESS_NEEDS_TASK;
        }
        Py_XDECREF(stack);
        stack = PyErr_Occurred() ? NULL : take_stack(run, is_early);
        if (stack == NULL && !PyErr_Occurred()) {
            run->phase = is_early ? HFA_RUN_SENDS : HFA_RUN_UNWINDS;
            return HFA_PROGRESS_AWAITS;
        }
        if (stack != NULL)
            leaving =
                PyObject_CallFunctionObjArgs(run->application->hooks.leave, stack, Py_None, NULL);
        Py_XDECREF(stack);
    }
    if (hfa_run_await(run, leaving) < 0)
        hfa_run_keep_exception(run);
    return HFA_PROGRESS_AWAITS;
}

/* --- Exceptions --------------------------------------------------------------------------------
 */

/* The same for what is left of the function and then of the request. 1 on its way, 0 nothing to
 * leave, -1 with an exception. */
static int throw_into(struct hfa_run *run, bool is_early)
{
    PyObject *stack = take_stack(run, is_early);

    if (stack == NULL)
        return PyErr_Occurred() ? -1 : 0;
    PyObject *throwing =
        PyObject_CallFunctionObjArgs(run->application->hooks.leave, stack, run->exception, NULL);
    Py_DECREF(stack);
    Py_CLEAR(run->exception); /* the coroutine's now */
    run->phase = is_early ? HFA_RUN_THROWS_EARLY : HFA_RUN_THROWS;
    return hfa_run_await(run, throwing) < 0 ? -1 : 1;
}

/* Whether there is something to leave. -1 with an exception. */
static int has_exits(struct hfa_run *run)
{
    for (int is_early = 1; is_early >= 0; is_early--) {
        if (last_exit(run, is_early) != NULL)
            return 1;
        PyObject *stack = visible_stack(run, is_early);
        Py_XDECREF(stack);
        if (stack != NULL || PyErr_Occurred())
            return stack != NULL ? 1 : -1;
    }
    return 0;
}

enum hfa_progress hfa_run_throw(struct hfa_run *run)
{
    if (run->exit_count == 0 && run->request == NULL)
        return HFA_PROGRESS_DONE;
    int status = has_exits(run);
    if (status > 0 && !run->is_driven)
        return HFA_PROGRESS_NEEDS_TASK;
    if (status > 0)
        status = throw_into(run, true);
    if (status == 0 && !PyErr_Occurred())
        status = throw_into(run, false);
    if (status == 0)
        return HFA_PROGRESS_DONE;
    if (status < 0) {
        hfa_run_clear_exits(run);
        run->has_left_early = run->has_left = true;
        hfa_run_keep_exception(run);
    }
    return HFA_PROGRESS_AWAITS;
}

int hfa_run_caught(struct hfa_run *run)
{
    const struct hfa_hooks *hooks = &run->application->hooks;
    bool is_early = run->phase == HFA_RUN_THROWS_EARLY;

    if (run->plan->is_websocket || (is_early ? run->has_response : run->is_awaited)) {
        run->phase = is_early ? HFA_RUN_SENDS : HFA_RUN_UNWINDS;
        return 0;
    }
    PyObject *exception = PyObject_CallNoArgs(is_early ? hooks->no_response : hooks->not_awaited);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return -1;
}

/* --- Cancellation ------------------------------------------------------------------------------
 */

int hfa_run_shield(struct hfa_run *run, PyObject *cancellation)
{
    if (run->future == NULL || run->shield != NULL)
        return 0;
    PyObject *shield = PyObject_CallOneArg(run->application->hooks.shield, cancellation);
    if (shield == NULL)
        return -1;
    if (shield == Py_None) {
        Py_DECREF(shield);
        return 0;
    }
    run->shield = shield;
    PyObject *future =
        PyObject_CallMethodNoArgs(run->server->loop, run->application->state->str_create_future);
    if (future == NULL)
        return -1;
    Py_SETREF(run->future, future);
    Py_CLEAR(run->awaiting);
    return hfa_run_await(run, Py_NewRef(future)) < 0 ? -1 : 1;
}

int hfa_run_lift_shield(struct hfa_run *run)
{
    PyObject *shield = run->shield;
    PyObject *exception = hfa_take_exception();

    run->shield = NULL;
    PyObject *lifted = PyObject_CallMethodObjArgs(shield, run->application->state->str___exit__,
                                                  Py_None, Py_None, Py_None, NULL);
    Py_DECREF(shield);
    Py_XDECREF(lifted);
    if (lifted == NULL) {
        Py_XDECREF(exception);
        return -1;
    }
    if (exception != NULL)
        hfa_raise_exception(exception);
    return 0;
}
