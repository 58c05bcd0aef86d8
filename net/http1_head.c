#include "http1_head.h"

#include "byte_class.h"
#include "http1_scan.h"

/* RFC 9112 2.2 asks for one at least; a client that sends more is not talking HTTP. */
enum { EMPTY_LINES_MAX = 2 };

/* "HTTP/1.1" CRLF */
enum { VERSION_SIZE = 10 };

/* What the byte at `scanned` belongs to. */
enum state {
    AT_START,
    IN_METHOD,
    IN_TARGET,
    IN_VERSION,
    AT_LINE,
    IN_NAME,
    IN_VALUE,
    ENDED,
};

/* Blocks classified at a time: enough for few calls, little enough that a pipelined request does
 * not pay for its successors. */
enum { BLOCKS_A_CALL = 2 };

/* Blocks that are kept: most heads fit, and the others move the window on. */
enum { BLOCKS_KEPT = 16 };

/* The stretch of input whose blocks are classified. */
struct window {
    const struct hfa_http1_scanner *scanner;
    const char *data;
    size_t length; /* of the input */
    size_t start;  /* offset of the first block */
    size_t count;  /* blocks that are filled */
    struct hfa_http1_block blocks[BLOCKS_KEPT];
};

/* One call of hfa_http1_parse_head(). */
struct run {
    struct hfa_http1_head_parser *parser;
    struct hfa_http1_head *head;
    const struct hfa_http1_limits *limits;
    size_t at;
    int http_status;
    struct window window;
};

void hfa_http1_head_reset(struct hfa_http1_head_parser *parser, struct hfa_http1_head *head)
{
    *parser = (struct hfa_http1_head_parser){.state = AT_START};
    *head = (struct hfa_http1_head){.fields = head->fields};
}

static enum hfa_status refuse(struct run *run, int http_status)
{
    run->http_status = http_status;
    switch (http_status) {
    case 413:
    case 414:
    case 431:
        return HFA_ERR_LIMIT;
    default:
        return HFA_ERR_PROTOCOL;
    }
}

/* Classifies further blocks; false: the input, or the room for them, has ended. What lies behind
 * the input must not be read: for the last bytes a block that ends with the input is taken and
 * shifted, or a copy when the input is shorter than a block. Bytes behind the end count as outside
 * every class. */
static bool extend_window(struct window *window)
{
    size_t start = window->start + window->count * HFA_HTTP1_BLOCK_SIZE;
    if (start >= window->length || window->count == BLOCKS_KEPT)
        return false;
    const char *data = window->data + start;
    struct hfa_http1_block *blocks = window->blocks + window->count;
    size_t left = window->length - start;
    if (left >= (size_t)BLOCKS_A_CALL * HFA_HTTP1_BLOCK_SIZE) {
        window->count += BLOCKS_A_CALL;
        window->scanner->classify(data, BLOCKS_A_CALL,
                                  data + (BLOCKS_A_CALL - 1) * HFA_HTTP1_BLOCK_SIZE, blocks);
        return true;
    }

    size_t count = (left + HFA_HTTP1_BLOCK_SIZE - 1) / HFA_HTTP1_BLOCK_SIZE;
    window->count += count;
    if (window->length < HFA_HTTP1_BLOCK_SIZE) {
        char copy[HFA_HTTP1_BLOCK_SIZE] = {0}; /* NUL is in no class */
        memcpy(copy, data, left);
        window->scanner->classify(copy, 1, copy, blocks);
        return true;
    }
    const char *last = window->data + window->length - HFA_HTTP1_BLOCK_SIZE;
    window->scanner->classify(data, count, last, blocks);
    unsigned missing = (unsigned)(count * HFA_HTTP1_BLOCK_SIZE - left);
    if (missing > 0) {
        for (size_t class = 0; class < HFA_HTTP1_CLASSES; class ++) {
            uint64_t *outside = &blocks[count - 1].outside[class];
            *outside = *outside >> missing | ~(UINT64_MAX >> missing);
        }
    }
    return true;
}

/* Offset of the next byte that is not in `class`, from `at` on; the length of the input if there
 * is none. */
