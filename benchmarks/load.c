/* hfa-load: a load generator for HTTP/1.1 servers, and their WebSockets, on this machine.
 *
 * One thread, one epoll loop. Connections are opened first, then loaded for the warm-up, then
 * measured, then left to get the answers that they still wait for. Every answer is read and judged
 * in full. In the closed loop a connection sends a batch of --pipeline requests when all of its
 * last batch are answered; in the open loop (--rate) requests fall due on a schedule that does not
 * wait for the server, and latency counts from then, so that a stall is seen by all the requests
 * that it delayed.
 */
#include "frame_reader.h"
#include "histogram.h"
#include "load_options.h"
#include "response_reader.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_PER_TURN = 1024,
    RECEIVE_SIZE = 1 << 18,
    BLOCK_SIZE = 1 << 16,     /* repeated requests are sent from a block of about this size */
    PRINTED_ERRORS = 10,      /* of all errors, those that are described on stderr */
    ERRORS_TO_GIVE_UP = 1000, /* a server this broken is not worth the rest of the interval */
    TALLY_MAX = 256,
    SWEEP_MS = 100,
};

enum load_phase { PHASE_CONNECT, PHASE_WARMUP, PHASE_MEASURE, PHASE_DRAIN, PHASE_END };

enum load_error {
    ERROR_CONNECT,  /* a connection could not be made */
    ERROR_STATUS,   /* not the expected status */
    ERROR_LENGTH,   /* not the expected length */
    ERROR_BODY,     /* not the expected bytes */
    ERROR_FRAMING,  /* not HTTP */
    ERROR_CLOSED,   /* requests left unanswered by a connection that ended */
    ERROR_TIMEOUT,  /* requests left unanswered for too long */
    ERROR_UNWANTED, /* bytes that answer no request */
    ERROR_KINDS,
};

static const char *const error_names[ERROR_KINDS] = {
    "connect", "status", "length", "body", "framing", "closed", "timeout", "unwanted",
};

enum conn_state { CONN_DOWN, CONN_CONNECTING, CONN_UPGRADING, CONN_UP };

struct load_conn {
    int fd;
    enum conn_state state;
    bool wait_writable; /* the socket took no more; EPOLLOUT will tell when it does */
    bool available;     /* stands in the queue of connections with room (open loop) */
    unsigned outstanding;
    unsigned oldest;      /* index into started of the oldest request under way */
    uint64_t *started;    /* ring, one time for each request that may be under way */
    uint64_t unsent;      /* request bytes still to send */
    size_t write_offset;  /* how far into a request the next byte to send is */
    uint64_t progress_ns; /* when something was last sent, or answered */
    struct hfa_response_reader reader;
    struct hfa_frame_reader frames;
    char sample[HFA_RESPONSE_SAMPLE_MAX];
    size_t sample_length;
};

/* CPU time of a process, all its threads included, those that have ended too. */
struct cpu_reading {
    uint64_t total_ns;
    uint64_t user_ticks;
    uint64_t system_ticks;
};

struct load {
    const struct hfa_load_options *options;
    enum load_phase phase;
    int epoll;
    int timer; /* for the schedule of the open loop */
    struct load_conn *conns;
    unsigned conns_up;
    char *block;
    size_t block_length;
    struct hfa_response_cache cache;
    unsigned *queue; /* ring of connections with room, for the open loop */
    unsigned queue_head;
    unsigned queue_count;
    uint64_t rate_began_ns;
    uint64_t rate_due; /* requests of the schedule that were given to a connection */
    bool timer_set;
    uint64_t began_ns; /* the measured interval */
    uint64_t ended_ns;
    uint64_t overdue; /* requests that were due, and unsent, when it ended */
    uint64_t measured;
    uint64_t bytes_received;
    uint64_t reconnects;
    uint64_t errors[ERROR_KINDS];
    uint64_t error_total;
    struct cpu_reading servers[HFA_LOAD_SERVERS_MAX];
    struct cpu_reading server_total;
    uint64_t own_cpu_ns;
    struct hfa_histogram latency;
};

static char input[RECEIVE_SIZE];

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "hfa-load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) < 0) {
        fail("clock_gettime");
    }
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

