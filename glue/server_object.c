#include "server_object.h"

#include <math.h>

#include "forwarded.h"
#include "loop_bridge.h"
#include "plan_run.h"
#include "tls_settings.h"

/* At the end, for `def` steps that still run. */
#define POOL_TIMEOUT_NS UINT64_C(1000000000)

static struct hfa_server_object *from_app(struct hfa_app *app)
{
    return (struct hfa_server_object *)((char *)app -
                                        offsetof(struct hfa_server_object, app_table));
}

static void on_request(struct hfa_app *app, struct hfa_exchange *exchange)
{
    struct hfa_server_object *server = from_app(app);

    if (server->is_closing)
        hfa_exchange_release(exchange);
    else if (server->application == NULL ||
             !hfa_application_serve(server->application, server, exchange))
        hfa_asgi_call_start(server, exchange);
}

/* An exchange's data is a run of a compiled route, or the call of the application. */
static struct hfa_run *run_of(const struct hfa_app *app, struct hfa_exchange *exchange)
{
    const struct hfa_server_object *server =
        (const struct hfa_server_object *)((const char *)app -
                                           offsetof(struct hfa_server_object, app_table));

    return Py_IS_TYPE((PyObject *)exchange->app_data, server->state->run_type)
               ? (struct hfa_run *)exchange->app_data
               : NULL;
}

/* Body bytes, a message, or room to write: whoever waits looks again. */
static void on_news(struct hfa_app *app, struct hfa_exchange *exchange)
{
    struct hfa_run *run = run_of(app, exchange);

    if (run != NULL)
        hfa_run_on_body(run);
    else
        hfa_asgi_call_step(exchange->app_data);
}

static void on_disconnect(struct hfa_app *app, struct hfa_exchange *exchange)
{
    struct hfa_run *run = run_of(app, exchange);
    struct hfa_asgi_call *call = exchange->app_data;

    if (run != NULL) {
        hfa_run_on_disconnect(run);
        return;
    }
    call->is_disconnected = true;
    hfa_asgi_call_wake(call);
}

/* A stream is told that its client has gone, which is how streams are ended; a request that has no
 * response yet finishes as ever. WebSockets get their event from net/. */
static void on_shutdown(struct hfa_app *app, struct hfa_exchange *exchange)
{
    struct hfa_asgi_call *call = exchange->app_data;

    if (run_of(app, exchange) != NULL)
        return;
    call->is_shutting_down = true;
    if (call->is_websocket || !call->response_started)
        return;
    call->is_disconnected = true;
    hfa_asgi_call_wake(call);
}

static void on_release(struct hfa_app *app, void *owner)
{
    (void)app;
    Py_DECREF((PyObject *)owner);
}

static void on_peer_gone(struct hfa_app *app, void *client)
{
    (void)app;
    Py_DECREF((PyObject *)client);
}

static void on_selector_ready(struct hfa_watch *watch, unsigned readiness)
{
    struct hfa_server_object *server =
        (struct hfa_server_object *)((char *)watch -
                                     offsetof(struct hfa_server_object, selector_watch));

    (void)readiness;
    server->selector_ready = true;
}

void hfa_server_object_report(struct hfa_server_object *server, const char *message)
{
    struct hfa_state *state = server->state;
    PyObject *exception = hfa_take_exception();
    PyObject *context = PyDict_New();
    PyObject *text = PyUnicode_FromString(message);
    PyObject *done = NULL;

    if (context != NULL && text != NULL && PyDict_SetItem(context, state->str_message, text) == 0 &&
        (exception == NULL || PyDict_SetItem(context, state->str_exception, exception) == 0))
        done = PyObject_CallMethodOneArg(server->loop, state->str_call_exception_handler, context);
    if (done == NULL)
        PyErr_WriteUnraisable((PyObject *)server);
    Py_XDECREF(done);
    Py_XDECREF(text);
    Py_XDECREF(context);
    Py_XDECREF(exception);
}

