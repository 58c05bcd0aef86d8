/* Matches a path among routes, both made of the input's lines, and looks for the same route by
 * trying one template after the other.
 *
 * The first line is a method, the second a path, each further one "methods template": methods are
 * separated by commas, none is any; a template is text with {s}, {i}, {f}, {u} and {p} for
 * parameters; a template that begins with '!' is a mount, a line "?" an opaque route.
 */
#include <stdint.h>
#include <string.h>

#include "require.h"
#include "router.h"

#define ROUTES_MAX  24
#define TOKENS_MAX  (2 * HFA_ROUTE_PARAMS_MAX + 4)
#define METHODS_MAX 4
#define PATH_MAX    200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct line {
    struct hfa_route_token tokens[TOKENS_MAX];
    size_t token_count;
    struct hfa_bytes methods[METHODS_MAX];
    size_t method_count;
    bool is_prefix;
    bool is_opaque;
};

/* Cuts what comes before the next `end` off `text`. */
static struct hfa_bytes cut(struct hfa_bytes *text, char end)
{
    const char *found = text->length > 0 ? memchr(text->data, end, text->length) : NULL;
    size_t length = found != NULL ? (size_t)(found - text->data) : text->length;
    struct hfa_bytes piece = {text->data, length};
    size_t taken = found != NULL ? length + 1 : length;
    text->data += taken;
    text->length -= taken;
    return piece;
}

static void add_literal(struct line *line, struct hfa_bytes literal)
{
    if (line->token_count < TOKENS_MAX)
        line->tokens[line->token_count++] = (struct hfa_route_token){.literal = literal};
}

static void read_line(struct line *line, struct hfa_bytes text)
{
    static const char kinds[] = "sifup";

    *line = (struct line){.is_opaque = hfa_bytes_equal(text, HFA_BYTES("?"))};
    struct hfa_bytes names = cut(&text, ' ');
    while (names.length > 0 && line->method_count < METHODS_MAX)
        line->methods[line->method_count++] = cut(&names, ',');
    line->is_prefix = text.length > 0 && text.data[0] == '!';
    if (line->is_prefix) {
        text.data++;
        text.length--;
        line->method_count = 0;
    }
    while (text.length > 0 && line->token_count < TOKENS_MAX - 2) {
        const char *kind =
            text.length >= 3 && text.data[0] == '{' && text.data[2] == '}' && text.data[1] != '\0'
                ? strchr(kinds, text.data[1])
                : NULL;
        size_t length = 1;
        if (kind != NULL) {
            line->tokens[line->token_count++] = (struct hfa_route_token){
                .is_parameter = true, .convertor = (enum hfa_convertor)(kind - kinds)};
            length = 3;
        } else {
            while (length < text.length && text.data[length] != '{')
                length++;
            add_literal(line, (struct hfa_bytes){text.data, length});
        }
        text.data += length;
        text.length -= length;
    }
}

static size_t parameter_count(const struct line *line)
{
    size_t count = 0;

    for (size_t i = 0; i < line->token_count; i++)
        count += line->tokens[i].is_parameter;
    return count;
}

