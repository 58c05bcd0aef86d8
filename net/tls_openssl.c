#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "socket.h"
#include "tls.h"

/* Forward secrecy and AEAD alone (RFC 9325 4.2), which is what RFC 9113 9.2.2 leaves to HTTP/2. */
#define CIPHERS_DEFAULT                                                                            \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

/* AES-128 is as safe against anything known and a third cheaper. */
#define CIPHERSUITES_DEFAULT                                                                       \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* Those of the first that the library knows, else the second: the hybrid came with OpenSSL 3.5. */
#define GROUPS_DEFAULT       "X25519MLKEM768:X25519:P-256:P-384"
#define GROUPS_BEFORE_HYBRID "X25519:P-256:P-384"

#define FILE_PIECE   16384
#define VECTORS_MAX  16
#define RECORD_FIRST 0x16 /* a handshake record's first byte */

/* One certificate with its key and what the handshake needs. */
struct identity {
    SSL_CTX *ssl; /* owned */
    X509 *cert;   /* borrowed from `ssl` */
    char *pem;    /* owned */
    size_t pem_length;
};

struct hfa_tls_context {
    unsigned references;
    bool offers_http2;
    size_t count;
    struct identity identities[];
};

/* TLS of one connection. */
struct session {
    SSL *ssl;                        /* owned */
    struct hfa_tls_context *context; /* one reference */
    bool is_started;                 /* the first byte was a handshake record's */
};

static enum hfa_status fail(struct hfa_tls_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum hfa_status fail(struct hfa_tls_error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    ERR_clear_error();
    return HFA_ERR_INVALID;
}

/* OpenSSL's reason for its last error. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text != NULL ? text : "unknown error";
}

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static enum hfa_status check_readable(const char *what, const char *path,
                                      struct hfa_tls_error *error)
{
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return fail(error, "%s '%s': %s", what, path, strerror(errno));
    fclose(file);
    return HFA_OK;
}

struct password {
    const char *text;
    bool was_asked;
};

static int on_password(char *buffer, int size, int for_writing, void *opaque)
{
    struct password *password = opaque;

    (void)for_writing;
    password->was_asked = true;
    if (password->text == NULL)
        return -1;
    size_t length = strlen(password->text);
    if (length > (size_t)size)
        return -1;
    memcpy(buffer, password->text, length);
    return (int)length;
}

static enum hfa_status load_key(SSL_CTX *ssl, const char *path, const char *cert_path,
                                const char *text, struct hfa_tls_error *error)
{
    struct password password = {.text = text};
    enum hfa_status status = check_readable("private key", path, error);

    if (status != HFA_OK)
        return status;
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *key =
        file == NULL ? NULL : PEM_read_bio_PrivateKey(file, NULL, on_password, &password);
    BIO_free(file);
    if (key == NULL) {
        if (password.was_asked && text == NULL)
            return fail(error, "private key '%s' is encrypted and no password is given", path);
        if (password.was_asked)
            return fail(error, "private key '%s' cannot be decrypted with the password given",
                        path);
        return fail(error, "private key '%s' holds no private key in PEM (%s)", path, reason());
    }
    bool matches = X509_check_private_key(SSL_CTX_get0_certificate(ssl), key) == 1;
    if (matches)
        matches = SSL_CTX_use_PrivateKey(ssl, key) == 1;
    EVP_PKEY_free(key);
    if (!matches)
        return fail(error, "private key '%s' does not belong to the certificate '%s'", path,
                    cert_path);
    return HFA_OK;
}

static enum hfa_status load_pem(struct identity *identity)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *data = NULL;
    long length = 0;

    if (memory != NULL && PEM_write_bio_X509(memory, identity->cert) == 1)
        length = BIO_get_mem_data(memory, &data);
    if (length > 0)
        identity->pem = malloc((size_t)length);
    if (identity->pem != NULL) {
        memcpy(identity->pem, data, (size_t)length);
        identity->pem_length = (size_t)length;
    }
    BIO_free(memory);
    return identity->pem != NULL ? HFA_OK : HFA_ERR_NO_MEMORY;
}

static enum hfa_status load_client_ca(SSL_CTX *ssl, const struct hfa_tls_settings *settings,
                                      struct hfa_tls_error *error)
{
    const char *path = settings->client_ca_file;

    if (settings->client_auth == HFA_TLS_CLIENT_NONE)
        return HFA_OK;
    enum hfa_status status = check_readable("client CA", path, error);
    if (status != HFA_OK)
        return status;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL || SSL_CTX_load_verify_locations(ssl, path, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(error, "client CA '%s' holds no certificate in PEM (%s)", path, reason());
    }
    SSL_CTX_set_client_CA_list(ssl, names); /* takes them */
    int mode = SSL_VERIFY_PEER;
    if (settings->client_auth == HFA_TLS_CLIENT_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl, mode, NULL);
    return HFA_OK;
}

