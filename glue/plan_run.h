/* A run: one request on its way through a plan.
 *
 * It begins without a task. As long as only C and `def` steps are due it goes on so, in the loop
 * thread and in worker threads; from the first `await` on it is the coroutine of a real
 * asyncio.Task (our server) or is awaited by the application's middleware stack (`enter`).
 *
 * A request of our own server is answered from its exchange. When Python code has to see the
 * request (a Request parameter, a streaming response, an exception for FastAPI's own handlers) the
 * run makes an ASGI call (asgi_call.h) of it, which then owns the exchange.
 *
 * Loop thread, but for hfa_run_work().
 */
#ifndef HFA_PLAN_RUN_H
#define HFA_PLAN_RUN_H

#include "application.h"
#include "asgi_call.h"
#include "form_reader.h"
#include "plan.h"
#include "pool.h"

#define HFA_RUN_INLINE_VALUES 40

enum hfa_run_state {
    HFA_RUN_NEW,
    HFA_RUN_RUNNING,
    HFA_RUN_SUSPENDED,
    HFA_RUN_DONE,
};

/* What is due next. */
enum hfa_run_phase {
    HFA_RUN_READS,        /* the body has to be read */
    HFA_RUN_PARSES,       /* it has been read */
    HFA_RUN_EXTRACTS,     /* parameters of frame `frame` */
    HFA_RUN_CALLS,        /* its callable */
    HFA_RUN_RESPONDS,     /* the endpoint has returned */
    HFA_RUN_LEAVES_EARLY, /* `response` is made: dependencies of the function are left */
    HFA_RUN_SENDS,        /* `response` is due */
    HFA_RUN_STARTED,      /* response.start is sent (ASGI), the body is due */
    HFA_RUN_SENT,         /* the response is sent; background tasks are due */
    HFA_RUN_LEAVES,       /* the response was awaited: dependencies of the request are left */
    HFA_RUN_UNWINDS,      /* the outermost exit stack, if the user's code has put something on it */
    HFA_RUN_THROWS_EARLY, /* an exception is thrown into dependencies of the function */
    HFA_RUN_THROWS,       /* into those of the request */
    HFA_RUN_FAILS,        /* `exception` has to be answered */
    HFA_RUN_RESUMES,      /* `response` has to be sent through the middleware stack */
    HFA_RUN_ENDS,         /* the last await: what comes of it is the run's end */
    HFA_RUN_CLOSES,       /* uploaded files are being closed: the run has ended otherwise */
};

/* Of a run that telemetry follows: which span is open. */
enum hfa_run_trace {
    HFA_TRACE_NEW,
    HFA_TRACE_DEPENDENCIES,
    HFA_TRACE_ENDPOINT, /* the endpoint opens and closes its own */
    HFA_TRACE_RESPONSE,
    HFA_TRACE_ENDED,
};

/* A dependency that has yielded. */
struct hfa_run_exit {
    PyObject *manager; /* owned: its context manager */
    bool is_async;
    bool is_early; /* of the function, not of the request */
};

