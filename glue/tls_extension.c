#define _GNU_SOURCE /* memmem() */
#include "tls_extension.h"

static PyObject *text(struct hfa_bytes bytes)
{
    return PyUnicode_DecodeUTF8(bytes.data, (Py_ssize_t)bytes.length, "replace");
}

/* One str a certificate. */
static PyObject *split_chain(struct hfa_bytes chain)
{
    static const char end[] = "-----END CERTIFICATE-----\n";
    PyObject *list = PyList_New(0);

    while (chain.length > 0 && list != NULL) {
        const char *found = memmem(chain.data, chain.length, end, sizeof(end) - 1);
        size_t length =
            found == NULL ? chain.length : (size_t)(found - chain.data) + sizeof(end) - 1;
        PyObject *one = text((struct hfa_bytes){chain.data, length});
        if (one == NULL || PyList_Append(list, one) < 0)
            Py_CLEAR(list);
        Py_XDECREF(one);
        chain.data += length;
        chain.length -= length;
    }
    PyObject *tuple = list == NULL ? NULL : PyList_AsTuple(list);
    Py_XDECREF(list);
    return tuple;
}

PyObject *hfa_tls_extension_new(const struct hfa_peer_tls *tls)
{
    PyObject *server_cert = text(tls->server_cert);
    PyObject *chain = split_chain(tls->client_chain);
    PyObject *name = tls->client_chain.length == 0 ? Py_NewRef(Py_None) : text(tls->client_name);
    PyObject *extension = NULL;

    /* A client certificate that does not verify ends the handshake: client_cert_error stays None.
     */
    if (server_cert != NULL && chain != NULL && name != NULL)
        extension =
            Py_BuildValue("{s:O,s:O,s:O,s:O,s:I,s:I}", "server_cert", server_cert,
                          "client_cert_chain", chain, "client_cert_name", name, "client_cert_error",
                          Py_None, "tls_version", tls->version, "cipher_suite", tls->cipher);
    Py_XDECREF(server_cert);
    Py_XDECREF(chain);
    Py_XDECREF(name);
    return extension;
}