void hfa_server_object_log_error(struct hfa_server_object *server, const char *message,
                                 PyObject *argument, PyObject *exception)
{
    PyObject *text = PyUnicode_FromString(message);
    PyObject *done = NULL;

    if (text != NULL)
        done = PyObject_CallFunctionObjArgs(server->on_error, text,
                                            argument == NULL ? Py_None : argument,
                                            exception == NULL ? Py_None : exception, NULL);
    if (done == NULL)
        PyErr_WriteUnraisable(server->on_error);
    Py_XDECREF(done);
    Py_XDECREF(text);
}

static int log_line(PyObject *callback, PyObject *scope, PyObject *outcome)
{
    if (callback == Py_None || scope == NULL)
        return 0;
    PyObject *args[] = {scope, outcome};
    PyObject *done = PyObject_Vectorcall(callback, args, 2, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int hfa_server_object_log_access(struct hfa_server_object *server, PyObject *scope,
                                 PyObject *status)
{
    return log_line(server->on_access, scope, status);
}

int hfa_server_object_log_websocket(struct hfa_server_object *server, PyObject *scope,
                                    const char *outcome)
{
    if (server->on_websocket == Py_None)
        return 0;
    PyObject *text = PyUnicode_FromString(outcome);
    int status = text == NULL ? -1 : log_line(server->on_websocket, scope, text);
    Py_XDECREF(text);
    return status;
}

static PyObject *method_flush(PyObject *self, PyObject *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    server->is_flush_scheduled = false;
    hfa_loop_bridge_flush(server);
    Py_RETURN_NONE;
}

static PyMethodDef flush_def = {"flush", method_flush, METH_NOARGS,
                                "Sends what is waiting to be sent."};

/* A loop that does not call us before it waits has to be asked to. */
static void schedule_flush(struct hfa_server_object *server)
{
    PyObject *flush = PyCFunction_New(&flush_def, (PyObject *)server);
    PyObject *handle =
        flush == NULL
            ? NULL
            : PyObject_CallMethodOneArg(server->loop, server->state->str_call_soon, flush);

    Py_XDECREF(flush);
    if (handle == NULL)
        PyErr_WriteUnraisable((PyObject *)server);
    else
        server->is_flush_scheduled = true;
    Py_XDECREF(handle);
}

void hfa_server_object_output(struct hfa_server_object *server, enum hfa_output_urgency urgency)
{
    bool is_outside = !server->is_in_turn || server->careful > 0;
    bool is_now = urgency == HFA_OUTPUT_NOW || (urgency != HFA_OUTPUT_LATER && is_outside) ||
                  (urgency == HFA_OUTPUT_SOON && server->is_in_callback);

    if (server->server == NULL || !hfa_server_has_output(server->server))
        return;
    if (is_now)
        hfa_loop_bridge_flush(server);
    else if (server->is_foreign && !server->is_in_turn && !server->is_flush_scheduled)
        schedule_flush(server);
}

bool hfa_server_object_is_loop_thread(const struct hfa_server_object *server)
{
    return PyThread_get_thread_ident() == server->thread;
}

/* A number of seconds as nanoseconds; None and 0 are 0, which net/ takes for "off". */
static int read_seconds(PyObject *settings, const char *name, uint64_t *ns)
{
    PyObject *value = PyMapping_GetItemString(settings, name);

    if (value == NULL)
        return -1;
    double seconds = value == Py_None ? 0.0 : PyFloat_AsDouble(value);
    Py_DECREF(value);
    if (PyErr_Occurred())
        return -1;
    if (!(seconds >= 0.0 && seconds <= 1e9)) {
        PyErr_Format(PyExc_ValueError, "%s has to be between 0 and 1e9 seconds", name);
        return -1;
    }
    *ns = (uint64_t)(seconds * 1e9);
    return 0;
}

/* A number of things; None leaves `none`. */
static int read_size(PyObject *settings, const char *name, size_t none, size_t *size)
{
    PyObject *value = PyMapping_GetItemString(settings, name);

    if (value == NULL)
        return -1;
    *size = value == Py_None ? none : PyLong_AsSize_t(value);
    Py_DECREF(value);
    return PyErr_Occurred() ? -1 : 0;
}

/* A count that fits net/'s unsigned. */
static int read_count(PyObject *settings, const char *name, unsigned *count)
{
    size_t value = 0;

    if (read_size(settings, name, UINT_MAX, &value) < 0)
        return -1;
    *count = value > UINT_MAX ? UINT_MAX : (unsigned)value;
    return 0;
}

static int read_http2_limits(PyObject *settings, struct hfa_limits *limits)
{
    unsigned http2 = 0;

    if (read_count(settings, "http2", &http2) < 0 ||
        read_count(settings, "limit_h2_streams", &limits->h2_streams) < 0 ||
        read_count(settings, "limit_h2_resets", &limits->h2_resets) < 0 ||
        read_count(settings, "limit_h2_errors", &limits->h2_errors) < 0 ||
        read_count(settings, "limit_h2_settings", &limits->h2_settings) < 0 ||
        read_count(settings, "limit_h2_pings", &limits->h2_pings) < 0 ||
        read_count(settings, "limit_h2_priorities", &limits->h2_priorities) < 0 ||
        read_count(settings, "limit_h2_windows", &limits->h2_windows) < 0 ||
        read_count(settings, "limit_h2_empty", &limits->h2_empty) < 0 ||
        read_count(settings, "limit_h2_continuations", &limits->h2_continuations) < 0)
        return -1;
    limits->http2 = http2 != 0;
    return 0;
}

/* Without compression its windows have no size. */
static int read_deflate(PyObject *settings, struct hfa_limits *limits)
{
    unsigned is_on = 0;

    if (read_count(settings, "ws_per_message_deflate", &is_on) < 0 ||
        read_count(settings, "ws_deflate_window_bits", &limits->deflate_window_bits) < 0)
        return -1;
    if (!is_on)
        limits->deflate_window_bits = 0;
    return 0;
}

static int read_limits(PyObject *settings, struct hfa_limits *limits)
{
    size_t body_rate = 0;
    static const struct hfa_limits defaults = HFA_LIMITS_DEFAULT;

    *limits = defaults;
    if (read_size(settings, "limit_connections", SIZE_MAX, &limits->connections) < 0 ||
        read_size(settings, "limit_concurrency", 0, &limits->concurrency) < 0 ||
        read_size(settings, "limit_head_size", 0, &limits->head_size) < 0 ||
        read_size(settings, "limit_head_fields", 0, &limits->head_fields) < 0 ||
        read_size(settings, "limit_target_size", 0, &limits->target_size) < 0 ||
        read_size(settings, "limit_trailer_size", 0, &limits->trailer_size) < 0 ||
        read_size(settings, "limit_request_buffer", 0, &limits->request_buffer) < 0 ||
        read_size(settings, "limit_response_buffer", 0, &limits->response_buffer) < 0 ||
        read_size(settings, "limit_body_rate", 0, &body_rate) < 0 ||
        read_size(settings, "ws_max_size", 0, &limits->message_size) < 0 ||
        read_seconds(settings, "timeout_keep_alive", &limits->idle_timeout_ns) < 0 ||
        read_seconds(settings, "timeout_head", &limits->head_timeout_ns) < 0 ||
        read_seconds(settings, "timeout_body", &limits->body_timeout_ns) < 0 ||
        read_seconds(settings, "timeout_write", &limits->write_timeout_ns) < 0 ||
        read_seconds(settings, "timeout_handshake", &limits->handshake_timeout_ns) < 0 ||
        read_http2_limits(settings, limits) < 0 || read_deflate(settings, limits) < 0 ||
        read_seconds(settings, "ws_ping_interval", &limits->ping_interval_ns) < 0 ||
        read_seconds(settings, "ws_ping_timeout", &limits->ping_timeout_ns) < 0)
        return -1;
    limits->body_rate = body_rate;
    if (limits->head_fields == 0 || limits->head_size == 0) {
        PyErr_SetString(PyExc_ValueError, "limit_head_fields and limit_head_size have to be at "
                                          "least 1");
        return -1;
    }
    return 0;
}

/* None: no proxy is believed. */
static int read_trust(PyObject *text, struct hfa_trust **trust)
{
    struct hfa_bytes bad_item;

    if (text == Py_None)
        return 0;
    PyObject *encoded = PyUnicode_AsLatin1String(text);
    if (encoded == NULL)
        return -1;
    struct hfa_bytes bytes = {PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded)};
    enum hfa_status status = hfa_trust_create(bytes, trust, &bad_item);
    if (status == HFA_ERR_INVALID) {
        PyObject *item = PyBytes_FromStringAndSize(bad_item.data, (Py_ssize_t)bad_item.length);
        PyErr_Format(PyExc_ValueError,
                     "trust: %R is neither an address nor a network, and '*' has to stand alone",
                     item == NULL ? Py_None : item);
        Py_XDECREF(item);
    } else if (status != HFA_OK) {
        PyErr_NoMemory();
    }
    Py_DECREF(encoded);
    return status == HFA_OK ? 0 : -1;
}

/* Which of a proxy's words are believed, and in which fields they stand. */
static int read_forwarded(PyObject *settings, struct hfa_server_object *server)
{
    static const struct {
        const char *name;
        enum hfa_forwarded_part part;
    } parts[] = {
        {"for", HFA_FORWARDED_FOR},       {"proto", HFA_FORWARDED_PROTO},
        {"host", HFA_FORWARDED_HOST},     {"port", HFA_FORWARDED_PORT},
        {"prefix", HFA_FORWARDED_PREFIX},
    };
    PyObject *chosen = PyMapping_GetItemString(settings, "forwarded_parts");
    PyObject *field = PyMapping_GetItemString(settings, "forwarded_field");
    int status = -1;

    if (chosen == NULL || field == NULL)
        goto done;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        PyObject *name = PyUnicode_FromString(parts[i].name);
        int is_chosen = name == NULL ? -1 : PySequence_Contains(chosen, name);
        Py_XDECREF(name);
        if (is_chosen < 0)
            goto done;
        if (is_chosen > 0)
            server->forwarded_parts |= (unsigned)parts[i].part;
    }
    server->reads_forwarded_field =
        PyUnicode_Check(field) && PyUnicode_CompareWithASCIIString(field, "forwarded") == 0;
    status = 0;
done:
    Py_XDECREF(chosen);
    Py_XDECREF(field);
    return status;
}