static enum hfa_status apply_algorithms(SSL_CTX *ssl, const struct hfa_tls_settings *settings,
                                        struct hfa_tls_error *error)
{
    const char *ciphers = is_empty(settings->ciphers) ? CIPHERS_DEFAULT : settings->ciphers;
    const char *ciphersuites =
        is_empty(settings->ciphersuites) ? CIPHERSUITES_DEFAULT : settings->ciphersuites;

    if (SSL_CTX_set_min_proto_version(ssl,
                                      settings->require_13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1)
        return fail(error, "the TLS version cannot be set (%s)", reason());
    if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1)
        return fail(error, "ciphers '%s': OpenSSL knows none of them", ciphers);
    if (SSL_CTX_set_ciphersuites(ssl, ciphersuites) != 1)
        return fail(error, "TLS 1.3 cipher suites '%s': OpenSSL does not know them", ciphersuites);
    if (is_empty(settings->groups)) {
        if (SSL_CTX_set1_groups_list(ssl, GROUPS_DEFAULT) != 1 &&
            SSL_CTX_set1_groups_list(ssl, GROUPS_BEFORE_HYBRID) != 1)
            return fail(error, "the groups cannot be set (%s)", reason());
    } else if (SSL_CTX_set1_groups_list(ssl, settings->groups) != 1) {
        return fail(error, "groups '%s': OpenSSL does not know them", settings->groups);
    }
    ERR_clear_error();
    return HFA_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                   const unsigned char *in, unsigned in_length, void *opaque)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    const struct hfa_tls_context *context = opaque;
    const unsigned char *ours = both;
    unsigned ours_length = sizeof(both) - 1;
    unsigned char *chosen = NULL;

    (void)ssl;
    if (!context->offers_http2) {
        ours += 3;
        ours_length -= 3;
    }
    /* RFC 7301 3.2: no protocol in common is fatal; going on would let another protocol's server
     * be taken for this one. */
    if (SSL_select_next_proto(&chosen, out_length, ours, ours_length, in, in_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The first certificate that is for the name; without one the default stays. */
static int on_server_name(SSL *ssl, int *alert, void *opaque)
{
    const struct hfa_tls_context *context = opaque;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (name == NULL || context->count < 2)
        return SSL_TLSEXT_ERR_OK;
    for (size_t i = 0; i < context->count; i++) {
        if (X509_check_host(context->identities[i].cert, name, 0, 0, NULL) != 1)
            continue;
        SSL_set_SSL_CTX(ssl, context->identities[i].ssl);
        break;
    }
    return SSL_TLSEXT_ERR_OK;
}

static enum hfa_status load_identity(struct hfa_tls_context *context, struct identity *identity,
                                     const struct hfa_tls_settings *settings, size_t index,
                                     struct hfa_tls_error *error)
{
    static const unsigned char session_context[] = "hyperfastapi";
    const char *cert_path = settings->cert_files[index];
    const char *key_path =
        is_empty(settings->key_files[index]) ? cert_path : settings->key_files[index];
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());

    if (ssl == NULL)
        return HFA_ERR_NO_MEMORY;
    identity->ssl = ssl;
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
    options |= SSL_OP_IGNORE_UNEXPECTED_EOF; /* HTTP says itself where a message ends */
#endif
#ifdef SSL_OP_ENABLE_KTLS
    if (settings->uses_kernel)
        options |= SSL_OP_ENABLE_KTLS;
#endif
    SSL_CTX_set_options(ssl, options);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    /* One recv() takes all that has come. */
    SSL_CTX_set_read_ahead(ssl, 1);
    /* Tickets resume sessions; a table of them here would only grow. */
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ssl, session_context, sizeof(session_context) - 1);

    enum hfa_status status = check_readable("certificate", cert_path, error);
    if (status != HFA_OK)
        return status;
    if (SSL_CTX_use_certificate_chain_file(ssl, cert_path) != 1)
        return fail(error, "certificate '%s' holds no usable certificate in PEM (%s)", cert_path,
                    reason());
    identity->cert = SSL_CTX_get0_certificate(ssl);
    status = load_key(ssl, key_path, cert_path, settings->key_password, error);
    if (status == HFA_OK)
        status = apply_algorithms(ssl, settings, error);
    if (status == HFA_OK)
        status = load_client_ca(ssl, settings, error);
    if (status == HFA_OK)
        status = load_pem(identity);
    if (status != HFA_OK)
        return status;
    if (settings->ticket_secret != NULL &&
        SSL_CTX_set_tlsext_ticket_keys(ssl, (void *)settings->ticket_secret,
                                       HFA_TLS_TICKET_SECRET_SIZE) != 1)
        return fail(error, "the ticket secret cannot be used (%s)", reason());
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, context);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ssl, context);
    return HFA_OK;
}

