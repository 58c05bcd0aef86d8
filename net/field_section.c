#include "field_section.h"

#include "http1_head.h"

/* RFC 9113 6.5.2: what each field counts beside its text. */
#define FIELD_OVERHEAD 32
/* A head that is so many times larger than allowed is an attack on the decoder. */
#define BOMB_FACTOR 4

enum hfa_status hfa_field_section_begin(struct hfa_field_section *section,
                                        struct hfa_exchange *exchange)
{
    *section = (struct hfa_field_section){.exchange = exchange, .field_count = 1};
    section->fields = hfa_dispatcher_take_fields(exchange->dispatcher);
    return section->fields != NULL ? HFA_OK : HFA_ERR_NO_MEMORY;
}

void hfa_field_section_end(struct hfa_field_section *section)
{
    if (section->fields != NULL)
        hfa_dispatcher_return_fields(section->exchange->dispatcher, section->fields);
    section->fields = NULL;
}

static enum hfa_status copy(struct hfa_field_section *section, struct hfa_bytes from,
                            struct hfa_bytes *to)
{
    char *text = hfa_arena_alloc(&section->exchange->arena, from.length);

    if (text == NULL)
        return HFA_ERR_NO_MEMORY;
    if (from.length > 0)
        memcpy(text, from.data, from.length);
    *to = (struct hfa_bytes){text, from.length};
    return HFA_OK;
}

static enum hfa_status add_pseudo(struct hfa_field_section *section, struct hfa_bytes name,
                                  struct hfa_bytes value)
{
    if (hfa_bytes_equal(name, HFA_BYTES(":method")))
        return copy(section, value, &section->method);
    if (hfa_bytes_equal(name, HFA_BYTES(":path")))
        return copy(section, value, &section->path);
    if (hfa_bytes_equal(name, HFA_BYTES(":authority")))
        return copy(section, value, &section->authority);
    if (hfa_bytes_equal(name, HFA_BYTES(":protocol")))
        return copy(section, value, &section->protocol);
    return HFA_OK; /* :scheme is the connection's business */
}

static void note_expect(struct hfa_field_section *section, struct hfa_bytes value)
{
    struct hfa_bytes expectation;

    while (hfa_field_next_element(&value, &expectation)) {
        if (hfa_bytes_equal_lower(expectation, HFA_BYTES("100-continue")))
            section->expects_continue = true;
        else
            section->expects_else = true;
    }
}

/* What a field means for us, beside being passed on. */
static void note_field(struct hfa_field_section *section, const struct hfa_field *field)
{
    struct hfa_request *request = &section->exchange->request;

    switch (field->name.length) {
    case 4:
        if (hfa_bytes_equal(field->name, HFA_BYTES("host")))
            section->host = section->field_count;
        break;
    case 6:
        if (hfa_bytes_equal(field->name, HFA_BYTES("cookie")))
            section->cookie_count++;
        else if (hfa_bytes_equal(field->name, HFA_BYTES("expect")))
            note_expect(section, field->value);
        break;
    case 14:
        if (!hfa_bytes_equal(field->name, HFA_BYTES("content-length")))
            break;
        if (section->has_content_length ||
            hfa_field_parse_content_length(field->value, &request->content_length) != HFA_OK)
            section->is_malformed = true;
        section->has_content_length = true;
        break;
    default:
        break;
    }
}

enum hfa_status hfa_field_section_add(struct hfa_field_section *section, struct hfa_bytes name,
                                      bool name_is_static, struct hfa_bytes value)
{
    const struct hfa_limits *limits = section->exchange->dispatcher->limits;
    struct hfa_field *field = &section->fields[section->field_count];
    enum hfa_status status = HFA_OK;

    section->size += name.length + value.length + FIELD_OVERHEAD;
    if (section->size > limits->head_size || section->field_count >= limits->head_fields) {
        section->is_too_large = true;
        return section->size > BOMB_FACTOR * limits->head_size ? HFA_ERR_LIMIT : HFA_OK;
    }
    if (name.length > 0 && name.data[0] == ':')
        return add_pseudo(section, name, value);
    field->name = name;
    if (!name_is_static)
        status = copy(section, name, &field->name);
    if (status == HFA_OK)
        status = copy(section, value, &field->value);
    if (status != HFA_OK)
        return status;
    note_field(section, field);
    section->field_count++;
    return HFA_OK;
}

/* RFC 9113 8.2.3: a client may cut its cookies into fields to compress them better; applications
 * expect one field. */
static enum hfa_status join_cookies(struct hfa_field_section *section)
{
    struct hfa_bytes name = HFA_BYTES("cookie");
    struct hfa_field *first = NULL;
    size_t length = 0;
    size_t kept = 1;

