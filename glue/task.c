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
static PyObject *start_by_loop(struct hfa_server_object *server, PyObject *coroutine)
{
    PyObject *context = PyContext_Copy(server->context);
    PyObject *task = NULL;

    if (context != NULL && PyContext_Enter(context) == 0) {
        task = PyObject_CallMethodOneArg(server->loop, server->state->str_create_task, coroutine);
        PyObject *exception = hfa_take_exception();
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(task);
        else if (exception != NULL)
            hfa_raise_exception(exception);
    }
    Py_XDECREF(context);
    return task;
}

#if PY_VERSION_HEX >= 0x030C0000
/* Enters the server's context, or a copy while it is entered: a task that was started in it runs
 * the loop from inside. A new reference to the one entered. */
static PyObject *enter_context(struct hfa_server_object *server)
{
    PyObject *context = Py_NewRef(server->context);

    if (PyContext_Enter(context) == 0)
        return context;
    PyErr_Clear();
    Py_SETREF(context, PyContext_Copy(server->context));
    if (context != NULL && PyContext_Enter(context) < 0)
        Py_CLEAR(context);
    return context;
}

/* The task copies the current context and runs its first step when it is made:
 * Task(coroutine, loop=, eager_start=True). All code of the step runs in that copy. */
static PyObject *start_eagerly(struct hfa_server_object *server, PyObject *coroutine)
{
    PyObject *args = PyTuple_Pack(1, coroutine);
    PyObject *context = args == NULL ? NULL : enter_context(server);
    PyObject *task = NULL;

    if (context != NULL) {
        task = PyObject_Call(server->state->task_type, args, server->task_keywords);
        PyObject *exception = task == NULL ? hfa_take_exception() : NULL;
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(task);
        if (exception != NULL)
            hfa_raise_exception(exception);
    }
    Py_XDECREF(context);
    Py_XDECREF(args);
    return task;
}
#else
/* The task has put its first step last into the loop's queue: takes it from there and runs it. In a
 * loop without that queue it stays where it is, and comes soon. */
static PyObject *start_eagerly(struct hfa_server_object *server, PyObject *coroutine)
{
    struct hfa_state *state = server->state;
    Py_ssize_t before = hfa_ready_queue_count(&server->ready);
    PyObject *task = start_by_loop(server, coroutine);

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

    if (has_factory < 0)
        return NULL;
    return has_factory ? start_by_loop(server, coroutine) : start_eagerly(server, coroutine);
}
