#include "ws_handshake.h"

#include "byte_class.h"
#include "sha1.h"

/* RFC 6455 1.3: appended to the key before hashing. */
#define KEY_SUFFIX "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/* 16 bytes in base64: 22 characters and two of padding. */
#define KEY_SIZE         24
#define KEY_PADDING_SIZE 2

struct field_list {
    const struct hfa_field *fields;
    size_t count;
};

typedef bool (*element_predicate)(struct hfa_bytes element);

/* Index of the first field of that name at or after `from`; `fields.count` when there is none. */
static size_t find_field(struct field_list fields, size_t from, struct hfa_bytes lower_name)
{
    size_t at = from;
    while (at < fields.count && !hfa_bytes_equal_lower(fields.fields[at].name, lower_name))
        at++;
    return at;
}

/* The value of a field that has to be there once. */
static bool find_single(struct field_list fields, struct hfa_bytes lower_name,
                        struct hfa_bytes *value)
{
    size_t at = find_field(fields, 0, lower_name);
    if (at == fields.count || find_field(fields, at + 1, lower_name) < fields.count)
        return false;
    *value = fields.fields[at].value;
    return true;
}

/* Cuts `rest` at the first `separator`; false when that was the last piece. */
static bool split(struct hfa_bytes *rest, char separator, struct hfa_bytes *piece)
{
    const char *end = rest->length > 0 ? memchr(rest->data, separator, rest->length) : NULL;
    if (!end) {
        *piece = *rest;
        *rest = (struct hfa_bytes){NULL, 0};
        return false;
    }
    size_t length = (size_t)(end - rest->data);
    *piece = (struct hfa_bytes){rest->data, length};
    *rest = (struct hfa_bytes){end + 1, rest->length - length - 1};
    return true;
}

/* True if every field of that name holds a list of one element or more, all of them good. */
static bool lists_are_valid(struct field_list fields, struct hfa_bytes lower_name,
                            element_predicate is_good)
{
    for (size_t at = find_field(fields, 0, lower_name); at < fields.count;
         at = find_field(fields, at + 1, lower_name)) {
        struct hfa_bytes rest = fields.fields[at].value;
        struct hfa_bytes element;
        size_t elements = 0;
        for (; hfa_field_next_element(&rest, &element); elements++) {
            if (!is_good(element))
                return false;
        }
        if (elements == 0)
            return false;
    }
    return true;
}

/* Counts the elements in all fields of that name; `*matches` are those that equal `lower_value`. */
static size_t count_elements(struct field_list fields, struct hfa_bytes lower_name,
                             struct hfa_bytes lower_value, size_t *matches)
{
    size_t elements = 0;
    *matches = 0;
    for (size_t at = find_field(fields, 0, lower_name); at < fields.count;
         at = find_field(fields, at + 1, lower_name)) {
        struct hfa_bytes rest = fields.fields[at].value;
        struct hfa_bytes element;
        for (; hfa_field_next_element(&rest, &element); elements++) {
            if (hfa_bytes_equal_lower(element, lower_value))
                ++*matches;
        }
    }
    return elements;
}

/* RFC 9110 7.8: token ["/" token]. */
static bool is_protocol(struct hfa_bytes element)
{
    struct hfa_bytes name;
    if (!split(&element, '/', &name))
        return hfa_field_is_token(name);
    return hfa_field_is_token(name) && hfa_field_is_token(element);
}

/* A quoted-string whose content, unescaped, is a token (RFC 6455 9.1). */
static bool is_quoted_token(struct hfa_bytes value)
{
    if (value.length < 3 || value.data[0] != '"' || value.data[value.length - 1] != '"')
        return false;
    size_t end = value.length - 1;
    for (size_t i = 1; i < end; i++) {
        if (value.data[i] == '\\')
            i++;
        /* A backslash before the closing quote leads there: that is no part of a token either. */
        if (!hfa_byte_is(value.data[i], HFA_BYTE_TOKEN))
            return false;
    }
    return true;
}

/* RFC 6455 9.1: token [ "=" (token | quoted-string) ]. */
static bool is_extension_parameter(struct hfa_bytes parameter)
{
    struct hfa_bytes name;
    if (!split(&parameter, '=', &name))
        return hfa_field_is_token(hfa_field_trim(name));
    struct hfa_bytes value = hfa_field_trim(parameter);
    return hfa_field_is_token(hfa_field_trim(name)) &&
           (hfa_field_is_token(value) || is_quoted_token(value));
}

/* RFC 6455 9.1: token *( ";" parameter ). Neither "," nor ";" can be part of a quoted value, since
 * that has to be a token in quotes: splitting first is safe. */
static bool is_extension(struct hfa_bytes element)
{
    struct hfa_bytes piece;
    bool more = split(&element, ';', &piece);
    if (!hfa_field_is_token(hfa_field_trim(piece)))
        return false;
    while (more) {
        more = split(&element, ';', &piece);
        if (!is_extension_parameter(piece))
            return false;
    }
    return true;
}

static bool is_base64_digit(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '+' || byte == '/';
}

static bool is_key(struct hfa_bytes value)
{
    if (value.length != KEY_SIZE)
        return false;
    size_t digits = KEY_SIZE - KEY_PADDING_SIZE;
    for (size_t i = 0; i < digits; i++) {
        if (!is_base64_digit(value.data[i]))
            return false;
    }
    return value.data[digits] == '=' && value.data[digits + 1] == '=';
}

