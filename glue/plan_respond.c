/* The answer of a run: the endpoint's result, validated and serialised as FastAPI does, and sent.
 */
#include "await.h"
#include "decimal.h"
#include "plan_run.h"
#include "response_model.h"
#include "run_exits.h"
#include "run_trace.h"
#include "scope.h"
#include "server_object.h"
#include "shape_write.h"

/* --- The response model ------------------------------------------------------------------------
 */

/* 1: run->json is the JSON of a result that is as the model wants it; -1 with an exception. */
static int write_shape(struct hfa_run *run)
{
    struct hfa_json_encoder *encoder = hfa_application_take_encoder(run->application);

    if (encoder == NULL)
        return -1;
    int status = hfa_shape_write(run->plan->response_shape, encoder, run->result);
    if (status > 0) {
        Py_XSETREF(run->json,
                   PyBytes_FromStringAndSize(encoder->data, (Py_ssize_t)encoder->length));
        status = run->json == NULL ? -1 : 1;
    }
    hfa_application_give_back(run->application, encoder);
    return status;
}

static PyObject *validate(struct hfa_run *run)
{
    return hfa_response_model_validate(run, run->result);
}

static int take_validated(struct hfa_run *run, PyObject *value)
{
    run->is_validated = true;
    if (value == NULL)
        return -1;
    Py_SETREF(run->result, value);
    return 0;
}

int hfa_run_validate_in_worker(struct hfa_run *run)
{
    int fits = run->plan->response_shape == NULL ? 0 : write_shape(run);

    if (fits == 0)
        return take_validated(run, hfa_run_call_in_copy(run, validate));
    run->is_validated = fits > 0;
    return fits > 0 ? 0 : -1;
}

int hfa_run_validate_result(struct hfa_run *run)
{
    return take_validated(run, validate(run));
}

/* --- Sending -----------------------------------------------------------------------------------
 */

#define JSON_TYPE "application/json"
/* For the header fields of most responses. */
#define ARENA_SIZE 1024

struct outgoing {
    int status;
    struct hfa_bytes body;
    PyObject *body_object; /* borrowed bytes that `body` is a view of; NULL: only for now */
    PyObject *raw_headers; /* borrowed list: instead of the usual fields; NULL */
    PyObject *more;        /* borrowed list, behind the usual fields; NULL */
    PyObject *after;       /* borrowed: background, or NULL */
};

static enum hfa_status write_out(struct hfa_exchange *exchange, int status,
                                 const struct hfa_field *fields, size_t count,
                                 struct hfa_bytes body, PyObject *owner)
{
    enum hfa_status outcome = hfa_exchange_start(exchange, status, fields, count, false);

    if (outcome != HFA_OK)
        return outcome;
    if (owner == NULL || body.length < HFA_OUTPUT_BORROW_MIN)
        return hfa_exchange_write(exchange, body, NULL, true);
    return hfa_exchange_write(exchange, body, Py_NewRef(owner), true);
}

/* The usual fields of JSON, and what dependencies have added. `listed` keeps what the fields borrow
 * from: free it, and *all if it is not `listed`'s, afterwards. -1 with an exception. */
static int make_fields(const struct outgoing *out, struct hfa_field usual[2],
                       char length[HFA_DECIMAL_MAX], struct hfa_asgi_fields *listed,
                       struct hfa_field **all, size_t *count)
{
    PyObject *list = out->raw_headers != NULL ? out->raw_headers : out->more;

