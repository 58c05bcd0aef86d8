#include "ws_close.h"

#include "ws_utf8.h"

bool hfa_ws_close_code_is_valid(unsigned code)
{
    /* 1004 is reserved; 1005, 1006 and 1015 stand for closes without a frame. 1012 to 1014 were
     * registered after the RFC; 1016 to 2999 are for future revisions of it. */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static bool is_utf8(struct hfa_bytes text)
{
    struct hfa_ws_utf8 utf8;
    hfa_ws_utf8_init(&utf8);
    return hfa_ws_utf8_feed(&utf8, text.data, text.length) && hfa_ws_utf8_is_complete(&utf8);
}

enum hfa_status hfa_ws_close_decode(struct hfa_bytes payload, struct hfa_ws_close *close,
                                    struct hfa_ws_close *fault)
{
    if (payload.length == 0) {
        *close = (struct hfa_ws_close){HFA_WS_CLOSE_NO_STATUS, HFA_BYTES("")};
        return HFA_OK;
    }
    if (payload.length == 1) {
        *fault = (struct hfa_ws_close){HFA_WS_CLOSE_PROTOCOL_ERROR,
                                       HFA_BYTES("half a code in the close frame")};
        return HFA_ERR_PROTOCOL;
    }
    unsigned code = (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1];
    struct hfa_bytes reason = {payload.data + 2, payload.length - 2};
    /* The reason before the code: the order in which the reference server finds the faults. */
    if (!is_utf8(reason)) {
        *fault = (struct hfa_ws_close){HFA_WS_CLOSE_INVALID_PAYLOAD,
                                       HFA_BYTES("close reason is not UTF-8")};
        return HFA_ERR_PROTOCOL;
    }
    if (!hfa_ws_close_code_is_valid(code)) {
        *fault = (struct hfa_ws_close){HFA_WS_CLOSE_PROTOCOL_ERROR,
                                       HFA_BYTES("close code is not allowed on the wire")};
        return HFA_ERR_PROTOCOL;
    }
    *close = (struct hfa_ws_close){code, reason};
    return HFA_OK;
}

enum hfa_status hfa_ws_close_encode(struct hfa_ws_close close,
                                    char out[static HFA_WS_CLOSE_PAYLOAD_MAX], size_t *length)
{
    if (!hfa_ws_close_code_is_valid(close.code) || close.reason.length > HFA_WS_CLOSE_REASON_MAX ||
        !is_utf8(close.reason))
        return HFA_ERR_INVALID;
    out[0] = (char)(close.code >> 8);
    out[1] = (char)(close.code & 0xFF);
    if (close.reason.length > 0)
        memcpy(out + 2, close.reason.data, close.reason.length);
    *length = 2 + close.reason.length;
    return HFA_OK;
}
