#include "shape.h"

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

/* Of a slot in instances of a class; 0: it has no such slot. */
static Py_ssize_t offset_of(PyObject *class, const char *name)
{
    PyObject *slot = PyObject_GetAttrString(class, name);
    Py_ssize_t offset = slot == NULL ? 0 : hfa_slot_offset(slot);

    if (slot == NULL)
        PyErr_Clear();
    Py_XDECREF(slot);
    return offset;
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
    shape->fields_set_offset = offset_of(shape->model, "__pydantic_fields_set__");
    shape->extra_offset = offset_of(shape->model, "__pydantic_extra__");
    shape->private_offset = offset_of(shape->model, "__pydantic_private__");
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
