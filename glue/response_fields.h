/* The header fields of one response while stages change them, with the rules of Starlette's
 * MutableHeaders. Memory is the exchange's arena; names are lower-case.
 */
#ifndef HFA_RESPONSE_FIELDS_H
#define HFA_RESPONSE_FIELDS_H

#include "arena.h"
#include "field.h"

struct hfa_response_fields {
    struct hfa_field *items; /* in the arena */
    size_t count;
    size_t capacity;
    struct hfa_arena *arena; /* borrowed */
};

/* Copies the views of `count` fields, with room for a few more. False: memory is out. */
bool hfa_response_fields_init(struct hfa_response_fields *fields, struct hfa_arena *arena,
                              const struct hfa_field *source, size_t count);

/* The value of the first field of that name, or NULL. Borrowed. */
const struct hfa_bytes *hfa_response_fields_get(const struct hfa_response_fields *fields,
                                                struct hfa_bytes name);

/* headers[name] = value: the first field of that name gets the value and the others go, or a new
 * one comes last. Borrows both as long as the fields live. False: memory is out. */
bool hfa_response_fields_set(struct hfa_response_fields *fields, struct hfa_bytes name,
                             struct hfa_bytes value);

/* del headers[name]: no field has that name any more. */
void hfa_response_fields_remove(struct hfa_response_fields *fields, struct hfa_bytes name);

/* Sets `name` to all its values so far and `value`, joined by ", ". False: memory is out. */
bool hfa_response_fields_join(struct hfa_response_fields *fields, struct hfa_bytes name,
                              struct hfa_bytes value);

#endif
