/* Dictionaries that must not change: whether one has, without looking a key up.
 *
 * From Python 3.12 on the interpreter tells of every change of a dictionary that is watched;
 * before, every change gives a dictionary a version that none had. So nothing is missed, but a
 * change of any watched dictionary may be taken for one of these: the owner then compares what it
 * cares for.
 *
 * Interpreter lock. A zeroed watch is empty.
 */
#ifndef HFA_DICT_WATCH_H
#define HFA_DICT_WATCH_H

#include "state.h"

struct hfa_dict_watch {
    PyObject **dicts; /* owned, and owned each */
    size_t count;
    uint64_t stamp; /* as it was when marked; 0: not marked */
};

/* Asks the interpreter for a watcher: state->dict_watcher, -1 where there is none left or it does
 * not tell of everything, which makes every watch one that never holds. */
void hfa_dict_watch_init(struct hfa_state *state);
void hfa_dict_watch_end(struct hfa_state *state);

/* A dictionary more; one that is watched already is nothing new. -1 with an exception. */
int hfa_dict_watch_add(struct hfa_dict_watch *watch, const struct hfa_state *state, PyObject *dict);

/* From now on changes count. Mark first, compare then, and unmark if something is not as it was. */
void hfa_dict_watch_mark(struct hfa_dict_watch *watch, const struct hfa_state *state);
void hfa_dict_watch_unmark(struct hfa_dict_watch *watch);

/* No dictionary has changed since it was marked. Any thread that has the interpreter lock. */
bool hfa_dict_watch_holds(const struct hfa_dict_watch *watch);

int hfa_dict_watch_traverse(const struct hfa_dict_watch *watch, visitproc visit, void *arg);
void hfa_dict_watch_clear(struct hfa_dict_watch *watch);

#endif