static unsigned index_of(const struct load *load, const struct load_conn *conn)
{
    return (unsigned)(conn - load->conns);
}

static void count_errors(struct load *load, const struct load_conn *conn, enum load_error kind,
                         uint64_t count, const char *text)
{
    load->errors[kind] += count;
    load->error_total += count;
    if (load->error_total - count < PRINTED_ERRORS) {
        fprintf(stderr, "hfa-load: connection %u: %s: %s\n", index_of(load, conn),
                error_names[kind], text);
    }
    if (load->error_total >= ERRORS_TO_GIVE_UP && load->phase != PHASE_END) {
        fprintf(stderr, "hfa-load: %llu errors: giving up\n",
                (unsigned long long)load->error_total);
        load->phase = PHASE_END;
    }
}

/* --- CPU time of the servers ------------------------------------------------------------------ */

static struct cpu_reading read_cpu(pid_t pid)
{
    struct cpu_reading reading = {0};
    char path[64];
    char line[1024];
    clockid_t clock;

    int error = clock_getcpuclockid(pid, &clock);
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (error != 0 || file == NULL || fgets(line, sizeof(line), file) == NULL) {
        fprintf(stderr, "hfa-load: --server %d: no such process\n", (int)pid);
        exit(2);
    }
    fclose(file);
    reading.total_ns = clock_ns(clock);
    /* The name, in parentheses, may hold anything; 11 fields lie between it and utime, stime. */
    char *field = strrchr(line, ')');
    for (int i = 0; field != NULL && i < 12; i++) {
        field = strchr(field + 1, ' ');
    }
    if (field != NULL) {
        reading.user_ticks = strtoull(field, &field, 10);
        reading.system_ticks = strtoull(field, NULL, 10);
    }
    return reading;
}

static void begin_measuring(struct load *load)
{
    for (unsigned i = 0; i < load->options->server_count; i++) {
        load->servers[i] = read_cpu(load->options->servers[i]);
    }
    load->own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    load->began_ns = now_ns();
    load->phase = PHASE_MEASURE;
}

static void end_measuring(struct load *load)
{
    load->ended_ns = now_ns();
    load->own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - load->own_cpu_ns;
    for (unsigned i = 0; i < load->options->server_count; i++) {
        struct cpu_reading reading = read_cpu(load->options->servers[i]);
        load->server_total.total_ns += reading.total_ns - load->servers[i].total_ns;
        load->server_total.user_ticks += reading.user_ticks - load->servers[i].user_ticks;
        load->server_total.system_ticks += reading.system_ticks - load->servers[i].system_ticks;
    }
    if (load->options->rate > 0) {
        double due = (double)(load->ended_ns - load->rate_began_ns) / 1e9 * load->options->rate;
        load->overdue = due > (double)load->rate_due ? (uint64_t)due - load->rate_due : 0;
    }
    load->phase = PHASE_DRAIN;
}

/* --- connections ------------------------------------------------------------------------------ */

/* Edge-triggered, and registered once: the kernel need not look at a connection again that had all
 * its input read, which makes the load cheaper than a server that does the usual. */
static void watch(const struct load *load, struct load_conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = conn};

    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event) < 0) {
        fail("epoll_ctl");
    }
}

static void conn_connect(struct load *load, struct load_conn *conn)
{
    const struct hfa_load_options *options = load->options;

    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0) {
        fail("socket");
    }
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (options->sources > 1) {
        struct sockaddr_in source = {
            .sin_family = AF_INET,
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK + index_of(load, conn) % options->sources)};
        setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
        if (bind(conn->fd, (struct sockaddr *)&source, sizeof(source)) < 0) {
            fail("bind");
        }
    }
    conn->state = CONN_CONNECTING;
    conn->progress_ns = now_ns();
    if (connect(conn->fd, (const struct sockaddr *)&options->address, sizeof(options->address)) <
            0 &&
        errno != EINPROGRESS) {
        count_errors(load, conn, ERROR_CONNECT, 1, strerror(errno));
        close(conn->fd);
        conn->state = CONN_DOWN; /* the sweep tries again */
        return;
    }
    watch(load, conn);
}

