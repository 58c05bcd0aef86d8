/* Names and values of queries as Python's text: the str objects that QueryParams holds. */
#ifndef HFA_QUERY_TEXT_H
#define HFA_QUERY_TEXT_H

#include "compat.h"
#include "query.h"

/* A name or value, decoded: a new str, or NULL with an exception. */
PyObject *hfa_query_text(struct hfa_bytes raw);

/* QueryParams.getlist(): the values of all pairs with this name (UTF-8), in order, in a new list;
 * NULL with an exception. */
PyObject *hfa_query_text_list(struct hfa_bytes query, struct hfa_bytes name);

/* QueryParams.multi_items(): (name, value) tuples in a new list; NULL with an exception. */
PyObject *hfa_query_text_pairs(struct hfa_bytes query);

#endif
