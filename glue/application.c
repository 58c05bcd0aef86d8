#include "application.h"

#include "plan_run.h"
#include "router_object.h"
#include "run_trace.h"
#include "scope.h"
#include "server_object.h"
#include "static_files.h"

/* --- Guards -------------------------------------------------------------------------------------
 */

/* FastAPI's own counter of changes does not see everything that changes a list of routes. */
static bool lists_hold(PyObject *lists)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(lists); i++) {
        PyObject *pair = PyTuple_GET_ITEM(lists, i); /* borrowed */
        if (!hfa_list_equals_tuple(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1)))
            return false;
    }
    return true;
}

static int recompile(struct hfa_application *application, PyObject *index)
{
    PyObject *done = PyObject_CallOneArg(application->recompile, index);

    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static bool is_unchanged(struct hfa_application *application)
{
    return application->router != NULL &&
           hfa_guards_hold(&application->guards, application->state) &&
           lists_hold(application->lists);
}

/* Everything is as when it was compiled, or has been compiled anew. */
static bool is_current(struct hfa_application *application)
{
    if (is_unchanged(application))
        return true;
    if (recompile(application, Py_None) < 0) {
        PyErr_WriteUnraisable((PyObject *)application);
        return false;
    }
    return is_unchanged(application);
}

/* The plan of a route, made anew if need be: borrowed. NULL: FastAPI's, for what *left counts. */
static struct hfa_plan *current_plan(struct hfa_application *application, uint32_t index,
                                     uint64_t **left)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        PyObject *plan = PyTuple_GET_ITEM(application->plans, (Py_ssize_t)index); /* borrowed */
        if (plan == Py_None) {
            *left = &application->bridged[index];
            return NULL;
        }
        int holds = hfa_plan_holds((struct hfa_plan *)plan, application->state);
        if (holds > 0)
            return (struct hfa_plan *)plan;
        if (holds < 0) {
            PyErr_Clear(); /* FastAPI will meet it, too */
            break;
        }
        if (attempt == 0) {
            PyObject *number = PyLong_FromUnsignedLong(index);
            int status = number == NULL ? -1 : recompile(application, number);
            Py_XDECREF(number);
            if (status < 0) {
                PyErr_WriteUnraisable((PyObject *)application);
                break;
            }
            if ((Py_ssize_t)index >= PyTuple_GET_SIZE(application->plans))
                break;
        }
    }
    *left = &application->unguarded;
    return NULL;
}

/* The plan for a request: borrowed. NULL: FastAPI has to answer, for what *left counts. */
static struct hfa_plan *select_plan(struct hfa_application *application, struct hfa_bytes method,
                                    struct hfa_bytes path, struct hfa_route_match *match,
                                    uint64_t **left)
{
    *left = &application->unguarded;
    if (!is_current(application))
        return NULL;
    hfa_router_match(application->router, method, path, match);
    if (match->kind == HFA_MATCH_FULL)
        return current_plan(application, match->index, left);
    *left = match->kind == HFA_MATCH_OPAQUE ? &application->bridged[match->index]
                                            : &application->unmatched;
    return NULL;
}

/* What answers a request that no route takes: a new reference. NULL: FastAPI has to. */
static PyObject *unrouted_answer(struct hfa_application *application,
                                 const struct hfa_unrouted_request *request)
{
    if (application->unrouted.answers == NULL || request->match->kind == HFA_MATCH_FULL ||
        request->match->kind == HFA_MATCH_OPAQUE)
        return NULL;
    PyObject *response = hfa_unrouted_answer(&application->unrouted, application->router, request);
    if (response == NULL)
        PyErr_Clear(); /* FastAPI will meet it, too */
    return response;
}

/* --- From our own server -------------------------------------------------------------------------
 */

static bool is_plain_path(struct hfa_bytes path)
{
    for (size_t i = 0; i < path.length; i++) {
        if (path.data[i] == '%' || (unsigned char)path.data[i] >= 0x80)
            return false;
    }
    return true;
}

