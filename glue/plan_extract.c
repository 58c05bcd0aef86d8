/* Parameters and bodies of a run: from the request's bytes to validated values. */
#include "cookie_text.h"
#include "plain_value.h"
#include "plan_run.h"
#include "query_text.h"
#include "run_trace.h"
#include "scope.h"
#include "server_object.h"
#include "shape_make.h"

/* --- Errors ----------------------------------------------------------------------------------- */

/* Takes `errors`, a sequence of FastAPI's error dictionaries or NULL with an exception. */
static int add_errors(struct hfa_run *run, unsigned index, PyObject *errors)
{
    const struct hfa_plan *plan = run->plan;

    if (errors == NULL)
        return -1;
    if (run->errors == NULL)
        run->errors = PyList_New(0);
    PyObject *none = run->errors == NULL ? NULL : PySequence_InPlaceConcat(run->errors, errors);
    Py_DECREF(errors);
    if (none == NULL)
        return -1;
    Py_DECREF(none);
    for (int at = (int)index; at >= 0; at = plan->frames[at].parent)
        run->failed |= UINT64_C(1) << at;
    return 0;
}

static int add_missing(struct hfa_run *run, unsigned index, const struct hfa_alias *alias)
{
    return add_errors(run, index,
                      PyObject_CallOneArg(run->application->hooks.missing_error, alias->location));
}

/* --- One value -------------------------------------------------------------------------------- */

/* field.validate(value): the validated value, a new reference; NULL without an exception when it
 * is invalid. */
static PyObject *validate(struct hfa_run *run, unsigned index,
                          const struct hfa_parameter *parameter, const struct hfa_alias *alias,
                          PyObject *value)
{
    const struct hfa_hooks *hooks = &run->application->hooks;
    const struct hfa_state *state = run->application->state;
    PyObject *args[] = {NULL, value, Py_True};

    if (parameter->shape != NULL) {
        PyObject *made = hfa_shape_make(parameter->shape, value);
        if (made != NULL || PyErr_Occurred())
            return made;
    }
    PyObject *valid =
        PyObject_Vectorcall(parameter->validate, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                            state->from_attributes_kwnames);
    if (valid != NULL || !PyErr_ExceptionMatches(hooks->validation_error))
        return valid;
    PyObject *exception = hfa_take_exception();
    PyObject *errors =
        PyObject_CallFunctionObjArgs(hooks->field_errors, exception, alias->location, NULL);
    Py_DECREF(exception);
    add_errors(run, index, errors);
    return NULL;
}

/* The short cut of a parameter; NULL without an exception where pydantic has to look. */
static PyObject *plain_value(enum hfa_conversion conversion, struct hfa_bytes text)
{
    switch (conversion) {
    case HFA_CONVERT_INT:
        return hfa_plain_int(text);
    case HFA_CONVERT_FLOAT:
        return hfa_plain_float(text);
    case HFA_CONVERT_BOOL:
        return hfa_plain_bool(text);
    case HFA_CONVERT_STR:
    case HFA_CONVERT_VALIDATE:
        break;
    }
    return NULL;
}

static PyObject *decode_latin1(struct hfa_bytes text)
{
    return PyUnicode_DecodeLatin1(text.data, (Py_ssize_t)text.length, NULL);
}

PyObject *hfa_run_header(const struct hfa_run *run, struct hfa_bytes name)
{
    const struct hfa_bytes *value = hfa_request_field(run->head, name);

    return value == NULL ? NULL : decode_latin1(*value);
}

static PyObject *header_list(const struct hfa_run *run, struct hfa_bytes name)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; i < run->head->field_count && list != NULL; i++) {
        if (!hfa_bytes_equal(run->head->fields[i].name, name))
            continue;
        PyObject *text = decode_latin1(run->head->fields[i].value);
        if (text == NULL || PyList_Append(list, text) < 0)
            Py_CLEAR(list);
        Py_XDECREF(text);
    }
    return list;
}

