/* The module hyperfastapi._core: state, types, constants. */
#include "application.h"
#include "asgi_call.h"
#include "cookie_text.h"
#include "dict_watch.h"
#include "http1_head.h"
#include "http2_conn.h"
#include "json_decode.h"
#include "json_encode.h"
#include "json_number.h"
#include "json_spaced.h"
#include "listener.h"
#include "multipart_object.h"
#include "operation.h"
#include "plan_run.h"
#include "pool_object.h"
#include "pump.h"
#include "query_text.h"
#include "router_object.h"
#include "scope.h"
#include "server_object.h"
#include "stage_object.h"
#include "static_files.h"
#include "status_line.h"
#include "tls_settings.h"
#include "waiter.h"
#include "weak_set.h"
#include "websocket_bound.h"
#include "websocket_channel.h"

static PyObject *raise_listener(const struct hfa_listener_error *error)
{
    PyErr_SetString(PyExc_OSError, error->text);
    return NULL;
}

static PyObject *bind_tcp(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"host", "port", "backlog", "reuse_port", NULL};
    const char *host;
    unsigned port;
    int backlog, reuse_port;
    int fds[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0;
    struct hfa_listener_error error;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "sI$ip:bind_tcp", keywords, &host, &port,
                                     &backlog, &reuse_port))
        return NULL;
    if (hfa_listener_open_tcp(host, port, backlog, reuse_port, fds, &count, &error) != HFA_OK)
        return raise_listener(&error);
    PyObject *list = PyList_New(0);
    for (size_t i = 0; i < count && list != NULL; i++) {
        PyObject *fd = PyLong_FromLong(fds[i]);
        if (fd == NULL || PyList_Append(list, fd) < 0)
            Py_CLEAR(list);
        Py_XDECREF(fd);
    }
    return list;
}

static PyObject *bind_unix(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"path", "mode", "backlog", NULL};
    const char *path;
    unsigned mode;
    int backlog, fd;
    struct hfa_listener_error error;

    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s$Ii:bind_unix", keywords, &path, &mode,
                                     &backlog))
        return NULL;
    if (hfa_listener_open_unix(path, mode, backlog, &fd, &error) != HFA_OK)
        return raise_listener(&error);
    return PyLong_FromLong(fd);
}

static PyObject *adopt(PyObject *module, PyObject *args)
{
    int fd, backlog;
    struct hfa_listener_error error;

    (void)module;
    if (!PyArg_ParseTuple(args, "ii:adopt", &fd, &backlog))
        return NULL;
    if (hfa_listener_adopt(fd, backlog, &error) != HFA_OK)
        return raise_listener(&error);
    Py_RETURN_NONE;
}

static PyObject *unquote(PyObject *module, PyObject *path)
{
    char *data;
    Py_ssize_t length;

    (void)module;
    if (PyBytes_AsStringAndSize(path, &data, &length) < 0)
        return NULL;
    return hfa_scope_unquote((struct hfa_bytes){data, (size_t)length});
}

static bool view_bytes(PyObject *bytes, struct hfa_bytes *view)
{
    char *data;
    Py_ssize_t length;

    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0)
        return false;
    *view = (struct hfa_bytes){data, (size_t)length};
    return true;
}

static PyObject *query_pairs(PyObject *module, PyObject *object)
{
    struct hfa_bytes query;

    (void)module;
    return view_bytes(object, &query) ? hfa_query_text_pairs(query) : NULL;
}

static PyObject *query_list(PyObject *module, PyObject *args)
{
    struct hfa_bytes query, name;
    Py_ssize_t query_length, name_length;

    (void)module;
    if (!PyArg_ParseTuple(args, "y#s#:query_list", &query.data, &query_length, &name.data,
                          &name_length))
        return NULL;
    query.length = (size_t)query_length;
    name.length = (size_t)name_length;
    return hfa_query_text_list(query, name);
}

