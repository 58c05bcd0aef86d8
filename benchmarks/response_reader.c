#define _GNU_SOURCE /* memmem */
#include "response_reader.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum hfa_response_event broken(struct hfa_response_reader *reader, const char *problem)
{
    reader->problem = problem;
    return HFA_RESPONSE_BROKEN;
}

static bool grow(char **bytes, size_t *capacity, size_t needed)
{
    if (needed <= *capacity) {
        return true;
    }
    size_t larger = *capacity < 512 ? 512 : *capacity;
    while (larger < needed) {
        larger *= 2;
    }
    char *moved = realloc(*bytes, larger);
    if (moved == NULL) {
        return false;
    }
    *bytes = moved;
    *capacity = larger;
    return true;
}

static bool is_token_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* Whether a comma-separated list has the token, without regard to case. */
static bool list_has(const char *value, size_t length, const char *token)
{
    size_t token_length = strlen(token);
    const char *end = value + length;

    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop = comma != NULL ? comma : end;
        const char *last = stop;
        while (value < last && (*value == ' ' || *value == '\t')) {
            value++;
        }
        while (last > value && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        if ((size_t)(last - value) == token_length &&
            strncasecmp(value, token, token_length) == 0) {
            return true;
        }
        value = stop + 1;
    }
    return false;
}

static bool parse_length(const char *value, size_t length, uint64_t *result)
{
    uint64_t number = 0;

    if (length == 0 || length > 18) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(value[i] - '0');
    }
    *result = number;
    return true;
}

static bool name_is(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
}

/* Parses a whole head, its empty line included. NULL if it is good, else what is wrong. */
static const char *parse_head(const char *at, size_t length, struct hfa_response_head *head)
{
    const char *end = at + length - 2; /* without the last CRLF, every line here ends in one */
    bool has_length = false;
    bool keep_alive = false;
    bool close_named = false;

    *head = (struct hfa_response_head){0};
    if (end - at < 14 || memcmp(at, "HTTP/1.", 7) != 0 || (at[7] != '0' && at[7] != '1') ||
        at[8] != ' ') {
        return "no HTTP/1.0 or HTTP/1.1 status line";
    }
    bool is_1_0 = at[7] == '0';
    for (int i = 9; i < 12; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return "status is not three digits";
        }
        head->status = head->status * 10 + (at[i] - '0');
    }
    if (at[12] != ' ') {
        return "no space behind the status";
    }
    at = memchr(at, '\n', (size_t)(end - at));
    if (at == NULL || at[-1] != '\r') {
        return "status line does not end in CRLF";
    }
    at++;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL || line_end == at || line_end[-1] != '\r') {
            return "header line does not end in CRLF";
        }
        const char *value_end = line_end - 1;
        const char *colon = at;
        while (colon < value_end && is_token_byte((unsigned char)*colon)) {
            colon++;
        }
        if (colon == at || colon == value_end || *colon != ':') {
            return "header line without a name and a colon";
        }
        size_t name_length = (size_t)(colon - at);
        const char *value = colon + 1;
        while (value < value_end && (*value == ' ' || *value == '\t')) {
            value++;
        }
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
            value_end--;
        }
        size_t value_length = (size_t)(value_end - value);
        if (memchr(value, '\r', value_length) != NULL ||
            memchr(value, '\0', value_length) != NULL) {
            return "control byte in a header value";
        }
        if (name_is(at, name_length, "content-length")) {
            uint64_t number;
            if (!parse_length(value, value_length, &number)) {
                return "Content-Length is not a number";
            }
            if (has_length && number != head->content_length) {
                return "two different Content-Lengths";
            }
            has_length = true;
            head->content_length = number;
        } else if (name_is(at, name_length, "transfer-encoding")) {
            if (!name_is(value, value_length, "chunked") || head->chunked) {
                return "Transfer-Encoding is not one chunked";
            }
            head->chunked = true;
        } else if (name_is(at, name_length, "connection")) {
            close_named = close_named || list_has(value, value_length, "close");
            keep_alive = keep_alive || list_has(value, value_length, "keep-alive");
        }
        at = line_end + 1;
    }
    if (head->chunked && has_length) {
        return "Content-Length and Transfer-Encoding together";
    }
    if (head->chunked && is_1_0) {
        return "Transfer-Encoding in an HTTP/1.0 answer";
    }
    head->until_close = !has_length && !head->chunked;
    head->close_after = close_named || (is_1_0 && !keep_alive);
    return NULL;
}

