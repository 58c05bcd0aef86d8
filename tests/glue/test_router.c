/* Routes in order, templates, captures, bounds and memory of the router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "guard_page.h"
#include "router.h"

#define TOKENS_MAX 40

/* "/a/{int}.{}": a parameter is named by its convertor, str unless given. */
static size_t tokenize(const char *template, struct hfa_route_token *tokens)
{
    static const char *const names[] = {"str", "int", "float", "uuid", "path"};
    size_t count = 0;

    while (*template != '\0') {
        size_t length = strcspn(template, "{");
        assert_true(count < TOKENS_MAX);
        tokens[count] = (struct hfa_route_token){.literal = {template, length}};
        if (length == 0) {
            tokens[count] = (struct hfa_route_token){.is_parameter = true};
            length = strcspn(template, "}") + 1;
            for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strlen(names[i]) == length - 2 &&
                    memcmp(names[i], template + 1, length - 2) == 0)
                    tokens[count].convertor = (enum hfa_convertor)i;
        }
        count++;
        template += length;
    }
    return count;
}

/* `methods`: separated by spaces; NULL: any. */
static enum hfa_status try_add(struct hfa_router *router, const char *template, const char *methods,
                               uint32_t *index)
{
    struct hfa_route_token tokens[TOKENS_MAX];
    struct hfa_bytes names[8];
    size_t count = 0;

    while (methods != NULL && *methods != '\0') {
        size_t length = strcspn(methods, " ");
        names[count++] = (struct hfa_bytes){methods, length};
        methods += length + (methods[length] == ' ');
    }
    return hfa_router_add_path(router, tokens, tokenize(template, tokens), names, count, index);
}

static void add(struct hfa_router *router, const char *template, const char *methods)
{
    uint32_t index;
    assert_int_equal(try_add(router, template, methods, &index), HFA_OK);
}

static void add_prefix(struct hfa_router *router, const char *template)
{
    struct hfa_route_token tokens[TOKENS_MAX];
    uint32_t index;
    assert_int_equal(hfa_router_add_prefix(router, tokens, tokenize(template, tokens), &index),
                     HFA_OK);
}

static struct hfa_router *new_router(void)
{
    struct hfa_router *router = NULL;
    assert_int_equal(hfa_router_new(&router), HFA_OK);
    return router;
}

/* The match as text: "full 3 [a] [b]". The method and the path end at unreadable pages. */
static const char *matched(const struct hfa_router *router, const char *method, const char *path)
{
    static const char *const kinds[] = {"none", "full", "partial", "opaque"};
    static char line[4096];
    struct guard_page method_page, path_page;
    struct hfa_route_match match;

    guard_page_map(&method_page, method, strlen(method));
    guard_page_map(&path_page, path, strlen(path));
    hfa_router_match(router, (struct hfa_bytes){method_page.data, strlen(method)},
                     (struct hfa_bytes){path_page.data, strlen(path)}, &match);
    int length = match.kind == HFA_MATCH_NONE
                     ? snprintf(line, sizeof(line), "none")
                     : snprintf(line, sizeof(line), "%s %u", kinds[match.kind], match.index);
    for (unsigned i = 0; i < match.param_count; i++)
        length += snprintf(line + length, sizeof(line) - (size_t)length, " [%.*s]",
                           (int)match.params[i].length, match.params[i].data);
    guard_page_unmap(&path_page);
    guard_page_unmap(&method_page);
    return line;
}

static void test_a_router_without_routes_matches_nothing(void **state)
{
    struct hfa_router *router = new_router();
    assert_string_equal(matched(router, "GET", "/"), "none");
    assert_string_equal(matched(router, "GET", ""), "none");
    hfa_router_free(router);
    hfa_router_free(NULL);
}

static void test_the_first_route_for_path_and_method_wins(void **state)
{
    struct hfa_router *router = new_router();
    add(router, "/{}", "POST");
    add(router, "/a", "PUT");
    add(router, "/{}/b", "GET");
    add(router, "/a/{}", "GET");
    add(router, "/a", "GET POST");
    add(router, "/a", NULL);
    assert_string_equal(matched(router, "POST", "/a"), "full 0 [a]");
    assert_string_equal(matched(router, "PUT", "/a"), "full 1");
    assert_string_equal(matched(router, "GET", "/a"), "full 4");
    assert_string_equal(matched(router, "DELETE", "/a"), "full 5");
    assert_string_equal(matched(router, "GET", "/a/b"), "full 2 [a]");
    assert_string_equal(matched(router, "GET", "/a/c"), "full 3 [c]");
    assert_string_equal(matched(router, "DELETE", "/a/b"), "partial 2 [a]");
    assert_string_equal(matched(router, "DELETE", "/x"), "partial 0 [x]");
    assert_string_equal(matched(router, "GET", "/x/y"), "none");
    hfa_router_free(router);
}

