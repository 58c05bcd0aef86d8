#include "guard_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

void guard_page_map(struct guard_page *page, const void *bytes, size_t length)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (length + page_size - 1) / page_size * page_size;
    page->mapping_size = usable + page_size;
    page->mapping =
        mmap(NULL, page->mapping_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(page->mapping, MAP_FAILED);
    assert_int_equal(mprotect((char *)page->mapping + usable, page_size, PROT_NONE), 0);
    page->data = (char *)page->mapping + usable - length;
    page->length = length;
    if (bytes && length > 0)
        memcpy(page->data, bytes, length);
}

void guard_page_unmap(struct guard_page *page)
{
    assert_int_equal(munmap(page->mapping, page->mapping_size), 0);
}
