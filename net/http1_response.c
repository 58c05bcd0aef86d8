#include "http1_response.h"

#include <unistd.h>

#include "decimal.h"
#include "http1_body.h"
#include "lower_case.h"
#include "status_line.h"

/* What the application's own fields say about framing. */
struct framing_fields {
    bool has_length;
    bool has_chunked;
    bool has_close;
    bool has_keep_alive;
    uint64_t length;
};

void hfa_http1_response_init(struct hfa_http1_response *response, const struct hfa_request *request)
{
    *response = (struct hfa_http1_response){
        .is_http10 = request->version == HFA_HTTP_1_0,
        .is_head_request = hfa_bytes_equal(request->method, HFA_BYTES("HEAD")),
    };
}

static enum hfa_status read_field(struct framing_fields *seen, const struct hfa_field *field)
{
    if (HFA_FIELD_NAME_IS(field->name, "content-length")) {
        uint64_t length = 0;
        if (hfa_field_parse_content_length(field->value, &length) != HFA_OK)
            return HFA_ERR_FIELD_VALUE;
        if (seen->has_length && length != seen->length)
            return HFA_ERR_FIELD_VALUE;
        seen->has_length = true;
        seen->length = length;
    } else if (HFA_FIELD_NAME_IS(field->name, "transfer-encoding")) {
        if (!hfa_bytes_equal_lower(field->value, HFA_BYTES("chunked")))
            return HFA_ERR_FIELD_VALUE;
        seen->has_chunked = true;
    } else if (HFA_FIELD_NAME_IS(field->name, "connection")) {
        struct hfa_bytes list = field->value, element;
        while (hfa_field_next_element(&list, &element)) {
            seen->has_close |= hfa_bytes_equal_lower(element, HFA_BYTES("close"));
            seen->has_keep_alive |= hfa_bytes_equal_lower(element, HFA_BYTES("keep-alive"));
        }
    }
    return HFA_OK;
}

static char *put(char *at, struct hfa_bytes bytes)
{
    memcpy(at, bytes.data, bytes.length);
    return at + bytes.length;
}

static char *put_field(char *at, const struct hfa_field *field)
{
    at = hfa_lower_case_copy(at, field->name);
    at = put(at, HFA_BYTES(": "));
    at = put(at, field->value);
    return put(at, HFA_BYTES("\r\n"));
}

/* More than the fields that we add ourselves and the last chunk take. */
#define OWN_FIELDS_MAX 128

static size_t head_size(const struct hfa_carrier *carrier, const struct hfa_field *fields,
                        size_t field_count)
{
    size_t size = 64 + carrier->default_fields->length + OWN_FIELDS_MAX;

    for (size_t i = 0; i < field_count; i++)
        size += fields[i].name.length + fields[i].value.length + 4;
    return size;
}

static enum hfa_http1_framing choose_framing(const struct hfa_http1_response *response,
                                             int status_code, const struct framing_fields *seen)
{
    if (response->is_head_request || status_code == 204 || status_code == 304)
        return HFA_HTTP1_FRAMING_NONE;
    if (response->is_http10) /* a 1.0 client does not know chunks */
        return seen->has_length ? HFA_HTTP1_FRAMING_LENGTH : HFA_HTTP1_FRAMING_CLOSE;
    if (seen->has_chunked)
        return HFA_HTTP1_FRAMING_CHUNKED;
    return seen->has_length ? HFA_HTTP1_FRAMING_LENGTH : HFA_HTTP1_FRAMING_CHUNKED;
}

/* One of the two framing fields at most leaves (RFC 9112 6.2): a length beside chunks is dropped,
 * and so is transfer-encoding where no chunks are sent. */
static bool is_dropped(const struct hfa_http1_response *response, const struct framing_fields *seen,
                       const struct hfa_field *field)
{
    if (!seen->has_chunked)
        return false;
    if (hfa_bytes_equal_lower(field->name, HFA_BYTES("content-length")))
        return response->framing == HFA_HTTP1_FRAMING_CHUNKED;
    return hfa_bytes_equal_lower(field->name, HFA_BYTES("transfer-encoding")) &&
           response->framing != HFA_HTTP1_FRAMING_CHUNKED;
}

