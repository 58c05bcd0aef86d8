/* Header field names and values: the rules that all HTTP versions share (RFC 9110 5).
 *
 * A field is a pair of views. Names in requests are lower-case; their order and duplicates are
 * kept. Nothing here allocates; every function may be called from any thread.
 */
#ifndef HFA_FIELD_H
#define HFA_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "status.h"

struct hfa_field {
    struct hfa_bytes name;
    struct hfa_bytes value;
};

/* RFC 9110 5.6.2: one or more tchar. */
bool hfa_field_is_token(struct hfa_bytes bytes);

/* What an application may send as a name: no separator, control or white space. Looser than a
 * token where the reference server is (it lets 8-bit bytes, '/', '?' and '"'... pass or not: the
 * table in field.c is the contract) and never able to end a line. */
bool hfa_field_name_is_safe(struct hfa_bytes name);

/* No control byte but HTAB: cannot end a line (RFC 9110 5.5). */
bool hfa_field_value_is_safe(struct hfa_bytes value);

/* Compares a safe name, in any case, with a literal of at least four lower-case letters and '-'.
 * Setting bit 0x20 makes no other byte of a safe name equal to one of these. */
#define HFA_FIELD_NAME_IS(name, literal) hfa_field_name_is(name, "" literal "", sizeof(literal) - 1)

static inline bool hfa_field_name_is(struct hfa_bytes name, const char *lower, size_t length)
{
    uint64_t different = 0, some, wanted;
    uint32_t few, few_wanted;
    size_t at = 0;

    if (name.length != length)
        return false;
    /* `length` is a constant: this unrolls. The last word may overlap the one before. */
    for (; at + sizeof(some) <= length; at += sizeof(some)) {
        memcpy(&some, name.data + at, sizeof(some));
        memcpy(&wanted, lower + at, sizeof(wanted));
        different |= (some | UINT64_C(0x2020202020202020)) ^ wanted;
    }
    for (; at < length; at += sizeof(few)) {
        size_t start = at + sizeof(few) <= length ? at : length - sizeof(few);
        memcpy(&few, name.data + start, sizeof(few));
        memcpy(&few_wanted, lower + start, sizeof(few_wanted));
        different |= (few | UINT32_C(0x20202020)) ^ few_wanted;
    }
    return different == 0;
}

/* Removes SP and HTAB at both ends. */
static inline struct hfa_bytes hfa_field_trim(struct hfa_bytes value)
{
    while (value.length > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.length--;
    }
    while (value.length > 0 &&
           (value.data[value.length - 1] == ' ' || value.data[value.length - 1] == '\t'))
        value.length--;
    return value;
}

/* Takes the next element of a comma-separated list (RFC 9110 5.6.1) off `list`, trimmed; empty
 * elements are passed over. False: no further element. */
bool hfa_field_next_element(struct hfa_bytes *list, struct hfa_bytes *element);

/* RFC 9110 8.6: 1*DIGIT, or a list of identical values is HFA_ERR_PROTOCOL here: we refuse lists.
 * HFA_ERR_LIMIT when it does not fit 63 bits. */
enum hfa_status hfa_field_parse_content_length(struct hfa_bytes value, uint64_t *length);

/* RFC 9110 7.2 / RFC 3986 3.2: host [":" port], without userinfo. An empty value is valid. */
bool hfa_field_is_host(struct hfa_bytes value);

#endif
