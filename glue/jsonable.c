#include "jsonable.h"

struct conversion {
    const struct hfa_state *state;
    PyObject *jsonable_encoder; /* borrowed */
};

static PyObject *convert(const struct conversion *conversion, PyObject *value, unsigned depth_left);

/* What jsonable_encoder returns as it is, and whose methods are not the user's. */
static inline bool is_scalar(PyObject *value)
{
    return PyUnicode_CheckExact(value) || PyLong_CheckExact(value) || value == Py_None ||
           PyBool_Check(value) || PyFloat_CheckExact(value);
}

static inline bool is_sequence(PyObject *value)
{
    return PyList_CheckExact(value) || PyTuple_CheckExact(value);
}

/* A dict that jsonable_encoder is going through: `for key, value in dict.items()`. */
struct dict_walk {
    PyObject *dict; /* borrowed */
    PyObject *iterator;
    PyObject *allowed; /* the set of the keys that it had before user code ran; NULL: none has */
    PyObject *result;
};

static int start_walk(struct dict_walk *walk, const struct hfa_state *state, PyObject *dict)
{
    *walk = (struct dict_walk){.dict = dict};
    PyObject *items = PyObject_CallMethodNoArgs(dict, state->str_items);
    walk->iterator = items == NULL ? NULL : PyObject_GetIter(items);
    Py_XDECREF(items);
    walk->result = PyDict_New();
    return walk->iterator == NULL || walk->result == NULL ? -1 : 0;
}

static void end_walk(struct dict_walk *walk)
{
    Py_XDECREF(walk->iterator);
    Py_XDECREF(walk->allowed);
    Py_XDECREF(walk->result);
}

/* The set is made before the first item is looked at, and hashes the keys. Nobody can tell that it
 * is made later as long as no user code runs. */
static int keep_allowed_keys(struct dict_walk *walk)
{
    if (walk->allowed != NULL)
        return 0;
    PyObject *keys = PyDict_Keys(walk->dict);
    walk->allowed = keys == NULL ? NULL : PySet_New(keys);
    Py_XDECREF(keys);
    return walk->allowed == NULL ? -1 : 0;
}

/* `key.startswith("_sa")`, its text or its method; 1, 0, or -1 with an exception set. */
static int is_private(const struct hfa_state *state, PyObject *key)
{
    if (PyUnicode_CheckExact(key))
        return PyUnicode_GetLength(key) >= 3 && PyUnicode_ReadChar(key, 0) == '_' &&
               PyUnicode_ReadChar(key, 1) == 's' && PyUnicode_ReadChar(key, 2) == 'a';
    if (is_scalar(key))
        return 0;
    int is_text = PyObject_IsInstance(key, (PyObject *)&PyUnicode_Type);
    if (is_text <= 0)
        return is_text;
    PyObject *answer = PyObject_CallMethodOneArg(key, state->str_startswith, state->str__sa);
    int result = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return result;
}

static int convert_item(const struct conversion *conversion, struct dict_walk *walk, PyObject *key,
                        PyObject *value, unsigned depth_left)
{
    if (!(is_scalar(key) && is_scalar(value)) && keep_allowed_keys(walk) < 0)
        return -1;
    int is_dropped = is_private(conversion->state, key);
    if (is_dropped != 0)
        return is_dropped < 0 ? -1 : 0;
    if (walk->allowed != NULL) {
        int is_allowed = PySet_Contains(walk->allowed, key);
        if (is_allowed <= 0)
            return is_allowed;
    }
    PyObject *new_key = convert(conversion, key, depth_left);
    PyObject *new_value = new_key == NULL ? NULL : convert(conversion, value, depth_left);
    int status = new_value == NULL ? -1 : PyDict_SetItem(walk->result, new_key, new_value);
    Py_XDECREF(new_key);
    Py_XDECREF(new_value);
    return status;
}

static PyObject *convert_dict(const struct conversion *conversion, PyObject *dict,
                              unsigned depth_left)
{
    struct dict_walk walk;
    PyObject *item;
    PyObject *result = NULL;
    int status = start_walk(&walk, conversion->state, dict);

    while (status == 0 && (item = PyIter_Next(walk.iterator)) != NULL) {
        status = convert_item(conversion, &walk, PyTuple_GET_ITEM(item, 0),
                              PyTuple_GET_ITEM(item, 1), depth_left);
        Py_DECREF(item);
    }
    if (status == 0 && !PyErr_Occurred())
        result = Py_NewRef(walk.result);
    end_walk(&walk);
    return result;
}

/* As an iterator of a list does it, the size is looked at again for each item. */
static PyObject *convert_sequence(const struct conversion *conversion, PyObject *sequence,
                                  unsigned depth_left)
{
    PyObject *result = PyList_New(0);
    if (result == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
        PyObject *item = Py_NewRef(PySequence_Fast_GET_ITEM(sequence, i));
        PyObject *new_item = convert(conversion, item, depth_left);
        Py_DECREF(item);
        if (new_item == NULL || PyList_Append(result, new_item) < 0)
            Py_CLEAR(result);
        Py_XDECREF(new_item);
        if (result == NULL)
            break;
    }
    return result;
}

static PyObject *convert(const struct conversion *conversion, PyObject *value, unsigned depth_left)
{
    if (is_scalar(value))
        return Py_NewRef(value);
    if (depth_left > 0 && PyDict_CheckExact(value))
        return convert_dict(conversion, value, depth_left - 1);
    if (depth_left > 0 && is_sequence(value))
        return convert_sequence(conversion, value, depth_left - 1);
    return PyObject_CallOneArg(conversion->jsonable_encoder, value);
}

/* Runs no user code. A container that holds itself ends the search soon. */
static bool is_deeper(PyObject *value, unsigned depth_left)
{
    if (PyDict_CheckExact(value)) {
        PyObject *key, *item;
        Py_ssize_t place = 0;
        if (depth_left == 0)
            return true;
        while (PyDict_Next(value, &place, &key, &item)) {
            if (is_deeper(item, depth_left - 1))
                return true;
        }
    } else if (is_sequence(value)) {
        if (depth_left == 0)
            return true;
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); i++) {
            if (is_deeper(PySequence_Fast_GET_ITEM(value, i), depth_left - 1))
                return true;
        }
    }
    return false;
}

PyObject *hfa_jsonable(const struct hfa_state *state, PyObject *value, PyObject *jsonable_encoder,
                       unsigned depth_max)
{
    struct conversion conversion = {state, jsonable_encoder};

    if (is_deeper(value, depth_max))
        return PyObject_CallOneArg(jsonable_encoder, value);
    return convert(&conversion, value, depth_max);
}
