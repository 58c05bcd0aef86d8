#include "carrier_fixture.h"

#include "http2_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct carrier_fixture *fixture_of(struct hfa_app *app)
{
    return (struct carrier_fixture *)app;
}

static void on_request(struct hfa_app *app, struct hfa_exchange *exchange)
{
    struct carrier_fixture *fixture = fixture_of(app);

    fixture->requests++;
    exchange->app_data = fixture;
    fixture->serve(fixture, exchange, HFA_EVENT_REQUEST);
}

static void on_body(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_BODY);
}

static void on_message(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_MESSAGE);
}

static void on_writable(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->writables++;
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_WRITABLE);
}

static void on_shutdown(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->shutdowns++;
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_SHUTDOWN);
}

static void on_disconnect(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->disconnects++;
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_DISCONNECT);
}

static void on_release(struct hfa_app *app, void *owner)
{
    fixture_of(app)->owners_back++;
}

static void on_change(struct hfa_carrier *carrier)
{
}

static bool open_carrier(struct carrier_fixture *fixture, const struct hfa_limits *limits,
                         carrier_serve serve)
{
    fixture->app = (struct hfa_app){
        .on_request = on_request,
        .on_body = on_body,
        .on_message = on_message,
        .on_writable = on_writable,
        .on_shutdown = on_shutdown,
        .on_disconnect = on_disconnect,
        .on_release = on_release,
    };
    fixture->limits = *limits;
    fixture->serve = serve;
    fixture->now_ns = 1000 * HFA_NS_PER_S;
    fixture->default_fields = HFA_BYTES("server: test\r\n");
    hfa_dispatcher_init(&fixture->dispatcher, &fixture->app, &fixture->limits);
    fixture->dispatcher.connections = 1;
    fixture->carrier = (struct hfa_carrier){
        .dispatcher = &fixture->dispatcher,
        .default_fields = &fixture->default_fields,
        .now_ns = &fixture->now_ns,
        .on_change = on_change,
    };
    fixture->carrier.peer = hfa_peer_new(&fixture->dispatcher);
    return fixture->carrier.peer != NULL;
}

bool carrier_fixture_open(struct carrier_fixture *fixture, const struct hfa_limits *limits,
                          carrier_serve serve)
{
    fixture->protocol = &hfa_http1_protocol;
    if (open_carrier(fixture, limits, serve))
        fixture->engine = hfa_http1_conn_new(&fixture->carrier);
    return fixture->engine != NULL;
}

bool carrier_fixture_open_http2(struct carrier_fixture *fixture, const struct hfa_limits *limits,
                                carrier_serve serve)
{
    fixture->protocol = &hfa_http2_protocol;
    if (open_carrier(fixture, limits, serve))
        fixture->engine = hfa_http2_conn_new(&fixture->carrier);
    return fixture->engine != NULL;
}

/* The transport is gone, as the connection has it. */
static void close_transport(struct carrier_fixture *fixture)
{
    fixture->is_closed = true;
    fixture->protocol->on_closed(fixture->engine);
    hfa_output_clear(&fixture->carrier.output, &fixture->dispatcher.buffers,
                     &fixture->dispatcher.released);
}

void carrier_fixture_close(struct carrier_fixture *fixture)
{
    if (fixture->engine != NULL && !fixture->is_closed)
        close_transport(fixture);
    while (hfa_dispatcher_has_work(&fixture->dispatcher))
        hfa_dispatcher_run(&fixture->dispatcher, 1000);
    if (fixture->exchange != NULL)
        carrier_release(fixture);
    if (fixture->engine != NULL)
        fixture->protocol->free(fixture->engine);
    if (fixture->carrier.peer != NULL)
        hfa_peer_release(fixture->carrier.peer);
    hfa_dispatcher_free(&fixture->dispatcher);
}

static bool send_output(struct carrier_fixture *fixture)
{
    struct hfa_output *output = &fixture->carrier.output;
    struct iovec vectors[16];
    bool moved = false;

    while (output->length > 0) {
        int count = hfa_output_vectors(output, vectors, 16);
        uint64_t size = 0;
        int fd;
        off_t offset;
        size_t length;
        if (count == 0 && hfa_output_next_file(output, &fd, &offset, &length)) {
            FILE *file = fdopen(dup(fd), "r");
            if (file == NULL || fseeko(file, offset, SEEK_SET) != 0 ||
                fread(fixture->sent + fixture->sent_length, 1, length, file) != length)
                abort();
            fclose(file);
            fixture->sent_length += length;
            size = length;
        }
        for (int i = 0; i < count; i++) {
            if (fixture->sent_length + vectors[i].iov_len >= sizeof(fixture->sent))
                abort();
            memcpy(fixture->sent + fixture->sent_length, vectors[i].iov_base, vectors[i].iov_len);
            fixture->sent_length += vectors[i].iov_len;
            size += vectors[i].iov_len;
        }
        hfa_output_consume(output, &fixture->dispatcher.buffers, size,
                           &fixture->dispatcher.released);
        moved = true;
    }
    fixture->sent[fixture->sent_length] = '\0';
    return moved;
}

