#include "response_stage.h"

#include "asgi_call.h"

static void clear_stage(struct hfa_response_stage *stage)
{
    switch (stage->kind) {
    case HFA_STAGE_CORS:
        hfa_cors_stage_clear(&stage->of.cors);
        break;
    case HFA_STAGE_GZIP:
        hfa_gzip_stage_clear(&stage->of.gzip);
        break;
    case HFA_STAGE_HOST:
        hfa_host_stage_clear(&stage->of.host);
        break;
    case HFA_STAGE_SESSION:
        hfa_session_stage_clear(&stage->of.session);
        break;
    case HFA_STAGE_HTTPS:
        break;
    }
    Py_CLEAR(stage->answer);
}

void hfa_response_stages_clear(struct hfa_response_stages *stages)
{
    while (stages->count > 0)
        clear_stage(&stages->items[--stages->count]);
}

static int init_stage(struct hfa_response_stage *stage, PyObject *description)
{
    const char *name;
    PyObject *details, *answer;

    *stage = (struct hfa_response_stage){.kind = HFA_STAGE_HTTPS};
    if (!PyArg_ParseTuple(description, "sO!O", &name, &PyTuple_Type, &details, &answer))
        return -1;
    stage->answer = Py_NewRef(answer);
    if (strcmp(name, "https") == 0)
        return 0;
    if (strcmp(name, "cors") == 0) {
        stage->kind = HFA_STAGE_CORS;
        return hfa_cors_stage_init(&stage->of.cors, details);
    }
    if (strcmp(name, "gzip") == 0) {
        stage->kind = HFA_STAGE_GZIP;
        return hfa_gzip_stage_init(&stage->of.gzip, details);
    }
    if (strcmp(name, "host") == 0) {
        stage->kind = HFA_STAGE_HOST;
        return hfa_host_stage_init(&stage->of.host, details);
    }
    if (strcmp(name, "session") == 0) {
        stage->kind = HFA_STAGE_SESSION;
        return hfa_session_stage_init(&stage->of.session, details);
    }
    PyErr_Format(PyExc_ValueError, "no such stage: %s", name);
    return -1;
}