static bool view_of_text(PyObject *text, struct hfa_bytes *view)
{
    Py_ssize_t length = 0;

    view->data = PyUnicode_AsUTF8AndSize(text, &length);
    view->length = (size_t)length;
    return view->data != NULL;
}

/* Whether a body may be, or become, longer than allowed: FastAPI's own middleware counts it. */
static bool may_exceed(const struct hfa_exchange *exchange, int64_t limit)
{
    const struct hfa_request *request = &exchange->request;

    if (limit < 0 || !request->has_body)
        return false;
    if (request->content_length != HFA_LENGTH_UNKNOWN)
        return request->content_length > (uint64_t)limit;
    return !exchange->body_complete || hfa_buffer_bytes(&exchange->body).length > 0;
}

/* What the route compiler puts in the place of a method; see _fastapi/websockets.py. */
#define WEBSOCKET_METHOD HFA_BYTES(" websocket")

/* The files of a mount, a new reference, or NULL. */
static struct hfa_static_files *site_of(const struct hfa_application *application, uint32_t index)
{
    PyObject *site = (Py_ssize_t)index < PyTuple_GET_SIZE(application->sites)
                         ? PyTuple_GET_ITEM(application->sites, (Py_ssize_t)index)
                         : Py_None;

    return site == Py_None ? NULL : (struct hfa_static_files *)Py_NewRef(site);
}

/* A run that sends what the middleware of a stage answers. NULL: the middleware has to do so. */
static struct hfa_run *answer_of_stage(struct hfa_application *application,
                                       struct hfa_server_object *server,
                                       struct hfa_exchange *exchange, Py_ssize_t stage)
{
    const struct hfa_route_match match = {.kind = HFA_MATCH_NONE};
    struct hfa_run *run = NULL;

    if (exchange->request.is_websocket || may_exceed(exchange, application->body_limit))
        return NULL;
    PyObject *scope = hfa_scope_new(server, exchange);
    if (scope == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *response = hfa_response_stages_answer(&application->stages, stage, scope);
    Py_DECREF(scope);
    if (response == NULL)
        return NULL;
    run = hfa_run_new(application, server, exchange, (struct hfa_plan *)application->sender, NULL,
                      &match);
    if (run == NULL) {
        PyErr_WriteUnraisable((PyObject *)application);
    } else {
        hfa_run_set_response(run, response);
        run->stages_from = (size_t)stage + 1;
    }
    Py_DECREF(response);
    return run;
}

bool hfa_application_serve(struct hfa_application *application, struct hfa_server_object *server,
                           struct hfa_exchange *exchange)
{
    bool is_secure = false;
    bool is_websocket = exchange->request.is_websocket;
    struct hfa_bytes method = is_websocket ? WEBSOCKET_METHOD : exchange->request.method;
    struct hfa_bytes path = exchange->request.path;
    struct hfa_route_match match;
    uint64_t *left;
    PyObject *text = NULL;
    struct hfa_static_files *site = NULL;
    struct hfa_run *run = NULL;