static size_t find_outside(struct window *window, size_t at, enum hfa_http1_class class)
{
    for (;;) {
        size_t offset = at - window->start;
        size_t index = offset / HFA_HTTP1_BLOCK_SIZE;
        if (index < window->count) {
            uint64_t stops =
                window->blocks[index].outside[class] >> (offset % HFA_HTTP1_BLOCK_SIZE);
            if (stops != 0)
                return at + (unsigned)__builtin_ctzll(stops);
            at = window->start + (index + 1) * HFA_HTTP1_BLOCK_SIZE;
        } else if (at >= window->length) {
            return window->length;
        } else if (!extend_window(window)) {
            window->start = at;
            window->count = 0;
        }
    }
}

/* As find_outside(), for all that a token or a field value may have. */
static size_t find_end(struct window *window, size_t at, enum hfa_http1_class class,
                       enum hfa_byte_class allowed)
{
    size_t stop = find_outside(window, at, class);
    while (stop < window->length && hfa_byte_is(window->data[stop], allowed))
        stop = find_outside(window, stop + 1, class);
    return stop;
}

/* Goes through the bytes outside one class one after the other: where the next one is does not
 * depend on what the parser makes of the last, so a processor looks ahead. */
struct stops {
    uint64_t bits; /* of the block at hand, those passed cleared */
    size_t block;
};

/* Moves the window on if it does not reach `at`. */
static inline struct stops stops_from(struct window *window, size_t at, enum hfa_http1_class class)
{
    if ((at - window->start) / HFA_HTTP1_BLOCK_SIZE >= window->count) {
        window->start = at;
        window->count = 0;
        if (!extend_window(window))
            return (struct stops){0, 0};
    }
    size_t offset = at - window->start;
    size_t block = offset / HFA_HTTP1_BLOCK_SIZE;
    uint64_t passed = ~(UINT64_MAX << offset % HFA_HTTP1_BLOCK_SIZE);
    return (struct stops){window->blocks[block].outside[class] & ~passed, block};
}

/* False: none is left in the window, which cannot be extended. */
static inline bool next_stop(struct window *window, struct stops *stops, enum hfa_http1_class class,
                             size_t *at)
{
    while (stops->bits == 0) {
        if (stops->block + 1 >= window->count && !extend_window(window))
            return false;
        stops->block++;
        stops->bits = window->blocks[stops->block].outside[class];
    }
    *at = window->start + stops->block * HFA_HTTP1_BLOCK_SIZE +
          (unsigned)__builtin_ctzll(stops->bits);
    stops->bits &= stops->bits - 1;
    return true;
}

/* HFA_OK: CRLF stands at the cursor, which stays. */
static enum hfa_status expect_line_end(struct run *run)
{
    const struct window *window = &run->window;
    /* RFC 9112 2.2 permits a bare LF as a line end; proxies disagree, so it is refused, as is a
     * CR without LF. */
    if (window->data[run->at] != '\r')
        return refuse(run, 400);
    if (run->at + 1 == window->length)
        return HFA_AGAIN;
    return window->data[run->at + 1] == '\n' ? HFA_OK : refuse(run, 400);
}

/* Ends the part at hand at `stop`, where `separator` must stand, and passes over that. */
static enum hfa_status end_part(struct run *run, size_t stop, char separator,
                                struct hfa_bytes *part)
{
    struct hfa_http1_head_parser *parser = run->parser;
    const struct window *window = &run->window;
    run->at = stop;
    if (stop == window->length)
        return HFA_AGAIN;
    if (stop == parser->part || window->data[stop] != separator)
        return refuse(run, 400);
    *part = (struct hfa_bytes){window->data + parser->part, stop - parser->part};
    run->at = stop + 1;
    parser->part = run->at;
    return HFA_OK;
}

static enum hfa_status skip_empty_lines(struct run *run)
{
    const struct window *window = &run->window;
    for (;;) {
        if (run->at == window->length)
            return HFA_AGAIN;
        if (window->data[run->at] != '\r')
            return HFA_OK;
        if (run->parser->empty_lines == EMPTY_LINES_MAX)
            return refuse(run, 400);
        enum hfa_status status = expect_line_end(run);
        if (status != HFA_OK)
            return status;
        run->parser->empty_lines++;
        run->at += 2;
    }
}

