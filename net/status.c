#include "status.h"

const char *hfa_status_text(enum hfa_status status)
{
    switch (status) {
    case HFA_OK:
        return "ok";
    case HFA_AGAIN:
        return "not yet";
    case HFA_ERR_NO_MEMORY:
        return "out of memory";
    case HFA_ERR_SYSTEM:
        return "system call failed";
    case HFA_ERR_CLOSED:
        return "closed";
    case HFA_ERR_TIMEOUT:
        return "timed out";
    case HFA_ERR_LIMIT:
        return "limit reached";
    case HFA_ERR_STATE:
        return "not allowed in this state";
    case HFA_ERR_FIELD_NAME:
        return "invalid field name";
    case HFA_ERR_FIELD_VALUE:
        return "invalid field value";
    case HFA_ERR_BODY_TOO_LONG:
        return "body longer than Content-Length";
    case HFA_ERR_BODY_TOO_SHORT:
        return "body shorter than Content-Length";
    case HFA_ERR_PROTOCOL:
        return "protocol error";
    case HFA_ERR_INVALID:
        return "invalid argument";
    }
    return "unknown status";
}
