#include "failing_malloc.h"

#include <stdbool.h>
#include <stddef.h>

static bool armed;
static long fail_at;
static long tried;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void failing_malloc_arm(long index)
{
    armed = true;
    fail_at = index;
    tried = 0;
}

long failing_malloc_disarm(void)
{
    armed = false;
    return tried;
}

static bool must_fail(void)
{
    return armed && tried++ == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return must_fail() ? NULL : __real_realloc(memory, size);
}