static enum hfa_status read_target(struct run *run)
{
    struct window *window = &run->window;
    size_t stop = find_outside(window, run->at, HFA_HTTP1_VISIBLE);
    if (stop - run->parser->part > run->limits->target_size)
        return refuse(run, 414);
    /* "GET /" CRLF is HTTP/0.9. */
    if (stop < window->length && stop > run->parser->part && window->data[stop] == '\r') {
        run->at = stop;
        enum hfa_status status = expect_line_end(run);
        return status == HFA_OK ? refuse(run, 505) : status;
    }
    return end_part(run, stop, ' ', &run->head->target);
}

/* RFC 9112 2.3: HTTP-name "/" DIGIT "." DIGIT, case-sensitive, up to the line's end. */
static enum hfa_status read_version(struct run *run)
{
    const char *version = run->window.data + run->at;
    size_t left = run->window.length - run->at;
    if (left >= VERSION_SIZE && memcmp(version, "HTTP/1.1\r\n", VERSION_SIZE) == 0) {
        run->head->minor_version = 1;
        run->at += VERSION_SIZE;
        return HFA_OK;
    }
    static const char pattern[VERSION_SIZE + 1] = "HTTP/0.0\r\n";
    for (size_t i = 0; i < VERSION_SIZE; i++) {
        if (i == left)
            return HFA_AGAIN;
        bool good =
            pattern[i] == '0' ? version[i] >= '0' && version[i] <= '9' : version[i] == pattern[i];
        if (!good)
            return refuse(run, 400);
    }
    if (version[5] != '1')
        return refuse(run, 505);
    run->head->minor_version = version[7] == '0' ? 0 : 1;
    run->at += VERSION_SIZE;
    return HFA_OK;
}

/* Reads a request line that is whole, in the window, good and of HTTP/1.1. It only accepts: false
 * leaves the judgement to read_request_line(). */
static bool read_whole_request_line(struct run *run)
{
    struct window *window = &run->window;
    const char *data = window->data;
    size_t start = run->at;
    size_t method_end;
    size_t target_end;
    struct stops stops = stops_from(window, start, HFA_HTTP1_VISIBLE);
    uint64_t no_name = window->count > 0 ? window->blocks[0].outside[HFA_HTTP1_NAME] : 0;
    if (!next_stop(window, &stops, HFA_HTTP1_VISIBLE, &method_end) ||
        !next_stop(window, &stops, HFA_HTTP1_VISIBLE, &target_end) ||
        window->length <= target_end + VERSION_SIZE || data[method_end] != ' ' ||
        data[target_end] != ' ' ||
        memcmp(data + target_end + 1, "HTTP/1.1\r\n", VERSION_SIZE) != 0 ||
        target_end == method_end + 1 || target_end - method_end - 1 > run->limits->target_size ||
        method_end == start || no_name == 0 ||
        (unsigned)__builtin_ctzll(no_name) != method_end - start)
        return false;
    run->head->method = (struct hfa_bytes){data + start, method_end - start};
    run->head->target = (struct hfa_bytes){data + method_end + 1, target_end - method_end - 1};
    run->head->minor_version = 1;
    run->at = target_end + 1 + VERSION_SIZE;
    return true;
}

static enum hfa_status read_request_line(struct run *run)
{
    struct hfa_http1_head_parser *parser = run->parser;
    enum hfa_status status;
    switch (parser->state) {
    case AT_START:
        status = skip_empty_lines(run);
        if (status != HFA_OK)
            return status;
        if (read_whole_request_line(run)) {
            parser->state = AT_LINE;
            return HFA_OK;
        }
        parser->part = run->at;
        parser->state = IN_METHOD;
        /* fallthrough */
    case IN_METHOD:
        status = end_part(run, find_end(&run->window, run->at, HFA_HTTP1_NAME, HFA_BYTE_TOKEN), ' ',
                          &run->head->method);
        if (status != HFA_OK)
            return status;
        parser->state = IN_TARGET;
        /* fallthrough */
    case IN_TARGET:
        status = read_target(run);
        if (status != HFA_OK)
            return status;
        parser->state = IN_VERSION;
        /* fallthrough */
    default:
        status = read_version(run);
        if (status != HFA_OK)
            return status;
        parser->state = AT_LINE;
        return HFA_OK;
    }
}

