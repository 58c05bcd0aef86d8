/* A response model, or the type of a stream's items, applied by pydantic as FastAPI does. Any
 * thread, interpreter lock. */
#ifndef HFA_RESPONSE_MODEL_H
#define HFA_RESPONSE_MODEL_H

#include "plan_run.h"

/* What the plan's model makes of a value: a new reference. NULL with what pydantic's code raised,
 * or with FastAPI's ResponseValidationError. */
PyObject *hfa_response_model_validate(const struct hfa_run *run, PyObject *value);

/* The JSON of a validated value, as pydantic's serializer writes it: new bytes, or NULL with an
 * exception. */
PyObject *hfa_response_model_json(const struct hfa_plan *plan, PyObject *value);

#endif
