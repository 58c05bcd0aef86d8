/* Numbers in fields, such as content-length. */
#ifndef HFA_DECIMAL_H
#define HFA_DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HFA_DECIMAL_MAX 20

/* Writes `number` in as many digits as it needs, HFA_DECIMAL_MAX at most, and returns how many. */
static inline size_t hfa_decimal_write(uint64_t number, char *text)
{
    char digits[HFA_DECIMAL_MAX];
    size_t start = sizeof(digits);

    do
        digits[--start] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    memcpy(text, digits + start, sizeof(digits) - start);
    return sizeof(digits) - start;
}

#endif