enum hfa_status hfa_http1_response_start(struct hfa_http1_response *response,
                                         struct hfa_carrier *carrier, int status_code,
                                         const struct hfa_field *fields, size_t field_count,
                                         bool last, bool *keep_alive)
{
    struct framing_fields seen = {0};
    struct hfa_bytes line = hfa_status_line(status_code);
    char *start = NULL;

    for (size_t i = 0; i < field_count; i++) {
        enum hfa_status status = read_field(&seen, &fields[i]);
        if (status != HFA_OK)
            return status;
    }
    response->framing = choose_framing(response, status_code, &seen);
    if (last && response->framing == HFA_HTTP1_FRAMING_LENGTH && seen.length > 0)
        return HFA_ERR_BODY_TOO_SHORT;
    enum hfa_status status = hfa_output_reserve(&carrier->output, &carrier->dispatcher->buffers,
                                                head_size(carrier, fields, field_count), &start);
    if (status != HFA_OK)
        return status;

    char *at = put(start, line);
    if (response->is_http10)
        start[7] = '0'; /* HTTP/1.0 */
    at = put(at, *carrier->default_fields);
    for (size_t i = 0; i < field_count; i++) {
        if (!is_dropped(response, &seen, &fields[i]))
            at = put_field(at, &fields[i]);
    }
    if (seen.has_close || response->framing == HFA_HTTP1_FRAMING_CLOSE)
        *keep_alive = false;
    if (!*keep_alive && !seen.has_close)
        at = put(at, HFA_BYTES("connection: close\r\n"));
    else if (*keep_alive && response->is_http10 && !seen.has_keep_alive)
        at = put(at, HFA_BYTES("connection: keep-alive\r\n"));
    if (response->framing == HFA_HTTP1_FRAMING_CHUNKED && !seen.has_chunked)
        at = put(at, HFA_BYTES("transfer-encoding: chunked\r\n"));
    at = put(at, HFA_BYTES("\r\n"));
    if (last && response->framing == HFA_HTTP1_FRAMING_CHUNKED)
        at = put(at, HFA_BYTES("0\r\n\r\n"));
    response->left = seen.length;
    response->is_started = true;
    hfa_output_commit(&carrier->output, (size_t)(at - start));
    return HFA_OK;
}

enum hfa_status hfa_http1_response_whole(struct hfa_http1_response *response,
                                         struct hfa_carrier *carrier, int status_code,
                                         struct hfa_bytes content_type, struct hfa_bytes body)
{
    struct hfa_bytes line = hfa_status_line(status_code);
    size_t size = line.length + carrier->default_fields->length + OWN_FIELDS_MAX +
                  content_type.length + body.length;
    char *start = NULL;
    enum hfa_status status =
        hfa_output_reserve(&carrier->output, &carrier->dispatcher->buffers, size, &start);

    if (status != HFA_OK)
        return status;
    char *at = put(start, line);
    at = put(at, *carrier->default_fields);
    at = put(at, HFA_BYTES("content-length: "));
    at += hfa_decimal_write(body.length, at);
    at = put(at, HFA_BYTES("\r\ncontent-type: "));
    at = put(at, content_type);
    at = put(at, HFA_BYTES("\r\n\r\n"));
    at = put(at, body);
    response->framing = HFA_HTTP1_FRAMING_LENGTH;
    response->is_started = true;
    hfa_output_commit(&carrier->output, (size_t)(at - start));
    return HFA_OK;
}

static enum hfa_status write_bytes(struct hfa_carrier *carrier, struct hfa_bytes bytes,
                                   void **owner)
{
    if (*owner == NULL)
        return hfa_output_append(&carrier->output, &carrier->dispatcher->buffers, bytes);
    enum hfa_status status = hfa_output_borrow(&carrier->output, bytes, *owner);
    if (status == HFA_OK)
        *owner = NULL;
    return status;
}

