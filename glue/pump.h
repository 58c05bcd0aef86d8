/* A pump: a coroutine that takes the items of a stream from the application's iterator and puts
 * them into the connection, until the iterator ends.
 *
 * It does what a coroutine of Python's would that sends one message an item, but nothing leaves
 * before the iterator waits, or HFA_PUMP_HOLD_NS have gone by: what is there at once leaves at
 * once. While the connection is full it takes no further item.
 *
 * Where FastAPI lets other tasks have a turn behind each item (sleep(0)), it does so while any is
 * ready, and otherwise from time to time.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_PUMP_H
#define HFA_PUMP_H

#include "plan_run.h"
#include "stream_item.h"

/* For so long, or for so many items or bytes, what the iterator gives is held back. */
#define HFA_PUMP_HOLD_NS   UINT64_C(1000000)
#define HFA_PUMP_HOLD_MAX  64
#define HFA_PUMP_HOLD_SIZE (16 * 1024)

struct hfa_pump {
    PyObject_HEAD struct hfa_run *run; /* owned: has a call */
    PyObject *source;                  /* owned: an asynchronous iterator */
    PyObject *serialize;               /* owned: see stream_item.h */
    PyObject *inner;                   /* owned: what it waits for; NULL: a turn, or nothing */
    struct hfa_json_encoder held;      /* items that have not been put out */
    size_t ends[HFA_PUMP_HOLD_MAX];    /* where each ends */
    unsigned held_count;
    uint64_t held_since_ns; /* of the first of them */
    uint64_t turn_ns;       /* the last time that others had a turn */
    uint64_t taken_ns;      /* the last time that an item came */
    enum hfa_stream_kind kind;
    bool takes_turns;
    bool holds;
    bool is_new, is_running, is_done;
    bool is_full; /* waits for room in the connection, not for the iterator */
};

extern PyType_Spec hfa_pump_spec;

/* The method of a run: pump(source, kind, takes_turns, holds, serialize). */
PyObject *hfa_pump_new(PyObject *run, PyObject *args);

#endif
