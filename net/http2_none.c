/* A build without HTTP/2: no connection is ever taken for one. */
#include "http2_conn.h"

const struct hfa_protocol hfa_http2_protocol = {.name = "h2"};

struct hfa_http2_conn *hfa_http2_conn_new(struct hfa_carrier *carrier)
{
    return NULL;
}

const char *hfa_http2_library(void)
{
    return "";
}