static PyObject *query_last(PyObject *module, PyObject *args)
{
    struct hfa_bytes query, name, value;
    Py_ssize_t query_length, name_length;

    (void)module;
    if (!PyArg_ParseTuple(args, "y#s#:query_last", &query.data, &query_length, &name.data,
                          &name_length))
        return NULL;
    query.length = (size_t)query_length;
    name.length = (size_t)name_length;
    if (!hfa_query_find_last(query, name, &value))
        Py_RETURN_NONE;
    return hfa_query_text(value);
}

/* Fields called "cookie" of a tuple's values; PyMem_Free() them. NULL with an exception. */
static struct hfa_field *cookie_fields(PyObject *values)
{
    size_t count = (size_t)PyTuple_Size(values);
    struct hfa_field *fields = PyMem_Calloc(count + 1, sizeof(*fields));

    if (fields == NULL)
        return (struct hfa_field *)PyErr_NoMemory();
    for (size_t i = 0; i < count; i++) {
        fields[i].name = HFA_BYTES("cookie");
        if (!view_bytes(PyTuple_GetItem(values, (Py_ssize_t)i), &fields[i].value)) {
            PyMem_Free(fields);
            return NULL;
        }
    }
    return fields;
}

static PyObject *cookies(PyObject *module, PyObject *args)
{
    struct hfa_field *fields = cookie_fields(args);

    (void)module;
    if (fields == NULL)
        return NULL;
    PyObject *dict = hfa_cookie_text_dict(fields, (size_t)PyTuple_Size(args));
    PyMem_Free(fields);
    return dict;
}

static PyObject *cookie_last(PyObject *module, PyObject *args)
{
    PyObject *values, *text = NULL;
    struct hfa_bytes name, value;
    Py_ssize_t name_length;

    (void)module;
    if (!PyArg_ParseTuple(args, "O!s#:cookie_last", &PyTuple_Type, &values, &name.data,
                          &name_length))
        return NULL;
    name.length = (size_t)name_length;
    struct hfa_field *fields = cookie_fields(values);
    if (fields == NULL)
        return NULL;
    if (hfa_cookie_find_last(fields, (size_t)PyTuple_Size(values), name, &value))
        text = hfa_cookie_text(value);
    else
        text = Py_NewRef(Py_None);
    PyMem_Free(fields);
    return text;
}

/* The bytes that `encode` writes. */
static PyObject *encode_to_bytes(PyObject *module,
                                 int (*encode)(struct hfa_json_encoder *, PyObject *),
                                 PyObject *value, PyObject *jsonable_encoder)
{
    struct hfa_json_encoder encoder;
    PyObject *bytes = NULL;

    hfa_json_encoder_init(&encoder, PyModule_GetState(module), jsonable_encoder);
    if (encode(&encoder, value) == 0)
        bytes = PyBytes_FromStringAndSize(encoder.data, (Py_ssize_t)encoder.length);
    hfa_json_encoder_free(&encoder);
    return bytes;
}

static PyObject *json_encode_response(PyObject *module, PyObject *args)
{
    PyObject *value, *jsonable_encoder;

    if (!PyArg_ParseTuple(args, "OO:json_encode_response", &value, &jsonable_encoder))
        return NULL;
    return encode_to_bytes(module, hfa_json_encode, value, jsonable_encoder);
}

static PyObject *json_dumps(PyObject *module, PyObject *value)
{
    return encode_to_bytes(module, hfa_json_dumps, value, NULL);
}

static PyObject *json_spaced(PyObject *module, PyObject *value)
{
    struct hfa_json_encoder encoder;
    PyObject *bytes = NULL;

    hfa_json_encoder_init(&encoder, PyModule_GetState(module), NULL);
    int written = hfa_json_spaced(&encoder, value);
    if (written > 0)
        bytes = PyBytes_FromStringAndSize(encoder.data, (Py_ssize_t)encoder.length);
    hfa_json_encoder_free(&encoder);
    return written == 0 ? Py_NewRef(Py_None) : bytes;
}

