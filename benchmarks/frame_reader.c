#include "frame_reader.h"

#include <string.h>

#define FINAL_TEXT 0x81

enum hfa_response_event hfa_frame_read_handshake(struct hfa_frame_reader *frames, const char *data,
                                                 size_t length, size_t *used)
{
    static const char start[] = "HTTP/1.1 101";
    static const char blank[] = "\r\n\r\n";

    while (*used < length) {
        char byte = data[(*used)++];
        if (frames->handshake_length < sizeof(start) - 1 &&
            byte != start[frames->handshake_length]) {
            return HFA_RESPONSE_BROKEN;
        }
        if (++frames->handshake_length > HFA_RESPONSE_HEAD_MAX) {
            return HFA_RESPONSE_BROKEN;
        }
        if (byte == blank[frames->blank]) {
            frames->blank++;
        } else {
            frames->blank = byte == blank[0];
        }
        if (frames->blank == sizeof(blank) - 1) {
            return HFA_RESPONSE_DONE;
        }
    }
    return HFA_RESPONSE_MORE;
}

/* Bytes of a frame's head, as far as its first two tell. */
static unsigned head_size(const struct hfa_frame_reader *frames)
{
    unsigned code = frames->head_length < 2 ? 0 : frames->head[1] & 0x7F;

    return code == 126 ? 4 : code == 127 ? 10 : 2;
}

static enum hfa_response_event broken(struct hfa_response_reader *answer, const char *problem)
{
    answer->problem = problem;
    return HFA_RESPONSE_BROKEN;
}

static enum hfa_response_event read_head(struct hfa_frame_reader *frames,
                                         struct hfa_response_reader *answer, const char *data,
                                         size_t length, size_t *used)
{
    while (frames->head_length < head_size(frames)) {
        if (*used == length) {
            return HFA_RESPONSE_MORE;
        }
        frames->head[frames->head_length++] = (unsigned char)data[(*used)++];
    }
    if (frames->head[0] != FINAL_TEXT || (frames->head[1] & 0x80) != 0) {
        return broken(answer, "not a text message in one frame that is not masked");
    }
    frames->length = frames->head[1];
    if (frames->head_length > 2) {
        frames->length = 0;
        for (unsigned i = 2; i < frames->head_length; i++) {
            frames->length = frames->length << 8 | frames->head[i];
        }
    }
    return HFA_RESPONSE_DONE;
}

enum hfa_response_event hfa_frame_read(struct hfa_frame_reader *frames,
                                       struct hfa_response_reader *answer, const char *data,
                                       size_t length, size_t *used)
{
    const struct hfa_response_rules *rules = answer->rules;

    if (frames->head_length < head_size(frames) || frames->head_length < 2) {
        enum hfa_response_event event = read_head(frames, answer, data, length, used);
        if (event != HFA_RESPONSE_DONE) {
            return event;
        }
    }
    uint64_t piece = frames->length - frames->at;
    if (piece > length - *used) {
        piece = length - *used;
    }
    if (rules->body != NULL && frames->length == (uint64_t)rules->length &&
        memcmp(rules->body + frames->at, data + *used, piece) != 0) {
        frames->differs = true;
    }
    frames->at += piece;
    *used += piece;
    if (frames->at < frames->length) {
        return HFA_RESPONSE_MORE;
    }
    answer->fault = HFA_RESPONSE_FINE;
    answer->length = frames->length;
    answer->status = 101;
    answer->close_after = false;
    if (rules->length >= 0 && frames->length != (uint64_t)rules->length) {
        answer->fault = HFA_RESPONSE_BAD_LENGTH;
    } else if (frames->differs) {
        answer->fault = HFA_RESPONSE_BAD_BODY;
    }
    frames->head_length = 0;
    frames->at = 0;
    frames->length = 0;
    frames->differs = false;
    return HFA_RESPONSE_DONE;
}
