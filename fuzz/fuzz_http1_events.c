/* Lets everything happen to an HTTP/1 connection in any order: bytes, time, a peer that reads or
 * does not, an application that answers early, late, wrongly or never, a drain, the end. Nothing is
 * predicted; memory, references and bounds have to hold.
 *
 * Input: a byte that chooses the bounds, then steps: a byte that says what happens, and for some a
 * byte with an amount and that many bytes of what the client sends.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "carrier_fixture.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step {
    CLIENT_SENDS,
    CLIENT_ENDS,
    CLIENT_READS,
    CLIENT_STOPS_READING,
    TIME_PASSES,
    SERVER_DRAINS,
    APP_READS,
    APP_STARTS,
    APP_WRITES,
    APP_WRITES_LENT,
    APP_WRITES_LAST,
    APP_SENDS_FILE,
    APP_ABORTS,
    APP_CLOSES,
    APP_RELEASES,
    APP_ACCEPTS,
    APP_SENDS_MESSAGE,
    APP_SENDS_CLOSE,
    APP_TAKES_MESSAGE,
    STEPS,
};

/* Exchanges that the application holds at a time; a connection has one in progress, and others may
 * have outlived it. */
#define HELD_MAX 8

/* Requests that one input can make; each answer may have to fit the fixture's memory. */
#define REQUESTS_MAX 64

struct run {
    struct carrier_fixture fixture; /* first: what the application is handed */
    struct hfa_exchange *held[HELD_MAX];
    unsigned held_count;
};

static const char lent[20000];

static void serve(struct carrier_fixture *fixture, struct hfa_exchange *exchange,
                  enum hfa_event event)
{
    struct run *run = (struct run *)fixture;
    if (event != HFA_EVENT_REQUEST)
        return;
    if (run->held_count == HELD_MAX) {
        hfa_exchange_release(exchange);
        return;
    }
    run->held[run->held_count++] = exchange;
}

static void release(struct run *run, unsigned index)
{
    struct hfa_exchange *exchange = run->held[index];
    run->held[index] = run->held[--run->held_count];
    hfa_exchange_release(exchange);
}

static void start(struct hfa_exchange *exchange, unsigned amount)
{
    static const int codes[] = {200, 204, 304, 404};
    static const struct hfa_field fields[] = {
        {HFA_BYTES_INIT("content-length"), HFA_BYTES_INIT("10")},
        {HFA_BYTES_INIT("connection"), HFA_BYTES_INIT("close")},
        {HFA_BYTES_INIT("x-bad"), HFA_BYTES_INIT("a\r\nb")},
        {HFA_BYTES_INIT("transfer-encoding"), HFA_BYTES_INIT("chunked")},
    };
    size_t first = amount / 8 % 4;
    size_t count = amount / 32 % (5 - first);
    (void)hfa_exchange_start(exchange, codes[amount % 4], fields + first, count, (amount & 4) != 0);
}

static void send_file(struct hfa_exchange *exchange, unsigned amount)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, lent, 300) == 300);
    (void)hfa_exchange_write_file(exchange, fd, amount, 10, (amount & 1) != 0);
}

/* What an application may do to an exchange in any state. */
static void act(struct run *run, enum step step, unsigned amount)
{
    if (run->held_count == 0)
        return;
    unsigned index = amount % run->held_count;
    struct hfa_exchange *exchange = run->held[index];
    struct hfa_bytes bytes = {lent, amount};
    struct hfa_message *message;
    /* WebSocket and HTTP exchanges have operations of their own; the glue keeps them apart. */
    bool is_open_websocket = exchange->websocket_accepted;
    bool may_write = exchange->response == HFA_RESPONSE_STARTED && !is_open_websocket &&
                     hfa_exchange_is_writable(exchange);
    switch (step) {
    case APP_READS:
        hfa_exchange_consume_body(exchange, hfa_buffer_length(&exchange->body));
        hfa_exchange_read(exchange);
        break;
    case APP_STARTS:
        if (exchange->response == HFA_RESPONSE_NONE)
            start(exchange, amount);
        break;
    case APP_WRITES:
    case APP_WRITES_LAST:
        if (may_write)
            (void)hfa_exchange_write(exchange, bytes, NULL, step == APP_WRITES_LAST);
        break;
    case APP_WRITES_LENT:
        if (may_write) {
            run->fixture.owners_lent++;
            bytes.length = (amount & 1) != 0 ? sizeof(lent) : amount;
            (void)hfa_exchange_write(exchange, bytes, (void *)lent, false);
        }
        break;
    case APP_SENDS_FILE:
        if (may_write)
            send_file(exchange, amount);
        break;
    case APP_ABORTS:
        hfa_exchange_abort(exchange);
        break;
    case APP_CLOSES:
        hfa_exchange_close(exchange);
        break;
    case APP_RELEASES:
        release(run, index);
        break;
    case APP_ACCEPTS:
        if (exchange->request.is_websocket && exchange->response == HFA_RESPONSE_NONE)
            (void)hfa_exchange_accept(exchange, NULL, 0);
        break;
    case APP_SENDS_MESSAGE:
        if (is_open_websocket && hfa_exchange_is_writable(exchange))
            (void)hfa_exchange_send_message(exchange, HFA_MESSAGE_BINARY, bytes, NULL);
        break;
    case APP_SENDS_CLOSE:
        if (is_open_websocket)
            (void)hfa_exchange_send_close(exchange, 1000, HFA_BYTES("done"));
        break;
    case APP_TAKES_MESSAGE:
        message = hfa_exchange_take_message(exchange);
        if (message != NULL)
            hfa_exchange_free_message(message);
        break;
    default:
        break;
    }
    carrier_settle(&run->fixture);
}

