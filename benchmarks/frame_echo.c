#include "frame_echo.h"

#include <string.h>

enum {
    MASK_LENGTH = 4,
    MASK_BIT = 0x80,
};

/* Bytes of the head without its mask, as far as its first two tell. */
static unsigned plain_head(const struct hfa_frame_echo *echo)
{
    unsigned code = echo->head_length < 2 ? 0 : echo->head[1] & ~(unsigned)MASK_BIT;

    return code == 126 ? 4 : code == 127 ? 10 : 2;
}

static uint64_t payload_length(const struct hfa_frame_echo *echo)
{
    unsigned size = plain_head(echo);
    uint64_t length = 0;

    if (size == 2) {
        return echo->head[1] & ~(unsigned)MASK_BIT;
    }
    for (unsigned i = 2; i < size; i++) {
        length = length << 8 | echo->head[i];
    }
    return length;
}

static void unmask(const struct hfa_frame_echo *echo, const char *data, size_t length, char *out)
{
    const unsigned char *mask = echo->head + plain_head(echo);
    unsigned char turned[sizeof(uint64_t)];
    uint64_t key;
    size_t i = 0;

    for (size_t j = 0; j < sizeof(turned); j++) {
        turned[j] = mask[(echo->at + j) % MASK_LENGTH];
    }
    memcpy(&key, turned, sizeof(key));
    for (; i + sizeof(key) <= length; i += sizeof(key)) {
        uint64_t word;
        memcpy(&word, data + i, sizeof(word));
        word ^= key;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < length; i++) {
        out[i] = (char)((unsigned char)data[i] ^ turned[i % MASK_LENGTH]);
    }
}

size_t hfa_frame_echo(struct hfa_frame_echo *echo, const char *data, size_t length, char *out)
{
    const char *end = data + length;
    size_t written = 0;

    while (data < end) {
        if (echo->left == 0) {
            echo->head[echo->head_length++] = (unsigned char)*data++;
            if (echo->head_length < plain_head(echo) + MASK_LENGTH) {
                continue;
            }
            echo->left = payload_length(echo);
            echo->at = 0;
            memcpy(out + written, echo->head, plain_head(echo));
            out[written + 1] = (char)(echo->head[1] & ~(unsigned)MASK_BIT);
            written += plain_head(echo);
        } else {
            size_t piece = (size_t)(end - data);
            if (piece > echo->left) {
                piece = (size_t)echo->left;
            }
            unmask(echo, data, piece, out + written);
            written += piece;
            data += piece;
            echo->at += piece;
            echo->left -= piece;
        }
        if (echo->left == 0) {
            echo->head_length = 0;
        }
    }
    return written;
}