    if (hfa_asgi_fields_read(listed, list) < 0)
        return -1;
    *all = listed->fields;
    *count = listed->count;
    if (out->raw_headers != NULL)
        return 0;
    size_t digits = hfa_decimal_write(out->body.length, length);
    usual[0] = (struct hfa_field){HFA_BYTES_INIT("content-length"), {length, digits}};
    usual[1] = (struct hfa_field){HFA_BYTES_INIT("content-type"), HFA_BYTES_INIT(JSON_TYPE)};
    if (listed->count == 0) {
        *all = usual;
        *count = 2;
        return 0;
    }
    *count = listed->count + 2;
    *all = PyMem_Calloc(*count, sizeof(**all));
    if (*all == NULL) {
        hfa_asgi_fields_free(listed);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(*all, usual, 2 * sizeof(**all));
    memcpy(*all + 2, listed->fields, listed->count * sizeof(**all));
    return 0;
}

/* What the middleware around the routes does is to be done natively. */
static bool passes_stages(const struct hfa_run *run)
{
    return run->application->stages.count > 0 && (run->server != NULL || run->is_outside);
}

/* The response as the application's native middleware leaves it. -1 with an exception. */
static int write_staged(struct hfa_run *run, struct hfa_exchange *exchange,
                        const struct outgoing *out, const struct hfa_field *fields, size_t count)
{
    struct hfa_response_fields staged;
    struct hfa_bytes body = out->body;

    if (!hfa_response_fields_init(&staged, &exchange->arena, fields, count)) {
        PyErr_NoMemory();
        return -1;
    }
    if (hfa_response_stages_apply(&run->application->stages, run->stages_from, run->head,
                                  out->status, &staged, &body) < 0)
        return -1;
    PyObject *owner = body.data == out->body.data ? out->body_object : NULL;
    return hfa_asgi_check(
        write_out(exchange, out->status, staged.items, staged.count, body, owner));
}

static int write_native(struct hfa_run *run, struct hfa_exchange *exchange,
                        const struct outgoing *out)
{
    struct hfa_field usual[2];
    struct hfa_asgi_fields listed;
    struct hfa_field *fields;
    size_t count;
    char length[HFA_DECIMAL_MAX];

    if (out->raw_headers == NULL && out->more == NULL && run->application->stages.count == 0 &&
        (out->body_object == NULL || out->body.length < HFA_OUTPUT_BORROW_MIN))
        return hfa_asgi_check(
            hfa_exchange_respond(exchange, out->status, HFA_BYTES(JSON_TYPE), out->body));
    if (make_fields(out, usual, length, &listed, &fields, &count) < 0)
        return -1;
    int result;
    if (run->application->stages.count > 0)
        result = write_staged(run, exchange, out, fields, count);
    else
        result = hfa_asgi_check(
            write_out(exchange, out->status, fields, count, out->body, out->body_object));
    if (fields != usual && fields != listed.fields)
        PyMem_Free(fields);
    hfa_asgi_fields_free(&listed);
    return result;
}

/* Straight to the exchange. */
static int send_native(struct hfa_run *run, const struct outgoing *out)
{
    struct hfa_exchange *exchange = hfa_run_exchange(run);

    run->response_started = true;
    if (run->call != NULL)
        run->call->response_started = true;
    if (exchange != NULL &&
        exchange->stream != NULL) { /* else the client has gone: nobody is told */
        if (hfa_scope_log_access(run->server, run->exchange, run->scope, out->status) < 0)
            return -1;
        int result = write_native(run, exchange, out);
        bool is_last = run->after == NULL && run->exit_count == 0;
        hfa_server_object_output(run->server, is_last ? HFA_OUTPUT_LAST : HFA_OUTPUT_NOW);
        if (result < 0)
            return -1;
    }
    if (run->call != NULL) {
        run->call->response_complete = true;
        hfa_asgi_call_wake(run->call);
    }
    run->phase = HFA_RUN_SENT;
    return 0;
}

static PyObject *bytes_of(struct hfa_bytes bytes)
{
    return PyBytes_FromStringAndSize(bytes.data, (Py_ssize_t)bytes.length);
}

/* A list of pairs of bytes. */
static PyObject *list_of_fields(const struct hfa_field *fields, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);

    for (size_t i = 0; list != NULL && i < count; i++) {
        PyObject *pair = Py_BuildValue("(NN)", bytes_of(fields[i].name), bytes_of(fields[i].value));
        if (pair == NULL)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
    }
    return list;
}

static int append_pair(PyObject *list, const char *name, PyObject *value)
{
    PyObject *pair = value == NULL ? NULL : Py_BuildValue("(yN)", name, value);
    int status = pair == NULL ? -1 : PyList_Append(list, pair);

    Py_XDECREF(pair);
    return status;
}

