#include "wire_case.h"

#include <stdio.h>
#include <stdlib.h>

#include "byte_class.h"

/* Text that grows. */
struct text {
    char *data;
    size_t length;
    size_t room;
};

static void append(struct text *text, const char *data, size_t length)
{
    if (text->room - text->length <= length) {
        text->room = (text->length + length) * 2 + 64;
        text->data = realloc(text->data, text->room);
        if (text->data == NULL)
            abort(); /* a test program */
    }
    if (length > 0)
        memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = '\0';
}

/* Expands one escape, which begins at `line->data[0]`; false: it is none. Takes it off `line`. */
static bool append_escape(struct text *text, struct hfa_bytes *line, bool only_repeats)
{
    static const char names[] = "rnt\\";
    static const char bytes[] = "\r\n\t\\";
    size_t taken = 2;
    if (line->length < 2)
        return false;
    const char *name = line->data[1] != '\0' ? strchr(names, line->data[1]) : NULL;
    if (line->data[1] == '{') {
        const char *end = memchr(line->data, '}', line->length);
        char *rest;
        unsigned long count = strtoul(line->data + 2, &rest, 10);
        if (end == NULL || *rest != ' ')
            return false;
        struct hfa_bytes inside = {rest + 1, (size_t)(end - rest - 1)};
        struct text once = {0};
        append(&once, "", 0);
        while (inside.length > 0) {
            if (inside.data[0] == '\\' && append_escape(&once, &inside, false))
                continue;
            append(&once, inside.data, 1);
            inside.data++;
            inside.length--;
        }
        for (unsigned long i = 0; i < count; i++)
            append(text, once.data, once.length);
        free(once.data);
        taken = (size_t)(end - line->data) + 1;
    } else if (only_repeats) {
        return false;
    } else if (name != NULL) {
        append(text, &bytes[name - names], 1);
    } else if (line->data[1] == 'x' && line->length >= 4) {
        int high = hfa_byte_hex(line->data[2]);
        int low = hfa_byte_hex(line->data[3]);
        char byte = (char)(high << 4 | low);
        if (high < 0 || low < 0)
            return false;
        append(text, &byte, 1);
        taken = 4;
    } else {
        return false;
    }
    line->data += taken;
    line->length -= taken;
    return true;
}

/* Returns false for an unknown escape. */
static bool append_sent_line(struct text *text, struct hfa_bytes line)
{
    while (line.length > 0) {
        if (line.data[0] != '\\') {
            append(text, line.data, 1);
            line.data++;
            line.length--;
        } else if (line.length == 1) {
            return true; /* no CRLF behind this line */
        } else if (!append_escape(text, &line, false)) {
            return false;
        }
    }
    append(text, "\r\n", 2);
    return true;
}

static void append_expected_line(struct text *text, struct hfa_bytes line)
{
    while (line.length > 0) {
        if (line.data[0] == '\\' && append_escape(text, &line, true))
            continue;
        append(text, line.data, 1);
        line.data++;
        line.length--;
    }
    append(text, "\n", 1);
}

/* Takes one line off, without its line feed. */
static bool next_line(struct hfa_bytes *text, struct hfa_bytes *line)
{
    if (text->length == 0)
        return false;
    const char *end = memchr(text->data, '\n', text->length);
    size_t length = end != NULL ? (size_t)(end - text->data) : text->length;
    *line = (struct hfa_bytes){text->data, length};
    size_t taken = end != NULL ? length + 1 : length;
    text->data += taken;
    text->length -= taken;
    return true;
}

static bool begins_with(struct hfa_bytes line, const char *start)
{
    return line.length >= strlen(start) && memcmp(line.data, start, strlen(start)) == 0;
}

static struct wire_case *add_case(struct wire_cases *cases, const char *path,
                                  struct hfa_bytes heading)
{
    struct wire_case *grown = realloc(cases->cases, (cases->count + 1) * sizeof(*grown));
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    struct text name = {0};
    if (grown == NULL)
        abort();
    cases->cases = grown;
    append(&name, file, strlen(file));
    append(&name, ": ", 2);
    append(&name, heading.data, heading.length);
    grown[cases->count] = (struct wire_case){.name = name.data};
    return &grown[cases->count++];
}