int hfa_response_stages_init(struct hfa_response_stages *stages, PyObject *descriptions)
{
    Py_ssize_t count = PyTuple_GET_SIZE(descriptions);

    stages->count = 0;
    if (count > HFA_RESPONSE_STAGES_MAX) {
        PyErr_Format(PyExc_ValueError, "at most %d stages", HFA_RESPONSE_STAGES_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        struct hfa_response_stage *stage = &stages->items[i];
        if (init_stage(stage, PyTuple_GET_ITEM(descriptions, i)) < 0) {
            clear_stage(stage);
            hfa_response_stages_clear(stages);
            return -1;
        }
        stages->count++;
    }
    return 0;
}

int hfa_response_stages_traverse(const struct hfa_response_stages *stages, visitproc visit,
                                 void *arg)
{
    for (size_t i = 0; i < stages->count; i++) {
        const struct hfa_response_stage *stage = &stages->items[i];
        Py_VISIT(stage->answer);
        int result = 0;
        if (stage->kind == HFA_STAGE_CORS)
            result = hfa_cors_stage_traverse(&stage->of.cors, visit, arg);
        else if (stage->kind == HFA_STAGE_SESSION)
            result = hfa_session_stage_traverse(&stage->of.session, visit, arg);
        if (result != 0)
            return result;
    }
    return 0;
}

static bool answers(const struct hfa_response_stage *stage, const struct hfa_request *request,
                    bool is_secure)
{
    switch (stage->kind) {
    case HFA_STAGE_CORS:
        return !request->is_websocket && hfa_cors_stage_is_preflight(request);
    case HFA_STAGE_HOST:
        return !hfa_host_stage_allows(&stage->of.host, request);
    case HFA_STAGE_HTTPS:
        return !is_secure;
    case HFA_STAGE_SESSION:
        return !hfa_session_stage_is_certain(&stage->of.session, request);
    case HFA_STAGE_GZIP:
        break;
    }
    return false;
}

Py_ssize_t hfa_response_stages_answering(const struct hfa_response_stages *stages,
                                         const struct hfa_request *request, bool is_secure)
{
    for (size_t i = stages->count; i > 0; i--) {
        if (answers(&stages->items[i - 1], request, is_secure))
            return (Py_ssize_t)i - 1;
    }
    return -1;
}

PyObject *hfa_response_stages_answer(const struct hfa_response_stages *stages, Py_ssize_t stage,
                                     PyObject *scope)
{
    PyObject *response = PyObject_CallOneArg(stages->items[stage].answer, scope);

    if (response == NULL)
        PyErr_Clear(); /* the middleware itself will meet it, too */
    else if (response == Py_None)
        Py_CLEAR(response);
    return response;
}

bool hfa_response_stages_fill_scopes(const struct hfa_response_stages *stages)
{
    for (size_t i = 0; i < stages->count; i++) {
        if (stages->items[i].kind == HFA_STAGE_SESSION)
            return true;
    }
    return false;
}

int hfa_response_stages_fill(const struct hfa_response_stages *stages, PyObject *scope)
{
    for (size_t i = stages->count; i > 0; i--) {
        const struct hfa_response_stage *stage = &stages->items[i - 1];
        if (stage->kind == HFA_STAGE_SESSION &&
            hfa_session_stage_open(&stage->of.session, scope) < 0)
            return -1;
    }
    return 0;
}

bool hfa_response_stages_need_scope(const struct hfa_response_stages *stages, PyObject *scope)
{
    for (size_t i = 0; i < stages->count && scope != NULL; i++) {
        const struct hfa_response_stage *stage = &stages->items[i];
        if (stage->kind == HFA_STAGE_SESSION &&
            !hfa_session_stage_is_unused(&stage->of.session, scope))
            return true;
    }
    return false;
}

bool hfa_response_stages_need_thread(const struct hfa_response_stages *stages,
                                     const struct hfa_request *request, size_t size)
{
    for (size_t i = 0; i < stages->count; i++) {
        const struct hfa_response_stage *stage = &stages->items[i];
        if (stage->kind == HFA_STAGE_GZIP &&
            hfa_gzip_stage_needs_thread(&stage->of.gzip, request, size))
            return true;
    }
    return false;
}

bool hfa_response_stages_take_streams(const struct hfa_response_stages *stages,
                                      struct hfa_bytes type)
{
    for (size_t i = 0; i < stages->count; i++) {
        const struct hfa_response_stage *stage = &stages->items[i];
        if (stage->kind == HFA_STAGE_GZIP && !hfa_gzip_stage_excludes(&stage->of.gzip, type))
            return false;
    }
    return true;
}

/* What they do to the head of a response in pieces. -1 with an exception. */
static int begin(const struct hfa_response_stages *stages, const struct hfa_request *request,
                 struct hfa_response_fields *fields)
{
    for (size_t i = 0; i < stages->count; i++) {
        const struct hfa_response_stage *stage = &stages->items[i];
        if (stage->kind == HFA_STAGE_CORS &&
            hfa_cors_stage_apply(&stage->of.cors, request, fields) < 0)
            return -1;
    }
    return 0;
}

int hfa_response_stages_start(const struct hfa_response_stages *stages,
                              struct hfa_exchange *exchange, int status,
                              const struct hfa_asgi_fields *fields)
{
    struct hfa_response_fields staged;

    if (stages == NULL || stages->count == 0)
        return hfa_asgi_check(
            hfa_exchange_start(exchange, status, fields->fields, fields->count, false));
    if (!hfa_response_fields_init(&staged, &exchange->arena, fields->fields, fields->count)) {
        PyErr_NoMemory();
        return -1;
    }
    if (begin(stages, &exchange->request, &staged) < 0)
        return -1;
    return hfa_asgi_check(hfa_exchange_start(exchange, status, staged.items, staged.count, false));
}

int hfa_response_stages_apply(struct hfa_response_stages *stages, size_t from,
                              const struct hfa_request *request, int status,
                              struct hfa_response_fields *fields, struct hfa_bytes *body)
{
    for (size_t i = from; i < stages->count; i++) {
        struct hfa_response_stage *stage = &stages->items[i];
        int result = 0;
        if (stage->kind == HFA_STAGE_CORS)
            result = hfa_cors_stage_apply(&stage->of.cors, request, fields);
        else if (stage->kind == HFA_STAGE_GZIP)
            result = hfa_gzip_stage_apply(&stage->of.gzip, request, status, fields, body);
        if (result < 0)
            return -1;
    }
    return 0;
}
