#include "router_object.h"

struct router_object {
    PyObject_HEAD struct hfa_router *router; /* owned */
};

const struct hfa_router *hfa_router_object_get(PyObject *object)
{
    return ((struct router_object *)object)->router;
}

/* A view that lives as long as `text`; false with an exception. */
static bool view(PyObject *text, struct hfa_bytes *bytes)
{
    Py_ssize_t length;
    const char *data = PyUnicode_AsUTF8AndSize(text, &length);

    if (data == NULL)
        return false;
    *bytes = (struct hfa_bytes){data, (size_t)length};
    return true;
}

static bool read_convertor(PyObject *name, enum hfa_convertor *convertor)
{
    static const struct {
        const char *name;
        enum hfa_convertor convertor;
    } convertors[] = {
        {"str", HFA_CONVERTOR_STR},   {"int", HFA_CONVERTOR_INT},   {"float", HFA_CONVERTOR_FLOAT},
        {"uuid", HFA_CONVERTOR_UUID}, {"path", HFA_CONVERTOR_PATH},
    };

    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "a convertor's name is a str, not %R", name);
        return false;
    }
    for (size_t i = 0; i < sizeof(convertors) / sizeof(convertors[0]); i++)
        if (PyUnicode_CompareWithASCIIString(name, convertors[i].name) == 0) {
            *convertor = convertors[i].convertor;
            return true;
        }
    PyErr_Format(PyExc_ValueError, "convertor %R is not one of str, int, float, uuid, path", name);
    return false;
}

static bool read_token(PyObject *item, struct hfa_route_token *token)
{
    *token = (struct hfa_route_token){0};
    if (PyUnicode_Check(item))
        return view(item, &token->literal);
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 2) {
        PyErr_Format(PyExc_TypeError, "a token is a str or a (name, convertor), not %R", item);
        return false;
    }
    token->is_parameter = true;
    return read_convertor(PyTuple_GetItem(item, 1), &token->convertor);
}

static bool check(enum hfa_status status, PyObject *spec)
{
    if (status == HFA_ERR_NO_MEMORY)
        PyErr_NoMemory();
    else if (status != HFA_OK)
        PyErr_Format(PyExc_ValueError, "route %R can't be matched here: %s", spec,
                     hfa_status_text(status));
    return status == HFA_OK;
}

/* `tokens`: a sequence as PySequence_Tuple() made it; `methods` likewise, or None. */
static bool add_template(struct hfa_router *router, PyObject *spec, bool is_prefix,
                         PyObject *tokens, PyObject *methods)
{
    Py_ssize_t token_count = PyTuple_Size(tokens);
    Py_ssize_t method_count = methods == Py_None ? 0 : PyTuple_Size(methods);
    struct hfa_route_token *token_list = PyMem_Calloc((size_t)token_count + 1, sizeof(*token_list));
    struct hfa_bytes *method_list = PyMem_Calloc((size_t)method_count + 1, sizeof(*method_list));
    uint32_t index;
    bool good = token_list != NULL && method_list != NULL;

    if (!good)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < token_count && good; i++)
        good = read_token(PyTuple_GetItem(tokens, i), &token_list[i]);
    for (Py_ssize_t i = 0; i < method_count && good; i++)
        good = view(PyTuple_GetItem(methods, i), &method_list[i]);
    if (good)
        good =
            check(is_prefix ? hfa_router_add_prefix(router, token_list, (size_t)token_count, &index)
                            : hfa_router_add_path(router, token_list, (size_t)token_count,
                                                  method_list, (size_t)method_count, &index),
                  spec);
    PyMem_Free(token_list);
    PyMem_Free(method_list);
    return good;
}

