/* A decoded request head of HTTP/2 or HTTP/3: fields in, one after another, a request out
 * (RFC 9113 8.3, RFC 9114 4.3).
 *
 * The library that decodes checks names, values and pseudo-header fields one by one; here they
 * become the same request that HTTP/1.1 makes: the authority is the Host field and comes first,
 * cookie fields are joined, and whatever would be refused there is refused here. Text goes to the
 * exchange's arena; the array of fields is one of the dispatcher's while the head arrives. One
 * thread.
 */
#ifndef HFA_FIELD_SECTION_H
#define HFA_FIELD_SECTION_H

#include "dispatcher.h"

struct hfa_field_section {
    struct hfa_exchange *exchange; /* borrowed */
    struct hfa_field *fields;      /* the dispatcher's array; [0] is kept for Host */
    size_t field_count;            /* with [0] */
    size_t size;                   /* as RFC 9113 6.5.2 counts it */
    size_t cookie_count;
    struct hfa_bytes method;
    struct hfa_bytes authority;
    struct hfa_bytes path;
    struct hfa_bytes protocol; /* of an extended CONNECT (RFC 8441) */
    size_t host;               /* index of a Host field; 0: none */
    bool has_content_length;
    bool expects_continue;
    bool expects_else; /* something that nobody promises: 417 */
    bool is_too_large; /* beyond limits->head_size or ->head_fields: the rest is not kept */
    bool is_malformed;
};

/* HFA_ERR_NO_MEMORY. End with hfa_field_section_end(). */
enum hfa_status hfa_field_section_begin(struct hfa_field_section *section,
                                        struct hfa_exchange *exchange);

/* Takes one field, a pseudo-header field by its name with the colon. `name` is copied unless
 * `name_is_static`. HFA_ERR_LIMIT: the head is many times larger than a head may be: no honest
 * client sends it. */
enum hfa_status hfa_field_section_add(struct hfa_field_section *section, struct hfa_bytes name,
                                      bool name_is_static, struct hfa_bytes value);

/* Fills the exchange's request. `has_body`: more than the head will come. HFA_ERR_PROTOCOL,
 * HFA_ERR_LIMIT: *http_status is what to answer. */
enum hfa_status hfa_field_section_finish(struct hfa_field_section *section, bool has_body,
                                         enum hfa_http_version version, int *http_status);

/* Gives the array back. May be called twice. */
void hfa_field_section_end(struct hfa_field_section *section);

#endif
