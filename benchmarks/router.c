/* Times the router's matches, in ns each, among few and among many routes:
 *
 *     meson compile -C build/release hfa-router && build/release/benchmarks/hfa-router
 *
 * The requests of a round go to different routes, so that a large table has to be read from where
 * it is, and not from the same few cache lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "router.h"

#define ROUNDS         20
#define MATCHES        20000
#define PATHS          256
#define TEXT_MAX       64
#define ROUTE_PARAMS   3
#define LARGEST_ROUTER 5000

/* A resource has a template of each kind, as in an application's own order. */
static const char *const templates[] = {
    "/api/v1/resource%u/list",        /* static */
    "/api/v1/resource%u/{}",          /* one parameter */
    "/api/v1/resource%u/{}/items/{}", /* two */
    "/api/v1/resource%u/file/{}.{}",  /* two in a segment */
    "/api/v1/resource%u/tree/{path}", /* the rest of the path */
};

static const char *const paths[] = {
    "/api/v1/resource%u/list",
    "/api/v1/resource%u/8716235",
    "/api/v1/resource%u/8716235/items/17",
    "/api/v1/resource%u/file/report.pdf",
    "/api/v1/resource%u/tree/a/b/c.txt",
};

#define KINDS (sizeof(templates) / sizeof(templates[0]))

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void add(struct hfa_router *router, const char *text)
{
    static const struct hfa_bytes get = HFA_BYTES_INIT("GET");
    struct hfa_route_token tokens[2 * ROUTE_PARAMS + 1];
    size_t count = 0;
    uint32_t index;

    while (*text != '\0') {
        if (*text == '{') {
            tokens[count++] = (struct hfa_route_token){
                .is_parameter = true,
                .convertor = text[1] == 'p' ? HFA_CONVERTOR_PATH : HFA_CONVERTOR_STR,
            };
            text = strchr(text, '}') + 1;
        } else {
            size_t length = strcspn(text, "{");
            tokens[count++] = (struct hfa_route_token){.literal = {text, length}};
            text += length;
        }
    }
    if (hfa_router_add_path(router, tokens, count, &get, 1, &index) != HFA_OK) {
        fputs("the benchmark's own route was refused\n", stderr);
        exit(1);
    }
}

static struct hfa_router *make(unsigned route_count)
{
    struct hfa_router *router;
    char text[TEXT_MAX];

    if (hfa_router_new(&router) != HFA_OK)
        exit(1);
    for (unsigned i = 0; i < route_count; i++) {
        snprintf(text, sizeof(text), templates[i % KINDS], i / KINDS);
        add(router, text);
    }
    return router;
}

static double time_kind(const struct hfa_router *router, unsigned route_count, size_t kind)
{
    static char texts[PATHS][TEXT_MAX];
    struct hfa_bytes wanted[PATHS];
    struct hfa_route_match match;
    double best = 0;

    for (unsigned i = 0; i < PATHS; i++) {
        unsigned resource = i * 7919u % (route_count / (unsigned)KINDS);
        int length = snprintf(texts[i], TEXT_MAX, paths[kind], resource);
        wanted[i] = (struct hfa_bytes){texts[i], (size_t)length};
        hfa_router_match(router, HFA_BYTES("GET"), wanted[i], &match);
        if (match.kind != HFA_MATCH_FULL || match.index != resource * KINDS + kind) {
            fputs("the benchmark's own path was not matched\n", stderr);
            exit(1);
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (unsigned i = 0; i < MATCHES; i++)
            hfa_router_match(router, HFA_BYTES("GET"), wanted[i % PATHS], &match);
        double each = (now_ns() - start) / MATCHES;
        if (best == 0 || each < best)
            best = each;
    }
    return best;
}

int main(void)
{
    static const unsigned counts[] = {5, 50, 500, LARGEST_ROUTER};

    printf("%8s %10s %10s %10s %10s %10s\n", "routes", "static", "1 param", "2 params",
           "in segment", "path");
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct hfa_router *router = make(counts[i]);
        printf("%8u", counts[i]);
        for (size_t kind = 0; kind < KINDS; kind++)
            printf(" %10.1f", time_kind(router, counts[i], kind));
        putchar('\n');
        hfa_router_free(router);
    }
    return 0;
}