static enum hfa_status note_host(struct run *run, struct hfa_bytes value)
{
    struct hfa_http1_head *head = run->head;
    /* RFC 9112 3.2: more than one, or an invalid one, is 400. */
    if ((head->flags & HFA_HTTP1_HOST) != 0 || !hfa_field_is_host(value))
        return refuse(run, 400);
    head->flags |= HFA_HTTP1_HOST;
    head->host = value;
    return HFA_OK;
}

static enum hfa_status note_content_length(struct run *run, struct hfa_bytes value)
{
    struct hfa_http1_head *head = run->head;
    /* RFC 9112 6.3 lets a server join identical ones; with two of them, or with a transfer coding
     * beside it, some party on the way may have framed the message by the other. */
    if ((head->flags & (HFA_HTTP1_CONTENT_LENGTH | HFA_HTTP1_CHUNKED)) != 0)
        return refuse(run, 400);
    head->flags |= HFA_HTTP1_CONTENT_LENGTH;
    switch (hfa_field_parse_content_length(value, &head->content_length)) {
    case HFA_OK:
        return HFA_OK;
    case HFA_ERR_LIMIT:
        return refuse(run, 413);
    default:
        return refuse(run, 400);
    }
}

/* RFC 9112 6.1. The one value that is served is "chunked", in one field, without a list. */
static enum hfa_status note_transfer_encoding(struct run *run, struct hfa_bytes value)
{
    static const struct hfa_bytes chunked = HFA_BYTES_INIT("chunked");
    struct hfa_http1_head *head = run->head;
    if (head->minor_version == 0 ||
        (head->flags & (HFA_HTTP1_CONTENT_LENGTH | HFA_HTTP1_CHUNKED)) != 0)
        return refuse(run, 400);
    if (hfa_bytes_equal_lower(value, chunked)) {
        head->flags |= HFA_HTTP1_CHUNKED;
        return HFA_OK;
    }
    /* 501 is for a well-formed list of codings whose first is unknown; what else there is, like
     * "chunked" before another coding or with parameters, is malformed. */
    struct hfa_bytes rest = value;
    struct hfa_bytes coding;
    bool unknown = false;
    size_t chunked_count = 0;
    while (hfa_field_next_element(&rest, &coding)) {
        const char *semicolon = memchr(coding.data, ';', coding.length);
        struct hfa_bytes name = coding;
        if (semicolon != NULL)
            name =
                hfa_field_trim((struct hfa_bytes){coding.data, (size_t)(semicolon - coding.data)});
        if (!hfa_field_is_token(name) || chunked_count > 0)
            return refuse(run, 400);
        if (hfa_bytes_equal_lower(name, chunked)) {
            chunked_count++;
            if (semicolon != NULL)
                return refuse(run, 400);
        } else {
            unknown = true;
        }
    }
    return refuse(run, unknown ? 501 : 400);
}

static enum hfa_status note_connection(struct run *run, struct hfa_bytes value)
{
    struct hfa_bytes option;
    while (hfa_field_next_element(&value, &option)) {
        if (hfa_bytes_equal_lower(option, HFA_BYTES("close")))
            run->head->flags |= HFA_HTTP1_CLOSE;
        else if (hfa_bytes_equal_lower(option, HFA_BYTES("keep-alive")))
            run->head->flags |= HFA_HTTP1_KEEP_ALIVE;
        else if (hfa_bytes_equal_lower(option, HFA_BYTES("upgrade")))
            run->head->flags |= HFA_HTTP1_UPGRADE;
    }
    return HFA_OK;
}

static enum hfa_status note_upgrade(struct run *run, struct hfa_bytes value)
{
    struct hfa_bytes protocol;
    while (hfa_field_next_element(&value, &protocol))
        if (hfa_bytes_equal_lower(protocol, HFA_BYTES("websocket")))
            run->head->flags |= HFA_HTTP1_UPGRADE_WEBSOCKET;
    return HFA_OK;
}

