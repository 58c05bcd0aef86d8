/* Runs the wire transcripts named on the command line, each
 *   - with every scanner kernel of this processor,
 *   - whole, and cut into feeds of one byte (of many for the longest),
 *   - ending at an unreadable page, moved between feeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "http1_scan.h"
#include "request_stream.h"
#include "wire_case.h"

/* Above this, single bytes would only cost time: moving them is quadratic. */
enum { SINGLE_BYTES_MAX = 2048, LONG_STEP = 509 };

/* Feeds `bytes` in steps. What is not taken yet always ends at the unreadable page, so it stands
 * somewhere else at every feed. */
static void describe(struct request_stream *stream, struct hfa_bytes bytes, size_t step)
{
    struct guard_page page;
    guard_page_map(&page, NULL, bytes.length);
    size_t taken = 0;
    size_t fed = 0;
    request_stream_begin(stream);
    while (fed < bytes.length) {
        fed = bytes.length - fed < step ? bytes.length : fed + step;
        size_t length = fed - taken;
        char *data = page.data + bytes.length - length;
        memcpy(data, bytes.data + taken, length);
        taken += request_stream_take(stream, (struct hfa_bytes){data, length});
        memset(page.data, '?', bytes.length);
    }
    request_stream_finish(stream, bytes.length - taken);
    guard_page_unmap(&page);
}

static void run_case(const struct wire_case *wire_case, const char *scanner, size_t step)
{
    struct request_stream stream;
    struct hfa_bytes line;
    describe(&stream, (struct hfa_bytes){wire_case->send, wire_case->send_length}, step);
    if (!wire_case_matches(wire_case, stream.text, &line)) {
        print_error("scanner %s, %zu bytes a feed: unexpected or missing: %.*s\n"
                    "--- expected\n%.2000s--- found\n%.2000s---\n",
                    scanner, step, (int)line.length, line.data, wire_case->expected, stream.text);
        fail();
    }
    request_stream_end(&stream);
}

static void test_transcript(void **state)
{
    const struct wire_case *wire_case = *state;
    const struct hfa_http1_scanner *const *scanner = hfa_http1_scanners();
    for (; *scanner != NULL; scanner++) {
        hfa_http1_scanner_set(*scanner);
        run_case(wire_case, (*scanner)->name, SIZE_MAX);
        run_case(wire_case, (*scanner)->name,
                 wire_case->send_length <= SINGLE_BYTES_MAX ? 1 : LONG_STEP);
    }
}

int main(int argc, char **argv)
{
    struct wire_cases cases = {0};
    for (int i = 1; i < argc; i++) {
        const char *fault = wire_cases_read(&cases, argv[i]);
        if (fault != NULL) {
            print_error("%s: %s\n", argv[i], fault);
            return 1;
        }
    }
    if (cases.count == 0) {
        print_error("usage: test_wire TRANSCRIPT...\n");
        return 1;
    }
    struct CMUnitTest *tests = calloc(cases.count, sizeof(*tests));
    if (tests == NULL)
        return 1;
    for (size_t i = 0; i < cases.count; i++)
        tests[i] = (struct CMUnitTest){.name = cases.cases[i].name,
                                       .test_func = test_transcript,
                                       .initial_state = &cases.cases[i]};
    int failed = _cmocka_run_group_tests("wire", tests, cases.count, NULL, NULL);
    free(tests);
    wire_cases_free(&cases);
    return failed;
}
