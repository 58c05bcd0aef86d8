#include "plan.h"

/* Reading the compiler's description: attributes of plain Python objects. Each returns false with
 * an exception. */
static bool read_object(PyObject *from, const char *name, PyObject **object)
{
    *object = PyObject_GetAttrString(from, name);
    return *object != NULL;
}

/* None becomes NULL. */
static bool read_optional(PyObject *from, const char *name, PyObject **object)
{
    if (!read_object(from, name, object))
        return false;
    if (*object == Py_None)
        Py_CLEAR(*object);
    return true;
}

static bool read_long(PyObject *from, const char *name, long *number)
{
    PyObject *value = PyObject_GetAttrString(from, name);

    if (value == NULL)
        return false;
    *number = PyLong_AsLong(value);
    Py_DECREF(value);
    return *number != -1 || !PyErr_Occurred();
}

static bool read_int64(PyObject *from, const char *name, int64_t *number)
{
    PyObject *value = PyObject_GetAttrString(from, name);

    if (value == NULL)
        return false;
    *number = PyLong_AsLongLong(value);
    Py_DECREF(value);
    return *number != -1 || !PyErr_Occurred();
}

static bool read_int(PyObject *from, const char *name, int *number)
{
    long value;

    if (!read_long(from, name, &value))
        return false;
    *number = (int)value;
    return true;
}

static bool read_unsigned(PyObject *from, const char *name, unsigned *number)
{
    long value;

    if (!read_long(from, name, &value))
        return false;
    *number = (unsigned)value;
    return true;
}

static bool read_bool(PyObject *from, const char *name, bool *answer)
{
    PyObject *value = PyObject_GetAttrString(from, name);

    if (value == NULL)
        return false;
    int truth = PyObject_IsTrue(value);
    Py_DECREF(value);
    *answer = truth > 0;
    return truth >= 0;
}

/* The items of a tuple attribute; the tuple is owned by *tuple. */
static bool read_tuple(PyObject *from, const char *name, PyObject **tuple, size_t *count)
{
    if (!read_object(from, name, tuple))
        return false;
    if (!PyTuple_Check(*tuple)) {
        PyErr_Format(PyExc_TypeError, "%s has to be a tuple", name);
        return false;
    }
    *count = (size_t)PyTuple_GET_SIZE(*tuple);
    return true;
}

static bool read_alias(PyObject *from, struct hfa_alias *alias)
{
    if (!read_object(from, "wire", &alias->bytes) || !read_object(from, "text", &alias->text) ||
        !read_object(from, "location", &alias->location))
        return false;
    if (!PyBytes_Check(alias->bytes) || !PyUnicode_Check(alias->text)) {
        PyErr_SetString(PyExc_TypeError, "an alias has bytes and text");
        return false;
    }
    alias->wire =
        (struct hfa_bytes){PyBytes_AS_STRING(alias->bytes), (size_t)PyBytes_GET_SIZE(alias->bytes)};
    return true;
}

static bool read_shape(PyObject *from, const char *name, struct hfa_shape **shape)
{
    PyObject *description = NULL;
    bool good = read_optional(from, name, &description);

    if (good && description != NULL) {
        *shape = hfa_shape_read(description);
        good = *shape != NULL;
    }
    Py_XDECREF(description);
    return good;
}