static enum hfa_status note_expect(struct run *run, struct hfa_bytes value)
{
    struct hfa_bytes expectation;
    while (hfa_field_next_element(&value, &expectation)) {
        if (!hfa_bytes_equal_lower(expectation, HFA_BYTES("100-continue")))
            return refuse(run, 417);
        /* RFC 9110 10.1.1: ignored in an HTTP/1.0 request. */
        if (run->head->minor_version > 0)
            run->head->flags |= HFA_HTTP1_EXPECT_CONTINUE;
    }
    return HFA_OK;
}

#define NAME_KEY(length, first_letter) ((size_t)(length) << 8 | (first_letter))

/* Looks into the fields that decide framing and the connection's life. */
static inline enum hfa_status note_field(struct run *run, const struct hfa_field *field)
{
    struct hfa_bytes name = field->name;
    switch (NAME_KEY(name.length, (unsigned char)name.data[0] | 0x20)) {
    case NAME_KEY(4, 'h'):
        return HFA_FIELD_NAME_IS(name, "host") ? note_host(run, field->value) : HFA_OK;
    case NAME_KEY(6, 'e'):
        return HFA_FIELD_NAME_IS(name, "expect") ? note_expect(run, field->value) : HFA_OK;
    case NAME_KEY(7, 'u'):
        return HFA_FIELD_NAME_IS(name, "upgrade") ? note_upgrade(run, field->value) : HFA_OK;
    case NAME_KEY(10, 'c'):
        return HFA_FIELD_NAME_IS(name, "connection") ? note_connection(run, field->value) : HFA_OK;
    case NAME_KEY(14, 'c'):
        return HFA_FIELD_NAME_IS(name, "content-length") ? note_content_length(run, field->value)
                                                         : HFA_OK;
    case NAME_KEY(17, 't'):
        return HFA_FIELD_NAME_IS(name, "transfer-encoding")
                   ? note_transfer_encoding(run, field->value)
                   : HFA_OK;
    default:
        return HFA_OK;
    }
}

static enum hfa_status end_head(struct run *run)
{
    enum hfa_status status = expect_line_end(run);
    if (status != HFA_OK)
        return status;
    if (run->head->minor_version > 0 && (run->head->flags & HFA_HTTP1_HOST) == 0)
        return refuse(run, 400);
    run->at += 2;
    run->parser->state = ENDED;
    return HFA_OK;
}

/* As hfa_field_trim(), quick for one SP in front. SP and HTAB are the only bytes of a value that
 * are not greater than SP; in front of an empty value stands ':', behind it CR. */
static inline struct hfa_bytes trim_value(const char *start, const char *end)
{
    start += *start == ' ';
    if ((unsigned char)*start > ' ' && (unsigned char)end[-1] > ' ')
        return (struct hfa_bytes){start, (size_t)(end - start)};
    return hfa_field_trim((struct hfa_bytes){start, (size_t)(end - start)});
}

/* Reads the field lines that are whole, in the window and good. It only accepts: whatever it stops
 * at is judged by read_fields(). */
static enum hfa_status read_whole_lines(struct run *run)
{
    struct window *window = &run->window;
    const char *data = window->data;
    size_t length = window->length;
    size_t at = run->at;
    size_t count = run->head->field_count;
    size_t count_max = run->limits->field_count;
    struct hfa_field *field = run->head->fields + count;
    enum hfa_status status = HFA_OK;
    struct stops ends = stops_from(window, at, HFA_HTTP1_LINE);
    size_t base = window->start;

    while (count < count_max) {
        size_t stop;
        size_t line_feed;
        if (!next_stop(window, &ends, HFA_HTTP1_LINE, &stop) || stop + 1 >= length ||
            memcmp(data + stop, "\r\n", 2) != 0 ||
            !next_stop(window, &ends, HFA_HTTP1_LINE, &line_feed))
            break;
        /* The line's end is classified and in no name, so the search ends there at the latest. */
        size_t block = (at - base) / HFA_HTTP1_BLOCK_SIZE;
        size_t name_end = at;
        uint64_t no_name =
            window->blocks[block].outside[HFA_HTTP1_NAME] >> (at - base) % HFA_HTTP1_BLOCK_SIZE;
        while (no_name == 0) {
            block++;
            name_end = base + block * HFA_HTTP1_BLOCK_SIZE;
            no_name = window->blocks[block].outside[HFA_HTTP1_NAME];
        }
        name_end += (unsigned)__builtin_ctzll(no_name);
        if (name_end == at || data[name_end] != ':')
            break;
        field->name = (struct hfa_bytes){data + at, name_end - at};
        field->value = trim_value(data + name_end + 1, data + stop);
        at = stop + 2;
        count++;
        status = note_field(run, field);
        field++;
        if (status != HFA_OK)
            break;
    }
    run->at = at;
    run->head->field_count = count;
    return status;
}

