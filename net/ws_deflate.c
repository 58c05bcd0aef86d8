#include "ws_deflate.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* What a flush adds at most to what deflateBound() promises: an empty block and its start. */
#define FLUSH_SIZE 16

#define TAIL_SIZE 4

struct hfa_ws_deflate {
    struct hfa_ws_deflate_terms terms;
    bool has_inflater;
    bool has_deflater;
    z_stream inflater;
    z_stream deflater;
};

bool hfa_ws_deflate_is_available(void)
{
    return true;
}

struct hfa_ws_deflate *hfa_ws_deflate_new(const struct hfa_ws_deflate_terms *terms)
{
    struct hfa_ws_deflate *deflate = calloc(1, sizeof(*deflate));

    if (deflate != NULL)
        deflate->terms = *terms;
    return deflate;
}

void hfa_ws_deflate_free(struct hfa_ws_deflate *deflate)
{
    if (deflate == NULL)
        return;
    if (deflate->has_inflater)
        inflateEnd(&deflate->inflater);
    if (deflate->has_deflater)
        deflateEnd(&deflate->deflater);
    free(deflate);
}

enum hfa_status hfa_ws_deflate_begin_message(struct hfa_ws_deflate *deflate)
{
    z_stream *stream = &deflate->inflater;

    if (deflate->has_inflater) {
        if (deflate->terms.client_no_context_takeover)
            inflateReset(stream);
        return HFA_OK;
    }
    if (inflateInit2(stream, -(int)deflate->terms.client_window_bits) != Z_OK)
        return HFA_ERR_NO_MEMORY;
    deflate->has_inflater = true;
    return HFA_OK;
}

static uInt at_most_uint(size_t size)
{
    return size > UINT_MAX ? UINT_MAX : (uInt)size;
}

enum hfa_status hfa_ws_deflate_unpack(struct hfa_ws_deflate *deflate, struct hfa_bytes *input,
                                      char *out, size_t room, size_t *written)
{
    z_stream *stream = &deflate->inflater;

    *written = 0;
    while (*written < room) {
        uInt offered = at_most_uint(input->length);
        uInt space = at_most_uint(room - *written);
        stream->next_in = (Bytef *)input->data;
        stream->avail_in = offered;
        stream->next_out = (Bytef *)out + *written;
        stream->avail_out = space;
        int result = inflate(stream, Z_SYNC_FLUSH);
        input->data += offered - stream->avail_in;
        input->length -= offered - stream->avail_in;
        *written += space - stream->avail_out;
        if (result == Z_MEM_ERROR)
            return HFA_ERR_NO_MEMORY;
        if (result == Z_STREAM_END) {
            /* RFC 7692 7.2.3.4: a block may say that it is the last one. Another stream follows,
             * with the same window. */
            if (inflateResetKeep(stream) != Z_OK)
                return HFA_ERR_PROTOCOL;
            if (input->length == 0)
                return HFA_OK;
            continue;
        }
        /* Z_BUF_ERROR: nothing to do. */
        if (result != Z_OK && result != Z_BUF_ERROR)
            return HFA_ERR_PROTOCOL;
        if (stream->avail_out > 0 && input->length == 0)
            return HFA_OK;
    }
    return HFA_AGAIN;
}

static enum hfa_status start_deflater(struct hfa_ws_deflate *deflate)
{
    const struct hfa_ws_deflate_terms *terms = &deflate->terms;

    if (deflate->has_deflater)
        return HFA_OK;
    if (deflateInit2(&deflate->deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                     -(int)terms->server_window_bits, terms->memory_level,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return HFA_ERR_NO_MEMORY;
    deflate->has_deflater = true;
    return HFA_OK;
}

enum hfa_status hfa_ws_deflate_bound(struct hfa_ws_deflate *deflate, size_t length, size_t *bound)
{
    enum hfa_status status = start_deflater(deflate);

    if (status != HFA_OK)
        return status;
    if (length > ULONG_MAX / 2 || length > SIZE_MAX / 2)
        return HFA_ERR_NO_MEMORY;
    *bound = (size_t)deflateBound(&deflate->deflater, (uLong)length) + FLUSH_SIZE;
    return HFA_OK;
}

/* Runs the stream until it has taken the message, or has written all that it holds. */
static enum hfa_status run(z_stream *stream, struct hfa_bytes *message, int flush, char *out,
                           size_t room, size_t *written)
{
    do {
        uInt offered = at_most_uint(message->length);
        uInt space = at_most_uint(room - *written);
        stream->next_in = (Bytef *)message->data;
        stream->avail_in = offered;
        stream->next_out = (Bytef *)out + *written;
        stream->avail_out = space;
        int result = deflate(stream, flush);
        message->data += offered - stream->avail_in;
        message->length -= offered - stream->avail_in;
        *written += space - stream->avail_out;
        if (result != Z_OK && result != Z_BUF_ERROR)
            return HFA_ERR_NO_MEMORY;
        if (stream->avail_out == 0 && *written == room)
            return HFA_ERR_NO_MEMORY; /* the caller's room was below the bound */
    } while (message->length > 0 || stream->avail_out == 0);
    return HFA_OK;
}

enum hfa_status hfa_ws_deflate_pack(struct hfa_ws_deflate *deflate, struct hfa_bytes message,
                                    char *out, size_t room, size_t *written)
{
    z_stream *stream = &deflate->deflater;

    *written = 0;
    if (message.data == NULL)
        message = HFA_BYTES("");
    enum hfa_status status = start_deflater(deflate);
    if (status == HFA_OK && deflate->terms.server_no_context_takeover)
        deflateReset(stream);
    /* In two steps: an empty message behind a flush would make no block, which it has to. */
    if (status == HFA_OK)
        status = run(stream, &message, Z_NO_FLUSH, out, room, written);
    if (status == HFA_OK)
        status = run(stream, &message, Z_SYNC_FLUSH, out, room, written);
    if (status != HFA_OK || *written < TAIL_SIZE)
        return HFA_ERR_NO_MEMORY;
    *written -= TAIL_SIZE;
    return HFA_OK;
}