    if (application->router == NULL)
        is_current(application); /* the first request: compile */
    if (!application->is_whole)
        return false;
    if (hfa_scope_apply_proxy(server, exchange, &is_secure) < 0) {
        PyErr_Clear(); /* the scope will meet it, too */
        return false;
    }
    if (!is_plain_path(path)) {
        text = hfa_scope_unquote(path);
        if (text == NULL || !view_of_text(text, &path)) {
            PyErr_Clear();
            Py_XDECREF(text);
            return false;
        }
    }
    /* What is left to FastAPI comes by its middleware stack, and is counted there. */
    struct hfa_plan *plan = select_plan(application, method, path, &match, &left);
    PyObject *response = NULL;
    /* Asked as they are now: with a guard that did not hold they have just been made anew. */
    Py_ssize_t stage =
        hfa_response_stages_answering(&application->stages, &exchange->request, is_secure);
    if (stage >= 0) {
        Py_XDECREF(text);
        if (!application->is_whole || (plan == NULL && left == &application->unguarded))
            return false;
        run = answer_of_stage(application, server, exchange, stage);
        if (run == NULL)
            return false;
        application->compiled++;
        hfa_run_begin(run);
        return true;
    }
    if (plan == NULL && match.kind == HFA_MATCH_OPAQUE && left != &application->unguarded &&
        application->is_whole && !is_websocket &&
        hfa_response_stages_take_streams(&application->stages, HFA_BYTES("")) &&
        !may_exceed(exchange, application->body_limit)) {
        site = site_of(application, match.index);
        enum hfa_static_answer answer =
            site == NULL ? HFA_STATIC_LEFT
                         : hfa_static_files_serve(site, server, exchange, path,
                                                  &application->stages, &response);
        if (answer == HFA_STATIC_SENT) {
            Py_DECREF(site);
            Py_XDECREF(text);
            application->compiled++;
            return true;
        }
        if (answer == HFA_STATIC_RESPONSE)
            plan = (struct hfa_plan *)site->plan;
    }
    if (plan != NULL && !is_websocket && may_exceed(exchange, plan->body_limit))
        plan = NULL;
    /* What a scope is filled with is as of the request's arrival. */
    if (plan != NULL && plan->needs_request && plan->body != HFA_BODY_NONE &&
        hfa_response_stages_fill_scopes(&application->stages))
        plan = NULL;
    if (plan == NULL && left == &application->unmatched && application->is_whole && !is_websocket &&
        !may_exceed(exchange, application->body_limit)) {
        const struct hfa_unrouted_request request = {&match, method, path, NULL, server, exchange};
        response = unrouted_answer(application, &request);
        if (response != NULL)
            plan = (struct hfa_plan *)application->unrouted.plan;
    }
    if (plan != NULL && application->is_whole && plan->is_websocket == is_websocket) {
        run = hfa_run_new(application, server, exchange, plan, text, &match);
        if (run == NULL)
            PyErr_WriteUnraisable((PyObject *)application);
        else if (response != NULL)
            hfa_run_set_response(run, response);
    }
    Py_XDECREF(response);
    Py_XDECREF((PyObject *)site);
    Py_XDECREF(text);
    if (run == NULL)
        return false;
    application->compiled++;
    hfa_run_begin(run);
    return true;
}

/* --- From inside the middleware stack
 * --------------------------------------------------------------- */

/* What starlette._utils.get_route_path() gives: a new reference. */
static PyObject *route_path(const struct hfa_state *state, PyObject *scope)
{
    PyObject *path = PyDict_GetItemWithError(scope, state->str_path);           /* borrowed */
    PyObject *root_path = PyDict_GetItemWithError(scope, state->str_root_path); /* borrowed */

    if (path == NULL || !PyUnicode_Check(path))
        return NULL;
    if (root_path == NULL || !PyUnicode_Check(root_path) || PyUnicode_GetLength(root_path) == 0)
        return Py_NewRef(path);
    Py_ssize_t prefix = PyUnicode_GetLength(root_path);
    Py_ssize_t length = PyUnicode_GetLength(path);
    Py_ssize_t starts = PyUnicode_Tailmatch(path, root_path, 0, PY_SSIZE_T_MAX, -1);
    if (starts < 0)
        return NULL;
    if (starts == 0 || (length > prefix && PyUnicode_ReadChar(path, prefix) != '/'))
        return Py_NewRef(path);
    return PyUnicode_Substring(path, prefix, length);
}

static bool is_known(const struct hfa_application *application, PyObject *scope)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(application->unknown); i++) {
        if (PyDict_Contains(scope, PyTuple_GET_ITEM(application->unknown, i)) != 0)
            return false;
    }
    return true;
}

/* False: get_route_path() may cut the path with another last slash elsewhere. */
static bool ends_plainly(const struct hfa_state *state, PyObject *scope)
{
    PyObject *root_path = PyDict_GetItemWithError(scope, state->str_root_path); /* borrowed */

    if (root_path == NULL || !PyUnicode_Check(root_path))
        return true;
    Py_ssize_t length = PyUnicode_GetLength(root_path);
    return length == 0 || PyUnicode_ReadChar(root_path, length - 1) != '/';
}

