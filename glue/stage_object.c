#include "stage_object.h"

#include "asgi_call.h"
#include "response_stage.h"

struct stage_object {
    PyObject_HEAD struct hfa_response_stages stages; /* one */
};

static struct hfa_response_stage *stage_of(PyObject *self)
{
    return &((struct stage_object *)self)->stages.items[0];
}

static PyObject *stage_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)kwargs;
    struct stage_object *self = PyObject_GC_New(struct stage_object, type);
    if (self == NULL)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    PyObject_GC_Track(self);
    PyObject *descriptions = PyTuple_Pack(1, args);
    if (descriptions == NULL || hfa_response_stages_init(&self->stages, descriptions) < 0)
        Py_CLEAR(self);
    Py_XDECREF(descriptions);
    return (PyObject *)self;
}

static int stage_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return hfa_response_stages_traverse(&((struct stage_object *)self)->stages, visit, arg);
}

static int stage_clear(PyObject *self)
{
    hfa_response_stages_clear(&((struct stage_object *)self)->stages);
    return 0;
}

static void stage_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    stage_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* A response on its way through one stage. */
struct passing {
    struct hfa_asgi_fields of_request, of_response;
    struct hfa_request request;
    struct hfa_response_fields fields;
    struct hfa_arena arena;
    char memory[2048];
};

static void end(struct passing *passing)
{
    hfa_arena_reset(&passing->arena);
    hfa_asgi_fields_free(&passing->of_response);
    hfa_asgi_fields_free(&passing->of_request);
}

/* Reads the fields of a request and of its response. -1 with an exception, and nothing to end. */
static int begin(struct passing *passing, PyObject *of_request, PyObject *of_response)
{
    if (hfa_asgi_fields_read(&passing->of_request, of_request) < 0)
        return -1;
    if (hfa_asgi_fields_read(&passing->of_response, of_response) < 0) {
        hfa_asgi_fields_free(&passing->of_request);
        return -1;
    }
    passing->request = (struct hfa_request){
        .fields = passing->of_request.fields,
        .field_count = passing->of_request.count,
    };
    hfa_arena_init(&passing->arena, passing->memory, sizeof(passing->memory));
    if (hfa_response_fields_init(&passing->fields, &passing->arena, passing->of_response.fields,
                                 passing->of_response.count))
        return 0;
    PyErr_NoMemory();
    end(passing);
    return -1;
}

static bool is_same(const struct hfa_field *field, const struct hfa_field *other)
{
    return field->name.data == other->name.data && field->value.data == other->value.data &&
           field->value.length == other->value.length;
}

/* The fields as they are now: a new list, of the pairs of `before` as far as they are the same. */
static PyObject *list_of(const struct passing *passing, PyObject *before)
{
    const struct hfa_response_fields *fields = &passing->fields;
    PyObject *list = PyList_New((Py_ssize_t)fields->count);

    for (size_t i = 0; i < fields->count && list != NULL; i++) {
        const struct hfa_field *field = &fields->items[i];
        PyObject *pair;
        if (PyList_CheckExact(before) && i < passing->of_response.count &&
            is_same(field, &passing->of_response.fields[i]))
            pair = Py_NewRef(PyList_GET_ITEM(before, (Py_ssize_t)i));
        else
            pair = Py_BuildValue("(y#y#)", field->name.data, (Py_ssize_t)field->name.length,
                                 field->value.data, (Py_ssize_t)field->value.length);
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

static PyObject *method_lets_through(PyObject *self, PyObject *headers)
{
    struct hfa_asgi_fields fields;

    if (hfa_asgi_fields_read(&fields, headers) < 0)
        return NULL;
    const struct hfa_request request = {.fields = fields.fields, .field_count = fields.count};
    Py_ssize_t answering =
        hfa_response_stages_answering(&((struct stage_object *)self)->stages, &request, true);
    hfa_asgi_fields_free(&fields);
    return Py_NewRef(answering < 0 ? Py_True : Py_False);
}

static PyObject *method_head(PyObject *self, PyObject *args)
{
    PyObject *of_request, *headers;
    struct passing passing;

    if (!PyArg_ParseTuple(args, "OO:head", &of_request, &headers))
        return NULL;
    if (stage_of(self)->kind != HFA_STAGE_CORS) {
        PyErr_SetString(PyExc_TypeError, "only CORS does all that it does to the head");
        return NULL;
    }
    if (begin(&passing, of_request, headers) < 0)
        return NULL;
    int status = hfa_cors_stage_apply(&stage_of(self)->of.cors, &passing.request, &passing.fields);
    PyObject *list = status < 0 ? NULL : list_of(&passing, headers);
    end(&passing);
    return list;
}

static PyObject *bytes_of(struct hfa_bytes bytes, PyObject *before)
{
    if (bytes.data == PyBytes_AS_STRING(before))
        return Py_NewRef(before);
    return PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.length);
}

static PyObject *method_compress(PyObject *self, PyObject *args)
{
    PyObject *of_request, *headers, *object;
    struct hfa_bytes last = {NULL, 0};
    int status, in_pieces;
    struct passing passing;

    if (!PyArg_ParseTuple(args, "OiOSp:compress", &of_request, &status, &headers, &object,
                          &in_pieces))
        return NULL;
    if (stage_of(self)->kind != HFA_STAGE_GZIP) {
        PyErr_SetString(PyExc_TypeError, "only GZip compresses");
        return NULL;
    }
    struct hfa_gzip_stage *stage = &stage_of(self)->of.gzip;
    struct hfa_bytes body = {PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object)};
    if (begin(&passing, of_request, headers) < 0)
        return NULL;
    PyObject *result = NULL;
    if (hfa_gzip_stage_needs_thread(stage, &passing.request, body.length)) {
        result = Py_NewRef(Py_None);
    } else if (in_pieces ? hfa_gzip_stage_begin(stage, &passing.request, status, &passing.fields,
                                                &body, &last) == 0
                         : hfa_gzip_stage_apply(stage, &passing.request, status, &passing.fields,
                                                &body) == 0) {
        PyObject *list = list_of(&passing, headers);
        PyObject *compressed = list == NULL ? NULL : bytes_of(body, object);
        result = compressed == NULL
                     ? NULL
                     : Py_BuildValue("(OOy#)", list, compressed, last.data == NULL ? "" : last.data,
                                     (Py_ssize_t)last.length);
        Py_XDECREF(compressed);
        Py_XDECREF(list);
    }
    end(&passing);
    return result;
}

static PyMethodDef stage_methods[] = {
    {"lets_through", method_lets_through, METH_O,
     "lets_through(request headers): whether the middleware certainly lets a request through that "
     "has come by TLS."},
    {"head", method_head, METH_VARARGS,
     "head(request headers, response headers): a list of those that a CORSMiddleware makes of it."},
    {"compress", method_compress, METH_VARARGS,
     "compress(request headers, status, response headers, body, in pieces): (headers, body, rest "
     "of the body) as GZipMiddleware makes them of a body that comes at once, or before an empty "
     "last piece; None: that is for a worker thread."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stage_slots[] = {
    {Py_tp_doc, "Stage(name, description, answer): what a middleware does, natively."},
    {Py_tp_new, stage_new},
    {Py_tp_dealloc, stage_dealloc},
    {Py_tp_traverse, stage_traverse},
    {Py_tp_clear, stage_clear},
    {Py_tp_methods, stage_methods},
    {0, NULL},
};

PyType_Spec hfa_stage_object_spec = {
    .name = "hyperfastapi._core.Stage",
    .basicsize = sizeof(struct stage_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = stage_slots,
};
