#include "ready_queue.h"

#include "state.h"

/* --- The queue ---------------------------------------------------------------------------------
 */

/* The offset of a slot; 0 without an exception: there is none. */
static Py_ssize_t slot_of(PyObject *type, const char *name)
{
    PyObject *descriptor = PyObject_GetAttrString(type, name);
    Py_ssize_t offset = descriptor == NULL ? 0 : hfa_slot_offset(descriptor);

    PyErr_Clear();
    Py_XDECREF(descriptor);
    return offset;
}

/* Whether a Handle has nothing that we would leave out: so many slots, and a __weakref__. */
static bool has_only_known_slots(PyObject *type)
{
    PyObject *slots = PyObject_GetAttrString(type, "__slots__");
    Py_ssize_t count = slots == NULL ? -1 : PyObject_Size(slots);

    PyErr_Clear();
    Py_XDECREF(slots);
    return count == (Py_ssize_t)(sizeof(struct hfa_handle_slots) / sizeof(Py_ssize_t)) + 1;
}

/* Whether a loop's class has asyncio's own methods of these names. */
static bool is_asyncios(PyObject *asyncio, PyObject *loop)
{
    static const char *const names[] = {"call_soon", "_call_soon", "get_debug", "is_running",
                                        "_run_once"};
    PyObject *base = PyObject_GetAttrString(asyncio, "BaseEventLoop");
    bool same = base != NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && same; i++) {
        PyObject *theirs = PyObject_GetAttrString(base, names[i]);
        PyObject *its = PyObject_GetAttrString((PyObject *)Py_TYPE(loop), names[i]);
        same = theirs != NULL && theirs == its;
        Py_XDECREF(theirs);
        Py_XDECREF(its);
    }
    PyErr_Clear();
    Py_XDECREF(base);
    return same;
}

static bool find_slots(struct hfa_handle_slots *slots, PyObject *type)
{
    slots->callback = slot_of(type, "_callback");
    slots->args = slot_of(type, "_args");
    slots->context = slot_of(type, "_context");
    slots->loop = slot_of(type, "_loop");
    slots->cancelled = slot_of(type, "_cancelled");
    slots->repr = slot_of(type, "_repr");
    slots->source_traceback = slot_of(type, "_source_traceback");
    return slots->callback != 0 && slots->args != 0 && slots->context != 0 && slots->loop != 0 &&
           slots->cancelled != 0 && slots->repr != 0 && slots->source_traceback != 0 &&
           has_only_known_slots(type);
}

/* Takes the queue over where everything about it is known. */
static void take_over(struct hfa_ready_queue *queue, PyObject *asyncio)
{
    PyObject *type = PyObject_GetAttrString(asyncio, "Handle");

    queue->append = PyObject_GetAttrString(queue->items, "append");
    queue->pop_left = PyObject_GetAttrString(queue->items, "popleft");
    queue->call_soon = PyObject_GetAttrString((PyObject *)Py_TYPE(queue->loop), "call_soon");
    if (type != NULL && PyType_Check(type) && queue->append != NULL && queue->pop_left != NULL &&
        queue->call_soon != NULL && find_slots(&queue->slots, type) &&
        is_asyncios(asyncio, queue->loop))
        queue->handle_type = (PyTypeObject *)Py_NewRef(type);
    PyErr_Clear();
    Py_XDECREF(type);
}

int hfa_ready_queue_open(struct hfa_ready_queue *queue, PyObject *loop, PyObject *report)
{
    PyObject *scheduled = PyObject_GetAttrString(loop, "_scheduled");
    PyObject *items = PyObject_GetAttrString(loop, "_ready");

    PyErr_Clear();
    hfa_ready_queue_clear(queue);
    if (scheduled != NULL && PyList_CheckExact(scheduled))
        queue->items = Py_XNewRef(items);
    Py_XDECREF(scheduled);
    Py_XDECREF(items);
    if (queue->items == NULL)
        return 0;
    PyObject *asyncio = PyImport_ImportModule("asyncio");
    if (asyncio == NULL)
        return -1;
    queue->loop = Py_NewRef(loop);
    queue->attributes = PyObject_GenericGetDict(loop, NULL);
    if (queue->attributes == NULL)
        return -1;
    queue->report = Py_NewRef(report);
    take_over(queue, asyncio);
    Py_DECREF(asyncio);
    return 0;
}