struct hfa_run {
    PyObject_HEAD struct hfa_application *application; /* owned */
    struct hfa_plan *plan;                             /* owned */
    struct hfa_server_object *server;                  /* owned; NULL when entered with a scope */
    struct hfa_exchange *exchange; /* NULL when entered, released, or the call's */
    struct hfa_asgi_call *call;    /* owned; NULL until Python has to see the request */
    struct hfa_kept_step kept;
    struct hfa_run *next; /* the server's runs, or the application's pending ones */
    struct hfa_run **link;
    const struct hfa_request *head;   /* the exchange's, or `entered` */
    PyObject *scope, *receive, *send; /* owned; NULL until there are some */
    PyObject *outer_path_params;      /* owned dict or NULL: of the mounts around the router */
    PyObject *headers;                /* owned: keeps what `entered` borrows from */
    PyObject *path;                   /* owned: str whose UTF-8 `params` are views of; or NULL */
    PyObject *task;                   /* owned while it is suspended */
    PyObject *awaiting;               /* owned */
    PyObject *errors;                 /* owned list or NULL */
    PyObject *body;                   /* owned: what FastAPI calls the body; NULL: Undefined */
    PyObject *pieces;                 /* owned list: of a body that is still coming */
    PyObject *body_bytes;             /* owned */
    PyObject *model;                  /* owned: the body as validate_json gave it */
    struct hfa_form_reader *form;     /* owned: of a body that is a form */
    PyObject *form_values;            /* owned: (values, errors) of the current frame */
    PyObject *write_error;            /* owned: of writing an upload to disk */
    PyObject *request;                /* owned */
    PyObject *injected_response;      /* owned */
    PyObject *background;             /* owned: BackgroundTasks of the dependencies */
    PyObject *result;                 /* owned: the endpoint's */
    PyObject *json;                   /* owned bytes: `result`, written by a worker thread */
    PyObject *response;               /* owned: the Response object that is being sent */
    PyObject *response_body;          /* owned: bytes to send after response.start */
    PyObject *after;                  /* owned: background of the response that was sent */
    PyObject *context;                /* owned: what steps in worker threads copy */
    PyObject *exception;              /* owned */
    PyObject *future;                 /* owned: what the task waits on while a worker works */
    PyObject *manager;                /* owned: of the current frame, until it has yielded */
    PyObject *bounds;                 /* owned: while the handler may end early; or NULL */
    PyObject *inner_stack;            /* owned: exit stacks that the scope has got, where it has */
    PyObject *function_stack;         /* owned */
    PyObject *middleware_stack;       /* owned */
    PyObject *traced;                 /* owned: what telemetry is told; or NULL */
    PyObject *shield;                 /* owned: AnyIO's scope around a worker's steps, or NULL */
    struct hfa_run_exit *exits; /* owned: places for all that yield; NULL as long as none has */
    struct hfa_job job;
    enum hfa_run_state state;
    enum hfa_run_phase phase;
    enum hfa_run_trace trace;
    unsigned frame;
    unsigned exit_count;
    size_t stages_from; /* the stages before it have not seen the request, nor see the response */
    uint64_t failed;    /* frames with invalid parameters, in themselves or below */
    bool is_driven;     /* somebody steps the run as a coroutine */
    bool in_worker;
    bool had_bounds;   /* `bounds` has been there */
    bool is_orphaned;  /* the task was cancelled while a worker worked: its result is dropped */
    bool has_response; /* `response` was made before it is due */
    bool has_left_early, has_left; /* the exit stacks of the function, of the request */
    bool is_awaited;               /* the response was, with its background */
    bool has_unwound;
    bool is_validated; /* the response model has been applied to `result` */
    bool response_started;
    bool is_disconnected;
    bool awaits_solution; /* `awaiting` is FastAPI's solve_dependencies() */
    bool awaits_response; /* `awaiting` makes the response of a stream */
    bool awaits_frame;    /* `awaiting` is what the current frame's callable has returned */
    bool awaits_form;     /* `awaiting` makes form_values */
    bool is_body_read;    /* all of a form's body has been taken */
    bool is_form_ready;   /* what there is of a form can be asked for */
    bool is_answered;     /* FastAPI's own handlers have been asked */
    bool is_outside;      /* entered where the application's middleware stack is still to come */
    bool is_counted;      /* among the server's runs */
    bool is_sent_by_app;  /* the response was sent by its own __call__, background included */
    struct hfa_bytes params[HFA_PLAN_PARAMS_MAX];
    struct hfa_request entered; /* the head as the scope tells it */
    PyObject **values;          /* inline, or allocated when there are many */
    PyObject **cache;
    size_t owned_count; /* of `values`, cache included */
    PyObject *inline_values[HFA_RUN_INLINE_VALUES];
};

extern PyType_Spec hfa_run_spec;

/* A run for a request of our own server; takes the application's reference to `exchange`. `path`
 * (borrowed, may be NULL) is what the match's parameters point into when that is not the request.
 * NULL with an exception: nothing was taken. Otherwise begin it with hfa_run_begin(). */
struct hfa_run *hfa_run_new(struct hfa_application *application, struct hfa_server_object *server,
                            struct hfa_exchange *exchange, struct hfa_plan *plan, PyObject *path,
                            const struct hfa_route_match *match);

