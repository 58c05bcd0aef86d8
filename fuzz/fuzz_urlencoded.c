/* Takes a form apart in one piece and in many: the same fields, and those of a query string of the
 * same text. The first byte says how the body is cut.
 */
#include <stdint.h>
#include <stdlib.h>

#include "query.h"
#include "require.h"
#include "urlencoded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "name" NUL "value" NUL for each field. */
struct told {
    char *text;
    size_t length, capacity;
    bool in_value;
};

static void put(struct told *told, struct hfa_bytes bytes)
{
    require(told->length + bytes.length <= told->capacity);
    if (bytes.length > 0)
        memcpy(told->text + told->length, bytes.data, bytes.length);
    told->length += bytes.length;
}

static void begin_value(struct told *told)
{
    if (!told->in_value)
        put(told, (struct hfa_bytes){"", 1});
    told->in_value = true;
}

static void end(struct told *told)
{
    begin_value(told);
    put(told, (struct hfa_bytes){"", 1});
    told->in_value = false;
}

static void feed(struct hfa_urlencoded *parser, const char *body, size_t length, struct told *told)
{
    char *memory = malloc(length + (length == 0));
    struct hfa_bytes piece = {NULL, 0};
    enum hfa_urlencoded_event event;
    require(memory != NULL);
    memcpy(memory, body, length);
    struct hfa_bytes rest = {memory, length};
    while ((event = hfa_urlencoded_next(parser, &rest, &piece)) != HFA_URLENCODED_MORE) {
        if (event == HFA_URLENCODED_END) {
            end(told);
            continue;
        }
        require(piece.length > 0);
        if (event == HFA_URLENCODED_VALUE)
            begin_value(told);
        else
            require(!told->in_value);
        put(told, piece);
    }
    require(rest.length == 0);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfa_urlencoded parser = {0};
    struct hfa_query_pair pair;
    if (size < 1)
        return 0;
    size_t step = data[0] % 31 + 1;
    const char *body = (const char *)data + 1;
    size_t length = size - 1;
    struct told cut = {.capacity = 3 * length + 2}, query = {.capacity = 3 * length + 2};
    cut.text = malloc(cut.capacity);
    query.text = malloc(query.capacity);
    require(cut.text != NULL && query.text != NULL);
    for (size_t at = 0; at < length; at += step)
        feed(&parser, body + at, length - at < step ? length - at : step, &cut);
    if (hfa_urlencoded_finish(&parser))
        end(&cut);
    struct hfa_bytes rest = {body, length};
    while (hfa_query_next(&rest, &pair)) {
        put(&query, pair.name);
        begin_value(&query);
        put(&query, pair.value);
        end(&query);
    }
    require(cut.length == query.length);
    require(memcmp(cut.text, query.text, cut.length) == 0);
    free(cut.text);
    free(query.text);
    return 0;
}