static void ignore_sigpipe(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
        action.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

enum hfa_status hfa_tls_context_new(const struct hfa_tls_settings *settings,
                                    struct hfa_tls_context **context, struct hfa_tls_error *error)
{
    struct hfa_tls_context *new =
        calloc(1, sizeof(*new) + settings->pair_count * sizeof(new->identities[0]));

    *context = NULL;
    error->text[0] = '\0';
    if (new == NULL)
        return HFA_ERR_NO_MEMORY;
    new->references = 1;
    new->offers_http2 = settings->offers_http2;
    new->count = settings->pair_count;
    for (size_t i = 0; i < new->count; i++) {
        enum hfa_status status = load_identity(new, &new->identities[i], settings, i, error);
        if (status != HFA_OK) {
            hfa_tls_context_release(new);
            return status;
        }
    }
    ignore_sigpipe();
    *context = new;
    return HFA_OK;
}

void hfa_tls_context_release(struct hfa_tls_context *context)
{
    if (context == NULL || --context->references > 0)
        return;
    for (size_t i = 0; i < context->count; i++) {
        SSL_CTX_free(context->identities[i].ssl);
        free(context->identities[i].pem);
    }
    free(context);
}

/* What an SSL_ function that did not succeed wants of the connection. */
static enum hfa_status outcome(struct hfa_transport *transport, int result)
{
    struct session *session = transport->session;

    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        transport->wants_write = false;
        return HFA_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        transport->wants_write = true;
        return HFA_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return HFA_ERR_CLOSED;
    default:
        return HFA_ERR_SYSTEM;
    }
}

/* HFA_ERR_PROTOCOL: the first byte is no TLS record's, nothing was taken off the socket. */
static enum hfa_status look_at_first_byte(struct hfa_transport *transport)
{
    struct session *session = transport->session;
    unsigned char first = 0;
    size_t length = 0;
    enum hfa_status status = hfa_socket_peek(transport->fd, (char *)&first, 1, &length);

    if (status != HFA_OK)
        return status;
    if (first != RECORD_FIRST)
        return HFA_ERR_PROTOCOL;
    session->is_started = true;
    return HFA_OK;
}

static enum hfa_status tls_handshake(struct hfa_transport *transport)
{
    struct session *session = transport->session;

