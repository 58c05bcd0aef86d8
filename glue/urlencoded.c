#include "urlencoded.h"

static struct hfa_bytes take(struct hfa_bytes *rest, size_t length)
{
    struct hfa_bytes taken = {rest->data, length};

    rest->data += length;
    rest->length -= length;
    return taken;
}

enum hfa_urlencoded_event hfa_urlencoded_next(struct hfa_urlencoded *parser, struct hfa_bytes *rest,
                                              struct hfa_bytes *piece)
{
    while (rest->length > 0) {
        if (rest->data[0] == '&') {
            take(rest, 1);
            if (!parser->in_field)
                continue;
            parser->in_field = false;
            return HFA_URLENCODED_END;
        }
        if (!parser->in_field)
            *parser = (struct hfa_urlencoded){.in_field = true};
        if (!parser->in_value && rest->data[0] == '=') {
            parser->in_value = true;
            take(rest, 1);
            continue;
        }
        const char *end = memchr(rest->data, '&', rest->length);
        size_t length = end == NULL ? rest->length : (size_t)(end - rest->data);
        if (parser->in_value) {
            *piece = take(rest, length);
            return HFA_URLENCODED_VALUE;
        }
        end = memchr(rest->data, '=', length);
        *piece = take(rest, end == NULL ? length : (size_t)(end - rest->data));
        return HFA_URLENCODED_NAME;
    }
    return HFA_URLENCODED_MORE;
}

bool hfa_urlencoded_finish(struct hfa_urlencoded *parser)
{
    bool completes = parser->in_field;

    parser->in_field = false;
    return completes;
}