static PyObject *header_list(const struct outgoing *out)
{
    char length[HFA_DECIMAL_MAX];

    if (out->raw_headers != NULL)
        return Py_NewRef(out->raw_headers);
    PyObject *list = PyList_New(0);
    if (list == NULL)
        return NULL;
    size_t digits = hfa_decimal_write(out->body.length, length);
    if (append_pair(list, "content-length", PyBytes_FromStringAndSize(length, (Py_ssize_t)digits)) <
            0 ||
        append_pair(list, "content-type", PyBytes_FromString(JSON_TYPE)) < 0)
        Py_CLEAR(list);
    if (list != NULL && out->more != NULL) {
        PyObject *longer = PySequence_InPlaceConcat(list, out->more);
        Py_XSETREF(list, longer);
    }
    return list;
}

/* The response as native middleware leaves it, in new objects. -1 with an exception, and neither.
 */
static int make_staged(struct hfa_run *run, const struct outgoing *out, PyObject **headers,
                       PyObject **body)
{
    struct hfa_field usual[2];
    struct hfa_asgi_fields listed;
    struct hfa_field *fields;
    size_t count;
    char length[HFA_DECIMAL_MAX];
    max_align_t memory[ARENA_SIZE / sizeof(max_align_t)];
    struct hfa_arena arena;
    struct hfa_response_fields staged;
    struct hfa_bytes left = out->body;

    *headers = *body = NULL;
    if (make_fields(out, usual, length, &listed, &fields, &count) < 0)
        return -1;
    hfa_arena_init(&arena, memory, sizeof(memory));
    if (!hfa_response_fields_init(&staged, &arena, fields, count)) {
        PyErr_NoMemory();
    } else if (hfa_response_stages_apply(&run->application->stages, run->stages_from, run->head,
                                         out->status, &staged, &left) == 0) {
        bool is_same = left.data == out->body.data && out->body_object != NULL;
        *headers = list_of_fields(staged.items, staged.count);
        *body = is_same ? Py_NewRef(out->body_object) : bytes_of(left);
    }
    hfa_arena_reset(&arena);
    if (fields != usual && fields != listed.fields)
        PyMem_Free(fields);
    hfa_asgi_fields_free(&listed);
    if (*headers != NULL && *body != NULL)
        return 0;
    Py_CLEAR(*headers);
    Py_CLEAR(*body);
    return -1;
}

static int make_unstaged(const struct outgoing *out, PyObject **headers, PyObject **body)
{
    *headers = header_list(out);
    *body = *headers == NULL           ? NULL
            : out->body_object != NULL ? Py_NewRef(out->body_object)
                                       : bytes_of(out->body);
    if (*body != NULL)
        return 0;
    Py_CLEAR(*headers);
    return -1;
}

static PyObject *message_of(const struct hfa_state *state, PyObject *type, PyObject *key,
                            PyObject *value)
{
    PyObject *message = PyDict_New();

    if (message == NULL || value == NULL || PyDict_SetItem(message, state->str_type, type) < 0 ||
        PyDict_SetItem(message, key, value) < 0)
        Py_CLEAR(message);
    return message;
}

/* Through the send() that the run was entered with: two messages, as Response.__call__ sends. */
static int send_messages(struct hfa_run *run, const struct outgoing *out)
{
    const struct hfa_state *state = run->application->state;
    PyObject *headers, *body;
    int made = passes_stages(run) ? make_staged(run, out, &headers, &body)
                                  : make_unstaged(out, &headers, &body);

    if (made < 0)
        return -1;
    PyObject *status = PyLong_FromLong(out->status);
    PyObject *start = message_of(state, state->str_http_response_start, state->str_status, status);
    Py_XDECREF(status);
    if (start == NULL || PyDict_SetItem(start, state->str_headers, headers) < 0) {
        Py_XDECREF(start);
        Py_DECREF(headers);
        Py_DECREF(body);
        return -1;
    }
    Py_DECREF(headers);
    Py_XSETREF(run->response_body, body);
    run->response_started = true;
    run->phase = HFA_RUN_STARTED;
    PyObject *sending = PyObject_CallOneArg(run->send, start);
    Py_DECREF(start);
    return hfa_run_await(run, sending);
}