    if (!session->is_started) {
        enum hfa_status status = look_at_first_byte(transport);
        if (status != HFA_OK)
            return status;
    }
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        transport->has_input = SSL_has_pending(session->ssl) == 1;
        transport->wants_write = false;
        return HFA_OK;
    }
    enum hfa_status status = outcome(transport, result);
    return status == HFA_AGAIN ? HFA_AGAIN : HFA_ERR_SYSTEM;
}

static enum hfa_status tls_read(struct hfa_transport *transport, char *data, size_t size,
                                size_t *length)
{
    struct session *session = transport->session;

    *length = 0;
    transport->has_input = false;
    ERR_clear_error();
    /* A record at a time: on while the library holds more, without asking the socket for nothing.
     */
    do {
        size_t got = 0;
        int result = SSL_read_ex(session->ssl, data + *length, size - *length, &got);
        if (result != 1) {
            enum hfa_status status = outcome(transport, result);
            if (*length == 0)
                return status;
            /* What was read before comes first; an end shows again with the next read. */
            transport->has_input = status != HFA_AGAIN;
            return HFA_OK;
        }
        *length += got;
    } while (*length < size && SSL_has_pending(session->ssl) == 1);
    transport->has_input = SSL_has_pending(session->ssl) == 1;
    return HFA_OK;
}

static enum hfa_status write_file_piece(struct hfa_transport *transport, int file_fd, off_t offset,
                                        size_t length, size_t *sent)
{
    struct session *session = transport->session;
    char piece[FILE_PIECE];

#ifdef SSL_OP_ENABLE_KTLS
    if (BIO_get_ktls_send(SSL_get_wbio(session->ssl))) {
        ossl_ssize_t result = SSL_sendfile(session->ssl, file_fd, offset,
                                           length < HFA_OUTPUT_STEP ? length : HFA_OUTPUT_STEP, 0);
        *sent = result > 0 ? (size_t)result : 0;
        if (result > 0)
            return HFA_OK;
        return result == 0 ? HFA_ERR_SYSTEM : outcome(transport, (int)result);
    }
#endif
    ssize_t got = pread(file_fd, piece, length < sizeof(piece) ? length : sizeof(piece), offset);
    if (got <= 0)
        return HFA_ERR_SYSTEM; /* the file has become shorter than what was announced */
    int result = SSL_write_ex(session->ssl, piece, (size_t)got, sent);
    return result == 1 ? HFA_OK : outcome(transport, result);
}

static enum hfa_status tls_write(struct hfa_transport *transport, struct hfa_output *output,
                                 struct hfa_buffer_pool *buffers, struct hfa_lent **released,
                                 uint64_t *written)
{
    struct session *session = transport->session;

    *written = 0;
    ERR_clear_error();
    while (output->length > 0) {
        struct iovec vector;
        int file_fd = -1;
        off_t offset = 0;
        size_t length = 0;
        size_t sent = 0;
        enum hfa_status status = HFA_OK;
        if (hfa_output_next_file(output, &file_fd, &offset, &length)) {
            status = write_file_piece(transport, file_fd, offset, length, &sent);
        } else {
            hfa_output_vectors(output, &vector, 1);
            int result = SSL_write_ex(session->ssl, vector.iov_base, vector.iov_len, &sent);
            if (result != 1)
                status = outcome(transport, result);
        }
        if (status == HFA_ERR_CLOSED)
            status = HFA_ERR_SYSTEM;
        if (status != HFA_OK)
            return status;
        hfa_output_consume(output, buffers, sent, released);
        *written += sent;
        if (*written >= HFA_OUTPUT_STEP && output->length > 0)
            return HFA_AGAIN; /* others first */
    }
    return HFA_OK;
}

static void tls_shutdown_write(struct hfa_transport *transport)
{
    struct session *session = transport->session;

    ERR_clear_error();
    SSL_shutdown(session->ssl); /* close_notify; nothing more can be done if it does not fit */
    hfa_socket_shutdown_write(transport->fd);
}

static void free_session(struct hfa_transport *transport)
{
    struct session *session = transport->session;

    SSL_free(session->ssl);
    hfa_tls_context_release(session->context);
    free(session);
    transport->session = NULL;
}