static PyObject *path_value(const struct hfa_run *run, unsigned index)
{
    struct hfa_bytes text = run->params[index];
    PyObject *string, *value;

    switch (run->plan->path_kinds[index]) {
    case HFA_PATH_STR:
        return PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.length, NULL);
    case HFA_PATH_INT:
        value = hfa_plain_int(text);
        if (value != NULL || PyErr_Occurred())
            return value;
        string = PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.length, NULL);
        value = string == NULL ? NULL : PyLong_FromUnicodeObject(string, 10);
        Py_XDECREF(string);
        return value;
    case HFA_PATH_FLOAT:
        string = PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.length, NULL);
        value = string == NULL ? NULL : PyFloat_FromString(string);
        Py_XDECREF(string);
        return value;
    case HFA_PATH_UUID:
        string = PyUnicode_DecodeUTF8(text.data, (Py_ssize_t)text.length, NULL);
        value =
            string == NULL ? NULL : PyObject_CallOneArg(run->application->hooks.make_uuid, string);
        Py_XDECREF(string);
        return value;
    }
    return NULL;
}

PyObject *hfa_run_path_params(struct hfa_run *run)
{
    PyObject *params =
        run->outer_path_params == NULL ? PyDict_New() : PyDict_Copy(run->outer_path_params);

    for (size_t i = 0; i < run->plan->path_param_count && params != NULL; i++) {
        PyObject *value = path_value(run, (unsigned)i);
        if (value == NULL ||
            PyDict_SetItem(params, PyTuple_GET_ITEM(run->plan->path_names, (Py_ssize_t)i), value) <
                0)
            Py_CLEAR(params);
        Py_XDECREF(value);
    }
    return params;
}

/* What has been found of a parameter: raw text that may need decoding, or an object. */
struct found {
    PyObject *object;     /* owned */
    struct hfa_bytes raw; /* when there is no object */
    bool is_raw;
};

static bool find_query(const struct hfa_run *run, const struct hfa_parameter *parameter,
                       const struct hfa_alias *alias, struct found *found)
{
    if (parameter->is_list) {
        found->object = hfa_query_text_list(run->head->query, alias->wire);
        if (found->object != NULL && PyList_GET_SIZE(found->object) == 0)
            Py_CLEAR(found->object);
        return found->object != NULL;
    }
    found->is_raw = hfa_query_find_last(run->head->query, alias->wire, &found->raw);
    return found->is_raw;
}

static bool find_header(const struct hfa_run *run, const struct hfa_parameter *parameter,
                        const struct hfa_alias *alias, struct found *found)
{
    if (parameter->is_list) {
        found->object = header_list(run, alias->wire);
        if (found->object != NULL && PyList_GET_SIZE(found->object) == 0)
            Py_CLEAR(found->object);
    } else {
        found->object = hfa_run_header(run, alias->wire);
    }
    return found->object != NULL;
}

static bool find_body_item(const struct hfa_run *run, const struct hfa_alias *alias,
                           struct found *found)
{
    if (run->body == NULL || !PyDict_CheckExact(run->body))
        return false;
    found->object = Py_XNewRef(PyDict_GetItemWithError(run->body, alias->text));
    return found->object != NULL;
}

/* Looks for the parameter under its names, the preferred one first. *alias is the one that it was
 * found under, else the first. 1 found, 0 absent, -1 with an exception. */
static int find(struct hfa_run *run, const struct hfa_parameter *parameter,
                const struct hfa_alias **alias, struct found *found)
{
    *found = (struct found){0};
    for (size_t i = 0; i < parameter->alias_count; i++) {
        bool is_there = false;
        *alias = &parameter->aliases[i];
        switch (parameter->source) {
        case HFA_SOURCE_PATH:
            found->object = path_value(run, parameter->path_index);
            is_there = found->object != NULL;
            break;
        case HFA_SOURCE_QUERY:
            is_there = find_query(run, parameter, *alias, found);
            break;
        case HFA_SOURCE_HEADER:
            is_there = find_header(run, parameter, *alias, found);
            break;
        case HFA_SOURCE_COOKIE:
            if (hfa_cookie_find_last(run->head->fields, run->head->field_count, (*alias)->wire,
                                     &found->raw))
                found->object = hfa_cookie_text(found->raw);
            is_there = found->object != NULL;
            break;
        case HFA_SOURCE_BODY_ITEM:
            is_there = find_body_item(run, *alias, found);
            break;
        case HFA_SOURCE_FORM:
            if (run->form != NULL)
                found->object = hfa_form_reader_find(run->form, (*alias)->text, parameter->is_list);
            is_there = found->object != NULL;
            break;
        case HFA_SOURCE_BODY:
        case HFA_SOURCE_DELEGATED:
            break;
        }
        if (is_there)
            return 1;
        if (PyErr_Occurred())
            return -1;
    }
    *alias = &parameter->aliases[0];
    return 0;
}

