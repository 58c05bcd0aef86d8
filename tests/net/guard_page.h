/* Memory whose next byte cannot be touched: reading or writing past the end ends the test. */
#ifndef GUARD_PAGE_H
#define GUARD_PAGE_H

#include <stddef.h>

struct guard_page {
    char *data; /* `length` writable bytes, followed by an unreadable page */
    size_t length;
    void *mapping; /* private to guard_page.c */
    size_t mapping_size;
};

/* Maps the memory, filled from `bytes` unless that is NULL; fails the test if it cannot. */
void guard_page_map(struct guard_page *page, const void *bytes, size_t length);
void guard_page_unmap(struct guard_page *page);

#endif