/* Well-formed UTF-8, as the contract asks: every byte above ASCII becomes a character of two. */
static size_t make_path(struct hfa_bytes text, char *path)
{
    size_t length = 0;

    for (size_t i = 0; i < text.length && length + 2 <= PATH_MAX; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte < 0x80) {
            path[length++] = byte == 1 ? '\n' : (char)byte; /* lines end at line feeds */
        } else {
            path[length++] = (char)(0xc0 | byte >> 6);
            path[length++] = (char)(0x80 | (byte & 0x3f));
        }
    }
    return length;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_hex(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* Whether all of `text` is what the convertor's expression matches. */
static bool is_value(enum hfa_convertor convertor, struct hfa_bytes text)
{
    size_t at = 0, digits = 0;

    switch (convertor) {
    case HFA_CONVERTOR_STR:
        return text.length > 0 && memchr(text.data, '/', text.length) == NULL;
    case HFA_CONVERTOR_PATH:
        return text.length == 0 || memchr(text.data, '\n', text.length) == NULL;
    case HFA_CONVERTOR_INT:
    case HFA_CONVERTOR_FLOAT:
        while (at < text.length && is_digit(text.data[at]))
            at++;
        if (at == 0 || at == text.length || convertor == HFA_CONVERTOR_INT)
            return at > 0 && at == text.length;
        if (text.data[at] != '.' || at + 1 == text.length)
            return false;
        for (at++; at < text.length; at++)
            if (!is_digit(text.data[at]))
                return false;
        return true;
    case HFA_CONVERTOR_UUID:
        for (at = 0; at < text.length; at++) {
            bool may_dash = digits == 8 || digits == 12 || digits == 16 || digits == 20;
            if (is_hex(text.data[at]))
                digits++;
            else if (text.data[at] != '-' || !may_dash || text.data[at - 1] == '-')
                return false;
        }
        return digits == 32 && text.data[text.length - 1] != '-';
    }
    return false;
}

struct naive {
    const struct line *line;
    struct hfa_bytes path;
    unsigned steps;
    struct hfa_bytes params[HFA_ROUTE_PARAMS_MAX];
};

/* Backtracking as an expression does it: the longest first. */
static bool naive_match(struct naive *naive, size_t token, size_t at, unsigned param)
{
    struct hfa_bytes path = naive->path;

    if (naive->steps == 0)
        return false;
    naive->steps--;
    if (token == naive->line->token_count)
        return at == path.length || (at + 1 == path.length && path.data[at] == '\n');
    const struct hfa_route_token *one = &naive->line->tokens[token];
    if (!one->is_parameter)
        return one->literal.length <= path.length - at &&
               memcmp(path.data + at, one->literal.data, one->literal.length) == 0 &&
               naive_match(naive, token + 1, at + one->literal.length, param);
    for (size_t end = path.length + 1; end-- > at;) {
        struct hfa_bytes value = {path.data + at, end - at};
        if (end < path.length && ((unsigned char)path.data[end] & 0xc0) == 0x80)
            continue;
        if (!is_value(one->convertor, value))
            continue;
        naive->params[param] = value;
        if (naive_match(naive, token + 1, end, param + 1))
            return true;
    }
    return false;
}

static bool allows(const struct line *line, struct hfa_bytes method)
{
    for (size_t i = 0; i < line->method_count; i++)
        if (hfa_bytes_equal(line->methods[i], method))
            return true;
    return line->method_count == 0;
}

static void require_params(const struct hfa_route_match *match, const struct naive *naive)
{
    for (unsigned i = 0; i < match->param_count; i++)
        require(match->params[i].data == naive->params[i].data &&
                match->params[i].length == naive->params[i].length);
}

static void require_same(const struct line *lines, size_t count, struct hfa_bytes method,
                         struct hfa_bytes path, const struct hfa_route_match *match)
{
    uint32_t partial = UINT32_MAX;

    for (uint32_t i = 0; i < count; i++) {
        struct naive naive = {.line = &lines[i], .path = path, .steps = 20000};
        bool matches = lines[i].is_opaque || naive_match(&naive, 0, 0, 0);
        if (naive.steps == 0)
            return;
        if (!matches)
            continue;
        if (lines[i].is_opaque || lines[i].is_prefix) {
            require(match->kind == HFA_MATCH_OPAQUE && match->index == i);
            return;
        }
        if (allows(&lines[i], method)) {
            require(match->kind == HFA_MATCH_FULL && match->index == i);
            require_params(match, &naive);
            return;
        }
        if (partial == UINT32_MAX) {
            partial = i;
            if (match->kind == HFA_MATCH_PARTIAL)
                require_params(match, &naive);
        }
    }
    require(match->kind == (partial == UINT32_MAX ? HFA_MATCH_NONE : HFA_MATCH_PARTIAL));
    require(match->kind == HFA_MATCH_NONE || match->index == partial);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct line lines[ROUTES_MAX];
    struct hfa_bytes text = {(const char *)data, size};
    struct hfa_route_match match;
    struct hfa_router *router;
    char memory[PATH_MAX];
    size_t count = 0;
    uint32_t index;

    struct hfa_bytes method = cut(&text, '\n');
    size_t length = make_path(cut(&text, '\n'), memory);
    char *path = malloc(length > 0 ? length : 1); /* of its own: reading past its end is found */
    require(path != NULL && hfa_router_new(&router) == HFA_OK);
    memcpy(path, memory, length);
    while (text.length > 0 && count < ROUTES_MAX) {
        struct line *line = &lines[count];
        enum hfa_status status;
        read_line(line, cut(&text, '\n'));
        if (line->is_opaque) {
            status = hfa_router_add_opaque(router, &index);
        } else if (line->is_prefix) {
            status = hfa_router_add_prefix(router, line->tokens, line->token_count, &index);
            add_literal(line, HFA_BYTES("/"));
            if (line->token_count < TOKENS_MAX)
                line->tokens[line->token_count++] =
                    (struct hfa_route_token){.is_parameter = true, .convertor = HFA_CONVERTOR_PATH};
        } else {
            status = hfa_router_add_path(router, line->tokens, line->token_count, line->methods,
                                         line->method_count, &index);
        }
        if (status != HFA_OK)
            continue;
        require(index == count);
        count++;
    }
    hfa_router_match(router, method, (struct hfa_bytes){path, length}, &match);
    /* Too much backtracking gives an opaque match that the naive search doesn't know: paths are
     * so short here that it takes two parameters in one template. */
    bool may_give_up = false;
    for (size_t i = 0; i < count; i++)
        may_give_up = may_give_up || parameter_count(&lines[i]) > 1;
    if (match.kind != HFA_MATCH_OPAQUE || !may_give_up)
        require_same(lines, count, method, (struct hfa_bytes){path, length}, &match);
    hfa_router_free(router);
    free(path);
    return 0;
}
