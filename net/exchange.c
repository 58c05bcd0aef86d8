#include "exchange.h"

#include <stdlib.h>
#include <unistd.h>

#include "decimal.h"
#include "dispatcher.h"

static void release_owner(struct hfa_exchange *exchange, void *owner)
{
    struct hfa_app *app = exchange->dispatcher->app;

    if (owner != NULL && app->on_release != NULL)
        app->on_release(app, owner);
}

static enum hfa_status check_fields(const struct hfa_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!hfa_field_name_is_safe(fields[i].name))
            return HFA_ERR_FIELD_NAME;
        if (!hfa_field_value_is_safe(fields[i].value))
            return HFA_ERR_FIELD_VALUE;
    }
    return HFA_OK;
}

/* Counts a response as started. */
static enum hfa_status begin_response(struct hfa_exchange *exchange, int status_code)
{
    if (exchange->response != HFA_RESPONSE_NONE)
        return HFA_ERR_STATE;
    if (status_code < 200 || status_code > 999)
        return HFA_ERR_INVALID;
    exchange->response = HFA_RESPONSE_STARTED;
    return HFA_OK;
}

enum hfa_status hfa_exchange_start(struct hfa_exchange *exchange, int status_code,
                                   const struct hfa_field *fields, size_t field_count, bool last)
{
    enum hfa_status status = begin_response(exchange, status_code);
    if (status == HFA_OK)
        status = check_fields(fields, field_count);
    if (status != HFA_OK)
        return status;
    if (exchange->stream == NULL)
        return HFA_ERR_CLOSED;
    return exchange->ops->start(exchange, status_code, fields, field_count, last);
}

enum hfa_status hfa_exchange_respond(struct hfa_exchange *exchange, int status_code,
                                     struct hfa_bytes content_type, struct hfa_bytes body)
{
    enum hfa_status status = begin_response(exchange, status_code);

    if (status != HFA_OK)
        return status;
    if (exchange->stream == NULL)
        return HFA_ERR_CLOSED;
    return exchange->ops->respond(exchange, status_code, content_type, body);
}

enum hfa_status hfa_exchange_respond_in_steps(struct hfa_exchange *exchange, int status_code,
                                              struct hfa_bytes content_type, struct hfa_bytes body)
{
    char length[HFA_DECIMAL_MAX];
    const struct hfa_field fields[] = {
        {HFA_BYTES("content-length"), {length, hfa_decimal_write(body.length, length)}},
        {HFA_BYTES("content-type"), content_type},
    };
    enum hfa_status status = exchange->ops->start(exchange, status_code, fields, 2, false);

    return status == HFA_OK ? exchange->ops->write(exchange, body, NULL, true) : status;
}

enum hfa_status hfa_exchange_write(struct hfa_exchange *exchange, struct hfa_bytes bytes,
                                   void *owner, bool last)
{
    enum hfa_status status = HFA_ERR_CLOSED;

    if (exchange->response != HFA_RESPONSE_STARTED)
        status = HFA_ERR_STATE;
    else if (exchange->stream != NULL && bytes.length >= HFA_OUTPUT_BORROW_MIN && owner != NULL)
        return exchange->ops->write(exchange, bytes, owner, last);
    else if (exchange->stream != NULL)
        status = exchange->ops->write(exchange, bytes, NULL, last);
    release_owner(exchange, owner);
    return status;
}

enum hfa_status hfa_exchange_write_file(struct hfa_exchange *exchange, int fd, uint64_t offset,
                                        uint64_t length, bool last)
{
    enum hfa_status status = HFA_ERR_CLOSED;

    if (exchange->response != HFA_RESPONSE_STARTED)
        status = HFA_ERR_STATE;
    else if (exchange->stream != NULL)
        return exchange->ops->write_file(exchange, fd, offset, length, last);
    close(fd);
    return status;
}

enum hfa_status hfa_exchange_write_trailers(struct hfa_exchange *exchange,
                                            const struct hfa_field *fields, size_t field_count)
{
    if (exchange->response != HFA_RESPONSE_STARTED)
        return HFA_ERR_STATE;
    enum hfa_status status = check_fields(fields, field_count);
    if (status != HFA_OK)
        return status;
    if (exchange->stream == NULL)
        return HFA_ERR_CLOSED;
    return exchange->ops->write_trailers(exchange, fields, field_count);
}

enum hfa_status hfa_exchange_inform(struct hfa_exchange *exchange, int status_code,
                                    const struct hfa_field *fields, size_t field_count)
{
    if (exchange->response != HFA_RESPONSE_NONE)
        return HFA_ERR_STATE;
    if (status_code < 102 || status_code > 199)
        return HFA_ERR_INVALID;
    enum hfa_status status = check_fields(fields, field_count);
    if (status != HFA_OK)
        return status;
    if (exchange->stream == NULL)
        return HFA_ERR_CLOSED;
    return exchange->ops->inform(exchange, status_code, fields, field_count);
}