static bool add_spec(struct hfa_router *router, PyObject *spec)
{
    const char *kind;
    PyObject *tokens = NULL, *methods = Py_None;
    uint32_t index;
    bool good = false;

    if (!PyTuple_Check(spec)) {
        PyErr_Format(PyExc_TypeError, "a route is a tuple, not %R", spec);
        return false;
    }
    if (!PyArg_ParseTuple(spec, "s|OO:Router", &kind, &tokens, &methods))
        return false;
    Py_ssize_t size = PyTuple_Size(spec);
    if (strcmp(kind, "opaque") == 0 && size == 1)
        return check(hfa_router_add_opaque(router, &index), spec);
    if (!(strcmp(kind, "path") == 0 && size == 3) && !(strcmp(kind, "prefix") == 0 && size == 2)) {
        PyErr_Format(PyExc_ValueError, "route %R is of no known kind", spec);
        return false;
    }
    tokens = PySequence_Tuple(tokens);
    methods = methods == Py_None ? Py_NewRef(Py_None) : PySequence_Tuple(methods);
    if (tokens != NULL && methods != NULL)
        good = add_template(router, spec, size == 2, tokens, methods);
    Py_XDECREF(tokens);
    Py_XDECREF(methods);
    return good;
}

static PyObject *router_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"specs", NULL};
    PyObject *specs;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Router", keywords, &specs))
        return NULL;
    struct router_object *self = (struct router_object *)PyType_GenericAlloc(type, 0);
    PyObject *iterator = self == NULL ? NULL : PyObject_GetIter(specs);
    if (iterator == NULL)
        goto fail;
    if (hfa_router_new(&self->router) != HFA_OK) {
        PyErr_NoMemory();
        goto fail;
    }
    PyObject *spec;
    while ((spec = PyIter_Next(iterator)) != NULL) {
        bool good = add_spec(self->router, spec);
        Py_DECREF(spec);
        if (!good)
            goto fail;
    }
    if (PyErr_Occurred())
        goto fail;
    Py_DECREF(iterator);
    return (PyObject *)self;

fail:
    Py_XDECREF(iterator);
    Py_XDECREF(self);
    return NULL;
}

static void router_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    hfa_router_free(((struct router_object *)object)->router);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *router_match(PyObject *object, PyObject *args)
{
    static const char *const kinds[] = {
        [HFA_MATCH_NONE] = "none",
        [HFA_MATCH_FULL] = "full",
        [HFA_MATCH_PARTIAL] = "partial",
        [HFA_MATCH_OPAQUE] = "opaque",
    };
    PyObject *method_text, *path_text;
    struct hfa_bytes method, path;
    struct hfa_route_match match;

    if (!PyArg_ParseTuple(args, "UU:match", &method_text, &path_text) ||
        !view(method_text, &method) || !view(path_text, &path))
        return NULL;
    hfa_router_match(hfa_router_object_get(object), method, path, &match);
    PyObject *params = PyTuple_New((Py_ssize_t)match.param_count);
    for (unsigned i = 0; i < match.param_count && params != NULL; i++) {
        PyObject *text =
            PyUnicode_DecodeUTF8(match.params[i].data, (Py_ssize_t)match.params[i].length, NULL);
        if (text == NULL)
            Py_CLEAR(params);
        else
            PyTuple_SET_ITEM(params, (Py_ssize_t)i, text);
    }
    if (params == NULL)
        return NULL;
    if (match.kind == HFA_MATCH_NONE)
        return Py_BuildValue("sON", kinds[match.kind], Py_None, params);
    return Py_BuildValue("sIN", kinds[match.kind], (unsigned)match.index, params);
}

static PyMethodDef router_methods[] = {
    {"match", router_match, METH_VARARGS,
     "match(method, path): (kind, index, params) of the route that FastAPI's scan selects."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot router_slots[] = {
    {Py_tp_new, router_new},
    {Py_tp_dealloc, router_dealloc},
    {Py_tp_methods, router_methods},
    {Py_tp_doc, "Router(specs): routes in FastAPI's order, and the one that a request selects."},
    {0, NULL},
};

PyType_Spec hfa_router_object_spec = {
    .name = "hyperfastapi._core.Router",
    .basicsize = sizeof(struct router_object),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = router_slots,
};
