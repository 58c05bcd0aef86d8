/* What FastAPI's router and handler leave in a request's scope, for whoever looks at it. */
#include "plan_run.h"

/* Of Hooks.describe_route(), in its order. */
enum {
    SHOWN_APP,
    SHOWN_HANDLERS,
    SHOWN_ROUTER,
    SHOWN_EFFECTIVE, /* what has the endpoint that counts */
    SHOWN_ROUTE,     /* None: a route of Starlette's, which is not shown, nor are exit stacks */
    SHOWN_INCLUSION, /* (the inclusion, its context), or None */
    SHOWN_FOLLOWS,   /* whether the router's scan has passed an included router */
    SHOWN_LIMITS,    /* tuple of dicts: the routers' limits of forms */
    SHOWN_COUNT,
};

/* Borrowed from the plan; NULL with an exception. */
static PyObject *description(struct hfa_run *run)
{
    struct hfa_plan *plan = run->plan;

    if (plan->shown != NULL)
        return plan->shown;
    PyObject *shown = PyObject_CallOneArg(run->application->hooks.describe_route, plan->info);
    if (shown == NULL)
        return NULL;
    if (!PyTuple_Check(shown) || PyTuple_GET_SIZE(shown) != SHOWN_COUNT ||
        !PyTuple_Check(PyTuple_GET_ITEM(shown, SHOWN_LIMITS))) {
        Py_DECREF(shown);
        PyErr_SetString(PyExc_TypeError, "a route is described by a tuple");
        return NULL;
    }
    Py_XSETREF(plan->shown, shown);
    return shown;
}

/* The limits of forms that the routers on the way have. */
static int put_form_limits(struct hfa_run *run, PyObject *limits)
{
    bool has_any = false;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(limits); i++) {
        PyObject *each = PyTuple_GET_ITEM(limits, i);
        has_any |= !PyDict_CheckExact(each) || PyDict_Size(each) > 0;
    }
    if (!has_any)
        return 0;
    PyObject *put = PyObject_CallFunctionObjArgs(run->application->hooks.put_form_limits,
                                                 run->scope, limits, NULL);
    Py_XDECREF(put);
    return put == NULL ? -1 : 0;
}

/* Takes `value`, NULL with an exception. */
static int put(PyObject *scope, PyObject *key, PyObject *value)
{
    int status = value == NULL ? -1 : PyDict_SetItem(scope, key, value);

    Py_XDECREF(value);
    return status;
}

static int put_stack(struct hfa_run *run, PyObject *key, PyObject **stack)
{
    Py_XSETREF(*stack, PyObject_CallNoArgs(run->application->hooks.shown_stack));
    return *stack == NULL ? -1 : PyDict_SetItem(run->scope, key, *stack);
}

/* scope.setdefault("fastapi", {}), with the inclusion in it. */
static int put_inclusion(struct hfa_run *run, PyObject *inclusion)
{
    const struct hfa_state *state = run->application->state;
    PyObject *empty = PyDict_New();
    PyObject *shared =
        empty == NULL ? NULL : PyDict_SetDefault(run->scope, state->str_fastapi, empty);
    int status = shared == NULL ? -1 : 0;

    Py_XINCREF(shared);
    Py_XDECREF(empty);
    if (status == 0 && inclusion != Py_None)
        status = PyObject_SetItem(shared, state->str_included_router,
                                  PyTuple_GET_ITEM(inclusion, 0)) < 0 ||
                         PyObject_SetItem(shared, state->str_effective_route_context,
                                          PyTuple_GET_ITEM(inclusion, 1)) < 0
                     ? -1
                     : 0;
    Py_XDECREF(shared);
    return status;
}

static int show_handled(struct hfa_run *run, PyObject *route)
{
    const struct hfa_state *state = run->application->state;

    if (route == Py_None)
        return 0;
    if (PyDict_SetItem(run->scope, state->str_route, route) < 0 ||
        put_stack(run, state->str_inner_stack, &run->inner_stack) < 0 ||
        put_stack(run, state->str_function_stack, &run->function_stack) < 0)
        return -1;
    return 0;
}

/* Inside of a middleware stack the limiters do it themselves. */
static int put_limit(struct hfa_run *run)
{
    if (run->server == NULL || run->plan->body_limit < 0)
        return 0;
    return put(run->scope, run->application->state->str_max_body_size,
               PyLong_FromLongLong(run->plan->body_limit));
}

int hfa_run_hide_limit(struct hfa_run *run)
{
    PyObject *key = run->application->state->str_max_body_size;

    if (run->server == NULL || run->plan->body_limit < 0)
        return 0;
    int contains = PyDict_Contains(run->scope, key);
    return contains > 0 ? PyDict_DelItem(run->scope, key) : contains;
}

int hfa_run_show_route(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;
    PyObject *shown = description(run);
    PyObject *scope = run->scope;

    if (shown == NULL || put_limit(run) < 0)
        return -1;
    PyObject *inclusion = PyTuple_GET_ITEM(shown, SHOWN_INCLUSION);
    bool follows = PyTuple_GET_ITEM(shown, SHOWN_FOLLOWS) == Py_True;
    Py_INCREF(shown);
    int status = -1;
    /* The application: where its own __call__ has not put it; middleware may have put another. */
    if (PyDict_SetDefault(scope, state->str_app, PyTuple_GET_ITEM(shown, SHOWN_APP)) != NULL &&
        PyDict_SetItem(scope, state->str_exception_handlers,
                       PyTuple_GET_ITEM(shown, SHOWN_HANDLERS)) == 0 &&
        put_stack(run, state->str_middleware_stack, &run->middleware_stack) == 0 &&
        PyDict_SetDefault(scope, state->str_router, PyTuple_GET_ITEM(shown, SHOWN_ROUTER)) !=
            NULL &&
        put_form_limits(run, PyTuple_GET_ITEM(shown, SHOWN_LIMITS)) == 0 &&
        (!follows || put_inclusion(run, Py_None) == 0) &&
        put(scope, state->str_endpoint,
            PyObject_GetAttr(PyTuple_GET_ITEM(shown, SHOWN_EFFECTIVE), state->str_endpoint)) == 0 &&
        put(scope, state->str_path_params, hfa_run_path_params(run)) == 0 &&
        show_handled(run, PyTuple_GET_ITEM(shown, SHOWN_ROUTE)) == 0 &&
        (inclusion == Py_None || put_inclusion(run, inclusion) == 0))
        status = 0;
    Py_DECREF(shown);
    return status;
}
