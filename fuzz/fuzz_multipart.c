/* Parses a form in one piece and in many: the same events, whose views lie where they may, and no
 * more of them than bytes. The first byte says how long the boundary is that follows it, the second
 * how the body is cut.
 */
#include <stdint.h>
#include <stdlib.h>

#include "multipart.h"
#include "require.h"

#define BOUNDARY_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Events as bytes: a letter for each, and what it shows; pieces of data run together. */
struct told {
    char *text;
    size_t length, capacity;
    bool in_data;
};

static void put(struct told *told, struct hfa_bytes bytes)
{
    require(told->length + bytes.length <= told->capacity);
    if (bytes.length > 0)
        memcpy(told->text + told->length, bytes.data, bytes.length);
    told->length += bytes.length;
}

static void tell(struct told *told, const struct hfa_multipart_event *event)
{
    static const char letters[] = "-hsdpe!";
    if (event->kind != HFA_MULTIPART_DATA || !told->in_data)
        put(told, (struct hfa_bytes){&letters[event->kind], 1});
    told->in_data = event->kind == HFA_MULTIPART_DATA;
    if (event->kind == HFA_MULTIPART_HEADER) {
        require(event->name.length > 0);
        require(event->name.length + event->value.length < HFA_MULTIPART_HEADER_SIZE_MAX);
        put(told, event->name);
        put(told, HFA_BYTES(":"));
    }
    if (event->kind == HFA_MULTIPART_DATA)
        require(event->value.length > 0);
    if (event->kind == HFA_MULTIPART_DATA || event->kind == HFA_MULTIPART_HEADER)
        put(told, event->value);
}

/* Each piece in memory of its own size. False: the body is malformed. */
static bool feed(struct hfa_multipart *parser, const char *body, size_t length, struct told *told)
{
    char *memory = malloc(length + (length == 0));
    struct hfa_multipart_event event = {0};
    require(memory != NULL);
    memcpy(memory, body, length);
    struct hfa_bytes rest = {memory, length};
    for (size_t events = 0;; events++) {
        event = hfa_multipart_next(parser, &rest);
        if (event.kind == HFA_MULTIPART_MORE)
            break;
        require(events <= 2 * length + 2);
        tell(told, &event);
        if (event.kind == HFA_MULTIPART_MALFORMED)
            break;
    }
    require(event.kind == HFA_MULTIPART_MALFORMED || rest.length == 0);
    free(memory);
    return event.kind != HFA_MULTIPART_MALFORMED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfa_multipart whole, cut;
    if (size < 2)
        return 0;
    size_t boundary_length = data[0] % (BOUNDARY_MAX + 1);
    size_t step = data[1] % 31 + 1;
    data += 2;
    size -= 2;
    if (boundary_length > size)
        boundary_length = size;
    struct hfa_bytes boundary = {(const char *)data, boundary_length};
    bool good = hfa_multipart_init(&whole, boundary);
    require(hfa_multipart_init(&cut, boundary) == good);
    if (!good)
        return 0;
    const char *body = (const char *)data + boundary_length;
    size_t length = size - boundary_length;
    struct told first = {.capacity = 3 * length + 16}, second = {.capacity = 3 * length + 16};
    first.text = malloc(first.capacity);
    second.text = malloc(second.capacity);
    require(first.text != NULL && second.text != NULL);
    feed(&whole, body, length, &first);
    for (size_t at = 0; at < length; at += step)
        if (!feed(&cut, body + at, length - at < step ? length - at : step, &second))
            break;
    require(first.length == second.length);
    require(memcmp(first.text, second.text, first.length) == 0);
    free(first.text);
    free(second.text);
    return 0;
}