/* Reads field lines up to the empty line that ends the head (RFC 9112 5). */
static enum hfa_status read_fields(struct run *run)
{
    struct hfa_http1_head_parser *parser = run->parser;
    struct window *window = &run->window;
    const char *data = window->data;
    enum hfa_status status;

    for (;;) {
        if (parser->state == AT_LINE) {
            status = read_whole_lines(run);
            if (status != HFA_OK)
                return status;
            if (run->at == window->length)
                return HFA_AGAIN;
            if (data[run->at] == '\r')
                return end_head(run);
            if (run->head->field_count >= run->limits->field_count)
                return refuse(run, 431);
            parser->part = run->at;
            parser->state = IN_NAME;
        }
        struct hfa_field *field = run->head->fields + run->head->field_count;
        if (parser->state == IN_NAME) {
            /* RFC 9112 5.1 and 5.2: white space before the colon, or at the start of a line
             * (obs-fold), is no token character and refused like any other. */
            status = end_part(run, find_end(window, run->at, HFA_HTTP1_NAME, HFA_BYTE_TOKEN), ':',
                              &field->name);
            if (status != HFA_OK)
                return status;
            parser->state = IN_VALUE;
        }
        run->at = find_end(window, run->at, HFA_HTTP1_LINE, HFA_BYTE_TEXT);
        if (run->at == window->length)
            return HFA_AGAIN;
        status = expect_line_end(run);
        if (status != HFA_OK)
            return status;
        field->value = trim_value(data + parser->part, data + run->at);
        run->at += 2;
        run->head->field_count++;
        parser->state = AT_LINE;
        status = note_field(run, field);
        if (status != HFA_OK)
            return status;
    }
}

static void move_view(struct hfa_bytes *view, uintptr_t origin, const char *data)
{
    if (view->data != NULL)
        view->data = data + ((uintptr_t)view->data - origin);
}

/* The input may have moved since the last feed: what was read then is viewed where it is now. */
static void move_views(struct hfa_http1_head_parser *parser, struct hfa_http1_head *head,
                       const char *data)
{
    uintptr_t origin = parser->origin;
    move_view(&head->method, origin, data);
    move_view(&head->target, origin, data);
    move_view(&head->host, origin, data);
    for (size_t i = 0; i < head->field_count; i++) {
        move_view(&head->fields[i].name, origin, data);
        move_view(&head->fields[i].value, origin, data);
    }
    if (parser->state == IN_VALUE)
        move_view(&head->fields[head->field_count].name, origin, data);
}

enum hfa_status hfa_http1_parse_head(struct hfa_http1_head_parser *parser, struct hfa_bytes input,
                                     const struct hfa_http1_limits *limits,
                                     struct hfa_http1_head *head, size_t *consumed,
                                     int *http_status)
{
    *consumed = 0;
    *http_status = 0;
    if (parser->state == ENDED || input.length < parser->scanned)
        return HFA_ERR_STATE;
    if (parser->scanned > 0 && parser->origin != (uintptr_t)input.data)
        move_views(parser, head, input.data);
    parser->origin = (uintptr_t)input.data;

    struct run run;
    run.parser = parser;
    run.head = head;
    run.limits = limits;
    run.at = parser->scanned;
    run.http_status = 0;
    run.window.scanner = hfa_http1_scanner_current();
    run.window.data = input.data;
    run.window.length = input.length < limits->head_size ? input.length : limits->head_size;
    run.window.start = run.at;
    run.window.count = 0;

    enum hfa_status status = HFA_OK;
    if (parser->state <= IN_VERSION)
        status = read_request_line(&run);
    if (status == HFA_OK)
        status = read_fields(&run);
    if (status == HFA_AGAIN) {
        if (run.window.length < limits->head_size) {
            parser->scanned = run.at;
            return HFA_AGAIN;
        }
        status = refuse(&run, parser->state == IN_TARGET ? 414 : 431);
    }

    parser->state = ENDED;
    *consumed = status == HFA_OK ? run.at : 0;
    *http_status = run.http_status;
    return status;
}