/* A run that answers what no route takes. NULL with an exception, or without one: FastAPI has to.
 */
static PyObject *enter_unrouted(struct hfa_application *application, PyObject *scope,
                                PyObject *receive, PyObject *send,
                                const struct hfa_unrouted_request *request)
{
    if (!ends_plainly(application->state, scope))
        return NULL;
    PyObject *response = unrouted_answer(application, request);
    if (response == NULL)
        return NULL;
    PyObject *index = request->match->kind == HFA_MATCH_PARTIAL
                          ? PyLong_FromUnsignedLong(request->match->index)
                          : Py_NewRef(Py_None);
    PyObject *shown = index == NULL ? NULL
                                    : PyObject_CallMethod(application->unrouted.answers, "show",
                                                          "OO", scope, index);
    PyObject *run = NULL;
    if (shown != NULL)
        run = hfa_run_enter(application, (struct hfa_plan *)application->unrouted.plan, scope,
                            receive, send, NULL, request->match);
    if (run != NULL)
        hfa_run_set_response((struct hfa_run *)run, response);
    Py_XDECREF(shown);
    Py_XDECREF(index);
    Py_DECREF(response);
    return run;
}

/* Enters a run inside of what limits its body. Takes `run`. */
static PyObject *enter_limited(PyObject *run, const struct hfa_plan *plan, PyObject *scope,
                               PyObject *receive, PyObject *send)
{
    PyObject *enter = PyObject_GetAttrString(run, "enter");
    PyObject *answering = enter == NULL ? NULL
                                        : PyObject_CallFunctionObjArgs(plan->limiter, enter, scope,
                                                                       receive, send, NULL);

    Py_XDECREF(enter);
    Py_DECREF(run);
    return answering;
}

static bool is_of_websocket(const struct hfa_state *state, PyObject *scope)
{
    PyObject *type = PyDict_GetItemWithError(scope, state->str_type); /* borrowed */

    return type != NULL && PyUnicode_Check(type) &&
           PyUnicode_CompareWithASCIIString(type, "websocket") == 0;
}

static bool view_of_method(const struct hfa_state *state, PyObject *scope, struct hfa_bytes *view)
{
    PyObject *method = PyDict_GetItemWithError(scope, state->str_method); /* borrowed */

    return method != NULL && PyUnicode_Check(method) && view_of_text(method, view);
}

/* FastAPI's telemetry makes spans of the request. */
static bool is_followed(const struct hfa_state *state, PyObject *scope)
{
    PyObject *follower = PyDict_GetItemWithError(scope, state->str_telemetry); /* borrowed */

    return follower != NULL && follower != Py_None;
}

/* An awaitable: a new reference. NULL with an exception, or without one: FastAPI has to answer, for
 * what *left counts. */
static PyObject *enter_plan(struct hfa_application *application, PyObject *scope, PyObject *receive,
                            PyObject *send, PyObject *path, uint64_t **left)
{
    bool is_websocket = is_of_websocket(application->state, scope);
    struct hfa_bytes method_view = WEBSOCKET_METHOD, path_view;
    struct hfa_route_match match;
    PyObject *run = NULL;

    if ((!is_websocket && !view_of_method(application->state, scope, &method_view)) ||
        !view_of_text(path, &path_view)) {
        PyErr_Clear();
        return NULL;
    }
    struct hfa_plan *plan = select_plan(application, method_view, path_view, &match, left);
    if (plan != NULL && plan->is_websocket != is_websocket)
        return NULL;
    if ((is_websocket || *left == &application->unmatched) &&
        is_followed(application->state, scope)) {
        if (plan != NULL || *left == &application->unmatched)
            *left = &application->followed;
        return NULL;
    }
    if (plan != NULL) {
        run = hfa_run_enter(application, plan, scope, receive, send, path, &match);
        if (run == NULL || hfa_run_show_route((struct hfa_run *)run) < 0 ||
            hfa_run_trace((struct hfa_run *)run) < 0) {
            Py_XDECREF(run);
            return NULL;
        }
        if (plan->limiter != NULL)
            run = enter_limited(run, plan, scope, receive, send);
    } else if (*left == &application->unmatched && !is_websocket) {
        const struct hfa_unrouted_request request = {&match, method_view, path_view,
                                                     scope,  NULL,        NULL};
        run = enter_unrouted(application, scope, receive, send, &request);
    }
    application->compiled += run != NULL;
    return run;
}

