#include "cors_stage.h"

static const struct hfa_bytes vary = HFA_BYTES_INIT("vary");
static const struct hfa_bytes allow_origin = HFA_BYTES_INIT("access-control-allow-origin");

static bool is_tuple_of_bytes(PyObject *tuple)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        if (!PyBytes_Check(PyTuple_GET_ITEM(tuple, i)))
            return false;
    }
    return true;
}

int hfa_cors_stage_init(struct hfa_cors_stage *stage, PyObject *description)
{
    PyObject *simple, *origins, *regex;
    int allows_all, allows_credentials;

    if (!PyArg_ParseTuple(description, "O!O!Opp", &PyTuple_Type, &simple, &PyTuple_Type, &origins,
                          &regex, &allows_all, &allows_credentials))
        return -1;
    *stage = (struct hfa_cors_stage){
        .simple = Py_NewRef(simple),
        .origins = Py_NewRef(origins),
        .regex = Py_NewRef(regex),
        .allows_all = allows_all,
        .allows_credentials = allows_credentials,
    };
    bool good = is_tuple_of_bytes(origins);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(simple) && good; i++) {
        PyObject *pair = PyTuple_GET_ITEM(simple, i);
        good = PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2 && is_tuple_of_bytes(pair);
    }
    if (!good)
        PyErr_SetString(PyExc_TypeError, "CORS headers and origins are bytes");
    return good ? 0 : -1;
}

void hfa_cors_stage_clear(struct hfa_cors_stage *stage)
{
    Py_CLEAR(stage->simple);
    Py_CLEAR(stage->origins);
    Py_CLEAR(stage->regex);
}

int hfa_cors_stage_traverse(const struct hfa_cors_stage *stage, visitproc visit, void *arg)
{
    Py_VISIT(stage->regex);
    return 0;
}

bool hfa_cors_stage_is_preflight(const struct hfa_request *request)
{
    return hfa_bytes_equal(request->method, HFA_BYTES("OPTIONS")) &&
           hfa_request_field(request, HFA_BYTES("origin")) != NULL &&
           hfa_request_field(request, HFA_BYTES("access-control-request-method")) != NULL;
}

static struct hfa_bytes view(PyObject *bytes)
{
    return (struct hfa_bytes){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* 1 yes, 0 no, -1 with an exception. */
static int is_allowed(const struct hfa_cors_stage *stage, struct hfa_bytes origin)
{
    if (stage->regex != Py_None) {
        PyObject *text = PyUnicode_DecodeLatin1(origin.data, (Py_ssize_t)origin.length, NULL);
        PyObject *match = text == NULL ? NULL : PyObject_CallOneArg(stage->regex, text);
        Py_XDECREF(text);
        if (match == NULL)
            return -1;
        Py_DECREF(match);
        if (match != Py_None)
            return 1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(stage->origins); i++) {
        if (hfa_bytes_equal(view(PyTuple_GET_ITEM(stage->origins, i)), origin))
            return 1;
    }
    return 0;
}

int hfa_cors_stage_apply(const struct hfa_cors_stage *stage, const struct hfa_request *request,
                         struct hfa_response_fields *fields)
{
    const struct hfa_bytes *origin = hfa_request_field(request, HFA_BYTES("origin"));
    bool good = true;
    int is_explicit = 0;

    if (origin != NULL) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(stage->simple) && good; i++) {
            PyObject *pair = PyTuple_GET_ITEM(stage->simple, i);
            good = hfa_response_fields_set(fields, view(PyTuple_GET_ITEM(pair, 0)),
                                           view(PyTuple_GET_ITEM(pair, 1)));
        }
        is_explicit = stage->allows_all ? stage->allows_credentials : is_allowed(stage, *origin);
        if (is_explicit < 0)
            return -1;
    }
    if (is_explicit)
        good = good && hfa_response_fields_set(fields, allow_origin, *origin);
    good = good && hfa_response_fields_join(fields, vary, HFA_BYTES("Origin"));
    if (!good)
        PyErr_NoMemory();
    return good ? 0 : -1;
}
