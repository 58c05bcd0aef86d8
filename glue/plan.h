/* A compiled route: what FastAPI would do for one request, as immutable steps.
 *
 * The route compiler (python/hyperfastapi/_route_compiler.py) reads FastAPI's live handler and
 * describes it; this module checks the description once and turns it into arrays that a run
 * (plan_run.h) walks without looking anything up by name.
 *
 * A frame is one dependant: a callable with the parameters that it takes. FastAPI solves a
 * dependant depth first (its dependencies in order, each called; then its own parameters), so the
 * steps of the whole graph are one list. Values of all frames live in one array of the run; those
 * of a frame are consecutive and in the order of its keyword names, ready for a vectorcall.
 *
 * A plan is a Python object, immutable once made but for what it has seen of its guards; every
 * function needs the interpreter lock.
 */
#ifndef HFA_PLAN_H
#define HFA_PLAN_H

#include "bytes.h"
#include "guard.h"
#include "pool.h"
#include "shape.h"
#include "state.h"

#define HFA_PLAN_FRAMES_MAX 64 /* bits of a run's `failed` */
#define HFA_PLAN_PARAMS_MAX 8  /* parameters in one path */

/* Where a parameter's value comes from. The numbers are the route compiler's. */
enum hfa_source {
    HFA_SOURCE_PATH,
    HFA_SOURCE_QUERY,
    HFA_SOURCE_HEADER,
    HFA_SOURCE_COOKIE,
    HFA_SOURCE_BODY,      /* the whole body */
    HFA_SOURCE_BODY_ITEM, /* one key of a JSON object */
    HFA_SOURCE_DELEGATED, /* FastAPI's own extraction, for a group of fields of one source */
    HFA_SOURCE_FORM,      /* a field of a form */
};

/* What has to be done to a text value. The short cuts give what pydantic would; what they do not
 * take, it gets. */
enum hfa_conversion {
    HFA_CONVERT_VALIDATE, /* pydantic */
    HFA_CONVERT_STR,      /* a str without constraints: the value itself */
    HFA_CONVERT_INT,      /* the same of an int, a float, a bool: plain_value.h */
    HFA_CONVERT_FLOAT,
    HFA_CONVERT_BOOL,
};

enum hfa_path_kind {
    HFA_PATH_STR, /* str and path convertors */
    HFA_PATH_INT,
    HFA_PATH_FLOAT,
    HFA_PATH_UUID,
};

/* One name under which a parameter may come. */
struct hfa_alias {
    struct hfa_bytes wire; /* header names lower-case; borrowed from `bytes` */
    PyObject *bytes;       /* owned */
    PyObject *text;        /* owned str: the key in a JSON object */
    PyObject *location;    /* owned tuple, for errors */
};

struct hfa_parameter {
    enum hfa_source source;
    enum hfa_conversion conversion;
    enum hfa_source delegated_source; /* HFA_SOURCE_DELEGATED */
    bool is_list;
    bool is_required;
    bool validates_default;
    unsigned slot;       /* among the frame's values */
    unsigned path_index; /* HFA_SOURCE_PATH */
    size_t alias_count;
    struct hfa_alias *aliases; /* owned */
    PyObject *field;           /* owned: ModelField; a list of them when delegated */
    struct hfa_shape *shape;   /* owned: of values that need no validation; NULL */
    PyObject *validate;        /* owned: the validator's validate_python */
    PyObject *default_value;   /* owned; NULL: a fresh one has to be asked for */
};

/* What a callable gives: its value, or (a dependency that yields) a context manager. */
enum hfa_entry {
    HFA_ENTRY_NONE,
    HFA_ENTRY_SYNC,  /* entered and left in worker threads */
    HFA_ENTRY_ASYNC, /* awaited */
};

struct hfa_frame {
    PyObject *call;          /* owned: the dependency's callable, overrides applied */
    PyObject *invoke;        /* owned: what is called in its place, mostly itself */
    PyObject *original_call; /* owned: dependant.call, the key in dependency_overrides */
    PyObject *dependant;     /* owned */
    PyObject *kwnames;       /* owned tuple of str */
    PyObject *scopes;        /* owned list of str, or NULL: SecurityScopes are not asked for */
    unsigned first;          /* index of its first value; the one before is free for vectorcall */
    unsigned value_count;
    int parent;      /* frame that takes the result, -1 for the endpoint */
    int parent_slot; /* -1: the result is not passed on */
    unsigned cache_slot;
    unsigned subtree; /* index of the first frame below it, or its own */
    bool use_cache;
    bool is_async;
    bool is_pure; /* extracting its parameters runs no code of the user: any thread may */
    enum hfa_entry entry;
    bool leaves_early;   /* before the response is sent (scope="function") */
    bool makes_anywhere; /* making the context manager runs no code of the user */
    bool is_inline;      /* waits for nothing: called at once where the run is */
    bool is_positional;  /* takes its values by position, not by name */
    int request_slot, response_slot, background_slot, scopes_slot; /* -1: not asked for */
    int connection_slot;
    size_t parameter_count;
    struct hfa_parameter *parameters; /* owned */
};

