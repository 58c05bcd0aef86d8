#include "static_files.h"

#include <errno.h>
#include <unistd.h>

#include "asgi_call.h"
#include "cached_file.h"
#include "plan.h"
#include "scope.h"
#include "server_object.h"

/* --- What a path may be -------------------------------------------------------------------------
 */

/* The path of the file that is asked for: new bytes; NULL without an exception: none is. */
static PyObject *file_path(const struct hfa_static_files *site, struct hfa_bytes path)
{
    size_t prefix = (size_t)PyBytes_GET_SIZE(site->prefix);

    if (path.length < prefix || memcmp(path.data, PyBytes_AS_STRING(site->prefix), prefix) != 0)
        return NULL;
    path.data += prefix;
    path.length -= prefix;
    if (path.length > HFA_STATIC_FILES_PATH_MAX || !hfa_cached_file_is_plain_name(path))
        return NULL;
    size_t directory = (size_t)PyBytes_GET_SIZE(site->directory);
    PyObject *whole = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(directory + path.length));
    if (whole == NULL)
        return NULL;
    memcpy(PyBytes_AS_STRING(whole), PyBytes_AS_STRING(site->directory), directory);
    memcpy(PyBytes_AS_STRING(whole) + directory, path.data, path.length);
    return whole;
}

/* --- What is known of a file --------------------------------------------------------------------
 */

/* What descriptions depend on is what it was, or all is forgotten. -1 with an exception. */
static int check_watched(struct hfa_static_files *site, const struct hfa_state *state)
{
    if (hfa_dict_watch_holds(&site->watch))
        return 0;
    PyDict_Clear(site->known);
    hfa_dict_watch_clear(&site->watch);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(site->watched); i++) {
        if (hfa_dict_watch_add(&site->watch, state, PyTuple_GET_ITEM(site->watched, i)) < 0)
            return -1;
    }
    hfa_dict_watch_mark(&site->watch, state);
    return 0;
}

static bool is_number(PyObject *object, int64_t number)
{
    int64_t value;

    return hfa_int_as_int64(object, &value) && value == number;
}

/* (time, size, FileResponse, its fields) of an open file: borrowed from `known`; NULL with an
 * exception. */
static PyObject *describe(struct hfa_static_files *site, PyObject *path, int fd, uint64_t size,
                          int64_t time_ns)
{
    PyObject *entry = PyDict_GetItemWithError(site->known, path); /* borrowed */

    if (entry != NULL && is_number(PyTuple_GET_ITEM(entry, 0), time_ns) &&
        is_number(PyTuple_GET_ITEM(entry, 1), (int64_t)size))
        return entry;
    if (entry == NULL && PyErr_Occurred())
        return NULL;
    PyObject *number = PyLong_FromLong(fd);
    PyObject *response =
        number == NULL ? NULL : PyObject_CallFunctionObjArgs(site->describe, path, number, NULL);
    PyObject *fields = response == NULL ? NULL : PyObject_GetAttrString(response, "raw_headers");
    entry = fields == NULL
                ? NULL
                : Py_BuildValue("(LLOO)", (long long)time_ns, (long long)size, response, fields);
    Py_XDECREF(number);
    Py_XDECREF(response);
    Py_XDECREF(fields);
    if (PyDict_Size(site->known) >= HFA_STATIC_FILES_KNOWN_MAX)
        PyDict_Clear(site->known);
    int stored = entry == NULL ? -1 : PyDict_SetItem(site->known, path, entry);
    Py_XDECREF(entry);
    return stored < 0 ? NULL : entry; /* the dict's reference */
}

/* --- The answer ---------------------------------------------------------------------------------
 */

/* Fields of a request that a file's answer depends on. */
enum {
    ASKS_FOR_RANGE = 1 << 0,
    ASKS_FOR_CHANGE = 1 << 1,
};

static unsigned conditions_of(const struct hfa_request *request)
{
    unsigned conditions = 0;

    for (size_t i = 0; i < request->field_count; i++) {
        const struct hfa_field *field = &request->fields[i];
        if (hfa_bytes_equal(field->name, HFA_BYTES("range")))
            conditions |= ASKS_FOR_RANGE;
        else if (hfa_bytes_equal(field->name, HFA_BYTES("if-none-match")) ||
                 hfa_bytes_equal(field->name, HFA_BYTES("if-modified-since")))
            conditions |= ASKS_FOR_CHANGE;
    }
    return conditions;
}

