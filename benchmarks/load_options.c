#include "load_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: hfa-load --port PORT [options]\n"
    "\n"
    "Sends one request over and over to an HTTP/1.1 server on a loopback address, judges every\n"
    "answer, and prints a JSON object. Exit status: 0 if every answer was as expected, 1 if not,\n"
    "2 for a wrong command line.\n"
    "\n"
    "  --host ADDRESS        IPv4 loopback address of the server (default 127.0.0.1)\n"
    "  --port PORT           its port\n"
    "  --connections N       connections (default 64)\n"
    "  --pipeline N          requests sent at once on a connection; the next batch follows when\n"
    "                        all are answered (default 1). With --rate: most requests under way\n"
    "                        on a connection\n"
    "  --duration SECONDS    length of the measured interval (default 2)\n"
    "  --requests N          measure this many requests instead\n"
    "  --warmup SECONDS      load before the measured interval (default 0.5)\n"
    "  --rate N              open loop: send N requests a second on schedule, answered or not;\n"
    "                        latency counts from the time a request was due\n"
    "  --timeout SECONDS     longest wait for a connection or an answer (default 10)\n"
    "  --sources N           spread connections over 127.0.0.1 to 127.0.0.N (default 1)\n"
    "  --spin                poll without sleeping, so that the server never pays for waking us\n"
    "\n"
    "  --method METHOD --path PATH --header 'NAME: VALUE' ... --body TEXT\n"
    "                        the request (default GET /)\n"
    "  --body-file FILE      the bytes of its body, up to 64 MiB\n"
    "  --request FILE        the request's exact bytes instead\n"
    "\n"
    "  --websocket SIZE      open WebSockets at PATH; a request is a text message of that many\n"
    "                        bytes, which has to come back\n"
    "\n"
    "  --expect-status N     status of every answer (default: any 2xx)\n"
    "  --expect-length N     length of every body\n"
    "  --expect-body TEXT    bytes of every body\n"
    "\n"
    "  --server PID          read the CPU time of this process over the measured interval; may\n"
    "                        be repeated\n"
    "  --tally               count connections by the body of their first answer\n";

static _Noreturn void refuse(const char *option, const char *value, const char *wanted)
{
    fprintf(stderr, "hfa-load: --%s %s: expected %s\n", option, value, wanted);
    exit(2);
}

static _Noreturn void fail_memory(void)
{
    fprintf(stderr, "hfa-load: out of memory\n");
    exit(2);
}

static uint64_t read_count(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *rest;
    char wanted[80];

    errno = 0;
    unsigned long long value = strtoull(text, &rest, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *rest != '\0' || value < least ||
        value > most) {
        snprintf(wanted, sizeof(wanted), "a number from %llu to %llu", (unsigned long long)least,
                 (unsigned long long)most);
        refuse(option, text, wanted);
    }
    return value;
}

static double read_real(const char *option, const char *text, double least, double most)
{
    char *rest;
    char wanted[80];
    double value = strtod(text, &rest);

    if (rest == text || *rest != '\0' || isnan(value) || value < least || value > most) {
        snprintf(wanted, sizeof(wanted), "a number from %g to %g", least, most);
        refuse(option, text, wanted);
    }
    return value;
}

static uint64_t read_seconds(const char *option, const char *text, double least)
{
    return (uint64_t)(read_real(option, text, least, 86400) * 1e9);
}

static void read_file(const char *option, const char *path, char **bytes, size_t *length)
{
    FILE *file = fopen(path, "rb");
    size_t capacity = (size_t)64 << 20;

    free(*bytes);
    *bytes = malloc(capacity);
    if (*bytes == NULL) {
        fail_memory();
    }
    *length = 0;
    if (file != NULL) {
        *length = fread(*bytes, 1, capacity, file);
    }
    if (file == NULL || ferror(file)) {
        fprintf(stderr, "hfa-load: --%s %s: %s\n", option, path, strerror(errno));
        exit(2);
    }
    if (*length == 0 || *length == capacity) {
        refuse(option, path, "a file of 1 byte to under 64 MiB");
    }
    fclose(file);
}

