/* Guards: what was compiled stands as long as these values are where they were found.
 *
 * A guard is (dict, key, value) or (object, attribute's name, value); values are compared by
 * identity. As long as no dictionary has changed (dict_watch.h) nothing is looked up, but for
 * attributes that are neither entries of their object's dictionary nor in slots.
 *
 * Interpreter lock. Zeroed guards are none.
 */
#ifndef HFA_GUARD_H
#define HFA_GUARD_H

#include "dict_watch.h"

/* An attribute that has a place of its own in its object (__slots__). */
struct hfa_slot_guard {
    PyObject *object; /* owned: it keeps `place` */
    PyObject *value;  /* owned */
    PyObject *const *place;
};

struct hfa_guards {
    PyObject *entries; /* owned tuple of (dict, key, value) */
    PyObject *others;  /* owned tuple of (object, attribute's name, value) */
    struct hfa_slot_guard *slots;
    size_t slot_count;
    struct hfa_dict_watch watch;
};

/* Reads a tuple of triples. -1 with an exception: `guards` are none. */
int hfa_guards_read(struct hfa_guards *guards, const struct hfa_state *state, PyObject *triples);

/* Everything is as it was. Never leaves an exception. */
bool hfa_guards_hold(struct hfa_guards *guards, const struct hfa_state *state);

int hfa_guards_traverse(const struct hfa_guards *guards, visitproc visit, void *arg);
void hfa_guards_clear(struct hfa_guards *guards);

#endif