static enum hfa_status write_framed(struct hfa_http1_response *response,
                                    struct hfa_carrier *carrier, struct hfa_bytes bytes,
                                    void **owner, bool last)
{
    struct hfa_output *output = &carrier->output;
    struct hfa_buffer_pool *buffers = &carrier->dispatcher->buffers;
    char head[HFA_HTTP1_CHUNK_HEAD_MAX];
    enum hfa_status status = HFA_OK;

    switch (response->framing) {
    case HFA_HTTP1_FRAMING_NONE:
        return HFA_OK;
    case HFA_HTTP1_FRAMING_CLOSE:
        return write_bytes(carrier, bytes, owner);
    case HFA_HTTP1_FRAMING_LENGTH:
        if (bytes.length > response->left)
            return HFA_ERR_BODY_TOO_LONG;
        response->left -= bytes.length;
        status = write_bytes(carrier, bytes, owner);
        if (status == HFA_OK && last && response->left > 0)
            return HFA_ERR_BODY_TOO_SHORT;
        return status;
    case HFA_HTTP1_FRAMING_CHUNKED:
        if (bytes.length > 0) {
            size_t size = hfa_http1_chunk_head(bytes.length, head);
            status = hfa_output_append(output, buffers, (struct hfa_bytes){head, size});
            if (status == HFA_OK)
                status = write_bytes(carrier, bytes, owner);
            if (status == HFA_OK)
                status = hfa_output_append(output, buffers, HFA_BYTES("\r\n"));
        }
        if (status == HFA_OK && last)
            status = hfa_output_append(output, buffers, HFA_BYTES("0\r\n\r\n"));
        return status;
    }
    return HFA_ERR_STATE;
}

enum hfa_status hfa_http1_response_write(struct hfa_http1_response *response,
                                         struct hfa_carrier *carrier, struct hfa_bytes bytes,
                                         void *owner, bool last)
{
    struct hfa_app *app = carrier->dispatcher->app;
    enum hfa_status status = write_framed(response, carrier, bytes, &owner, last);

    if (owner != NULL && app->on_release != NULL)
        app->on_release(app, owner); /* not lent after all */
    return status;
}

enum hfa_status hfa_http1_response_write_file(struct hfa_http1_response *response,
                                              struct hfa_carrier *carrier, int fd, uint64_t offset,
                                              uint64_t length, bool last)
{
    struct hfa_output *output = &carrier->output;
    struct hfa_buffer_pool *buffers = &carrier->dispatcher->buffers;
    char head[HFA_HTTP1_CHUNK_HEAD_MAX];
    bool chunked = response->framing == HFA_HTTP1_FRAMING_CHUNKED;
    enum hfa_status status = HFA_OK;

    if (response->framing == HFA_HTTP1_FRAMING_LENGTH) {
        if (length > response->left) {
            close(fd);
            return HFA_ERR_BODY_TOO_LONG;
        }
        response->left -= length;
    }
    if (response->framing == HFA_HTTP1_FRAMING_NONE || length == 0) {
        close(fd);
        return hfa_http1_response_write(response, carrier, (struct hfa_bytes){0}, NULL, last);
    }
    if (chunked) {
        size_t size = hfa_http1_chunk_head(length, head);
        status = hfa_output_append(output, buffers, (struct hfa_bytes){head, size});
    }
    if (status == HFA_OK)
        status = hfa_output_append_file(output, fd, offset, length);
    if (status != HFA_OK) {
        close(fd);
        return status;
    }
    if (chunked)
        status = hfa_output_append(output, buffers,
                                   last ? HFA_BYTES("\r\n0\r\n\r\n") : HFA_BYTES("\r\n"));
    if (status == HFA_OK && last && response->framing == HFA_HTTP1_FRAMING_LENGTH &&
        response->left > 0)
        return HFA_ERR_BODY_TOO_SHORT;
    return status;
}

enum hfa_status hfa_http1_response_write_trailers(struct hfa_http1_response *response,
                                                  struct hfa_carrier *carrier,
                                                  const struct hfa_field *fields,
                                                  size_t field_count)
{
    char *start = NULL;

    if (response->framing != HFA_HTTP1_FRAMING_CHUNKED)
        return hfa_http1_response_write(response, carrier, (struct hfa_bytes){0}, NULL, true);
    enum hfa_status status = hfa_output_reserve(&carrier->output, &carrier->dispatcher->buffers,
                                                head_size(carrier, fields, field_count), &start);
    if (status != HFA_OK)
        return status;
    char *at = put(start, HFA_BYTES("0\r\n"));
    for (size_t i = 0; i < field_count; i++)
        at = put_field(at, &fields[i]);
    at = put(at, HFA_BYTES("\r\n"));
    hfa_output_commit(&carrier->output, (size_t)(at - start));
    return HFA_OK;
}