int hfa_run_send_body(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;
    PyObject *message =
        message_of(state, state->str_http_response_body, state->str_body, run->response_body);
    PyObject *sending = message == NULL ? NULL : PyObject_CallOneArg(run->send, message);

    Py_XDECREF(message);
    Py_CLEAR(run->response_body);
    run->phase = HFA_RUN_SENT;
    return hfa_run_await(run, sending);
}

/* Whether code of the user is due once the response is sent: background tasks, teardown. */
static bool has_rest(const struct hfa_run *run)
{
    return run->after != NULL || run->exit_count > 0 || run->form != NULL ||
           hfa_run_has_shown_exits(run);
}

/* To the middleware around, which takes it at once. 0: it wants messages, as it does where anything
 * lies between it and the run. */
static int send_whole(struct hfa_run *run, const struct outgoing *out)
{
    const struct hfa_state *state = run->application->state;
    PyObject *headers, *body;

    if (make_unstaged(out, &headers, &body) < 0)
        return -1;
    PyObject *status = PyLong_FromLong(out->status);
    PyObject *taken =
        status == NULL ? NULL
                       : PyObject_CallMethodObjArgs(run->send, state->str_whole, status, headers,
                                                    body, run->application->hooks.middleware, NULL);
    int result = taken == NULL ? -1 : taken == Py_True;

    Py_XDECREF(status);
    Py_DECREF(headers);
    Py_DECREF(body);
    Py_XDECREF(taken);
    if (result <= 0)
        return result;
    run->response_started = true;
    run->phase = HFA_RUN_SENT;
    if (has_rest(run) &&
        hfa_run_await(run, PyObject_CallMethodNoArgs(run->send, state->str_sent)) < 0)
        return -1;
    return 1;
}

/* Native middleware leaves a large body to the middleware itself, and a session that was used. */
static bool needs_middleware(const struct hfa_run *run, const struct outgoing *out)
{
    const struct hfa_response_stages *stages = &run->application->stages;

    return passes_stages(run) &&
           (hfa_response_stages_need_thread(stages, run->head, out->body.length) ||
            hfa_response_stages_need_scope(stages, run->scope));
}

static int send_out(struct hfa_run *run, const struct outgoing *out)
{
    if (hfa_run_trace_response(run) < 0)
        return -1;
    Py_XSETREF(run->after, Py_XNewRef(out->after));
    if (run->server != NULL)
        return send_native(run, out);
    if (!run->is_outside &&
        PyType_IsSubtype(Py_TYPE(run->send), (PyTypeObject *)run->application->hooks.whole_send)) {
        int taken = send_whole(run, out);
        if (taken != 0)
            return taken < 0 ? -1 : 0;
    }
    return send_messages(run, out);
}

/* --- Response objects ---------------------------------------------------------------------------
 */

/* send(), noticing the start of the response. */
static PyObject *method_send_noticing(PyObject *self, PyObject *message)
{
    struct hfa_run *run = (struct hfa_run *)self;
    const struct hfa_state *state = run->application->state;

    PyObject *type = PyObject_GetItem(message, state->str_type);
    if (type == NULL)
        return NULL;
    int is_start = PyObject_RichCompareBool(type, state->str_http_response_start, Py_EQ);
    Py_DECREF(type);
    if (is_start < 0)
        return NULL;
    if (is_start)
        run->response_started = true;
    return PyObject_CallOneArg(run->send, message);
}

static PyMethodDef send_noticing_def = {"send", method_send_noticing, METH_O,
                                        "Returns a coroutine that takes an ASGI message."};

/* Whether a dependency that yields may have opened a scope of AnyIO's around the response. */
static bool may_be_in_scope(const struct hfa_run *run)
{
    if (run->plan->entry_count == 0)
        return false;
    PyObject *answer = PyObject_CallNoArgs(run->application->hooks.is_in_scope);
    if (answer == NULL)
        PyErr_Clear();
    Py_XDECREF(answer); /* only compared */
    return answer != Py_False;
}

