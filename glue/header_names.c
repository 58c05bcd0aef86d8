#include "header_names.h"

static const char *const common[] = {
    "host",
    "connection",
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-charset",
    "user-agent",
    "content-type",
    "content-length",
    "transfer-encoding",
    "cookie",
    "authorization",
    "origin",
    "referer",
    "cache-control",
    "pragma",
    "upgrade",
    "upgrade-insecure-requests",
    "if-none-match",
    "if-modified-since",
    "if-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "expect",
    "te",
    "trailer",
    "via",
    "dnt",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "x-api-key",
    "x-csrf-token",
    "x-correlation-id",
    "forwarded",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "traceparent",
    "tracestate",
    "priority",
    "keep-alive",
    "access-control-request-method",
    "access-control-request-headers",
    "last-event-id",
    "date",
};

static unsigned slot_of(struct hfa_bytes name)
{
    unsigned char first = (unsigned char)name.data[0];
    unsigned char middle = (unsigned char)name.data[name.length / 2];
    unsigned char last = (unsigned char)name.data[name.length - 1];

    return ((unsigned)name.length * 41u + first * 7u + middle * 13u + last * 29u) %
           HFA_HEADER_NAMES_SLOTS;
}

/* A name whose slot is taken is just not cached. */
int hfa_header_names_init(struct hfa_header_names *names)
{
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        struct hfa_bytes name = {common[i], strlen(common[i])};
        PyObject **slot = &names->slots[slot_of(name)];
        if (*slot != NULL)
            continue;
        *slot = PyBytes_FromStringAndSize(name.data, (Py_ssize_t)name.length);
        if (*slot == NULL)
            return -1;
    }
    return 0;
}

void hfa_header_names_clear(struct hfa_header_names *names)
{
    for (size_t i = 0; i < HFA_HEADER_NAMES_SLOTS; i++)
        Py_CLEAR(names->slots[i]);
}

PyObject *hfa_header_names_get(const struct hfa_header_names *names, struct hfa_bytes name)
{
    if (name.length > 0) {
        PyObject *cached = names->slots[slot_of(name)];
        if (cached != NULL && (size_t)PyBytes_GET_SIZE(cached) == name.length &&
            memcmp(PyBytes_AS_STRING(cached), name.data, name.length) == 0)
            return Py_NewRef(cached);
    }
    return PyBytes_FromStringAndSize(name.data, (Py_ssize_t)name.length);
}
