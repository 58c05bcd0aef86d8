/* A server on a real socket of this machine, and clients of it, all in one thread: the server works
 * only while a test waits for something.
 */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H

#include <sys/types.h>

#include "server.h"

struct server_fixture;

/* Told each event of an exchange; the application's reference is the callee's. */
typedef void (*server_serve)(struct server_fixture *fixture, struct hfa_exchange *exchange,
                             enum hfa_event event);

#define SERVER_LOG_MAX 4096

struct server_fixture {
    struct hfa_app app; /* first: the application's table is the fixture's address */
    struct hfa_reactor *reactor;
    struct hfa_server *server;
    server_serve serve;
    struct hfa_exchange *exchange; /* for applications that keep one */
    unsigned port;
    unsigned disconnects;
    unsigned shutdowns;
    unsigned owners_back;
    size_t written;           /* for applications that count */
    char log[SERVER_LOG_MAX]; /* of serve_path: the paths in their order */
};

/* Fail the test where something cannot be had. */
void server_fixture_open(struct server_fixture *fixture, const struct hfa_limits *limits,
                         server_serve serve);
/* Releases the kept exchange and frees all. */
void server_fixture_close(struct server_fixture *fixture);

/* One turn, which waits a few milliseconds at most. */
void server_turn(struct server_fixture *fixture);

/* A client's socket, connected. `receive_buffer` bounds what the kernel takes for it; 0: as is. */
int client_connect(const struct server_fixture *fixture, int receive_buffer);

/* Sends all of it, while the server works. */
void client_send(struct server_fixture *fixture, int client, struct hfa_bytes bytes);

/* Receives up to `size` bytes that are there, or come, while the server works. 0: the server has
 * ended the connection; -1: it has reset it. */
ssize_t client_receive(struct server_fixture *fixture, int client, char *into, size_t size);

/* Receives to the end of the connection and returns how much that was, or -1 when it was reset. */
ssize_t client_receive_all(struct server_fixture *fixture, int client, char *into, size_t size);

/* Works on until the server has so many connections. */
void server_wait_for_connections(struct server_fixture *fixture, size_t count);

/* Applications: answers with the path and logs it; keeps the exchange. */
void serve_path(struct server_fixture *fixture, struct hfa_exchange *exchange,
                enum hfa_event event);
void serve_nothing(struct server_fixture *fixture, struct hfa_exchange *exchange,
                   enum hfa_event event);

#endif
