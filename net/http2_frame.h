/* The head that each HTTP/2 frame begins with (RFC 9113 4.1). Any thread. */
#ifndef HFA_HTTP2_FRAME_H
#define HFA_HTTP2_FRAME_H

#include <stdint.h>

#include "bytes.h"

#define HFA_HTTP2_FRAME_HEAD_SIZE 9
#define HFA_HTTP2_PRIORITY_SIZE   5
#define HFA_HTTP2_PRIORITY_TYPE   2

struct hfa_http2_frame_head {
    uint32_t length; /* of the payload */
    uint8_t type;
    uint8_t flags;
    int32_t stream_id;
    int32_t dependency; /* of a PRIORITY frame: the stream that it names; else 0 */
};

static inline int32_t hfa_http2_frame_stream_id(const unsigned char *at)
{
    return (int32_t)((uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
                     at[3]);
}

/* Reads the head at the start of `input`; false when more bytes are needed: 9, and the payload of a
 * PRIORITY frame. */
static inline bool hfa_http2_frame_head_read(struct hfa_bytes input,
                                             struct hfa_http2_frame_head *head)
{
    const unsigned char *at = (const unsigned char *)input.data;

    if (input.length < HFA_HTTP2_FRAME_HEAD_SIZE)
        return false;
    head->length = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
    head->type = at[3];
    head->flags = at[4];
    head->stream_id = hfa_http2_frame_stream_id(at + 5);
    head->dependency = 0;
    if (head->type != HFA_HTTP2_PRIORITY_TYPE || head->length != HFA_HTTP2_PRIORITY_SIZE)
        return true;
    if (input.length < HFA_HTTP2_FRAME_HEAD_SIZE + HFA_HTTP2_PRIORITY_SIZE)
        return false;
    head->dependency = hfa_http2_frame_stream_id(at + HFA_HTTP2_FRAME_HEAD_SIZE);
    return true;
}

#endif