static PyObject *enter(struct hfa_application *application, PyObject *scope, PyObject *receive,
                       PyObject *send, uint64_t **left)
{
    *left = &application->followed;
    if (!is_known(application, scope))
        return NULL;
    *left = &application->unguarded;
    PyObject *path = route_path(application->state, scope);
    if (path == NULL) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *run = enter_plan(application, scope, receive, send, path, left);
    Py_DECREF(path);
    return run;
}

static PyObject *method_enter(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_application *application = (struct hfa_application *)self;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "enter(scope, receive, send)");
        return NULL;
    }
    if (!PyDict_CheckExact(args[0]))
        Py_RETURN_NONE;
    if (application->pending != NULL) {
        PyObject *answering = hfa_run_resume(application, args[0], args[1], args[2]);
        if (answering != NULL || PyErr_Occurred())
            return answering;
    }
    uint64_t *left;
    PyObject *run = enter(application, args[0], args[1], args[2], &left);
    if (run != NULL || PyErr_Occurred())
        return run;
    ++*left;
    Py_RETURN_NONE;
}

static PyObject *method_is_pending(PyObject *self, PyObject *scope)
{
    return PyBool_FromLong(hfa_run_is_pending((struct hfa_application *)self, scope));
}

/* Native middleware that answers by itself, or fills the scope, is called. */
static bool is_for_stages(const struct hfa_application *application, PyObject *scope)
{
    const struct hfa_state *state = application->state;
    PyObject *headers = PyDict_GetItemWithError(scope, state->str_headers); /* borrowed */
    struct hfa_asgi_fields fields;
    struct hfa_request request = {0};

    if (application->stages.count == 0)
        return false;
    if (hfa_response_stages_fill_scopes(&application->stages) || headers == NULL ||
        !PyList_CheckExact(headers) || !view_of_method(state, scope, &request.method) ||
        hfa_asgi_fields_read(&fields, headers) < 0) {
        PyErr_Clear();
        return true;
    }
    request.fields = fields.fields;
    request.field_count = fields.count;
    PyObject *scheme = PyDict_GetItemWithError(scope, state->str_scheme); /* borrowed */
    bool is_secure = scheme != NULL && PyUnicode_Check(scheme) &&
                     PyUnicode_CompareWithASCIIString(scheme, "https") == 0;
    Py_ssize_t answering = hfa_response_stages_answering(&application->stages, &request, is_secure);
    hfa_asgi_fields_free(&fields);
    return answering >= 0;
}

/* From outside of the middleware stack, which would do nothing but pass the request on, or what is
 * done natively. Where it has to, what is left to FastAPI is counted inside. */
static PyObject *method_enter_whole(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    struct hfa_application *application = (struct hfa_application *)self;
    uint64_t *left;

    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "enter_whole(scope, receive, send)");
        return NULL;
    }
    if (!PyDict_CheckExact(args[0]) ||
        PyDict_Contains(args[0], application->state->str_method) == 0 ||
        hfa_run_is_pending(application, args[0]) || !is_current(application) ||
        !application->is_whole || application->limits_bodies || is_for_stages(application, args[0]))
        Py_RETURN_NONE;
    PyObject *run = enter(application, args[0], args[1], args[2], &left);
    if (run == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    ((struct hfa_run *)run)->is_outside = true;
    return run;
}

/* --- Encoders
 * --------------------------------------------------------------------------------------- */