/* Runs it as far as it goes at once. Takes the reference. */
void hfa_run_begin(struct hfa_run *run);

/* Lets a run that has not begun yet send a Response, borrowed, and do nothing else. */
void hfa_run_set_response(struct hfa_run *run, PyObject *response);

/* An awaitable for a request that FastAPI's middleware stack has brought: a new reference. */
PyObject *hfa_run_enter(struct hfa_application *application, struct hfa_plan *plan, PyObject *scope,
                        PyObject *receive, PyObject *send, PyObject *path,
                        const struct hfa_route_match *match);

/* Leaves in the scope what FastAPI's router leaves there, for middleware to see. -1 with an
 * exception. run_show.c */
int hfa_run_show_route(struct hfa_run *run);

/* The limit of bodies is not in the scope while the application's middleware stack is called. -1
 * with an exception. */
int hfa_run_hide_limit(struct hfa_run *run);

/* Of a run that waits for its body. */
void hfa_run_on_body(struct hfa_run *run);
void hfa_run_on_disconnect(struct hfa_run *run);

/* The server closes for good: gives the exchange back before the run is done. */
void hfa_run_abandon(struct hfa_run *run);

/* A run waits to resume with this scope. */
bool hfa_run_is_pending(const struct hfa_application *application, PyObject *scope);

/* The run that wants to resume with this scope, taken out of the pending ones: a new reference to
 * the coroutine that answers its exception. NULL without an exception: none does. */
PyObject *hfa_run_resume(struct hfa_application *application, PyObject *scope, PyObject *receive,
                         PyObject *send);

/* For the parts of a run: plan_run.c has the machine, run_steps.c the frames, run_exits.h what
 * yields, run_form.c forms, run_work.c worker threads, run_resume.c FastAPI's handlers,
 * run_coroutine.c the coroutine, run_object.c the object, plan_extract.c parameters and bodies,
 * plan_respond.c responses. */

/* How far the run went. */
enum hfa_progress {
    HFA_PROGRESS_AWAITS,     /* run->awaiting is to be stepped */
    HFA_PROGRESS_PARKED,     /* an event or a worker will go on */
    HFA_PROGRESS_NEEDS_TASK, /* only a coroutine can go on */
    HFA_PROGRESS_DONE,       /* run->exception, if any, is the end */
};

/* Goes on until something has to be awaited; a run of our own server is finished when it is done.
 */
enum hfa_progress hfa_run_drive(struct hfa_run *run);
/* The same without a coroutine: from the dispatcher, or when a worker is through. */
void hfa_run_go_on(struct hfa_run *run);
/* What was awaited has ended: takes `value`, NULL with an exception. */
void hfa_run_after_await(struct hfa_run *run, PyObject *value);
/* Takes the current exception as what has to be answered. */
void hfa_run_keep_exception(struct hfa_run *run);
void hfa_run_link(struct hfa_run *run, struct hfa_run **list);
void hfa_run_unlink(struct hfa_run *run);
/* What the run refers to may go. A worker that still works keeps what it uses. */
void hfa_run_let_go(struct hfa_run *run);
void hfa_run_clear_values(struct hfa_run *run);
void hfa_run_release_exchange(struct hfa_run *run);
/* Makes the Request that the application's code sees. -1 with an exception. */
int hfa_run_need_request(struct hfa_run *run);

const struct hfa_frame *hfa_run_frame(const struct hfa_run *run);
/* Whether the current frame is an endpoint that yields: it is called in the loop thread. */
bool hfa_run_begins_stream(const struct hfa_run *run);
bool hfa_run_is_at_endpoint(const struct hfa_run *run);
/* The result of the current frame's callable goes where it is wanted. Takes `value`. */
void hfa_run_store(struct hfa_run *run, PyObject *value);
/* A frame that is not called: its parameters are invalid, or its value is known already. */
bool hfa_run_skip(struct hfa_run *run);
PyObject *hfa_run_call_frame(struct hfa_run *run);
/* Whether dependency_overrides, which code of this request may have changed, are still those that
 * the next dependencies were compiled with. -1 with an exception. Any thread. */