static bool read_parameter(PyObject *from, struct hfa_parameter *parameter)
{
    PyObject *aliases = NULL;
    int source, conversion, delegated_source;
    bool has_default;

    if (!read_int(from, "source", &source) || !read_int(from, "conversion", &conversion) ||
        !read_int(from, "delegated_source", &delegated_source) ||
        !read_bool(from, "is_list", &parameter->is_list) ||
        !read_bool(from, "is_required", &parameter->is_required) ||
        !read_bool(from, "validates_default", &parameter->validates_default) ||
        !read_bool(from, "has_constant_default", &has_default) ||
        !read_unsigned(from, "slot", &parameter->slot) ||
        !read_unsigned(from, "path_index", &parameter->path_index) ||
        !read_object(from, "field", &parameter->field) ||
        !read_shape(from, "shape", &parameter->shape) ||
        !read_optional(from, "validate", &parameter->validate) ||
        !read_object(from, "default", &parameter->default_value) ||
        !read_tuple(from, "aliases", &aliases, &parameter->alias_count)) {
        Py_XDECREF(aliases);
        return false;
    }
    parameter->source = (enum hfa_source)source;
    parameter->conversion = (enum hfa_conversion)conversion;
    parameter->delegated_source = (enum hfa_source)delegated_source;
    if (!has_default)
        Py_CLEAR(parameter->default_value);
    parameter->aliases = PyMem_Calloc(parameter->alias_count + 1, sizeof(*parameter->aliases));
    bool good = parameter->aliases != NULL;
    if (!good) {
        parameter->alias_count = 0;
        PyErr_NoMemory();
    }
    for (size_t i = 0; i < parameter->alias_count && good; i++)
        good = read_alias(PyTuple_GET_ITEM(aliases, (Py_ssize_t)i), &parameter->aliases[i]);
    Py_DECREF(aliases);
    return good;
}

static bool read_frame(PyObject *from, struct hfa_frame *frame)
{
    PyObject *parameters = NULL;

    int entry;

    if (!read_object(from, "call", &frame->call) || !read_object(from, "invoke", &frame->invoke) ||
        !read_object(from, "original_call", &frame->original_call) ||
        !read_object(from, "dependant", &frame->dependant) ||
        !read_object(from, "kwnames", &frame->kwnames) ||
        !read_optional(from, "scopes", &frame->scopes) ||
        !read_int(from, "parent", &frame->parent) ||
        !read_int(from, "parent_slot", &frame->parent_slot) ||
        !read_unsigned(from, "cache_slot", &frame->cache_slot) ||
        !read_unsigned(from, "subtree", &frame->subtree) ||
        !read_bool(from, "use_cache", &frame->use_cache) ||
        !read_bool(from, "is_async", &frame->is_async) ||
        !read_bool(from, "is_pure", &frame->is_pure) || !read_int(from, "entry", &entry) ||
        !read_bool(from, "leaves_early", &frame->leaves_early) ||
        !read_bool(from, "makes_anywhere", &frame->makes_anywhere) ||
        !read_bool(from, "is_inline", &frame->is_inline) ||
        !read_bool(from, "is_positional", &frame->is_positional) ||
        !read_int(from, "request_slot", &frame->request_slot) ||
        !read_int(from, "connection_slot", &frame->connection_slot) ||
        !read_int(from, "response_slot", &frame->response_slot) ||
        !read_int(from, "background_slot", &frame->background_slot) ||
        !read_int(from, "scopes_slot", &frame->scopes_slot) ||
        !read_tuple(from, "parameters", &parameters, &frame->parameter_count)) {
        Py_XDECREF(parameters);
        return false;
    }
    frame->entry = (enum hfa_entry)entry;
    bool good = PyTuple_Check(frame->kwnames);
    if (!good)
        PyErr_SetString(PyExc_TypeError, "kwnames has to be a tuple");
    frame->parameters = PyMem_Calloc(frame->parameter_count + 1, sizeof(*frame->parameters));
    if (frame->parameters == NULL) {
        frame->parameter_count = 0;
        PyErr_NoMemory();
        good = false;
    }
    for (size_t i = 0; i < frame->parameter_count && good; i++)
        good = read_parameter(PyTuple_GET_ITEM(parameters, (Py_ssize_t)i), &frame->parameters[i]);
    Py_DECREF(parameters);
    if (good)
        frame->value_count = (unsigned)PyTuple_GET_SIZE(frame->kwnames);
    return good;
}

static bool is_slot(int slot, unsigned count)
{
    return slot >= -1 && slot < (int)count;
}