static int read_slow_client(PyObject *settings, enum hfa_slow_client *policy)
{
    static const char *const names[] = {
        [HFA_SLOW_CLIENT_WAIT] = "wait",
        [HFA_SLOW_CLIENT_DROP] = "drop",
        [HFA_SLOW_CLIENT_CLOSE] = "close",
    };
    PyObject *name = PyMapping_GetItemString(settings, "ws_slow_client");

    if (name == NULL)
        return -1;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            *policy = (enum hfa_slow_client)i;
            Py_DECREF(name);
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "ws_slow_client: %R is neither wait, drop nor close", name);
    Py_DECREF(name);
    return -1;
}

static PyObject *server_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {
        "app",          "settings", "root_path", "uds",         "fields",   "date", "on_access",
        "on_websocket", "on_error", "trust",     "proxy_trust", "pathsend", NULL};
    PyObject *app, *settings, *root_path, *uds, *on_access, *on_websocket, *on_error, *trust;
    PyObject *proxy_trust = Py_None;
    const char *fields;
    Py_ssize_t fields_length;
    int date, pathsend = 1;
    struct hfa_limits limits;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOUOy#pOOOO|Op:Server", keywords, &app,
                                     &settings, &root_path, &uds, &fields, &fields_length, &date,
                                     &on_access, &on_websocket, &on_error, &trust, &proxy_trust,
                                     &pathsend))
        return NULL;
    if (read_limits(settings, &limits) < 0)
        return NULL;
    struct hfa_server_object *self = PyObject_GC_New(struct hfa_server_object, type);
    if (self == NULL)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    self->state = PyType_GetModuleState(type);
    self->app_table = (struct hfa_app){
        .on_request = on_request,
        .on_body = on_news,
        .on_writable = on_news,
        .on_message = on_news,
        .on_disconnect = on_disconnect,
        .on_shutdown = on_shutdown,
        .on_release = on_release,
        .on_peer_gone = on_peer_gone,
    };
    self->app = Py_NewRef(app);
    self->offers_pathsend = pathsend != 0;
    self->root_path = Py_NewRef(root_path);
    self->raw_root_path = PyUnicode_AsUTF8String(root_path);
    self->uds = Py_NewRef(uds);
    self->on_access = Py_NewRef(on_access);
    self->on_websocket = Py_NewRef(on_websocket);
    self->on_error = Py_NewRef(on_error);
    self->lifespan_state = PyDict_New();
    self->selector_watch.fd = -1;
    PyObject_GC_Track(self);
    if (self->raw_root_path == NULL || self->lifespan_state == NULL ||
        read_forwarded(settings, self) < 0 || read_slow_client(settings, &self->slow_client) < 0 ||
        read_trust(trust, &self->trust) < 0 || read_trust(proxy_trust, &self->proxy_trust) < 0)
        goto fail;
    if (hfa_reactor_new(&self->reactor) != HFA_OK ||
        hfa_server_new(self->reactor, &self->app_table, &limits, &self->server) != HFA_OK) {
        PyErr_SetFromErrno(PyExc_OSError);
        goto fail;
    }
    hfa_server_set_proxy_trust(self->server, self->proxy_trust);
    if (hfa_server_set_default_fields(
            self->server, date, (struct hfa_bytes){fields, (size_t)fields_length}) != HFA_OK) {
        PyErr_Format(PyExc_ValueError, "the server's own headers take %zd bytes; at most %d fit",
                     fields_length, HFA_SERVER_FIELDS_MAX);
        goto fail;
    }
    return (PyObject *)self;

