#include "scope.h"

#include "forwarded.h"
#include "server_object.h"
#include "tls_extension.h"
#include "ws_handshake.h"

static PyObject *make_asgi(const struct hfa_state *state, PyObject *spec_version)
{
    PyObject *asgi = PyDict_New();

    if (asgi == NULL || PyDict_SetItem(asgi, state->str_version, state->str_v30) < 0 ||
        PyDict_SetItem(asgi, state->str_spec_version, spec_version) < 0)
        Py_CLEAR(asgi);
    return asgi;
}

static PyObject *make_template(PyObject *const *keys, size_t count)
{
    PyObject *template = PyDict_New();

    for (size_t i = 0; i < count && template != NULL; i++) {
        if (PyDict_SetItem(template, keys[i], Py_None) < 0)
            Py_CLEAR(template);
    }
    return template;
}

/* What most requests have: hfa_scope_new() changes it where it is something else. */
static int set_usual(const struct hfa_state *state, PyObject *template, PyObject *type,
                     PyObject *scheme)
{
    if (PyDict_SetItem(template, state->str_type, type) < 0 ||
        PyDict_SetItem(template, state->str_http_version, state->str_v11) < 0 ||
        PyDict_SetItem(template, state->str_scheme, scheme) < 0 ||
        PyDict_SetItem(template, state->str_root_path, state->str_empty) < 0 ||
        PyDict_SetItem(template, state->str_query_string, state->empty_bytes) < 0)
        return -1;
    return 0;
}