/* The request as text, from its parts. */
static void build_request(struct hfa_load_options *options, const char *method, const char *path,
                          char *const *headers, unsigned header_count, const char *body,
                          size_t body_length)
{
    char host[INET_ADDRSTRLEN];
    size_t size = 0;

    inet_ntop(AF_INET, &options->address.sin_addr, host, sizeof(host));
    FILE *out = open_memstream(&options->request, &size);
    if (out == NULL) {
        fail_memory();
    }
    fprintf(out, "%s %s HTTP/1.1\r\nhost: %s:%u\r\nuser-agent: hfa-load\r\naccept: */*\r\n", method,
            path, host, ntohs(options->address.sin_port));
    for (unsigned i = 0; i < header_count; i++) {
        fprintf(out, "%s\r\n", headers[i]);
    }
    if (body != NULL) {
        fprintf(out, "content-length: %zu\r\n", body_length);
    }
    fprintf(out, "\r\n");
    if (body_length > 0) {
        fwrite(body, 1, body_length, out);
    }
    if (fclose(out) != 0) {
        fail_memory();
    }
    options->request_length = size;
}

/* A WebSocket: its handshake out of the request that was built, and a masked frame in its place. */
static void build_message(struct hfa_load_options *options, size_t size)
{
    static const char key[4] = {0x5a, 0x13, 0x7e, 0x21};
    size_t head = size < 126 ? 2 : size < 65536 ? 4 : 10;
    char *frame = malloc(head + sizeof(key) + size);
    char *body = malloc(size + 1);

    if (frame == NULL || body == NULL) {
        fail_memory();
    }
    for (size_t i = 0; i < size; i++) {
        body[i] = (char)('a' + i % 26);
        frame[head + sizeof(key) + i] = (char)(body[i] ^ key[i % sizeof(key)]);
    }
    body[size] = '\0';
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | (head == 2 ? size : head == 4 ? 126 : 127));
    for (size_t i = 2; i < head; i++) {
        frame[i] = (char)(size >> (8 * (head - 1 - i)));
    }
    memcpy(frame + head, key, sizeof(key));
    options->handshake = options->request;
    options->handshake_length = options->request_length;
    options->request = frame;
    options->request_length = head + sizeof(key) + size;
    free(options->body);
    options->body = body;
    options->rules.body = body;
    options->rules.length = (int64_t)size;
}

static void add_server(struct hfa_load_options *options, const char *text)
{
    if (options->server_count == HFA_LOAD_SERVERS_MAX) {
        refuse("server", text, "at most 64 processes");
    }
    options->servers[options->server_count++] = (pid_t)read_count("server", text, 1, 1 << 30);
}