fail:
    Py_DECREF(self);
    return NULL;
}

static int check_open(const struct hfa_server_object *server)
{
    if (server->server != NULL)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "the server is closed");
    return -1;
}

static PyObject *method_load_tls(PyObject *self, PyObject *args)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    PyObject *settings, *ticket_secret;

    if (check_open(server) < 0 || !PyArg_ParseTuple(args, "OO:load_tls", &settings, &ticket_secret))
        return NULL;
    struct hfa_tls_context *context = hfa_tls_settings_read(settings, ticket_secret);
    if (context == NULL)
        return NULL;
    hfa_server_set_tls(server->server, context);
    Py_RETURN_NONE;
}

static PyObject *method_listen(PyObject *self, PyObject *args)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    int fd, shared;

    if (check_open(server) < 0 || !PyArg_ParseTuple(args, "ip:listen", &fd, &shared))
        return NULL;
    if (hfa_server_listen(server->server, fd, shared) != HFA_OK)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static void wake_reactor(void *reactor)
{
    hfa_reactor_wake(reactor);
}

/* asyncio's own loops have queues that can be looked at; others have none, or something else of
 * that name. */
static int find_queues(struct hfa_server_object *server, PyObject *on_callback_error)
{
    PyObject *factory = PyObject_GetAttr(server->loop, server->state->str__task_factory);

    PyErr_Clear();
    Py_XDECREF(factory);
    if (hfa_ready_queue_open(&server->ready, server->loop, on_callback_error) < 0)
        return -1;
    server->has_factory_attribute = factory != NULL && server->ready.attributes != NULL;
    return 0;
}