/* Whether all that native middleware does to a response in pieces is done to its head. */
static bool stages_take_it(const struct hfa_run *run)
{
    /* What sends itself gets the scope, and may use what is there. */
    if (hfa_response_stages_fill_scopes(&run->application->stages))
        return false;
    return hfa_response_stages_take_streams(
        &run->application->stages,
        run->plan->respond == HFA_RESPOND_EVENTS ? HFA_BYTES("text/event-stream") : HFA_BYTES(""));
}

/* Whether our server can send a stream by itself: nobody has to receive meanwhile, no middleware
 * has to see it, and no scope of AnyIO's is around it. */
static bool is_undisturbed(const struct hfa_run *run)
{
    const struct hfa_exchange *exchange = hfa_run_exchange(run);

    return run->server != NULL && stages_take_it(run) && exchange != NULL &&
           exchange->body_complete && hfa_buffer_bytes(&exchange->body).length == 0 &&
           !may_be_in_scope(run);
}

/* Lets the response send itself: streams, files, classes with a __call__ of their own. */
static int send_by_itself(struct hfa_run *run, PyObject *response)
{
    bool is_staged = passes_stages(run);
    if (is_staged && (run->server == NULL || !stages_take_it(run))) {
        run->phase = HFA_RUN_RESUMES; /* its messages pass the middleware */
        return 0;
    }
    if (hfa_run_need_call(run) < 0)
        return -1;
    if (is_staged)
        Py_XSETREF(run->call->staged_by, Py_NewRef((PyObject *)run->application));
    PyObject *sending;
    if (run->server != NULL) {
        bool listens = is_undisturbed(run) && run->plan->respond != HFA_RESPOND_EVENTS;
        sending = PyObject_CallFunctionObjArgs(run->application->hooks.send_by_server, response,
                                               run->scope, run->receive, run->send, (PyObject *)run,
                                               listens ? Py_True : Py_False, NULL);
    } else {
        PyObject *send = PyCFunction_New(&send_noticing_def, (PyObject *)run);
        sending = send == NULL ? NULL
                               : PyObject_CallFunctionObjArgs(response, run->scope, run->receive,
                                                              send, NULL);
        Py_XDECREF(send);
    }
    run->phase = HFA_RUN_SENT;
    run->is_sent_by_app = true;
    return hfa_run_await(run, sending);
}

static bool has_plain_call(const struct hfa_run *run, PyObject *response)
{
    PyObject *call =
        PyObject_GetAttr((PyObject *)Py_TYPE(response), run->application->state->str___call__);

    if (call == NULL)
        PyErr_Clear();
    Py_XDECREF(call); /* only compared */
    return call == run->application->hooks.response_call;
}

int hfa_run_send_response(struct hfa_run *run, PyObject *response)
{
    const struct hfa_state *state = run->application->state;
    struct outgoing out = {0};
    PyObject *status = NULL, *headers = NULL, *body = NULL, *after = NULL;
    int result = -1;

    if (hfa_run_trace_response(run) < 0)
        return -1;
    Py_XSETREF(run->response, Py_NewRef(response));
    int leaves_first = hfa_run_leaves_first(run);
    if (leaves_first != 0) {
        run->has_response = true;
        run->phase = HFA_RUN_LEAVES_EARLY;
        return leaves_first < 0 ? -1 : 0;
    }
    if (!has_plain_call(run, response))
        return send_by_itself(run, response);
    status = PyObject_GetAttr(response, state->str_status_code);
    headers = status == NULL ? NULL : PyObject_GetAttr(response, state->str_raw_headers);
    body = headers == NULL ? NULL : PyObject_GetAttr(response, state->str_body);
    after = body == NULL ? NULL : PyObject_GetAttr(response, state->str_background);
    if (after == NULL)
        goto done;
    int overflow = 0;
    long code = PyLong_AsLongAndOverflow(status, &overflow);
    if (code == -1 && PyErr_Occurred())
        goto done;
    if (!PyBytes_CheckExact(body) || !PyList_CheckExact(headers) || overflow != 0 || code < 200 ||
        code > 999) {
        result = send_by_itself(run, response);
        goto done;
    }
    out.status = (int)code;
    out.raw_headers = headers;
    out.body = (struct hfa_bytes){PyBytes_AS_STRING(body), (size_t)PyBytes_GET_SIZE(body)};
    out.body_object = body;
    out.after = after == Py_None ? NULL : after;
    result = needs_middleware(run, &out) ? send_by_itself(run, response) : send_out(run, &out);
done:
    Py_XDECREF(status);
    Py_XDECREF(headers);
    Py_XDECREF(body);
    Py_XDECREF(after);
    return result;
}

