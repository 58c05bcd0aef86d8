/* Feeds bytes to a whole HTTP/1 connection at once, in pieces and byte by byte. The application
 * answers when a request is complete, so that all three have to end alike: the same requests and
 * messages, the same answers.
 *
 * Input: a byte that chooses the bounds, one the size of the pieces, one the answers, then what
 * the client sends until it closes its half.
 */
#include <stdint.h>
#include <string.h>

#include "carrier_fixture.h"
#include "require.h"
#include "story.h"

#define HEADER_SIZE 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the answers are, one after the other. */
enum answer {
    ANSWER_WITH_LENGTH,
    ANSWER_IN_CHUNKS,
    ANSWER_WITHOUT_BODY,
    ANSWER_AND_CLOSE,
    ANSWER_TOO_SHORT, /* less than was declared: the connection is cut */
    ANSWERS,
};

struct run {
    struct carrier_fixture fixture; /* first: what the application is handed */
    unsigned next_answer;
    struct story heard; /* by the application */
    struct story body;  /* of the request in progress */
    bool was_websocket;
};

static const struct hfa_field plain_text = {HFA_BYTES_INIT("content-type"),
                                            HFA_BYTES_INIT("text/plain")};

static void hear_request(struct run *run, const struct hfa_request *request)
{
    story_add_number(&run->heard, request->version);
    story_add(&run->heard, request->method);
    story_add(&run->heard, request->target);
    story_add(&run->heard, request->path);
    story_add(&run->heard, request->query);
    story_add_number(&run->heard, request->content_length);
    story_add_number(&run->heard, request->is_websocket);
    for (size_t i = 0; i < request->field_count; i++) {
        const struct hfa_field *field = &request->fields[i];
        for (size_t j = 0; j < field->name.length; j++)
            require(field->name.data[j] < 'A' || field->name.data[j] > 'Z');
        story_add(&run->heard, field->name);
        story_add(&run->heard, field->value);
    }
    story_add_number(&run->heard, run->body.hash);
    run->heard.events++;
}

static void add_body(struct run *run, struct hfa_exchange *exchange)
{
    struct hfa_bytes body = hfa_buffer_bytes(&exchange->body);
    /* Byte by byte: how it arrives in pieces is no part of the story. */
    for (size_t i = 0; i < body.length; i++)
        story_add(&run->body, (struct hfa_bytes){body.data + i, 1});
    hfa_exchange_consume_body(exchange, body.length);
}

static void answer(struct run *run, struct hfa_exchange *exchange)
{
    struct hfa_field fields[2] = {plain_text, {HFA_BYTES("content-length"), HFA_BYTES("6")}};
    enum hfa_status status = HFA_OK;
    switch ((enum answer)(run->next_answer++ % ANSWERS)) {
    case ANSWER_WITH_LENGTH:
        status = hfa_exchange_start(exchange, 200, fields, 2, false);
        if (status == HFA_OK)
            status = hfa_exchange_write(exchange, HFA_BYTES("answer"), NULL, true);
        break;
    case ANSWER_IN_CHUNKS:
        status = hfa_exchange_start(exchange, 200, fields, 1, false);
        if (status == HFA_OK)
            status = hfa_exchange_write(exchange, HFA_BYTES("one"), NULL, false);
        if (status == HFA_OK)
            status = hfa_exchange_write(exchange, HFA_BYTES("two"), NULL, true);
        break;
    case ANSWER_WITHOUT_BODY:
        status = hfa_exchange_start(exchange, 204, fields, 1, true);
        break;
    case ANSWER_AND_CLOSE:
        fields[0] = (struct hfa_field){HFA_BYTES("connection"), HFA_BYTES("close")};
        status = hfa_exchange_start(exchange, 404, fields, 1, true);
        break;
    case ANSWER_TOO_SHORT:
    case ANSWERS:
        status = hfa_exchange_start(exchange, 200, fields, 2, false);
        if (status == HFA_OK)
            status = hfa_exchange_write(exchange, HFA_BYTES("ans"), NULL, false);
        break;
    }
    require(status == HFA_OK);
    hfa_exchange_release(exchange);
}

static void take_messages(struct run *run, struct hfa_exchange *exchange)
{
    struct hfa_message *message;
    while ((message = hfa_exchange_take_message(exchange)) != NULL) {
        struct hfa_bytes bytes = {message->data, message->length};
        story_add_number(&run->heard, message->kind);
        story_add_number(&run->heard, message->close_code);
        story_add(&run->heard, bytes);
        run->heard.events++;
        /* Fails once either side has closed. */
        if (message->kind != HFA_MESSAGE_CLOSE)
            (void)hfa_exchange_send_message(exchange, message->kind, bytes, NULL);
        hfa_exchange_free_message(message);
    }
}

