/* The physical floor of a benchmark round: a bare epoll loop with no HTTP or WebSocket to speak of.
 *
 *     hfa-floor PORT [ANSWER [POSTED]]
 *
 * Accepts on 127.0.0.1:PORT, counts requests by their empty line and the POSTED bytes of body
 * behind it (0 unless given), and answers each with the same canned bytes, as large as an answer of
 * the real contenders: a small JSON object, or a body of ANSWER bytes where that is not 0. All
 * requests of one recv() are answered by one send(); an answer of more than 64 KiB is a file, and
 * left to sendfile(); a body is kept in memory of its connection, until the next one takes its
 * place. What a server costs above this is its own doing: parsing, routing, building an answer.
 *
 * A client that asks for a WebSocket (by the key of RFC 6455 1.3, whose answer is canned, too) has
 * its frames sent back; one that does not take them is dropped. Ends on a signal; prints nothing
 * but errors.
 */
#define _GNU_SOURCE /* accept4, memfd_create */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frame_echo.h"

static const char upgrade[] = "HTTP/1.1 101 Switching Protocols\r\n"
                              "upgrade: websocket\r\n"
                              "connection: Upgrade\r\n"
                              "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                              "\r\n";

static const char canned[] = "HTTP/1.1 200 OK\r\n"
                             "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                             "server: hyperfastapi\r\n"
                             "content-length: 17\r\n"
                             "content-type: application/json\r\n"
                             "\r\n"
                             "{\"hello\":\"world\"}";

enum {
    ANSWERS_SIZE = 65536, /* repeated answers are sent from a block of about this size */
    RECEIVE_SIZE = 65536,
    BODY_MAX = 1 << 30,
    EVENTS_PER_TURN = 512,
    LISTEN_BACKLOG = 4096,
};

/* The state of a connection, found by its descriptor. */
struct hfa_floor_conn {
    uint64_t unsent;    /* bytes of answers that are owed; 0 unless the peer reads too slowly */
    uint32_t offset;    /* how far into the answer the next byte to send is */
    uint32_t body_left; /* bytes to come of a request's body */
    char *body;         /* owned: `posted` bytes */
    uint8_t matched;    /* bytes of "\r\n\r\n" seen at the end of the last read */
    bool wait_writable; /* EPOLLOUT is being waited for, and reading is paused */
    bool has_spoken;
    bool is_websocket;
    struct hfa_frame_echo frames;
};

static struct hfa_floor_conn *conns;
static size_t conn_limit;
static size_t answer_length;
static char *answers; /* copies of the answer */
static size_t answers_length;
static int answer_file = -1; /* has the answer instead */
static uint32_t posted;
static char input[RECEIVE_SIZE];
static char echoed[RECEIVE_SIZE + HFA_FRAME_ECHO_HEAD_MAX];

static void fail(const char *what)
{
    fprintf(stderr, "hfa-floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Goes on matching an empty line byte by byte; used where one may straddle two reads. */
static unsigned match_byte(unsigned matched, char byte)
{
    static const char empty_line[] = "\r\n\r\n";

    if (byte == empty_line[matched]) {
        return matched + 1;
    }
    return byte == '\r' ? 1 : 0;
}

/* Counts the requests that end in data, and leaves in *matched what of an empty line ends it. */
static uint64_t count_requests(const char *data, size_t length, uint8_t *matched)
{
    const char *at = data;
    const char *end = data + length;
    unsigned state = *matched;
    uint64_t count = 0;

    while (state != 0 && at < end) {
        state = match_byte(state, *at++);
        if (state == 4) {
            count++;
            state = 0;
        }
    }
    const char *line_end = at;
    const char *last_request = at;
    while (line_end < end &&
           (line_end = memchr(line_end, '\n', (size_t)(end - line_end))) != NULL) {
        if (line_end - last_request >= 3 && memcmp(line_end - 3, "\r\n\r", 3) == 0) {
            count++;
            last_request = line_end + 1;
        }
        line_end++;
    }
    if (at < end) {
        const char *tail = end - last_request > 3 ? end - 3 : last_request;
        state = 0;
        while (tail < end) {
            state = match_byte(state, *tail++);
        }
    }
    *matched = (uint8_t)state;
    return count;
}

/* The same for requests with a body. */
static uint64_t count_posted(const char *data, size_t length, struct hfa_floor_conn *conn)
{
    uint64_t count = 0;
    size_t at = 0;

    while (at < length) {
        if (conn->body_left > 0) {
            size_t rest = length - at < conn->body_left ? length - at : conn->body_left;
            char *into = conn->body + posted - conn->body_left;
            if (into != data + at) {
                memcpy(into, data + at, rest);
            }
            at += rest;
            conn->body_left -= (uint32_t)rest;
            count += conn->body_left == 0;
            continue;
        }
        conn->matched = (uint8_t)match_byte(conn->matched, data[at++]);
        if (conn->matched == 4) {
            conn->matched = 0;
            conn->body_left = posted;
        }
    }
    return count;
}

static void watch(int epoll, int fd, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    if (epoll_ctl(epoll, operation, fd, &event) < 0) {
        fail("epoll_ctl");
    }
}

static void accept_all(int epoll, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR) {
                return;
            }
            fail("accept4");
        }
        if ((size_t)fd >= conn_limit) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        free(conns[fd].body);
        conns[fd] = (struct hfa_floor_conn){.body = posted > 0 ? malloc(posted) : NULL};
        if (posted > 0 && conns[fd].body == NULL) {
            fail("malloc");
        }
        watch(epoll, fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

static ssize_t send_some(int fd, const struct hfa_floor_conn *conn)
{
    if (answer_file >= 0) {
        off_t offset = conn->offset;
        size_t rest = answer_length - conn->offset;
        return sendfile(fd, answer_file, &offset, rest < conn->unsent ? rest : conn->unsent);
    }
    size_t rest = answers_length - conn->offset;
    return send(fd, answers + conn->offset, rest < conn->unsent ? rest : conn->unsent,
                MSG_NOSIGNAL);
}

/* Sends what is owed; false where the connection has failed. */
static bool flush(int epoll, int fd)
{
    struct hfa_floor_conn *conn = &conns[fd];

    while (conn->unsent > 0) {
        ssize_t sent = send_some(fd, conn);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno != EAGAIN) {
                return false;
            }
            if (!conn->wait_writable) {
                conn->wait_writable = true;
                watch(epoll, fd, EPOLLOUT, EPOLL_CTL_MOD);
            }
            return true;
        }
        conn->unsent -= (uint64_t)sent;
        conn->offset = (uint32_t)((conn->offset + (uint64_t)sent) % answer_length);
    }
    if (conn->wait_writable) {
        conn->wait_writable = false;
        watch(epoll, fd, EPOLLIN, EPOLL_CTL_MOD);
    }
    return true;
}

