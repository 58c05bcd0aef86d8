/* Memory of short-lived objects of one type, kept for the next one.
 *
 * An object that dies gives its memory back with hfa_free_list_put(); it keeps no reference to its
 * type meanwhile. Only for types whose instances all have the same size and track garbage.
 */
#ifndef HFA_FREE_LIST_H
#define HFA_FREE_LIST_H

#include "compat.h"
#include "recycle.h"

#define HFA_FREE_LIST_MAX 128

struct hfa_free_list {
    bool is_closed; /* keeps nothing more: the type is about to go */
    unsigned count;
    PyObject *items[HFA_FREE_LIST_MAX];
};

/* A new, untracked object whose fields behind the head hold anything: set them all, then track it.
 * NULL with MemoryError set. */
static inline PyObject *hfa_free_list_take(struct hfa_free_list *list, PyTypeObject *type)
{
    if (list->count == 0)
        return PyObject_GC_New(PyObject, type);
    PyObject *object = list->items[--list->count];
    return PyObject_Init(object, type);
}

/* Takes the memory of a dead, untracked object and drops its reference to the type. */
static inline void hfa_free_list_put(struct hfa_free_list *list, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (HFA_RECYCLES && list->count < HFA_FREE_LIST_MAX && !list->is_closed)
        list->items[list->count++] = object;
    else
        PyObject_GC_Del(object);
    Py_DECREF(type);
}

/* Frees what is kept, for good. The type must still live: its layout says where the memory starts.
 */
static inline void hfa_free_list_close(struct hfa_free_list *list)
{
    list->is_closed = true;
    while (list->count > 0)
        PyObject_GC_Del(list->items[--list->count]);
}

#endif