bool hfa_exchange_is_writable(struct hfa_exchange *exchange)
{
    if (exchange->stream == NULL || exchange->ops->is_writable(exchange))
        return true;
    exchange->is_paused = true;
    return false;
}

void hfa_exchange_read(struct hfa_exchange *exchange)
{
    if (exchange->stream == NULL)
        return;
    if (exchange->wants_continue) {
        exchange->wants_continue = false;
        if (exchange->response == HFA_RESPONSE_NONE && !exchange->body_complete)
            exchange->ops->send_continue(exchange);
    }
    if (!exchange->body_complete || exchange->websocket_accepted)
        exchange->ops->resume_body(exchange);
}

void hfa_exchange_consume_body(struct hfa_exchange *exchange, size_t size)
{
    hfa_buffer_consume(&exchange->body, &exchange->dispatcher->buffers, size);
    if (exchange->stream != NULL && !exchange->body_complete)
        exchange->ops->resume_body(exchange);
}

void hfa_exchange_abort(struct hfa_exchange *exchange)
{
    if (exchange->response == HFA_RESPONSE_COMPLETE || exchange->response == HFA_RESPONSE_ABORTED)
        return;
    exchange->response = HFA_RESPONSE_ABORTED;
    if (exchange->stream != NULL)
        exchange->ops->abort(exchange);
}

void hfa_exchange_close(struct hfa_exchange *exchange)
{
    struct hfa_peer *peer = exchange->peer;

    if (exchange->response != HFA_RESPONSE_COMPLETE)
        hfa_exchange_abort(exchange);
    else if (peer != NULL && peer->conn != NULL && exchange->request.version < HFA_HTTP_2)
        peer->end(peer->conn);
}

enum hfa_status hfa_exchange_accept(struct hfa_exchange *exchange, const struct hfa_field *fields,
                                    size_t field_count)
{
    if (!exchange->request.is_websocket || exchange->response != HFA_RESPONSE_NONE)
        return HFA_ERR_STATE;
    enum hfa_status status = check_fields(fields, field_count);
    if (status != HFA_OK)
        return status;
    if (exchange->stream == NULL)
        return HFA_ERR_CLOSED;
    return exchange->ops->accept(exchange, fields, field_count);
}

enum hfa_status hfa_exchange_send_message(struct hfa_exchange *exchange, enum hfa_message_kind kind,
                                          struct hfa_bytes bytes, void *owner)
{
    enum hfa_status status = HFA_ERR_CLOSED;

    if (!exchange->websocket_accepted)
        status = HFA_ERR_STATE;
    else if (exchange->stream != NULL && bytes.length >= HFA_OUTPUT_BORROW_MIN && owner != NULL)
        return exchange->ops->send_message(exchange, kind, bytes, owner);
    else if (exchange->stream != NULL)
        status = exchange->ops->send_message(exchange, kind, bytes, NULL);
    release_owner(exchange, owner);
    return status;
}

enum hfa_status hfa_exchange_send_close(struct hfa_exchange *exchange, uint16_t code,
                                        struct hfa_bytes reason)
{
    if (!exchange->websocket_accepted)
        return HFA_ERR_STATE;
    if (exchange->stream == NULL)
        return HFA_ERR_CLOSED;
    return exchange->ops->send_close(exchange, code, reason);
}

struct hfa_message *hfa_exchange_take_message(struct hfa_exchange *exchange)
{
    struct hfa_message *message = exchange->messages;

    if (message == NULL)
        return NULL;
    exchange->messages = message->next;
    if (exchange->messages == NULL)
        exchange->messages_last = NULL;
    exchange->messages_size -= sizeof(*message) + message->length;
    if (exchange->stream != NULL)
        exchange->ops->resume_body(exchange);
    return message;
}

void hfa_exchange_free_message(struct hfa_message *message)
{
    free(message);
}

enum hfa_status hfa_exchange_push_message(struct hfa_exchange *exchange,
                                          const struct hfa_message *head, const char *data)
{
    struct hfa_message *message = malloc(sizeof(*message) + head->length);

    if (message == NULL)
        return HFA_ERR_NO_MEMORY;
    *message = *head;
    message->next = NULL;
    if (head->length > 0)
        memcpy(message->data, data, head->length);
    if (exchange->messages_last != NULL)
        exchange->messages_last->next = message;
    else
        exchange->messages = message;
    exchange->messages_last = message;
    exchange->messages_size += sizeof(*message) + head->length;
    hfa_exchange_notify(exchange, HFA_EVENT_MESSAGE);
    return HFA_OK;
}
