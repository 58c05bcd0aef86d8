#include "response_fields.h"

#define ROOM 8

bool hfa_response_fields_init(struct hfa_response_fields *fields, struct hfa_arena *arena,
                              const struct hfa_field *source, size_t count)
{
    fields->arena = arena;
    fields->count = count;
    fields->capacity = count + ROOM;
    fields->items = hfa_arena_alloc(arena, fields->capacity * sizeof(*fields->items));
    if (fields->items == NULL)
        return false;
    if (count > 0)
        memcpy(fields->items, source, count * sizeof(*source));
    return true;
}

static struct hfa_field *find(const struct hfa_response_fields *fields, size_t from,
                              struct hfa_bytes name)
{
    for (size_t i = from; i < fields->count; i++) {
        if (hfa_bytes_equal(fields->items[i].name, name))
            return &fields->items[i];
    }
    return NULL;
}

const struct hfa_bytes *hfa_response_fields_get(const struct hfa_response_fields *fields,
                                                struct hfa_bytes name)
{
    const struct hfa_field *field = find(fields, 0, name);

    return field == NULL ? NULL : &field->value;
}

static bool append(struct hfa_response_fields *fields, struct hfa_bytes name,
                   struct hfa_bytes value)
{
    if (fields->count == fields->capacity) {
        struct hfa_response_fields larger;
        if (!hfa_response_fields_init(&larger, fields->arena, fields->items, fields->count))
            return false;
        *fields = larger;
    }
    fields->items[fields->count++] = (struct hfa_field){name, value};
    return true;
}

static void remove_from(struct hfa_response_fields *fields, size_t next, struct hfa_bytes name)
{
    struct hfa_field *field;

    while ((field = find(fields, next, name)) != NULL) {
        next = (size_t)(field - fields->items);
        memmove(field, field + 1, (fields->count - next - 1) * sizeof(*field));
        fields->count--;
    }
}

bool hfa_response_fields_set(struct hfa_response_fields *fields, struct hfa_bytes name,
                             struct hfa_bytes value)
{
    struct hfa_field *field = find(fields, 0, name);

    if (field == NULL)
        return append(fields, name, value);
    field->value = value;
    remove_from(fields, (size_t)(field - fields->items) + 1, name);
    return true;
}

void hfa_response_fields_remove(struct hfa_response_fields *fields, struct hfa_bytes name)
{
    remove_from(fields, 0, name);
}

bool hfa_response_fields_join(struct hfa_response_fields *fields, struct hfa_bytes name,
                              struct hfa_bytes value)
{
    const struct hfa_field *field = find(fields, 0, name);
    size_t length = value.length;

    if (field == NULL)
        return append(fields, name, value);
    for (const struct hfa_field *each = field; each != NULL;) {
        length += each->value.length + 2;
        each = find(fields, (size_t)(each - fields->items) + 1, name);
    }
    char *joined = hfa_arena_alloc(fields->arena, length);
    if (joined == NULL)
        return false;
    char *end = joined;
    for (const struct hfa_field *each = field; each != NULL;) {
        memcpy(end, each->value.data, each->value.length);
        end += each->value.length;
        *end++ = ',';
        *end++ = ' ';
        each = find(fields, (size_t)(each - fields->items) + 1, name);
    }
    memcpy(end, value.data, value.length);
    return hfa_response_fields_set(fields, name, (struct hfa_bytes){joined, length});
}