enum hfa_status hfa_http1_response_inform(const struct hfa_http1_response *response,
                                          struct hfa_carrier *carrier, int status_code,
                                          const struct hfa_field *fields, size_t field_count)
{
    char *start = NULL;

    if (response->is_http10)
        return HFA_OK;
    enum hfa_status status = hfa_output_reserve(&carrier->output, &carrier->dispatcher->buffers,
                                                head_size(carrier, fields, field_count), &start);
    if (status != HFA_OK)
        return status;
    char *at = put(start, hfa_status_line(status_code));
    for (size_t i = 0; i < field_count; i++)
        at = put_field(at, &fields[i]);
    at = put(at, HFA_BYTES("\r\n"));
    hfa_output_commit(&carrier->output, (size_t)(at - start));
    return HFA_OK;
}

bool hfa_http1_response_ends_by_close(const struct hfa_http1_response *response)
{
    return response->is_started && response->framing == HFA_HTTP1_FRAMING_CLOSE;
}

void hfa_http1_response_refuse_with(struct hfa_carrier *carrier, int status_code,
                                    const struct hfa_field *field, struct hfa_bytes text)
{
    struct hfa_bytes line = hfa_status_line(status_code);
    char length_text[HFA_DECIMAL_MAX];
    size_t length_size = hfa_decimal_write(text.length, length_text);
    struct hfa_field fields[4] = {
        {HFA_BYTES("content-type"), HFA_BYTES("text/plain; charset=utf-8")},
        {HFA_BYTES("content-length"), {length_text, length_size}},
        {HFA_BYTES("connection"), HFA_BYTES("close")},
    };
    size_t field_count = 3;
    char *start = NULL;

    if (field != NULL && field->name.length > 0)
        fields[field_count++] = *field;
    /* Without memory for a refusal the connection is just closed. */
    if (hfa_output_reserve(&carrier->output, &carrier->dispatcher->buffers,
                           head_size(carrier, fields, field_count) + text.length, &start) != HFA_OK)
        return;
    char *at = put(start, line);
    at = put(at, *carrier->default_fields);
    for (size_t i = 0; i < field_count; i++)
        at = put_field(at, &fields[i]);
    at = put(at, HFA_BYTES("\r\n"));
    at = put(at, text);
    hfa_output_commit(&carrier->output, (size_t)(at - start));
}

void hfa_http1_response_refuse(struct hfa_carrier *carrier, int status_code)
{
    struct hfa_bytes text = status_code == 400 ? HFA_BYTES("Invalid HTTP request received.")
                                               : hfa_status_phrase(status_code);

    hfa_http1_response_refuse_with(carrier, status_code, NULL, text);
}

enum hfa_status hfa_http1_response_accept(struct hfa_carrier *carrier, struct hfa_bytes ws_accept,
                                          struct hfa_bytes extensions,
                                          const struct hfa_field *fields, size_t field_count)
{
    char *start = NULL;
    size_t size = head_size(carrier, fields, field_count) + extensions.length;
    enum hfa_status status =
        hfa_output_reserve(&carrier->output, &carrier->dispatcher->buffers, size, &start);

    if (status != HFA_OK)
        return status;
    char *at = put(start, hfa_status_line(101));
    at = put(at, HFA_BYTES("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "));
    at = put(at, ws_accept);
    at = put(at, HFA_BYTES("\r\n"));
    if (extensions.length > 0) {
        at = put(at, HFA_BYTES("Sec-WebSocket-Extensions: "));
        at = put(at, extensions);
        at = put(at, HFA_BYTES("\r\n"));
    }
    at = put(at, *carrier->default_fields);
    for (size_t i = 0; i < field_count; i++) {
        at = put(at, fields[i].name); /* as the caller wrote it */
        at = put(at, HFA_BYTES(": "));
        at = put(at, fields[i].value);
        at = put(at, HFA_BYTES("\r\n"));
    }
    at = put(at, HFA_BYTES("\r\n"));
    hfa_output_commit(&carrier->output, (size_t)(at - start));
    return HFA_OK;
}
