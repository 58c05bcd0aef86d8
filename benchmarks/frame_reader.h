/* Reads what a WebSocket's server sends (RFC 6455): the answer to the handshake, then text frames,
 * each of which is an answer to one message, judged as the answers of HTTP are.
 *
 * Takes bytes and gives events, as response_reader.h does. Every message has to be one frame.
 */
#ifndef HFA_FRAME_READER_H
#define HFA_FRAME_READER_H

#include "response_reader.h"

/* Zero-initialised is ready for a handshake's answer. */
struct hfa_frame_reader {
    unsigned handshake_length; /* bytes of its head so far */
    unsigned blank;            /* of the blank line behind it */
    unsigned char head[10];
    unsigned head_length;
    uint64_t length;
    uint64_t at; /* bytes of the payload so far */
    bool differs;
};

/* Reads the answer to the handshake; DONE behind its head, BROKEN when it is not a 101. */
enum hfa_response_event hfa_frame_read_handshake(struct hfa_frame_reader *frames, const char *data,
                                                 size_t length, size_t *used);

/* Reads one frame. What came of it is in `answer`, whose rules it is judged by. */
enum hfa_response_event hfa_frame_read(struct hfa_frame_reader *frames,
                                       struct hfa_response_reader *answer, const char *data,
                                       size_t length, size_t *used);

#endif