static void conn_close(struct load *load, struct load_conn *conn)
{
    if (conn->state == CONN_UP) {
        load->conns_up--;
    }
    close(conn->fd);
    conn->state = CONN_DOWN;
    conn->wait_writable = false;
    conn->outstanding = 0;
    conn->unsent = 0;
    conn->write_offset = 0;
    hfa_response_reset(&conn->reader);
    conn->frames = (struct hfa_frame_reader){0};
}

/* Ends a connection, counting the requests that it leaves unanswered, and makes the next one. */
static void conn_replace(struct load *load, struct load_conn *conn, enum load_error kind,
                         const char *text)
{
    unsigned unanswered = conn->outstanding;

    conn_close(load, conn);
    if (unanswered > 0) {
        count_errors(load, conn, kind, unanswered, text);
    }
    if (load->phase < PHASE_DRAIN) {
        load->reconnects++;
        conn_connect(load, conn);
    }
}

static void make_available(struct load *load, struct load_conn *conn)
{
    unsigned connections = load->options->connections;

    if (!conn->available) {
        conn->available = true;
        load->queue[(load->queue_head + load->queue_count++) % connections] = index_of(load, conn);
    }
}

/* Sends what is unsent, as far as the socket takes it. */
static void conn_flush(struct load *load, struct load_conn *conn)
{
    while (conn->unsent > 0) {
        uint64_t chunk = load->block_length - conn->write_offset;
        if (chunk > conn->unsent) {
            chunk = conn->unsent;
        }
        ssize_t sent = send(conn->fd, load->block + conn->write_offset, chunk, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN) {
                conn_replace(load, conn, ERROR_CLOSED, strerror(errno));
                return;
            }
            conn->wait_writable = true;
            return;
        }
        conn->unsent -= (uint64_t)sent;
        conn->write_offset = (conn->write_offset + (size_t)sent) % load->options->request_length;
    }
    conn->wait_writable = false;
}

/* Sends count requests that were due at due_ns. */
static void conn_send(struct load *load, struct load_conn *conn, unsigned count, uint64_t due_ns,
                      uint64_t now)
{
    unsigned pipeline = load->options->pipeline;

    for (unsigned i = 0; i < count; i++) {
        conn->started[(conn->oldest + conn->outstanding++) % pipeline] = due_ns;
    }
    conn->unsent += (uint64_t)count * load->options->request_length;
    conn->progress_ns = now;
    if (!conn->wait_writable) {
        conn_flush(load, conn);
    }
}

static bool sending(const struct load *load)
{
    return load->phase == PHASE_WARMUP || load->phase == PHASE_MEASURE;
}

static void conn_begin(struct load *load, struct load_conn *conn)
{
    if (load->options->rate > 0) {
        make_available(load, conn);
    } else {
        uint64_t now = now_ns();
        conn_send(load, conn, load->options->pipeline, now, now);
    }
}

/* Ready for requests. */
static void conn_up(struct load *load, struct load_conn *conn)
{
    conn->state = CONN_UP;
    load->conns_up++;
    if (sending(load)) {
        conn_begin(load, conn);
    }
}

static void fail_upgrade(struct load *load, struct load_conn *conn, const char *text)
{
    conn_close(load, conn);
    count_errors(load, conn, ERROR_CONNECT, 1, text);
}

/* A WebSocket's handshake, which fits into any socket's buffer. */
static void begin_upgrade(struct load *load, struct load_conn *conn)
{
    const struct hfa_load_options *options = load->options;

    conn->state = CONN_UPGRADING;
    conn->progress_ns = now_ns();
    if (send(conn->fd, options->handshake, options->handshake_length, MSG_NOSIGNAL) !=
        (ssize_t)options->handshake_length) {
        fail_upgrade(load, conn, "the handshake could not be sent");
    }
}

static void read_upgrade(struct load *load, struct load_conn *conn)
{
    size_t used = 0;
    ssize_t got = recv(conn->fd, input, sizeof(input), 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        fail_upgrade(load, conn, "closed during the handshake");
        return;
    }
    switch (hfa_frame_read_handshake(&conn->frames, input, (size_t)got, &used)) {
    case HFA_RESPONSE_MORE:
        break;
    case HFA_RESPONSE_DONE:
        if (used < (size_t)got) {
            fail_upgrade(load, conn, "bytes that answer no request");
        } else {
            conn_up(load, conn);
        }
        break;
    case HFA_RESPONSE_BROKEN:
        fail_upgrade(load, conn, "the handshake was refused");
        load->phase = PHASE_END; /* it will be refused again */
        break;
    }
}