struct hfa_json_encoder *hfa_application_take_encoder(struct hfa_application *application)
{
    struct hfa_json_encoder *encoder = &application->encoder;

    if (!application->is_encoding) {
        application->is_encoding = true;
        return encoder;
    }
    encoder = PyMem_Malloc(sizeof(*encoder)); /* user code that encodes has let another one in */
    if (encoder == NULL)
        PyErr_NoMemory();
    else
        hfa_json_encoder_init(encoder, application->state, application->hooks.jsonable_encoder);
    return encoder;
}

void hfa_application_give_back(struct hfa_application *application,
                               struct hfa_json_encoder *encoder)
{
    if (encoder == &application->encoder) {
        hfa_json_encoder_reset(encoder);
        application->is_encoding = false;
        return;
    }
    hfa_json_encoder_free(encoder);
    PyMem_Free(encoder);
}

/* --- The object
 * --------------------------------------------------------------------------------------- */

static int read_hooks(struct hfa_hooks *hooks, PyObject *from)
{
#define HFA_READ_HOOK(name)                                                                        \
    hooks->name = PyObject_GetAttrString(from, #name);                                             \
    if (hooks->name == NULL)                                                                       \
        return -1;
    HFA_HOOKS(HFA_READ_HOOK)
#undef HFA_READ_HOOK
    return 0;
}

static PyObject *application_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"app", "hooks", "recompile", "unknown", NULL};
    PyObject *app, *hooks, *recompile_call, *unknown;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOO!:Application", keywords, &app, &hooks,
                                     &recompile_call, &PyTuple_Type, &unknown))
        return NULL;
    struct hfa_application *self = PyObject_GC_New(struct hfa_application, type);
    if (self == NULL)
        return NULL;
    memset((char *)self + sizeof(PyObject), 0, sizeof(*self) - sizeof(PyObject));
    self->state = PyType_GetModuleState(type);
    self->app = Py_NewRef(app);
    self->recompile = Py_NewRef(recompile_call);
    self->plans = PyTuple_New(0);
    self->sites = PyTuple_New(0);
    self->lists = PyTuple_New(0);
    self->unknown = Py_NewRef(unknown);
    PyObject_GC_Track(self);
    if (self->plans == NULL || self->sites == NULL || self->lists == NULL ||
        read_hooks(&self->hooks, hooks) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    hfa_json_encoder_init(&self->encoder, self->state, self->hooks.jsonable_encoder);
    return (PyObject *)self;
}

static bool are_pairs(PyObject *items, PyTypeObject *first)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2 ||
            !PyObject_TypeCheck(PyTuple_GET_ITEM(item, 0), first))
            return false;
    }
    return true;
}

static bool limits_bodies(const struct hfa_application *application)
{
    if (application->body_limit >= 0)
        return true;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(application->plans); i++) {
        PyObject *plan = PyTuple_GET_ITEM(application->plans, i); /* borrowed */
        if (plan != Py_None && ((struct hfa_plan *)plan)->limiter != NULL)
            return true;
    }
    return false;
}

