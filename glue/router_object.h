/* hyperfastapi._core.Router: owns a router for Python.
 *
 *     Router(specs)    ("path", tokens, methods or None), ("prefix", tokens), ("opaque",)...
 *                      in the order of the scan; a token is a str that stands for itself, or a
 *                      tuple (name, convertor). ValueError: a template that only `re` can match.
 *     match(method, path) -> (kind, index, params)
 *                      kind: "none", "full", "partial" or "opaque"; index: of the spec, or None.
 */
#ifndef HFA_ROUTER_OBJECT_H
#define HFA_ROUTER_OBJECT_H

#include "compat.h"
#include "router.h"

extern PyType_Spec hfa_router_object_spec;

/* Borrowed: lives as long as the object, which must be a Router. */
const struct hfa_router *hfa_router_object_get(PyObject *object);

#endif