int hfa_scope_init(struct hfa_state *state)
{
    PyObject *http_keys[] = {
        state->str_type,         state->str_asgi,       state->str_http_version,
        state->str_server,       state->str_client,     state->str_scheme,
        state->str_root_path,    state->str_headers,    state->str_state,
        state->str_method,       state->str_path,       state->str_raw_path,
        state->str_query_string, state->str_extensions,
    };
    PyObject *websocket_keys[] = {
        state->str_type,         state->str_asgi,       state->str_http_version,
        state->str_scheme,       state->str_server,     state->str_client,
        state->str_root_path,    state->str_path,       state->str_raw_path,
        state->str_query_string, state->str_headers,    state->str_subprotocols,
        state->str_state,        state->str_extensions,
    };

    state->http_asgi = make_asgi(state, state->str_v23);
    state->websocket_asgi = make_asgi(state, state->str_v24);
    state->http_template = make_template(http_keys, sizeof(http_keys) / sizeof(http_keys[0]));
    state->websocket_template =
        make_template(websocket_keys, sizeof(websocket_keys) / sizeof(websocket_keys[0]));
    if (state->http_asgi == NULL || state->websocket_asgi == NULL || state->http_template == NULL ||
        state->websocket_template == NULL)
        return -1;
    return set_usual(state, state->http_template, state->str_http, state->str_http) < 0 ||
                   PyDict_SetItem(state->http_template, state->str_method, state->str_GET) < 0 ||
                   set_usual(state, state->websocket_template, state->str_websocket,
                             state->str_ws) < 0
               ? -1
               : 0;
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

PyObject *hfa_scope_unquote(struct hfa_bytes path)
{
    if (memchr(path.data, '%', path.length) == NULL)
        return PyUnicode_DecodeUTF8(path.data, (Py_ssize_t)path.length, "replace");
    char *decoded = PyMem_Malloc(path.length);
    if (decoded == NULL)
        return PyErr_NoMemory();
    size_t length = 0;
    for (size_t i = 0; i < path.length; i++) {
        int high = -1, low = -1;
        if (path.data[i] == '%' && i + 2 < path.length) {
            high = hex_digit(path.data[i + 1]);
            low = hex_digit(path.data[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            decoded[length++] = (char)(high << 4 | low);
            i += 2;
        } else {
            decoded[length++] = path.data[i];
        }
    }
    PyObject *text = PyUnicode_DecodeUTF8(decoded, (Py_ssize_t)length, "replace");
    PyMem_Free(decoded);
    return text;
}

PyObject *hfa_scope_headers(const struct hfa_state *state, const struct hfa_request *request)
{
    PyObject *headers = PyList_New((Py_ssize_t)request->field_count);

    if (headers == NULL)
        return NULL;
    for (size_t i = 0; i < request->field_count; i++) {
        const struct hfa_field *field = &request->fields[i];
        PyObject *name = hfa_header_names_get(&state->header_names, field->name);
        PyObject *value =
            PyBytes_FromStringAndSize(field->value.data, (Py_ssize_t)field->value.length);
        PyObject *pair = PyTuple_New(2);
        if (name == NULL || value == NULL || pair == NULL) {
            Py_XDECREF(name);
            Py_XDECREF(value);
            Py_XDECREF(pair);
            Py_DECREF(headers);
            return NULL;
        }
        PyTuple_SET_ITEM(pair, 0, name);
        PyTuple_SET_ITEM(pair, 1, value);
        PyList_SET_ITEM(headers, (Py_ssize_t)i, pair);
    }
    return headers;
}

static PyObject *text_of(const struct hfa_address *address)
{
    char text[HFA_ADDRESS_TEXT_MAX];
    size_t length = hfa_address_text(address, text);

    return PyUnicode_FromStringAndSize(text, (Py_ssize_t)length);
}

static bool has_ip(const struct hfa_address *address)
{
    return address->family == HFA_ADDRESS_IPV4 || address->family == HFA_ADDRESS_IPV6;
}

/* (host, port); clients come in numbers from few hosts, whose text they share. */
static PyObject *make_client(struct hfa_server_object *server, const struct hfa_address *client)
{
    struct hfa_address host = *client;

    if (!has_ip(client))
        return Py_NewRef(Py_None);
    host.port = 0;
    if (server->last_host == NULL || !hfa_address_equal(&host, &server->last_host_address)) {
        PyObject *text = text_of(client);
        if (text == NULL)
            return NULL;
        Py_XSETREF(server->last_host, text);
        server->last_host_address = host;
    }
    return Py_BuildValue("(Oi)", server->last_host, (int)client->port);
}

/* The same object for all connections to one address. Borrowed from the server. */
static PyObject *server_address_of(struct hfa_server_object *server,
                                   const struct hfa_address *address)
{
    PyObject *pair;

    if (server->last_local != NULL && hfa_address_equal(address, &server->last_local_address))
        return server->last_local;
    if (has_ip(address))
        pair = Py_BuildValue("(Ni)", text_of(address), (int)address->port);
    else if (address->family == HFA_ADDRESS_UNIX && server->uds != Py_None)
        pair = PyTuple_Pack(2, server->uds, Py_None);
    else
        pair = Py_NewRef(Py_None);
    if (pair == NULL)
        return NULL;
    Py_XSETREF(server->last_local, pair);
    server->last_local_address = *address;
    return pair;
}

static bool is_trusted(const struct hfa_server_object *server, const struct hfa_address *client)
{
    char text[HFA_ADDRESS_TEXT_MAX];

    if (server->trust == NULL)
        return false;
    if (client->family == HFA_ADDRESS_UNIX) {
        Py_ssize_t length = 0;
        const char *path =
            server->uds == Py_None ? NULL : PyUnicode_AsUTF8AndSize(server->uds, &length);
        PyErr_Clear(); /* a path that is no text is in no list */
        return hfa_trust_covers(server->trust, HFA_BYTES("unix:")) ||
               (path != NULL &&
                hfa_trust_covers(server->trust, (struct hfa_bytes){path, (size_t)length}));
    }
    struct hfa_bytes peer = {text, hfa_address_text(client, text)};
    return hfa_trust_covers(server->trust, peer);
}

/* The client of a connection, made at its first request; with TLS a pair of it and the extension.
 * Borrowed from the peer. */
static PyObject *known_of(struct hfa_server_object *server, struct hfa_peer *peer)
{
    if (peer->app_data == NULL) {
        PyObject *client = make_client(server, &peer->client);
        peer->app_flag = is_trusted(server, &peer->client);
        if (client == NULL || peer->tls == NULL) {
            peer->app_data = client;
            return client;
        }
        PyObject *tls = hfa_tls_extension_new(peer->tls);
        if (tls != NULL)
            peer->app_data = PyTuple_Pack(2, client, tls);
        Py_DECREF(client);
        Py_XDECREF(tls);
    }
    return peer->app_data;
}

/* What a proxy says, its host being the request's from then on. -1 with an exception. */
static int read_forwarded(const struct hfa_server_object *server, struct hfa_exchange *exchange,
                          struct hfa_forwarded *forwarded)
{
    const struct hfa_request *request = &exchange->request;
    void (*read)(const struct hfa_trust *, unsigned, const struct hfa_field *, size_t, bool,
                 struct hfa_forwarded *) =
        server->reads_forwarded_field ? hfa_forwarded_from_field : hfa_forwarded_from_x_fields;

    read(server->trust, server->forwarded_parts, request->fields, request->field_count,
         request->is_websocket, forwarded);
    if ((forwarded->host.length > 0 || forwarded->port.length > 0) &&
        hfa_forwarded_replace_host(exchange, forwarded) != HFA_OK) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

int hfa_scope_apply_proxy(struct hfa_server_object *server, struct hfa_exchange *exchange,
                          bool *is_secure)
{
    struct hfa_forwarded forwarded = {0};

    *is_secure = exchange->peer->is_secure;
    if (known_of(server, exchange->peer) == NULL)
        return -1;
    if (!exchange->peer->app_flag)
        return 0;
    if (read_forwarded(server, exchange, &forwarded) < 0)
        return -1;
    if (forwarded.scheme.length > 0)
        *is_secure = hfa_bytes_equal(forwarded.scheme, HFA_BYTES("https")) ||
                     hfa_bytes_equal(forwarded.scheme, HFA_BYTES("wss"));
    return 0;
}

/* What a proxy says takes the place of what the connection shows. Steals nothing; *client and
 * *scheme are owned, before and after. -1 with an exception. */
static int apply_forwarded(const struct hfa_server_object *server, struct hfa_exchange *exchange,
                           struct hfa_forwarded *forwarded, PyObject **client, PyObject **scheme)
{
    if (read_forwarded(server, exchange, forwarded) < 0)
        return -1;
    if (forwarded->scheme.length > 0) {
        Py_SETREF(*scheme, PyUnicode_DecodeLatin1(forwarded->scheme.data,
                                                  (Py_ssize_t)forwarded->scheme.length, NULL));
        if (*scheme == NULL)
            return -1;
    }
    if (forwarded->client_host.length > 0) {
        PyObject *host = PyUnicode_DecodeLatin1(forwarded->client_host.data,
                                                (Py_ssize_t)forwarded->client_host.length, NULL);
        Py_SETREF(*client, host == NULL
                               ? NULL
                               : Py_BuildValue("(NL)", host, (long long)forwarded->client_port));
        if (*client == NULL)
            return -1;
    }
    return 0;
}

/* Borrowed. */
static PyObject *version_of(const struct hfa_state *state, enum hfa_http_version version)
{
    switch (version) {
    case HFA_HTTP_1_0:
        return state->str_v10;
    case HFA_HTTP_1_1:
        return state->str_v11;
    case HFA_HTTP_2:
        return state->str_v2;
    case HFA_HTTP_3:
        return state->str_v3;
    }
    return state->str_v11;
}

static PyObject *method_of(const struct hfa_state *state, struct hfa_bytes method)
{
    if (hfa_bytes_equal(method, HFA_BYTES("GET")))
        return Py_NewRef(state->str_GET);
    if (hfa_bytes_equal(method, HFA_BYTES("POST")))
        return Py_NewRef(state->str_POST);
    return PyUnicode_DecodeLatin1(method.data, (Py_ssize_t)method.length, NULL);
}

/* The prefixes of the path, the proxy's in front of the server's own: *decoded is a str, *raw
 * bytes; both are owned, before and after. -1 with an exception. */
static int add_prefix(struct hfa_bytes prefix, PyObject **decoded, PyObject **raw)
{
    PyObject *text = hfa_scope_unquote(prefix);
    PyObject *bytes = PyBytes_FromStringAndSize(prefix.data, (Py_ssize_t)prefix.length);

    Py_SETREF(*decoded, text == NULL ? NULL : PyUnicode_Concat(text, *decoded));
    Py_SETREF(*raw, bytes == NULL ? NULL : PySequence_Concat(bytes, *raw));
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return *decoded == NULL || *raw == NULL ? -1 : 0;
}

static PyObject *path_of(PyObject *root_path, struct hfa_bytes path)
{
    PyObject *text = hfa_scope_unquote(path);

    if (text == NULL || PyUnicode_GetLength(root_path) == 0)
        return text;
    PyObject *full = PyUnicode_Concat(root_path, text);
    Py_DECREF(text);
    return full;
}

static PyObject *raw_path_of(PyObject *raw_root_path, struct hfa_bytes path)
{
    PyObject *raw = PyBytes_FromStringAndSize(path.data, (Py_ssize_t)path.length);

    if (raw == NULL || PyBytes_GET_SIZE(raw_root_path) == 0)
        return raw;
    PyObject *full = PySequence_Concat(raw_root_path, raw);
    Py_DECREF(raw);
    return full;
}

static PyObject *subprotocols_of(const struct hfa_request *request)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; i < request->field_count && list != NULL; i++) {
        if (!hfa_bytes_equal(request->fields[i].name, HFA_BYTES("sec-websocket-protocol")))
            continue;
        struct hfa_bytes rest = request->fields[i].value, one;
        while (list != NULL && hfa_ws_handshake_next_subprotocol(&rest, &one)) {
            PyObject *text = PyUnicode_DecodeLatin1(one.data, (Py_ssize_t)one.length, NULL);
            if (text == NULL || PyList_Append(list, text) < 0)
                Py_CLEAR(list);
            Py_XDECREF(text);
        }
    }
    return list;
}

/* {name: {}, ...}: what the server offers beyond the core of ASGI, and what it knows of the TLS. */
static PyObject *extensions_of(const struct hfa_state *state, PyObject *const *names, size_t count,
                               PyObject *tls)
{
    PyObject *extensions = PyDict_New();
    PyObject *empty = PyDict_New(); /* one for all: each request's own is enough */

    if (empty == NULL)
        Py_CLEAR(extensions);
    for (size_t i = 0; i < count && extensions != NULL; i++) {
        if (PyDict_SetItem(extensions, names[i], empty) < 0)
            Py_CLEAR(extensions);
    }
    Py_XDECREF(empty);
    if (extensions == NULL || tls == NULL)
        return extensions;
    PyObject *copy = PyDict_Copy(tls); /* each request's own */
    if (copy == NULL || PyDict_SetItem(extensions, state->str_tls, copy) < 0)
        Py_CLEAR(extensions);
    Py_XDECREF(copy);
    return extensions;
}

/* Steals `value`; false with an exception. */
static bool set(PyObject *scope, PyObject *key, PyObject *value)
{
    bool good = value != NULL && PyDict_SetItem(scope, key, value) == 0;

    Py_XDECREF(value);
    return good;
}

/* As set(), where the template has `usual` already. */
static bool set_unless(PyObject *scope, PyObject *key, PyObject *value, PyObject *usual)
{
    if (value != usual)
        return set(scope, key, value);
    Py_DECREF(value);
    return true;
}

PyObject *hfa_scope_new(struct hfa_server_object *server, struct hfa_exchange *exchange)
{
    const struct hfa_state *state = server->state;
    const struct hfa_request *request = &exchange->request;
    bool is_websocket = request->is_websocket;
    bool is_secure = exchange->peer->is_secure;
    PyObject *local = server_address_of(server, &exchange->peer->server);
    PyObject *scope = PyDict_Copy(is_websocket ? state->websocket_template : state->http_template);
    PyObject *scheme = Py_NewRef(is_websocket ? (is_secure ? state->str_wss : state->str_ws)
                                              : (is_secure ? state->str_https : state->str_http));
    PyObject *known = known_of(server, exchange->peer);
    PyObject *client = known;
    PyObject *tls = NULL; /* borrowed */
    PyObject *root_path = Py_NewRef(server->root_path);
    PyObject *raw_root_path = Py_NewRef(server->raw_root_path);
    struct hfa_forwarded forwarded = {0};
    PyObject *const http_extensions[] = {state->str_http_response_pathsend,
                                         state->str_http_response_trailers,
                                         state->str_http_response_early_hint};
    size_t first = server->offers_pathsend ? 0 : 1;

    if (known != NULL && exchange->peer->tls != NULL) {
        client = PyTuple_GetItem(known, 0);
        tls = PyTuple_GetItem(known, 1);
    }
    Py_XINCREF(client);
    if (client == NULL || local == NULL || scope == NULL)
        goto fail;
    if (exchange->peer->app_flag &&
        apply_forwarded(server, exchange, &forwarded, &client, &scheme) < 0)
        goto fail;
    if (forwarded.prefix.length > 0 && add_prefix(forwarded.prefix, &root_path, &raw_root_path) < 0)
        goto fail;
    if (!set(scope, state->str_asgi,
             PyDict_Copy(is_websocket ? state->websocket_asgi : state->http_asgi)) ||
        !set_unless(scope, state->str_http_version, Py_NewRef(version_of(state, request->version)),
                    state->str_v11) ||
        !set(scope, state->str_server, Py_NewRef(local)) ||
        !set(scope, state->str_client, Py_NewRef(client)) ||
        !set_unless(scope, state->str_scheme, Py_NewRef(scheme),
                    is_websocket ? state->str_ws : state->str_http) ||
        !set_unless(scope, state->str_root_path, Py_NewRef(root_path), state->str_empty) ||
        !set(scope, state->str_headers, hfa_scope_headers(state, request)) ||
        !set(scope, state->str_state, PyDict_Copy(server->lifespan_state)) ||
        !set(scope, state->str_path, path_of(root_path, request->path)) ||
        !set(scope, state->str_raw_path, raw_path_of(raw_root_path, request->path)) ||
        !set_unless(
            scope, state->str_query_string,
            PyBytes_FromStringAndSize(request->query.data, (Py_ssize_t)request->query.length),
            state->empty_bytes))
        goto fail;
    if (is_websocket) {
        if (!set(scope, state->str_subprotocols, subprotocols_of(request)) ||
            !set(scope, state->str_extensions,
                 extensions_of(state, &state->str_websocket_http_response, 1, tls)))
            goto fail;
    } else if (!set_unless(scope, state->str_method, method_of(state, request->method),
                           state->str_GET) ||
               !set(scope, state->str_extensions,
                    extensions_of(state, http_extensions + first, 3 - first, tls))) {
        goto fail;
    }
    goto done;

fail:
    Py_CLEAR(scope);
done:
    Py_XDECREF(client);
    Py_XDECREF(scheme);
    Py_XDECREF(root_path);
    Py_XDECREF(raw_root_path);
    return scope;
}

int hfa_scope_log_access(struct hfa_server_object *server, struct hfa_exchange *exchange,
                         PyObject *scope, int status)
{
    if (server->on_access == Py_None)
        return 0;
    PyObject *shown = scope == NULL ? hfa_scope_new(server, exchange) : Py_NewRef(scope);
    PyObject *code = shown == NULL ? NULL : PyLong_FromLong(status);
    int result = code == NULL ? -1 : hfa_server_object_log_access(server, shown, code);

    Py_XDECREF(code);
    Py_XDECREF(shown);
    return result;
}