/* --- From the endpoint's result ------------------------------------------------------------------
 */

static int is_response(const struct hfa_run *run, PyObject *result)
{
    PyTypeObject *type = Py_TYPE(result);

    if (type == &PyDict_Type || type == &PyList_Type || type == &PyUnicode_Type ||
        result == Py_None)
        return 0;
    return PyObject_IsInstance(result, run->application->hooks.response_type);
}

static int respond_with_object(struct hfa_run *run)
{
    const struct hfa_state *state = run->application->state;

    if (run->background != NULL) {
        PyObject *own = PyObject_GetAttr(run->result, state->str_background);
        if (own == NULL)
            return -1;
        Py_DECREF(own); /* only compared */
        if (own == Py_None &&
            PyObject_SetAttr(run->result, state->str_background, run->background) < 0)
            return -1;
    }
    return hfa_run_send_response(run, run->result);
}

/* The status that dependencies have set, else the route's; 0: the response class's own. */
static int status_of(const struct hfa_run *run, int *status)
{
    *status = run->plan->status_code;
    if (run->injected_response == NULL)
        return 0;
    PyObject *code =
        PyObject_GetAttr(run->injected_response, run->application->state->str_status_code);
    if (code == NULL)
        return -1;
    int truth = PyObject_IsTrue(code);
    long number = truth > 0 ? PyLong_AsLong(code) : 0;
    Py_DECREF(code);
    if (truth < 0 || (number == -1 && PyErr_Occurred()))
        return -1;
    if (truth > 0)
        *status = number < 0 || number > 9999 ? 9999 : (int)number;
    return 0;
}

static PyObject *injected_headers(const struct hfa_run *run)
{
    if (run->injected_response == NULL)
        return NULL;
    return PyObject_GetAttr(run->injected_response, run->application->state->str_raw_headers);
}

/* With a Response object: for 1xx, 204, 205, 304, of which FastAPI makes something else, and for
 * what native middleware does not take. Takes `content`, bytes. */
static int respond_as_object(struct hfa_run *run, int status, PyObject *content)
{
    PyObject *code = PyLong_FromLong(status);
    PyObject *response =
        code == NULL || content == NULL
            ? NULL
            : PyObject_CallFunctionObjArgs(
                  run->application->hooks.json_response, content, code,
                  run->background == NULL ? Py_None : run->background,
                  run->injected_response == NULL ? Py_None : run->injected_response, NULL);
    Py_XDECREF(code);
    Py_XDECREF(content);
    int result = response == NULL ? -1 : hfa_run_send_response(run, response);
    Py_XDECREF(response);
    return result;
}

/* JSON in bytes, or in the encoder's buffer. */
static int respond_json(struct hfa_run *run, struct hfa_bytes body, PyObject *object)
{
    struct outgoing out = {.body = body, .body_object = object, .after = run->background};

    if (status_of(run, &out.status) < 0)
        return -1;
    if (out.status == 0)
        out.status = 200;
    int leaves_first = hfa_run_leaves_first(run);
    if (leaves_first < 0)
        return -1;
    if (leaves_first > 0 || out.status < 200 || out.status == 204 || out.status == 205 ||
        out.status == 304 || out.status > 999 || needs_middleware(run, &out))
        return respond_as_object(
            run, out.status,
            object != NULL ? Py_NewRef(object)
                           : PyBytes_FromStringAndSize(body.data, (Py_ssize_t)body.length));
    PyObject *more = injected_headers(run);
    if (more == NULL && PyErr_Occurred())
        return -1;
    out.more = more;
    int result = send_out(run, &out);
    Py_XDECREF(more);
    return result;
}

