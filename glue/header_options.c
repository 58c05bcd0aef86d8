#include "header_options.h"

static struct hfa_bytes trim(struct hfa_bytes text)
{
    while (text.length > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 &&
           (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* Takes what goes before the next ';' that is not quoted, and that ';', off `rest`. Escaped quotes
 * do not count; without a last quote the segment is the rest. */
static struct hfa_bytes take_segment(struct hfa_bytes *rest)
{
    struct hfa_bytes segment = *rest;
    bool is_quoted = false;

    for (size_t i = 0; i < rest->length; i++) {
        if (rest->data[i] == '"' && (i == 0 || rest->data[i - 1] != '\\'))
            is_quoted = !is_quoted;
        if (rest->data[i] == ';' && !is_quoted) {
            segment.length = i;
            rest->data += i + 1;
            rest->length -= i + 1;
            return segment;
        }
    }
    rest->data += rest->length;
    rest->length = 0;
    return segment;
}

struct hfa_bytes hfa_header_options_type(struct hfa_bytes *rest)
{
    return trim(take_segment(rest));
}

bool hfa_header_options_next(struct hfa_bytes *rest, struct hfa_header_option *option)
{
    if (rest->length == 0)
        return false;
    struct hfa_bytes segment = take_segment(rest);
    const char *equals = segment.length == 0 ? NULL : memchr(segment.data, '=', segment.length);
    size_t length = equals == NULL ? segment.length : (size_t)(equals - segment.data);

    option->has_value = equals != NULL;
    option->name = trim((struct hfa_bytes){segment.data, length});
    option->value = (struct hfa_bytes){segment.data + length, segment.length - length};
    if (equals != NULL) {
        option->value.data++;
        option->value.length--;
    }
    option->value = trim(option->value);
    return true;
}

bool hfa_header_option_is(const struct hfa_header_option *option, struct hfa_bytes name)
{
    return option->has_value ? hfa_bytes_equal_lower(option->name, name)
                             : hfa_bytes_equal(option->name, name);
}

/* Replaces '\' and `second` by `second`, as str.replace() goes. */
static size_t unescape(char *text, size_t length, char second)
{
    size_t to = 0;

    for (size_t from = 0; from < length; from++) {
        if (text[from] == '\\' && from + 1 < length && text[from + 1] == second)
            from++;
        text[to++] = text[from];
    }
    return to;
}

struct hfa_bytes hfa_header_option_unquote(struct hfa_bytes value, char *unquoted)
{
    if (value.length < 2 || value.data[0] != '"' || value.data[value.length - 1] != '"')
        return value;
    size_t length = value.length - 2;
    memcpy(unquoted, value.data + 1, length);
    length = unescape(unquoted, length, '\\');
    length = unescape(unquoted, length, '"');
    return (struct hfa_bytes){unquoted, length};
}

struct hfa_bytes hfa_header_option_file_name(struct hfa_bytes value)
{
    bool has_drive = value.length > 2 && value.data[1] == ':' && value.data[2] == '\\';
    bool has_host = value.length > 1 && value.data[0] == '\\' && value.data[1] == '\\';

    if (!has_drive && !has_host)
        return value;
    size_t start = value.length;
    while (value.data[start - 1] != '\\')
        start--;
    return (struct hfa_bytes){value.data + start, value.length - start};
}