static bool send_at_once(int fd, const char *data, size_t length)
{
    return length == 0 || send(fd, data, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool serve(int epoll, int fd)
{
    struct hfa_floor_conn *conn = &conns[fd];

    if (!conn->wait_writable) {
        char *into = input;
        size_t size = sizeof(input);
        if (conn->body_left > 0) {
            into = conn->body + posted - conn->body_left;
            size = conn->body_left < size ? conn->body_left : size;
        }
        ssize_t got = recv(fd, into, size, 0);
        if (got <= 0) {
            return got < 0 && (errno == EAGAIN || errno == EINTR);
        }
        if (conn->is_websocket) {
            return send_at_once(fd, echoed,
                                hfa_frame_echo(&conn->frames, input, (size_t)got, echoed));
        }
        bool is_first = !conn->has_spoken;
        conn->has_spoken = true;
        if (is_first && memmem(input, (size_t)got, "sec-websocket-key:", 18) != NULL) {
            conn->is_websocket = true;
            return send_at_once(fd, upgrade, sizeof(upgrade) - 1);
        }
        uint64_t count = posted > 0 ? count_posted(into, (size_t)got, conn)
                                    : count_requests(input, (size_t)got, &conn->matched);
        conn->unsent += answer_length * count;
    }
    return flush(epoll, fd);
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (listener < 0) {
        fail("socket");
    }
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0) {
        fail("bind");
    }
    if (listen(listener, LISTEN_BACKLOG) < 0) {
        fail("listen");
    }
    return listener;
}

/* Makes the answer, and copies of it or a file. */
static void make_answer(size_t body_length)
{
    char head[256];
    size_t head_length = 0;
    size_t copies = 1;

    if (body_length > 0) {
        head_length = (size_t)snprintf(head, sizeof(head),
                                       "HTTP/1.1 200 OK\r\n"
                                       "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                       "server: hyperfastapi\r\n"
                                       "content-length: %zu\r\n"
                                       "content-type: application/json\r\n\r\n",
                                       body_length);
    }
    answer_length = body_length > 0 ? head_length + body_length : sizeof(canned) - 1;
    if (answer_length < ANSWERS_SIZE) {
        copies = ANSWERS_SIZE / answer_length;
    }
    answers_length = copies * answer_length;
    answers = malloc(answers_length);
    if (answers == NULL) {
        fail("malloc");
    }
    for (char *at = answers; at < answers + answers_length; at += answer_length) {
        memset(at, 'a', answer_length);
        memcpy(at, body_length > 0 ? head : canned, body_length > 0 ? head_length : answer_length);
    }
    if (body_length > ANSWERS_SIZE) {
        answer_file = memfd_create("answer", MFD_CLOEXEC);
        if (answer_file < 0 ||
            write(answer_file, answers, answer_length) != (ssize_t)answer_length) {
            fail("the answer's file");
        }
    }
}

static long read_number(const char *text, long least, long most)
{
    char *rest;
    long value = strtol(text, &rest, 10);

    if (rest == text || *rest != '\0' || value < least || value > most) {
        fprintf(stderr, "usage: hfa-floor PORT (1 to 65535) [ANSWER [POSTED]] (0 to %d)\n",
                BODY_MAX);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_PER_TURN];
    struct rlimit files;
    long port = read_number(argc >= 2 && argc <= 4 ? argv[1] : "", 1, 65535);

    make_answer((size_t)read_number(argc > 2 ? argv[2] : "0", 0, BODY_MAX));
    posted = (uint32_t)read_number(argc > 3 ? argv[3] : "0", 0, BODY_MAX);
    if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
        fail("getrlimit");
    }
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0) {
        fail("setrlimit");
    }
    conn_limit = files.rlim_cur < 65536 ? (size_t)files.rlim_cur : 65536;
    conns = calloc(conn_limit, sizeof(*conns));
    if (conns == NULL) {
        fail("calloc");
    }

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        fail("epoll_create1");
    }
    int listener = listen_on((uint16_t)port);
    watch(epoll, listener, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS_PER_TURN, -1);
        if (ready < 0 && errno != EINTR) {
            fail("epoll_wait");
        }
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(epoll, listener);
            } else if (!serve(epoll, fd)) {
                close(fd);
            }
        }
    }
}