static PyObject *method_load(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"router", "plans",    "sites",    "guards",     "lists", "stages",
                               "sender", "unrouted", "is_whole", "body_limit", NULL};
    struct hfa_application *application = (struct hfa_application *)self;
    PyObject *router, *plans, *sites, *guards, *lists, *stages, *sender, *unrouted;
    int is_whole;
    long long body_limit;

    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "OO!O!O!O!O!O!OpL:load", keywords, &router, &PyTuple_Type, &plans,
            &PyTuple_Type, &sites, &PyTuple_Type, &guards, &PyTuple_Type, &lists, &PyTuple_Type,
            &stages, application->state->plan_type, &sender, &unrouted, &is_whole, &body_limit))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sites); i++) {
        PyObject *site = PyTuple_GET_ITEM(sites, i);
        if (site != Py_None && !Py_IS_TYPE(site, application->state->static_files_type)) {
            PyErr_SetString(PyExc_TypeError, "sites are StaticFiles objects or None");
            return NULL;
        }
    }
    if (!Py_IS_TYPE(router, application->state->router_type)) {
        PyErr_SetString(PyExc_TypeError, "router has to be a Router");
        return NULL;
    }
    if (!are_pairs(lists, &PyList_Type)) {
        PyErr_SetString(PyExc_TypeError, "lists are pairs of a list and a tuple");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(plans); i++) {
        PyObject *plan = PyTuple_GET_ITEM(plans, i);
        if (plan != Py_None && !Py_IS_TYPE(plan, application->state->plan_type)) {
            PyErr_SetString(PyExc_TypeError, "plans are Plan objects or None");
            return NULL;
        }
    }
    struct hfa_response_stages new_stages;
    struct hfa_guards new_guards;
    struct hfa_unrouted new_unrouted;
    if (hfa_response_stages_init(&new_stages, stages) < 0)
        return NULL;
    if (hfa_guards_read(&new_guards, application->state, guards) < 0) {
        hfa_response_stages_clear(&new_stages);
        return NULL;
    }
    if (hfa_unrouted_read(&new_unrouted, application->state, unrouted) < 0) {
        hfa_response_stages_clear(&new_stages);
        hfa_guards_clear(&new_guards);
        return NULL;
    }
    uint64_t *bridged =
        PyMem_Calloc((size_t)PyTuple_GET_SIZE(plans) + 1, sizeof(*application->bridged));
    if (bridged == NULL) {
        hfa_response_stages_clear(&new_stages);
        hfa_guards_clear(&new_guards);
        hfa_unrouted_clear(&new_unrouted);
        return PyErr_NoMemory();
    }
    hfa_response_stages_clear(&application->stages);
    application->stages = new_stages;
    PyMem_Free(application->bridged);
    application->bridged = bridged;
    Py_XSETREF(application->router_object, Py_NewRef(router));
    application->router = hfa_router_object_get(router);
    Py_SETREF(application->plans, Py_NewRef(plans));
    Py_SETREF(application->sites, Py_NewRef(sites));
    hfa_guards_clear(&application->guards);
    application->guards = new_guards;
    hfa_unrouted_clear(&application->unrouted);
    application->unrouted = new_unrouted;
    Py_SETREF(application->lists, Py_NewRef(lists));
    Py_XSETREF(application->sender, Py_NewRef(sender));
    application->is_whole = is_whole;
    application->body_limit = body_limit;
    application->limits_bodies = limits_bodies(application);
    Py_RETURN_NONE;
}

static PyObject *method_replace(PyObject *self, PyObject *args)
{
    struct hfa_application *application = (struct hfa_application *)self;
    Py_ssize_t index;
    PyObject *plan;

    if (!PyArg_ParseTuple(args, "nO:replace", &index, &plan))
        return NULL;
    if (index < 0 || index >= PyTuple_GET_SIZE(application->plans) ||
        (plan != Py_None && !Py_IS_TYPE(plan, application->state->plan_type))) {
        PyErr_SetString(PyExc_ValueError, "no such route, or no plan");
        return NULL;
    }
    PyObject *plans = PySequence_List(application->plans);
    if (plans != NULL && PyList_SetItem(plans, index, Py_NewRef(plan)) == 0) { /* steals */
        PyObject *tuple = PyList_AsTuple(plans);
        Py_DECREF(plans);
        if (tuple == NULL)
            return NULL;
        Py_SETREF(application->plans, tuple);
        application->limits_bodies = limits_bodies(application);
        Py_RETURN_NONE;
    }
    Py_XDECREF(plans);
    return NULL;
}

