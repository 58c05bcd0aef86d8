#include "router.h"

#include <stdlib.h>

#include "arena.h"

#define NO_ROUTE     UINT32_MAX
#define FIRST_MEMORY 1024

/* Methods are compared as words where they fit one. */
struct method {
    uint64_t word; /* first_word() of the name */
    struct hfa_bytes name;
};

struct route {
    struct route *next; /* a later one with the same template */
    uint32_t index;
    bool is_prefix;
    bool is_shadowed;      /* a static path that an earlier route with parameters matches, too */
    uint32_t method_count; /* 0: any */
    struct method methods[];
};

/* A place in the tree: what the segments so far have in common. */
struct node {
    uint32_t number;         /* its name in the table of edges */
    uint32_t lowest;         /* route behind it: that for which it was made */
    struct hfa_bytes name;   /* the only literal segment that follows, unless `has_edges` */
    struct node *only;       /* behind it; NULL: none follows */
    bool has_edges;          /* several follow: in the table */
    bool is_fork;            /* more than one literal segment may follow */
    struct route *routes;    /* those whose templates end here, in order */
    struct node *parameter;  /* after a segment "{name}" */
    struct branch *patterns; /* after segments that are made of more */
    struct branch *tails;    /* templates from here to their end, with a path convertor */
};

/* Branches of one place are in the order of the lowest routes behind them. */
struct branch {
    struct branch *next;
    struct node *node;
    struct hfa_route_pattern pattern;
};

/* From a node by a literal segment, or from WHOLE_PATHS by a static template, to a node. */
struct edge {
    uint64_t hash;
    uint32_t from;
    struct hfa_bytes name;
    struct node *node; /* NULL: the place in the table is free */
};

#define WHOLE_PATHS UINT32_MAX

struct hfa_router {
    struct hfa_arena memory; /* of nodes, branches, routes and texts */
    struct edge *edges;      /* owned: open addressing, at most half full */
    size_t edge_count;
    size_t edge_mask; /* the table's size less one */
    uint32_t node_count;
    uint32_t route_count;
    uint32_t first_opaque;
    struct node root; /* behind the first slash */
    char first_memory[FIRST_MEMORY];
};

/* The first bytes, at most eight; different for different bytes of one length. Loads of constant
 * sizes that may overlap: the copy of an unknown number of bytes would be a call. */
