/* A pump: a coroutine that takes the items of a stream from the application's iterator and puts
 * them into the connection, until the iterator ends.
 *
 * It does what a coroutine of Python's would that sends one message an item, but nothing leaves
 * before the iterator waits, or HFA_PUMP_HOLD_NS have gone by: what is there at once leaves at
 * once. While the connection is full it takes no further item.
 *
 * Where FastAPI lets other tasks have a turn behind each item (sleep(0)), it does so while any is
 * ready that is not itself a stream that lets others go first, and otherwise from time to time.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_PUMP_H
#define HFA_PUMP_H

#include "plan_run.h"
#include "stream_item.h"
#include "stream_steps.h"

/* For so long, or for so many items or bytes, what the iterator gives is held back. */
#define HFA_PUMP_HOLD_NS   UINT64_C(1000000)
#define HFA_PUMP_HOLD_MAX  64
#define HFA_PUMP_HOLD_SIZE (16 * 1024)

enum hfa_pump_wait {
    HFA_PUMP_RUNS,            /* for nothing */
    HFA_PUMP_AWAITS_TURN,     /* for a turn of others */
    HFA_PUMP_AWAITS_ITEM,     /* for the iterator */
    HFA_PUMP_AWAITS_STEPS,    /* for a worker that steps the iterator */
    HFA_PUMP_AWAITS_THE_LAST, /* the same, under AnyIO's shield: it has been cancelled */
    HFA_PUMP_AWAITS_ROOM,     /* for the client: the connection is full */
};

struct hfa_pump {
    PyObject_HEAD struct hfa_run *run; /* owned: has a call */
    PyObject *source;                  /* owned: an asynchronous iterator; NULL with `steps` */
    struct hfa_stream_steps *steps;    /* owned: of a `def` iterator; or NULL */
    PyObject *serialize;               /* owned: see stream_item.h */
    PyObject *inner;                   /* owned: what it waits for; NULL: nothing, or a turn */
    PyObject *shield;                  /* owned: a CancelScope around a worker's last step */
    PyObject *cancelling;              /* owned: what is raised when that is through */
    struct hfa_json_encoder held;      /* items that have not been put out */
    size_t ends[HFA_PUMP_HOLD_MAX];    /* where each ends */
    unsigned held_count;
    uint64_t held_since_ns; /* of the first of them */
    uint64_t turn_ns;       /* the last time that others had a turn */
    uint64_t taken_ns;      /* the last time that an item came */
    enum hfa_stream_kind kind;
    enum hfa_pump_wait wait;
    bool takes_turns;
    bool holds;
    bool is_new, is_running, is_done;
};

extern PyType_Spec hfa_pump_spec;

/* The method of a run: pump(source, is_sync, kind, takes_turns, holds, serialize). */
PyObject *hfa_pump_new(PyObject *run, PyObject *args);

#endif