static void on_connected(struct load *load, struct load_conn *conn)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error != 0) {
        conn_close(load, conn);
        count_errors(load, conn, ERROR_CONNECT, 1, strerror(error));
        return;
    }
    if (load->options->websocket) {
        begin_upgrade(load, conn);
    } else {
        conn_up(load, conn);
    }
}

/* One complete answer has been read. False where the connection was given up. */
static bool on_answer(struct load *load, struct load_conn *conn, uint64_t now)
{
    const struct hfa_response_reader *reader = &conn->reader;
    char text[160];

    if (conn->outstanding == 0) {
        count_errors(load, conn, ERROR_UNWANTED, 1, "an answer to no request");
        conn_replace(load, conn, ERROR_CLOSED, "");
        return false;
    }
    uint64_t started = conn->started[conn->oldest];
    conn->oldest = (conn->oldest + 1) % load->options->pipeline;
    conn->outstanding--;
    conn->progress_ns = now;
    switch (reader->fault) {
    case HFA_RESPONSE_FINE:
        if (load->phase == PHASE_MEASURE) {
            load->measured++;
            hfa_histogram_record(&load->latency, now - started);
            if (load->measured == load->options->requests) {
                end_measuring(load);
            }
        }
        break;
    case HFA_RESPONSE_BAD_STATUS:
        snprintf(text, sizeof(text), "status %d", reader->status);
        count_errors(load, conn, ERROR_STATUS, 1, text);
        break;
    case HFA_RESPONSE_BAD_LENGTH:
        snprintf(text, sizeof(text), "%llu bytes of body instead of %lld",
                 (unsigned long long)reader->length, (long long)reader->rules->length);
        count_errors(load, conn, ERROR_LENGTH, 1, text);
        break;
    case HFA_RESPONSE_BAD_BODY:
        count_errors(load, conn, ERROR_BODY, 1, "not the expected bytes");
        break;
    }
    if (load->options->tally && conn->sample_length == 0) {
        conn->sample_length = reader->sample_length;
        memcpy(conn->sample, reader->sample, reader->sample_length);
    }
    if (reader->close_after) {
        conn_replace(load, conn, ERROR_CLOSED, "closed before all requests were answered");
        return false;
    }
    if (sending(load) && load->options->rate > 0) {
        make_available(load, conn);
    }
    return true;
}

/* Reads what has come, up to the size of input. Returns how much; 0 if there was nothing, or the
 * connection was given up. */
