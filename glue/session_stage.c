#include "session_stage.h"

int hfa_session_stage_init(struct hfa_session_stage *stage, PyObject *description)
{
    PyObject *name, *reads, *open, *type;

    if (!PyArg_ParseTuple(description, "SOOO!", &name, &reads, &open, &PyType_Type, &type))
        return -1;
    *stage = (struct hfa_session_stage){
        .name = Py_NewRef(name),
        .reads = Py_NewRef(reads),
        .open = Py_NewRef(open),
        .type = Py_NewRef(type),
    };
    return 0;
}

void hfa_session_stage_clear(struct hfa_session_stage *stage)
{
    Py_CLEAR(stage->name);
    Py_CLEAR(stage->reads);
    Py_CLEAR(stage->open);
    Py_CLEAR(stage->type);
}

int hfa_session_stage_traverse(const struct hfa_session_stage *stage, visitproc visit, void *arg)
{
    Py_VISIT(stage->reads);
    Py_VISIT(stage->open);
    Py_VISIT(stage->type);
    return 0;
}

static bool contains(struct hfa_bytes text, PyObject *part)
{
    size_t length = (size_t)PyBytes_GET_SIZE(part);

    for (size_t i = 0; i + length <= text.length; i++) {
        if (memcmp(text.data + i, PyBytes_AS_STRING(part), length) == 0)
            return true;
    }
    return false;
}

/* The Cookie fields of a request: a new list. */
static PyObject *cookie_fields(const struct hfa_request *request)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; i < request->field_count && list != NULL; i++) {
        const struct hfa_field *field = &request->fields[i];
        if (!hfa_bytes_equal(field->name, HFA_BYTES("cookie")))
            continue;
        PyObject *pair =
            Py_BuildValue("(sy#)", "cookie", field->value.data, (Py_ssize_t)field->value.length);
        PyObject *value = pair == NULL ? NULL : Py_NewRef(PyTuple_GET_ITEM(pair, 1));
        if (value == NULL || PyList_Append(list, value) < 0)
            Py_CLEAR(list);
        Py_XDECREF(value);
        Py_XDECREF(pair);
    }
    return list;
}

bool hfa_session_stage_is_certain(const struct hfa_session_stage *stage,
                                  const struct hfa_request *request)
{
    bool is_named = false;

    for (size_t i = 0; i < request->field_count && !is_named; i++)
        is_named = hfa_bytes_equal(request->fields[i].name, HFA_BYTES("cookie")) &&
                   contains(request->fields[i].value, stage->name);
    if (!is_named)
        return true;
    PyObject *fields = cookie_fields(request);
    PyObject *certain = fields == NULL ? NULL : PyObject_CallOneArg(stage->reads, fields);
    Py_XDECREF(fields);
    if (certain == NULL)
        PyErr_Clear();   /* the middleware itself will meet it, too */
    Py_XDECREF(certain); /* only compared */
    return certain == Py_True;
}

int hfa_session_stage_open(const struct hfa_session_stage *stage, PyObject *scope)
{
    PyObject *was_empty = PyObject_CallOneArg(stage->open, scope);

    Py_XDECREF(was_empty);
    return was_empty == NULL ? -1 : 0;
}

static bool is_false(PyObject *object, const char *name)
{
    PyObject *value = PyObject_GetAttrString(object, name);

    Py_XDECREF(value); /* only compared */
    return value == Py_False;
}

bool hfa_session_stage_is_unused(const struct hfa_session_stage *stage, PyObject *scope)
{
    PyObject *session = PyDict_GetItemString(scope, "session"); /* borrowed */

    if (session == NULL || (PyObject *)Py_TYPE(session) != stage->type)
        return false;
    bool unused = is_false(session, "accessed") && is_false(session, "modified");
    PyErr_Clear();
    return unused;
}