static PyObject *method_serve(PyObject *self, PyObject *application)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    if (application != Py_None && !Py_IS_TYPE(application, server->state->application_type)) {
        PyErr_SetString(PyExc_TypeError, "serve(application): an Application or None");
        return NULL;
    }
    Py_XSETREF(server->application,
               application == Py_None ? NULL : (struct hfa_application *)Py_NewRef(application));
    Py_RETURN_NONE;
}

static PyObject *method_attach(PyObject *self, PyObject *args)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    PyObject *loop, *state, *on_callback_error;
    int selector_fd;

    if (check_open(server) < 0 || !PyArg_ParseTuple(args, "OO!iO:attach", &loop, &PyDict_Type,
                                                    &state, &selector_fd, &on_callback_error))
        return NULL;
    if (server->loop != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the server is attached to a loop already");
        return NULL;
    }
    server->thread = PyThread_get_thread_ident();
    server->context = PyContext_CopyCurrent();
    Py_XSETREF(server->task_keywords, Py_BuildValue("{O:O,O:O}", server->state->str_loop, loop,
                                                    server->state->str_eager_start, Py_True));
    if (server->context == NULL || server->task_keywords == NULL)
        return NULL;
    server->loop = Py_NewRef(loop);
    if (hfa_pool_new(server->state, wake_reactor, server->reactor, &server->pool) < 0)
        return NULL;
    Py_SETREF(server->lifespan_state, Py_NewRef(state));
    server->is_foreign = selector_fd < 0;
    if (server->is_foreign) {
        if (hfa_reactor_fd(server->reactor) < 0) {
            PyErr_Format(PyExc_RuntimeError,
                         "this build's %s reactor cannot run inside %R: use loop=\"asyncio\"",
                         hfa_reactor_name(), loop);
            return NULL;
        }
        if (hfa_reactor_arm(server->reactor) != HFA_OK)
            return PyErr_SetFromErrno(PyExc_OSError);
        return PyLong_FromLong(hfa_reactor_fd(server->reactor));
    }
    if (find_queues(server, on_callback_error) < 0)
        return NULL;
    server->selector_watch = (struct hfa_watch){
        .fd = selector_fd, .interest = HFA_READABLE, .on_ready = on_selector_ready};
    if (hfa_reactor_add(server->reactor, &server->selector_watch) != HFA_OK) {
        server->selector_watch.fd = -1;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(-1);
}

