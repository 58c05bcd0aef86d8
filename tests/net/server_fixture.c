#include "server_fixture.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"

#define TURN_NS (5 * HFA_NS_PER_MS)

static struct server_fixture *fixture_of(struct hfa_app *app)
{
    return (struct server_fixture *)app;
}

static void on_request(struct hfa_app *app, struct hfa_exchange *exchange)
{
    exchange->app_data = app; /* further events are told */
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_REQUEST);
}

static void on_body(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_BODY);
}

static void on_writable(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_WRITABLE);
}

static void on_disconnect(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->disconnects++;
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_DISCONNECT);
}

static void on_shutdown(struct hfa_app *app, struct hfa_exchange *exchange)
{
    fixture_of(app)->shutdowns++;
    fixture_of(app)->serve(fixture_of(app), exchange, HFA_EVENT_SHUTDOWN);
}

static void on_release(struct hfa_app *app, void *owner)
{
    (void)owner;
    fixture_of(app)->owners_back++;
}

void server_fixture_open(struct server_fixture *fixture, const struct hfa_limits *limits,
                         server_serve serve)
{
    struct hfa_listener_error error;
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    int fds[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0;

    *fixture = (struct server_fixture){
        .app = {.on_request = on_request,
                .on_body = on_body,
                .on_writable = on_writable,
                .on_disconnect = on_disconnect,
                .on_shutdown = on_shutdown,
                .on_release = on_release},
        .serve = serve,
    };
    assert_int_equal(hfa_listener_open_tcp("127.0.0.1", 0, 64, false, fds, &count, &error), HFA_OK);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&address, &length), 0);
    fixture->port = ntohs(address.sin_port);
    assert_int_equal(hfa_reactor_new(&fixture->reactor), HFA_OK);
    assert_int_equal(hfa_server_new(fixture->reactor, &fixture->app, limits, &fixture->server),
                     HFA_OK);
    assert_int_equal(hfa_server_set_default_fields(fixture->server, false, (struct hfa_bytes){0}),
                     HFA_OK);
    assert_int_equal(hfa_server_listen(fixture->server, fds[0], false), HFA_OK);
}

void server_fixture_close(struct server_fixture *fixture)
{
    if (fixture->server == NULL)
        return;
    hfa_server_close(fixture->server);
    if (fixture->exchange != NULL)
        hfa_exchange_release(fixture->exchange);
    fixture->exchange = NULL;
    hfa_server_free(fixture->server);
    hfa_reactor_free(fixture->reactor);
    fixture->server = NULL;
}

void server_turn(struct server_fixture *fixture)
{
    assert_int_equal(hfa_reactor_poll(fixture->reactor, TURN_NS), HFA_OK);
    do {
        hfa_server_dispatch(fixture->server, 100);
        hfa_server_flush(fixture->server);
    } while (hfa_server_has_work(fixture->server));
}

int client_connect(const struct server_fixture *fixture, int receive_buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int client = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(client >= 0);
    if (receive_buffer > 0)
        assert_int_equal(
            setsockopt(client, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    return client;
}

void client_send(struct server_fixture *fixture, int client, struct hfa_bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t sent = send(client, bytes.data, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            assert_int_equal(errno, EAGAIN);
            server_turn(fixture);
            continue;
        }
        bytes.data += sent;
        bytes.length -= (size_t)sent;
    }
}

ssize_t client_receive(struct server_fixture *fixture, int client, char *into, size_t size)
{
    for (;;) {
        ssize_t got = recv(client, into, size, MSG_DONTWAIT);
        if (got >= 0)
            return got;
        if (errno == ECONNRESET)
            return -1;
        assert_int_equal(errno, EAGAIN);
        server_turn(fixture);
    }
}

ssize_t client_receive_all(struct server_fixture *fixture, int client, char *into, size_t size)
{
    size_t length = 0;

    for (;;) {
        assert_true(length < size);
        ssize_t got = client_receive(fixture, client, into + length, size - length);
        if (got < 0)
            return -1;
        if (got == 0)
            return (ssize_t)length;
        length += (size_t)got;
    }
}

void server_wait_for_connections(struct server_fixture *fixture, size_t count)
{
    while (hfa_server_connections(fixture->server) != count)
        server_turn(fixture);
}

void serve_path(struct server_fixture *fixture, struct hfa_exchange *exchange, enum hfa_event event)
{
    char length[24];
    struct hfa_bytes path = exchange->request.path;
    struct hfa_field field = {HFA_BYTES("content-length"), {length, 0}};

    if (event != HFA_EVENT_REQUEST)
        return;
    field.value.length = (size_t)snprintf(length, sizeof(length), "%zu", path.length);
    strncat(fixture->log, path.data, path.length);
    assert_int_equal(hfa_exchange_start(exchange, 200, &field, 1, false), HFA_OK);
    assert_int_equal(hfa_exchange_write(exchange, path, NULL, true), HFA_OK);
    hfa_exchange_release(exchange);
}

void serve_nothing(struct server_fixture *fixture, struct hfa_exchange *exchange,
                   enum hfa_event event)
{
    if (event == HFA_EVENT_REQUEST)
        fixture->exchange = exchange;
}