static void require_bounds(const struct run *run)
{
    const struct hfa_limits *limits = &run->fixture.limits;
    for (unsigned i = 0; i < run->held_count; i++) {
        const struct hfa_exchange *exchange = run->held[i];
        bool is_full = hfa_buffer_length(&exchange->body) >= limits->request_buffer;
        bool is_receiving = exchange->stream != NULL && !exchange->body_complete;
        require(!is_full || !is_receiving || !run->fixture.carrier.wants_input);
        require(exchange->references >= 1 && exchange->references <= 2);
    }
    require(run->fixture.owners_back <= run->fixture.owners_lent);
}

/* Takes one step; returns how many bytes of the input it took. */
static size_t take_step(struct run *run, const uint8_t *data, size_t size)
{
    struct carrier_fixture *fixture = &run->fixture;
    enum step step = (enum step)(data[0] % STEPS);
    unsigned amount = size > 1 ? data[1] : 0;
    size_t length;
    switch (step) {
    case CLIENT_SENDS:
        length = size < 2 ? 0 : size - 2 < amount ? size - 2 : amount;
        if (length > 0 && !fixture->eof && !fixture->is_closed)
            carrier_feed(fixture, (struct hfa_bytes){(const char *)data + 2, length});
        return size < 2 ? 1 : 2 + length;
    case CLIENT_ENDS:
        carrier_end_input(fixture);
        return 1;
    case CLIENT_READS:
    case CLIENT_STOPS_READING:
        fixture->holds_output = step == CLIENT_STOPS_READING;
        carrier_settle(fixture);
        return 1;
    case TIME_PASSES:
        carrier_pass_time(fixture, amount * HFA_NS_PER_S / 2);
        return 2;
    case SERVER_DRAINS:
        carrier_shutdown(fixture);
        return 1;
    default:
        act(run, step, amount);
        return 2;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    if (size < 2)
        return 0;
    struct hfa_limits limits = HFA_LIMITS_DEFAULT;
    limits.request_buffer = (data[0] & 1) != 0 ? 64 : 4096;
    limits.response_buffer = (data[0] & 2) != 0 ? 64 : 4096;
    limits.discard_size = (data[0] & 4) != 0 ? 16 : 4096;
    limits.concurrency = (data[0] & 8) != 0 ? 1 : 0;
    limits.message_size = (data[0] & 16) != 0 ? 32 : 4096;
    limits.body_rate = (data[0] & 32) != 0 ? 0 : limits.body_rate;
    /* The buffers behind it are large, and need not be cleared. */
    memset(&run, 0, offsetof(struct run, fixture.input));
    memset((char *)&run + sizeof(run.fixture), 0, sizeof(run) - sizeof(run.fixture));
    require(carrier_fixture_open(&run.fixture, &limits, serve));

    for (size_t at = 1; at < size && run.fixture.requests < REQUESTS_MAX;) {
        at += take_step(&run, data + at, size - at);
        require_bounds(&run);
        carrier_forget_sent(&run.fixture);
    }
    /* The last ones live on without a connection, as those of a slow application do. */
    while (run.held_count > 1)
        release(&run, 0);
    run.fixture.exchange = run.held_count > 0 ? run.held[0] : NULL;
    carrier_fixture_close(&run.fixture);
    require(run.fixture.owners_back == run.fixture.owners_lent);
    require(run.fixture.dispatcher.active == 0);
    return 0;
}
