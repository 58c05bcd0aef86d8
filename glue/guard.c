#include "guard.h"

/* The dictionary that an attribute of an object is looked up in, before the object's class or after
 * it in vain: a new reference. NULL without an exception: there is no such dictionary. */
static PyObject *dict_of(PyObject *object, PyObject *name)
{
    if (PyModule_CheckExact(object))
        return Py_XNewRef(PyModule_GetDict(object));
    PyObject *in_class = _PyType_Lookup(Py_TYPE(object), name); /* borrowed */
    if (Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr ||
        (in_class != NULL && Py_TYPE(in_class)->tp_descr_set != NULL))
        return NULL;
    PyObject *dict = PyObject_GenericGetDict(object, NULL);
    if (dict == NULL)
        PyErr_Clear(); /* slots */
    return dict;
}

static bool entry_holds(PyObject *dict, PyObject *key, PyObject *expected)
{
    PyObject *value = PyDict_GetItemWithError(dict, key); /* borrowed */

    if (value == NULL)
        PyErr_Clear();
    return value == expected;
}

static bool attribute_holds(PyObject *object, PyObject *name, PyObject *expected)
{
    PyObject *value = PyObject_GetAttr(object, name);

    if (value == NULL)
        PyErr_Clear();
    Py_XDECREF(value); /* only compared: `expected` is owned by the guard */
    return value == expected;
}

static bool all_hold(PyObject *triples, bool (*holds)(PyObject *, PyObject *, PyObject *))
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(triples); i++) {
        PyObject *triple = PyTuple_GET_ITEM(triples, i); /* borrowed */
        if (!holds(PyTuple_GET_ITEM(triple, 0), PyTuple_GET_ITEM(triple, 1),
                   PyTuple_GET_ITEM(triple, 2)))
            return false;
    }
    return true;
}

/* Where a slot of an object keeps its value: NULL, the attribute is not in one. */
static PyObject *const *place_of(PyObject *object, PyObject *name)
{
    PyObject *in_class = _PyType_Lookup(Py_TYPE(object), name); /* borrowed */

    if (Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr || in_class == NULL)
        return NULL;
    Py_ssize_t offset = hfa_slot_offset(in_class);
    return offset == 0 ? NULL : (PyObject *const *)(void *)((char *)object + offset);
}

static int add_slot(struct hfa_guards *guards, PyObject *object, PyObject *value,
                    PyObject *const *place)
{
    struct hfa_slot_guard *slots =
        PyMem_Realloc(guards->slots, (guards->slot_count + 1) * sizeof(*slots));

    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    guards->slots = slots;
    slots[guards->slot_count++] =
        (struct hfa_slot_guard){Py_NewRef(object), Py_NewRef(value), place};
    return 0;
}

static bool is_triple(PyObject *guard)
{
    return PyTuple_Check(guard) && PyTuple_GET_SIZE(guard) == 3 &&
           PyUnicode_Check(PyTuple_GET_ITEM(guard, 1));
}

/* Puts a guard where it belongs. -1 with an exception. */
static int sort_in(struct hfa_guards *guards, const struct hfa_state *state, PyObject *guard,
                   PyObject *entries, PyObject *others)
{
    if (!is_triple(guard)) {
        PyErr_SetString(PyExc_TypeError, "a guard is (dict or object, name, value)");
        return -1;
    }
    PyObject *object = PyTuple_GET_ITEM(guard, 0), *name = PyTuple_GET_ITEM(guard, 1);
    PyObject *value = PyTuple_GET_ITEM(guard, 2);
    PyObject *const *place = place_of(object, name);
    if (place != NULL)
        return add_slot(guards, object, value, place);
    PyObject *dict = PyDict_CheckExact(object) ? Py_NewRef(object) : dict_of(object, name);
    if (dict == NULL || (dict != object && !entry_holds(dict, name, value))) {
        Py_XDECREF(dict);
        return PyList_Append(others, guard);
    }
    PyObject *entry = PyTuple_Pack(3, dict, name, value);
    int status = entry == NULL ? -1 : PyList_Append(entries, entry);
    if (status == 0)
        status = hfa_dict_watch_add(&guards->watch, state, dict);
    Py_XDECREF(entry);
    Py_DECREF(dict);
    return status;
}

int hfa_guards_read(struct hfa_guards *guards, const struct hfa_state *state, PyObject *triples)
{
    PyObject *entries = PyList_New(0), *others = PyList_New(0);
    int status = entries == NULL || others == NULL ? -1 : 0;

    *guards = (struct hfa_guards){0};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(triples) && status == 0; i++)
        status = sort_in(guards, state, PyTuple_GET_ITEM(triples, i), entries, others);
    if (status == 0) {
        guards->entries = PyList_AsTuple(entries);
        guards->others = PyList_AsTuple(others);
        status = guards->entries == NULL || guards->others == NULL ? -1 : 0;
    }
    Py_XDECREF(entries);
    Py_XDECREF(others);
    if (status < 0)
        hfa_guards_clear(guards);
    return status;
}

bool hfa_guards_hold(struct hfa_guards *guards, const struct hfa_state *state)
{
    if (!hfa_dict_watch_holds(&guards->watch)) {
        hfa_dict_watch_mark(&guards->watch, state);
        if (!all_hold(guards->entries, entry_holds)) {
            hfa_dict_watch_unmark(&guards->watch);
            return false;
        }
    }
    for (size_t i = 0; i < guards->slot_count; i++) {
        if (*guards->slots[i].place != guards->slots[i].value)
            return false;
    }
    return all_hold(guards->others, attribute_holds);
}

int hfa_guards_traverse(const struct hfa_guards *guards, visitproc visit, void *arg)
{
    Py_VISIT(guards->entries);
    Py_VISIT(guards->others);
    for (size_t i = 0; i < guards->slot_count; i++) {
        Py_VISIT(guards->slots[i].object);
        Py_VISIT(guards->slots[i].value);
    }
    return hfa_dict_watch_traverse(&guards->watch, visit, arg);
}

void hfa_guards_clear(struct hfa_guards *guards)
{
    Py_CLEAR(guards->entries);
    Py_CLEAR(guards->others);
    struct hfa_slot_guard *slots = guards->slots;
    size_t count = guards->slot_count;
    guards->slots = NULL;
    guards->slot_count = 0;
    for (size_t i = 0; i < count; i++) {
        Py_DECREF(slots[i].object);
        Py_DECREF(slots[i].value);
    }
    PyMem_Free(slots);
    hfa_dict_watch_clear(&guards->watch);
}
