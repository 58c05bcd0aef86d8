#include "json_shape.h"

#include <math.h>

#include "json_writer.h"

struct hfa_shape_field {
    PyObject *name;          /* owned str: the attribute */
    PyObject *key;           /* owned str: in a dict that a model is made of */
    PyObject *json_key;      /* owned bytes: the key, quoted, and a colon */
    PyObject *default_value; /* owned; NULL: the field is required */
    struct hfa_shape *shape; /* owned */
};

/* --- Reading a description
 * ------------------------------------------------------------------------
 */

/* A description nests no deeper than the classes that it was made of. */
#define DESCRIPTION_DEPTH_MAX 64

static struct hfa_shape *read_shape(PyObject *description, unsigned depth_left);

static bool read_field(PyObject *from, struct hfa_shape_field *field, unsigned depth_left)
{
    PyObject *name, *key, *json_key, *default_value, *inner;

    if (!PyTuple_Check(from) ||
        !PyArg_ParseTuple(from, "UUSOO", &name, &key, &json_key, &default_value, &inner)) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "a shape's field is a tuple");
        return false;
    }
    field->name = Py_NewRef(name);
    field->key = Py_NewRef(key);
    field->json_key = Py_NewRef(json_key);
    field->default_value = default_value == Py_Ellipsis ? NULL : Py_NewRef(default_value);
    field->shape = read_shape(inner, depth_left);
    return field->shape != NULL;
}

static bool read_model(PyObject *description, struct hfa_shape *shape, unsigned depth_left)
{
    PyObject *fields = PyTuple_GET_ITEM(description, 2);

    shape->model = Py_NewRef(PyTuple_GET_ITEM(description, 1));
    if (!PyType_Check(shape->model) || !PyTuple_Check(fields)) {
        PyErr_SetString(PyExc_TypeError, "a model's shape has a class and a tuple of fields");
        return false;
    }
    size_t count = (size_t)PyTuple_GET_SIZE(fields);
    shape->fields = PyMem_Calloc(count + 1, sizeof(*shape->fields));
    if (shape->fields == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        shape->field_count = i + 1;
        if (!read_field(PyTuple_GET_ITEM(fields, (Py_ssize_t)i), &shape->fields[i], depth_left))
            return false;
    }
    return true;
}

static struct hfa_shape *read_shape(PyObject *description, unsigned depth_left)
{
    bool good = PyTuple_Check(description) && PyTuple_GET_SIZE(description) > 0 && depth_left > 0;
    long kind = good ? PyLong_AsLong(PyTuple_GET_ITEM(description, 0)) : -1;
    Py_ssize_t size = good ? PyTuple_GET_SIZE(description) : 0;
    bool has_inner = kind == HFA_SHAPE_NULLABLE || kind == HFA_SHAPE_LIST || kind == HFA_SHAPE_DICT;

    if (kind < 0 || kind > HFA_SHAPE_MODEL ||
        size != (kind == HFA_SHAPE_MODEL ? 3
                 : has_inner             ? 2
                                         : 1)) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "%R does not describe a shape", description);
        return NULL;
    }
    struct hfa_shape *shape = PyMem_Calloc(1, sizeof(*shape));
    if (shape == NULL)
        return (struct hfa_shape *)PyErr_NoMemory();
    shape->kind = (enum hfa_shape_kind)kind;
    if (has_inner) {
        shape->inner = read_shape(PyTuple_GET_ITEM(description, 1), depth_left - 1);
        good = shape->inner != NULL;
    } else if (kind == HFA_SHAPE_MODEL) {
        good = read_model(description, shape, depth_left - 1);
    }
    if (good)
        return shape;
    hfa_shape_free(shape);
    return NULL;
}

struct hfa_shape *hfa_shape_read(PyObject *description)
{
    return read_shape(description, DESCRIPTION_DEPTH_MAX);
}

void hfa_shape_free(struct hfa_shape *shape)
{
    if (shape == NULL)
        return;
    for (size_t i = 0; i < shape->field_count; i++) {
        struct hfa_shape_field *field = &shape->fields[i];
        Py_XDECREF(field->name);
        Py_XDECREF(field->key);
        Py_XDECREF(field->json_key);
        Py_XDECREF(field->default_value);
        hfa_shape_free(field->shape);
    }
    PyMem_Free(shape->fields);
    Py_XDECREF(shape->model);
    hfa_shape_free(shape->inner);
    PyMem_Free(shape);
}

int hfa_shape_traverse(const struct hfa_shape *shape, visitproc visit, void *arg)
{
    if (shape == NULL)
        return 0;
    Py_VISIT(shape->model);
    for (size_t i = 0; i < shape->field_count; i++) {
        Py_VISIT(shape->fields[i].default_value);
        int result = hfa_shape_traverse(shape->fields[i].shape, visit, arg);
        if (result != 0)
            return result;
    }
    return hfa_shape_traverse(shape->inner, visit, arg);
}

/* --- Writing -------------------------------------------------------------------------------------
 */

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
    encoder->is_out_of_memory = false;
    char *out = hfa_json_position(encoder);
    if (out != NULL)
        out = write_value(shape, encoder, out, value, HFA_JSON_DEPTH_MAX);
    if (out != NULL) {
        hfa_json_set_position(encoder, out);
        return 1;
    }
    if (!encoder->is_out_of_memory)
        return 0;
    PyErr_NoMemory();
    return -1;
}