static PyObject *method_turn(PyObject *self, PyObject *timeout)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    uint64_t timeout_ns = HFA_NEVER;

    if (check_open(server) < 0)
        return NULL;
    if (timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);
        if (PyErr_Occurred())
            return NULL;
        timeout_ns = seconds <= 0.0 ? 0 : seconds > 1e9 ? HFA_NEVER : (uint64_t)ceil(seconds * 1e9);
    }
    if (hfa_loop_bridge_turn(server, timeout_ns) < 0)
        return NULL;
    return PyBool_FromLong(server->selector_ready);
}

static PyObject *method_dispatch(PyObject *self, PyObject *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    server->is_dispatch_scheduled = false;
    if (server->server != NULL)
        hfa_loop_bridge_dispatch(server);
    Py_RETURN_NONE;
}

/* From any thread. asyncio has put something into its queue: the wait ends, to look there. */
static PyObject *method_wake(PyObject *self, PyObject *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    if (server->reactor != NULL)
        hfa_reactor_wake(server->reactor);
    Py_RETURN_NONE;
}

/* The loop's own methods, without Python code. They are put in the place of the class's as long as
 * the server is attached. */

static PyObject *method_call_soon(PyObject *self, PyObject *const *args, Py_ssize_t count,
                                  PyObject *kwnames)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    return hfa_ready_queue_call_soon(&server->ready, server->state, args, count, kwnames);
}

static PyObject *method_get_debug(PyObject *self, PyObject *unused)
{
    const struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    return hfa_ready_queue_attribute(&server->ready, server->state->str__debug);
}

static PyObject *method_is_running(PyObject *self, PyObject *unused)
{
    const struct hfa_server_object *server = (struct hfa_server_object *)self;
    PyObject *thread = hfa_ready_queue_attribute(&server->ready, server->state->str__thread_id);

    (void)unused;
    Py_XDECREF(thread); /* only compared */
    return thread == NULL ? NULL : PyBool_FromLong(thread != Py_None);
}

static PyObject *get_runs_callbacks(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(hfa_ready_queue_is_ours(&((struct hfa_server_object *)self)->ready));
}

static PyObject *method_drain(PyObject *self, PyObject *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    if (check_open(server) < 0)
        return NULL;
    server->is_draining = true;
    hfa_server_drain(server->server);
    hfa_loop_bridge_flush(server);
    hfa_reactor_wake(server->reactor); /* there may be news for the application */
    Py_RETURN_NONE;
}