static const char *read_block(struct hfa_bytes *text, struct wire_case *wire_case, bool is_send)
{
    struct text block = {0};
    struct hfa_bytes line;
    append(&block, "", 0);
    while (next_line(text, &line) && !begins_with(line, "```")) {
        if (!is_send) {
            append_expected_line(&block, line);
        } else if (!append_sent_line(&block, line)) {
            free(block.data);
            return "an unknown escape in a send block";
        }
    }
    char **place = is_send ? &wire_case->send : &wire_case->expected;
    if (*place != NULL) {
        free(block.data);
        return "a case with two blocks of a kind";
    }
    *place = block.data;
    if (is_send)
        wire_case->send_length = block.length;
    return NULL;
}

static const char *read_cases(struct wire_cases *cases, const char *path, struct hfa_bytes text)
{
    struct wire_case *current = NULL;
    size_t first = cases->count;
    struct hfa_bytes line;
    const char *fault = NULL;
    while (fault == NULL && next_line(&text, &line)) {
        bool is_send = begins_with(line, "```send");
        if (begins_with(line, "## "))
            current = add_case(cases, path, (struct hfa_bytes){line.data + 3, line.length - 3});
        else if (is_send || begins_with(line, "```expect"))
            fault =
                current != NULL ? read_block(&text, current, is_send) : "a block without a heading";
        else if (begins_with(line, "```"))
            fault = "a block that is neither send nor expect";
    }
    for (size_t i = first; i < cases->count && fault == NULL; i++)
        if (cases->cases[i].send == NULL || cases->cases[i].expected == NULL)
            fault = "a case without its two blocks";
    return fault != NULL || cases->count > first ? fault : "no case";
}

const char *wire_cases_read(struct wire_cases *cases, const char *path)
{
    struct text text = {0};
    char part[4096];
    size_t length;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return "it cannot be opened";
    while ((length = fread(part, 1, sizeof(part), file)) > 0)
        append(&text, part, length);
    bool is_whole = !ferror(file);
    fclose(file);
    const char *fault = is_whole
                            ? read_cases(cases, path, (struct hfa_bytes){text.data, text.length})
                            : "it cannot be read";
    free(text.data);
    return fault;
}

void wire_cases_free(struct wire_cases *cases)
{
    for (size_t i = 0; i < cases->count; i++) {
        free(cases->cases[i].name);
        free(cases->cases[i].send);
        free(cases->cases[i].expected);
    }
    free(cases->cases);
    *cases = (struct wire_cases){0};
}

static bool is_always_given(struct hfa_bytes line)
{
    return begins_with(line, "request ") || begins_with(line, "refused ") ||
           begins_with(line, "waiting ");
}

/* Whether the expected lines up to the next request have one of the kind of `line`. */
static bool expects_kind(struct hfa_bytes expected, struct hfa_bytes line)
{
    const char *space = memchr(line.data, ' ', line.length);
    size_t kind = space != NULL ? (size_t)(space - line.data) + 1 : line.length;
    struct hfa_bytes other;
    while (next_line(&expected, &other) && !is_always_given(other))
        if (other.length >= kind && memcmp(other.data, line.data, kind) == 0)
            return true;
    return false;
}

bool wire_case_matches(const struct wire_case *wire_case, const char *described,
                       struct hfa_bytes *line)
{
    struct hfa_bytes expected = {wire_case->expected, strlen(wire_case->expected)};
    struct hfa_bytes group = expected; /* from the request at hand on */
    struct hfa_bytes left = {described, strlen(described)};
    while (next_line(&left, line)) {
        struct hfa_bytes rest = expected;
        struct hfa_bytes wanted;
        if (next_line(&rest, &wanted) && hfa_bytes_equal(wanted, *line)) {
            expected = rest;
            if (is_always_given(*line))
                group = rest;
        } else if (is_always_given(*line) || expects_kind(group, *line)) {
            return false;
        }
    }
    return !next_line(&expected, line);
}