static void test_methods_are_compared_as_bytes(void **state)
{
    struct hfa_router *router = new_router();
    add(router, "/", "GET A VERSION-CONTROL");
    assert_string_equal(matched(router, "GET", "/"), "full 0");
    assert_string_equal(matched(router, "A", "/"), "full 0");
    assert_string_equal(matched(router, "VERSION-CONTROL", "/"), "full 0");
    assert_string_equal(matched(router, "VERSION-CONTROX", "/"), "partial 0");
    assert_string_equal(matched(router, "get", "/"), "partial 0");
    assert_string_equal(matched(router, "GE", "/"), "partial 0");
    assert_string_equal(matched(router, "GETT", "/"), "partial 0");
    assert_string_equal(matched(router, "", "/"), "partial 0");
    hfa_router_free(router);
}

static void test_empty_segments_are_segments(void **state)
{
    struct hfa_router *router = new_router();
    add(router, "/a//b", NULL);
    add(router, "/{}/", NULL);
    add(router, "//{}", NULL);
    assert_string_equal(matched(router, "GET", "/a//b"), "full 0");
    assert_string_equal(matched(router, "GET", "/a/b"), "none");
    assert_string_equal(matched(router, "GET", "/a/"), "full 1 [a]");
    assert_string_equal(matched(router, "GET", "//"), "none");
    assert_string_equal(matched(router, "GET", "//x"), "full 2 [x]");
    assert_string_equal(matched(router, "GET", "a/"), "none");
    hfa_router_free(router);
}

/* Template, path, and captures, or NULL where the path is not matched. */
static const struct {
    const char *template;
    const char *path;
    const char *captures;
} captures[] = {
    {"/{int}", "/0123", " [0123]"},
    {"/{int}", "/-1", NULL},
    {"/{int}", "/", NULL},
    {"/{int}", "/1a", NULL},
    {"/{int}", "/\xd9\xa3", NULL}, /* a digit, but not one of these */
    {"/{float}", "/1", " [1]"},
    {"/{float}", "/1.25", " [1.25]"},
    {"/{float}", "/1.", NULL},
    {"/{float}", "/.5", NULL},
    {"/{float}", "/1.2.3", NULL},
    {"/{float}{}", "/1.25", " [1.2] [5]"},
    {"/{float}{}", "/1.2", " [1] [.2]"},
    {"/{float}{}", "/12", " [1] [2]"},
    {"/{float}.{int}", "/1.2.3", " [1.2] [3]"},
    {"/{float}.{int}", "/1.2", " [1] [2]"},
    {"/{uuid}", "/00112233-4455-6677-8899-aAbBcCdDeEfF", " [00112233-4455-6677-8899-aAbBcCdDeEfF]"},
    {"/{uuid}", "/00112233445566778899aAbBcCdDeEfF", " [00112233445566778899aAbBcCdDeEfF]"},
    {"/{uuid}", "/00112233-445566778899-aAbBcCdDeEfF", " [00112233-445566778899-aAbBcCdDeEfF]"},
    {"/{uuid}", "/00112233--4455-6677-8899-aAbBcCdDeEfF", NULL},
    {"/{uuid}", "/00112233-4455-6677-8899-aAbBcCdDeEf", NULL},
    {"/{uuid}", "/00112233-4455-6677-8899-aAbBcCdDeEfg", NULL},
    {"/{uuid}", "/00112233-4455-6677-8899-aAbBcCdDeEfFF", NULL},
    {"/{uuid}x", "/00112233445566778899aabbccddeeffx", " [00112233445566778899aabbccddeeff]"},
    {"/{path}", "/", " []"},
    {"/{path}", "/a//b/", " [a//b/]"},
    {"/{path}/end", "/a/end/end", " [a/end]"},
    {"/{path}/end", "/end", NULL},
    {"/{path}/end", "//end", " []"},
    {"/{path}/{}", "/a/b/c", " [a/b] [c]"},
    {"/{path}{}", "/ab/cd", " [ab/c] [d]"},
    {"/x{path}", "/xy/z", " [y/z]"},
    {"/{}.{}", "/a.b.c", " [a.b] [c]"},
    {"/{}.{}", "/a.", NULL},
    {"/{}.{}", "/...", " [.] [.]"},
    {"/{}{}", "/ab", " [a] [b]"},
    {"/{}{}", "/a", NULL},
    {"/{}{}", "/a\xc3\xa9", " [a] [\xc3\xa9]"},
    {"/{}{}", "/\xc3\xa9", NULL},
    {"/v{int}-{}/x", "/v1-b/x", " [1] [b]"},
    {"/v{int}-{}/x", "/v1-/x", NULL},
    {"/{}", "/a\n", " [a\n]"},
    {"/{int}", "/1\n", " [1]"},
    {"/{int}", "/1\n\n", NULL},
    {"/{path}", "/a\n", " [a]"},
    {"/{path}", "/a\nb", NULL},
    {"/a", "/a\n", ""},
    {"/{}/a", "/\n/a\n", " [\n]"},
    {"/{}{}", "/ab\n", " [ab] [\n]"},
    {"/{}{int}", "/ab1\n", " [ab] [1]"},
};