void hfa_load_options_read(struct hfa_load_options *options, int argc, char **argv)
{
    enum {
        HOST = 1,
        PORT,
        CONNECTIONS,
        PIPELINE,
        DURATION,
        REQUESTS,
        WARMUP,
        RATE,
        TIMEOUT,
        SOURCES,
        SPIN,
        METHOD,
        PATH,
        HEADER,
        BODY,
        BODY_FILE,
        REQUEST,
        WEBSOCKET,
        EXPECT_STATUS,
        EXPECT_LENGTH,
        EXPECT_BODY,
        SERVER,
        TALLY,
        HELP,
    };
    static const struct option known[] = {
        {"host", required_argument, NULL, HOST},
        {"port", required_argument, NULL, PORT},
        {"connections", required_argument, NULL, CONNECTIONS},
        {"pipeline", required_argument, NULL, PIPELINE},
        {"duration", required_argument, NULL, DURATION},
        {"requests", required_argument, NULL, REQUESTS},
        {"warmup", required_argument, NULL, WARMUP},
        {"rate", required_argument, NULL, RATE},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"sources", required_argument, NULL, SOURCES},
        {"spin", no_argument, NULL, SPIN},
        {"method", required_argument, NULL, METHOD},
        {"path", required_argument, NULL, PATH},
        {"header", required_argument, NULL, HEADER},
        {"body", required_argument, NULL, BODY},
        {"body-file", required_argument, NULL, BODY_FILE},
        {"request", required_argument, NULL, REQUEST},
        {"websocket", required_argument, NULL, WEBSOCKET},
        {"expect-status", required_argument, NULL, EXPECT_STATUS},
        {"expect-length", required_argument, NULL, EXPECT_LENGTH},
        {"expect-body", required_argument, NULL, EXPECT_BODY},
        {"server", required_argument, NULL, SERVER},
        {"tally", no_argument, NULL, TALLY},
        {"help", no_argument, NULL, HELP},
        {NULL, 0, NULL, 0},
    };
    const char *method = "GET";
    const char *path = "/";
    char *body = NULL;
    size_t body_length = 0;
    char *headers[64];
    size_t message_size = 0;
    unsigned header_count = 0;
    int option;

    *options = (struct hfa_load_options){
        .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .connections = 64,
        .pipeline = 1,
        .sources = 1,
        .warmup_ns = 500000000,
        .duration_ns = 2000000000,
        .timeout_ns = 10000000000,
        .rules = {.length = -1},
    };
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case HOST:
            if (inet_pton(AF_INET, optarg, &options->address.sin_addr) != 1 ||
                ntohl(options->address.sin_addr.s_addr) >> 24 != 127) {
                refuse("host", optarg, "an IPv4 loopback address, 127.x.x.x");
            }
            break;
        case PORT:
            options->address.sin_port = htons((uint16_t)read_count("port", optarg, 1, 65535));
            break;
        case CONNECTIONS:
            options->connections =
                (unsigned)read_count("connections", optarg, 1, HFA_LOAD_CONNECTIONS_MAX);
            break;
        case PIPELINE:
            options->pipeline = (unsigned)read_count("pipeline", optarg, 1, HFA_LOAD_PIPELINE_MAX);
            break;
        case DURATION:
            options->duration_ns = read_seconds("duration", optarg, 0.01);
            break;
        case REQUESTS:
            options->requests = read_count("requests", optarg, 1, UINT64_MAX / 2);
            break;
        case WARMUP:
            options->warmup_ns = read_seconds("warmup", optarg, 0);
            break;
        case RATE:
            options->rate = read_real("rate", optarg, 0.001, 1e8);
            break;
        case TIMEOUT:
            options->timeout_ns = read_seconds("timeout", optarg, 0.01);
            break;
        case SOURCES:
            options->sources = (unsigned)read_count("sources", optarg, 1, 250);
            break;
        case SPIN:
            options->spin = true;
            break;
        case METHOD:
            method = optarg;
            break;
        case PATH:
            path = optarg;
            break;
        case HEADER:
            if (header_count == sizeof(headers) / sizeof(headers[0])) {
                refuse("header", optarg, "at most 64 headers");
            }
            headers[header_count++] = optarg;
            break;
        case BODY:
            free(body);
            body = strdup(optarg);
            if (body == NULL) {
                fail_memory();
            }
            body_length = strlen(body);
            break;
        case BODY_FILE:
            read_file("body-file", optarg, &body, &body_length);
            break;
        case REQUEST:
            read_file("request", optarg, &options->request, &options->request_length);
            break;
        case WEBSOCKET:
            options->websocket = true;
            message_size = (size_t)read_count("websocket", optarg, 0, 1 << 24);
            break;
        case EXPECT_STATUS:
            options->rules.status = (int)read_count("expect-status", optarg, 100, 999);
            break;
        case EXPECT_LENGTH:
            options->rules.length = (int64_t)read_count("expect-length", optarg, 0, INT64_MAX);
            break;
        case EXPECT_BODY:
            free(options->body);
            options->body = strdup(optarg);
            if (options->body == NULL) {
                fail_memory();
            }
            options->rules.body = options->body;
            break;
        case SERVER:
            add_server(options, optarg);
            break;
        case TALLY:
            options->tally = true;
            options->rules.keep_sample = true;
            break;
        case HELP:
            fputs(help, stdout);
            exit(0);
        default:
            fprintf(stderr, "hfa-load: --help lists the options\n");
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "hfa-load: %s is not an option: --help lists the options\n", argv[optind]);
        exit(2);
    }
    if (options->address.sin_port == 0) {
        fprintf(stderr, "hfa-load: --port is needed: the server's port\n");
        exit(2);
    }
    if (options->requests > 0) {
        options->duration_ns = 0;
    }
    if (options->rules.body != NULL) {
        int64_t length = (int64_t)strlen(options->rules.body);
        if (options->rules.length >= 0 && options->rules.length != length) {
            fprintf(stderr, "hfa-load: --expect-length and --expect-body contradict each other\n");
            exit(2);
        }
        options->rules.length = length;
    }
    if (options->websocket) {
        static char upgrade[][48] = {"connection: Upgrade", "upgrade: websocket",
                                     "sec-websocket-version: 13",
                                     "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="};
        if (options->request != NULL || body != NULL || options->rules.length >= 0 ||
            options->tally || header_count > 60) {
            fprintf(stderr,
                    "hfa-load: --websocket makes its own messages, and expects them back\n");
            exit(2);
        }
        for (unsigned i = 0; i < 4; i++) {
            headers[header_count++] = upgrade[i];
        }
    }
    if (options->request == NULL) {
        build_request(options, method, path, headers, header_count, body, body_length);
    }
    free(body);
    if (options->websocket) {
        build_message(options, message_size);
    }
    options->rules.head_request =
        options->request_length >= 5 && memcmp(options->request, "HEAD ", 5) == 0;
}

void hfa_load_options_free(struct hfa_load_options *options)
{
    free(options->request);
    free(options->handshake);
    free(options->body);
    *options = (struct hfa_load_options){0};
}
