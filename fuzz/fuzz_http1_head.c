/* Parses one request head whole, in pieces and byte by byte, with every scanner kernel: all have to
 * find the same head, or the same fault.
 *
 * Input: a byte that chooses the bound on the head, one the bound on the target, one the bound on
 * the fields, one the size of the pieces, then what the client sends.
 */
#include <stdint.h>
#include <string.h>

#include "http1_head.h"
#include "http1_scan.h"
#include "require.h"
#include "story.h"

#define HEADER_SIZE 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_inside(struct hfa_bytes view, struct hfa_bytes input)
{
    return view.data >= input.data && view.length <= input.length &&
           view.data + view.length <= input.data + input.length;
}

static void require_sound_target(const struct hfa_http1_head *head, struct story *story)
{
    struct hfa_http1_target target;
    enum hfa_status status = hfa_http1_split_target(head->method, head->target, &target);
    story_add_number(story, (uint64_t)status);
    if (status != HFA_OK)
        return;
    require(target.path.length + target.query.length <= head->target.length + 1);
    require(target.path.length == 0 || memchr(target.path.data, '?', target.path.length) == NULL);
    require(target.path.length == 0 || memchr(target.path.data, '#', target.path.length) == NULL);
    require(target.authority.length == 0 || hfa_field_is_host(target.authority));
    story_add(story, target.scheme);
    story_add(story, target.authority);
    story_add(story, target.path);
    story_add(story, target.query);
}

/* What no head that is let through may have: the ways to hide a second request in it. */
static void require_sound_head(const struct hfa_http1_head *head, struct hfa_bytes input,
                               const struct hfa_http1_limits *limits, size_t consumed)
{
    unsigned hosts = 0;
    require(consumed >= 4 && consumed <= limits->head_size);
    require(memcmp(input.data + consumed - 4, "\r\n\r\n", 4) == 0);
    require(is_inside(head->method, input) && hfa_field_is_token(head->method));
    require(is_inside(head->target, input) && head->target.length > 0);
    require(head->target.length <= limits->target_size);
    require(head->field_count <= limits->field_count);
    for (size_t i = 0; i < head->field_count; i++) {
        const struct hfa_field *field = &head->fields[i];
        require(is_inside(field->name, input) && hfa_field_is_token(field->name));
        require(is_inside(field->value, input) && hfa_field_value_is_safe(field->value));
        require(hfa_field_trim(field->value).length == field->value.length);
        hosts += hfa_bytes_equal_lower(field->name, HFA_BYTES("host"));
    }
    require(hosts <= 1 && (hosts == 1 || head->minor_version == 0));
    require((head->flags & HFA_HTTP1_CHUNKED) == 0 ||
            ((head->flags & HFA_HTTP1_CONTENT_LENGTH) == 0 && head->minor_version == 1));
    require(head->content_length <= INT64_MAX);
}

static void add_head(struct story *story, const struct hfa_http1_head *head)
{
    story_add(story, head->method);
    story_add(story, head->target);
    story_add_number(story, head->minor_version);
    story_add_number(story, head->flags);
    story_add_number(story, head->content_length);
    for (size_t i = 0; i < head->field_count; i++) {
        story_add(story, head->fields[i].name);
        story_add(story, head->fields[i].value);
    }
}

static struct story tell(struct hfa_bytes wire, const struct hfa_http1_limits *limits, size_t piece)
{
    struct story story = STORY_START;
    struct hfa_http1_head_parser parser;
    struct hfa_http1_head head = {.fields = calloc(limits->field_count, sizeof(*head.fields))};
    enum hfa_status status = HFA_AGAIN;
    char *last = NULL;

    require(head.fields != NULL);
    hfa_http1_head_reset(&parser, &head);
    for (size_t fed = 0; status == HFA_AGAIN && fed < wire.length;) {
        size_t consumed;
        int http_status;
        fed = wire.length - fed < piece ? wire.length : fed + piece;
        /* In memory of its own each time: the bytes move, and reading past them is found. */
        char *copy = malloc(fed);
        require(copy != NULL);
        memcpy(copy, wire.data, fed);
        free(last);
        last = copy;
        struct hfa_bytes input = {copy, fed};
        status = hfa_http1_parse_head(&parser, input, limits, &head, &consumed, &http_status);
        require(consumed <= fed);
        if (status == HFA_AGAIN)
            continue;
        require(status == HFA_OK || (http_status >= 400 && http_status <= 505));
        require((status == HFA_OK) == (consumed > 0));
        story_add_number(&story, consumed);
        story_add_number(&story, (uint64_t)http_status);
        if (status == HFA_OK) {
            require_sound_head(&head, input, limits, consumed);
            add_head(&story, &head);
            require_sound_target(&head, &story);
        }
    }
    story_add_number(&story, (uint64_t)status);
    free(last);
    free(head.fields);
    return story;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= HEADER_SIZE)
        return 0;
    struct hfa_http1_limits limits = {
        .head_size = data[0] == 255 ? 65536 : (size_t)data[0] * 16 + 1,
        .target_size = data[1] == 255 ? 32768 : (size_t)data[1] * 4,
        .field_count = (size_t)data[2] % 128 + 1,
    };
    size_t piece = (size_t)data[3] + 2;
    struct hfa_bytes wire = {(const char *)data + HEADER_SIZE, size - HEADER_SIZE};
    const struct hfa_http1_scanner *const *scanners = hfa_http1_scanners();

    hfa_http1_scanner_set(scanners[0]);
    struct story whole = tell(wire, &limits, wire.length);
    for (size_t i = 0; scanners[i] != NULL; i++) {
        hfa_http1_scanner_set(scanners[i]);
        require(story_equal(whole, tell(wire, &limits, wire.length)));
        require(story_equal(whole, tell(wire, &limits, piece)));
    }
    require(story_equal(whole, tell(wire, &limits, 1)));
    return 0;
}