/* The default of an absent parameter: a new reference; NULL without an exception: an error has been
 * recorded. */
static PyObject *absent(struct hfa_run *run, unsigned index, const struct hfa_parameter *parameter,
                        const struct hfa_alias *alias)
{
    PyObject *value;

    if (parameter->is_required) {
        add_missing(run, index, alias);
        return NULL;
    }
    if (parameter->default_value != NULL)
        value = Py_NewRef(parameter->default_value);
    else
        value = PyObject_CallOneArg(run->application->hooks.default_of, parameter->field);
    if (value == NULL || !parameter->validates_default)
        return value;
    PyObject *valid = validate(run, index, parameter, alias, value);
    Py_DECREF(value);
    return valid;
}

/* A new reference to the value; NULL with an exception, or without one: an error was recorded. */
static PyObject *value_of(struct hfa_run *run, unsigned index,
                          const struct hfa_parameter *parameter)
{
    const struct hfa_alias *alias;
    struct found found;
    PyObject *valid;

    int outcome = find(run, parameter, &alias, &found);
    if (outcome < 0)
        return NULL;
    if (outcome == 0)
        return absent(run, index, parameter, alias);
    if (found.is_raw) {
        valid = plain_value(parameter->conversion, found.raw);
        if (valid != NULL || PyErr_Occurred())
            return valid;
        found.object = hfa_query_text(found.raw);
        if (found.object == NULL)
            return NULL;
    }
    if (PyUnicode_CheckExact(found.object)) {
        if (parameter->conversion == HFA_CONVERT_STR)
            return found.object;
        if (parameter->conversion != HFA_CONVERT_VALIDATE && !found.is_raw) {
            struct hfa_bytes text = {NULL, 0};
            Py_ssize_t length = 0;
            text.data = PyUnicode_AsUTF8AndSize(found.object, &length);
            text.length = (size_t)length;
            valid = text.data == NULL ? NULL : plain_value(parameter->conversion, text);
            if (valid != NULL) {
                Py_DECREF(found.object);
                return valid;
            }
            PyErr_Clear();
        }
    }
    valid = validate(run, index, parameter, alias, found.object);
    Py_DECREF(found.object);
    return valid;
}

/* --- The body --------------------------------------------------------------------------------- */

static bool is_plain_json(struct hfa_bytes type)
{
    return hfa_bytes_equal_lower(type, HFA_BYTES("application/json"));
}

/* Whether FastAPI parses the body as JSON: -1 with an exception. */
static int is_json(const struct hfa_run *run)
{
    const struct hfa_request *head = run->head;

    for (size_t i = 0; i < head->field_count; i++) {
        if (!hfa_bytes_equal(head->fields[i].name, HFA_BYTES("content-type")))
            continue;
        if (is_plain_json(head->fields[i].value))
            return 1;
        if (head->fields[i].value.length == 0)
            break;
        PyObject *text = decode_latin1(head->fields[i].value);
        PyObject *answer =
            text == NULL ? NULL : PyObject_CallOneArg(run->application->hooks.is_json, text);
        int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
        Py_XDECREF(text);
        Py_XDECREF(answer);
        return truth;
    }
    return !run->plan->strict_content_type;
}

static int parse_json(struct hfa_run *run)
{
    run->body =
        hfa_json_decode(&run->application->state->json_decoder, PyBytes_AS_STRING(run->body_bytes),
                        (size_t)PyBytes_GET_SIZE(run->body_bytes));
    return run->body == NULL ? -1 : 0;
}

int hfa_run_raise_body_error(struct hfa_run *run)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyObject *exception = hfa_take_exception();
    PyObject *method = hfa_run_trace_request(run) < 0 ? NULL : hfa_run_method(run);
    PyObject *root_path = method == NULL ? NULL : hfa_run_root_path(run);
    PyObject *instead =
        root_path == NULL
            ? NULL
            : PyObject_CallFunctionObjArgs(run->application->hooks.body_error, exception,
                                           run->plan->info, method, root_path, NULL);
    Py_XDECREF(method);
    Py_XDECREF(root_path);
    Py_DECREF(exception);
    if (instead != NULL)
        hfa_raise_exception(instead);
    return -1;
}

