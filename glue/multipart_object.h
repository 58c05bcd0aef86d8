/* hyperfastapi._core.MultipartParser: the parser of multipart.h for Python, and what of a header
 * names the boundary or the part. */
#ifndef HFA_MULTIPART_OBJECT_H
#define HFA_MULTIPART_OBJECT_H

#include "compat.h"

extern PyType_Spec hfa_multipart_object_spec;

/* header_options(value): (type in lower case, {name: value}) of a header's Latin-1 bytes. */
PyObject *hfa_multipart_header_options(PyObject *module, PyObject *value);

#endif