/* RFC 9112 6.3: these have no body whatever their head says. */
static bool is_bodiless(const struct hfa_response_reader *reader)
{
    int status = reader->head.status;

    return reader->rules->head_request || status < 200 || status == 204 || status == 304;
}

static enum hfa_response_event finish(struct hfa_response_reader *reader)
{
    const struct hfa_response_rules *rules = reader->rules;
    int status = reader->head.status;

    reader->status = status;
    reader->length = reader->body_length;
    reader->close_after = reader->head.close_after || reader->head.until_close;
    reader->state = HFA_RESPONSE_IN_HEAD;
    if (rules->status != 0 ? status != rules->status : status < 200 || status > 299) {
        reader->fault = HFA_RESPONSE_BAD_STATUS;
    } else if (rules->length >= 0 && reader->body_length != (uint64_t)rules->length) {
        reader->fault = HFA_RESPONSE_BAD_LENGTH;
    } else if (reader->body_differs) {
        reader->fault = HFA_RESPONSE_BAD_BODY;
    } else {
        reader->fault = HFA_RESPONSE_FINE;
    }
    return HFA_RESPONSE_DONE;
}

/* Chooses how the body is read. HFA_RESPONSE_DONE where there is none. */
static enum hfa_response_event begin_body(struct hfa_response_reader *reader)
{
    reader->body_length = 0;
    reader->body_differs = false;
    reader->sample_length = 0;
    if (reader->head.status >= 100 && reader->head.status < 200 && reader->head.status != 101) {
        reader->state = HFA_RESPONSE_IN_HEAD; /* interim: the answer itself follows */
        return HFA_RESPONSE_MORE;
    }
    if (is_bodiless(reader)) {
        reader->head.until_close = false;
        return finish(reader);
    }
    if (reader->head.chunked) {
        reader->state = HFA_RESPONSE_IN_CHUNK_LINE;
    } else if (reader->head.until_close) {
        reader->state = HFA_RESPONSE_TO_CLOSE;
    } else if (reader->head.content_length > 0) {
        reader->state = HFA_RESPONSE_IN_BODY;
        reader->remaining = reader->head.content_length;
    } else {
        return finish(reader);
    }
    return HFA_RESPONSE_MORE;
}

static enum hfa_response_event take_head(struct hfa_response_reader *reader, const char *bytes,
                                         size_t length)
{
    struct hfa_response_cache *cache = reader->cache;

    const char *problem = parse_head(bytes, length, &reader->head);
    if (problem != NULL) {
        return broken(reader, problem);
    }
    if (grow(&cache->bytes, &cache->capacity, length)) {
        memcpy(cache->bytes, bytes, length);
        cache->length = length;
        cache->head = reader->head;
    }
    return begin_body(reader);
}

/* Adds to what is held, up to limit. */
static bool hold(struct hfa_response_reader *reader, const char *data, size_t length, size_t limit)
{
    if (reader->held_length + length > limit ||
        !grow(&reader->held, &reader->held_capacity, reader->held_length + length)) {
        return false;
    }
    memcpy(reader->held + reader->held_length, data, length);
    reader->held_length += length;
    return true;
}