/* Integers beyond 64 bits become floats in validate_json by a way of its own: infinity where
 * validate_python refuses them. Every run of so many digits covers one of the places looked at. */
static bool has_long_number(PyObject *bytes)
{
    enum { DIGITS = 19 };
    const char *text = PyBytes_AS_STRING(bytes);
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);

    for (Py_ssize_t at = DIGITS - 1; at < size; at += DIGITS) {
        Py_ssize_t first = at, end = at;
        while (first > 0 && Py_ISDIGIT(text[first - 1]))
            first--;
        while (end < size && Py_ISDIGIT(text[end]))
            end++;
        if (end > at && end - first >= DIGITS)
            return true;
    }
    return false;
}

int hfa_run_parse_body(struct hfa_run *run)
{
    if (PyBytes_GET_SIZE(run->body_bytes) == 0)
        return 0; /* no body: Undefined */
    int json = is_json(run);
    if (json < 0)
        return hfa_run_raise_body_error(run);
    if (!json) {
        run->body = Py_NewRef(run->body_bytes);
        return 0;
    }
    if (run->plan->validate_json != NULL && !has_long_number(run->body_bytes)) {
        run->model = PyObject_CallOneArg(run->plan->validate_json, run->body_bytes);
        if (run->model != NULL)
            return 0;
        /* Invalid JSON, or an invalid model: FastAPI's way tells which, and how. */
        if (!PyErr_ExceptionMatches(PyExc_ValueError))
            return -1;
        PyErr_Clear();
    }
    return parse_json(run) < 0 ? hfa_run_raise_body_error(run) : 0;
}

int hfa_run_need_body(struct hfa_run *run)
{
    if (run->plan->body == HFA_BODY_FORM)
        return hfa_run_make_form(run);
    if (run->model == NULL || run->body != NULL)
        return 0;
    return parse_json(run);
}

/* --- A frame ---------------------------------------------------------------------------------- */

static PyObject *body_value(struct hfa_run *run, unsigned index,
                            const struct hfa_parameter *parameter)
{
    const struct hfa_alias *alias = &parameter->aliases[0];

    if (run->model != NULL)
        return Py_NewRef(run->model);
    if (run->body == NULL)
        return absent(run, index, parameter, alias);
    return validate(run, index, parameter, alias, run->body);
}

int hfa_run_spread(struct hfa_run *run, const struct hfa_frame *frame, PyObject *values)
{
    PyObject *name, *value;
    Py_ssize_t position = 0;

    if (!PyDict_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "values have to be a dict");
        return -1;
    }
    while (PyDict_Next(values, &position, &name, &value)) {
        for (unsigned slot = 0; slot < frame->value_count; slot++) {
            int equal = PyUnicode_Compare(PyTuple_GET_ITEM(frame->kwnames, slot), name) == 0;
            if (equal) {
                Py_XSETREF(run->values[frame->first + slot], Py_NewRef(value));
                break;
            }
        }
    }
    return 0;
}

static PyObject *raw_headers(const struct hfa_run *run)
{
    return hfa_scope_headers(run->application->state, run->head);
}

/* Takes (values, errors) of FastAPI's own functions; NULL with an exception. */
static int take_delegated(struct hfa_run *run, unsigned index, PyObject *pair)
{
    if (pair == NULL)
        return -1;
    int status = -1;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
        PyErr_SetString(PyExc_TypeError, "(values, errors) expected");
    else
        status = hfa_run_spread(run, &run->plan->frames[index], PyTuple_GET_ITEM(pair, 0));
    if (status == 0) {
        PyObject *errors = PyTuple_GET_ITEM(pair, 1);
        int count = PyObject_IsTrue(errors);
        status = count < 0 ? -1 : count == 0 ? 0 : add_errors(run, index, Py_NewRef(errors));
    }
    Py_DECREF(pair);
    return status;
}

