/* bytes objects of common header names, made once: most requests need no new one. */
#ifndef HFA_HEADER_NAMES_H
#define HFA_HEADER_NAMES_H

#include "bytes.h"
#include "compat.h"

#define HFA_HEADER_NAMES_SLOTS 256

struct hfa_header_names {
    PyObject *slots[HFA_HEADER_NAMES_SLOTS]; /* owned bytes objects or NULL */
};

int hfa_header_names_init(struct hfa_header_names *names);
void hfa_header_names_clear(struct hfa_header_names *names);

/* A new reference to a bytes object equal to `name`; NULL with an exception. */
PyObject *hfa_header_names_get(const struct hfa_header_names *names, struct hfa_bytes name);

#endif