/* RFC 3986 4.3: what absolute-form may begin with, "://" included. */
static size_t measure_scheme(struct hfa_bytes target)
{
    static const struct hfa_bytes schemes[] = {HFA_BYTES_INIT("http"), HFA_BYTES_INIT("https"),
                                               HFA_BYTES_INIT("ws"), HFA_BYTES_INIT("wss")};
    const char *colon = memchr(target.data, ':', target.length);
    if (colon == NULL)
        return 0;
    size_t length = (size_t)(colon - target.data);
    if (target.length - length < 3 || colon[1] != '/' || colon[2] != '/')
        return 0;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (hfa_bytes_equal_lower((struct hfa_bytes){target.data, length}, schemes[i]))
            return length;
    return 0;
}

/* Splits "/path?query" without its fragment. */
static void split_path(struct hfa_bytes rest, struct hfa_http1_target *split)
{
    const char *question = rest.length > 0 ? memchr(rest.data, '?', rest.length) : NULL;
    split->path = rest;
    if (question != NULL) {
        split->path.length = (size_t)(question - rest.data);
        split->query = (struct hfa_bytes){question + 1, rest.length - split->path.length - 1};
    }
    if (split->path.length == 0)
        split->path = HFA_BYTES("/");
}

/* RFC 9112 3.2.3: host ":" port, and the port is not optional. */
static enum hfa_status split_authority(struct hfa_bytes target, struct hfa_http1_target *split)
{
    size_t port = target.length;
    while (port > 0 && target.data[port - 1] >= '0' && target.data[port - 1] <= '9')
        port--;
    if (port == target.length || port < 2 || target.data[port - 1] != ':' ||
        !hfa_field_is_host(target))
        return HFA_ERR_PROTOCOL;
    split->authority = target;
    return HFA_OK;
}

enum hfa_status hfa_http1_split_target(struct hfa_bytes method, struct hfa_bytes target,
                                       struct hfa_http1_target *split)
{
    *split = (struct hfa_http1_target){.path = HFA_BYTES("")};
    if (target.length == 0)
        return HFA_ERR_PROTOCOL;
    /* An origin server is no tunnel: to it, CONNECT with a path is a method like any other. */
    if (hfa_bytes_equal(method, HFA_BYTES("CONNECT")) && target.data[0] != '/')
        return split_authority(target, split);

    /* No fragment is ever sent by a correct client (RFC 9112 3.2); the reference server drops it.
     */
    const char *hash = memchr(target.data, '#', target.length);
    if (hash != NULL)
        target.length = (size_t)(hash - target.data);
    if (target.length > 0 && target.data[0] == '/') {
        split_path(target, split);
        return HFA_OK;
    }
    if (hfa_bytes_equal(target, HFA_BYTES("*"))) {
        if (!hfa_bytes_equal(method, HFA_BYTES("OPTIONS")))
            return HFA_ERR_PROTOCOL;
        split->path = target;
        return HFA_OK;
    }

    size_t scheme = target.length > 0 ? measure_scheme(target) : 0;
    if (scheme == 0)
        return HFA_ERR_PROTOCOL;
    struct hfa_bytes rest = {target.data + scheme + 3, target.length - scheme - 3};
    size_t authority = 0;
    while (authority < rest.length && rest.data[authority] != '/' && rest.data[authority] != '?')
        authority++;
    split->scheme = (struct hfa_bytes){target.data, scheme};
    split->authority = (struct hfa_bytes){rest.data, authority};
    /* RFC 9110 4.2.1: an http URI with an empty host is invalid. */
    if (authority == 0 || !hfa_field_is_host(split->authority))
        return HFA_ERR_PROTOCOL;
    split_path((struct hfa_bytes){rest.data + authority, rest.length - authority}, split);
    return HFA_OK;
}
