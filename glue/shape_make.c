#include "shape_make.h"

static PyObject *make(const struct hfa_shape *shape, PyObject *value, unsigned depth_left);

/* An int for a float: a double holds those below 2^53 exactly. */
static PyObject *make_float(PyObject *value)
{
    int overflow = 0;
    long long number;

    if (PyFloat_CheckExact(value))
        return Py_NewRef(value);
    if (!PyLong_CheckExact(value))
        return NULL;
    number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow != 0 || number > INT64_C(1) << 53 || number < -(INT64_C(1) << 53))
        return NULL;
    return PyFloat_FromDouble((double)number);
}

static PyObject *make_list(const struct hfa_shape *inner, PyObject *list, unsigned depth_left)
{
    Py_ssize_t count = PyList_GET_SIZE(list);
    PyObject *made = PyList_New(count);

    for (Py_ssize_t i = 0; i < count && made != NULL; i++) {
        PyObject *item = make(inner, PyList_GET_ITEM(list, i), depth_left);
        if (item == NULL)
            Py_CLEAR(made);
        else
            PyList_SET_ITEM(made, i, item);
    }
    return made;
}

static PyObject *make_dict(const struct hfa_shape *inner, PyObject *dict, unsigned depth_left)
{
    PyObject *made = PyDict_New();
    PyObject *key, *value;
    Py_ssize_t place = 0;

    while (made != NULL && PyDict_Next(dict, &place, &key, &value)) {
        PyObject *item = PyUnicode_CheckExact(key) ? make(inner, value, depth_left) : NULL;
        if (item == NULL || PyDict_SetItem(made, key, item) < 0)
            Py_CLEAR(made);
        Py_XDECREF(item);
    }
    return made;
}

/* Pydantic gives each model a copy of a default that can be changed: here only of empty ones. */
static PyObject *make_default(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);

    if (value == Py_None || type == &PyUnicode_Type || type == &PyLong_Type ||
        type == &PyFloat_Type || type == &PyBool_Type)
        return Py_NewRef(value);
    if (type == &PyList_Type && PyList_GET_SIZE(value) == 0)
        return PyList_New(0);
    if (type == &PyDict_Type && PyDict_Size(value) == 0)
        return PyDict_New();
    return NULL;
}

/* -1: a field does not fit, or with MemoryError set. */
static int make_field(const struct hfa_shape_field *field, PyObject *source, PyObject *attributes,
                      PyObject *fields_set, unsigned depth_left)
{
    PyObject *value = PyDict_GetItemWithError(source, field->key); /* borrowed */
    PyObject *made = NULL;
    int status = 0;

    if (value != NULL) {
        made = make(field->shape, value, depth_left);
        status = made == NULL ? -1 : PySet_Add(fields_set, field->name);
    } else if (field->default_value != NULL && !PyErr_Occurred()) {
        made = make_default(field->default_value);
    }
    if (status == 0)
        status = made == NULL ? -1 : PyDict_SetItem(attributes, field->name, made);
    Py_XDECREF(made);
    return status;
}

static void put(PyObject *instance, Py_ssize_t offset, PyObject *value)
{
    PyObject **place = (PyObject **)(void *)((char *)instance + offset);

    Py_XSETREF(*place, Py_NewRef(value));
}

static PyObject *make_instance(const struct hfa_shape *shape, PyObject *attributes,
                               PyObject *fields_set)
{
    PyTypeObject *type = (PyTypeObject *)shape->model;
    PyObject *none = PyTuple_New(0);
    PyObject *instance = none == NULL ? NULL : type->tp_new(type, none, NULL);

    Py_XDECREF(none);
    if (instance == NULL)
        return NULL;
    if (PyObject_GenericSetDict(instance, attributes, NULL) < 0) {
        Py_DECREF(instance);
        return NULL;
    }
    put(instance, shape->extra_offset, Py_None);
    put(instance, shape->fields_set_offset, fields_set);
    put(instance, shape->private_offset, Py_None);
    return instance;
}

static PyObject *make_model(const struct hfa_shape *shape, PyObject *value, unsigned depth_left)
{
    PyObject *instance = NULL;

    if (!PyDict_CheckExact(value) || shape->fields_set_offset == 0 || shape->extra_offset == 0 ||
        shape->private_offset == 0)
        return NULL;
    PyObject *attributes = PyDict_New();
    PyObject *fields_set = PySet_New(NULL);
    int status = attributes == NULL || fields_set == NULL ? -1 : 0;
    for (size_t i = 0; i < shape->field_count && status == 0; i++)
        status = make_field(&shape->fields[i], value, attributes, fields_set, depth_left);
    if (status == 0)
        instance = make_instance(shape, attributes, fields_set);
    Py_XDECREF(attributes);
    Py_XDECREF(fields_set);
    return instance;
}

static PyObject *make(const struct hfa_shape *shape, PyObject *value, unsigned depth_left)
{
    bool fits = false;

    if (depth_left == 0)
        return NULL;
    switch (shape->kind) {
    case HFA_SHAPE_ANY:
        fits = true;
        break;
    case HFA_SHAPE_STR:
        fits = PyUnicode_CheckExact(value);
        break;
    case HFA_SHAPE_INT:
        fits = PyLong_CheckExact(value);
        break;
    case HFA_SHAPE_FLOAT:
        return make_float(value);
    case HFA_SHAPE_BOOL:
        fits = PyBool_Check(value);
        break;
    case HFA_SHAPE_NONE:
        fits = value == Py_None;
        break;
    case HFA_SHAPE_NULLABLE:
        return value == Py_None ? Py_NewRef(value) : make(shape->inner, value, depth_left);
    case HFA_SHAPE_LIST:
        return PyList_CheckExact(value) ? make_list(shape->inner, value, depth_left - 1) : NULL;
    case HFA_SHAPE_DICT:
        return PyDict_CheckExact(value) ? make_dict(shape->inner, value, depth_left - 1) : NULL;
    case HFA_SHAPE_MODEL:
        return make_model(shape, value, depth_left - 1);
    }
    return fits ? Py_NewRef(value) : NULL;
}

PyObject *hfa_shape_make(const struct hfa_shape *shape, PyObject *value)
{
    PyObject *made = make(shape, value, HFA_SHAPE_DEPTH_MAX);

    if (made == NULL && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_MemoryError))
        PyErr_Clear(); /* an abstract class, ...: pydantic will say so */
    return made;
}
