#include "dict_watch.h"

#if PY_VERSION_HEX >= 0x030C0000
/* Changes of all watched dictionaries, of every import of this module: 0 is never a stamp. */
static uint64_t changes = 1;

static int on_change(PyDict_WatchEvent event, PyObject *dict, PyObject *key, PyObject *value)
{
    (void)event;
    (void)dict;
    (void)key;
    (void)value;
    __atomic_fetch_add(&changes, 1, __ATOMIC_RELAXED);
    return 0;
}

void hfa_dict_watch_end(struct hfa_state *state)
{
    if (state->dict_watcher >= 0 && PyDict_ClearWatcher(state->dict_watcher) < 0)
        PyErr_Clear();
    state->dict_watcher = -1;
}

/* The first releases of 3.13 do not tell of attributes that are set again. -1 with an exception. */
static int tells_of_attributes(int watcher)
{
    PyObject *type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(){}", "Watched");
    PyObject *object = type == NULL ? NULL : PyObject_CallNoArgs(type);
    PyObject *dict = NULL;
    int status = -1;

    if (object != NULL && PyObject_SetAttrString(object, "attribute", Py_None) == 0)
        dict = PyObject_GetAttrString(object, "__dict__");
    if (dict != NULL && PyDict_Watch(watcher, dict) == 0) {
        uint64_t before = changes;
        if (PyObject_SetAttrString(object, "attribute", Py_True) == 0)
            status = changes != before;
    }
    Py_XDECREF(dict);
    Py_XDECREF(object);
    Py_XDECREF(type);
    return status;
}

void hfa_dict_watch_init(struct hfa_state *state)
{
    state->dict_watcher = PyDict_AddWatcher(on_change);
    if (state->dict_watcher >= 0 && tells_of_attributes(state->dict_watcher) <= 0)
        hfa_dict_watch_end(state);
    PyErr_Clear();
}

static int begin(const struct hfa_state *state, PyObject *dict)
{
    return state->dict_watcher < 0 ? 0 : PyDict_Watch(state->dict_watcher, dict);
}

static uint64_t stamp_of(const struct hfa_dict_watch *watch)
{
    (void)watch;
    return __atomic_load_n(&changes, __ATOMIC_RELAXED);
}
#else
void hfa_dict_watch_init(struct hfa_state *state)
{
    state->dict_watcher = 0;
}

void hfa_dict_watch_end(struct hfa_state *state)
{
    state->dict_watcher = -1;
}

static int begin(const struct hfa_state *state, PyObject *dict)
{
    (void)state;
    (void)dict;
    return 0;
}

/* Versions only grow, and no two are the same: the greatest changes with each of them. */
static uint64_t stamp_of(const struct hfa_dict_watch *watch)
{
    uint64_t stamp = 0;

    for (size_t i = 0; i < watch->count; i++) {
        uint64_t version = ((const PyDictObject *)watch->dicts[i])->ma_version_tag;
        stamp = version > stamp ? version : stamp;
    }
    return stamp + 1; /* 0 is never a stamp */
}
#endif

int hfa_dict_watch_add(struct hfa_dict_watch *watch, const struct hfa_state *state, PyObject *dict)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (watch->dicts[i] == dict)
            return 0;
    }
    PyObject **dicts = PyMem_Realloc(watch->dicts, (watch->count + 1) * sizeof(*dicts));
    if (dicts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    watch->dicts = dicts;
    if (begin(state, dict) < 0)
        return -1;
    dicts[watch->count++] = Py_NewRef(dict);
    return 0;
}

void hfa_dict_watch_mark(struct hfa_dict_watch *watch, const struct hfa_state *state)
{
    watch->stamp = state->dict_watcher < 0 ? 0 : stamp_of(watch);
}

void hfa_dict_watch_unmark(struct hfa_dict_watch *watch)
{
    watch->stamp = 0;
}

bool hfa_dict_watch_holds(const struct hfa_dict_watch *watch)
{
    return watch->stamp != 0 && watch->stamp == stamp_of(watch);
}

int hfa_dict_watch_traverse(const struct hfa_dict_watch *watch, visitproc visit, void *arg)
{
    for (size_t i = 0; i < watch->count; i++)
        Py_VISIT(watch->dicts[i]);
    return 0;
}

void hfa_dict_watch_clear(struct hfa_dict_watch *watch)
{
    PyObject **dicts = watch->dicts;
    size_t count = watch->count;

    *watch = (struct hfa_dict_watch){0};
    for (size_t i = 0; i < count; i++)
        Py_DECREF(dicts[i]);
    PyMem_Free(dicts);
}
