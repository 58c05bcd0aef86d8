/* A run as an object: made, traversed, recycled. */
#include "plan_run.h"
#include "run_coroutine.h"
#include "run_exits.h"
#include "server_object.h"

static struct hfa_run *new_run(struct hfa_application *application, struct hfa_plan *plan,
                               PyObject *path, const struct hfa_route_match *match)
{
    struct hfa_state *state = application->state;
    struct hfa_run *run = (struct hfa_run *)hfa_free_list_take(&state->free_runs, state->run_type);

    if (run == NULL)
        return NULL;
    memset((char *)run + sizeof(PyObject), 0,
           offsetof(struct hfa_run, inline_values) - sizeof(PyObject));
    run->owned_count = plan->value_count + plan->cache_count;
    run->values = run->inline_values;
    if (run->owned_count > HFA_RUN_INLINE_VALUES) {
        run->values = PyMem_Malloc(run->owned_count * sizeof(*run->values));
        if (run->values == NULL) {
            run->values = run->inline_values;
            run->owned_count = 0;
        }
    }
    memset(run->values, 0, run->owned_count * sizeof(*run->values));
    run->cache = run->values + plan->value_count;
    run->application = (struct hfa_application *)Py_NewRef((PyObject *)application);
    run->plan = (struct hfa_plan *)Py_NewRef((PyObject *)plan);
    run->path = Py_XNewRef(path);
    run->phase = plan->body == HFA_BODY_NONE ? HFA_RUN_EXTRACTS : HFA_RUN_READS;
    /* Starlette has no exit stacks around a route. */
    run->has_left_early = run->has_left = plan->respond == HFA_RESPOND_RESULT;
    memcpy(run->params, match->params, plan->path_param_count * sizeof(run->params[0]));
    PyObject_GC_Track(run);
    if (run->owned_count == 0 && plan->value_count > 0) {
        Py_DECREF(run);
        PyErr_NoMemory();
        return NULL;
    }
    return run;
}

struct hfa_run *hfa_run_new(struct hfa_application *application, struct hfa_server_object *server,
                            struct hfa_exchange *exchange, struct hfa_plan *plan, PyObject *path,
                            const struct hfa_route_match *match)
{
    struct hfa_run *run = new_run(application, plan, path, match);

    if (run == NULL)
        return NULL;
    run->server = (struct hfa_server_object *)Py_NewRef((PyObject *)server);
    run->exchange = exchange;
    run->head = &exchange->request;
    run->is_disconnected = exchange->is_disconnected;
    exchange->app_data = Py_NewRef((PyObject *)run);
    hfa_run_link(run, &server->runs);
    server->run_count++;
    run->is_counted = true;
    return run;
}

static struct hfa_bytes bytes_of(PyObject *bytes)
{
    return (struct hfa_bytes){PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes)};
}

