/* Time is nanoseconds of the monotonic clock in a uint64_t. */
#ifndef HFA_TIME_NS_H
#define HFA_TIME_NS_H

#include <stdint.h>

#define HFA_NS_PER_S  UINT64_C(1000000000)
#define HFA_NS_PER_MS UINT64_C(1000000)
#define HFA_NEVER     UINT64_MAX /* a deadline that does not come */

#endif
