#include "task.h"

#include "server_object.h"

/* A factory that the user has set, or a debugging loop: the loop makes its tasks itself. */
static PyObject *start_by_loop(struct hfa_server_object *server, PyObject *coroutine,
                               PyObject *context)
{
    PyObject *create_task = PyObject_GetAttr(server->loop, server->state->str_create_task);
    PyObject *task = NULL;

    if (create_task == NULL)
        return NULL;
    if (PyContext_Enter(context) == 0) { /* the task copies it: 3.10 has no context argument */
        task = PyObject_CallOneArg(create_task, coroutine);
        if (PyContext_Exit(context) < 0)
            Py_CLEAR(task);
    }
    Py_DECREF(create_task);
    return task;
}

/* 3.12: the task runs its first step when it is made. */
static PyObject *start_eagerly(struct hfa_server_object *server, PyObject *coroutine,
                               PyObject *context)
{
    PyObject *args[] = {coroutine, server->loop, context, Py_True};

    return PyObject_Vectorcall(server->state->task_type, args, 1, server->state->task_kwnames);
}

/* Before 3.12: the task has just put its first step last into the loop's queue; takes it from there
 * and runs it. A loop without that queue runs it in its next turn. */
static PyObject *start_and_step(struct hfa_server_object *server, PyObject *coroutine,
                                PyObject *context)
{
    PyObject *task = start_by_loop(server, coroutine, context);

    if (task == NULL || server->ready == NULL)
        return task;
    PyObject *handle = PyObject_CallMethodNoArgs(server->ready, server->state->str_pop);
    if (handle != NULL) {
        PyObject *ran = PyObject_CallMethodNoArgs(handle, server->state->str__run);
        Py_XDECREF(ran);
        Py_DECREF(handle);
    }
    if (PyErr_Occurred())
        Py_CLEAR(task);
    return task;
}

PyObject *hfa_task_start(struct hfa_server_object *server, PyObject *coroutine)
{
    PyObject *context = PyContext_Copy(server->context);
    PyObject *task;

    if (context == NULL)
        return NULL;
    if (server->uses_task_factory)
        task = start_by_loop(server, coroutine, context);
    else if (server->state->has_eager_tasks)
        task = start_eagerly(server, coroutine, context);
    else
        task = start_and_step(server, coroutine, context);
    Py_DECREF(context);
    return task;
}
