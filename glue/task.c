#include "task.h"

#include "server_object.h"

/* 1: the user has set a task factory, which makes the tasks then; -1 with an exception. */
static int has_task_factory(struct hfa_server_object *server)
{
    PyObject *factory =
        server->has_factory_attribute
            ? hfa_ready_queue_attribute(&server->ready, server->state->str__task_factory)
            : PyObject_CallMethodNoArgs(server->loop, server->state->str_get_task_factory);

    if (factory == NULL)
        return -1;
    Py_DECREF(factory);
    return factory != Py_None;
}

/* As the loop makes its tasks. A factory need not know of contexts: ours is the current one
 * meanwhile, and the task copies it. */
static PyObject *start_by_loop(struct hfa_server_object *server, PyObject *coroutine,
                               PyObject *context)
{
    PyObject *task = NULL;

    if (PyContext_Enter(context) == 0) {
        task = PyObject_CallMethodOneArg(server->loop, server->state->str_create_task, coroutine);
        PyObject *exception = hfa_take_exception();
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(task);
        else if (exception != NULL)
            hfa_raise_exception(exception);
    }
    return task;
}

#if PY_VERSION_HEX >= 0x030C0000
/* The task runs its first step when it is made: Task(coroutine, loop=, context=, eager_start=True).
 * The dictionary of keyword arguments is made once; the step may start further tasks with it, as
 * nobody reads it any more. */
static PyObject *start_eagerly(struct hfa_server_object *server, PyObject *coroutine,
                               PyObject *context)
{
    PyObject *type = server->state->task_type, *keywords = server->task_keywords;
    PyObject *task = NULL;
    PyObject *args = PyTuple_Pack(1, coroutine);

    if (args != NULL && PyDict_SetItem(keywords, server->state->str_context, context) == 0)
        task = PyObject_Call(type, args, keywords);
    PyObject *exception = task == NULL ? hfa_take_exception() : NULL;
    if (PyDict_SetItem(keywords, server->state->str_context, Py_None) < 0)
        PyErr_Clear(); /* it keeps a context for longer */
    Py_XDECREF(args);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return task;
}
#else
/* The task has put its first step last into the loop's queue: takes it from there and runs it. In a
 * loop without that queue it stays where it is, and comes soon. */
static PyObject *start_eagerly(struct hfa_server_object *server, PyObject *coroutine,
                               PyObject *context)
{
    struct hfa_state *state = server->state;
    Py_ssize_t before = hfa_ready_queue_count(&server->ready);
    PyObject *task = start_by_loop(server, coroutine, context);

    if (task == NULL || server->ready.items == NULL ||
        hfa_ready_queue_count(&server->ready) != before + 1)
        return task;
    PyObject *handle = PyObject_CallMethodNoArgs(server->ready.items, state->str_pop);
    PyObject *ran = handle == NULL ? NULL : PyObject_CallMethodNoArgs(handle, state->str__run);
    if (ran == NULL)
        Py_CLEAR(task);
    Py_XDECREF(ran);
    Py_XDECREF(handle);
    return task;
}
#endif

PyObject *hfa_task_start(struct hfa_server_object *server, PyObject *coroutine)
{
    int has_factory = has_task_factory(server);
    PyObject *context = has_factory < 0 ? NULL : PyContext_Copy(server->context);

    if (context == NULL)
        return NULL;
    PyObject *task = has_factory ? start_by_loop(server, coroutine, context)
                                 : start_eagerly(server, coroutine, context);
    Py_DECREF(context);
    return task;
}
