/* Prints the time to parse one request head, for each scanner kernel of this processor.
 *
 * Two heads stand for what servers get: three fields as curl sends them, fifteen as a browser does.
 * Each figure is the fastest of several rounds, as everything else on the machine only adds time.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "http1_head.h"
#include "http1_scan.h"

enum { ROUNDS = 15, HEADS_A_ROUND = 200000, FIELDS_MAX = 64 };

static const char curl_like[] = "GET /items/42?q=abc HTTP/1.1\r\n"
                                "Host: localhost:8000\r\n"
                                "User-Agent: curl/7.88.1\r\n"
                                "Accept: */*\r\n"
                                "\r\n";

static const char browser_like[] =
    "GET /shop/catalogue/items?page=2&sort=price&order=ascending HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "Connection: keep-alive\r\n"
    "sec-ch-ua: \"Chromium\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    "image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Referer: https://www.example.com/shop/catalogue/items?page=1\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
    "Cookie: session=4f1d2c3b4a59687766554433221100ff; theme=dark; consent=yes\r\n"
    "\r\n";

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_head(const char *text, size_t length)
{
    static const struct hfa_http1_limits limits = {
        .head_size = 65536, .target_size = 8192, .field_count = FIELDS_MAX};
    struct hfa_field fields[FIELDS_MAX];
    struct hfa_http1_head_parser parser;
    struct hfa_http1_head head = {.fields = fields};
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < HEADS_A_ROUND; i++) {
            size_t consumed;
            int http_status;
            hfa_http1_head_reset(&parser, &head);
            enum hfa_status status = hfa_http1_parse_head(&parser, (struct hfa_bytes){text, length},
                                                          &limits, &head, &consumed, &http_status);
            if (status != HFA_OK || consumed != length) {
                fprintf(stderr, "the benchmark's own head was refused: %s\n",
                        hfa_status_text(status));
                return -1;
            }
        }
        double each = (now_ns() - start) / HEADS_A_ROUND;
        if (best == 0 || each < best)
            best = each;
    }
    return best;
}

int main(void)
{
    printf("%-10s %22s %22s\n", "scanner", "3 fields, ns/head", "15 fields, ns/head");
    for (const struct hfa_http1_scanner *const *scanner = hfa_http1_scanners(); *scanner != NULL;
         scanner++) {
        hfa_http1_scanner_set(*scanner);
        double curl = time_head(curl_like, sizeof(curl_like) - 1);
        double browser = time_head(browser_like, sizeof(browser_like) - 1);
        if (curl < 0 || browser < 0)
            return 1;
        printf("%-10s %22.1f %22.1f\n", (*scanner)->name, curl, browser);
    }
    return 0;
}
