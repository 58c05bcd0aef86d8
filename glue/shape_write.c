#include "shape_write.h"

#include <math.h>

#include "json_writer.h"

static char *write_value(const struct hfa_shape *shape, struct hfa_json_encoder *encoder, char *out,
                         PyObject *value, unsigned depth_left);

/* Pydantic writes numbers as Python does where neither needs an exponent. */
static char *write_float(struct hfa_json_encoder *encoder, char *out, PyObject *value)
{
    double magnitude = fabs(PyFloat_AS_DOUBLE(value));

    if (magnitude != 0.0 && !(magnitude >= 1e-4 && magnitude < 1e16))
        return NULL;
    return hfa_json_write_float(encoder, out, value);
}

static char *write_items(const struct hfa_shape *inner, struct hfa_json_encoder *encoder, char *out,
                         PyObject *const *items, Py_ssize_t count, unsigned depth_left)
{
    out = hfa_json_write_bytes(encoder, out, "[", 1);
    for (Py_ssize_t i = 0; i < count && out != NULL; i++) {
        out = write_value(inner, encoder, out, items[i], depth_left);
        if (out != NULL)
            *out++ = ',';
    }
    return out == NULL ? NULL : hfa_json_close(encoder, out, ']');
}

static char *write_dict(const struct hfa_shape *inner, struct hfa_json_encoder *encoder, char *out,
                        PyObject *dict, unsigned depth_left)
{
    PyObject *key, *value;
    Py_ssize_t place = 0;

    out = hfa_json_write_bytes(encoder, out, "{", 1);
    while (out != NULL && PyDict_Next(dict, &place, &key, &value)) {
        if (!PyUnicode_CheckExact(key))
            return NULL;
        out = hfa_json_write_string(encoder, out, key);
        if (out == NULL)
            return NULL;
        *out++ = ':';
        out = write_value(inner, encoder, out, value, depth_left);
        if (out != NULL)
            *out++ = ',';
    }
    return out == NULL ? NULL : hfa_json_close(encoder, out, '}');
}

static char *write_field(const struct hfa_shape_field *field, struct hfa_json_encoder *encoder,
                         char *out, PyObject *value, unsigned depth_left)
{
    out = hfa_json_write_bytes(encoder, out, PyBytes_AS_STRING(field->json_key),
                               (size_t)PyBytes_GET_SIZE(field->json_key));
    if (out != NULL)
        out = write_value(field->shape, encoder, out, value, depth_left);
    if (out != NULL)
        *out++ = ',';
    return out;
}