/* What a run takes for granted. */
static bool check_frame(const struct hfa_plan *plan, size_t index)
{
    const struct hfa_frame *frame = &plan->frames[index];
    bool good = is_slot(frame->request_slot, frame->value_count) &&
                is_slot(frame->connection_slot, frame->value_count) &&
                is_slot(frame->response_slot, frame->value_count) &&
                is_slot(frame->background_slot, frame->value_count) &&
                is_slot(frame->scopes_slot, frame->value_count) &&
                frame->cache_slot < plan->cache_count && frame->subtree <= index &&
                frame->entry <= HFA_ENTRY_ASYNC;

    if (frame->parent >= 0)
        good = good && (size_t)frame->parent > index && (size_t)frame->parent < plan->frame_count &&
               is_slot(frame->parent_slot, plan->frames[frame->parent].value_count);
    else
        good = good && index == plan->frame_count - 1 && frame->entry == HFA_ENTRY_NONE;
    for (size_t i = 0; i < frame->parameter_count && good; i++) {
        const struct hfa_parameter *parameter = &frame->parameters[i];
        if (parameter->source == HFA_SOURCE_DELEGATED)
            good = PyList_Check(parameter->field);
        else
            good = parameter->slot < frame->value_count && parameter->alias_count > 0 &&
                   (parameter->source != HFA_SOURCE_PATH ||
                    parameter->path_index < plan->path_param_count);
    }
    if (!good)
        PyErr_Format(PyExc_ValueError, "frame %zu of a plan is not sound", index);
    return good;
}

static bool read_frames(PyObject *from, struct hfa_plan *plan)
{
    PyObject *frames = NULL;
    size_t count = 0;
    bool good = read_tuple(from, "frames", &frames, &count);

    if (good && (count == 0 || count > HFA_PLAN_FRAMES_MAX)) {
        PyErr_Format(PyExc_ValueError, "a plan of %zu frames", count);
        good = false;
    }
    if (good) {
        plan->frames = PyMem_Calloc(count, sizeof(*plan->frames));
        plan->frame_count = plan->frames == NULL ? 0 : count;
        if (plan->frames == NULL) {
            PyErr_NoMemory();
            good = false;
        }
    }
    unsigned next = 0;
    for (size_t i = 0; i < plan->frame_count && good; i++) {
        struct hfa_frame *frame = &plan->frames[i];
        good = read_frame(PyTuple_GET_ITEM(frames, (Py_ssize_t)i), frame);
        frame->first = next + 1;
        next = frame->first + frame->value_count;
    }
    plan->value_count = next;
    for (size_t i = 0; i < plan->frame_count && good; i++)
        good = check_frame(plan, i);
    Py_XDECREF(frames);
    return good;
}

static bool read_path_kinds(PyObject *from, struct hfa_plan *plan)
{
    PyObject *kinds = NULL;
    bool good = read_tuple(from, "path_kinds", &kinds, &plan->path_param_count);

    if (good && plan->path_param_count > HFA_PLAN_PARAMS_MAX) {
        PyErr_SetString(PyExc_ValueError, "a path of too many parameters");
        good = false;
    }
    for (size_t i = 0; i < plan->path_param_count && good; i++) {
        long kind = PyLong_AsLong(PyTuple_GET_ITEM(kinds, (Py_ssize_t)i));
        good = kind != -1 || !PyErr_Occurred();
        plan->path_kinds[i] = (enum hfa_path_kind)kind;
    }
    Py_XDECREF(kinds);
    return good;
}

static bool read_response(PyObject *from, struct hfa_plan *plan)
{
    int respond;
    size_t names = 0, values = 0;

    if (!read_int(from, "respond", &respond) ||
        !read_int(from, "status_code", &plan->status_code) ||
        !read_optional(from, "response_field", &plan->response_field) ||
        !read_optional(from, "response_validate", &plan->response_validate) ||
        !read_shape(from, "response_shape", &plan->response_shape) ||
        !read_optional(from, "to_json", &plan->to_json) ||
        !read_tuple(from, "to_json_kwnames", &plan->to_json_kwnames, &names) ||
        !read_tuple(from, "to_json_values", &plan->to_json_values, &values) ||
        !read_optional(from, "make_response", &plan->make_response))
        return false;
    plan->respond = (enum hfa_respond_kind)respond;
    if (names != values || (plan->respond == HFA_RESPOND_MODEL && plan->to_json == NULL) ||
        (plan->respond >= HFA_RESPOND_CLASS && plan->respond != HFA_RESPOND_RESULT &&
         plan->make_response == NULL)) {
        PyErr_SetString(PyExc_ValueError, "the response of a plan is not sound");
        return false;
    }
    return true;
}