static PyObject *method_tasks(PyObject *self, PyObject *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    PyObject *tasks = PyList_New(0);

    (void)unused;
    for (struct hfa_asgi_call *each = server->calls; each != NULL && tasks != NULL;
         each = each->next) {
        if (each->task != NULL && PyList_Append(tasks, each->task) < 0)
            Py_CLEAR(tasks);
    }
    for (struct hfa_run *each = server->runs; each != NULL && tasks != NULL; each = each->next) {
        if (each->task != NULL && PyList_Append(tasks, each->task) < 0)
            Py_CLEAR(tasks);
    }
    return tasks;
}

/* Closes every connection. Calls in progress go on without their clients. */
static void close_server(struct hfa_server_object *server)
{
    if (server->server == NULL)
        return;
    server->is_closing = true;
    hfa_thread_schedule_set_hurried(&server->schedule, false);
    hfa_server_close(server->server);
    while (server->calls != NULL)
        hfa_asgi_call_abandon(server->calls);
    while (server->runs != NULL)
        hfa_run_abandon(server->runs);
    hfa_pool_free(server->pool, POOL_TIMEOUT_NS);
    server->pool = NULL;
    hfa_server_free(server->server);
    server->server = NULL;
    if (server->selector_watch.fd >= 0)
        hfa_reactor_remove(server->reactor, &server->selector_watch);
    server->selector_watch.fd = -1;
    hfa_reactor_free(server->reactor);
    server->reactor = NULL;
}

static PyObject *method_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (((struct hfa_server_object *)self)->is_dispatching) {
        PyErr_SetString(PyExc_RuntimeError, "a request's handler cannot close its server");
        return NULL;
    }
    close_server((struct hfa_server_object *)self);
    Py_RETURN_NONE;
}

static PyObject *get_connections(PyObject *self, void *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    return PyLong_FromSize_t(server->server == NULL ? 0 : hfa_server_connections(server->server));
}

static PyObject *get_pending(PyObject *self, void *unused)
{
    const struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    return PyLong_FromSize_t(server->call_count + server->run_count);
}

static PyObject *get_requests(PyObject *self, void *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    (void)unused;
    return PyLong_FromUnsignedLongLong(
        server->server == NULL ? 0 : hfa_server_requests(server->server));
}

static PyObject *get_counters(PyObject *self, void *unused)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    static const struct hfa_counters none;
    const struct hfa_counters *counters =
        server->server == NULL ? &none : hfa_server_counters(server->server);
    const struct {
        const char *name;
        uint64_t value;
    } entries[] = {
        {"tls_handshakes", counters->tls_handshakes},
        {"tls_failures", counters->tls_failures},
        {"h2_connections", counters->h2_connections},
        {"h2_streams", counters->h2_streams},
        {"h2_yields", counters->h2_yields},
        {"h2_reset_floods", counters->h2_reset_floods},
        {"h2_error_floods", counters->h2_error_floods},
        {"h2_continuation_floods", counters->h2_continuation_floods},
        {"h2_settings_floods", counters->h2_settings_floods},
        {"h2_ping_floods", counters->h2_ping_floods},
        {"h2_priority_floods", counters->h2_priority_floods},
        {"h2_window_floods", counters->h2_window_floods},
        {"h2_empty_floods", counters->h2_empty_floods},
        {"h2_head_floods", counters->h2_head_floods},
        {"h2_stalled_streams", counters->h2_stalled_streams},
    };
    PyObject *dict = PyDict_New();

    (void)unused;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]) && dict != NULL; i++) {
        PyObject *value = PyLong_FromUnsignedLongLong(entries[i].value);
        if (value == NULL || PyDict_SetItemString(dict, entries[i].name, value) < 0)
            Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    return dict;
}

static int server_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(server->app);
    Py_VISIT(server->application);
    Py_VISIT(server->lifespan_state);
    Py_VISIT(server->on_access);
    Py_VISIT(server->on_websocket);
    Py_VISIT(server->on_error);
    Py_VISIT(server->loop);
    Py_VISIT(server->context);
    Py_VISIT(server->task_keywords);
    return hfa_ready_queue_traverse(&server->ready, visit, arg);
}

