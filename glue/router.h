/* The routes of one router tree in the order in which FastAPI looks through them, and the route
 * that its scan would select (starlette.routing.Router.app): the first that matches path and
 * method, else the first that matches the path.
 *
 * Static templates are found by one look into a hash table. Templates with parameters are a tree
 * of path segments, in which a branch is left as soon as nothing in it comes before what has been
 * found. The time does not depend on the number of routes; it depends on the number of different
 * patterns such as "{name}.{ext}" or "{id:int}" at one place of the tree.
 *
 * A router is owned by whoever made it. Routes are added by one thread; from then on nothing
 * changes, and any thread may match. No Python.
 */
#ifndef HFA_ROUTER_H
#define HFA_ROUTER_H

#include <stdint.h>

#include "bytes.h"
#include "route_pattern.h"
#include "status.h"

/* Slashes of a template; one with more is an opaque route. It bounds the depth of the search. */
#define HFA_ROUTE_SEGMENTS_MAX 64

/* int() of more digits may raise, depending on the interpreter's settings: such a request is left
 * to the convertor itself. The least that sys.set_int_max_str_digits() takes. */
#define HFA_ROUTE_INT_DIGITS_MAX 640

/* Work that one match may spend on going back and forth in parameters; what is not decided within
 * it is left to `re`. */
#define HFA_ROUTE_TRIES_MAX 16384

struct hfa_router;

/* Part of a template: a parameter, or text that stands for itself. */
struct hfa_route_token {
    bool is_parameter;
    enum hfa_convertor convertor; /* of a parameter */
    struct hfa_bytes literal;     /* UTF-8; copied */
};

enum hfa_status hfa_router_new(struct hfa_router **router);
void hfa_router_free(struct hfa_router *router); /* NULL is fine */

/* A route with a template and methods; no methods: any. `index` is the number of routes that were
 * added before, of whichever kind.
 *
 * HFA_ERR_INVALID: the template doesn't begin with a slash, or holds a line feed. HFA_ERR_LIMIT:
 * too many parameters, segments or routes. Nothing has been added then; hfa_router_add_opaque() is
 * the way out. After HFA_ERR_NO_MEMORY the router can only be freed. */
enum hfa_status hfa_router_add_path(struct hfa_router *router, const struct hfa_route_token *tokens,
                                    size_t token_count, const struct hfa_bytes *methods,
                                    size_t method_count, uint32_t *index);

/* A mount: matches the template, which may be empty, followed by a slash and anything. When it is
 * selected, the match is HFA_MATCH_OPAQUE. Fails as hfa_router_add_path() does. */
enum hfa_status hfa_router_add_prefix(struct hfa_router *router,
                                      const struct hfa_route_token *tokens, size_t token_count,
                                      uint32_t *index);

/* A route that may match any request: what no earlier route matches in full is
 * HFA_MATCH_OPAQUE. */
enum hfa_status hfa_router_add_opaque(struct hfa_router *router, uint32_t *index);

enum hfa_match {
    HFA_MATCH_NONE,
    HFA_MATCH_FULL,
    HFA_MATCH_PARTIAL, /* the path is a route's, the method isn't: `index` is the first such */
    HFA_MATCH_OPAQUE,  /* whether route `index` or another is next, only FastAPI can tell */
};

struct hfa_route_match {
    enum hfa_match kind;
    uint32_t index;                                /* unless HFA_MATCH_NONE */
    unsigned param_count;                          /* of a full or partial match */
    struct hfa_bytes params[HFA_ROUTE_PARAMS_MAX]; /* views into the path, in template order */
};

/* `path`: percent-decoded, as well-formed UTF-8, without the root path. */
void hfa_router_match(const struct hfa_router *router, struct hfa_bytes method,
                      struct hfa_bytes path, struct hfa_route_match *match);

#endif
