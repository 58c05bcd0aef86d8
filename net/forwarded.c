#include "forwarded.h"

#include "byte_class.h"
#include "latin1.h"

/* The reference server reads ports with Python's int(), which takes no longer texts. */
enum { PORT_DIGITS_MAX = 4300 };

struct host_port {
    struct hfa_bytes host;
    int64_t port;
};

/* What int() makes of Latin-1 text: white space, a sign, digits with single underscores between.
 * False: no number, or one that needs more than 63 bits, which is no port either. */
static bool parse_port(struct hfa_bytes text, int64_t *port)
{
    size_t at = 0;
    size_t digits = 0;
    bool is_negative = false;
    uint64_t number = 0;
    /* int() counts the separators 0x1c to 0x1f as white space at neither end. */
    while (at < text.length && hfa_latin1_is_space(text.data[at]) &&
           !(text.data[at] >= 0x1c && text.data[at] <= 0x1f))
        at++;
    if (at < text.length && (text.data[at] == '-' || text.data[at] == '+')) {
        is_negative = text.data[at] == '-';
        at++;
    }
    for (; at < text.length; at++) {
        char byte = text.data[at];
        if (byte == '_' && digits > 0 && text.data[at - 1] != '_' && at + 1 < text.length)
            continue;
        if (byte < '0' || byte > '9' || digits == PORT_DIGITS_MAX)
            return false;
        uint64_t digit = (uint64_t)(byte - '0');
        if (number > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
        digits++;
    }
    *port = is_negative ? -(int64_t)number : (int64_t)number;
    return digits > 0;
}

/* Text in none of the three forms is a host as a whole: trust is never decided by a part of it. */
static struct host_port split_host_port(struct hfa_bytes text)
{
    struct host_port whole = {text, 0};
    struct host_port parts = {text, 0};
    if (text.length == 0)
        return whole;
    if (text.data[0] == '[') {
        const char *bracket = memchr(text.data, ']', text.length);
        if (bracket == NULL)
            return whole;
        size_t end = (size_t)(bracket - text.data);
        parts.host = (struct hfa_bytes){text.data + 1, end - 1};
        if (end + 1 == text.length)
            return parts;
        if (bracket[1] != ':')
            return whole;
        if (!parse_port((struct hfa_bytes){bracket + 2, text.length - end - 2}, &parts.port))
            parts.port = 0;
        return parts;
    }
    const char *colon = memchr(text.data, ':', text.length);
    if (colon == NULL)
        return whole;
    parts.host.length = (size_t)(colon - text.data);
    struct hfa_bytes rest = {colon + 1, text.length - parts.host.length - 1};
    if (rest.length == 0 || memchr(rest.data, ':', rest.length) != NULL ||
        !parse_port(rest, &parts.port))
        return whole;
    return parts;
}

/* The hosts of all X-Forwarded-For fields from the last to the first. */
struct hosts {
    const struct hfa_field *fields;
    size_t fields_left; /* fields not looked at yet */
    struct hfa_bytes value;
    bool in_value; /* `value` is what is left of a field's */
};

static bool previous_host(struct hosts *hosts, struct hfa_bytes *host)
{
    while (!hosts->in_value) {
        if (hosts->fields_left == 0)
            return false;
        const struct hfa_field *field = &hosts->fields[--hosts->fields_left];
        if (hfa_bytes_equal(field->name, HFA_BYTES("x-forwarded-for"))) {
            hosts->value = field->value;
            hosts->in_value = true;
        }
    }
    size_t start = hosts->value.length;
    while (start > 0 && hosts->value.data[start - 1] != ',')
        start--;
    *host =
        hfa_latin1_trim((struct hfa_bytes){hosts->value.data + start, hosts->value.length - start});
    if (start > 0)
        hosts->value.length = start - 1; /* without the comma */
    else
        hosts->in_value = false;
    return true;
}

static struct host_port find_client(const struct hfa_trust *trust, const struct hfa_field *fields,
                                    size_t field_count)
{
    struct hosts hosts = {.fields = fields, .fields_left = field_count};
    struct host_port client = {{NULL, 0}, 0};
    struct hfa_bytes text;
    bool walk_to_first = hfa_trust_is_everybody(trust);
    while (previous_host(&hosts, &text)) {
        client = split_host_port(text);
        if (!walk_to_first && !hfa_trust_covers(trust, client.host))
            break;
    }
    return client;
}

/* The scheme that a proxy names, for the kind of request; empty when it is none of ours. */
static struct hfa_bytes scheme_of(struct hfa_bytes said, bool is_websocket)
{
    static const struct {
        struct hfa_bytes said, http, websocket;
    } schemes[] = {
        {HFA_BYTES_INIT("http"), HFA_BYTES_INIT("http"), HFA_BYTES_INIT("ws")},
        {HFA_BYTES_INIT("https"), HFA_BYTES_INIT("https"), HFA_BYTES_INIT("wss")},
        {HFA_BYTES_INIT("ws"), HFA_BYTES_INIT("ws"), HFA_BYTES_INIT("ws")},
        {HFA_BYTES_INIT("wss"), HFA_BYTES_INIT("wss"), HFA_BYTES_INIT("wss")},
    };

    for (size_t k = 0; k < sizeof(schemes) / sizeof(schemes[0]); k++) {
        if (hfa_bytes_equal(said, schemes[k].said))
            return is_websocket ? schemes[k].websocket : schemes[k].http;
    }
    return (struct hfa_bytes){NULL, 0};
}

/* The last field of that name, trimmed; empty without one. */
static struct hfa_bytes last_value(const struct hfa_field *fields, size_t field_count,
                                   struct hfa_bytes name)
{
    for (size_t i = field_count; i > 0; i--) {
        if (hfa_bytes_equal(fields[i - 1].name, name))
            return hfa_latin1_trim(fields[i - 1].value);
    }
    return (struct hfa_bytes){NULL, 0};
}

/* The last element of the last field's list. */
static struct hfa_bytes last_element(const struct hfa_field *fields, size_t field_count,
                                     struct hfa_bytes name)
{
    struct hfa_bytes value = last_value(fields, field_count, name);

    for (size_t i = value.length; i > 0; i--) {
        if (value.data[i - 1] == ',')
            return hfa_latin1_trim((struct hfa_bytes){value.data + i, value.length - i});
    }
    return value;
}

static struct hfa_bytes checked_host(struct hfa_bytes host)
{
    return hfa_field_is_host(host) ? host : (struct hfa_bytes){NULL, 0};
}

static struct hfa_bytes checked_port(struct hfa_bytes port)
{
    unsigned value = 0;

    for (size_t i = 0; i < port.length; i++) {
        if (port.length > 5 || port.data[i] < '0' || port.data[i] > '9')
            return (struct hfa_bytes){NULL, 0};
        value = value * 10 + (unsigned)(port.data[i] - '0');
    }
    return value > 0 && value <= UINT16_MAX ? port : (struct hfa_bytes){NULL, 0};
}

/* A path and nothing else. "//host" would be read as another server by who redirects to it. */
static struct hfa_bytes checked_prefix(struct hfa_bytes prefix)
{
    while (prefix.length > 0 && prefix.data[prefix.length - 1] == '/')
        prefix.length--;
    if (prefix.length == 0 || prefix.data[0] != '/' ||
        (prefix.length > 1 && (prefix.data[1] == '/' || prefix.data[1] == '\\')))
        return (struct hfa_bytes){NULL, 0};
    for (size_t i = 0; i < prefix.length; i++) {
        unsigned char byte = (unsigned char)prefix.data[i];
        if (byte <= 0x20 || byte >= 0x7f || byte == '?' || byte == '#')
            return (struct hfa_bytes){NULL, 0};
    }
    return prefix;
}

static void set_client(struct hfa_forwarded *forwarded, struct host_port client)
{
    if (client.host.length == 0)
        return;
    forwarded->client_host = client.host;
    forwarded->client_port = client.port;
}

void hfa_forwarded_from_x_fields(const struct hfa_trust *trust, unsigned parts,
                                 const struct hfa_field *fields, size_t field_count,
                                 bool is_websocket, struct hfa_forwarded *forwarded)
{
    *forwarded = (struct hfa_forwarded){0};
    if (parts & HFA_FORWARDED_FOR)
        set_client(forwarded, find_client(trust, fields, field_count));
    if (parts & HFA_FORWARDED_PROTO)
        forwarded->scheme = scheme_of(
            last_value(fields, field_count, HFA_BYTES("x-forwarded-proto")), is_websocket);
    if (parts & HFA_FORWARDED_HOST)
        forwarded->host =
            checked_host(last_element(fields, field_count, HFA_BYTES("x-forwarded-host")));
    if (parts & HFA_FORWARDED_PORT)
        forwarded->port =
            checked_port(last_element(fields, field_count, HFA_BYTES("x-forwarded-port")));
    if (parts & HFA_FORWARDED_PREFIX)
        forwarded->prefix =
            checked_prefix(last_element(fields, field_count, HFA_BYTES("x-forwarded-prefix")));
}

/* RFC 7239: one element of the list, its parameters' values without their quotes. */
struct element {
    struct hfa_bytes client;
    struct hfa_bytes proto;
    struct hfa_bytes host;
};

static void skip_space(struct hfa_bytes *text)
{
    while (text->length > 0 && (text->data[0] == ' ' || text->data[0] == '\t')) {
        text->data++;
        text->length--;
    }
}

static void drop(struct hfa_bytes *text, size_t length)
{
    text->data += length;
    text->length -= length;
}

/* token / quoted-string. A quoted value with an escape in it is refused: nothing that stands here
 * needs one. */
static bool take_value(struct hfa_bytes *text, struct hfa_bytes *value)
{
    size_t length = 0;

    if (text->length > 0 && text->data[0] == '"') {
        const char *end = memchr(text->data + 1, '"', text->length - 1);
        if (end == NULL)
            return false;
        *value = (struct hfa_bytes){text->data + 1, (size_t)(end - text->data) - 1};
        drop(text, value->length + 2);
        return value->length == 0 || memchr(value->data, '\\', value->length) == NULL;
    }
    while (length < text->length && hfa_byte_is(text->data[length], HFA_BYTE_TOKEN))
        length++;
    *value = (struct hfa_bytes){text->data, length};
    drop(text, length);
    return length > 0;
}

/* [ token "=" value ], then ";", "," or the end. */
static bool take_pair(struct hfa_bytes *text, struct element *element)
{
    struct hfa_bytes name, value;

    if (text->length == 0 || text->data[0] == ';' || text->data[0] == ',')
        return true;
    if (text->data[0] == '"' || !take_value(text, &name) || text->length == 0 ||
        text->data[0] != '=')
        return false;
    drop(text, 1);
    if (!take_value(text, &value))
        return false;
    if (hfa_bytes_equal_lower(name, HFA_BYTES("for")))
        element->client = value;
    else if (hfa_bytes_equal_lower(name, HFA_BYTES("proto")))
        element->proto = value;
    else if (hfa_bytes_equal_lower(name, HFA_BYTES("host")))
        element->host = value;
    return true;
}

/* Takes one element and the comma behind it off the text; false: broken. */
static bool take_element(struct hfa_bytes *text, struct element *element)
{
    *element = (struct element){0};
    for (;;) {
        skip_space(text);
        if (!take_pair(text, element))
            return false;
        skip_space(text);
        if (text->length == 0)
            return true;
        char separator = text->data[0];
        if (separator != ';' && separator != ',')
            return false;
        drop(text, 1);
        if (separator == ',')
            return true;
    }
}

/* Elements of one field that are looked at, the last ones: proxies do not stand in longer rows. */
#define ELEMENTS_MAX 64

/* The elements of a field, in order; only the last ELEMENTS_MAX stay. What comes before a broken
 * element cannot be relied on, either: nobody knows where it ends. */
static size_t read_elements(struct hfa_bytes text, struct element *elements)
{
    size_t count = 0;

    while (text.length > 0) {
        if (!take_element(&text, &elements[count % ELEMENTS_MAX]))
            return 0;
        count++;
    }
    return count;
}

void hfa_forwarded_from_field(const struct hfa_trust *trust, unsigned parts,
                              const struct hfa_field *fields, size_t field_count, bool is_websocket,
                              struct hfa_forwarded *forwarded)
{
    struct element elements[ELEMENTS_MAX];
    bool walk_to_first = hfa_trust_is_everybody(trust);
    bool is_found = false;

    *forwarded = (struct hfa_forwarded){0};
    for (size_t i = field_count; i > 0 && !is_found; i--) {
        if (!hfa_bytes_equal(fields[i - 1].name, HFA_BYTES("forwarded")))
            continue;
        size_t count = read_elements(fields[i - 1].value, elements);
        if (count == 0)
            return;
        size_t oldest = count > ELEMENTS_MAX ? count - ELEMENTS_MAX : 0;
        for (size_t k = count; k > oldest && !is_found; k--) {
            const struct element *element = &elements[(k - 1) % ELEMENTS_MAX];
            struct host_port client = split_host_port(element->client);
            *forwarded = (struct hfa_forwarded){0};
            if (parts & HFA_FORWARDED_FOR)
                set_client(forwarded, client);
            if (parts & HFA_FORWARDED_PROTO)
                forwarded->scheme = scheme_of(element->proto, is_websocket);
            if (parts & HFA_FORWARDED_HOST)
                forwarded->host = checked_host(element->host);
            is_found = !walk_to_first && !hfa_trust_covers(trust, client.host);
        }
    }
}

static bool has_port(struct hfa_bytes host)
{
    const char *end = memchr(host.data, ']', host.length);
    size_t from = end != NULL ? (size_t)(end - host.data) : 0;

    return memchr(host.data + from, ':', host.length - from) != NULL;
}

/* Ports that go without saying. */
static bool is_default_port(struct hfa_bytes port, struct hfa_bytes scheme, bool is_secure)
{
    if (scheme.length > 0)
        is_secure = scheme.data[scheme.length - 1] == 's' && scheme.length != 2; /* not "ws" */
    return hfa_bytes_equal(port, is_secure ? HFA_BYTES("443") : HFA_BYTES("80"));
}

enum hfa_status hfa_forwarded_replace_host(struct hfa_exchange *exchange,
                                           const struct hfa_forwarded *forwarded)
{
    struct hfa_request *request = &exchange->request;
    struct hfa_field *fields = (struct hfa_field *)request->fields; /* the arena's */
    struct hfa_field *host = NULL;

    for (size_t i = 0; i < request->field_count && host == NULL; i++) {
        if (hfa_bytes_equal(fields[i].name, HFA_BYTES("host")))
            host = &fields[i];
    }
    if (host == NULL)
        return HFA_OK; /* HTTP/1.0 */
    struct hfa_bytes value = forwarded->host.length > 0 ? forwarded->host : host->value;
    struct hfa_bytes port = forwarded->port;
    if (port.length > 0 && value.length > 0 && !has_port(value) &&
        !is_default_port(port, forwarded->scheme, exchange->peer->is_secure)) {
        char *text = hfa_arena_alloc(&exchange->arena, value.length + 1 + port.length);
        if (text == NULL)
            return HFA_ERR_NO_MEMORY;
        memcpy(text, value.data, value.length);
        text[value.length] = ':';
        memcpy(text + value.length + 1, port.data, port.length);
        value = (struct hfa_bytes){text, value.length + 1 + port.length};
    }
    host->value = value;
    return HFA_OK;
}