static PyObject *method_counts(PyObject *self, PyObject *unused)
{
    struct hfa_application *application = (struct hfa_application *)self;
    Py_ssize_t count = PyTuple_GET_SIZE(application->plans);
    PyObject *bridged = PyTuple_New(count);

    (void)unused;
    for (Py_ssize_t i = 0; i < count && bridged != NULL; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(application->bridged[i]);
        if (number == NULL)
            Py_CLEAR(bridged);
        else
            PyTuple_SET_ITEM(bridged, i, number);
    }
    if (bridged == NULL)
        return NULL;
    return Py_BuildValue("(KKKKN)", (unsigned long long)application->compiled,
                         (unsigned long long)application->unmatched,
                         (unsigned long long)application->followed,
                         (unsigned long long)application->unguarded, bridged);
}

static int application_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_application *application = (struct hfa_application *)self;

    Py_VISIT(Py_TYPE(self));
#define HFA_VISIT_HOOK(name) Py_VISIT(application->hooks.name);
    HFA_HOOKS(HFA_VISIT_HOOK)
#undef HFA_VISIT_HOOK
    Py_VISIT(application->app);
    Py_VISIT(application->recompile);
    Py_VISIT(application->router_object);
    Py_VISIT(application->plans);
    Py_VISIT(application->sites);
    Py_VISIT(application->lists);
    Py_VISIT(application->sender);
    int guards = hfa_guards_traverse(&application->guards, visit, arg);
    if (guards != 0)
        return guards;
    int stages = hfa_response_stages_traverse(&application->stages, visit, arg);
    if (stages != 0)
        return stages;
    Py_VISIT(application->unknown);
    return hfa_unrouted_traverse(&application->unrouted, visit, arg);
}

static int application_clear(PyObject *self)
{
    struct hfa_application *application = (struct hfa_application *)self;

    application->router = NULL;
#define HFA_CLEAR_HOOK(name) Py_CLEAR(application->hooks.name);
    HFA_HOOKS(HFA_CLEAR_HOOK)
#undef HFA_CLEAR_HOOK
    Py_CLEAR(application->app);
    Py_CLEAR(application->recompile);
    Py_CLEAR(application->router_object);
    Py_CLEAR(application->plans);
    Py_CLEAR(application->sites);
    hfa_guards_clear(&application->guards);
    Py_CLEAR(application->lists);
    Py_CLEAR(application->sender);
    hfa_response_stages_clear(&application->stages);
    Py_CLEAR(application->unknown);
    hfa_unrouted_clear(&application->unrouted);
    return 0;
}

static void application_dealloc(PyObject *self)
{
    struct hfa_application *application = (struct hfa_application *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    hfa_json_encoder_free(&application->encoder);
    application_clear(self);
    PyMem_Free(application->bridged);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef application_methods[] = {
    {"enter", (PyCFunction)(void (*)(void))method_enter, METH_FASTCALL,
     "enter(scope, receive, send): an awaitable that answers, or None: FastAPI has to."},
    {"enter_whole", (PyCFunction)(void (*)(void))method_enter_whole, METH_FASTCALL,
     "enter_whole(scope, receive, send): the same, instead of the whole application."},
    {"is_pending", method_is_pending, METH_O,
     "is_pending(scope): whether a run has sent this scope through the middleware stack."},
    {"load", (PyCFunction)(void (*)(void))method_load, METH_VARARGS | METH_KEYWORDS,
     "load(router, plans, sites, guards, lists, stages, sender, unrouted, is_whole, body_limit): "
     "what has been compiled."},
    {"replace", method_replace, METH_VARARGS, "replace(index, plan): another plan for a route."},
    {"counts", method_counts, METH_NOARGS,
     "counts(): requests (compiled, unmatched, followed, unguarded, bridged by route)."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot application_slots[] = {
    {Py_tp_doc,
     "Application(app, hooks, recompile, unknown): a FastAPI application's compiled routes."},
    {Py_tp_new, application_new},
    {Py_tp_dealloc, application_dealloc},
    {Py_tp_traverse, application_traverse},
    {Py_tp_clear, application_clear},
    {Py_tp_methods, application_methods},
    {0, NULL},
};

PyType_Spec hfa_application_spec = {
    .name = "hyperfastapi._core.Application",
    .basicsize = sizeof(struct hfa_application),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = application_slots,
};
