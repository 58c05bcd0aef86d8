#include "forwarded.h"

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

static struct hfa_bytes find_scheme(const struct hfa_field *fields, size_t field_count,
                                    bool is_websocket)
{
    static const struct {
        struct hfa_bytes said, http, websocket;
    } schemes[] = {
        {HFA_BYTES_INIT("http"), HFA_BYTES_INIT("http"), HFA_BYTES_INIT("ws")},
        {HFA_BYTES_INIT("https"), HFA_BYTES_INIT("https"), HFA_BYTES_INIT("wss")},
        {HFA_BYTES_INIT("ws"), HFA_BYTES_INIT("ws"), HFA_BYTES_INIT("ws")},
        {HFA_BYTES_INIT("wss"), HFA_BYTES_INIT("wss"), HFA_BYTES_INIT("wss")},
    };
    for (size_t i = field_count; i > 0; i--) {
        if (!hfa_bytes_equal(fields[i - 1].name, HFA_BYTES("x-forwarded-proto")))
            continue;
        struct hfa_bytes said = hfa_latin1_trim(fields[i - 1].value);
        for (size_t k = 0; k < sizeof(schemes) / sizeof(schemes[0]); k++)
            if (hfa_bytes_equal(said, schemes[k].said))
                return is_websocket ? schemes[k].websocket : schemes[k].http;
        break;
    }
    return (struct hfa_bytes){NULL, 0};
}

void hfa_forwarded_from_x_fields(const struct hfa_trust *trust, const struct hfa_field *fields,
                                 size_t field_count, bool is_websocket,
                                 struct hfa_forwarded *forwarded)
{
    struct host_port client = find_client(trust, fields, field_count);
    *forwarded = (struct hfa_forwarded){.scheme = find_scheme(fields, field_count, is_websocket)};
    if (client.host.length > 0) {
        forwarded->client_host = client.host;
        forwarded->client_port = client.port;
    }
}
