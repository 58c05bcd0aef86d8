#include "multipart.h"

#include "field.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define EVENT(...) ((struct hfa_multipart_event){__VA_ARGS__})

bool hfa_multipart_init(struct hfa_multipart *parser, struct hfa_bytes boundary)
{
    parser->state = HFA_MULTIPART_AT_START;
    if (boundary.length > HFA_MULTIPART_BOUNDARY_MAX ||
        (boundary.length > 0 && memchr(boundary.data, '\r', boundary.length) != NULL)) {
        parser->state = HFA_MULTIPART_IS_MALFORMED;
        return false;
    }
    memcpy(parser->delimiter, "\r\n--", 4);
    if (boundary.length > 0)
        memcpy(parser->delimiter + 4, boundary.data, boundary.length);
    parser->delimiter_length = 4 + boundary.length;
    parser->matched = 0;
    return true;
}

static struct hfa_bytes take(struct hfa_bytes *rest, size_t length)
{
    struct hfa_bytes taken = {rest->data, length};

    rest->data += length;
    rest->length -= length;
    return taken;
}

static struct hfa_multipart_event malformed(struct hfa_multipart *parser)
{
    parser->state = HFA_MULTIPART_IS_MALFORMED;
    return EVENT(.kind = HFA_MULTIPART_MALFORMED);
}

static void begin_part(struct hfa_multipart *parser)
{
    parser->header_count = 0;
    parser->state = HFA_MULTIPART_AT_HEADER;
}

/* The byte has to be `expected`: goes on in `next`, else the body is malformed. */
static bool expect(struct hfa_multipart *parser, struct hfa_bytes *rest, char expected,
                   enum hfa_multipart_state next)
{
    bool good = take(rest, 1).data[0] == expected;

    parser->state = good ? next : HFA_MULTIPART_IS_MALFORMED;
    return good;
}

/* --- Before the first part -------------------------------------------------------------------- */

/* What goes before the first delimiter, and the delimiter without its line end. */
static void skip_preamble(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    if (parser->state == HFA_MULTIPART_AT_START) {
        char first = rest->data[0];
        bool is_line_end = first == '\r' || first == '\n';
        parser->state = is_line_end ? HFA_MULTIPART_IN_PREAMBLE : HFA_MULTIPART_IN_FIRST_DELIMITER;
    }
    if (parser->state == HFA_MULTIPART_IN_PREAMBLE) {
        const char *hyphen = memchr(rest->data, '-', rest->length);
        take(rest, hyphen == NULL ? rest->length : (size_t)(hyphen - rest->data));
        if (hyphen != NULL)
            parser->state = HFA_MULTIPART_IN_FIRST_DELIMITER;
    }
}

static void match_first_delimiter(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    size_t left = parser->delimiter_length - 2 - parser->matched;
    size_t length = rest->length < left ? rest->length : left;

    if (memcmp(rest->data, parser->delimiter + 2 + parser->matched, length) != 0) {
        parser->state = HFA_MULTIPART_IS_MALFORMED;
        return;
    }
    take(rest, length);
    parser->matched += length;
    if (length == left) {
        parser->matched = 0;
        parser->state = HFA_MULTIPART_AFTER_FIRST_DELIMITER;
    }
}

/* --- Headers ---------------------------------------------------------------------------------- */

/* Counts what is about to be taken of a header; false: it is too long. */
static bool count(struct hfa_multipart *parser, size_t size)
{
    parser->header_size += size;
    return parser->header_size <= HFA_MULTIPART_HEADER_SIZE_MAX;
}

static void keep(struct hfa_multipart *parser, struct hfa_bytes part)
{
    memcpy(parser->header + parser->header_length, part.data, part.length);
    parser->header_length += part.length;
}

/* False: malformed. */
static bool begin_header(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    if (rest->data[0] == '\r') {
        take(rest, 1);
        parser->state = HFA_MULTIPART_AFTER_HEADERS_CR;
        return true;
    }
    parser->header_size = 0;
    parser->header_length = 0;
    parser->state = HFA_MULTIPART_IN_HEADER_NAME;
    return ++parser->header_count <= HFA_MULTIPART_HEADERS_MAX;
}

static bool take_header_name(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    const char *colon = memchr(rest->data, ':', rest->length);
    size_t length = colon == NULL ? rest->length : (size_t)(colon - rest->data);

    if (!count(parser, length + (colon != NULL)))
        return false;
    struct hfa_bytes part = take(rest, length);
    if (part.length > 0) {
        if (!hfa_field_is_token(part))
            return false;
        keep(parser, part);
    }
    if (colon == NULL)
        return true;
    take(rest, 1);
    parser->name_length = parser->header_length;
    parser->state = HFA_MULTIPART_BEFORE_HEADER_VALUE;
    return parser->name_length > 0;
}

