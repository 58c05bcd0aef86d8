#include "weak_set.h"

/* What the functions have for their self: a tuple of the WeakSet's attributes of these names, and
 * for add() the function that takes out what has died. */
enum { DATA, PENDING, ITERATING, TAKE_OUT };

static PyObject *part(PyObject *parts, Py_ssize_t index)
{
    return PyTuple_GET_ITEM(parts, index);
}

/* WeakSet._remove(reference), the callback of the references. */
static PyObject *take_out(PyObject *parts, PyObject *reference)
{
    int status = PySet_Size(part(parts, ITERATING)) > 0
                     ? PyList_Append(part(parts, PENDING), reference)
                     : PySet_Discard(part(parts, DATA), reference);

    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* WeakSet._commit_removals(). */
static int take_out_pending(PyObject *parts)
{
    PyObject *pending = part(parts, PENDING);
    Py_ssize_t count;

    while ((count = PyList_GET_SIZE(pending)) > 0) {
        PyObject *reference = Py_NewRef(PyList_GET_ITEM(pending, count - 1));
        int status = PyList_SetSlice(pending, count - 1, count, NULL);
        if (status == 0)
            status = PySet_Discard(part(parts, DATA), reference);
        Py_DECREF(reference);
        if (status < 0)
            return -1;
    }
    return 0;
}

static PyObject *add(PyObject *parts, PyObject *object)
{
    if (take_out_pending(parts) < 0)
        return NULL;
    PyObject *reference = PyWeakref_NewRef(object, part(parts, TAKE_OUT));
    int status = reference == NULL ? -1 : PySet_Add(part(parts, DATA), reference);

    Py_XDECREF(reference);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef take_out_def = {"_remove", take_out, METH_O, "Takes a dead reference out."};
static PyMethodDef add_def = {"add", add, METH_O, "Adds an object, weakly."};

PyObject *hfa_weak_set_adder(PyObject *module, PyObject *weak_set)
{
    PyObject *data = PyObject_GetAttrString(weak_set, "data");
    PyObject *pending = PyObject_GetAttrString(weak_set, "_pending_removals");
    PyObject *iterating = PyObject_GetAttrString(weak_set, "_iterating");
    PyObject *parts = NULL, *remove = NULL, *all = NULL, *adder = NULL;

    (void)module;
    PyErr_Clear();
    if (data == NULL || pending == NULL || iterating == NULL || !Py_IS_TYPE(data, &PySet_Type) ||
        !PyList_CheckExact(pending) || !Py_IS_TYPE(iterating, &PySet_Type)) {
        adder = Py_NewRef(Py_None);
    } else {
        parts = PyTuple_Pack(3, data, pending, iterating);
        remove = parts == NULL ? NULL : PyCFunction_New(&take_out_def, parts);
        all = remove == NULL ? NULL : PyTuple_Pack(4, data, pending, iterating, remove);
        adder = all == NULL ? NULL : PyCFunction_New(&add_def, all);
    }
    Py_XDECREF(all);
    Py_XDECREF(remove);
    Py_XDECREF(parts);
    Py_XDECREF(iterating);
    Py_XDECREF(pending);
    Py_XDECREF(data);
    return adder;
}