static int server_clear(PyObject *self)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;

    Py_CLEAR(server->app);
    Py_CLEAR(server->application);
    Py_CLEAR(server->lifespan_state);
    Py_CLEAR(server->on_access);
    Py_CLEAR(server->on_websocket);
    Py_CLEAR(server->on_error);
    Py_CLEAR(server->loop);
    Py_CLEAR(server->context);
    Py_CLEAR(server->task_keywords);
    hfa_ready_queue_clear(&server->ready);
    return 0;
}

static void server_dealloc(PyObject *self)
{
    struct hfa_server_object *server = (struct hfa_server_object *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    if (server->server != NULL)
        close_server(server);
    if (server->reactor != NULL && server->server == NULL)
        hfa_reactor_free(server->reactor);
    server_clear(self);
    if (server->trust != NULL)
        hfa_trust_destroy(server->trust);
    if (server->proxy_trust != NULL)
        hfa_trust_destroy(server->proxy_trust);
    Py_CLEAR(server->root_path);
    Py_CLEAR(server->raw_root_path);
    Py_CLEAR(server->uds);
    Py_CLEAR(server->last_host);
    Py_CLEAR(server->last_local);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef server_methods[] = {
    {"listen", method_listen, METH_VARARGS, "listen(fd, shared): accepts from a listening socket."},
    {"load_tls", method_load_tls, METH_VARARGS,
     "load_tls(settings, ticket_secret): TLS, with the files as they are, for new connections."},
    {"serve", method_serve, METH_O,
     "serve(application): answers the requests that its compiled routes can answer."},
    {"attach", method_attach, METH_VARARGS,
     "attach(loop, state, selector_fd, on_callback_error): joins a loop; returns the descriptor to "
     "watch, or -1."},
    {"turn", method_turn, METH_O,
     "turn(timeout): serves until asyncio has work; True if its selector has events."},
    {"dispatch", method_dispatch, METH_NOARGS, "Serves what has been received."},
    {"flush", method_flush, METH_NOARGS, "Sends what is waiting to be sent."},
    {"wake", method_wake, METH_NOARGS, "Ends the wait of turn(); for any thread."},
    {"call_soon", (PyCFunction)(void (*)(void))method_call_soon, METH_FASTCALL | METH_KEYWORDS,
     "call_soon(callback, *args, context=None): asyncio's, where runs_callbacks."},
    {"get_debug", method_get_debug, METH_NOARGS, "asyncio's, where runs_callbacks."},
    {"is_running", method_is_running, METH_NOARGS, "asyncio's, where runs_callbacks."},
    {"drain", method_drain, METH_NOARGS, "Stops accepting and lets requests finish."},
    {"tasks", method_tasks, METH_NOARGS, "Tasks of requests and WebSockets in progress."},
    {"close", method_close, METH_NOARGS, "Closes every connection at once."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef server_getset[] = {
    {"connections", get_connections, NULL, "Open connections.", NULL},
    {"pending", get_pending, NULL, "Calls of the application in progress.", NULL},
    {"counters", get_counters, NULL, "What was counted beside requests, by name.", NULL},
    {"runs_callbacks", get_runs_callbacks, NULL, "Whether asyncio's callbacks are run in turn().",
     NULL},
    {"requests", get_requests, NULL, "Requests handed to the application so far.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot server_slots[] = {
    {Py_tp_doc, "One worker's server: listeners, connections and the ASGI bridge."},
    {Py_tp_new, server_new},
    {Py_tp_dealloc, server_dealloc},
    {Py_tp_traverse, server_traverse},
    {Py_tp_clear, server_clear},
    {Py_tp_methods, server_methods},
    {Py_tp_getset, server_getset},
    {0, NULL},
};

PyType_Spec hfa_server_object_spec = {
    .name = "hyperfastapi._core.Server",
    .basicsize = sizeof(struct hfa_server_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = server_slots,
};
