/* Which bytes may stand where: one table for the grammar of every HTTP version. */
#ifndef HFA_BYTE_CLASS_H
#define HFA_BYTE_CLASS_H

#include <stdbool.h>
#include <stdint.h>

enum hfa_byte_class {
    HFA_BYTE_NAME = 1 << 0,      /* letters, digits and '-' */
    HFA_BYTE_LINE = 1 << 1,      /* no control byte */
    HFA_BYTE_VISIBLE = 1 << 2,   /* 0x21 to 0x7e: request targets */
    HFA_BYTE_TOKEN = 1 << 3,     /* RFC 9110 5.6.2 tchar: methods and field names */
    HFA_BYTE_TEXT = 1 << 4,      /* RFC 9110 5.5 field-content, SP and HTAB: no other control */
    HFA_BYTE_SENT_NAME = 1 << 5, /* what an application may send in a field name */
    HFA_BYTE_REG_NAME = 1 << 6,  /* RFC 3986 3.2.2 unreserved and sub-delims, without '%' */
};

/* Indexed by byte; constant, any thread. */
extern const uint8_t hfa_byte_classes[256];

static inline bool hfa_byte_is(char byte, enum hfa_byte_class wanted)
{
    return (hfa_byte_classes[(unsigned char)byte] & (unsigned)wanted) != 0;
}

/* The value of a hexadecimal digit, or -1. */
static inline int hfa_byte_hex(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