static bool skip_spaces(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    size_t length = 0;

    while (length < rest->length && rest->data[length] == ' ')
        length++;
    take(rest, length);
    if (rest->length > 0)
        parser->state = HFA_MULTIPART_IN_HEADER_VALUE;
    return count(parser, length);
}

/* *is_complete: the whole value is there, and its CR is taken. */
static bool take_header_value(struct hfa_multipart *parser, struct hfa_bytes *rest,
                              bool *is_complete)
{
    const char *end = memchr(rest->data, '\r', rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->data);

    if (!count(parser, length))
        return false;
    keep(parser, take(rest, length));
    *is_complete = end != NULL;
    if (end != NULL) {
        take(rest, 1);
        parser->state = HFA_MULTIPART_AFTER_HEADER_CR;
    }
    return true;
}

static struct hfa_multipart_event header(const struct hfa_multipart *parser)
{
    struct hfa_bytes name = {parser->header, parser->name_length};
    struct hfa_bytes value = {parser->header + parser->name_length,
                              parser->header_length - parser->name_length};

    return EVENT(.kind = HFA_MULTIPART_HEADER, .name = name, .value = value);
}

/* --- Data ------------------------------------------------------------------------------------- */

static struct hfa_multipart_event data(struct hfa_bytes value)
{
    return EVENT(.kind = HFA_MULTIPART_DATA, .value = value);
}

/* What was taken for a delimiter, or the beginning of one, was data. */
static struct hfa_multipart_event give_back(struct hfa_multipart *parser, size_t length)
{
    parser->state = HFA_MULTIPART_IN_DATA;
    parser->matched = 0;
    return data((struct hfa_bytes){parser->delimiter, length});
}

#if defined(__SSE2__)
/* Which of 16 bytes are a CR with a hyphen at the place where a delimiter has its first. */
static inline __m128i candidates(const char *at)
{
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i third = _mm_loadu_si128((const __m128i *)(const void *)(at + 2));

    return _mm_and_si128(_mm_cmpeq_epi8(first, _mm_set1_epi8('\r')),
                         _mm_cmpeq_epi8(third, _mm_set1_epi8('-')));
}
#endif

/* The first place where a delimiter may begin, NULL: nowhere. A line end alone is not one: text has
 * many of them, and in other data every 256th byte looks like one. */
static const char *find_candidate(const char *at, const char *end)
{
#if defined(__SSE2__)
    while (end - at >= 4 * 16 + 2) {
        __m128i some[4];
        for (int i = 0; i < 4; i++)
            some[i] = candidates(at + 16 * i);
        if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(some[0], some[1]),
                                           _mm_or_si128(some[2], some[3]))) != 0) {
            for (int i = 0;; i++) {
                int mask = _mm_movemask_epi8(some[i]);
                if (mask != 0)
                    return at + 16 * i + __builtin_ctz((unsigned)mask);
            }
        }
        at += 4 * 16;
    }
#endif
    return at < end ? memchr(at, '\r', (size_t)(end - at)) : NULL;
}

/* How much of `text` is certainly data: up to a delimiter, or to what may be the beginning of one
 * at the end. *matched: so many bytes of the delimiter follow. */
static size_t data_length(const struct hfa_multipart *parser, struct hfa_bytes text,
                          size_t *matched)
{
    size_t at = 0;

    *matched = 0;
    while (at < text.length) {
        const char *found = find_candidate(text.data + at, text.data + text.length);
        if (found == NULL)
            return text.length;
        at = (size_t)(found - text.data);
        size_t left = text.length - at;
        size_t length = left < parser->delimiter_length ? left : parser->delimiter_length;
        if (memcmp(found, parser->delimiter, length) == 0) {
            *matched = length;
            return at;
        }
        at++;
    }
    return text.length;
}

/* False: there is no event yet. */
static bool take_data(struct hfa_multipart *parser, struct hfa_bytes *rest,
                      struct hfa_multipart_event *event)
{
    struct hfa_bytes value = {NULL, 0};

    if (parser->matched > 0) {
        /* A delimiter has its only CR at its start: nothing else can begin within it. */
        size_t left = parser->delimiter_length - parser->matched;
        size_t length = rest->length < left ? rest->length : left;
        if (memcmp(rest->data, parser->delimiter + parser->matched, length) != 0) {
            *event = give_back(parser, parser->matched);
            return true;
        }
        take(rest, length);
        parser->matched += length;
    } else {
        value = take(rest, data_length(parser, *rest, &parser->matched));
        take(rest, parser->matched);
    }
    if (parser->matched == parser->delimiter_length)
        parser->state = HFA_MULTIPART_AFTER_DELIMITER;
    *event = data(value);
    return value.length > 0;
}

/* What follows a delimiter tells whether it is one. False: there is no event yet. */
static bool after_delimiter(struct hfa_multipart *parser, struct hfa_bytes *rest,
                            struct hfa_multipart_event *event)
{
    char byte = rest->data[0];