static void serve(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                  enum hfa_event event)
{
    struct run *run = (struct run *)fixture;
    if (event == HFA_EVENT_DISCONNECT) {
        take_messages(run, exchange);
        hfa_exchange_release(exchange);
        return;
    }
    if (exchange->websocket_accepted) {
        take_messages(run, exchange);
        return;
    }
    if (event == HFA_EVENT_REQUEST)
        run->body = STORY_START;
    if (event != HFA_EVENT_REQUEST && event != HFA_EVENT_BODY)
        return;
    add_body(run, exchange);
    if (!exchange->body_complete) {
        hfa_exchange_read(exchange);
        return;
    }
    hear_request(run, &exchange->request);
    if (exchange->request.is_websocket && run->next_answer % 2 == 0) {
        run->was_websocket = true;
        require(hfa_exchange_accept(exchange, NULL, 0) == HFA_OK);
    } else {
        answer(run, exchange);
    }
}

/* Whether a 100 (Continue) is due depends on how much of the body has come by then. */
static void drop_continues(struct carrier_fixture *fixture)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *found;
    while ((found = strstr(fixture->sent, interim)) != NULL) {
        size_t length = sizeof(interim) - 1;
        size_t behind = fixture->sent_length - (size_t)(found - fixture->sent) - length;
        memmove(found, found + length, behind + 1);
        fixture->sent_length -= length;
    }
}

static void open_run(struct run *run, unsigned bounds, unsigned answers)
{
    struct hfa_limits limits = HFA_LIMITS_DEFAULT;
    limits.head_size = bounds % 4 == 0 ? limits.head_size : (bounds % 4) * 64;
    limits.request_buffer = bounds / 4 % 2 == 0 ? limits.request_buffer : 16;
    limits.head_fields = bounds / 8 % 2 == 0 ? limits.head_fields : 3;
    limits.trailer_size = bounds / 16 % 2 == 0 ? limits.trailer_size : 8;
    limits.message_size = bounds / 32 % 2 == 0 ? limits.message_size : 64;
    limits.target_size = bounds / 64 % 2 == 0 ? limits.target_size : 32;
    /* The buffers behind it are large, and need not be cleared. */
    memset(run, 0, offsetof(struct run, fixture.input));
    memset((char *)run + sizeof(run->fixture), 0, sizeof(*run) - sizeof(run->fixture));
    run->heard = STORY_START;
    run->next_answer = answers;
    require(carrier_fixture_open(&run->fixture, &limits, serve));
}

static void feed(struct run *run, struct hfa_bytes wire, size_t piece)
{
    for (size_t at = 0; at < wire.length; at += piece) {
        size_t length = wire.length - at < piece ? wire.length - at : piece;
        carrier_feed(&run->fixture, (struct hfa_bytes){wire.data + at, length});
    }
    carrier_end_input(&run->fixture);
    drop_continues(&run->fixture);
}

static void require_same(struct run *expected, struct hfa_bytes wire, size_t piece, unsigned bounds,
                         unsigned answers)
{
    static struct run found;
    open_run(&found, bounds, answers);
    feed(&found, wire, piece);
    require(story_equal(expected->heard, found.heard));
    require(expected->fixture.is_closed == found.fixture.is_closed);
    require(expected->was_websocket == found.was_websocket);
    require(expected->fixture.carrier.wants_reset == found.fixture.carrier.wants_reset);
    /* What a WebSocket is sent is the same, but not in the same order: a pong goes out at once, an
     * echo when the application has had its turn. */
    if (!expected->was_websocket) {
        require(expected->fixture.sent_length == found.fixture.sent_length);
        require(memcmp(expected->fixture.sent, found.fixture.sent, found.fixture.sent_length) == 0);
    }
    carrier_fixture_close(&found.fixture);
    require(found.fixture.dispatcher.active == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole;
    if (size <= HEADER_SIZE)
        return 0;
    struct hfa_bytes wire = {(const char *)data + HEADER_SIZE, size - HEADER_SIZE};

    open_run(&whole, data[0], data[2]);
    feed(&whole, wire, wire.length);
    require(whole.fixture.is_closed);
    require_same(&whole, wire, (size_t)data[1] + 2, data[0], data[2]);
    require_same(&whole, wire, 1, data[0], data[2]);
    carrier_fixture_close(&whole.fixture);
    require(whole.fixture.dispatcher.active == 0);
    return 0;
}