static bool read_form(PyObject *from, struct hfa_plan *plan)
{
    size_t limits, sources;
    long spool_max_size;

    if (!read_tuple(from, "form_limits", &plan->form_limits, &limits) ||
        !read_tuple(from, "form_limit_sources", &plan->form_limit_sources, &sources) ||
        !read_long(from, "spool_max_size", &spool_max_size))
        return false;
    plan->spool_max_size = spool_max_size;
    bool good = limits == 3;
    for (size_t i = 0; i < sources; i++)
        good = good && PyDict_Check(PyTuple_GET_ITEM(plan->form_limit_sources, (Py_ssize_t)i));
    if (!good)
        PyErr_SetString(PyExc_ValueError, "the form of a plan is not sound");
    return good;
}

static bool read_guards(PyObject *from, const struct hfa_state *state, struct hfa_guards *guards)
{
    PyObject *triples = NULL;
    size_t count;
    bool good = read_tuple(from, "guards", &triples, &count) &&
                hfa_guards_read(guards, state, triples) == 0;

    Py_XDECREF(triples);
    return good;
}

static bool read_plan(PyObject *from, const struct hfa_state *state, struct hfa_plan *plan)
{
    int body;

    if (!read_unsigned(from, "cache_count", &plan->cache_count) || !read_path_kinds(from, plan) ||
        !read_object(from, "path_names", &plan->path_names) || !read_int(from, "body", &body) ||
        !read_bool(from, "strict_content_type", &plan->strict_content_type) ||
        !read_optional(from, "validate_json", &plan->validate_json) || !read_frames(from, plan) ||
        !read_response(from, plan) || !read_object(from, "info", &plan->info) ||
        !read_object(from, "overrides_of", &plan->overrides_of) ||
        !read_bool(from, "is_websocket", &plan->is_websocket) ||
        !read_optional(from, "channel", &plan->channel) ||
        !read_optional(from, "limiter", &plan->limiter) ||
        !read_optional(from, "bounds", &plan->bounds) ||
        !read_bool(from, "cancels", &plan->cancels) ||
        !read_int64(from, "body_limit", &plan->body_limit) ||
        !read_guards(from, state, &plan->guards))
        return false;
    /* From its first step on it is a call, which the connection's news go to. */
    plan->needs_request = plan->is_websocket;
    if (plan->overrides_of != Py_None && !PyDict_CheckExact(plan->overrides_of)) {
        PyErr_SetString(PyExc_TypeError, "overrides_of has to be a dict, or None");
        return false;
    }
    plan->body = (enum hfa_body_kind)body;
    if (plan->body == HFA_BODY_FORM && !read_form(from, plan))
        return false;
    for (size_t i = 0; i < plan->frame_count; i++) {
        if (plan->frames[i].request_slot >= 0 || plan->frames[i].connection_slot >= 0)
            plan->needs_request = true;
        if (plan->frames[i].entry != HFA_ENTRY_NONE)
            plan->entry_count++;
    }
    plan->starts_async = plan->frames[0].is_async;
    plan->is_endpoint_async = plan->frames[plan->frame_count - 1].is_async;
    return true;
}

static PyObject *plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *from;

    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O:Plan", &from))
        return NULL;
    struct hfa_plan *plan = PyObject_GC_New(struct hfa_plan, type);
    if (plan == NULL)
        return NULL;
    memset((char *)plan + sizeof(PyObject), 0, sizeof(*plan) - sizeof(PyObject));
    PyObject_GC_Track(plan);
    if (!read_plan(from, PyType_GetModuleState(type), plan)) {
        Py_DECREF(plan);
        return NULL;
    }
    return (PyObject *)plan;
}

