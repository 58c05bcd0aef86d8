/* Answers how we read pipelined requests, for differential.py.
 *
 * On standard input, any number of times: four bytes of length, big-endian, and that many bytes.
 * On standard output, for each, framed likewise: the description of request_stream.h and a line
 * "whole A B C" with the offset behind each request that has ended. Every input is read whole and
 * byte by byte; a difference between the two ends the program with an abort.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request_stream.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Notes in `ends`, if given, where requests end. */
static void describe(struct request_stream *stream, struct hfa_bytes input, size_t piece,
                     FILE *ends)
{
    size_t taken = 0;
    request_stream_begin(stream);
    for (size_t fed = 0; fed < input.length;) {
        size_t whole = stream->whole;
        fed = input.length - fed < piece ? input.length : fed + piece;
        taken += request_stream_take(stream, (struct hfa_bytes){input.data + taken, fed - taken});
        if (ends != NULL && stream->whole > whole)
            fprintf(ends, " %zu", taken);
    }
    request_stream_finish(stream, input.length - taken);
}

static void answer(struct hfa_bytes input)
{
    struct request_stream whole, cut;
    char *ends = NULL;
    size_t ends_length = 0;
    FILE *ends_file = open_memstream(&ends, &ends_length);
    require(ends_file != NULL);
    describe(&whole, input, input.length + 1, NULL);
    describe(&cut, input, 1, ends_file);
    require(fclose(ends_file) == 0);
    require(strcmp(whole.text, cut.text) == 0 && whole.whole == cut.whole);

    size_t length = whole.text_length + strlen("whole") + ends_length;
    for (int shift = 24; shift >= 0; shift -= 8)
        putchar((int)(length >> shift & 0xff));
    printf("%swhole%s", whole.text, ends);
    fflush(stdout);
    free(ends);
    request_stream_end(&whole);
    request_stream_end(&cut);
}

int main(void)
{
    unsigned char frame[4];
    while (fread(frame, sizeof(frame), 1, stdin) == 1) {
        size_t length = (size_t)frame[0] << 24 | (size_t)frame[1] << 16 | (size_t)frame[2] << 8 |
                        (size_t)frame[3];
        char *data = malloc(length + 1);
        require(data != NULL && fread(data, 1, length, stdin) == length);
        answer((struct hfa_bytes){data, length});
        free(data);
    }
    return 0;
}