static void test_captures_are_those_of_the_regular_expression(void **state)
{
    for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
        struct hfa_router *router = new_router();
        char expected[200];
        add(router, captures[i].template, NULL);
        snprintf(expected, sizeof(expected), "full 0%s",
                 captures[i].captures ? captures[i].captures : "");
        const char *found = matched(router, "GET", captures[i].path);
        if (strcmp(found, captures[i].captures ? expected : "none") != 0)
            fail_msg("%s at %s: %s", captures[i].template, captures[i].path, found);
        hfa_router_free(router);
    }
}

static void test_a_selected_prefix_is_opaque(void **state)
{
    struct hfa_router *router = new_router();
    add(router, "/m/a", "GET");
    add_prefix(router, "/m");
    add(router, "/m/{}", NULL);
    add_prefix(router, "/{int}/x");
    assert_string_equal(matched(router, "GET", "/m/a"), "full 0");
    assert_string_equal(matched(router, "POST", "/m/a"), "opaque 1");
    assert_string_equal(matched(router, "GET", "/m/"), "opaque 1");
    assert_string_equal(matched(router, "GET", "/m/b/c"), "opaque 1");
    assert_string_equal(matched(router, "GET", "/m"), "none");
    assert_string_equal(matched(router, "GET", "/1/x/"), "opaque 3");
    assert_string_equal(matched(router, "GET", "/1/x"), "none");
    add_prefix(router, "");
    assert_string_equal(matched(router, "GET", "/1/x"), "opaque 4");
    assert_string_equal(matched(router, "GET", ""), "none");
    hfa_router_free(router);
}

static void test_an_opaque_route_is_next_where_no_earlier_one_matches_in_full(void **state)
{
    struct hfa_router *router = new_router();
    uint32_t index;
    add(router, "/a/{}", "GET");
    assert_int_equal(hfa_router_add_opaque(router, &index), HFA_OK);
    assert_int_equal(index, 1);
    assert_int_equal(hfa_router_add_opaque(router, &index), HFA_OK);
    assert_int_equal(index, 2);
    add(router, "/b", NULL);
    assert_string_equal(matched(router, "GET", "/a/x"), "full 0 [x]");
    assert_string_equal(matched(router, "PUT", "/a/x"), "opaque 1");
    assert_string_equal(matched(router, "GET", "/b"), "opaque 1");
    assert_string_equal(matched(router, "GET", ""), "opaque 1");
    hfa_router_free(router);
}

static void test_more_digits_than_int_takes_are_opaque(void **state)
{
    struct hfa_router *router = new_router();
    char path[HFA_ROUTE_INT_DIGITS_MAX + 3] = "/";
    memset(path + 1, '7', HFA_ROUTE_INT_DIGITS_MAX);
    add(router, "/{int}", "POST");
    add(router, "/{float}", NULL);
    assert_int_equal(strncmp(matched(router, "GET", path), "full 1", 6), 0);
    path[HFA_ROUTE_INT_DIGITS_MAX + 1] = '7';
    assert_string_equal(matched(router, "GET", path), "opaque 0");
    hfa_router_free(router);
}

static void test_work_on_one_path_is_bounded(void **state)
{
    struct hfa_router *router = new_router();
    char path[2000] = "/";
    add(router, "/{}", "POST");
    add(router, "/{}x{}x{}x{int}y", NULL);
    add(router, "/{}", NULL);
    memset(path + 1, 'x', sizeof(path) - 4);
    memcpy(path + sizeof(path) - 3, "zy", 3);
    assert_string_equal(matched(router, "GET", path), "opaque 1");
    assert_int_equal(strncmp(matched(router, "POST", path), "full 0", 6), 0);
    hfa_router_free(router);
}

