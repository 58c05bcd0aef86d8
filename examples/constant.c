/* Serves one constant response with net/ alone: what the C server costs by itself.
 *
 *     constant [port [certificate key]]
 *
 * Listens on 127.0.0.1, port 8000 unless given; with the two PEM files it speaks TLS.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "listener.h"
#include "server.h"
#include "tls.h"

static volatile sig_atomic_t stop_requested;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop_requested = 1;
}

static void on_request(struct hfa_app *app, struct hfa_exchange *exchange)
{
    (void)app;
    hfa_exchange_respond(exchange, 200, HFA_BYTES("text/plain; charset=utf-8"),
                         HFA_BYTES("Hello, world!"));
    hfa_exchange_release(exchange);
}

static bool use_tls(struct hfa_server *server, const char *cert, const char *key)
{
    struct hfa_tls_settings settings = {
        .cert_files = &cert, .key_files = &key, .pair_count = 1, .offers_http2 = true};
    struct hfa_tls_context *context = NULL;
    struct hfa_tls_error error;

    if (hfa_tls_context_new(&settings, &context, &error) != HFA_OK) {
        fprintf(stderr, "%s\n", error.text);
        return false;
    }
    hfa_server_set_tls(server, context);
    return true;
}

int main(int argc, char **argv)
{
    unsigned port = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 8000;
    struct hfa_app app = {.on_request = on_request};
    struct hfa_limits limits = HFA_LIMITS_DEFAULT;
    struct hfa_listener_error error;
    struct hfa_reactor *reactor = NULL;
    struct hfa_server *server = NULL;
    int fds[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0;

    if (hfa_listener_open_tcp("127.0.0.1", port, 1024, false, fds, &count, &error) != HFA_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    if (hfa_reactor_new(&reactor) != HFA_OK ||
        hfa_server_new(reactor, &app, &limits, &server) != HFA_OK ||
        hfa_server_set_default_fields(server, true, HFA_BYTES("server: hyperfastapi\r\n")) !=
            HFA_OK ||
        hfa_server_listen(server, fds[0], false) != HFA_OK) {
        fprintf(stderr, "cannot start the server\n");
        return 1;
    }
    if (argc > 3 && !use_tls(server, argv[2], argv[3]))
        return 1;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    while (!stop_requested) {
        if (hfa_reactor_poll(reactor, HFA_NEVER) != HFA_OK)
            break;
        do {
            hfa_server_dispatch(server, 512);
            hfa_server_flush(server);
        } while (hfa_server_has_work(server));
    }
    hfa_server_free(server);
    hfa_reactor_free(reactor);
    return 0;
}