/* RFC 6455 4.2.2 step 5: base64 of the SHA-1 of the key as sent, followed by the suffix. */
static void write_accept(struct hfa_bytes key, char out[static HFA_WS_ACCEPT_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char message[KEY_SIZE + sizeof(KEY_SUFFIX) - 1];
    memcpy(message, key.data, KEY_SIZE);
    memcpy(message + KEY_SIZE, KEY_SUFFIX, sizeof(KEY_SUFFIX) - 1);

    /* One byte more than the digest, zero: 20 bytes are one short of whole base64 groups. */
    unsigned char digest[HFA_SHA1_SIZE + 1] = {0};
    hfa_sha1((struct hfa_bytes){message, sizeof(message)}, digest);
    for (size_t i = 0; i < sizeof(digest); i += 3) {
        unsigned group = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | digest[i + 2];
        for (unsigned j = 0; j < 4; j++)
            *out++ = digits[group >> (18 - 6 * j) & 63];
    }
    out[-1] = '=';
}

static enum hfa_status refuse(struct hfa_ws_refusal *refusal, int http_status,
                              struct hfa_bytes reason)
{
    *refusal = (struct hfa_ws_refusal){.http_status = http_status, .reason = reason};
    return HFA_ERR_PROTOCOL;
}

static enum hfa_status refuse_with_field(struct hfa_ws_refusal *refusal, int http_status,
                                         struct hfa_bytes name, struct hfa_bytes value,
                                         struct hfa_bytes reason)
{
    *refusal = (struct hfa_ws_refusal){http_status, {name, value}, reason};
    return HFA_ERR_PROTOCOL;
}

/* The fields that make the request an upgrade to this protocol. */
static enum hfa_status check_upgrade(struct field_list fields, struct hfa_ws_refusal *refusal)
{
    const struct hfa_bytes connection = HFA_BYTES("connection");
    const struct hfa_bytes upgrade = HFA_BYTES("upgrade");
    const struct hfa_bytes websocket = HFA_BYTES("websocket");
    size_t matches;

    if (!lists_are_valid(fields, connection, hfa_field_is_token))
        return refuse(refusal, 400, HFA_BYTES("Connection is not a list of tokens"));
    count_elements(fields, connection, upgrade, &matches);
    if (matches == 0)
        return refuse_with_field(refusal, 426, upgrade, websocket,
                                 HFA_BYTES("Connection does not list \"upgrade\""));
    if (!lists_are_valid(fields, upgrade, is_protocol))
        return refuse(refusal, 400, HFA_BYTES("Upgrade is not a list of protocols"));
    if (count_elements(fields, upgrade, websocket, &matches) != 1 || matches != 1)
        return refuse_with_field(refusal, 426, upgrade, websocket,
                                 HFA_BYTES("Upgrade is not \"websocket\" alone"));
    return HFA_OK;
}

/* What every version of HTTP asks of the fields. */
static enum hfa_status check_fields(struct field_list list, struct hfa_ws_refusal *refusal)
{
    struct hfa_bytes version;

    if (!find_single(list, HFA_BYTES("sec-websocket-version"), &version) ||
        !hfa_bytes_equal(version, HFA_BYTES("13")))
        return refuse_with_field(refusal, 400, HFA_BYTES("sec-websocket-version"), HFA_BYTES("13"),
                                 HFA_BYTES("Sec-WebSocket-Version is not 13, sent once"));
    size_t origin = find_field(list, 0, HFA_BYTES("origin"));
    if (origin < list.count && find_field(list, origin + 1, HFA_BYTES("origin")) < list.count)
        return refuse(refusal, 400, HFA_BYTES("Origin is repeated"));
    if (!lists_are_valid(list, HFA_BYTES("sec-websocket-extensions"), is_extension))
        return refuse(refusal, 400,
                      HFA_BYTES("Sec-WebSocket-Extensions is not a list of extensions"));
    if (!lists_are_valid(list, HFA_BYTES("sec-websocket-protocol"), hfa_field_is_token))
        return refuse(refusal, 400, HFA_BYTES("Sec-WebSocket-Protocol is not a list of tokens"));
    return HFA_OK;
}

enum hfa_status hfa_ws_handshake_check(struct hfa_bytes method, const struct hfa_field *fields,
                                       size_t field_count, char accept[static HFA_WS_ACCEPT_SIZE],
                                       struct hfa_ws_refusal *refusal)
{
    struct field_list list = {fields, field_count};
    struct hfa_bytes key;

    if (!hfa_bytes_equal(method, HFA_BYTES("GET")))
        return refuse_with_field(refusal, 405, HFA_BYTES("allow"), HFA_BYTES("GET"),
                                 HFA_BYTES("a WebSocket is opened with GET"));
    enum hfa_status status = check_upgrade(list, refusal);
    if (status != HFA_OK)
        return status;
    if (!find_single(list, HFA_BYTES("sec-websocket-key"), &key) || !is_key(key))
        return refuse(refusal, 400,
                      HFA_BYTES("Sec-WebSocket-Key is not 16 bytes in base64, sent once"));
    status = check_fields(list, refusal);
    if (status == HFA_OK)
        write_accept(key, accept);
    return status;
}

enum hfa_status hfa_ws_handshake_check_connect(const struct hfa_field *fields, size_t field_count,
                                               struct hfa_ws_refusal *refusal)
{
    return check_fields((struct field_list){fields, field_count}, refusal);
}

bool hfa_ws_handshake_next_subprotocol(struct hfa_bytes *list, struct hfa_bytes *element)
{
    if (!list->data)
        return false;
    struct hfa_bytes piece;
    split(list, ',', &piece);
    *element = hfa_field_trim(piece);
    return true;
}
