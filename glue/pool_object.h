/* hyperfastapi._core.Pool: a pool whose jobs are Python calls, for any event loop. */
#ifndef HFA_POOL_OBJECT_H
#define HFA_POOL_OBJECT_H

#include "compat.h"

extern PyType_Spec hfa_pool_object_spec;

#endif