static PyObject *json_loads(PyObject *module, PyObject *data)
{
    struct hfa_state *state = PyModule_GetState(module);
    char *bytes;
    Py_ssize_t length;

    if (PyBytes_AsStringAndSize(data, &bytes, &length) < 0)
        return NULL;
    return hfa_json_decode(&state->json_decoder, bytes, (size_t)length);
}

/* The phrases of status lines are those of the running Python, as with servers written in it. */
static int take_phrases(void)
{
    PyObject *http = PyImport_ImportModule("http");
    PyObject *statuses = http == NULL ? NULL : PyObject_GetAttrString(http, "HTTPStatus");
    PyObject *iterator = statuses == NULL ? NULL : PyObject_GetIter(statuses);
    PyObject *status;
    int result = iterator == NULL ? -1 : 0;

    for (int code = 100; code < 600 && result == 0; code++)
        hfa_status_line_set_phrase(code, (struct hfa_bytes){"", 0});
    while (result == 0 && (status = PyIter_Next(iterator)) != NULL) {
        PyObject *phrase = PyObject_GetAttrString(status, "phrase");
        long code = PyLong_AsLong(status);
        Py_ssize_t length = 0;
        const char *text = phrase == NULL ? NULL : PyUnicode_AsUTF8AndSize(phrase, &length);
        if (text == NULL || hfa_status_line_set_phrase(
                                (int)code, (struct hfa_bytes){text, (size_t)length}) != HFA_OK)
            result = -1;
        Py_XDECREF(phrase);
        Py_DECREF(status);
    }
    if (result < 0 && !PyErr_Occurred())
        PyErr_SetString(PyExc_ImportError, "an HTTP status phrase cannot be used");
    Py_XDECREF(iterator);
    Py_XDECREF(statuses);
    Py_XDECREF(http);
    return PyErr_Occurred() ? -1 : result;
}

static int find_task_type(struct hfa_state *state)
{
    PyObject *asyncio = PyImport_ImportModule("asyncio.tasks");

    if (asyncio == NULL)
        return -1;
    state->task_type = PyObject_GetAttrString(asyncio, "Task");
    state->enter_task = PyObject_GetAttrString(asyncio, "_enter_task");
    state->leave_task = PyObject_GetAttrString(asyncio, "_leave_task");
    Py_DECREF(asyncio);
    asyncio = PyImport_ImportModule("asyncio");
    if (asyncio == NULL)
        return -1;
    state->cancelled_error = PyObject_GetAttrString(asyncio, "CancelledError");
    state->future_type = PyObject_GetAttrString(asyncio, "Future");
    Py_DECREF(asyncio);
    state->from_attributes_kwnames = PyTuple_Pack(1, state->str_from_attributes);
    state->context_kwnames = PyTuple_Pack(1, state->str_context);
    return state->task_type == NULL || state->cancelled_error == NULL ||
                   state->future_type == NULL || state->enter_task == NULL ||
                   state->leave_task == NULL || state->from_attributes_kwnames == NULL ||
                   state->context_kwnames == NULL
               ? -1
               : 0;
}

static int find_json(struct hfa_state *state)
{
    PyObject *json = PyImport_ImportModule("json");
    PyObject *loads = json == NULL ? NULL : PyObject_GetAttrString(json, "loads");

    if (loads != NULL) {
        hfa_json_decoder_init(&state->json_decoder, loads);
        state->json_dumps = PyObject_GetAttrString(json, "dumps");
        state->json_dumps_options =
            Py_BuildValue("{s:O,s:O,s:O,s:(ss)}", "ensure_ascii", Py_False, "allow_nan", Py_False,
                          "indent", Py_None, "separators", ",", ":");
    }
    Py_XDECREF(loads);
    Py_XDECREF(json);
    return state->json_dumps == NULL || state->json_dumps_options == NULL ? -1 : 0;
}

static PyTypeObject *make_type(PyObject *module, PyType_Spec *spec)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
}

/* The name and version of a library, or False where the build is without it. */
static PyObject *library_or_false(const char *name)
{
    return name[0] == '\0' ? Py_NewRef(Py_False) : PyUnicode_FromString(name);
}

