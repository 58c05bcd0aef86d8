/* What every fuzz target holds to be true; the fuzzer reports the input that breaks it. */
#ifndef REQUIRE_H
#define REQUIRE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define require(condition) require_at((condition), #condition, __FILE__, __LINE__)

static inline void require_at(bool holds, const char *condition, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

#endif
