/* Feeds bytes to a whole HTTP/2 connection, in one piece or several, while the application answers,
 * waits or cuts. Nothing may leak, be read twice, or grow beyond its bounds.
 *
 * Input: a byte that chooses the size of the pieces and what the application does, then what the
 * client sends after its preface and settings.
 */
#include <stdint.h>
#include <string.h>

#include "carrier_fixture.h"
#include "http2_conn.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char opening[] = HFA_HTTP2_PREFACE "\0\0\0\x04\0\0\0\0\0";

/* Echoes what it can, WebSocket messages too; every third response is cut. */
static void serve(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                  enum hfa_event event)
{
    struct hfa_message *message;

    if (event == HFA_EVENT_DISCONNECT) {
        hfa_exchange_release(exchange);
        return;
    }
    if (exchange->websocket_accepted) {
        while ((message = hfa_exchange_take_message(exchange)) != NULL) {
            struct hfa_bytes bytes = {message->data, message->length};
            if (message->kind != HFA_MESSAGE_CLOSE)
                (void)hfa_exchange_send_message(exchange, message->kind, bytes, NULL);
            hfa_exchange_free_message(message);
        }
        return;
    }
    if (event == HFA_EVENT_REQUEST && exchange->request.is_websocket) {
        require(hfa_exchange_accept(exchange, NULL, 0) == HFA_OK);
        return;
    }
    if (event != HFA_EVENT_REQUEST && event != HFA_EVENT_BODY)
        return;
    require(hfa_buffer_length(&exchange->body) <= fixture->limits.request_buffer);
    if (!exchange->body_complete) {
        hfa_exchange_read(exchange);
        return;
    }
    if (fixture->requests % 3 != 2) {
        carrier_answer(fixture, exchange, hfa_buffer_bytes(&exchange->body));
        return;
    }
    const struct hfa_field trailer = {HFA_BYTES("x-end"), HFA_BYTES("1")};
    if (hfa_exchange_inform(exchange, 103, NULL, 0) == HFA_OK &&
        hfa_exchange_start(exchange, 200, NULL, 0, false) == HFA_OK &&
        hfa_exchange_write(exchange, HFA_BYTES("part"), NULL, false) == HFA_OK &&
        fixture->requests % 2 == 0)
        (void)hfa_exchange_write_trailers(exchange, &trailer, 1);
    hfa_exchange_release(exchange);
}

/* Requests that are not answered: given up when the client leaves, or after the next piece. */
#define HELD_MAX 256

static struct hfa_exchange *held[HELD_MAX];
static size_t held_count;

static void hold(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                 enum hfa_event event)
{
    if (event != HFA_EVENT_REQUEST)
        return;
    if (held_count == HELD_MAX)
        hfa_exchange_release(exchange);
    else
        held[held_count++] = exchange;
}

static void release_held(struct carrier_fixture *fixture)
{
    while (held_count > 0)
        hfa_exchange_release(held[--held_count]);
    if (!fixture->is_closed)
        carrier_settle(fixture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct carrier_fixture fixture;
    struct hfa_limits limits = HFA_LIMITS_DEFAULT;

    if (size < 1)
        return 0;
    size_t step = 1 + (data[0] & 0x3f);
    bool never_answers = (data[0] & 0x40) != 0;
    if (data[0] & 0x80)
        step = size;
    limits.h2_resets = limits.h2_errors = 20;
    limits.message_size = 4096;
    memset(&fixture, 0, offsetof(struct carrier_fixture, input));
    require(carrier_fixture_open_http2(&fixture, &limits, never_answers ? hold : serve));
    carrier_feed(&fixture, (struct hfa_bytes){opening, sizeof(opening) - 1});
    for (size_t at = 1; at < size && !fixture.is_closed; at += step) {
        size_t length = size - at < step ? size - at : step;
        carrier_feed(&fixture, (struct hfa_bytes){(const char *)data + at, length});
        carrier_forget_sent(&fixture);
        release_held(&fixture);
    }
    carrier_pass_time(&fixture, 3 * HFA_NS_PER_S);
    carrier_shutdown(&fixture);
    release_held(&fixture);
    carrier_fixture_close(&fixture);
    require(fixture.dispatcher.active == 0);
    return 0;
}