static uint64_t first_word(const char *data, size_t length)
{
    uint64_t word = 0;

    if (length >= 8) {
        memcpy(&word, data, 8);
    } else if (length >= 4) {
        uint32_t low, high;
        memcpy(&low, data, 4);
        memcpy(&high, data + length - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (length > 0) {
        word = (uint64_t)(unsigned char)data[0] | (uint64_t)(unsigned char)data[length / 2] << 8 |
               (uint64_t)(unsigned char)data[length - 1] << 16;
    }
    return word;
}

/* The names are the application's, so nobody can fill the table with colliding ones. */
static uint64_t hash_edge(uint32_t from, struct hfa_bytes name)
{
    static const uint64_t factor = 0x9e3779b97f4a7c15;
    uint64_t hash = ((uint64_t)from << 32) ^ name.length;
    const char *at = name.data;
    size_t left = name.length;

    for (; left > sizeof(hash); left -= sizeof(hash), at += sizeof(hash)) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    }
    hash = (hash ^ first_word(at, left)) * factor;
    hash ^= hash >> 29;
    hash *= factor;
    return hash ^ hash >> 32;
}

/* The edge, or the free place for it. */
static struct edge *find_edge(const struct hfa_router *router, uint64_t hash, uint32_t from,
                              struct hfa_bytes name)
{
    size_t at = hash & router->edge_mask;

    for (;; at = (at + 1) & router->edge_mask) {
        struct edge *edge = &router->edges[at];
        if (edge->node == NULL ||
            (edge->hash == hash && edge->from == from && hfa_bytes_equal(edge->name, name)))
            return edge;
    }
}

/* --- Building -------------------------------------------------------------------------------- */

enum hfa_status hfa_router_new(struct hfa_router **router)
{
    struct hfa_router *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return HFA_ERR_NO_MEMORY;
    hfa_arena_init(&made->memory, made->first_memory, sizeof(made->first_memory));
    made->edge_mask = 15;
    made->edges = calloc(made->edge_mask + 1, sizeof(*made->edges));
    if (made->edges == NULL) {
        free(made);
        return HFA_ERR_NO_MEMORY;
    }
    made->first_opaque = NO_ROUTE;
    made->root.lowest = NO_ROUTE;
    made->node_count = 1;
    *router = made;
    return HFA_OK;
}

void hfa_router_free(struct hfa_router *router)
{
    if (router == NULL)
        return;
    hfa_arena_reset(&router->memory);
    free(router->edges);
    free(router);
}

static struct node *new_node(struct hfa_router *router)
{
    struct node *node = hfa_arena_alloc(&router->memory, sizeof(*node));

    if (node != NULL)
        *node = (struct node){.number = router->node_count++, .lowest = router->route_count};
    return node;
}

static enum hfa_status grow_edges(struct hfa_router *router)
{
    struct edge *old = router->edges;
    size_t old_size = router->edge_mask + 1;
    struct edge *edges = calloc(old_size * 2, sizeof(*edges));

    if (edges == NULL)
        return HFA_ERR_NO_MEMORY;
    router->edges = edges;
    router->edge_mask = old_size * 2 - 1;
    for (size_t i = 0; i < old_size; i++)
        if (old[i].node != NULL)
            *find_edge(router, old[i].hash, old[i].from, old[i].name) = old[i];
    free(old);
    return HFA_OK;
}

/* Finds or makes the edge; a new one leads to `target`, or to a new node if that is NULL. `name`
 * has to live as long as the router. */
static enum hfa_status add_edge(struct hfa_router *router, uint32_t from, struct hfa_bytes name,
                                struct node *target, struct node **node)
{
    if (router->edge_count * 2 > router->edge_mask && grow_edges(router) != HFA_OK)
        return HFA_ERR_NO_MEMORY;
    uint64_t hash = hash_edge(from, name);
    struct edge *edge = find_edge(router, hash, from, name);
    if (edge->node == NULL) {
        if (target == NULL && (target = new_node(router)) == NULL)
            return HFA_ERR_NO_MEMORY;
        *edge = (struct edge){hash, from, name, target};
        router->edge_count++;
    }
    *node = edge->node;
    return HFA_OK;
}

/* Most places of most trees are followed by one literal segment: no look into the table then. */
static enum hfa_status follow_literal(struct hfa_router *router, struct node *from,
                                      struct hfa_bytes name, struct node **node)
{
    if (!from->has_edges && (from->only == NULL || hfa_bytes_equal(from->name, name))) {
        from->name = name;
        if (from->only == NULL)
            from->only = new_node(router);
        *node = from->only;
        return *node == NULL ? HFA_ERR_NO_MEMORY : HFA_OK;
    }
    if (!from->has_edges) {
        from->has_edges = true;
        from->is_fork = true;
        if (add_edge(router, from->number, from->name, from->only, node) != HFA_OK)
            return HFA_ERR_NO_MEMORY;
    }
    return add_edge(router, from->number, name, NULL, node);
}

static enum hfa_status follow_branch(struct hfa_router *router, struct branch **branches,
                                     const struct hfa_route_pattern *pattern, struct node **node)
{
    while (*branches != NULL && !hfa_route_pattern_equal(&(*branches)->pattern, pattern))
        branches = &(*branches)->next;
    if (*branches == NULL) {
        struct node *made = new_node(router);
        struct branch *branch = hfa_arena_alloc(&router->memory, sizeof(*branch));
        if (made == NULL || branch == NULL)
            return HFA_ERR_NO_MEMORY;
        *branch = (struct branch){.node = made, .pattern = *pattern};
        *branches = branch;
    }
    *node = (*branches)->node;
    return HFA_OK;
}

/* Goes on from `*node` by the segment `pattern`, making the way where there is none. */
static enum hfa_status follow_segment(struct hfa_router *router, struct node **node,
                                      const struct hfa_route_pattern *pattern)
{
    struct node *from = *node;

    if (pattern->param_count == 0)
        return follow_literal(router, from, pattern->literals[0], node);
    bool is_whole = pattern->param_count == 1 && pattern->convertors[0] == HFA_CONVERTOR_STR &&
                    pattern->literals[0].length == 0 && pattern->literals[1].length == 0;
    from->is_fork = true;
    if (!is_whole)
        return follow_branch(router, &from->patterns, pattern, node);
    if (from->parameter == NULL)
        from->parameter = new_node(router);
    *node = from->parameter;
    return *node == NULL ? HFA_ERR_NO_MEMORY : HFA_OK;
}

static void clear_pattern(struct hfa_route_pattern *pattern, const char *text)
{
    pattern->param_count = 0;
    pattern->literals[0] = (struct hfa_bytes){text, 0};
}

/* A template's texts are one run of bytes at `text`, where neighbours simply join. */
static enum hfa_status follow_template(struct hfa_router *router,
                                       const struct hfa_route_token *tokens, size_t token_count,
                                       const char *text, struct node **node)
{
    struct hfa_route_pattern segment;
    bool is_tail = false;

    *node = &router->root;
    if (router->root.lowest == NO_ROUTE)
        router->root.lowest = router->route_count;
    clear_pattern(&segment, ++text); /* behind the first slash */
    for (size_t i = 0; i < token_count; i++) {
        if (tokens[i].is_parameter) {
            segment.convertors[segment.param_count++] = tokens[i].convertor;
            segment.literals[segment.param_count] = (struct hfa_bytes){text, 0};
            is_tail = is_tail || tokens[i].convertor == HFA_CONVERTOR_PATH;
            continue;
        }
        const char *end = text + tokens[i].literal.length - (i == 0);
        for (; text < end; text++) {
            if (*text != '/' || is_tail) {
                segment.literals[segment.param_count].length++;
                continue;
            }
            if (follow_segment(router, node, &segment) != HFA_OK)
                return HFA_ERR_NO_MEMORY;
            clear_pattern(&segment, text + 1);
        }
    }
    if (!is_tail)
        return follow_segment(router, node, &segment);
    (*node)->is_fork = true;
    return follow_branch(router, &(*node)->tails, &segment, node);
}

static enum hfa_status check_template(const struct hfa_router *router,
                                      const struct hfa_route_token *tokens, size_t token_count,
                                      size_t *text_length)
{
    size_t slashes = 0, parameters = 0, length = 0;

    if (token_count == 0 || tokens[0].is_parameter || tokens[0].literal.length == 0 ||
        tokens[0].literal.data[0] != '/')
        return HFA_ERR_INVALID;
    for (size_t i = 0; i < token_count; i++) {
        struct hfa_bytes literal = tokens[i].literal;
        if (tokens[i].is_parameter) {
            parameters++;
            continue;
        }
        for (size_t k = 0; k < literal.length; k++) {
            /* "$" matches before a last line feed: see hfa_router_match(). */
            if (literal.data[k] == '\n')
                return HFA_ERR_INVALID;
            slashes += literal.data[k] == '/';
        }
        length += literal.length;
    }
    *text_length = length;
    return slashes > HFA_ROUTE_SEGMENTS_MAX || parameters > HFA_ROUTE_PARAMS_MAX ||
                   router->route_count == NO_ROUTE
               ? HFA_ERR_LIMIT
               : HFA_OK;
}

static struct hfa_bytes copy_bytes(struct hfa_router *router, struct hfa_bytes bytes)
{
    char *copy = hfa_arena_alloc(&router->memory, bytes.length);

    if (copy != NULL && bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return (struct hfa_bytes){copy, bytes.length};
}

static struct route *new_route(struct hfa_router *router, const struct hfa_bytes *methods,
                               size_t method_count)
{
    struct route *route =
        hfa_arena_alloc(&router->memory, sizeof(*route) + method_count * sizeof(route->methods[0]));

    if (route == NULL)
        return NULL;
    *route = (struct route){.index = router->route_count, .method_count = (uint32_t)method_count};
    for (size_t i = 0; i < method_count; i++) {
        struct hfa_bytes name = copy_bytes(router, methods[i]);
        if (name.data == NULL)
            return NULL;
        route->methods[i] = (struct method){first_word(name.data, name.length), name};
    }
    return route;
}

static bool tree_matches(const struct hfa_router *router, struct hfa_bytes path);

static enum hfa_status add(struct hfa_router *router, const struct hfa_route_token *tokens,
                           size_t token_count, struct route *route, size_t text_length)
{
    char *text = hfa_arena_alloc(&router->memory, text_length);
    bool is_static = true;
    struct node *node;

    if (text == NULL || route == NULL)
        return HFA_ERR_NO_MEMORY;
    size_t at = 0;
    for (size_t i = 0; i < token_count; i++) {
        is_static = is_static && !tokens[i].is_parameter;
        if (tokens[i].is_parameter || tokens[i].literal.length == 0)
            continue;
        memcpy(text + at, tokens[i].literal.data, tokens[i].literal.length);
        at += tokens[i].literal.length;
    }
    enum hfa_status status;
    if (is_static) {
        struct hfa_bytes path = {text, text_length};
        route->is_shadowed = tree_matches(router, path);
        status = add_edge(router, WHOLE_PATHS, path, NULL, &node);
    } else {
        status = follow_template(router, tokens, token_count, text, &node);
    }
    if (status != HFA_OK)
        return status;
    struct route **last = &node->routes;
    while (*last != NULL)
        last = &(*last)->next;
    *last = route;
    router->route_count++;
    return HFA_OK;
}

enum hfa_status hfa_router_add_path(struct hfa_router *router, const struct hfa_route_token *tokens,
                                    size_t token_count, const struct hfa_bytes *methods,
                                    size_t method_count, uint32_t *index)
{
    size_t text_length;
    enum hfa_status status = check_template(router, tokens, token_count, &text_length);

    if (status != HFA_OK)
        return status;
    *index = router->route_count;
    return add(router, tokens, token_count, new_route(router, methods, method_count), text_length);
}

enum hfa_status hfa_router_add_prefix(struct hfa_router *router,
                                      const struct hfa_route_token *tokens, size_t token_count,
                                      uint32_t *index)
{
    struct hfa_route_token *all = malloc((token_count + 2) * sizeof(*all));
    struct route *route = NULL;
    size_t text_length;

    if (all == NULL)
        return HFA_ERR_NO_MEMORY;
    if (token_count > 0)
        memcpy(all, tokens, token_count * sizeof(*all));
    all[token_count] = (struct hfa_route_token){.literal = HFA_BYTES_INIT("/")};
    all[token_count + 1] =
        (struct hfa_route_token){.is_parameter = true, .convertor = HFA_CONVERTOR_PATH};
    enum hfa_status status = check_template(router, all, token_count + 2, &text_length);
    if (status == HFA_OK) {
        *index = router->route_count;
        route = new_route(router, NULL, 0);
        if (route != NULL)
            route->is_prefix = true;
        status = add(router, all, token_count + 2, route, text_length);
    }
    free(all);
    return status;
}

enum hfa_status hfa_router_add_opaque(struct hfa_router *router, uint32_t *index)
{
    if (router->route_count == NO_ROUTE)
        return HFA_ERR_LIMIT;
    *index = router->route_count++;
    if (router->first_opaque == NO_ROUTE)
        router->first_opaque = *index;
    return HFA_OK;
}

/* --- Matching -------------------------------------------------------------------------------- */

struct search {
    const struct hfa_router *router;
    uint64_t method_word;
    struct hfa_bytes method;
    struct hfa_bytes path; /* as far as it has to match */
    unsigned tries;
    /* What is known to end the scan so far, FULL or OPAQUE: only routes before it matter. */
    uint32_t limit;
    uint32_t partial;
    unsigned partial_count;
    unsigned param_count; /* of the way to the current node */
    struct hfa_route_match *match;
    struct hfa_bytes params[HFA_ROUTE_PARAMS_MAX];
    struct hfa_bytes partial_params[HFA_ROUTE_PARAMS_MAX];
};

static bool allows(const struct search *search, const struct route *route)
{
    for (uint32_t i = 0; i < route->method_count; i++) {
        const struct method *method = &route->methods[i];
        if (method->word == search->method_word && method->name.length == search->method.length &&
            (method->name.length <= sizeof(method->word) ||
             hfa_bytes_equal(method->name, search->method)))
            return true;
    }
    return route->method_count == 0;
}

static void copy_params(struct hfa_bytes *to, const struct search *search)
{
    for (unsigned i = 0; i < search->param_count; i++)
        to[i] = search->params[i];
}

/* The path matches the template of all these routes. Returns the one that is selected, if any. */
static const struct route *take(struct search *search, const struct route *route)
{
    for (; route != NULL && route->index < search->limit; route = route->next) {
        if (allows(search, route)) {
            search->limit = route->index;
            search->match->kind = route->is_prefix ? HFA_MATCH_OPAQUE : HFA_MATCH_FULL;
            search->match->param_count = route->is_prefix ? 0 : search->param_count;
            copy_params(search->match->params, search);
            return route;
        }
        if (route->index < search->partial) {
            search->partial = route->index;
            search->partial_count = search->param_count;
            copy_params(search->partial_params, search);
        }
    }
    return NULL;
}

/* Something in this branch may match or raise, and it isn't known what. */
static void give_up(struct search *search, const struct node *node)
{
    search->limit = node->lowest;
    search->match->kind = HFA_MATCH_OPAQUE;
    search->match->param_count = 0;
}

/* Whether `text` matches, with the captures pushed. */
static bool follows(struct search *search, const struct branch *branch, struct hfa_bytes text)
{
    const struct hfa_route_pattern *pattern = &branch->pattern;
    struct hfa_bytes *captures = search->params + search->param_count;

    switch (hfa_route_pattern_match(pattern, text, &search->tries, captures)) {
    case HFA_ROUTE_PATTERN_DIFFERS:
        return false;
    case HFA_ROUTE_PATTERN_UNDECIDED:
        give_up(search, branch->node);
        return false;
    case HFA_ROUTE_PATTERN_MATCHES:
        break;
    }
    for (unsigned i = 0; i < pattern->param_count; i++)
        if (pattern->convertors[i] == HFA_CONVERTOR_INT &&
            captures[i].length > HFA_ROUTE_INT_DIGITS_MAX) {
            give_up(search, branch->node);
            return false;
        }
    search->param_count += pattern->param_count;
    return true;
}

/* Whether the next segment is `name`. */
static bool is_next(struct hfa_bytes rest, struct hfa_bytes name)
{
    return rest.length >= name.length &&
           (rest.length == name.length || rest.data[name.length] == '/') &&
           (name.length == 0 || memcmp(rest.data, name.data, name.length) == 0);
}

static const struct node *follow_only(const struct node *node, struct hfa_bytes rest)
{
    return node->only != NULL && is_next(rest, node->name) ? node->only : NULL;
}

static const struct node *follow_edges(const struct hfa_router *router, const struct node *node,
                                       struct hfa_bytes segment)
{
    return find_edge(router, hash_edge(node->number, segment), node->number, segment)->node;
}

/* `at`: where the next segment begins; beyond the path's end there is none. The depth is that of
 * the deepest template. */
static void visit(struct search *search, const struct node *node, size_t at)
{
    struct hfa_bytes path = search->path;

    /* Where all templates go on with the same text. */
    while (node != NULL && at <= path.length && !node->is_fork && node->lowest < search->limit) {
        struct hfa_bytes rest = {path.data + at, path.length - at};
        at += node->name.length + 1;
        node = follow_only(node, rest);
    }
    if (node == NULL || node->lowest >= search->limit)
        return;
    if (at > path.length) {
        take(search, node->routes);
        return;
    }
    struct hfa_bytes rest = {path.data + at, path.length - at};
    const char *slash = rest.length > 0 ? memchr(rest.data, '/', rest.length) : NULL;
    struct hfa_bytes segment = {rest.data,
                                slash != NULL ? (size_t)(slash - rest.data) : rest.length};
    size_t next = at + segment.length + 1;
    unsigned param_count = search->param_count;

    const struct node *literal =
        node->has_edges ? follow_edges(search->router, node, segment) : follow_only(node, rest);
    if (literal != NULL)
        visit(search, literal, next);
    if (node->parameter != NULL && segment.length > 0) {
        search->params[search->param_count++] = segment;
        visit(search, node->parameter, next);
        search->param_count = param_count;
    }
    for (const struct branch *branch = node->patterns;
         branch != NULL && branch->node->lowest < search->limit; branch = branch->next)
        if (follows(search, branch, segment)) {
            visit(search, branch->node, next);
            search->param_count = param_count;
        }
    for (const struct branch *branch = node->tails;
         branch != NULL && branch->node->lowest < search->limit; branch = branch->next)
        if (follows(search, branch, rest)) {
            take(search, branch->node->routes);
            search->param_count = param_count;
        }
}

static void visit_root(struct search *search)
{
    if (search->path.length > 0 && search->path.data[0] == '/')
        visit(search, &search->router->root, 1);
}

static void scan(struct search *search)
{
    struct hfa_bytes path = search->path;
    const struct edge *edge =
        find_edge(search->router, hash_edge(WHOLE_PATHS, path), WHOLE_PATHS, path);
    const struct route *taken = edge->node != NULL ? take(search, edge->node->routes) : NULL;

    if (taken == NULL || taken->is_shadowed)
        visit_root(search);
}

static void start(struct search *search, const struct hfa_router *router, struct hfa_bytes method,
                  struct hfa_bytes path, struct hfa_route_match *match)
{
    search->router = router;
    search->method_word = first_word(method.data, method.length);
    search->method = method;
    search->path = path;
    search->tries = HFA_ROUTE_TRIES_MAX;
    search->limit = router->first_opaque;
    search->partial = NO_ROUTE;
    search->param_count = 0;
    search->match = match;
    match->kind = router->first_opaque == NO_ROUTE ? HFA_MATCH_NONE : HFA_MATCH_OPAQUE;
    match->param_count = 0;
}

/* Or may match. */
static bool tree_matches(const struct hfa_router *router, struct hfa_bytes path)
{
    struct search search;
    struct hfa_route_match match;

    start(&search, router, HFA_BYTES(""), path, &match);
    visit_root(&search);
    return match.kind != HFA_MATCH_NONE || search.partial != NO_ROUTE;
}

void hfa_router_match(const struct hfa_router *router, struct hfa_bytes method,
                      struct hfa_bytes path, struct hfa_route_match *match)
{
    struct search search;

    start(&search, router, method, path, match);
    scan(&search);
    /* "$" also matches before a last line feed. No literal holds one, so where both ends fit a
     * template, its last parameter takes the line feed: the whole path comes first. */
    if (path.length > 0 && path.data[path.length - 1] == '\n') {
        search.path.length--;
        scan(&search);
    }
    match->index = search.limit;
    if (match->kind == HFA_MATCH_NONE && search.partial != NO_ROUTE) {
        match->kind = HFA_MATCH_PARTIAL;
        match->index = search.partial;
        match->param_count = search.partial_count;
        memcpy(match->params, search.partial_params,
               search.partial_count * sizeof(match->params[0]));
    }
}