static int respond_encoded(struct hfa_run *run)
{
    struct hfa_json_encoder *encoder = hfa_application_take_encoder(run->application);

    if (encoder == NULL)
        return -1;
    int result = hfa_json_encode(encoder, run->result);
    if (result == 0)
        result = respond_json(run, (struct hfa_bytes){encoder->data, encoder->length}, NULL);
    hfa_application_give_back(run->application, encoder);
    return result;
}

/* 1: sent, or on its way; 0: the result is not as the response model wants it. */
static int respond_shape(struct hfa_run *run)
{
    struct hfa_json_encoder *encoder = hfa_application_take_encoder(run->application);

    if (encoder == NULL)
        return -1;
    int status = hfa_shape_write(run->plan->response_shape, encoder, run->result);
    if (status > 0 &&
        respond_json(run, (struct hfa_bytes){encoder->data, encoder->length}, NULL) < 0)
        status = -1;
    hfa_application_give_back(run->application, encoder);
    return status;
}

static int respond_bytes(struct hfa_run *run, PyObject *json)
{
    return respond_json(
        run, (struct hfa_bytes){PyBytes_AS_STRING(json), (size_t)PyBytes_GET_SIZE(json)}, json);
}

static int respond_model(struct hfa_run *run)
{
    PyObject *json = hfa_response_model_json(run->plan, run->result);
    int result = json == NULL ? -1 : respond_bytes(run, json);

    Py_XDECREF(json);
    return result;
}

static int respond_with_class(struct hfa_run *run)
{
    PyObject *response = PyObject_CallFunctionObjArgs(
        run->plan->make_response, run->result,
        run->injected_response == NULL ? Py_None : run->injected_response,
        run->background == NULL ? Py_None : run->background, NULL);

    if (response == NULL)
        return -1;
    int result = hfa_run_send_response(run, response);
    Py_DECREF(response);
    return result;
}

/* With the generator that the endpoint has given. */
static int respond_stream(struct hfa_run *run)
{
    PyObject *request = NULL;

    if (run->plan->respond == HFA_RESPOND_EVENTS) {
        request = Py_None;
        if (!is_undisturbed(run)) {
            if (hfa_run_need_request(run) < 0)
                return -1;
            request = run->request;
        }
    }
    PyObject *method = hfa_run_method(run);
    PyObject *root_path = method == NULL ? NULL : hfa_run_root_path(run);
    PyObject *made = root_path == NULL
                         ? NULL
                         : PyObject_CallFunctionObjArgs(
                               run->plan->make_response, run->result,
                               run->injected_response == NULL ? Py_None : run->injected_response,
                               run->background == NULL ? Py_None : run->background, method,
                               root_path, request, NULL);
    Py_XDECREF(method);
    Py_XDECREF(root_path);
    if (request != NULL && request != Py_None) {
        if (hfa_run_await(run, made) < 0)
            return -1;
        run->awaits_response = true;
        return 0;
    }
    int result = made == NULL ? -1 : hfa_run_send_response(run, made);
    Py_XDECREF(made);
    return result;
}

int hfa_run_respond(struct hfa_run *run)
{
    if (run->plan->respond == HFA_RESPOND_STREAM || run->plan->respond == HFA_RESPOND_EVENTS)
        return respond_stream(run);
    if (run->plan->respond == HFA_RESPOND_RESULT)
        return hfa_run_send_response(run, run->result);
    int answer = is_response(run, run->result);

    if (answer < 0)
        return -1;
    if (answer > 0)
        return respond_with_object(run);
    if (run->json != NULL)
        return respond_bytes(run, run->json);
    if (run->plan->response_shape != NULL && !run->is_validated) {
        int status = respond_shape(run);
        if (status != 0)
            return status < 0 ? -1 : 0;
    }
    if (run->plan->response_validate != NULL && !run->is_validated &&
        hfa_run_validate_result(run) < 0)
        return -1;
    switch (run->plan->respond) {
    case HFA_RESPOND_ENCODE:
        return respond_encoded(run);
    case HFA_RESPOND_MODEL:
        return respond_model(run);
    case HFA_RESPOND_CLASS:
        return respond_with_class(run);
    case HFA_RESPOND_STREAM:
    case HFA_RESPOND_EVENTS:
    case HFA_RESPOND_RESULT:
        break;
    }
    return -1;
}
