/* Whether memory that is no longer used is kept for its next use. Under AddressSanitizer it goes
 * back to malloc: what is kept may be used after its end, and nobody would tell. */
#ifndef HFA_RECYCLE_H
#define HFA_RECYCLE_H

#if defined(__SANITIZE_ADDRESS__)
#define HFA_RECYCLES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HFA_RECYCLES 0
#endif
#endif

#ifndef HFA_RECYCLES
#define HFA_RECYCLES 1
#endif

#endif