static enum hfa_response_event read_head(struct hfa_response_reader *reader, const char *data,
                                         size_t length, size_t *used)
{
    const struct hfa_response_cache *cache = reader->cache;
    const char *at = data + *used;
    size_t left = length - *used;

    if (reader->held_length == 0) {
        if (cache->length > 0 && left >= cache->length &&
            memcmp(at, cache->bytes, cache->length) == 0) {
            *used += cache->length;
            reader->head = cache->head;
            return begin_body(reader);
        }
        const char *empty_line = memmem(at, left, "\r\n\r\n", 4);
        if (empty_line != NULL) {
            size_t head_length = (size_t)(empty_line - at) + 4;
            *used += head_length;
            return head_length <= HFA_RESPONSE_HEAD_MAX ? take_head(reader, at, head_length)
                                                        : broken(reader, "head is too long");
        }
        *used = length;
        return hold(reader, at, left, HFA_RESPONSE_HEAD_MAX) ? HFA_RESPONSE_MORE
                                                             : broken(reader, "head is too long");
    }
    size_t before = reader->held_length;
    size_t room = HFA_RESPONSE_HEAD_MAX - before;
    size_t taken = left < room ? left : room;
    if (!hold(reader, at, taken, HFA_RESPONSE_HEAD_MAX)) {
        return broken(reader, "out of memory");
    }
    size_t from = before > 3 ? before - 3 : 0;
    const char *empty_line = memmem(reader->held + from, reader->held_length - from, "\r\n\r\n", 4);
    if (empty_line == NULL) {
        *used += taken;
        return reader->held_length < HFA_RESPONSE_HEAD_MAX ? HFA_RESPONSE_MORE
                                                           : broken(reader, "head is too long");
    }
    size_t head_length = (size_t)(empty_line - reader->held) + 4;
    *used += head_length - before;
    reader->held_length = 0;
    return take_head(reader, reader->held, head_length);
}

/* Counts, compares and samples bytes of a body. */
static void take_body(struct hfa_response_reader *reader, const char *bytes, size_t length)
{
    const struct hfa_response_rules *rules = reader->rules;

    if (rules->body != NULL && !reader->body_differs) {
        uint64_t expected = (uint64_t)rules->length;
        reader->body_differs = reader->body_length + length > expected ||
                               memcmp(rules->body + reader->body_length, bytes, length) != 0;
    }
    if (rules->keep_sample && reader->sample_length < HFA_RESPONSE_SAMPLE_MAX) {
        size_t room = HFA_RESPONSE_SAMPLE_MAX - reader->sample_length;
        size_t taken = length < room ? length : room;
        memcpy(reader->sample + reader->sample_length, bytes, taken);
        reader->sample_length += taken;
    }
    reader->body_length += length;
}

/* Reads one line. With HFA_RESPONSE_DONE it is *line, without its CRLF, valid until the next call
 * that is given bytes; it may be in held, whose length is then 0 again. */
static enum hfa_response_event read_line(struct hfa_response_reader *reader, const char *data,
                                         size_t length, size_t *used, const char **line,
                                         size_t *line_length)
{
    const char *at = data + *used;
    size_t left = length - *used;
    const char *newline = memchr(at, '\n', left);
    size_t taken = newline != NULL ? (size_t)(newline - at) + 1 : left;

    *used += taken;
    if (newline != NULL && reader->held_length == 0) {
        *line = at;
        *line_length = taken;
    } else {
        if (!hold(reader, at, taken, HFA_RESPONSE_CHUNK_LINE_MAX)) {
            return broken(reader, "chunk line is too long");
        }
        if (newline == NULL) {
            return HFA_RESPONSE_MORE;
        }
        *line = reader->held;
        *line_length = reader->held_length;
        reader->held_length = 0;
    }
    if (*line_length < 2 || (*line)[*line_length - 2] != '\r') {
        return broken(reader, "chunk line does not end in CRLF");
    }
    *line_length -= 2;
    return HFA_RESPONSE_DONE;
}