static PyObject *check_tls(PyObject *module, PyObject *settings)
{
    struct hfa_tls_context *context = hfa_tls_settings_read(settings, Py_None);

    (void)module;
    if (context == NULL)
        return NULL;
    hfa_tls_context_release(context);
    Py_RETURN_NONE;
}

static int add_build(PyObject *module)
{
    PyObject *tls = library_or_false(hfa_tls_library());
    PyObject *http2 = library_or_false(hfa_http2_library());
    PyObject *build = NULL;

    if (tls != NULL && http2 != NULL)
        build = Py_BuildValue("{s:s,s:s,s:O,s:O,s:O,s:O}", "reactor", hfa_reactor_name(), "scanner",
                              hfa_http1_head_scanner(), "tls", tls, "http2", http2, "http3",
                              Py_False, "zlib", hfa_gzip_stage_is_built() ? Py_True : Py_False);
    Py_XDECREF(tls);
    Py_XDECREF(http2);
    int status = build == NULL ? -1 : PyModule_AddObjectRef(module, "build", build);

    Py_XDECREF(build);
    return status;
}

static int module_exec(PyObject *module)
{
    struct hfa_state *state = PyModule_GetState(module);

    hfa_json_number_init();
    hfa_dict_watch_init(state);
#define HFA_INTERN(name, text)                                                                     \
    state->str_##name = PyUnicode_InternFromString(text);                                          \
    if (state->str_##name == NULL)                                                                 \
        goto fail;
    HFA_NAMES(HFA_INTERN)
#undef HFA_INTERN
    state->empty_bytes = PyBytes_FromStringAndSize(NULL, 0);
    state->response_started = Py_BuildValue("{s:s}", "type", "http.response.start");
    state->client_disconnected =
        PyErr_NewException("hyperfastapi._core.ClientDisconnected", PyExc_OSError, NULL);
    if (state->empty_bytes == NULL || state->response_started == NULL ||
        state->client_disconnected == NULL)
        goto fail;
#define HFA_MAKE_TYPE(name, spec)                                                                  \
    state->name##_type = make_type(module, &(spec));                                               \
    if (state->name##_type == NULL)                                                                \
        goto fail;
    HFA_TYPES(HFA_MAKE_TYPE)
#undef HFA_MAKE_TYPE
    if (hfa_header_names_init(&state->header_names) < 0 || hfa_scope_init(state) < 0 ||
        find_task_type(state) < 0 || find_json(state) < 0 || take_phrases() < 0 ||
        add_build(module) < 0)
        goto fail;
    if (PyModule_AddType(module, state->server_type) < 0 ||
        PyModule_AddType(module, state->pool_type) < 0 ||
        PyModule_AddType(module, state->router_type) < 0 ||
        PyModule_AddType(module, state->plan_type) < 0 ||
        PyModule_AddType(module, state->stage_type) < 0 ||
        PyModule_AddType(module, state->static_files_type) < 0 ||
        PyModule_AddType(module, state->multipart_type) < 0 ||
        PyModule_AddType(module, state->application_type) < 0 ||
        PyModule_AddObjectRef(module, "RESPONSE_STARTED", state->response_started) < 0 ||
        PyModule_AddObjectRef(module, "ClientDisconnected", state->client_disconnected) < 0)
        goto fail;
    return 0;

fail:
    return -1; /* what was made goes with the module's state */
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct hfa_state *state = PyModule_GetState(module);

#define HFA_VISIT_TYPE(name, spec) Py_VISIT(state->name##_type);
    HFA_TYPES(HFA_VISIT_TYPE)
#undef HFA_VISIT_TYPE
    Py_VISIT(state->task_type);
    Py_VISIT(state->client_disconnected);
    Py_VISIT(state->cancelled_error);
    Py_VISIT(state->future_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    struct hfa_state *state = PyModule_GetState(module);

    hfa_dict_watch_end(state);
    hfa_free_list_close(&state->free_calls);
    hfa_free_list_close(&state->free_operations);
    hfa_free_list_close(&state->free_waiters);
    hfa_free_list_close(&state->free_runs);
#define HFA_CLEAR_TYPE(name, spec) Py_CLEAR(state->name##_type);
    HFA_TYPES(HFA_CLEAR_TYPE)
#undef HFA_CLEAR_TYPE
    hfa_json_decoder_free(&state->json_decoder);
    Py_CLEAR(state->json_dumps);
    Py_CLEAR(state->json_dumps_options);
    Py_CLEAR(state->task_type);
    Py_CLEAR(state->client_disconnected);
    Py_CLEAR(state->cancelled_error);
    Py_CLEAR(state->future_type);
    Py_CLEAR(state->enter_task);
    Py_CLEAR(state->leave_task);
    Py_CLEAR(state->spare_stop);
    Py_CLEAR(state->context_kwnames);
    Py_CLEAR(state->empty_bytes);
    Py_CLEAR(state->response_started);
    Py_CLEAR(state->from_attributes_kwnames);
    Py_CLEAR(state->http_template);
    Py_CLEAR(state->websocket_template);
    Py_CLEAR(state->http_asgi);
    Py_CLEAR(state->websocket_asgi);
    hfa_header_names_clear(&state->header_names);
    hfa_switch_interval_clear(&state->switch_interval);
#define HFA_CLEAR(name, text) Py_CLEAR(state->str_##name);
    HFA_NAMES(HFA_CLEAR)
#undef HFA_CLEAR
    return 0;
}

static void module_free(void *module)
{
    module_clear(module);
}

static PyMethodDef module_methods[] = {
    {"bind_tcp", (PyCFunction)(void (*)(void))bind_tcp, METH_VARARGS | METH_KEYWORDS,
     "bind_tcp(host, port, *, backlog, reuse_port): listening descriptors, one an address."},
    {"bind_unix", (PyCFunction)(void (*)(void))bind_unix, METH_VARARGS | METH_KEYWORDS,
     "bind_unix(path, *, mode, backlog): a listening descriptor."},
    {"adopt", adopt, METH_VARARGS, "adopt(fd, backlog): makes an inherited socket listen."},
    {"check_tls", check_tls, METH_O,
     "check_tls(settings): raises a ValueError that names what cannot be used."},
    {"json_encode_response", json_encode_response, METH_VARARGS,
     "json_encode_response(value, jsonable_encoder): JSONResponse(jsonable_encoder(value)).body."},
    {"json_dumps", json_dumps, METH_O, "json_dumps(value): JSONResponse(value).body."},
    {"json_spaced", json_spaced, METH_O,
     "json_spaced(value): json.dumps(value) with null for floats that are not finite; None: it is "
     "not made of plain builtins."},
    {"json_loads", json_loads, METH_O, "json_loads(data): json.loads(data), of bytes."},
    {"unquote", unquote, METH_O, "unquote(path): a path's bytes as text."},
    {"query_pairs", query_pairs, METH_O, "query_pairs(query): (name, value) of a query's bytes."},
    {"query_list", query_list, METH_VARARGS, "query_list(query, name): the name's values."},
    {"query_last", query_last, METH_VARARGS, "query_last(query, name): its last value, or None."},
    {"cookies", cookies, METH_VARARGS, "cookies(*values): the cookies of Cookie fields."},
    {"cookie_last", cookie_last, METH_VARARGS,
     "cookie_last(values, name): the value of a cookie in a tuple of Cookie fields, or None."},
    {"header_options", hfa_multipart_header_options, METH_O,
     "header_options(value): the type of a header, and its options by name."},
    {"weak_set_adder", hfa_weak_set_adder, METH_O,
     "weak_set_adder(weak_set): what its add() does, as a function; None for a set not known."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    /* The reason phrases are the process's, one table for all interpreters. */
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    /* A server belongs to its loop's thread and counts on the lock between its turns. */
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "hyperfastapi._core",
    .m_doc = "The C server of hyperfastapi and its bridge to asyncio and ASGI.",
    .m_size = sizeof(struct hfa_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_def);
}