enum hfa_body_kind {
    HFA_BODY_NONE,
    HFA_BODY_JSON,
    HFA_BODY_FORM,
};

enum hfa_respond_kind {
    HFA_RESPOND_ENCODE, /* jsonable_encoder and json.dumps */
    HFA_RESPOND_MODEL,  /* a response model, pydantic's JSON */
    HFA_RESPOND_CLASS,  /* a response class of the user's choice: `make_response` */
    HFA_RESPOND_STREAM, /* the endpoint yields: `make_response` of its generator */
    HFA_RESPOND_EVENTS, /* it yields server-sent events: the same, awaited, with the Request */
    HFA_RESPOND_RESULT, /* a route of Starlette's: the result is the response, whatever it is */
};

struct hfa_plan {
    PyObject_HEAD size_t frame_count;
    struct hfa_frame *frames; /* owned; in the order of their calls, the endpoint last */
    unsigned value_count;     /* of all frames, free places included */
    unsigned cache_count;
    unsigned entry_count; /* frames that yield */
    bool needs_request;   /* some frame takes the Request or the connection */
    bool is_websocket;    /* the request is a WebSocket's; the endpoint's result is nobody's */
    PyObject *channel;    /* owned: of a WebSocket, see websocket_channel.h; or NULL */
    bool starts_async;
    bool is_endpoint_async;

    size_t path_param_count;
    enum hfa_path_kind path_kinds[HFA_PLAN_PARAMS_MAX];
    PyObject *path_names; /* owned tuple of str */

    enum hfa_body_kind body;
    bool strict_content_type;
    PyObject *validate_json; /* owned or NULL: validate_json, for models that it reads as
                                validate_python does */

    PyObject *form_limits;        /* owned tuple (max_files, max_fields, max_part_size), or NULL */
    PyObject *form_limit_sources; /* owned tuple of dicts: all empty, or the limits are others */
    Py_ssize_t spool_max_size;    /* of uploaded files in memory; 0: all */

    enum hfa_respond_kind respond;
    int status_code;                  /* 0: the response class's own */
    PyObject *response_field;         /* owned ModelField or NULL */
    PyObject *response_validate;      /* owned: validate_python; NULL: ask the field */
    struct hfa_shape *response_shape; /* owned: for results that need neither validation nor
                                         pydantic to serialise them; NULL */
    PyObject *to_json;                /* owned: the serializer's to_json */
    PyObject *to_json_kwnames;        /* owned tuple */
    PyObject *to_json_values;         /* owned tuple */
    PyObject *make_response;          /* owned: of the content, injected response, background;
                                         see _fastapi/streams.py for those that yield */

    PyObject *limiter;  /* owned: (enter, scope, receive, send): enters a request inside of what
                           limits its body; NULL. See _fastapi/limits.py */
    int64_t body_limit; /* the most bytes of a body; -1: any number */

    PyObject *bounds; /* owned: what may end the handler early; NULL. See run_bounds.h */
    bool cancels;     /* among it, its client's departure */

    struct hfa_job_site site;        /* what the pool has learnt of the `def` steps */
    struct hfa_job_site exit_site;   /* and of leaving what has yielded */
    struct hfa_job_site write_site;  /* and of writing uploads to disk */
    struct hfa_job_site stream_site; /* and of `def` iterators */

    PyObject *info;         /* owned: the route compiler's own object, given to its functions */
    PyObject *shown;        /* owned: what scopes get of the route, see run_show.c; NULL until one
                               does */
    PyObject *overrides_of; /* owned: the dict that holds "dependency_overrides", or None */
    struct hfa_guards guards;
    struct hfa_dict_watch overrides_watch; /* marked as long as they are those of the frames */
};

extern PyType_Spec hfa_plan_spec;

/* False: something that the plan was made from, overrides of dependencies included, has changed. -1
 * with an exception. */
int hfa_plan_holds(struct hfa_plan *plan, const struct hfa_state *state);

/* Whether the overrides are still those that were compiled, for the frames that FastAPI looks up
 * before it solves frame `index`, the first of their subtrees. -1 with an exception. */
int hfa_plan_overrides_hold(const struct hfa_plan *plan, const struct hfa_state *state,
                            unsigned index);

#endif
