/* The command line of hfa-load. */
#ifndef HFA_LOAD_OPTIONS_H
#define HFA_LOAD_OPTIONS_H

#include "response_reader.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    HFA_LOAD_PIPELINE_MAX = 1024,
    HFA_LOAD_CONNECTIONS_MAX = 60000,
    HFA_LOAD_SERVERS_MAX = 64,
};

struct hfa_load_options {
    struct sockaddr_in address;
    unsigned connections;
    unsigned pipeline;
    unsigned sources; /* client addresses to spread connections over: 127.0.0.1 to .N */
    uint64_t warmup_ns;
    uint64_t duration_ns; /* 0 where requests ends the run */
    uint64_t requests;    /* 0 where duration_ns ends the run */
    uint64_t timeout_ns;  /* for connecting, and for an answer */
    double rate;          /* requests a second, open loop; 0 for the closed loop */
    bool spin;            /* poll without sleeping */
    bool tally;           /* count connections by the body that they are answered with */
    bool websocket;       /* requests are messages, answers what comes back */
    char *handshake;      /* owns: what opens a WebSocket; NULL without one */
    size_t handshake_length;
    char *request; /* owns: one request's bytes */
    size_t request_length;
    struct hfa_response_rules rules;
    char *body;                          /* owns: what rules.body points to */
    pid_t servers[HFA_LOAD_SERVERS_MAX]; /* processes whose CPU time is read */
    unsigned server_count;
};

/* Reads the command line; prints what is wrong, or the help, and exits where it can't be used. */
void hfa_load_options_read(struct hfa_load_options *options, int argc, char **argv);

void hfa_load_options_free(struct hfa_load_options *options);

#endif
