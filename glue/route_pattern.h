/* A piece of a path template: literal text and parameters, matched as Python's `re` matches the
 * regular expression that Starlette makes of it (starlette.routing.compile_path).
 *
 * Text is well-formed UTF-8. No Python, no allocation, no state: any thread.
 */
#ifndef HFA_ROUTE_PATTERN_H
#define HFA_ROUTE_PATTERN_H

#include <stdbool.h>

#include "bytes.h"

/* More parameters than this are not matched here; a template with more is an opaque route. */
#define HFA_ROUTE_PARAMS_MAX 16

/* Starlette's built-in convertors, by what they match. */
enum hfa_convertor {
    HFA_CONVERTOR_STR,   /* [^/]+ */
    HFA_CONVERTOR_INT,   /* [0-9]+ */
    HFA_CONVERTOR_FLOAT, /* [0-9]+(\.[0-9]+)? */
    HFA_CONVERTOR_UUID,  /* hexadecimal digits 8-4-4-4-12, each '-' optional */
    HFA_CONVERTOR_PATH,  /* .*, where '.' is anything but a line feed */
};

/* literals[0] convertors[0] literals[1] ... convertors[param_count - 1] literals[param_count] */
struct hfa_route_pattern {
    unsigned param_count;
    enum hfa_convertor convertors[HFA_ROUTE_PARAMS_MAX];
    struct hfa_bytes literals[HFA_ROUTE_PARAMS_MAX + 1]; /* borrowed */
};

bool hfa_route_pattern_equal(const struct hfa_route_pattern *left,
                             const struct hfa_route_pattern *right);

enum hfa_route_pattern_match {
    HFA_ROUTE_PATTERN_DIFFERS,
    HFA_ROUTE_PATTERN_MATCHES,
    HFA_ROUTE_PATTERN_UNDECIDED, /* `tries` ran out */
};

/* Matches all of `text`. The captures are views into `text` and those that a backtracking matcher
 * finds first: each as long as it can be, the leftmost before the others. `tries` bounds the work:
 * it counts down by one for each end of a parameter that is tried. */
enum hfa_route_pattern_match hfa_route_pattern_match(const struct hfa_route_pattern *pattern,
                                                     struct hfa_bytes text, unsigned *tries,
                                                     struct hfa_bytes *captures);

#endif
