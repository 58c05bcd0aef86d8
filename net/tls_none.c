/* A build without TLS: asking for it is an error that says so. */
#include <stdio.h>

#include "tls.h"

enum hfa_status hfa_tls_context_new(const struct hfa_tls_settings *settings,
                                    struct hfa_tls_context **context, struct hfa_tls_error *error)
{
    *context = NULL;
    snprintf(error->text, sizeof(error->text),
             "this build has no TLS: it was made without OpenSSL");
    return HFA_ERR_INVALID;
}

void hfa_tls_context_release(struct hfa_tls_context *context)
{
}

enum hfa_status hfa_tls_start(struct hfa_transport *transport, struct hfa_tls_context *context)
{
    return HFA_ERR_STATE;
}

void hfa_tls_stop(struct hfa_transport *transport)
{
}

bool hfa_tls_is_http2(const struct hfa_transport *transport)
{
    return false;
}

struct hfa_peer_tls *hfa_tls_describe(const struct hfa_transport *transport)
{
    return NULL;
}

const char *hfa_tls_library(void)
{
    return "";
}