/* The attributes as the instance has them, in its own order: that of the fields, or pydantic's. */
static char *write_instance(const struct hfa_shape *shape, struct hfa_json_encoder *encoder,
                            char *out, PyObject *instance, unsigned depth_left)
{
    PyObject *attributes = PyObject_GenericGetDict(instance, NULL);
    PyObject *name, *value;
    Py_ssize_t place = 0;
    size_t i = 0;

    if (attributes == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (!PyDict_CheckExact(attributes) || (size_t)PyDict_Size(attributes) != shape->field_count)
        out = NULL;
    while (out != NULL && PyDict_Next(attributes, &place, &name, &value)) {
        out = i < shape->field_count && name == shape->fields[i].name
                  ? write_field(&shape->fields[i], encoder, out, value, depth_left)
                  : NULL;
        i++;
    }
    Py_DECREF(attributes);
    return out;
}

/* What the model would be made of, its fields in their order. */
static char *write_source(const struct hfa_shape *shape, struct hfa_json_encoder *encoder,
                          char *out, PyObject *dict, unsigned depth_left)
{
    for (size_t i = 0; i < shape->field_count && out != NULL; i++) {
        const struct hfa_shape_field *field = &shape->fields[i];
        PyObject *value = PyDict_GetItemWithError(dict, field->key); /* borrowed */
        if (value == NULL)
            value = field->default_value;
        if (value == NULL || PyErr_Occurred()) {
            PyErr_Clear();
            return NULL;
        }
        Py_INCREF(value);
        out = write_field(field, encoder, out, value, depth_left);
        Py_DECREF(value);
    }
    return out;
}

static char *write_model(const struct hfa_shape *shape, struct hfa_json_encoder *encoder, char *out,
                         PyObject *value, unsigned depth_left)
{
    out = hfa_json_write_bytes(encoder, out, "{", 1);
    if (out == NULL)
        return NULL;
    if ((PyObject *)Py_TYPE(value) == shape->model)
        out = write_instance(shape, encoder, out, value, depth_left);
    else if (PyDict_CheckExact(value))
        out = write_source(shape, encoder, out, value, depth_left);
    else
        return NULL;
    return out == NULL ? NULL : hfa_json_close(encoder, out, '}');
}

static char *write_any(const struct hfa_shape *shape, struct hfa_json_encoder *encoder, char *out,
                       PyObject *value, unsigned depth_left)
{
    PyTypeObject *type = Py_TYPE(value);

    if (type == &PyUnicode_Type)
        return hfa_json_write_string(encoder, out, value);
    if (type == &PyLong_Type)
        return hfa_json_write_int(encoder, out, value);
    if (value == Py_None || type == &PyBool_Type)
        return hfa_json_write_literal(encoder, out, value);
    if (type == &PyFloat_Type)
        return write_float(encoder, out, value);
    if (type == &PyDict_Type)
        return write_dict(shape, encoder, out, value, depth_left);
    if (type == &PyList_Type)
        return write_items(shape, encoder, out, PySequence_Fast_ITEMS(value),
                           PySequence_Fast_GET_SIZE(value), depth_left);
    return NULL;
}

static char *write_value(const struct hfa_shape *shape, struct hfa_json_encoder *encoder, char *out,
                         PyObject *value, unsigned depth_left)
{
    if (depth_left == 0)
        return NULL;
    switch (shape->kind) {
    case HFA_SHAPE_ANY:
        return write_any(shape, encoder, out, value, depth_left - 1);
    case HFA_SHAPE_STR:
        return PyUnicode_CheckExact(value) ? hfa_json_write_string(encoder, out, value) : NULL;
    case HFA_SHAPE_INT:
        return PyLong_CheckExact(value) ? hfa_json_write_int(encoder, out, value) : NULL;
    case HFA_SHAPE_FLOAT:
        return PyFloat_CheckExact(value) ? write_float(encoder, out, value) : NULL;
    case HFA_SHAPE_BOOL:
        return PyBool_Check(value) ? hfa_json_write_literal(encoder, out, value) : NULL;
    case HFA_SHAPE_NONE:
        return value == Py_None ? hfa_json_write_literal(encoder, out, value) : NULL;
    case HFA_SHAPE_NULLABLE:
        return value == Py_None ? hfa_json_write_literal(encoder, out, value)
                                : write_value(shape->inner, encoder, out, value, depth_left);
    case HFA_SHAPE_LIST:
        return PyList_CheckExact(value)
                   ? write_items(shape->inner, encoder, out, PySequence_Fast_ITEMS(value),
                                 PySequence_Fast_GET_SIZE(value), depth_left - 1)
                   : NULL;
    case HFA_SHAPE_DICT:
        return PyDict_CheckExact(value)
                   ? write_dict(shape->inner, encoder, out, value, depth_left - 1)
                   : NULL;
    case HFA_SHAPE_MODEL:
        return write_model(shape, encoder, out, value, depth_left - 1);
    }
    return NULL;
}

int hfa_shape_write(const struct hfa_shape *shape, struct hfa_json_encoder *encoder,
                    PyObject *value)
{
    char *out = hfa_json_begin(encoder);
    if (out != NULL)
        out = write_value(shape, encoder, out, value, HFA_SHAPE_DEPTH_MAX);
    return hfa_json_end(encoder, out);
}