static bool parse_chunk_size(const char *line, size_t length, uint64_t *size)
{
    uint64_t number = 0;
    size_t digits = 0;

    for (; digits < length; digits++) {
        char byte = line[digits];
        unsigned value;
        if (byte >= '0' && byte <= '9') {
            value = (unsigned)(byte - '0');
        } else if (byte >= 'a' && byte <= 'f') {
            value = (unsigned)(byte - 'a') + 10;
        } else if (byte >= 'A' && byte <= 'F') {
            value = (unsigned)(byte - 'A') + 10;
        } else {
            break;
        }
        if (digits >= 15) {
            return false;
        }
        number = number << 4 | value;
    }
    *size = number;
    return digits > 0 && (digits == length || line[digits] == ';');
}

enum hfa_response_event hfa_response_read(struct hfa_response_reader *reader, const char *data,
                                          size_t length, size_t *used)
{
    while (*used < length) {
        enum hfa_response_event event = HFA_RESPONSE_MORE;
        size_t left = length - *used;
        const char *line;
        size_t line_length;

        switch (reader->state) {
        case HFA_RESPONSE_IN_HEAD:
            event = read_head(reader, data, length, used);
            break;
        case HFA_RESPONSE_IN_BODY:
        case HFA_RESPONSE_IN_CHUNK: {
            size_t taken = left < reader->remaining ? left : (size_t)reader->remaining;
            take_body(reader, data + *used, taken);
            *used += taken;
            reader->remaining -= taken;
            if (reader->remaining == 0) {
                if (reader->state == HFA_RESPONSE_IN_BODY) {
                    event = finish(reader);
                } else {
                    reader->state = HFA_RESPONSE_AFTER_CHUNK;
                }
            }
            break;
        }
        case HFA_RESPONSE_TO_CLOSE:
            take_body(reader, data + *used, left);
            *used = length;
            break;
        case HFA_RESPONSE_IN_CHUNK_LINE:
            event = read_line(reader, data, length, used, &line, &line_length);
            if (event == HFA_RESPONSE_DONE) {
                event = HFA_RESPONSE_MORE;
                if (!parse_chunk_size(line, line_length, &reader->remaining)) {
                    return broken(reader, "chunk size is not a number");
                }
                reader->state =
                    reader->remaining > 0 ? HFA_RESPONSE_IN_CHUNK : HFA_RESPONSE_IN_TRAILER;
            }
            break;
        case HFA_RESPONSE_AFTER_CHUNK:
            event = read_line(reader, data, length, used, &line, &line_length);
            if (event == HFA_RESPONSE_DONE) {
                event = HFA_RESPONSE_MORE;
                if (line_length != 0) {
                    return broken(reader, "chunk is longer than its size");
                }
                reader->state = HFA_RESPONSE_IN_CHUNK_LINE;
            }
            break;
        case HFA_RESPONSE_IN_TRAILER:
            event = read_line(reader, data, length, used, &line, &line_length);
            if (event == HFA_RESPONSE_DONE) {
                event = line_length == 0 ? finish(reader) : HFA_RESPONSE_MORE;
            }
            break;
        }
        if (event != HFA_RESPONSE_MORE) {
            return event;
        }
    }
    return HFA_RESPONSE_MORE;
}

enum hfa_response_event hfa_response_end(struct hfa_response_reader *reader)
{
    if (reader->state == HFA_RESPONSE_TO_CLOSE) {
        return finish(reader);
    }
    if (reader->state == HFA_RESPONSE_IN_HEAD && reader->held_length == 0) {
        return HFA_RESPONSE_MORE;
    }
    return broken(reader, "connection ended inside an answer");
}

void hfa_response_reset(struct hfa_response_reader *reader)
{
    reader->state = HFA_RESPONSE_IN_HEAD;
    reader->held_length = 0;
}

void hfa_response_reader_free(struct hfa_response_reader *reader)
{
    free(reader->held);
    reader->held = NULL;
    reader->held_length = 0;
    reader->held_capacity = 0;
}

void hfa_response_cache_free(struct hfa_response_cache *cache)
{
    free(cache->bytes);
    *cache = (struct hfa_response_cache){0};
}
