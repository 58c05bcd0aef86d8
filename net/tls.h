/* TLS on stream sockets: contexts made of files, and the transport of one connection.
 *
 * A context is immutable and counted: connections keep the one that they began with, so that
 * certificates can be replaced without touching them. Loop thread; a context may be built anywhere.
 *
 * OpenSSL writes with write(2): a process that serves TLS has to ignore SIGPIPE.
 * hfa_tls_context_new() sets that where the signal still has its default action.
 */
#ifndef HFA_TLS_H
#define HFA_TLS_H

#include "exchange.h"
#include "transport.h"

enum hfa_tls_client_auth {
    HFA_TLS_CLIENT_NONE,
    HFA_TLS_CLIENT_OPTIONAL, /* a certificate is asked for; one that is sent has to be valid */
    HFA_TLS_CLIENT_REQUIRED,
};

#define HFA_TLS_TICKET_SECRET_SIZE 80

/* Borrowed for the call. NULL or "" stands for OpenSSL's default, or for nothing. */
struct hfa_tls_settings {
    const char *const *cert_files; /* PEM: certificate, then its chain; the first is the default */
    const char *const *key_files;  /* PEM; "" for a key that is in the certificate's file */
    size_t pair_count;
    const char *key_password;
    const char *client_ca_file; /* PEM; needed unless client_auth is NONE */
    enum hfa_tls_client_auth client_auth;
    bool require_13;          /* TLS 1.3 only */
    const char *ciphers;      /* of TLS 1.2, as OpenSSL names them */
    const char *ciphersuites; /* of TLS 1.3 */
    const char *groups;
    bool offers_http2; /* by ALPN */
    bool uses_kernel;  /* let the kernel encrypt, where it can */
    /* Makes sessions of one process valid in another; NULL: the context makes its own secret. */
    const unsigned char *ticket_secret;
};

/* What went wrong, for a message to the operator; names the file. */
struct hfa_tls_error {
    char text[512];
};

struct hfa_tls_context;

/* HFA_ERR_INVALID: a file or a setting cannot be used, `error` says which and why. The caller owns
 * one reference. */
enum hfa_status hfa_tls_context_new(const struct hfa_tls_settings *settings,
                                    struct hfa_tls_context **context, struct hfa_tls_error *error);
void hfa_tls_context_release(struct hfa_tls_context *context);

/* Puts TLS on the transport's descriptor; the transport keeps a reference to `context`. */
enum hfa_status hfa_tls_start(struct hfa_transport *transport, struct hfa_tls_context *context);

/* The peer does not speak TLS and nothing was read: the transport is plain again. */
void hfa_tls_stop(struct hfa_transport *transport);

/* After the handshake. True when the peer has chosen "h2". */
bool hfa_tls_is_http2(const struct hfa_transport *transport);

/* After the handshake: what the application may know of it. NULL: out of memory. The caller owns
 * it; free with hfa_peer_tls_free(). */
struct hfa_peer_tls *hfa_tls_describe(const struct hfa_transport *transport);

/* The library's version, "" in a build without TLS. */
const char *hfa_tls_library(void);

#endif