static bool offer_input(struct carrier_fixture *fixture)
{
    size_t length = fixture->input_length;
    size_t consumed = 0;

    if (!fixture->carrier.wants_input || (length == 0 && !fixture->eof))
        return false;
    /* The bytes stand at the end of an allocation of their own: reading past them is an error. */
    char *copy = malloc(length + 1);
    if (copy == NULL) {
        close_transport(fixture);
        return true;
    }
    memcpy(copy, fixture->input, length);
    fixture->protocol->input(fixture->engine, copy, length, fixture->eof, &consumed);
    memmove(fixture->input, copy + consumed, length - consumed);
    fixture->input_length = length - consumed;
    free(copy);
    return consumed > 0;
}

void carrier_settle(struct carrier_fixture *fixture)
{
    bool moved = true;

    while (moved) {
        moved = hfa_dispatcher_run(&fixture->dispatcher, 1) > 0;
        if (fixture->is_closed)
            continue;
        if (fixture->protocol->prepare_output != NULL)
            fixture->protocol->prepare_output(fixture->engine);
        if (!fixture->holds_output && send_output(fixture)) {
            fixture->protocol->on_drained(fixture->engine);
            moved = true;
        }
        if (fixture->carrier.wants_close && fixture->carrier.output.length == 0) {
            close_transport(fixture);
            moved = true;
        } else {
            moved |= offer_input(fixture);
        }
    }
}

void carrier_feed(struct carrier_fixture *fixture, struct hfa_bytes bytes)
{
    if (fixture->input_length + bytes.length > sizeof(fixture->input))
        abort();
    memcpy(fixture->input + fixture->input_length, bytes.data, bytes.length);
    fixture->input_length += bytes.length;
    if (!fixture->is_closed)
        offer_input(fixture);
    carrier_settle(fixture);
}

void carrier_feed_slowly(struct carrier_fixture *fixture, struct hfa_bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        carrier_feed(fixture, (struct hfa_bytes){bytes.data + i, 1});
}

void carrier_feed_text(struct carrier_fixture *fixture, const char *text)
{
    carrier_feed(fixture, (struct hfa_bytes){text, strlen(text)});
}

void carrier_end_input(struct carrier_fixture *fixture)
{
    fixture->eof = true;
    if (!fixture->is_closed)
        offer_input(fixture);
    carrier_settle(fixture);
}

void carrier_pass_time(struct carrier_fixture *fixture, uint64_t time_ns)
{
    uint64_t until_ns = fixture->now_ns + time_ns;

    while (!fixture->is_closed && fixture->carrier.deadline_ns <= until_ns) {
        if (fixture->now_ns < fixture->carrier.deadline_ns)
            fixture->now_ns = fixture->carrier.deadline_ns;
        fixture->protocol->on_timeout(fixture->engine);
        carrier_settle(fixture);
    }
    fixture->now_ns = until_ns;
}

void carrier_shutdown(struct carrier_fixture *fixture)
{
    if (!fixture->is_closed)
        fixture->protocol->shutdown(fixture->engine);
    carrier_settle(fixture);
}

void carrier_forget_sent(struct carrier_fixture *fixture)
{
    fixture->sent_length = 0;
    fixture->sent[0] = '\0';
}

void carrier_release(struct carrier_fixture *fixture)
{
    struct hfa_exchange *exchange = fixture->exchange;

    fixture->exchange = NULL;
    hfa_exchange_release(exchange);
    carrier_settle(fixture);
}

void carrier_answer(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                    struct hfa_bytes body)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%zu", body.length);
    struct hfa_field field = {HFA_BYTES("content-length"), {text, (size_t)size}};
    enum hfa_status status = hfa_exchange_start(exchange, 200, &field, 1, false);

    if (status == HFA_OK)
        status = hfa_exchange_write(exchange, body, NULL, true);
    if (status != HFA_OK && fixture->failure == HFA_OK)
        fixture->failure = status;
    hfa_exchange_release(exchange);
}

void serve_at_once(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                   enum hfa_event event)
{
    if (event == HFA_EVENT_REQUEST)
        carrier_answer(fixture, exchange, HFA_BYTES("ok"));
}

void serve_echo(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                enum hfa_event event)
{
    const struct hfa_request *request = &exchange->request;

    if (event == HFA_EVENT_DISCONNECT) {
        hfa_exchange_release(exchange);
        return;
    }
    if (event != HFA_EVENT_REQUEST && event != HFA_EVENT_BODY)
        return;
    if (!exchange->body_complete) {
        hfa_exchange_read(exchange);
        return;
    }
    struct hfa_bytes body = hfa_buffer_bytes(&exchange->body);
    fixture->log_length += (size_t)snprintf(
        fixture->log + fixture->log_length, sizeof(fixture->log) - fixture->log_length,
        "%.*s %.*s [%.*s]\n", (int)request->method.length, request->method.data,
        (int)request->target.length, request->target.data, (int)body.length,
        body.length > 0 ? body.data : "");
    carrier_answer(fixture, exchange, body);
}

void serve_never(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                 enum hfa_event event)
{
    if (event == HFA_EVENT_REQUEST)
        fixture->exchange = exchange;
}
