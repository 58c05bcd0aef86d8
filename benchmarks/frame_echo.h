/* What the floor does with a WebSocket's frames (RFC 6455): sends them back, without their mask.
 *
 * Takes bytes and gives bytes, in pieces of any size. Nothing is checked, nothing is kept but the
 * place in the frame.
 */
#ifndef HFA_FRAME_ECHO_H
#define HFA_FRAME_ECHO_H

#include <stddef.h>
#include <stdint.h>

/* Most bytes of a client's head. */
#define HFA_FRAME_ECHO_HEAD_MAX 14

/* Zero-initialised is ready for the first frame. */
struct hfa_frame_echo {
    unsigned char head[HFA_FRAME_ECHO_HEAD_MAX];
    unsigned head_length; /* bytes of it so far; complete while `left` is not 0 */
    uint64_t left;        /* bytes of the payload still to come */
    uint64_t at;          /* bytes of it so far */
};

/* Writes what goes back for `data` to `out`, which has room for `length` bytes and another
 * HFA_FRAME_ECHO_HEAD_MAX. Returns how many bytes that are. */
size_t hfa_frame_echo(struct hfa_frame_echo *echo, const char *data, size_t length, char *out);

#endif