/* The request's head, as the scope tells it, in views of what run->headers keeps. */
static int read_scope(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;
    PyObject *headers = PyDict_GetItemWithError(run->scope, state->str_headers);    /* borrowed */
    PyObject *query = PyDict_GetItemWithError(run->scope, state->str_query_string); /* borrowed */
    PyObject *method = PyDict_GetItemWithError(run->scope, state->str_method);      /* borrowed */
    PyObject *outer = PyDict_GetItemWithError(run->scope, state->str_path_params);  /* borrowed */
    PyObject *items = headers == NULL ? NULL : PySequence_List(headers);
    Py_ssize_t length = 0;

    if (items == NULL) {
        if (!PyErr_Occurred())
            PyErr_SetObject(PyExc_KeyError, state->str_headers);
        return -1;
    }
    run->headers = Py_BuildValue("(NOO)", items, query == NULL ? state->empty_bytes : query,
                                 method == NULL ? Py_None : method);
    if (run->headers == NULL)
        return -1;
    size_t count = (size_t)PyList_GET_SIZE(items);
    struct hfa_field *fields = PyMem_Calloc(count + 1, sizeof(*fields));
    if (fields == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    run->entered.fields = fields;
    run->entered.field_count = count;
    for (size_t i = 0; i < count; i++) {
        PyObject *pair = PySequence_Tuple(PyList_GET_ITEM(items, (Py_ssize_t)i));
        if (pair == NULL || PyList_SetItem(items, (Py_ssize_t)i, pair) < 0) /* steals */
            return -1;
        if (PyTuple_GET_SIZE(pair) != 2 || !PyBytes_Check(PyTuple_GET_ITEM(pair, 0)) ||
            !PyBytes_Check(PyTuple_GET_ITEM(pair, 1))) {
            PyErr_SetString(PyExc_TypeError, "request headers are pairs of bytes");
            return -1;
        }
        fields[i] = (struct hfa_field){bytes_of(PyTuple_GET_ITEM(pair, 0)),
                                       bytes_of(PyTuple_GET_ITEM(pair, 1))};
    }
    if (query != NULL && PyBytes_Check(query))
        run->entered.query = bytes_of(query);
    if (method != NULL && PyUnicode_Check(method)) {
        run->entered.method.data = PyUnicode_AsUTF8AndSize(method, &length);
        run->entered.method.length = (size_t)length;
    }
    if (outer != NULL && PyDict_Check(outer) && PyDict_Size(outer) > 0)
        run->outer_path_params = Py_NewRef(outer);
    run->head = &run->entered;
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *hfa_run_enter(struct hfa_application *application, struct hfa_plan *plan, PyObject *scope,
                        PyObject *receive, PyObject *send, PyObject *path,
                        const struct hfa_route_match *match)
{
    struct hfa_run *run = new_run(application, plan, path, match);

    if (run == NULL)
        return NULL;
    run->scope = Py_NewRef(scope);
    run->receive = Py_NewRef(receive);
    run->send = Py_NewRef(send);
    if (read_scope(run) < 0) {
        Py_DECREF(run);
        return NULL;
    }
    return (PyObject *)run;
}

static int run_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_run *run = (struct hfa_run *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(run->application);
    Py_VISIT(run->plan);
    Py_VISIT(run->server);
    Py_VISIT(run->call);
    Py_VISIT(run->kept.value);
    Py_VISIT(run->scope);
    Py_VISIT(run->receive);
    Py_VISIT(run->send);
    Py_VISIT(run->outer_path_params);
    Py_VISIT(run->headers);
    Py_VISIT(run->task);
    Py_VISIT(run->awaiting);
    Py_VISIT(run->errors);
    Py_VISIT(run->body);
    Py_VISIT(run->pieces);
    Py_VISIT(run->model);
    Py_VISIT(run->form);
    Py_VISIT(run->form_values);
    Py_VISIT(run->request);
    Py_VISIT(run->injected_response);
    Py_VISIT(run->background);
    Py_VISIT(run->result);
    Py_VISIT(run->response);
    Py_VISIT(run->after);
    Py_VISIT(run->context);
    Py_VISIT(run->exception);
    Py_VISIT(run->future);
    Py_VISIT(run->manager);
    Py_VISIT(run->inner_stack);
    Py_VISIT(run->function_stack);
    Py_VISIT(run->middleware_stack);
    Py_VISIT(run->shield);
    Py_VISIT(run->bounds);
    Py_VISIT(run->traced);
    for (unsigned i = 0; i < run->exit_count; i++)
        Py_VISIT(run->exits[i].manager);
    for (size_t i = 0; i < run->owned_count; i++)
        Py_VISIT(run->values[i]);
    return 0;
}

static int run_clear(PyObject *self)
{
    struct hfa_run *run = (struct hfa_run *)self;

    if (run->call != NULL)
        run->call->coroutine = NULL;
    Py_CLEAR(run->call);
    Py_CLEAR(run->kept.value);
    Py_CLEAR(run->scope);
    Py_CLEAR(run->receive);
    Py_CLEAR(run->send);
    Py_CLEAR(run->outer_path_params);
    Py_CLEAR(run->task);
    Py_CLEAR(run->awaiting);
    Py_CLEAR(run->errors);
    Py_CLEAR(run->body);
    Py_CLEAR(run->pieces);
    Py_CLEAR(run->body_bytes);
    Py_CLEAR(run->model);
    Py_CLEAR(run->form);
    Py_CLEAR(run->form_values);
    Py_CLEAR(run->write_error);
    Py_CLEAR(run->request);
    Py_CLEAR(run->injected_response);
    Py_CLEAR(run->background);
    Py_CLEAR(run->result);
    Py_CLEAR(run->json);
    Py_CLEAR(run->response);
    Py_CLEAR(run->response_body);
    Py_CLEAR(run->after);
    Py_CLEAR(run->context);
    Py_CLEAR(run->exception);
    Py_CLEAR(run->future);
    Py_CLEAR(run->manager);
    Py_CLEAR(run->inner_stack);
    Py_CLEAR(run->function_stack);
    Py_CLEAR(run->middleware_stack);
    Py_CLEAR(run->shield);
    Py_CLEAR(run->bounds);
    Py_CLEAR(run->traced);
    hfa_run_clear_exits(run);
    hfa_run_clear_values(run);
    return 0;
}

static void run_dealloc(PyObject *self)
{
    struct hfa_run *run = (struct hfa_run *)self;
    struct hfa_state *state = run->application->state;
    PyObject *exception = hfa_take_exception();

    PyObject_GC_UnTrack(self);
    hfa_run_unlink(run);
    run_clear(self);
    Py_CLEAR(run->headers);
    Py_CLEAR(run->path);
    PyMem_Free((void *)run->entered.fields);
    PyMem_Free(run->exits);
    if (run->values != run->inline_values)
        PyMem_Free(run->values);
    Py_CLEAR(run->plan);
    Py_CLEAR(run->server);
    Py_CLEAR(run->application);
    hfa_free_list_put(&state->free_runs, self);
    if (exception != NULL)
        hfa_raise_exception(exception);
}

static PyType_Slot run_slots[] = {
    {Py_tp_doc, "A request on its way through a compiled route."},
    {Py_tp_dealloc, run_dealloc},
    {Py_tp_traverse, run_traverse},
    {Py_tp_clear, run_clear},
    {Py_tp_methods, hfa_run_coroutine_methods},
    {Py_tp_getset, hfa_run_coroutine_getset},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, hfa_run_coroutine_next},
    {Py_am_await, PyObject_SelfIter},
    {Py_am_send, hfa_run_coroutine_send},
    {0, NULL},
};

PyType_Spec hfa_run_spec = {
    .name = "hyperfastapi._core.Run",
    .basicsize = sizeof(struct hfa_run),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = run_slots,
};
