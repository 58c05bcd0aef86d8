#include "unrouted.h"

#include "scope.h"
#include "server_object.h"

int hfa_unrouted_read(struct hfa_unrouted *unrouted, const struct hfa_state *state, PyObject *from)
{
    struct hfa_unrouted found = {0};

    if (from != Py_None) {
        PyObject *answers, *plan;
        if (!PyArg_ParseTuple(from, "OO!", &answers, state->plan_type, &plan))
            return -1;
        PyObject *redirects = PyObject_GetAttrString(answers, "redirects");
        int truth = redirects == NULL ? -1 : PyObject_IsTrue(redirects);
        Py_XDECREF(redirects);
        if (truth < 0)
            return -1;
        found = (struct hfa_unrouted){Py_NewRef(answers), Py_NewRef(plan), truth > 0};
    }
    *unrouted = found;
    return 0;
}

void hfa_unrouted_clear(struct hfa_unrouted *unrouted)
{
    Py_CLEAR(unrouted->answers);
    Py_CLEAR(unrouted->plan);
}

int hfa_unrouted_traverse(const struct hfa_unrouted *unrouted, visitproc visit, void *arg)
{
    Py_VISIT(unrouted->answers);
    Py_VISIT(unrouted->plan);
    return 0;
}

/* Whether a route matches the path, with whatever method: 1 yes, 0 no, -1 with an exception, -2
 * only FastAPI can tell. */
static int matches(const struct hfa_unrouted *unrouted, const struct hfa_router *router,
                   struct hfa_bytes method, struct hfa_bytes path)
{
    struct hfa_route_match match;

    hfa_router_match(router, method, path, &match);
    if (match.kind == HFA_MATCH_NONE || match.kind == HFA_MATCH_FULL)
        return match.kind == HFA_MATCH_FULL;
    PyObject *certain = PyObject_CallMethod(unrouted->answers, "is_certain", "IO", match.index,
                                            match.kind == HFA_MATCH_OPAQUE ? Py_True : Py_False);
    int truth = certain == NULL ? -1 : PyObject_IsTrue(certain);
    Py_XDECREF(certain);
    return truth == 0 ? -2 : truth;
}

/* Whether the path with or without its last slash is a route's; as above. */
static int finds_other_path(const struct hfa_unrouted *unrouted, const struct hfa_router *router,
                            const struct hfa_unrouted_request *request)
{
    struct hfa_bytes path = request->path;

    if (!unrouted->redirects || hfa_bytes_equal(path, HFA_BYTES("/")))
        return 0;
    if (path.length > 0 && path.data[path.length - 1] == '/') {
        while (path.length > 0 && path.data[path.length - 1] == '/')
            path.length--;
        return matches(unrouted, router, request->method, path);
    }
    char *longer = PyMem_Malloc(path.length + 1);
    if (longer == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (path.length > 0)
        memcpy(longer, path.data, path.length);
    longer[path.length] = '/';
    path = (struct hfa_bytes){longer, path.length + 1};
    int found = matches(unrouted, router, request->method, path);
    PyMem_Free(longer);
    return found;
}

static PyObject *redirect(const struct hfa_unrouted *unrouted,
                          const struct hfa_unrouted_request *request)
{
    PyObject *scope = request->scope != NULL ? Py_NewRef(request->scope)
                                             : hfa_scope_new(request->server, request->exchange);
    PyObject *response =
        scope == NULL ? NULL : PyObject_CallMethod(unrouted->answers, "redirect", "O", scope);

    Py_XDECREF(scope);
    return response;
}

PyObject *hfa_unrouted_answer(const struct hfa_unrouted *unrouted, const struct hfa_router *router,
                              const struct hfa_unrouted_request *request)
{
    PyObject *response;

    if (unrouted->answers == NULL)
        return NULL;
    if (request->match->kind == HFA_MATCH_PARTIAL) {
        response =
            PyObject_CallMethod(unrouted->answers, "not_allowed", "I", request->match->index);
    } else {
        int found = finds_other_path(unrouted, router, request);
        if (found < 0)
            return NULL;
        response = found ? redirect(unrouted, request)
                         : PyObject_CallMethod(unrouted->answers, "not_found", NULL);
    }
    if (response == Py_None)
        Py_CLEAR(response);
    return response;
}
