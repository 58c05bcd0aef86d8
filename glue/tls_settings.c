#include "tls_settings.h"

#define PAIRS_MAX 64

/* Views into str and bytes objects that `holder`, a list, keeps alive. */
struct reader {
    PyObject *settings; /* borrowed */
    PyObject *holder;   /* owned */
};

static const char *hold(struct reader *reader, PyObject *bytes)
{
    const char *text = NULL;

    if (bytes != NULL && PyList_Append(reader->holder, bytes) == 0)
        text = PyBytes_AsString(bytes);
    Py_XDECREF(bytes);
    return text;
}

/* A str or None: "" for None; NULL with an exception. */
static const char *read_text(struct reader *reader, const char *name)
{
    PyObject *value = PyMapping_GetItemString(reader->settings, name);

    if (value == NULL)
        return NULL;
    PyObject *bytes =
        value == Py_None ? PyBytes_FromStringAndSize(NULL, 0) : PyUnicode_EncodeFSDefault(value);
    Py_DECREF(value);
    return hold(reader, bytes);
}

/* A tuple of paths; -1 with an exception. */
static Py_ssize_t read_paths(struct reader *reader, const char *name, const char **paths)
{
    PyObject *value = PyMapping_GetItemString(reader->settings, name);
    Py_ssize_t count = value == NULL ? -1 : PyTuple_Size(value);

    if (count > PAIRS_MAX) {
        PyErr_Format(PyExc_ValueError, "%s: at most %d files", name, PAIRS_MAX);
        count = -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *encoded = NULL;
        if (!PyUnicode_FSConverter(PyTuple_GetItem(value, i), &encoded)) { /* borrowed */
            count = -1;
            break;
        }
        paths[i] = hold(reader, encoded);
        if (paths[i] == NULL)
            count = -1;
    }
    Py_XDECREF(value);
    return count;
}

static int read_flag(struct reader *reader, const char *name, bool *flag)
{
    PyObject *value = PyMapping_GetItemString(reader->settings, name);
    int truth = value == NULL ? -1 : PyObject_IsTrue(value);

    Py_XDECREF(value);
    *flag = truth == 1;
    return truth < 0 ? -1 : 0;
}

static int read_settings(struct reader *reader, struct hfa_tls_settings *settings,
                         const char **certs, const char **keys)
{
    Py_ssize_t cert_count = read_paths(reader, "tls_cert", certs);
    Py_ssize_t key_count = cert_count < 0 ? -1 : read_paths(reader, "tls_key", keys);

    if (key_count < 0)
        return -1;
    if (key_count == 0) {
        for (Py_ssize_t i = 0; i < cert_count; i++)
            keys[i] = "";
    } else if (key_count != cert_count) {
        PyErr_Format(PyExc_ValueError, "tls_key: %zd keys for %zd certificates", key_count,
                     cert_count);
        return -1;
    }
    settings->cert_files = certs;
    settings->key_files = keys;
    settings->pair_count = (size_t)cert_count;
    const char *password = read_text(reader, "tls_key_password");
    const char *client_auth = password == NULL ? NULL : read_text(reader, "tls_client_auth");
    const char *version = client_auth == NULL ? NULL : read_text(reader, "tls_min_version");
    if (version == NULL ||
        (settings->client_ca_file = read_text(reader, "tls_client_ca")) == NULL ||
        (settings->ciphers = read_text(reader, "tls_ciphers")) == NULL ||
        (settings->ciphersuites = read_text(reader, "tls_ciphersuites")) == NULL ||
        (settings->groups = read_text(reader, "tls_groups")) == NULL ||
        read_flag(reader, "tls_kernel", &settings->uses_kernel) < 0 ||
        read_flag(reader, "http2", &settings->offers_http2) < 0)
        return -1;
    settings->key_password = password[0] == '\0' ? NULL : password;
    settings->require_13 = strcmp(version, "1.3") == 0;
    if (settings->client_ca_file[0] != '\0')
        settings->client_auth = strcmp(client_auth, "optional") == 0 ? HFA_TLS_CLIENT_OPTIONAL
                                                                     : HFA_TLS_CLIENT_REQUIRED;
    return 0;
}

struct hfa_tls_context *hfa_tls_settings_read(PyObject *mapping, PyObject *ticket_secret)
{
    struct reader reader = {.settings = mapping, .holder = PyList_New(0)};
    struct hfa_tls_settings settings = {0};
    struct hfa_tls_context *context = NULL;
    struct hfa_tls_error error;
    const char *certs[PAIRS_MAX];
    const char *keys[PAIRS_MAX];

    if (reader.holder == NULL || read_settings(&reader, &settings, certs, keys) < 0)
        goto done;
    if (ticket_secret != Py_None) {
        if (!PyBytes_Check(ticket_secret) ||
            PyBytes_Size(ticket_secret) != HFA_TLS_TICKET_SECRET_SIZE) {
            PyErr_Format(PyExc_ValueError, "the ticket secret has to be %d bytes",
                         HFA_TLS_TICKET_SECRET_SIZE);
            goto done;
        }
        settings.ticket_secret = (const unsigned char *)PyBytes_AsString(ticket_secret);
    }
    enum hfa_status status = hfa_tls_context_new(&settings, &context, &error);
    if (status == HFA_ERR_NO_MEMORY) {
        PyErr_NoMemory();
    } else if (status != HFA_OK) {
        PyObject *text = PyUnicode_DecodeFSDefault(error.text);
        if (text != NULL)
            PyErr_SetObject(PyExc_ValueError, text);
        Py_XDECREF(text);
    }
done:
    Py_XDECREF(reader.holder);
    return context;
}
