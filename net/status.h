/* Return codes of every function in net/ that can fail.
 *
 * 0 is good, HFA_AGAIN is "not yet", negatives are errors. Results leave by the last arguments.
 */
#ifndef HFA_STATUS_H
#define HFA_STATUS_H

enum hfa_status {
    HFA_OK = 0,
    HFA_AGAIN = 1,                /* more input, or room for output, is needed first */
    HFA_ERR_NO_MEMORY = -1,       /* costs one connection, never the process */
    HFA_ERR_SYSTEM = -2,          /* a system call failed: errno says why */
    HFA_ERR_CLOSED = -3,          /* the peer, or this side, has closed */
    HFA_ERR_TIMEOUT = -4,         /* a deadline has passed */
    HFA_ERR_LIMIT = -5,           /* a configured bound was reached */
    HFA_ERR_STATE = -6,           /* the call does not fit the object's state */
    HFA_ERR_FIELD_NAME = -7,      /* not a field name: RFC 9110 5.1 */
    HFA_ERR_FIELD_VALUE = -8,     /* not a field value: RFC 9110 5.5 */
    HFA_ERR_BODY_TOO_LONG = -9,   /* more body than the declared Content-Length */
    HFA_ERR_BODY_TOO_SHORT = -10, /* less body than the declared Content-Length */
    HFA_ERR_PROTOCOL = -11,       /* the peer broke the protocol */
    HFA_ERR_INVALID = -12,        /* an argument cannot be used */
};

/* A short English text for a status; static storage. */
const char *hfa_status_text(enum hfa_status status);

#endif
