#include "request_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "server_limits.h"

enum phase { HEAD, LENGTH_BODY, CHUNKED_BODY, REFUSED };

static void add_bytes(struct request_stream *stream, const char *data, size_t length)
{
    if (stream->text_room - stream->text_length <= length) {
        size_t room = (stream->text_length + length) * 2 + 256;
        char *text = realloc(stream->text, room);
        if (text == NULL)
            abort(); /* a test program */
        stream->text = text;
        stream->text_room = room;
    }
    if (length > 0)
        memcpy(stream->text + stream->text_length, data, length);
    stream->text_length += length;
    stream->text[stream->text_length] = '\0';
}

static void add_text(struct request_stream *stream, const char *text)
{
    add_bytes(stream, text, strlen(text));
}

static void add_escaped(struct request_stream *stream, struct hfa_bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        char escape[5];
        if (byte == '\\')
            add_text(stream, "\\\\");
        else if (byte >= ' ' && byte < 0x7f)
            add_bytes(stream, &bytes.data[i], 1);
        else if (snprintf(escape, sizeof(escape), "\\x%02x", byte) > 0)
            add_text(stream, escape);
    }
}

static void add_line(struct request_stream *stream, const char *kind, struct hfa_bytes bytes)
{
    add_text(stream, kind);
    add_escaped(stream, bytes);
    add_text(stream, "\n");
}

static void refuse(struct request_stream *stream, int http_status)
{
    char line[32];
    bool in_body = stream->phase != HEAD;
    snprintf(line, sizeof(line), "%srefused %d\n", in_body ? "\n" : "", http_status);
    add_text(stream, line);
    stream->phase = REFUSED;
}

static void add_flags(struct request_stream *stream)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {HFA_HTTP1_CLOSE, " close"},
        {HFA_HTTP1_KEEP_ALIVE, " keep-alive"},
        {HFA_HTTP1_UPGRADE, " upgrade"},
        {HFA_HTTP1_UPGRADE_WEBSOCKET, " websocket"},
        {HFA_HTTP1_EXPECT_CONTINUE, " expect-continue"},
    };
    bool is_first = true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((stream->head.flags & names[i].flag) == 0)
            continue;
        if (is_first)
            add_text(stream, "flags");
        add_text(stream, names[i].name);
        is_first = false;
    }
    if (!is_first)
        add_text(stream, "\n");
}

static void describe_head(struct request_stream *stream, const struct hfa_http1_target *target)
{
    const struct hfa_http1_head *head = &stream->head;
    add_text(stream, "request ");
    add_escaped(stream, head->method);
    add_text(stream, " ");
    add_escaped(stream, head->target);
    add_text(stream, head->minor_version > 0 ? " HTTP/1.1\n" : " HTTP/1.0\n");
    if (target->authority.length > 0)
        add_line(stream, "authority ", target->authority);
    add_line(stream, "path ", target->path);
    if (target->query.length > 0)
        add_line(stream, "query ", target->query);
    for (size_t i = 0; i < head->field_count; i++) {
        add_text(stream, "field ");
        add_escaped(stream, head->fields[i].name);
        add_line(stream, head->fields[i].value.length > 0 ? ": " : ":", head->fields[i].value);
    }
    add_flags(stream);
}

static void begin_head(struct request_stream *stream)
{
    stream->phase = HEAD;
    stream->head.fields = stream->fields;
    hfa_http1_head_reset(&stream->parser, &stream->head);
}

static void end_request(struct request_stream *stream)
{
    stream->whole++;
    begin_head(stream);
}

static void end_body(struct request_stream *stream)
{
    add_text(stream, "\n");
    end_request(stream);
}

static void begin_body(struct request_stream *stream)
{
    if ((stream->head.flags & (HFA_HTTP1_CHUNKED | HFA_HTTP1_CONTENT_LENGTH)) == 0) {
        end_request(stream);
        return;
    }
    add_text(stream, "body");
    stream->body_is_empty = true;
    if ((stream->head.flags & HFA_HTTP1_CHUNKED) != 0) {
        hfa_http1_chunked_init(&stream->chunked);
        stream->phase = CHUNKED_BODY;
    } else {
        stream->body_left = stream->head.content_length;
        stream->phase = LENGTH_BODY;
        if (stream->body_left == 0)
            end_body(stream);
    }
}

static size_t take_head(struct request_stream *stream, struct hfa_bytes input)
{
    size_t consumed;
    int http_status;
    struct hfa_http1_target target;
    enum hfa_status status = hfa_http1_parse_head(&stream->parser, input, &stream->limits,
                                                  &stream->head, &consumed, &http_status);
    if (status == HFA_AGAIN)
        return 0;
    if (status != HFA_OK) {
        refuse(stream, http_status);
    } else if (hfa_http1_split_target(stream->head.method, stream->head.target, &target) !=
               HFA_OK) {
        refuse(stream, 400);
    } else {
        describe_head(stream, &target);
        begin_body(stream);
    }
    return consumed;
}

static void add_body(struct request_stream *stream, struct hfa_bytes data)
{
    if (data.length > 0 && stream->body_is_empty) {
        add_text(stream, " ");
        stream->body_is_empty = false;
    }
    add_escaped(stream, data);
}

static size_t take_length_body(struct request_stream *stream, struct hfa_bytes input)
{
    size_t taken = stream->body_left < input.length ? (size_t)stream->body_left : input.length;
    add_body(stream, (struct hfa_bytes){input.data, taken});
    stream->body_left -= taken;
    if (stream->body_left == 0)
        end_body(stream);
    return taken;
}

static size_t take_chunked_body(struct request_stream *stream, struct hfa_bytes input)
{
    size_t consumed;
    struct hfa_bytes data;
    enum hfa_status status =
        hfa_http1_chunked_decode(&stream->chunked, input, stream->trailer_limit, &consumed, &data);
    add_body(stream, data);
    if (status == HFA_OK)
        end_body(stream);
    else if (status != HFA_AGAIN)
        refuse(stream, status == HFA_ERR_LIMIT ? 431 : 400);
    return consumed;
}

void request_stream_begin(struct request_stream *stream)
{
    static const struct hfa_limits defaults = HFA_LIMITS_DEFAULT;
    *stream = (struct request_stream){
        .limits = {defaults.head_size, defaults.target_size, REQUEST_STREAM_FIELDS_MAX},
        .trailer_limit = defaults.trailer_size,
    };
    begin_head(stream);
    add_text(stream, "");
}

size_t request_stream_take(struct request_stream *stream, struct hfa_bytes input)
{
    size_t taken = 0;
    while (taken < input.length && stream->phase != REFUSED) {
        struct hfa_bytes rest = {input.data + taken, input.length - taken};
        size_t consumed = 0;
        switch ((enum phase)stream->phase) {
        case HEAD:
            consumed = take_head(stream, rest);
            break;
        case LENGTH_BODY:
            consumed = take_length_body(stream, rest);
            break;
        case CHUNKED_BODY:
            consumed = take_chunked_body(stream, rest);
            break;
        case REFUSED:
            break;
        }
        if (consumed == 0)
            break;
        taken += consumed;
    }
    return taken;
}

void request_stream_finish(struct request_stream *stream, size_t left)
{
    if (stream->phase == LENGTH_BODY || stream->phase == CHUNKED_BODY)
        add_text(stream, "\nwaiting body\n");
    else if (stream->phase == HEAD && left > 0)
        add_text(stream, "waiting head\n");
}

void request_stream_end(struct request_stream *stream)
{
    free(stream->text);
    stream->text = NULL;
}
