#include "http1_body.h"

#include "byte_class.h"

/* A size of 64 bits; leading zeros count, so that a size cannot grow without end. */
enum { SIZE_DIGITS_MAX = 16 };

/* What the next byte must be. */
enum state {
    SIZE, /* hexadecimal digits, or the CR behind them */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_LINE, /* a trailer's first byte, or the last CR */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED,
    FAILED, /* bad syntax */
    FAILED_LIMIT,
};

void hfa_http1_chunked_init(struct hfa_http1_chunked *decoder)
{
    *decoder = (struct hfa_http1_chunked){.state = SIZE};
}

/* The state behind `byte`; no byte of DATA comes here. */
static enum state take_size_byte(struct hfa_http1_chunked *decoder, char byte)
{
    int digit = hfa_byte_hex(byte);
    if (digit >= 0) {
        if (decoder->size_digits == SIZE_DIGITS_MAX)
            return FAILED;
        decoder->chunk_left = decoder->chunk_left << 4 | (uint64_t)digit;
        decoder->size_digits++;
        return SIZE;
    }
    /* RFC 9112 7.1.1 has extensions behind ';'. Parsers disagree about their line ends and about
     * white space before them, and no client needs them. */
    return byte == '\r' && decoder->size_digits > 0 ? SIZE_LF : FAILED;
}

static enum state take_trailer_byte(struct hfa_http1_chunked *decoder, char byte)
{
    switch (decoder->state) {
    case TRAILER_LINE:
        return hfa_byte_is(byte, HFA_BYTE_TOKEN) ? TRAILER_NAME : FAILED;
    case TRAILER_NAME:
        if (byte == ':')
            return TRAILER_VALUE;
        return hfa_byte_is(byte, HFA_BYTE_TOKEN) ? TRAILER_NAME : FAILED;
    case TRAILER_VALUE:
        if (byte == '\r')
            return TRAILER_LF;
        return hfa_byte_is(byte, HFA_BYTE_TEXT) ? TRAILER_VALUE : FAILED;
    default:
        return byte == '\n' ? TRAILER_LINE : FAILED;
    }
}

static enum state take_byte(struct hfa_http1_chunked *decoder, char byte, size_t trailer_limit)
{
    switch (decoder->state) {
    case SIZE:
        return take_size_byte(decoder, byte);
    case SIZE_LF:
        if (byte != '\n')
            return FAILED;
        return decoder->chunk_left > 0 ? DATA : TRAILER_LINE;
    case DATA_CR:
        return byte == '\r' ? DATA_LF : FAILED;
    case DATA_LF:
        decoder->size_digits = 0;
        return byte == '\n' ? SIZE : FAILED;
    case LAST_LF:
        return byte == '\n' ? ENDED : FAILED;
    default:
        if (decoder->state == TRAILER_LINE && byte == '\r')
            return LAST_LF;
        if (decoder->trailer_size >= trailer_limit)
            return FAILED_LIMIT;
        decoder->trailer_size++;
        return take_trailer_byte(decoder, byte);
    }
}

enum hfa_status hfa_http1_chunked_decode(struct hfa_http1_chunked *decoder, struct hfa_bytes input,
                                         size_t trailer_limit, size_t *consumed,
                                         struct hfa_bytes *data)
{
    size_t at = 0;
    *consumed = 0;
    *data = (struct hfa_bytes){input.data, 0};
    while (decoder->state < ENDED && at < input.length) {
        if (decoder->state == DATA) {
            if (data->length > 0)
                break; /* one run of data a call */
            size_t left = input.length - at;
            size_t taken = decoder->chunk_left < left ? (size_t)decoder->chunk_left : left;
            *data = (struct hfa_bytes){input.data + at, taken};
            at += taken;
            decoder->chunk_left -= taken;
            if (decoder->chunk_left == 0)
                decoder->state = DATA_CR;
        } else {
            decoder->state = take_byte(decoder, input.data[at], trailer_limit);
            at++;
        }
    }

    switch (decoder->state) {
    case FAILED:
        return HFA_ERR_PROTOCOL;
    case FAILED_LIMIT:
        return HFA_ERR_LIMIT;
    default:
        *consumed = at;
        return decoder->state == ENDED ? HFA_OK : HFA_AGAIN;
    }
}

size_t hfa_http1_chunk_head(uint64_t size, char out[static HFA_HTTP1_CHUNK_HEAD_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 1;
    while (count < SIZE_DIGITS_MAX && size >> (4 * count) != 0)
        count++;
    for (size_t i = 0; i < count; i++)
        out[i] = digits[size >> (4 * (count - 1 - i)) & 0xf];
    out[count] = '\r';
    out[count + 1] = '\n';
    return count + 2;
}