static void tls_close(struct hfa_transport *transport, bool reset)
{
    struct session *session = transport->session;

    ERR_clear_error();
    if (!reset && SSL_is_init_finished(session->ssl))
        SSL_shutdown(session->ssl);
    free_session(transport);
    hfa_socket_close(transport->fd, reset);
    ERR_clear_error();
}

static const struct hfa_transport_ops tls_ops = {
    .handshake = tls_handshake,
    .read = tls_read,
    .write = tls_write,
    .shutdown_write = tls_shutdown_write,
    .close = tls_close,
};

enum hfa_status hfa_tls_start(struct hfa_transport *transport, struct hfa_tls_context *context)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return HFA_ERR_NO_MEMORY;
    session->ssl = SSL_new(context->identities[0].ssl);
    if (session->ssl == NULL || SSL_set_fd(session->ssl, transport->fd) != 1) {
        SSL_free(session->ssl);
        free(session);
        ERR_clear_error();
        return HFA_ERR_NO_MEMORY;
    }
    SSL_set_accept_state(session->ssl);
    session->context = context;
    context->references++;
    transport->session = session;
    transport->ops = &tls_ops;
    return HFA_OK;
}

void hfa_tls_stop(struct hfa_transport *transport)
{
    free_session(transport);
    transport->ops = &hfa_transport_plain;
}

bool hfa_tls_is_http2(const struct hfa_transport *transport)
{
    const struct session *session = transport->session;
    const unsigned char *name = NULL;
    unsigned length = 0;

    if (transport->ops != &tls_ops)
        return false;
    SSL_get0_alpn_selected(session->ssl, &name, &length);
    return length == 2 && memcmp(name, "h2", 2) == 0;
}

static const struct identity *identity_of(const struct session *session)
{
    const SSL_CTX *ssl = SSL_get_SSL_CTX(session->ssl);

    for (size_t i = 1; i < session->context->count; i++) {
        if (session->context->identities[i].ssl == ssl)
            return &session->context->identities[i];
    }
    return &session->context->identities[0];
}

/* The client's certificates as PEM blocks behind each other, then its name. */
static BIO *describe_client(SSL *ssl, size_t *chain_length)
{
    BIO *memory = BIO_new(BIO_s_mem());
    X509 *own = SSL_get0_peer_certificate(ssl);
    char *unused = NULL;

    *chain_length = 0;
    if (memory == NULL || own == NULL)
        return memory;
    PEM_write_bio_X509(memory, own);
    /* A server's view of the chain is without the client's own. */
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    for (int i = 0; i < sk_X509_num(chain); i++)
        PEM_write_bio_X509(memory, sk_X509_value(chain, i));
    *chain_length = (size_t)BIO_get_mem_data(memory, &unused);
    X509_NAME_print_ex(memory, X509_get_subject_name(own), 0,
                       XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    return memory;
}

struct hfa_peer_tls *hfa_tls_describe(const struct hfa_transport *transport)
{
    const struct session *session = transport->session;
    const struct identity *identity = identity_of(session);
    size_t chain_length = 0;
    BIO *client = describe_client(session->ssl, &chain_length);
    char *client_text = NULL;
    size_t client_length = client == NULL ? 0 : (size_t)BIO_get_mem_data(client, &client_text);
    struct hfa_peer_tls *tls = NULL;

    if (client != NULL)
        tls = malloc(sizeof(*tls) + identity->pem_length + client_length);
    if (tls != NULL) {
        char *text = (char *)(tls + 1);
        memcpy(text, identity->pem, identity->pem_length);
        if (client_length > 0)
            memcpy(text + identity->pem_length, client_text, client_length);
        *tls = (struct hfa_peer_tls){
            .version = (unsigned)SSL_version(session->ssl),
            .cipher = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(session->ssl)),
            .server_cert = {text, identity->pem_length},
            .client_chain = {text + identity->pem_length, chain_length},
            .client_name = {text + identity->pem_length + chain_length,
                            client_length - chain_length},
        };
    }
    BIO_free(client);
    ERR_clear_error();
    return tls;
}

const char *hfa_tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