int hfa_ready_queue_traverse(struct hfa_ready_queue *queue, visitproc visit, void *arg)
{
    Py_VISIT(queue->items);
    Py_VISIT(queue->append);
    Py_VISIT(queue->pop_left);
    Py_VISIT(queue->loop);
    Py_VISIT(queue->attributes);
    Py_VISIT(queue->handle_type);
    Py_VISIT(queue->call_soon);
    Py_VISIT(queue->kwnames);
    Py_VISIT(queue->report);
    return 0;
}

void hfa_ready_queue_clear(struct hfa_ready_queue *queue)
{
    Py_CLEAR(queue->items);
    Py_CLEAR(queue->append);
    Py_CLEAR(queue->pop_left);
    Py_CLEAR(queue->loop);
    Py_CLEAR(queue->attributes);
    Py_CLEAR(queue->handle_type);
    Py_CLEAR(queue->call_soon);
    Py_CLEAR(queue->kwnames);
    Py_CLEAR(queue->report);
}

Py_ssize_t hfa_ready_queue_count(const struct hfa_ready_queue *queue)
{
    return queue->items == NULL ? 0 : PyObject_Size(queue->items);
}

PyObject *hfa_ready_queue_attribute(const struct hfa_ready_queue *queue, PyObject *name)
{
    PyObject *value = PyDict_GetItemWithError(queue->attributes, name); /* borrowed */

    if (value != NULL)
        return Py_NewRef(value);
    return PyErr_Occurred() ? NULL : PyObject_GetAttr(queue->loop, name);
}

/* --- Handles -----------------------------------------------------------------------------------
 */

static PyObject **slot(PyObject *handle, Py_ssize_t offset)
{
    return (PyObject **)((char *)handle + offset);
}

/* asyncio.Handle(callback, args, loop, context) outside of debug mode: a new reference. */
static PyObject *make_handle(const struct hfa_ready_queue *queue, PyObject *callback,
                             PyObject *const *args, Py_ssize_t count, PyObject *context)
{
    const struct hfa_handle_slots *slots = &queue->slots;
    PyObject *tuple = PyTuple_New(count);
    PyObject *handle = tuple == NULL ? NULL : PyType_GenericAlloc(queue->handle_type, 0);

    if (handle == NULL) {
        Py_XDECREF(tuple);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    *slot(handle, slots->args) = tuple;
    *slot(handle, slots->callback) = Py_NewRef(callback);
    *slot(handle, slots->loop) = Py_NewRef(queue->loop);
    *slot(handle, slots->cancelled) = Py_NewRef(Py_False);
    *slot(handle, slots->repr) = Py_NewRef(Py_None);
    *slot(handle, slots->source_traceback) = Py_NewRef(Py_None);
    *slot(handle, slots->context) =
        context == NULL || context == Py_None ? PyContext_CopyCurrent() : Py_NewRef(context);
    if (*slot(handle, slots->context) == NULL)
        Py_CLEAR(handle);
    return handle;
}

/* 1: in debug mode asyncio checks what it is given, and notes where it comes from. */
static int is_debugging(const struct hfa_ready_queue *queue, const struct hfa_state *state)
{
    PyObject *debug = hfa_ready_queue_attribute(queue, state->str__debug);
    int answer = debug == NULL ? -1 : PyObject_IsTrue(debug);

    Py_XDECREF(debug);
    return answer;
}

/* Whether the keyword arguments are `context` at most. Tasks have one tuple for all their calls. */
static bool are_known(struct hfa_ready_queue *queue, PyObject *kwnames)
{
    if (kwnames == NULL || kwnames == queue->kwnames || PyTuple_GET_SIZE(kwnames) == 0)
        return true;
    if (PyTuple_GET_SIZE(kwnames) != 1 ||
        PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "context") != 0)
        return false;
    Py_XSETREF(queue->kwnames, Py_NewRef(kwnames));
    return true;
}

