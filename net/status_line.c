#include "status_line.h"

#include <stdio.h>

#define CODE_MIN      100
#define CODE_MAX      999
#define LINE_MAX_SIZE 64
#define PREFIX_SIZE   13 /* "HTTP/1.1 200 " */

struct line {
    unsigned char length;
    char text[LINE_MAX_SIZE - 1];
};

static struct line lines[CODE_MAX - CODE_MIN + 1];

static const struct {
    int code;
    const char *phrase;
} standard[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

static void set_line(int code, const char *phrase, size_t length)
{
    struct line *line = &lines[code - CODE_MIN];
    int written =
        snprintf(line->text, sizeof(line->text), "HTTP/1.1 %d %.*s\r\n", code, (int)length, phrase);

    line->length = (unsigned char)written;
}

/* Runs when the library is loaded, before any thread can ask. */
__attribute__((constructor)) static void build_lines(void)
{
    for (int code = CODE_MIN; code <= CODE_MAX; code++)
        set_line(code, "", 0);
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
        set_line(standard[i].code, standard[i].phrase, strlen(standard[i].phrase));
}

struct hfa_bytes hfa_status_line(int code)
{
    const struct line *line = &lines[code - CODE_MIN];

    return (struct hfa_bytes){line->text, line->length};
}

struct hfa_bytes hfa_status_phrase(int code)
{
    const struct line *line = &lines[code - CODE_MIN];

    return (struct hfa_bytes){line->text + PREFIX_SIZE, line->length - PREFIX_SIZE - 2u};
}

enum hfa_status hfa_status_line_set_phrase(int code, struct hfa_bytes phrase)
{
    if (code < CODE_MIN || code > CODE_MAX)
        return HFA_ERR_INVALID;
    if (phrase.length + PREFIX_SIZE + 2 >= LINE_MAX_SIZE - 1)
        return HFA_ERR_INVALID;
    for (size_t i = 0; i < phrase.length; i++) {
        if ((unsigned char)phrase.data[i] < 0x20 || phrase.data[i] == 0x7f)
            return HFA_ERR_INVALID;
    }
    set_line(code, phrase.data, phrase.length);
    return HFA_OK;
}