    for (size_t i = 1; i < section->field_count; i++) {
        if (hfa_bytes_equal(section->fields[i].name, name))
            length += section->fields[i].value.length + 2;
    }
    char *text = hfa_arena_alloc(&section->exchange->arena, length);
    if (text == NULL)
        return HFA_ERR_NO_MEMORY;
    char *at = text;
    for (size_t i = 1; i < section->field_count; i++) {
        struct hfa_field field = section->fields[i];
        bool is_cookie = hfa_bytes_equal(field.name, name);
        if (is_cookie) {
            if (first != NULL) {
                memcpy(at, "; ", 2);
                at += 2;
            }
            if (field.value.length > 0)
                memcpy(at, field.value.data, field.value.length);
            at += field.value.length;
        }
        if (is_cookie && first != NULL)
            continue;
        if (section->host == i)
            section->host = kept;
        if (is_cookie)
            first = &section->fields[kept];
        section->fields[kept++] = field;
    }
    first->value = (struct hfa_bytes){text, (size_t)(at - text)};
    section->field_count = kept;
    return HFA_OK;
}

/* One Host field, from the authority where there is one, which a Host beside it may not contradict
 * (RFC 9113 8.3.1). Returns the first field's index, or SIZE_MAX. */
static size_t settle_host(struct hfa_field_section *section)
{
    struct hfa_field *fields = section->fields;
    size_t host = section->host;

    if (section->authority.length == 0)
        return host != 0 && hfa_field_is_host(fields[host].value) ? 1 : SIZE_MAX;
    if (!hfa_field_is_host(section->authority))
        return SIZE_MAX;
    if (host != 0) {
        if (!hfa_bytes_equal(fields[host].value, section->authority))
            return SIZE_MAX;
        memmove(fields + host, fields + host + 1,
                (section->field_count - host - 1) * sizeof(*fields));
        section->field_count--;
    }
    fields[0] = (struct hfa_field){HFA_BYTES("host"), section->authority};
    return 0;
}

/* Visible ASCII, as HTTP/1.1's request line has it. */
static bool is_target(struct hfa_bytes target)
{
    for (size_t i = 0; i < target.length; i++) {
        unsigned char byte = (unsigned char)target.data[i];
        if (byte <= 0x20 || byte >= 0x7f)
            return false;
    }
    return target.length > 0;
}

static enum hfa_status split_path(struct hfa_field_section *section)
{
    struct hfa_request *request = &section->exchange->request;
    struct hfa_http1_target split;
    bool is_tunnel =
        hfa_bytes_equal(section->method, HFA_BYTES("CONNECT")) && section->protocol.length == 0;
    struct hfa_bytes method = section->protocol.length > 0 ? HFA_BYTES("GET") : section->method;

    request->target = is_tunnel ? section->authority : section->path;
    if (!is_target(request->target))
        return HFA_ERR_PROTOCOL;
    if (!is_tunnel && section->path.data[0] != '/' &&
        !hfa_bytes_equal(section->path, HFA_BYTES("*")))
        return HFA_ERR_PROTOCOL;
    enum hfa_status status = hfa_http1_split_target(method, request->target, &split);
    request->path = split.path;
    request->query = split.query;
    return status;
}

enum hfa_status hfa_field_section_finish(struct hfa_field_section *section, bool has_body,
                                         enum hfa_http_version version, int *http_status)
{
    struct hfa_exchange *exchange = section->exchange;
    struct hfa_request *request = &exchange->request;
    const struct hfa_limits *limits = exchange->dispatcher->limits;

    request->version = version;
    request->method = section->method;
    *http_status = 431;
    if (section->is_too_large)
        return HFA_ERR_LIMIT;
    *http_status = 414;
    if (section->path.length > limits->target_size)
        return HFA_ERR_LIMIT;
    *http_status = 503;
    if (section->cookie_count > 1 && join_cookies(section) != HFA_OK)
        return HFA_ERR_LIMIT;
    *http_status = 400;
    size_t first = settle_host(section);
    if (section->is_malformed || first == SIZE_MAX || !hfa_field_is_token(section->method))
        return HFA_ERR_PROTOCOL;
    if (split_path(section) != HFA_OK)
        return HFA_ERR_PROTOCOL;
    *http_status = 417;
    if (section->expects_else)
        return HFA_ERR_LIMIT;
    size_t size = (section->field_count - first) * sizeof(struct hfa_field);
    struct hfa_field *fields = hfa_arena_alloc(&exchange->arena, size);
    *http_status = 503;
    if (fields == NULL)
        return HFA_ERR_LIMIT;
    memcpy(fields, section->fields + first, size);
    request->fields = fields;
    request->field_count = section->field_count - first;
    request->has_body = has_body;
    if (!has_body)
        request->content_length = 0;
    else if (!section->has_content_length)
        request->content_length = HFA_LENGTH_UNKNOWN;
    exchange->body_complete = !has_body;
    exchange->wants_continue = has_body && section->expects_continue;
    return HFA_OK;
}