static void test_templates_beyond_the_bounds_are_refused_and_nothing_is_added(void **state)
{
    struct hfa_router *router = new_router();
    char segments[2 * HFA_ROUTE_SEGMENTS_MAX + 3] = "";
    char parameters[2 * (HFA_ROUTE_PARAMS_MAX + 1) + 2] = "/";
    uint32_t index;
    for (size_t i = 0; i < HFA_ROUTE_SEGMENTS_MAX; i++)
        strcat(segments, "/x");
    for (size_t i = 0; i < HFA_ROUTE_PARAMS_MAX; i++)
        strcat(parameters, "{}");
    assert_int_equal(try_add(router, segments, NULL, &index), HFA_OK);
    assert_int_equal(try_add(router, parameters, NULL, &index), HFA_OK);
    strcat(segments, "/");
    strcat(parameters, "{}");
    assert_int_equal(try_add(router, segments, NULL, &index), HFA_ERR_LIMIT);
    assert_int_equal(try_add(router, parameters, NULL, &index), HFA_ERR_LIMIT);
    assert_int_equal(try_add(router, "", NULL, &index), HFA_ERR_INVALID);
    assert_int_equal(try_add(router, "a", NULL, &index), HFA_ERR_INVALID);
    assert_int_equal(try_add(router, "{path}", NULL, &index), HFA_ERR_INVALID);
    assert_int_equal(try_add(router, "/a\n", NULL, &index), HFA_ERR_INVALID);
    assert_int_equal(try_add(router, "/{}\n/b", NULL, &index), HFA_ERR_INVALID);
    assert_int_equal(try_add(router, "/next", NULL, &index), HFA_OK);
    assert_int_equal(index, 2);
    hfa_router_free(router);
}

static void test_many_routes_are_all_found(void **state)
{
    struct hfa_router *router = new_router();
    char template[64], expected[64];
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(template, sizeof(template), i % 2 ? "/r%u/{}" : "/r%u", i);
        add(router, template, NULL);
    }
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(template, sizeof(template), i % 2 ? "/r%u/v" : "/r%u", i);
        snprintf(expected, sizeof(expected), i % 2 ? "full %u [v]" : "full %u", i);
        assert_string_equal(matched(router, "GET", template), expected);
    }
    assert_string_equal(matched(router, "GET", "/r3000"), "none");
    assert_string_equal(matched(router, "GET", "/r1/"), "none");
    hfa_router_free(router);
}

static enum hfa_status build(void)
{
    struct hfa_route_token tokens[TOKENS_MAX];
    struct hfa_router *router = NULL;
    char template[64];
    uint32_t index;
    enum hfa_status status = hfa_router_new(&router);
    for (unsigned i = 0; i < 40 && status == HFA_OK; i++) {
        snprintf(template, sizeof(template), "/%u/{}/a{int}/{path}", i);
        status = try_add(router, template, "GET POST", &index);
        if (status == HFA_OK)
            status = hfa_router_add_prefix(router, tokens, tokenize("/m", tokens), &index);
        snprintf(template, sizeof(template), "/%u", i);
        if (status == HFA_OK)
            status = try_add(router, template, NULL, &index);
    }
    hfa_router_free(router);
    return status;
}

static void test_memory_that_is_refused_is_an_error_and_nothing_leaks(void **state)
{
    failing_malloc_arm(-1);
    assert_int_equal(build(), HFA_OK);
    long allocations = failing_malloc_disarm();
    assert_true(allocations > 40);
    for (long i = 0; i < allocations; i++) {
        failing_malloc_arm(i);
        assert_int_equal(build(), HFA_ERR_NO_MEMORY);
        failing_malloc_disarm();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_router_without_routes_matches_nothing),
        cmocka_unit_test(test_the_first_route_for_path_and_method_wins),
        cmocka_unit_test(test_methods_are_compared_as_bytes),
        cmocka_unit_test(test_empty_segments_are_segments),
        cmocka_unit_test(test_captures_are_those_of_the_regular_expression),
        cmocka_unit_test(test_a_selected_prefix_is_opaque),
        cmocka_unit_test(test_an_opaque_route_is_next_where_no_earlier_one_matches_in_full),
        cmocka_unit_test(test_more_digits_than_int_takes_are_opaque),
        cmocka_unit_test(test_work_on_one_path_is_bounded),
        cmocka_unit_test(test_templates_beyond_the_bounds_are_refused_and_nothing_is_added),
        cmocka_unit_test(test_many_routes_are_all_found),
        cmocka_unit_test(test_memory_that_is_refused_is_an_error_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