int hfa_run_overrides_hold(struct hfa_run *run);
int hfa_run_extract_step(struct hfa_run *run);
enum hfa_progress hfa_run_call_step(struct hfa_run *run);
/* Takes (values, errors, background, response) of FastAPI's solve_dependencies(). */
int hfa_run_take_solution(struct hfa_run *run, PyObject *solution);
/* Hands the run to a worker thread. */
enum hfa_progress hfa_run_hand_to_worker(struct hfa_run *run);

/* Runs one call of the user's in a copy of the request's context. In a worker. */
PyObject *hfa_run_call_in_copy(struct hfa_run *run, PyObject *(*call)(struct hfa_run *));

/* Answers run->exception, or has FastAPI answer it. */
enum hfa_progress hfa_run_fail(struct hfa_run *run);
/* Sends run->response through the application's middleware stack. */
enum hfa_progress hfa_run_resume_response(struct hfa_run *run);

/* Extracts and validates the parameters of a frame into the run's values. What is invalid is in
 * run->errors and run->failed. -1 with an exception. plan_extract.c */
int hfa_run_extract(struct hfa_run *run, unsigned index);

/* Puts the values of a dictionary, by name, to their places in a frame. -1 with an exception.
 * plan_extract.c */
int hfa_run_spread(struct hfa_run *run, const struct hfa_frame *frame, PyObject *values);

/* The value of a header, as Starlette's Headers.get() gives it; absent: NULL without exception. */
PyObject *hfa_run_header(const struct hfa_run *run, struct hfa_bytes name);

/* Makes the body of the bytes that were read. -1 with the exception that FastAPI raises.
 * plan_extract.c */
int hfa_run_parse_body(struct hfa_run *run);
/* The current exception of reading a body becomes the one that FastAPI raises for it. Always -1. */
int hfa_run_raise_body_error(struct hfa_run *run);
/* Sees to it that run->body is set where there is a body, parsing what validate_json took. */
int hfa_run_need_body(struct hfa_run *run);

/* Reads a body that is a form. run_form.c */
enum hfa_progress hfa_run_read_form(struct hfa_run *run);
/* Makes run->body FastAPI's FormData. -1 with an exception. */
int hfa_run_make_form(struct hfa_run *run);
/* Has FastAPI extract what the current frame takes of the form, if it has to. 1: done; 0:
 * run->awaiting does it; -1 with an exception. */
int hfa_run_extract_form(struct hfa_run *run);
/* At the run's end: closes uploaded files, perhaps by run->awaiting. */
enum hfa_progress hfa_run_close_form(struct hfa_run *run);

/* {name: value} of the path's parameters, those of outer mounts first; a new reference. */
PyObject *hfa_run_path_params(struct hfa_run *run);

/* Applies the response model to run->result, and may write its JSON at once: for worker threads.
 * -1 with an exception. plan_respond.c */
int hfa_run_validate_in_worker(struct hfa_run *run);
/* Applies the response model to run->result. Any thread. plan_respond.c */
int hfa_run_validate_result(struct hfa_run *run);

/* Begins to answer with run->result. 0: sent, or on its way (run->awaiting, run->phase tell); -1
 * with an exception. plan_respond.c */
int hfa_run_respond(struct hfa_run *run);
/* As above with a Response object, which becomes run->response. */
int hfa_run_send_response(struct hfa_run *run, PyObject *response);
/* response.start has been sent: sends the body (ASGI). */
int hfa_run_send_body(struct hfa_run *run);

/* Makes scope, receive, send of a request of our own server. -1 with an exception. plan_run.c */
int hfa_run_need_call(struct hfa_run *run);
/* Sets run->awaiting to what `await object` steps. Takes `object`, which may be NULL with an
 * exception set. */
int hfa_run_await(struct hfa_run *run, PyObject *object);
/* The exchange to answer to, NULL when the client has gone or the run was entered. */
struct hfa_exchange *hfa_run_exchange(const struct hfa_run *run);
/* The request's method and root_path, new references. */
PyObject *hfa_run_method(const struct hfa_run *run);
PyObject *hfa_run_root_path(const struct hfa_run *run);

#endif