static size_t read_answers(struct load *load, struct load_conn *conn)
{
    size_t used = 0;
    ssize_t got;

    do {
        got = recv(conn->fd, input, sizeof(input), 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        if (errno != EAGAIN) {
            conn_replace(load, conn, ERROR_CLOSED, strerror(errno));
        }
        return 0;
    }
    uint64_t now = now_ns();
    if (got == 0) {
        enum hfa_response_event event = hfa_response_end(&conn->reader); /* MORE of a WebSocket */
        if (event != HFA_RESPONSE_DONE || on_answer(load, conn, now)) {
            conn_replace(load, conn, ERROR_CLOSED,
                         event == HFA_RESPONSE_BROKEN ? conn->reader.problem
                                                      : "closed by the server");
        }
        return 0;
    }
    if (load->phase == PHASE_MEASURE) {
        load->bytes_received += (uint64_t)got;
    }
    while (used < (size_t)got) {
        enum hfa_response_event event =
            load->options->websocket
                ? hfa_frame_read(&conn->frames, &conn->reader, input, (size_t)got, &used)
                : hfa_response_read(&conn->reader, input, (size_t)got, &used);
        if (event == HFA_RESPONSE_BROKEN) {
            count_errors(load, conn, ERROR_FRAMING, 1, conn->reader.problem);
            conn_replace(load, conn, ERROR_CLOSED, conn->reader.problem);
            return 0;
        }
        if (event == HFA_RESPONSE_DONE && !on_answer(load, conn, now)) {
            return 0;
        }
    }
    /* Only now that all input is read: an answer too many must not pass for the next request's. */
    if (sending(load) && load->options->rate == 0 && conn->outstanding == 0) {
        conn_send(load, conn, load->options->pipeline, now, now);
    }
    return (size_t)got;
}

/* --- the loop --------------------------------------------------------------------------------- */

static uint64_t due_at(const struct load *load, uint64_t number)
{
    return load->rate_began_ns + (uint64_t)((double)number / load->options->rate * 1e9);
}

/* Gives requests that have fallen due to connections with room, and sets the timer for the next. */
static void follow_schedule(struct load *load, uint64_t now)
{
    uint64_t due = due_at(load, load->rate_due);

    while (due <= now && load->queue_count > 0) {
        struct load_conn *conn = &load->conns[load->queue[load->queue_head]];
        load->queue_head = (load->queue_head + 1) % load->options->connections;
        load->queue_count--;
        conn->available = false;
        if (conn->state != CONN_UP || conn->outstanding == load->options->pipeline) {
            continue;
        }
        conn_send(load, conn, 1, due, now);
        if (conn->state == CONN_UP && conn->outstanding < load->options->pipeline) {
            make_available(load, conn);
        }
        due = due_at(load, ++load->rate_due);
    }
    if (due > now && !load->timer_set) {
        struct itimerspec when = {.it_value = {.tv_sec = (time_t)(due / 1000000000),
                                               .tv_nsec = (long)(due % 1000000000)}};
        if (timerfd_settime(load->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0) {
            fail("timerfd_settime");
        }
        load->timer_set = true;
    }
}

/* Gives up what takes too long, and makes connections that could not be made before. */
static void sweep(struct load *load, uint64_t now)
{
    for (unsigned i = 0; i < load->options->connections && load->phase != PHASE_END; i++) {
        struct load_conn *conn = &load->conns[i];
        bool begins = conn->state == CONN_CONNECTING || conn->state == CONN_UPGRADING;
        bool waits = begins || conn->outstanding > 0;
        if (conn->state == CONN_DOWN && load->phase < PHASE_DRAIN) {
            conn_connect(load, conn);
        } else if (waits && now - conn->progress_ns > load->options->timeout_ns) {
            if (begins) {
                count_errors(load, conn, ERROR_CONNECT, 1, "timed out");
            }
            conn_replace(load, conn, ERROR_TIMEOUT, "no answer in time");
        }
    }
}

static bool all_answered(const struct load *load)
{
    for (unsigned i = 0; i < load->options->connections; i++) {
        if (load->conns[i].outstanding > 0) {
            return false;
        }
    }
    return true;
}

static void begin_load(struct load *load)
{
    load->phase = PHASE_WARMUP;
    if (load->options->warmup_ns == 0) {
        begin_measuring(load); /* before the first request, so that it counts */
    }
    load->rate_began_ns = now_ns();
    for (unsigned i = 0; i < load->options->connections; i++) {
        if (load->conns[i].state == CONN_UP) {
            conn_begin(load, &load->conns[i]);
        }
    }
}

static void handle_event(struct load *load, const struct epoll_event *event)
{
    struct load_conn *conn = event->data.ptr;

    if (conn == NULL) {
        uint64_t expirations;
        if (read(load->timer, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN) {
            fail("read of the timer");
        }
        load->timer_set = false;
    } else if (conn->state == CONN_CONNECTING) {
        on_connected(load, conn);
    } else if (conn->state == CONN_UPGRADING) {
        read_upgrade(load, conn);
    } else if (conn->state == CONN_UP) {
        const uint32_t ended = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
        if ((event->events & EPOLLOUT) != 0 && conn->wait_writable) {
            conn_flush(load, conn);
        }
        if ((event->events & (EPOLLIN | ended)) != 0) {
            /* Behind the last bytes of a connection that has ended there is no further edge. */
            bool to_the_end = (event->events & ended) != 0;
            size_t got = sizeof(input);
            while (conn->state == CONN_UP && (got == sizeof(input) || (to_the_end && got > 0))) {
                got = read_answers(load, conn);
            }
        }
    }
}

static void run(struct load *load)
{
    static struct epoll_event events[EVENTS_PER_TURN];
    const struct hfa_load_options *options = load->options;
    uint64_t now = now_ns();
    uint64_t phase_began = now;
    uint64_t swept = now;

    while (load->phase != PHASE_END) {
        uint64_t deadline = swept + SWEEP_MS * 1000000ULL;
        uint64_t phase_end = UINT64_MAX;
        if (load->phase == PHASE_WARMUP) {
            phase_end = phase_began + options->warmup_ns;
        } else if (load->phase == PHASE_MEASURE && options->duration_ns > 0) {
            phase_end = load->began_ns + options->duration_ns;
        }
        deadline = phase_end < deadline ? phase_end : deadline;
        int wait_ms = 0;
        if (!options->spin && now < deadline) {
            wait_ms = (int)((deadline - now + 999999) / 1000000);
        }
        int ready = epoll_wait(load->epoll, events, EVENTS_PER_TURN, wait_ms);
        if (ready < 0 && errno != EINTR) {
            fail("epoll_wait");
        }
        for (int i = 0; i < ready && load->phase != PHASE_END; i++) {
            handle_event(load, &events[i]);
        }
        now = now_ns();
        if (now - swept >= SWEEP_MS * 1000000ULL) {
            swept = now;
            sweep(load, now);
        }
        switch (load->phase) {
        case PHASE_CONNECT:
            if (load->conns_up == options->connections) {
                begin_load(load);
                phase_began = now;
            }
            break;
        case PHASE_WARMUP:
            if (now >= phase_began + options->warmup_ns) {
                begin_measuring(load);
            }
            break;
        case PHASE_MEASURE:
            if (options->duration_ns > 0 && now >= load->began_ns + options->duration_ns) {
                end_measuring(load);
            }
            break;
        case PHASE_DRAIN:
            if (all_answered(load)) {
                load->phase = PHASE_END;
            }
            break;
        case PHASE_END:
            break;
        }
        if (sending(load) && options->rate > 0) {
            follow_schedule(load, now);
        }
    }
}

/* --- the report ------------------------------------------------------------------------------- */

static void print_text(const char *text, size_t length)
{
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\') {
            printf("\\%c", byte);
        } else if (byte < 0x20 || byte >= 0x7f) {
            printf("\\u%04x", byte);
        } else {
            putchar(byte);
        }
    }
    putchar('"');
}

static void print_tally(const struct load *load)
{
    const struct load_conn *kinds[TALLY_MAX];
    unsigned counts[TALLY_MAX] = {0};
    unsigned kind_count = 0;
    unsigned others = 0;

    for (unsigned i = 0; i < load->options->connections; i++) {
        const struct load_conn *conn = &load->conns[i];
        unsigned kind = 0;
        while (kind < kind_count &&
               (kinds[kind]->sample_length != conn->sample_length ||
                memcmp(kinds[kind]->sample, conn->sample, conn->sample_length) != 0)) {
            kind++;
        }
        if (kind == TALLY_MAX) {
            others++;
            continue;
        }
        if (kind == kind_count) {
            kinds[kind_count++] = conn;
        }
        counts[kind]++;
    }
    printf("  \"tally\": {");
    for (unsigned i = 0; i < kind_count; i++) {
        printf("%s", i > 0 ? ", " : "");
        print_text(kinds[i]->sample, kinds[i]->sample_length);
        printf(": %u", counts[i]);
    }
    printf("},\n  \"tally_others\": %u,\n", others);
}

static void print_report(const struct load *load)
{
    const struct hfa_load_options *options = load->options;
    double seconds = (double)(load->ended_ns - load->began_ns) / 1e9;
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK);
    uint64_t count = load->latency.count;

    printf("{\n  \"connections\": %u,\n  \"pipeline\": %u,\n  \"rate\": %g,\n",
           options->connections, options->pipeline, options->rate);
    printf("  \"requests\": %llu,\n  \"seconds\": %.6f,\n  \"requests_per_second\": %.3f,\n",
           (unsigned long long)load->measured, seconds,
           seconds > 0 ? (double)load->measured / seconds : 0);
    printf("  \"latency_us\": {\"mean\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, "
           "\"p999\": %.3f, \"max\": %.3f},\n",
           count > 0 ? (double)load->latency.sum_ns / (double)count / 1e3 : 0,
           (double)hfa_histogram_quantile(&load->latency, 0.5) / 1e3,
           (double)hfa_histogram_quantile(&load->latency, 0.9) / 1e3,
           (double)hfa_histogram_quantile(&load->latency, 0.99) / 1e3,
           (double)hfa_histogram_quantile(&load->latency, 0.999) / 1e3,
           (double)load->latency.max_ns / 1e3);
    printf("  \"bytes_received\": %llu,\n  \"reconnects\": %llu,\n  \"overdue\": %llu,\n",
           (unsigned long long)load->bytes_received, (unsigned long long)load->reconnects,
           (unsigned long long)load->overdue);
    printf("  \"load_cpu_seconds\": %.6f,\n", (double)load->own_cpu_ns / 1e9);
    printf("  \"server_cpu_seconds\": %.9f,\n  \"server_user_seconds\": %.3f,\n"
           "  \"server_system_seconds\": %.3f,\n",
           (double)load->server_total.total_ns / 1e9,
           (double)load->server_total.user_ticks * tick_ns / 1e9,
           (double)load->server_total.system_ticks * tick_ns / 1e9);
    if (options->tally) {
        print_tally(load);
    }
    printf("  \"errors\": {\"total\": %llu", (unsigned long long)load->error_total);
    for (unsigned kind = 0; kind < ERROR_KINDS; kind++) {
        printf(", \"%s\": %llu", error_names[kind], (unsigned long long)load->errors[kind]);
    }
    printf("}\n}\n");
}

