/* hyperfastapi._core.Stage: a stage (response_stage.h) of its own, for a middleware that is native
 * where it stands, between others that are not.
 *
 * Loop thread, interpreter lock.
 */
#ifndef HFA_STAGE_OBJECT_H
#define HFA_STAGE_OBJECT_H

#include "compat.h"

extern PyType_Spec hfa_stage_object_spec;

#endif