/* 1: what is called is what the overrides say; 0: not any more; -1 with an exception. */
static int frame_holds(const struct hfa_frame *frame, PyObject *overrides)
{
    PyObject *call = frame->original_call;

    if (overrides != NULL) {
        PyObject *instead = PyDict_GetItemWithError(overrides, call); /* borrowed */
        if (instead == NULL && PyErr_Occurred())
            return -1;
        call = instead == NULL ? call : instead;
    }
    return call == frame->call;
}

/* The live overrides of the plan's provider, borrowed: NULL when there are none, or with an
 * exception. */
static PyObject *live_overrides(const struct hfa_plan *plan, const struct hfa_state *state)
{
    if (plan->overrides_of == Py_None)
        return NULL;
    PyObject *overrides =
        PyDict_GetItemWithError(plan->overrides_of, state->str_dependency_overrides); /* borrowed */
    if (overrides != NULL && !PyDict_CheckExact(overrides)) {
        PyErr_SetString(PyExc_TypeError, "dependency_overrides is not a dict");
        return NULL;
    }
    return overrides;
}

/* Looks every override up, and watches where it has looked. */
static int compare_overrides(struct hfa_plan *plan, const struct hfa_state *state)
{
    int holds = 1;

    hfa_dict_watch_clear(&plan->overrides_watch);
    PyObject *overrides = live_overrides(plan, state);
    if (overrides == NULL && PyErr_Occurred())
        return -1;
    if ((plan->overrides_of != Py_None &&
         hfa_dict_watch_add(&plan->overrides_watch, state, plan->overrides_of) < 0) ||
        (overrides != NULL && hfa_dict_watch_add(&plan->overrides_watch, state, overrides) < 0))
        return -1;
    hfa_dict_watch_mark(&plan->overrides_watch, state);
    /* The endpoint, last, cannot be overridden. */
    for (unsigned i = 0; i + 1 < plan->frame_count && holds > 0; i++)
        holds = frame_holds(&plan->frames[i], overrides);
    if (holds <= 0)
        hfa_dict_watch_unmark(&plan->overrides_watch);
    return holds;
}

int hfa_plan_holds(struct hfa_plan *plan, const struct hfa_state *state)
{
    if (!hfa_guards_hold(&plan->guards, state))
        return 0;
    return hfa_dict_watch_holds(&plan->overrides_watch) ? 1 : compare_overrides(plan, state);
}

int hfa_plan_overrides_hold(const struct hfa_plan *plan, const struct hfa_state *state,
                            unsigned index)
{
    if (hfa_dict_watch_holds(&plan->overrides_watch))
        return 1;
    PyObject *overrides = live_overrides(plan, state);
    if (overrides == NULL && PyErr_Occurred())
        return -1;
    for (unsigned i = index; i + 1 < plan->frame_count; i++) {
        if (plan->frames[i].subtree != index)
            continue;
        int holds = frame_holds(&plan->frames[i], overrides);
        if (holds <= 0)
            return holds;
    }
    return 1;
}

static void clear_parameter(struct hfa_parameter *parameter)
{
    for (size_t i = 0; i < parameter->alias_count && parameter->aliases != NULL; i++) {
        Py_CLEAR(parameter->aliases[i].bytes);
        Py_CLEAR(parameter->aliases[i].text);
        Py_CLEAR(parameter->aliases[i].location);
    }
    PyMem_Free(parameter->aliases);
    parameter->aliases = NULL;
    hfa_shape_free(parameter->shape);
    parameter->shape = NULL;
    Py_CLEAR(parameter->field);
    Py_CLEAR(parameter->validate);
    Py_CLEAR(parameter->default_value);
}