    parser->delimiter[parser->delimiter_length] = byte;
    switch (byte) {
    case '\r':
        parser->state = HFA_MULTIPART_AFTER_DELIMITER_CR;
        break;
    case '-':
        parser->state = HFA_MULTIPART_AFTER_DELIMITER_HYPHEN;
        break;
    case ' ':
    case '\t':
        parser->state = HFA_MULTIPART_IN_PADDING;
        break;
    default:
        *event = give_back(parser, parser->delimiter_length);
        return true;
    }
    take(rest, 1);
    return false;
}

static struct hfa_multipart_event end_part(struct hfa_multipart *parser, struct hfa_bytes *rest,
                                           bool is_last)
{
    take(rest, 1);
    parser->matched = 0;
    begin_part(parser);
    if (is_last)
        parser->state = HFA_MULTIPART_AT_END;
    return EVENT(.kind = HFA_MULTIPART_PART_END);
}

static void skip_padding(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    while (rest->length > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        take(rest, 1);
    if (rest->length > 0)
        expect(parser, rest, '\r', HFA_MULTIPART_AFTER_PADDING_CR);
}

/* --- All ------------------------------------------------------------------------------------- */

struct hfa_multipart_event hfa_multipart_next(struct hfa_multipart *parser, struct hfa_bytes *rest)
{
    struct hfa_multipart_event event;
    bool good = true, is_complete = false;

    if (parser->state == HFA_MULTIPART_AT_END) {
        parser->state = HFA_MULTIPART_IN_EPILOGUE;
        return EVENT(.kind = HFA_MULTIPART_END);
    }
    while (rest->length > 0 && good) {
        switch (parser->state) {
        case HFA_MULTIPART_AT_START:
        case HFA_MULTIPART_IN_PREAMBLE:
            skip_preamble(parser, rest);
            break;
        case HFA_MULTIPART_IN_FIRST_DELIMITER:
            match_first_delimiter(parser, rest);
            break;
        case HFA_MULTIPART_AFTER_FIRST_DELIMITER:
            if (rest->data[0] == '-')
                expect(parser, rest, '-', HFA_MULTIPART_AFTER_FIRST_HYPHEN);
            else
                expect(parser, rest, '\r', HFA_MULTIPART_AFTER_FIRST_CR);
            break;
        case HFA_MULTIPART_AFTER_FIRST_CR:
            if (expect(parser, rest, '\n', HFA_MULTIPART_AT_HEADER))
                begin_part(parser);
            break;
        case HFA_MULTIPART_AFTER_FIRST_HYPHEN:
            if (expect(parser, rest, '-', HFA_MULTIPART_IN_EPILOGUE))
                return EVENT(.kind = HFA_MULTIPART_END);
            break;
        case HFA_MULTIPART_AT_HEADER:
            good = begin_header(parser, rest);
            break;
        case HFA_MULTIPART_IN_HEADER_NAME:
            good = take_header_name(parser, rest);
            break;
        case HFA_MULTIPART_BEFORE_HEADER_VALUE:
            good = skip_spaces(parser, rest);
            break;
        case HFA_MULTIPART_IN_HEADER_VALUE:
            good = take_header_value(parser, rest, &is_complete);
            if (good && is_complete)
                return header(parser);
            break;
        case HFA_MULTIPART_AFTER_HEADER_CR:
            expect(parser, rest, '\n', HFA_MULTIPART_AT_HEADER);
            break;
        case HFA_MULTIPART_AFTER_HEADERS_CR:
            if (expect(parser, rest, '\n', HFA_MULTIPART_IN_DATA))
                return EVENT(.kind = HFA_MULTIPART_HEADERS_END);
            break;
        case HFA_MULTIPART_IN_DATA:
            if (take_data(parser, rest, &event))
                return event;
            break;
        case HFA_MULTIPART_AFTER_DELIMITER:
            if (after_delimiter(parser, rest, &event))
                return event;
            break;
        case HFA_MULTIPART_AFTER_DELIMITER_CR:
            if (rest->data[0] == '\n')
                return end_part(parser, rest, false);
            return give_back(parser, parser->delimiter_length + 1);
        case HFA_MULTIPART_AFTER_DELIMITER_HYPHEN:
            if (rest->data[0] == '-')
                return end_part(parser, rest, true);
            return give_back(parser, parser->delimiter_length + 1);
        case HFA_MULTIPART_IN_PADDING:
            skip_padding(parser, rest);
            break;
        case HFA_MULTIPART_AFTER_PADDING_CR:
            if (rest->data[0] == '\n')
                return end_part(parser, rest, false);
            good = false;
            break;
        case HFA_MULTIPART_AT_END: /* above */
        case HFA_MULTIPART_IN_EPILOGUE:
            take(rest, rest->length);
            break;
        case HFA_MULTIPART_IS_MALFORMED:
            good = false;
            break;
        }
    }
    if (!good || parser->state == HFA_MULTIPART_IS_MALFORMED)
        return malformed(parser);
    return EVENT(.kind = HFA_MULTIPART_MORE);
}
