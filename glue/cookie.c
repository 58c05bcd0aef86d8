#include "cookie.h"

#include "latin1.h"

bool hfa_cookie_next(struct hfa_bytes *rest, struct hfa_cookie *cookie)
{
    while (rest->length > 0) {
        const char *semicolon = memchr(rest->data, ';', rest->length);
        size_t length = semicolon != NULL ? (size_t)(semicolon - rest->data) : rest->length;
        size_t taken = semicolon != NULL ? length + 1 : length;
        const char *equals = length > 0 ? memchr(rest->data, '=', length) : NULL;
        size_t name_length = equals != NULL ? (size_t)(equals - rest->data) : 0;
        size_t value_start = equals != NULL ? name_length + 1 : 0;
        cookie->name = hfa_latin1_trim((struct hfa_bytes){rest->data, name_length});
        cookie->value =
            hfa_latin1_trim((struct hfa_bytes){rest->data + value_start, length - value_start});
        rest->data += taken;
        rest->length -= taken;
        if (cookie->name.length > 0 || cookie->value.length > 0)
            return true;
    }
    return false;
}

bool hfa_cookie_is_quoted(struct hfa_bytes value)
{
    return value.length >= 2 && value.data[0] == '"' && value.data[value.length - 1] == '"';
}

static bool is_octal(char byte, char highest)
{
    return byte >= '0' && byte <= highest;
}

size_t hfa_cookie_unquote(struct hfa_bytes value, char *unquoted)
{
    size_t length = 0;

    if (!hfa_cookie_is_quoted(value)) {
        if (value.length > 0)
            memcpy(unquoted, value.data, value.length);
        return value.length;
    }
    const char *at = value.data + 1, *end = value.data + value.length - 1;
    while (at < end) {
        size_t left = (size_t)(end - at);
        if (*at == '\\' && left >= 4 && is_octal(at[1], '3') && is_octal(at[2], '7') &&
            is_octal(at[3], '7')) {
            unquoted[length++] = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else if (*at == '\\' && left >= 2 && at[1] != '\n') {
            unquoted[length++] = at[1];
            at += 2;
        } else {
            unquoted[length++] = *at++;
        }
    }
    return length;
}

bool hfa_cookie_name_equals(struct hfa_bytes latin1, struct hfa_bytes name)
{
    size_t at = 0;

    if (latin1.length > name.length)
        return false;
    for (size_t i = 0; i < latin1.length; i++) {
        unsigned char byte = (unsigned char)latin1.data[i];
        size_t size = byte < 0x80 ? 1 : 2;
        if (name.length - at < size)
            return false;
        if (byte < 0x80 ? name.data[at] != (char)byte
                        : name.data[at] != (char)(0xc0 | byte >> 6) ||
                              name.data[at + 1] != (char)(0x80 | (byte & 0x3f)))
            return false;
        at += size;
    }
    return at == name.length;
}

bool hfa_cookie_find_last(const struct hfa_field *fields, size_t count, struct hfa_bytes name,
                          struct hfa_bytes *value)
{
    struct hfa_cookie cookie;

    for (size_t i = count; i-- > 0;) {
        struct hfa_bytes rest = fields[i].value;
        bool found = false;
        if (!hfa_bytes_equal(fields[i].name, HFA_BYTES("cookie")))
            continue;
        while (hfa_cookie_next(&rest, &cookie))
            if (hfa_cookie_name_equals(cookie.name, name)) {
                *value = cookie.value;
                found = true;
            }
        if (found)
            return true;
    }
    return false;
}