static int delegate(struct hfa_run *run, unsigned index, const struct hfa_parameter *parameter)
{
    const struct hfa_hooks *hooks = &run->application->hooks;
    PyObject *material;

    switch (parameter->delegated_source) {
    case HFA_SOURCE_FORM: { /* hfa_run_extract_form() has had it done */
        PyObject *values = run->form_values;
        run->form_values = NULL;
        return take_delegated(run, index, values);
    }
    case HFA_SOURCE_PATH:
        material = hfa_run_path_params(run);
        break;
    case HFA_SOURCE_QUERY:
        material =
            PyBytes_FromStringAndSize(run->head->query.data, (Py_ssize_t)run->head->query.length);
        break;
    case HFA_SOURCE_HEADER:
    case HFA_SOURCE_COOKIE:
        material = raw_headers(run);
        break;
    default:
        material = NULL;
        PyErr_SetString(PyExc_SystemError, "a source that is not delegated");
    }
    PyObject *source = material == NULL ? NULL : PyLong_FromLong((long)parameter->delegated_source);
    PyObject *pair = source == NULL
                         ? NULL
                         : PyObject_CallFunctionObjArgs(hooks->delegated, parameter->field, source,
                                                        material, NULL);
    Py_XDECREF(source);
    Py_XDECREF(material);
    return take_delegated(run, index, pair);
}

/* Several body parameters and a body that is no JSON object: FastAPI's own rules. */
static int delegate_body(struct hfa_run *run, unsigned index)
{
    const struct hfa_hooks *hooks = &run->application->hooks;
    PyObject *pair = PyObject_CallFunctionObjArgs(
        hooks->body_items, run->plan->frames[index].dependant,
        run->body == NULL ? Py_None : run->body, run->body == NULL ? Py_False : Py_True, NULL);

    return take_delegated(run, index, pair);
}

static int inject(struct hfa_run *run, const struct hfa_frame *frame)
{
    const struct hfa_hooks *hooks = &run->application->hooks;
    PyObject **values = run->values + frame->first;

    if (frame->connection_slot >= 0)
        Py_XSETREF(values[frame->connection_slot], Py_NewRef(run->request));
    if (frame->request_slot >= 0)
        Py_XSETREF(values[frame->request_slot], Py_NewRef(run->request));
    if (frame->background_slot >= 0) {
        if (run->background == NULL)
            run->background = PyObject_CallNoArgs(hooks->background_tasks);
        if (run->background == NULL)
            return -1;
        Py_XSETREF(values[frame->background_slot], Py_NewRef(run->background));
    }
    if (frame->response_slot >= 0) {
        if (run->injected_response == NULL)
            run->injected_response = PyObject_CallNoArgs(hooks->make_injected_response);
        if (run->injected_response == NULL)
            return -1;
        Py_XSETREF(values[frame->response_slot], Py_NewRef(run->injected_response));
    }
    if (frame->scopes_slot >= 0) {
        PyObject *scopes = PySequence_List(frame->scopes);
        PyObject *object =
            scopes == NULL ? NULL : PyObject_CallOneArg(hooks->security_scopes, scopes);
        Py_XDECREF(scopes);
        if (object == NULL)
            return -1;
        Py_XSETREF(values[frame->scopes_slot], object);
    }
    return 0;
}

int hfa_run_extract(struct hfa_run *run, unsigned index)
{
    const struct hfa_frame *frame = &run->plan->frames[index];
    bool is_body_delegated = false;

    for (size_t i = 0; i < frame->parameter_count; i++) {
        const struct hfa_parameter *parameter = &frame->parameters[i];
        if (parameter->source == HFA_SOURCE_DELEGATED) {
            if (delegate(run, index, parameter) < 0)
                return -1;
            continue;
        }
        if (parameter->source == HFA_SOURCE_BODY_ITEM &&
            (run->body == NULL || !PyDict_CheckExact(run->body))) {
            if (!is_body_delegated && delegate_body(run, index) < 0)
                return -1;
            is_body_delegated = true;
            continue;
        }
        PyObject *value = parameter->source == HFA_SOURCE_BODY ? body_value(run, index, parameter)
                                                               : value_of(run, index, parameter);
        if (value == NULL && PyErr_Occurred())
            return -1;
        Py_XSETREF(run->values[frame->first + parameter->slot], value);
    }
    return inject(run, frame);
}
