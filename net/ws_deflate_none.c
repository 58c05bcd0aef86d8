/* A build without zlib agrees on no compression. */
#include "ws_deflate.h"

#include <stddef.h>

bool hfa_ws_deflate_is_available(void)
{
    return false;
}

struct hfa_ws_deflate *hfa_ws_deflate_new(const struct hfa_ws_deflate_terms *terms)
{
    return NULL;
}

void hfa_ws_deflate_free(struct hfa_ws_deflate *deflate)
{
}

enum hfa_status hfa_ws_deflate_begin_message(struct hfa_ws_deflate *deflate)
{
    return HFA_ERR_STATE;
}

enum hfa_status hfa_ws_deflate_unpack(struct hfa_ws_deflate *deflate, struct hfa_bytes *input,
                                      char *out, size_t room, size_t *written)
{
    return HFA_ERR_STATE;
}

enum hfa_status hfa_ws_deflate_bound(struct hfa_ws_deflate *deflate, size_t length, size_t *bound)
{
    return HFA_ERR_STATE;
}

enum hfa_status hfa_ws_deflate_pack(struct hfa_ws_deflate *deflate, struct hfa_bytes message,
                                    char *out, size_t room, size_t *written)
{
    return HFA_ERR_STATE;
}