/* The fields of a 304, a new reference; None: the file has to be sent; NULL with an exception. */
static PyObject *not_modified(const struct hfa_static_files *site, const struct hfa_state *state,
                              PyObject *file, const struct hfa_request *request)
{
    PyObject *pairs = hfa_scope_headers(state, request);
    PyObject *fields =
        pairs == NULL ? NULL : PyObject_CallFunctionObjArgs(site->not_modified, file, pairs, NULL);

    Py_XDECREF(pairs);
    return fields;
}

/* The head, as native middleware leaves it. -1 with an exception. */
static int start(struct hfa_exchange *exchange, int status, PyObject *headers,
                 const struct hfa_response_stages *stages)
{
    struct hfa_asgi_fields fields;

    if (hfa_asgi_fields_read(&fields, headers) < 0)
        return -1;
    int result = hfa_response_stages_start(stages, exchange, status, &fields);
    hfa_asgi_fields_free(&fields);
    return result;
}

struct content {
    int fd; /* owned: of a file that is sent by the kernel; -1: `bytes` */
    uint64_t size;
    struct hfa_bytes bytes;
};

/* Takes content's descriptor and the exchange's reference. Errors end in a response that is cut,
 * and in the loop's exception handler. */
static void answer(struct hfa_server_object *server, struct hfa_exchange *exchange, int status,
                   PyObject *headers, const struct hfa_response_stages *stages,
                   const struct content *content)
{
    enum hfa_status outcome = HFA_OK;
    int fd = content->fd;
    /* A client that has gone is not told. */
    bool is_started = exchange->stream != NULL &&
                      hfa_scope_log_access(server, exchange, NULL, status) == 0 &&
                      start(exchange, status, headers, stages) == 0;

    if (is_started && fd >= 0) {
        outcome = hfa_exchange_write_file(exchange, fd, 0, content->size, true); /* takes it */
        fd = -1;
    } else if (is_started) {
        outcome = hfa_exchange_write(exchange, content->bytes, NULL, true);
    }
    if (fd >= 0)
        close(fd);
    if (PyErr_Occurred() || hfa_asgi_check(outcome) < 0)
        hfa_server_object_report(server, "a file could not be sent");
    hfa_server_object_output(server, HFA_OUTPUT_SOON);
    hfa_exchange_release(exchange);
    hfa_server_object_output(server, HFA_OUTPUT_LATER);
}

/* Answers with an open file; takes its descriptor. */
static enum hfa_static_answer serve_file(struct hfa_static_files *site,
                                         struct hfa_server_object *server,
                                         struct hfa_exchange *exchange, PyObject *entry, int fd,
                                         uint64_t size, const struct hfa_response_stages *stages,
                                         PyObject **response)
{
    const struct hfa_request *request = &exchange->request;
    unsigned conditions = conditions_of(request);
    PyObject *file = PyTuple_GET_ITEM(entry, 2); /* borrowed from the entry */
    struct content content = {.fd = -1, .size = size};
    char bytes[HFA_STATIC_FILES_READ_MAX];

    if (conditions & ASKS_FOR_CHANGE) {
        PyObject *fields = not_modified(site, server->state, file, request);
        if (fields == NULL || fields != Py_None) {
            close(fd);
            if (fields != NULL)
                answer(server, exchange, 304, fields, stages, &content);
            Py_XDECREF(fields);
            return fields == NULL ? HFA_STATIC_LEFT : HFA_STATIC_SENT;
        }
        Py_DECREF(fields);
    }
    if (conditions & ASKS_FOR_RANGE) {
        close(fd);
        *response = Py_NewRef(file);
        return HFA_STATIC_RESPONSE;
    }
    if (request->method.data[0] == 'H') {
        close(fd);
    } else if (content.size > sizeof(bytes)) {
        content.fd = fd;
    } else {
        bool is_read = hfa_cached_file_read(fd, bytes, content.size);
        close(fd);
        if (!is_read)
            return HFA_STATIC_LEFT;
        content.bytes = (struct hfa_bytes){bytes, content.size};
    }
    answer(server, exchange, 200, PyTuple_GET_ITEM(entry, 3), stages, &content);
    return HFA_STATIC_SENT;
}

static bool is_method(struct hfa_bytes method)
{
    return hfa_bytes_equal(method, HFA_BYTES("GET")) || hfa_bytes_equal(method, HFA_BYTES("HEAD"));
}

