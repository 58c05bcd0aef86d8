/* hyperfastapi._core.Server: one reactor and one server in one event loop. */
#ifndef HFA_SERVER_OBJECT_H
#define HFA_SERVER_OBJECT_H

#include "application.h"
#include "asgi_call.h"
#include "pool.h"
#include "reactor.h"
#include "ready_queue.h"
#include "server.h"
#include "state.h"
#include "thread_schedule.h"
#include "trust.h"

/* What becomes of a WebSocket message while its client takes nothing of what was sent before. */
enum hfa_slow_client {
    HFA_SLOW_CLIENT_WAIT,  /* the application waits */
    HFA_SLOW_CLIENT_DROP,  /* the message is dropped */
    HFA_SLOW_CLIENT_CLOSE, /* the WebSocket is closed with 1008 */
};

struct hfa_server_object {
    PyObject_HEAD struct hfa_app app_table; /* net/ calls back with its address */
    struct hfa_state *state;                /* the module's, which the type keeps alive */
    struct hfa_reactor *reactor;            /* owned */
    struct hfa_server *server;              /* owned */
    PyObject *app;                          /* owned: the ASGI application */
    bool offers_pathsend;                   /* the application may answer with a file's path */
    PyObject *root_path;                    /* owned str */
    PyObject *raw_root_path;                /* owned bytes */
    PyObject *uds;                          /* owned: path of the Unix socket, or None */
    PyObject *lifespan_state;               /* owned dict */
    PyObject *last_host;                    /* owned str, of last_host_address; or NULL */
    PyObject *last_local;                   /* owned: scope["server"] of last_local_address */
    struct hfa_address last_host_address;   /* without its port */
    struct hfa_address last_local_address;
    struct hfa_trust *trust;             /* owned: proxies that are believed; NULL: none */
    unsigned forwarded_parts;            /* enum hfa_forwarded_part: what is believed */
    bool reads_forwarded_field;          /* Forwarded, not X-Forwarded-* */
    struct hfa_trust *proxy_trust;       /* owned: peers that send a PROXY header; NULL: none */
    PyObject *on_access;                 /* owned: called with (scope, status), or None */
    PyObject *on_websocket;              /* owned: called with (scope, outcome), or None */
    PyObject *on_error;                  /* owned: called with (message, argument, exception) */
    PyObject *loop;                      /* owned once attached */
    PyObject *context;                   /* owned once attached: tasks start in copies of it */
    PyObject *task_keywords;             /* owned once attached: of Task(), for task.c alone */
    struct hfa_ready_queue ready;        /* of asyncio's loop, once attached */
    struct hfa_application *application; /* owned: compiled routes, or NULL */
    struct hfa_pool *pool; /* owned once attached: for `def` steps of compiled routes */
    struct hfa_run *runs;  /* in progress, as long as no call was made of them */
    size_t run_count;
    unsigned pump_turns;         /* tasks of streams that are ready and only let others go first */
    struct hfa_asgi_call *calls; /* in progress */
    size_t call_count;
    struct hfa_watch selector_watch; /* asyncio's own selector, nested */
    bool selector_ready;
    bool is_foreign;     /* driven by add_reader(), not by select() */
    bool is_in_turn;     /* the answers of a turn leave together at its end */
    bool is_in_callback; /* asyncio's, run in a turn */
    bool is_dispatching; /* net/ is on the stack: nothing of it may be freed */
    bool is_flush_scheduled;
    bool is_dispatch_scheduled;
    bool is_closing;
    bool is_draining;
    bool has_factory_attribute; /* loop._task_factory can be read, without a call */
    enum hfa_slow_client slow_client;
    unsigned long thread; /* the loop's */
    uint64_t lock_ns;     /* when it last got the interpreter lock; kept while jobs compute */
    struct hfa_thread_schedule schedule; /* the loop thread's */
    unsigned careful;    /* steps for which every answer leaves at once: some have just blocked */
    unsigned suspicious; /* steps in which a slow one would be the second */
};

/* When what was put into a connection's output has to leave. */
enum hfa_output_urgency {
    HFA_OUTPUT_LATER, /* with what follows; at the latest when the loop waits again */
    HFA_OUTPUT_LAST,  /* a whole response that nothing follows: at the end of the turn */
    HFA_OUTPUT_SOON,  /* a whole response whose application goes on: at the end of the turn when it
                       * has not waited yet, else now */
    HFA_OUTPUT_NOW,   /* part of a stream: the client waits for it, whatever comes after */
};

extern PyType_Spec hfa_server_object_spec;

/* A call may have produced output: sees to it that it leaves. */
void hfa_server_object_output(struct hfa_server_object *server, enum hfa_output_urgency urgency);

/* Everything of a server is for the thread that its loop runs in. */
bool hfa_server_object_is_loop_thread(const struct hfa_server_object *server);

/* Gives the current exception to the loop's exception handler, with a message. */
void hfa_server_object_report(struct hfa_server_object *server, const char *message);

/* Logs an application's error; `argument` for the message's %s and `exception` may be NULL. Any
 * exception on the way is written as unraisable. */
void hfa_server_object_log_error(struct hfa_server_object *server, const char *message,
                                 PyObject *argument, PyObject *exception);

/* The access log, where it is on: -1 with an exception. */
int hfa_server_object_log_access(struct hfa_server_object *server, PyObject *scope,
                                 PyObject *status);
int hfa_server_object_log_websocket(struct hfa_server_object *server, PyObject *scope,
                                    const char *outcome);

#endif