static PyObject *call_soon_by_loop(const struct hfa_ready_queue *queue, PyObject *const *args,
                                   Py_ssize_t count, PyObject *kwnames)
{
    Py_ssize_t total = count + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    PyObject **all = PyMem_Calloc((size_t)total + 1, sizeof(PyObject *));

    if (all == NULL)
        return PyErr_NoMemory();
    all[0] = queue->loop;
    memcpy(all + 1, args, (size_t)total * sizeof(PyObject *));
    PyObject *handle = PyObject_Vectorcall(queue->call_soon, all, (size_t)count + 1, kwnames);
    PyMem_Free(all);
    return handle;
}

PyObject *hfa_ready_queue_call_soon(struct hfa_ready_queue *queue, const struct hfa_state *state,
                                    PyObject *const *args, Py_ssize_t count, PyObject *kwnames)
{
    int debugging = is_debugging(queue, state);

    if (debugging < 0)
        return NULL;
    if (debugging || count == 0 || !are_known(queue, kwnames))
        return call_soon_by_loop(queue, args, count, kwnames);
    bool has_context = kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0;
    PyObject *handle =
        make_handle(queue, args[0], args + 1, count - 1, has_context ? args[count] : NULL);
    PyObject *appended = handle == NULL ? NULL : PyObject_CallOneArg(queue->append, handle);
    if (appended == NULL)
        Py_CLEAR(handle);
    Py_XDECREF(appended);
    return handle;
}

static int ends_the_loop(PyObject *exception)
{
    return PyErr_GivenExceptionMatches(exception, PyExc_SystemExit) ||
           PyErr_GivenExceptionMatches(exception, PyExc_KeyboardInterrupt);
}

/* context.run(callback, *args). */
static PyObject *run_in_context(PyObject *context, PyObject *callback, PyObject *args)
{
    if (PyContext_Enter(context) < 0)
        return NULL;
    PyObject *result = PyObject_Call(callback, args, NULL);
    PyObject *exception = result == NULL ? hfa_take_exception() : NULL;
    if (PyContext_Exit(context) < 0) {
        Py_XDECREF(exception);
        Py_CLEAR(result);
    } else if (exception != NULL) {
        hfa_raise_exception(exception);
    }
    return result;
}

static int run_handle(const struct hfa_ready_queue *queue, PyObject *handle)
{
    PyObject *callback = Py_XNewRef(*slot(handle, queue->slots.callback));
    PyObject *args = Py_XNewRef(*slot(handle, queue->slots.args));
    PyObject *context = Py_XNewRef(*slot(handle, queue->slots.context));
    PyObject *result = NULL;
    int status = 0;

    if (callback != NULL && args != NULL && PyTuple_CheckExact(args) && context != NULL &&
        PyContext_CheckExact(context))
        result = run_in_context(context, callback, args);
    else
        PyErr_SetString(PyExc_AttributeError, "a Handle without a callback");
    if (result == NULL) {
        PyObject *exception = hfa_take_exception();
        if (ends_the_loop(exception)) {
            hfa_raise_exception(exception);
            status = -1;
        } else {
            result = PyObject_CallFunctionObjArgs(queue->report, handle, exception, NULL);
            status = result == NULL ? -1 : 0;
            Py_DECREF(exception);
        }
    }
    Py_XDECREF(result);
    Py_XDECREF(callback);
    Py_XDECREF(args);
    Py_XDECREF(context);
    return status;
}

/* A Handle of another class, such as a timer's. */
static int run_other(PyObject *handle)
{
    PyObject *cancelled = PyObject_GetAttrString(handle, "_cancelled");
    int is_cancelled = cancelled == NULL ? -1 : PyObject_IsTrue(cancelled);
    PyObject *result =
        is_cancelled == 0 ? PyObject_CallMethod(handle, "_run", NULL) : Py_XNewRef(cancelled);

    Py_XDECREF(cancelled);
    Py_XDECREF(result);
    return result == NULL || is_cancelled < 0 ? -1 : 0;
}

int hfa_ready_queue_run(struct hfa_ready_queue *queue)
{
    PyObject *handle = PyObject_CallNoArgs(queue->pop_left);
    int status = 0;

    if (handle == NULL)
        return -1;
    if (!Py_IS_TYPE(handle, queue->handle_type))
        status = run_other(handle);
    else if (*slot(handle, queue->slots.cancelled) != Py_True)
        status = run_handle(queue, handle);
    Py_DECREF(handle);
    return status;
}