enum hfa_static_answer hfa_static_files_serve(struct hfa_static_files *site,
                                              struct hfa_server_object *server,
                                              struct hfa_exchange *exchange, struct hfa_bytes path,
                                              const struct hfa_response_stages *stages,
                                              PyObject **response)
{
    enum hfa_static_answer outcome = HFA_STATIC_LEFT;
    PyObject *name = NULL, *entry = NULL;
    uint64_t size;
    int64_t time_ns;
    int fd = -1;

    *response = NULL;
    if (!is_method(exchange->request.method) || PyUnicode_GetLength(server->root_path) > 0 ||
        check_watched(site, server->state) < 0)
        goto done;
    name = file_path(site, path);
    if (name == NULL)
        goto done;
    fd = hfa_cached_file_open(PyBytes_AS_STRING(name), site->follows_links);
    if (fd < 0 || !hfa_cached_file_look(fd, &size, &time_ns))
        goto done;
    entry = Py_XNewRef(describe(site, name, fd, size, time_ns));
    if (entry == NULL)
        goto done;
    outcome = serve_file(site, server, exchange, entry, fd, size, stages, response);
    fd = -1;
done:
    PyErr_Clear(); /* StaticFiles will meet it, too */
    if (fd >= 0)
        close(fd);
    Py_XDECREF(entry);
    Py_XDECREF(name);
    return outcome;
}

/* --- The object ---------------------------------------------------------------------------------
 */

static int static_files_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_static_files *site = (struct hfa_static_files *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(site->describe);
    Py_VISIT(site->not_modified);
    Py_VISIT(site->plan);
    Py_VISIT(site->known);
    Py_VISIT(site->watched);
    return hfa_dict_watch_traverse(&site->watch, visit, arg);
}

static int static_files_clear(PyObject *self)
{
    struct hfa_static_files *site = (struct hfa_static_files *)self;

    Py_CLEAR(site->describe);
    Py_CLEAR(site->not_modified);
    Py_CLEAR(site->plan);
    Py_CLEAR(site->known);
    Py_CLEAR(site->watched);
    hfa_dict_watch_clear(&site->watch);
    return 0;
}

static void static_files_dealloc(PyObject *self)
{
    struct hfa_static_files *site = (struct hfa_static_files *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    static_files_clear(self);
    Py_CLEAR(site->prefix);
    Py_CLEAR(site->directory);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *static_files_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"prefix",       "directory", "follows_links", "describe",
                               "not_modified", "plan",      "watched",       NULL};
    const struct hfa_state *state = PyType_GetModuleState(type);
    PyObject *prefix, *directory, *describe_file, *find_not_modified, *plan, *watched;
    int follows_links;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "SSpOOO!O!:StaticFiles", keywords, &prefix,
                                     &directory, &follows_links, &describe_file, &find_not_modified,
                                     state->plan_type, &plan, &PyTuple_Type, &watched))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(watched); i++) {
        if (!PyDict_Check(PyTuple_GET_ITEM(watched, i))) {
            PyErr_SetString(PyExc_TypeError, "watched has to be a tuple of dicts");
            return NULL;
        }
    }
    int fd = hfa_cached_file_open(".", follows_links);
    if (fd < 0 && errno != EAGAIN)
        return PyErr_SetFromErrno(PyExc_OSError);
    if (fd >= 0)
        close(fd);
    struct hfa_static_files *site = PyObject_GC_New(struct hfa_static_files, type);
    if (site == NULL)
        return NULL;
    memset((char *)site + sizeof(PyObject), 0, sizeof(*site) - sizeof(PyObject));
    site->prefix = Py_NewRef(prefix);
    site->directory = Py_NewRef(directory);
    site->describe = Py_NewRef(describe_file);
    site->not_modified = Py_NewRef(find_not_modified);
    site->plan = Py_NewRef(plan);
    site->watched = Py_NewRef(watched);
    site->known = PyDict_New();
    site->follows_links = follows_links;
    PyObject_GC_Track(site);
    if (site->known == NULL)
        Py_CLEAR(site);
    return (PyObject *)site;
}

static PyType_Slot static_files_slots[] = {
    {Py_tp_doc, "StaticFiles(prefix, directory, follows_links, describe, not_modified, plan, "
                "watched): the files of a mounted directory. OSError: this system cannot open them "
                "without a wait."},
    {Py_tp_new, static_files_new},
    {Py_tp_dealloc, static_files_dealloc},
    {Py_tp_traverse, static_files_traverse},
    {Py_tp_clear, static_files_clear},
    {0, NULL},
};

PyType_Spec hfa_static_files_spec = {
    .name = "hyperfastapi._core.StaticFiles",
    .basicsize = sizeof(struct hfa_static_files),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = static_files_slots,
};