static int traverse_frame(const struct hfa_frame *frame, visitproc visit, void *arg)
{
    Py_VISIT(frame->call);
    Py_VISIT(frame->invoke);
    Py_VISIT(frame->original_call);
    Py_VISIT(frame->dependant);
    Py_VISIT(frame->scopes);
    for (size_t i = 0; i < frame->parameter_count; i++) {
        Py_VISIT(frame->parameters[i].field);
        Py_VISIT(frame->parameters[i].validate);
        Py_VISIT(frame->parameters[i].default_value);
        int shape = hfa_shape_traverse(frame->parameters[i].shape, visit, arg);
        if (shape != 0)
            return shape;
    }
    return 0;
}

static int plan_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_plan *plan = (struct hfa_plan *)self;

    Py_VISIT(Py_TYPE(self));
    for (size_t i = 0; i < plan->frame_count; i++) {
        int result = traverse_frame(&plan->frames[i], visit, arg);
        if (result != 0)
            return result;
    }
    Py_VISIT(plan->validate_json);
    Py_VISIT(plan->response_field);
    Py_VISIT(plan->response_validate);
    Py_VISIT(plan->to_json);
    int shape = hfa_shape_traverse(plan->response_shape, visit, arg);
    if (shape != 0)
        return shape;
    Py_VISIT(plan->make_response);
    Py_VISIT(plan->limiter);
    Py_VISIT(plan->bounds);
    Py_VISIT(plan->info);
    Py_VISIT(plan->shown);
    Py_VISIT(plan->overrides_of);
    Py_VISIT(plan->form_limit_sources);
    int guards = hfa_guards_traverse(&plan->guards, visit, arg);
    return guards != 0 ? guards : hfa_dict_watch_traverse(&plan->overrides_watch, visit, arg);
}

static int plan_clear(PyObject *self)
{
    struct hfa_plan *plan = (struct hfa_plan *)self;

    for (size_t i = 0; i < plan->frame_count; i++) {
        struct hfa_frame *frame = &plan->frames[i];
        for (size_t j = 0; j < frame->parameter_count && frame->parameters != NULL; j++)
            clear_parameter(&frame->parameters[j]);
        PyMem_Free(frame->parameters);
        frame->parameters = NULL;
        Py_CLEAR(frame->call);
        Py_CLEAR(frame->invoke);
        Py_CLEAR(frame->original_call);
        Py_CLEAR(frame->dependant);
        Py_CLEAR(frame->kwnames);
        Py_CLEAR(frame->scopes);
    }
    PyMem_Free(plan->frames);
    plan->frames = NULL;
    plan->frame_count = 0;
    Py_CLEAR(plan->path_names);
    Py_CLEAR(plan->validate_json);
    Py_CLEAR(plan->response_field);
    Py_CLEAR(plan->response_validate);
    hfa_shape_free(plan->response_shape);
    plan->response_shape = NULL;
    Py_CLEAR(plan->to_json);
    Py_CLEAR(plan->to_json_kwnames);
    Py_CLEAR(plan->to_json_values);
    Py_CLEAR(plan->channel);
    Py_CLEAR(plan->limiter);
    Py_CLEAR(plan->bounds);
    Py_CLEAR(plan->make_response);
    Py_CLEAR(plan->info);
    Py_CLEAR(plan->shown);
    Py_CLEAR(plan->overrides_of);
    hfa_guards_clear(&plan->guards);
    hfa_dict_watch_clear(&plan->overrides_watch);
    Py_CLEAR(plan->form_limits);
    Py_CLEAR(plan->form_limit_sources);
    return 0;
}

static void plan_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    plan_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "Plan(description): a compiled route."},
    {Py_tp_new, plan_new},
    {Py_tp_dealloc, plan_dealloc},
    {Py_tp_traverse, plan_traverse},
    {Py_tp_clear, plan_clear},
    {0, NULL},
};

PyType_Spec hfa_plan_spec = {
    .name = "hyperfastapi._core.Plan",
    .basicsize = sizeof(struct hfa_plan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = plan_slots,
};
