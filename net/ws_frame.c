#include "ws_frame.h"

#define FINAL_BIT  0x80
#define OPCODE     0x0F
#define MASKED_BIT 0x80
#define LENGTH     0x7F

/* Values of the 7-bit length that announce a longer one behind it. */
#define LENGTH_16 126
#define LENGTH_64 127

static enum hfa_status refuse(struct hfa_ws_close *fault, unsigned code, struct hfa_bytes reason)
{
    *fault = (struct hfa_ws_close){code, reason};
    return HFA_ERR_PROTOCOL;
}

static bool opcode_is_known(unsigned opcode)
{
    return opcode <= HFA_WS_OPCODE_BINARY ||
           (opcode >= HFA_WS_OPCODE_CLOSE && opcode <= HFA_WS_OPCODE_PONG);
}

/* What the first two bytes tell. */
static enum hfa_status check_start(unsigned first, unsigned second, bool masked,
                                   struct hfa_ws_close *fault)
{
    unsigned opcode = first & OPCODE;
    if (!opcode_is_known(opcode))
        return refuse(fault, HFA_WS_CLOSE_PROTOCOL_ERROR, HFA_BYTES("unknown opcode"));
    if (((second & MASKED_BIT) != 0) != masked)
        return refuse(fault, HFA_WS_CLOSE_PROTOCOL_ERROR,
                      masked ? HFA_BYTES("frame is not masked") : HFA_BYTES("frame is masked"));
    if (opcode & HFA_WS_CONTROL_BIT) {
        if (!(first & FINAL_BIT))
            return refuse(fault, HFA_WS_CLOSE_PROTOCOL_ERROR,
                          HFA_BYTES("control frame is fragmented"));
        if ((second & LENGTH) > HFA_WS_CONTROL_PAYLOAD_MAX)
            return refuse(fault, HFA_WS_CLOSE_PROTOCOL_ERROR,
                          HFA_BYTES("control frame is longer than 125 bytes"));
    }
    return HFA_OK;
}

static uint64_t read_big_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

enum hfa_status hfa_ws_frame_decode(struct hfa_bytes input, bool masked,
                                    struct hfa_ws_frame_head *head, size_t *consumed,
                                    struct hfa_ws_close *fault)
{
    if (input.length < 2)
        return HFA_AGAIN;
    const unsigned char *bytes = (const unsigned char *)input.data;
    enum hfa_status status = check_start(bytes[0], bytes[1], masked, fault);
    if (status != HFA_OK)
        return status;

    uint64_t payload_length = bytes[1] & LENGTH;
    size_t at = 2;
    if (payload_length >= LENGTH_16) {
        size_t extra = payload_length == LENGTH_16 ? 2 : 8;
        uint64_t shortest = payload_length == LENGTH_16 ? LENGTH_16 : UINT64_C(0x10000);
        if (input.length < at + extra)
            return HFA_AGAIN;
        payload_length = read_big_endian(bytes + at, extra);
        at += extra;
        if (payload_length < shortest)
            return refuse(fault, HFA_WS_CLOSE_PROTOCOL_ERROR,
                          HFA_BYTES("frame length is not in its shortest form"));
        /* The reference server sees a length above its limit here, whatever that is. */
        if (payload_length >> 63)
            return refuse(fault, HFA_WS_CLOSE_TOO_BIG, HFA_BYTES("frame length is above 2^63"));
    }
    if (masked && input.length < at + 4)
        return HFA_AGAIN;

    *head = (struct hfa_ws_frame_head){
        .payload_length = payload_length,
        .opcode = (enum hfa_ws_opcode)(bytes[0] & OPCODE),
        .reserved = bytes[0] & HFA_WS_RSV_MASK,
        .final = (bytes[0] & FINAL_BIT) != 0,
        .masked = masked,
    };
    if (masked) {
        memcpy(head->mask_key, bytes + at, 4);
        at += 4;
    }
    *consumed = at;
    return HFA_OK;
}

size_t hfa_ws_frame_encode(const struct hfa_ws_frame_head *head,
                           char out[static HFA_WS_FRAME_HEAD_MAX])
{
    unsigned masked = head->masked ? MASKED_BIT : 0;
    size_t extra = 0;
    size_t at = 2;
    out[0] = (char)((head->final ? FINAL_BIT : 0) | head->reserved | (unsigned)head->opcode);
    if (head->payload_length < LENGTH_16) {
        out[1] = (char)(masked | (unsigned)head->payload_length);
    } else if (head->payload_length < UINT64_C(0x10000)) {
        out[1] = (char)(masked | LENGTH_16);
        extra = 2;
    } else {
        out[1] = (char)(masked | LENGTH_64);
        extra = 8;
    }
    for (size_t i = 0; i < extra; i++)
        out[at++] = (char)(head->payload_length >> (8 * (extra - 1 - i)));
    if (head->masked) {
        memcpy(out + at, head->mask_key, 4);
        at += 4;
    }
    return at;
}