static void allow_files(unsigned connections)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
        fail("getrlimit");
    }
    if (files.rlim_max < connections + 16) {
        fprintf(stderr,
                "hfa-load: --connections %u: only %llu files may be open: raise the limit "
                "(ulimit -Hn) or use fewer\n",
                connections, (unsigned long long)files.rlim_max);
        exit(2);
    }
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
        fail("setrlimit");
    }
}

static void load_open(struct load *load, const struct hfa_load_options *options)
{
    unsigned connections = options->connections;
    size_t copies = BLOCK_SIZE / options->request_length;

    copies = copies < 1 ? 1 : copies > options->pipeline ? options->pipeline : copies;
    load->options = options;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (load->epoll < 0 || load->timer < 0) {
        fail("epoll_create1 or timerfd_create");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, load->timer, &event) < 0) {
        fail("epoll_ctl");
    }
    load->block_length = copies * options->request_length;
    load->block = malloc(load->block_length);
    load->conns = calloc(connections, sizeof(*load->conns));
    load->queue = calloc(connections, sizeof(*load->queue));
    uint64_t *started = calloc((size_t)connections * options->pipeline, sizeof(*started));
    if (load->block == NULL || load->conns == NULL || load->queue == NULL || started == NULL) {
        fail("allocation");
    }
    for (size_t i = 0; i < copies; i++) {
        memcpy(load->block + i * options->request_length, options->request,
               options->request_length);
    }
    for (unsigned i = 0; i < connections; i++) {
        struct load_conn *conn = &load->conns[i];
        conn->started = started + (size_t)i * options->pipeline;
        conn->reader.rules = &options->rules;
        conn->reader.cache = &load->cache;
        conn_connect(load, conn);
    }
}

static void load_close(struct load *load)
{
    for (unsigned i = 0; i < load->options->connections; i++) {
        struct load_conn *conn = &load->conns[i];
        if (conn->state != CONN_DOWN) {
            conn_close(load, conn);
        }
        hfa_response_reader_free(&conn->reader);
    }
    free(load->conns[0].started);
    free(load->conns);
    free(load->queue);
    free(load->block);
    hfa_response_cache_free(&load->cache);
    close(load->timer);
    close(load->epoll);
}

int main(int argc, char **argv)
{
    static struct load load;
    struct hfa_load_options options;

    hfa_load_options_read(&options, argc, argv);
    allow_files(options.connections);
    load_open(&load, &options);
    run(&load);
    print_report(&load);
    bool good = load.error_total == 0;
    load_close(&load);
    hfa_load_options_free(&options);
    return good ? 0 : 1;
}
