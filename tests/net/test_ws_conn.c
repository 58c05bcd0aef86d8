/* One WebSocket, as conversations: what a client sends, what comes of it, what it is answered.
 *
 * Each conversation runs with the client's bytes in one piece, one by one and in odd pieces, and
 * has to go the same way every time. In its text `>` marks what the server sends, `end` that the
 * transport may be ended: "ping(hi) >pong(hi) close(1000,bye) >close(1000,bye) end".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"
#include "ws_conn.h"
#include "ws_mask.h"

#define FINAL 0x80

#define CONTINUATION HFA_WS_OPCODE_CONTINUATION
#define TEXT         HFA_WS_OPCODE_TEXT
#define BINARY       HFA_WS_OPCODE_BINARY
#define CLOSE        HFA_WS_OPCODE_CLOSE
#define PING         HFA_WS_OPCODE_PING
#define PONG         HFA_WS_OPCODE_PONG

/* Payloads longer than this are told by length and checksum. */
#define PAYLOAD_TOLD 130

/* ------------------------------------------------------------------ what the client sends */

static char wire[1 << 20];
static size_t wire_length;
static struct hfa_ws_limits limits;
static bool is_packing;
static struct hfa_ws_deflate_terms terms;

static int begin(void **state)
{
    wire_length = 0;
    limits = HFA_WS_LIMITS_DEFAULT;
    is_packing = false;
    return 0;
}

static void add_raw(struct hfa_bytes bytes)
{
    assert_true(wire_length + bytes.length <= sizeof(wire));
    memcpy(wire + wire_length, bytes.data, bytes.length);
    wire_length += bytes.length;
}

/* A masked frame; `start` is its first byte: FINAL, reserved bits, opcode. */
static void add(unsigned start, struct hfa_bytes payload)
{
    static unsigned frames;
    char head_bytes[HFA_WS_FRAME_HEAD_MAX];
    struct hfa_ws_frame_head head = {
        .payload_length = payload.length,
        .opcode = start & 0x0F,
        .reserved = start & HFA_WS_RSV_MASK,
        .final = start & FINAL,
        .masked = true,
    };
    frames++;
    for (unsigned i = 0; i < 4; i++)
        head.mask_key[i] = (unsigned char)(frames * 61 + i * 89);
    add_raw((struct hfa_bytes){head_bytes, hfa_ws_frame_encode(&head, head_bytes)});
    char *at = wire + wire_length;
    add_raw(payload);
    hfa_ws_mask(at, payload.length, head.mask_key, 0);
}

/* ------------------------------------------------------------------ how it goes */

struct conversation {
    char text[20000];
    size_t length;
};

static void tell(struct conversation *talk, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof(talk->text) - talk->length;
    int length = vsnprintf(talk->text + talk->length, room, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < room);
    talk->length += (size_t)length;
}

static void tell_payload(struct conversation *talk, struct hfa_bytes payload)
{
    if (payload.length > PAYLOAD_TOLD) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (size_t i = 0; i < payload.length; i++)
            hash = (hash ^ (unsigned char)payload.data[i]) * UINT64_C(0x100000001b3);
        tell(talk, "%zu bytes %016llx", payload.length, (unsigned long long)hash);
        return;
    }
    for (size_t i = 0; i < payload.length; i++) {
        unsigned char byte = (unsigned char)payload.data[i];
        tell(talk, byte >= 0x20 && byte < 0x7F ? "%c" : "\\x%02x", byte);
    }
}

static void tell_what(struct conversation *talk, const char *what, struct hfa_bytes payload)
{
    tell(talk, "%s%s(", talk->length ? " " : "", what);
    tell_payload(talk, payload);
    tell(talk, ")");
}

static void tell_close(struct conversation *talk, const char *what, unsigned code,
                       struct hfa_bytes reason)
{
    tell(talk, "%s%s(%u", talk->length ? " " : "", what, code);
    if (reason.length > 0)
        tell(talk, ",");
    tell_payload(talk, reason);
    tell(talk, ")");
}

/* A frame from the server: unmasked, final, without reserved bits, and nothing behind it. */
static void tell_sent(struct conversation *talk, struct hfa_bytes frame)
{
    static const char *const names[] = {[CLOSE] = ">close", [PING] = ">ping", [PONG] = ">pong"};
    struct hfa_ws_frame_head head;
    struct hfa_ws_close close, fault;
    size_t head_length;
    assert_int_equal(hfa_ws_frame_decode(frame, false, &head, &head_length, &fault), HFA_OK);
    assert_true(head.final);
    assert_int_equal(head.reserved, 0);
    assert_int_equal(head_length + head.payload_length, frame.length);
    struct hfa_bytes payload = {frame.data + head_length, frame.length - head_length};
    if (head.opcode != CLOSE) {
        tell_what(talk, names[head.opcode], payload);
        return;
    }
    assert_int_equal(hfa_ws_close_decode(payload, &close, &fault), HFA_OK);
    tell_close(talk, names[head.opcode], close.code, close.reason);
}

/* Tells an event and answers it as a server does. Faults are told without their wording. */
static void handle(struct hfa_ws_conn *ws, enum hfa_status status, const struct hfa_ws_event *event,
                   struct conversation *talk)
{
    static const char *const names[] = {
        [HFA_WS_EVENT_TEXT] = "text",   [HFA_WS_EVENT_BINARY] = "binary",
        [HFA_WS_EVENT_PING] = "ping",   [HFA_WS_EVENT_PONG] = "pong",
        [HFA_WS_EVENT_CLOSE] = "close", [HFA_WS_EVENT_FAULT] = "fault",
    };
    char out[HFA_WS_CONTROL_FRAME_MAX];
    size_t length = 0;
    assert_int_equal(event->type == HFA_WS_EVENT_FAULT, status != HFA_OK);
    switch (event->type) {
    case HFA_WS_EVENT_PING:
        tell_what(talk, names[event->type], event->data);
        assert_int_equal(hfa_ws_conn_pong(ws, event->data, out, &length), HFA_OK);
        break;
    case HFA_WS_EVENT_CLOSE:
        tell_close(talk, names[event->type], event->code, event->data);
        if (hfa_ws_conn_is_closed(ws))
            break;
        assert_int_equal(hfa_ws_conn_close_reply(ws, out, &length), HFA_OK);
        break;
    case HFA_WS_EVENT_FAULT:
        tell(talk, "%sfault(%u)", talk->length ? " " : "", event->code);
        if (hfa_ws_conn_is_closed(ws))
            break;
        struct hfa_ws_close close = {event->code, HFA_BYTES("")};
        assert_int_equal(hfa_ws_conn_close(ws, close, out, &length), HFA_OK);
        break;
    default:
        tell_what(talk, names[event->type], event->data);
        break;
    }
    if (length > 0)
        tell_sent(talk, (struct hfa_bytes){out, length});
    if (hfa_ws_conn_is_closed(ws))
        tell(talk, " end");
}

/* Feeds one piece out of memory of exactly its size. The allocation number *allocations_left of
 * the connection fails; negative: none. */
static void feed(struct hfa_ws_conn *ws, const char *bytes, size_t length, long *allocations_left,
                 struct conversation *talk)
{
    char *piece = malloc(length);
    size_t at = 0;
    enum hfa_status status;
    assert_non_null(piece);
    memcpy(piece, bytes, length);
    do {
        struct hfa_ws_event event;
        size_t consumed = SIZE_MAX;
        failing_malloc_arm(*allocations_left);
        status = hfa_ws_conn_input(ws, piece + at, length - at, &consumed, &event);
        *allocations_left -= failing_malloc_disarm();
        assert_true(consumed <= length - at);
        at += consumed;
        if (status == HFA_AGAIN)
            assert_int_equal(at, length);
        else
            handle(ws, status, &event, talk);
    } while (status != HFA_AGAIN);
    free(piece);
}

static void converse(size_t piece, long failing_allocation, struct conversation *talk)
{
    struct hfa_ws_conn ws;
    talk->length = 0;
    talk->text[0] = '\0';
    hfa_ws_conn_init(&ws, &limits);
    if (is_packing)
        hfa_ws_conn_use_deflate(&ws, hfa_ws_deflate_new(&terms));
    for (size_t at = 0; at < wire_length; at += piece) {
        size_t length = wire_length - at < piece ? wire_length - at : piece;
        feed(&ws, wire + at, length, &failing_allocation, talk);
    }
    hfa_ws_conn_free(&ws);
}

static void assert_goes(const char *expected)
{
    static const size_t pieces[] = {1, 2, 3, 7, 16, 125, 1300, 16384};
    struct conversation talk;
    converse(wire_length + 1, -1, &talk);
    assert_string_equal(talk.text, expected);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        converse(pieces[i], -1, &talk);
        assert_string_equal(talk.text, expected);
    }
}

/* ------------------------------------------------------------------ framing */

static void fill(char *data, size_t length, char base)
{
    for (size_t i = 0; i < length; i++)
        data[i] = (char)(base + (char)(i * 31 % 64));
}

static void test_messages_of_every_length_form_come_whole(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 200000};
    static char payload[200000];
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct hfa_bytes message = {payload, lengths[i]};
        struct conversation expected = {.length = 0};
        begin(state);
        fill(payload, lengths[i], ' ');
        add(FINAL | TEXT, message);
        tell_what(&expected, "text", message);
        assert_goes(expected.text);

        expected.length = 0;
        begin(state);
        fill(payload, lengths[i], (char)0xC0);
        add(FINAL | BINARY, message);
        tell_what(&expected, "binary", message);
        assert_goes(expected.text);
    }
}

static void test_messages_come_in_order(void **state)
{
    add(FINAL | TEXT, HFA_BYTES("one"));
    add(FINAL | BINARY, HFA_BYTES("\0\xff"));
    add(FINAL | TEXT, HFA_BYTES(""));
    add(FINAL | TEXT, HFA_BYTES("four"));
    assert_goes("text(one) binary(\\x00\\xff) text() text(four)");
}

static void test_unmasked_frame_fails(void **state)
{
    add(FINAL | TEXT, HFA_BYTES("one"));
    add_raw(HFA_BYTES("\x81\x05Hello"));
    assert_goes("text(one) fault(1002) >close(1002) end");
}

static void test_length_in_a_longer_form_fails(void **state)
{
    add_raw(HFA_BYTES("\x82\xfe\x00\x01\0\0\0\0x"));
    assert_goes("fault(1002) >close(1002) end");
}

static void test_length_with_its_top_bit_is_too_big(void **state)
{
    add_raw(HFA_BYTES("\x82\xff\x80\0\0\0\0\0\0\x01\0\0\0\0x"));
    assert_goes("fault(1009) >close(1009) end");
}

/* ------------------------------------------------------------------ pings and pongs */

static void test_ping_is_answered_with_its_payload(void **state)
{
    char longest[HFA_WS_CONTROL_PAYLOAD_MAX];
    struct hfa_bytes payload = {longest, sizeof(longest)};
    struct conversation expected = {.length = 0};
    memset(longest, 0xFE, sizeof(longest));
    add(FINAL | PING, HFA_BYTES(""));
    add(FINAL | PING, HFA_BYTES("Hello, world!"));
    add(FINAL | PING, HFA_BYTES("\x00\xff\xfe\xfd\xfc\xfb\x00\xff"));
    add(FINAL | PING, payload);
    tell(&expected, "ping() >pong() ping(Hello, world!) >pong(Hello, world!) "
                    "ping(\\x00\\xff\\xfe\\xfd\\xfc\\xfb\\x00\\xff) "
                    ">pong(\\x00\\xff\\xfe\\xfd\\xfc\\xfb\\x00\\xff)");
    tell_what(&expected, "ping", payload);
    tell_what(&expected, ">pong", payload);
    assert_goes(expected.text);
}

static void test_ping_above_125_bytes_fails(void **state)
{
    char payload[126];
    memset(payload, 0xFE, sizeof(payload));
    add(FINAL | PING, (struct hfa_bytes){payload, sizeof(payload)});
    assert_goes("fault(1002) >close(1002) end");
}

static void test_unsolicited_pongs_are_reported_and_not_answered(void **state)
{
    add(FINAL | PONG, HFA_BYTES(""));
    add(FINAL | PONG, HFA_BYTES("unsolicited"));
    add(FINAL | PING, HFA_BYTES("p"));
    assert_goes("pong() pong(unsolicited) ping(p) >pong(p)");
}

static void test_ten_pings_are_answered_in_order(void **state)
{
    struct conversation expected = {.length = 0};
    for (char digit = '0'; digit <= '9'; digit++) {
        add(FINAL | PING, (struct hfa_bytes){&digit, 1});
        tell_what(&expected, "ping", (struct hfa_bytes){&digit, 1});
        tell_what(&expected, ">pong", (struct hfa_bytes){&digit, 1});
    }
    assert_goes(expected.text);
}

/* ------------------------------------------------------------------ reserved bits and opcodes */

static void test_reserved_bits_fail_on_every_kind_of_frame(void **state)
{
    static const unsigned opcodes[] = {TEXT, BINARY, CLOSE, PING, PONG};
    for (unsigned reserved = 0x10; reserved <= 0x70; reserved += 0x10) {
        for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
            begin(state);
            add(FINAL | TEXT, HFA_BYTES("good"));
            add(FINAL | reserved | opcodes[i], HFA_BYTES(""));
            add(FINAL | PING, HFA_BYTES("not read"));
            assert_goes("text(good) fault(1002) >close(1002) end");
        }
    }
}

static void test_reserved_bit_on_a_continuation_fails(void **state)
{
    add(TEXT, HFA_BYTES("frag"));
    add(FINAL | HFA_WS_RSV1 | CONTINUATION, HFA_BYTES("ment"));
    assert_goes("fault(1002) >close(1002) end");
}

static void test_reserved_opcodes_fail(void **state)
{
    static const unsigned opcodes[] = {3, 4, 5, 6, 7, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        begin(state);
        add(FINAL | TEXT, HFA_BYTES("good"));
        add(FINAL | opcodes[i], i % 2 ? HFA_BYTES("payload") : HFA_BYTES(""));
        add(FINAL | PING, HFA_BYTES("not read"));
        assert_goes("text(good) fault(1002) >close(1002) end");
    }
}

/* ------------------------------------------------------------------ fragmentation */

static void test_fragmented_control_frame_fails(void **state)
{
    add(PING, HFA_BYTES("fragment1"));
    add(FINAL | CONTINUATION, HFA_BYTES("fragment2"));
    assert_goes("fault(1002) >close(1002) end");
    begin(state);
    add(PONG, HFA_BYTES("fragment1"));
    add(FINAL | CONTINUATION, HFA_BYTES("fragment2"));
    assert_goes("fault(1002) >close(1002) end");
}

static void test_fragments_are_joined(void **state)
{
    add(TEXT, HFA_BYTES("frag"));
    add(CONTINUATION, HFA_BYTES("men"));
    add(FINAL | CONTINUATION, HFA_BYTES("ted"));
    add(BINARY, HFA_BYTES("\x01"));
    add(FINAL | CONTINUATION, HFA_BYTES("\x02"));
    assert_goes("text(fragmented) binary(\\x01\\x02)");
}

static void test_empty_fragments_count_for_nothing(void **state)
{
    add(TEXT, HFA_BYTES(""));
    add(CONTINUATION, HFA_BYTES(""));
    add(FINAL | CONTINUATION, HFA_BYTES("all"));
    add(TEXT, HFA_BYTES("all"));
    add(CONTINUATION, HFA_BYTES(""));
    add(FINAL | CONTINUATION, HFA_BYTES(""));
    add(TEXT, HFA_BYTES(""));
    add(FINAL | CONTINUATION, HFA_BYTES(""));
    assert_goes("text(all) text(all) text()");
}

static void test_control_frames_between_fragments_come_at_once(void **state)
{
    add(TEXT, HFA_BYTES("fragment1"));
    add(FINAL | PING, HFA_BYTES("ping 1"));
    add(CONTINUATION, HFA_BYTES("fragment2"));
    add(FINAL | PONG, HFA_BYTES("pong"));
    add(FINAL | PING, HFA_BYTES("ping 2"));
    add(FINAL | CONTINUATION, HFA_BYTES("fragment3"));
    assert_goes("ping(ping 1) >pong(ping 1) pong(pong) ping(ping 2) >pong(ping 2) "
                "text(fragment1fragment2fragment3)");
}

static void test_continuation_of_nothing_fails(void **state)
{
    add(FINAL | CONTINUATION, HFA_BYTES("no start"));
    add(FINAL | TEXT, HFA_BYTES("not read"));
    assert_goes("fault(1002) >close(1002) end");
    begin(state);
    add(CONTINUATION, HFA_BYTES(""));
    assert_goes("fault(1002) >close(1002) end");
}

static void test_continuation_after_the_last_fragment_fails(void **state)
{
    add(TEXT, HFA_BYTES("fragment1"));
    add(FINAL | CONTINUATION, HFA_BYTES("fragment2"));
    add(CONTINUATION, HFA_BYTES("fragment3"));
    add(FINAL | TEXT, HFA_BYTES("not read"));
    assert_goes("text(fragment1fragment2) fault(1002) >close(1002) end");
}

static void test_new_message_inside_another_fails(void **state)
{
    add(TEXT, HFA_BYTES("fragment1"));
    add(FINAL | TEXT, HFA_BYTES("fragment2"));
    assert_goes("fault(1002) >close(1002) end");
    begin(state);
    add(BINARY, HFA_BYTES(""));
    add(BINARY, HFA_BYTES(""));
    assert_goes("fault(1002) >close(1002) end");
}

/* ------------------------------------------------------------------ text */

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

static void test_characters_may_be_cut_by_fragments(void **state)
{
    struct hfa_bytes text = HFA_BYTES(KOSME "\xf0\x9f\x98\x80!");
    for (size_t cut = 0; cut <= text.length; cut++) {
        struct conversation expected = {.length = 0};
        begin(state);
        add(TEXT, (struct hfa_bytes){text.data, cut});
        add(FINAL | PING, HFA_BYTES("\xff"));
        add(FINAL | CONTINUATION, (struct hfa_bytes){text.data + cut, text.length - cut});
        tell(&expected, "ping(\\xff) >pong(\\xff)");
        tell_what(&expected, "text", text);
        assert_goes(expected.text);
    }
}

static void test_malformed_text_fails(void **state)
{
    static const char *const malformed[] = {
        "\x80",
        "\xbf\xbf",
        KOSME "\xed\xa0\x80"
              "edited",
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xf0\x80\x80\xaf",
        "\xf8\x88\x80\x80\x80",
        "\xfc\x84\x80\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xed\xbf\xbf",
        "\xfe",
        "\xff",
        "a long run of ASCII before the fault, and then \xc3(",
    };
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        begin(state);
        add(FINAL | TEXT, (struct hfa_bytes){malformed[i], strlen(malformed[i])});
        add(FINAL | TEXT, HFA_BYTES("not read"));
        assert_goes("fault(1007) >close(1007) end");
    }
}

static void test_text_that_ends_inside_a_character_fails(void **state)
{
    add(FINAL | TEXT, HFA_BYTES("caf\xc3"));
    assert_goes("fault(1007) >close(1007) end");
    begin(state);
    add(TEXT, HFA_BYTES("\xe2\x82"));
    add(FINAL | CONTINUATION, HFA_BYTES(""));
    assert_goes("fault(1007) >close(1007) end");
}

static void test_malformed_text_fails_before_its_message_ends(void **state)
{
    /* Nothing but the first fragment is ever sent; and the frame itself is not complete. */
    add(TEXT, HFA_BYTES(KOSME "\xf4\x90"));
    assert_goes("fault(1007) >close(1007) end");
    begin(state);
    add(FINAL | TEXT, HFA_BYTES(KOSME "\xed\xa0\x80 and more to come"));
    wire_length -= 10;
    assert_goes("fault(1007) >close(1007) end");
}

static void test_binary_messages_need_not_be_text(void **state)
{
    add(BINARY, HFA_BYTES("\xff\xfe"));
    add(FINAL | CONTINUATION, HFA_BYTES("\xc3"));
    assert_goes("binary(\\xff\\xfe\\xc3)");
}

static void test_state_of_a_text_does_not_leak_into_the_next(void **state)
{
    add(TEXT, HFA_BYTES("\xe2\x82"));
    add(FINAL | CONTINUATION, HFA_BYTES("\xac"));
    add(FINAL | TEXT, HFA_BYTES("\xc3\xa9"));
    assert_goes("text(\\xe2\\x82\\xac) text(\\xc3\\xa9)");
}

/* ------------------------------------------------------------------ limit */

static void test_message_at_the_limit_passes_and_one_byte_more_fails(void **state)
{
    limits.message_size = 10;
    add(FINAL | BINARY, HFA_BYTES("0123456789"));
    add(BINARY, HFA_BYTES("01234"));
    add(FINAL | CONTINUATION, HFA_BYTES("56789"));
    add(FINAL | BINARY, HFA_BYTES("0123456789a"));
    assert_goes("binary(0123456789) binary(0123456789) fault(1009) >close(1009) end");
}

static void test_limit_counts_all_fragments(void **state)
{
    begin(state);
    limits.message_size = 10;
    add(BINARY, HFA_BYTES("0123"));
    add(CONTINUATION, HFA_BYTES("4567"));
    add(FINAL | CONTINUATION, HFA_BYTES("89a"));
    assert_goes("fault(1009) >close(1009) end");
}

static void test_limit_is_judged_by_the_announced_length(void **state)
{
    limits.message_size = 1000;
    add_raw(HFA_BYTES("\x82\xfe\x03\xe9\0\0\0\0"));
    assert_goes("fault(1009) >close(1009) end");
    begin(state);
    add_raw(HFA_BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"));
    assert_goes("fault(1009) >close(1009) end");
}

static void test_limit_does_not_touch_control_frames(void **state)
{
    limits.message_size = 4;
    add(BINARY, HFA_BYTES("full"));
    add(FINAL | PING, HFA_BYTES("a longer ping"));
    add(FINAL | CONTINUATION, HFA_BYTES(""));
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8 goodbye"));
    assert_goes("ping(a longer ping) >pong(a longer ping) binary(full) "
                "close(1000, goodbye) >close(1000, goodbye) end");
}

static void test_no_message_fits_a_limit_of_zero_but_the_empty_one(void **state)
{
    limits.message_size = 0;
    add(FINAL | TEXT, HFA_BYTES(""));
    add(FINAL | TEXT, HFA_BYTES("x"));
    assert_goes("text() fault(1009) >close(1009) end");
}

/* ------------------------------------------------------------------ the peer closes */

static void test_close_is_echoed(void **state)
{
    add(FINAL | TEXT, HFA_BYTES("last"));
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8 bye"));
    assert_goes("text(last) close(1000, bye) >close(1000, bye) end");
}

static void test_close_without_a_code_is_1005_and_echoed_empty(void **state)
{
    add(FINAL | CLOSE, HFA_BYTES(""));
    assert_goes("close(1005) >close(1005) end");
}

static void test_close_with_the_longest_reason_is_echoed(void **state)
{
    char payload[HFA_WS_CLOSE_PAYLOAD_MAX];
    struct conversation expected = {.length = 0};
    memset(payload, '*', sizeof(payload));
    payload[0] = 0x03;
    payload[1] = (char)0xE8;
    struct hfa_bytes reason = {payload + 2, sizeof(payload) - 2};
    add(FINAL | CLOSE, (struct hfa_bytes){payload, sizeof(payload)});
    tell_close(&expected, "close", 1000, reason);
    tell_close(&expected, ">close", 1000, reason);
    tell(&expected, " end");
    assert_goes(expected.text);
}

static void test_close_above_125_bytes_fails(void **state)
{
    char payload[126] = {0x03, (char)0xE8};
    memset(payload + 2, '*', sizeof(payload) - 2);
    add(FINAL | CLOSE, (struct hfa_bytes){payload, sizeof(payload)});
    assert_goes("fault(1002) >close(1002) end");
}

static void test_close_with_half_a_code_fails(void **state)
{
    add(FINAL | CLOSE, HFA_BYTES("\x03"));
    assert_goes("fault(1002) >close(1002) end");
}

static void test_close_with_a_malformed_reason_fails(void **state)
{
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8 \xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"));
    assert_goes("fault(1007) >close(1007) end");
    begin(state);
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8 cut \xe2\x82"));
    assert_goes("fault(1007) >close(1007) end");
}

static bool code_may_be_on_the_wire(unsigned code)
{
    static const unsigned registered[] = {1000, 1001, 1002, 1003, 1007, 1008,
                                          1009, 1010, 1011, 1012, 1013, 1014};
    for (size_t i = 0; i < sizeof(registered) / sizeof(registered[0]); i++) {
        if (registered[i] == code)
            return true;
    }
    return code / 1000 == 3 || code / 1000 == 4;
}

static void test_every_close_code_is_echoed_or_fails(void **state)
{
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        struct conversation talk, expected = {.length = 0};
        char payload[] = {(char)(code >> 8), (char)code};
        begin(state);
        add(FINAL | CLOSE, (struct hfa_bytes){payload, sizeof(payload)});
        if (code_may_be_on_the_wire(code))
            tell(&expected, "close(%u) >close(%u) end", code, code);
        else
            tell(&expected, "fault(1002) >close(1002) end");
        converse(wire_length, -1, &talk);
        assert_string_equal(talk.text, expected.text);
    }
}

static void test_nothing_is_read_after_a_close(void **state)
{
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8"));
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe9"));
    add(FINAL | PING, HFA_BYTES("ping"));
    add(FINAL | TEXT, HFA_BYTES("text"));
    add_raw(HFA_BYTES("GET / HTTP/1.1\r\n\r\n"));
    assert_goes("close(1000) >close(1000) end");
}

static void test_close_between_fragments_is_echoed(void **state)
{
    add(TEXT, HFA_BYTES("fragment1"));
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8"));
    add(FINAL | CONTINUATION, HFA_BYTES("fragment2"));
    assert_goes("close(1000) >close(1000) end");
}

static void test_close_after_a_large_message_is_echoed(void **state)
{
    static char payload[256 * 1024];
    struct hfa_bytes message = {payload, sizeof(payload)};
    struct conversation expected = {.length = 0};
    fill(payload, sizeof(payload), ' ');
    add(FINAL | TEXT, message);
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8"));
    add(FINAL | PING, HFA_BYTES("not read"));
    tell_what(&expected, "text", message);
    tell(&expected, " close(1000) >close(1000) end");
    assert_goes(expected.text);
}

/* ------------------------------------------------------------------ we close */

struct sender {
    struct hfa_ws_conn ws;
    char out[HFA_WS_CONTROL_FRAME_MAX];
    size_t length;
};

static void open_sender(struct sender *sender)
{
    hfa_ws_conn_init(&sender->ws, &limits);
    sender->length = 0;
}

static enum hfa_status send_close(struct sender *sender, unsigned code, struct hfa_bytes reason)
{
    return hfa_ws_conn_close(&sender->ws, (struct hfa_ws_close){code, reason}, sender->out,
                             &sender->length);
}

/* Feeds all that was added, in pieces, and compares what comes of it. */
static void assert_sender_goes(struct sender *sender, size_t piece, const char *expected)
{
    struct conversation talk = {.length = 0};
    long none = -1;
    for (size_t at = 0; at < wire_length; at += piece) {
        size_t length = wire_length - at < piece ? wire_length - at : piece;
        feed(&sender->ws, wire + at, length, &none, &talk);
    }
    assert_string_equal(talk.text, expected);
}

static void test_our_close_waits_for_the_peers(void **state)
{
    struct sender sender;
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe9"));
    open_sender(&sender);
    assert_true(hfa_ws_conn_is_open(&sender.ws));
    assert_int_equal(send_close(&sender, 1001, HFA_BYTES("away")), HFA_OK);
    assert_int_equal(sender.length, 8);
    assert_memory_equal(sender.out,
                        "\x88\x06\x03\xe9"
                        "away",
                        8);
    assert_false(hfa_ws_conn_is_open(&sender.ws));
    assert_false(hfa_ws_conn_is_closed(&sender.ws));
    assert_sender_goes(&sender, 1, "close(1001) end");
    assert_int_equal(sender.ws.code_sent, 1001);
    assert_int_equal(sender.ws.code_received, 1001);
}

static void test_what_the_peer_sends_before_its_close_is_dropped(void **state)
{
    static const size_t pieces[] = {1, 5, 4096};
    add(TEXT, HFA_BYTES("\xff not judged any more"));
    add(FINAL | PING, HFA_BYTES("not answered"));
    add(FINAL | CONTINUATION, HFA_BYTES(""));
    add(FINAL | PONG, HFA_BYTES(""));
    add(FINAL | BINARY, HFA_BYTES("dropped"));
    add(FINAL | CLOSE, HFA_BYTES(""));
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct sender sender;
        open_sender(&sender);
        assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
        assert_sender_goes(&sender, pieces[i], "close(1005) end");
        assert_null(sender.ws.buffer);
    }
}

static void test_close_in_the_middle_of_receiving_drops_what_came(void **state)
{
    add(TEXT, HFA_BYTES("the first of three fragments"));
    add(CONTINUATION, HFA_BYTES("the second"));
    size_t cut_max = wire_length;
    add(FINAL | CONTINUATION, HFA_BYTES("\xff"));
    add(FINAL | CLOSE, HFA_BYTES("\x0f\xa0"));
    for (size_t cut = 1; cut <= cut_max; cut++) {
        struct sender sender;
        struct conversation talk = {.length = 0};
        long none = -1;
        open_sender(&sender);
        feed(&sender.ws, wire, cut, &none, &talk);
        assert_string_equal(talk.text, "");
        assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
        assert_null(sender.ws.buffer);
        feed(&sender.ws, wire + cut, wire_length - cut, &none, &talk);
        assert_string_equal(talk.text, "close(4000) end");
        hfa_ws_conn_free(&sender.ws);
    }
}

static void test_limit_is_each_messages_own_after_our_close(void **state)
{
    struct sender sender;
    limits.message_size = 8;
    for (int i = 0; i < 5; i++)
        add(FINAL | TEXT, HFA_BYTES("dropped"));
    add(FINAL | CLOSE, HFA_BYTES(""));
    open_sender(&sender);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
    assert_sender_goes(&sender, 1, "close(1005) end");
}

static void test_rules_hold_after_our_close(void **state)
{
    struct sender sender;
    limits.message_size = 3;
    add(FINAL | TEXT, HFA_BYTES("four"));
    open_sender(&sender);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
    assert_sender_goes(&sender, 1, "fault(1009) end");
    begin(state);
    add(FINAL | CONTINUATION, HFA_BYTES("of nothing"));
    open_sender(&sender);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
    assert_sender_goes(&sender, 64, "fault(1002) end");
    begin(state);
    add(FINAL | CLOSE, HFA_BYTES("\x03\xed"));
    open_sender(&sender);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
    assert_sender_goes(&sender, 64, "fault(1002) end");
}

static void assert_nothing_can_be_sent(struct hfa_ws_conn *ws)
{
    char out[HFA_WS_CONTROL_FRAME_MAX];
    size_t length;
    assert_int_equal(hfa_ws_conn_message_head(ws, TEXT, 1, out, &length), HFA_ERR_STATE);
    assert_int_equal(hfa_ws_conn_ping(ws, HFA_BYTES(""), out, &length), HFA_ERR_STATE);
    assert_int_equal(hfa_ws_conn_pong(ws, HFA_BYTES(""), out, &length), HFA_ERR_STATE);
}

static void test_nothing_is_sent_after_our_close(void **state)
{
    struct sender sender;
    open_sender(&sender);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
    assert_nothing_can_be_sent(&sender.ws);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_ERR_STATE);
    assert_int_equal(hfa_ws_conn_close_reply(&sender.ws, sender.out, &sender.length),
                     HFA_ERR_STATE);
}

static void test_after_the_peers_close_only_a_close_is_sent_once(void **state)
{
    struct hfa_ws_event event;
    struct sender sender;
    size_t consumed;
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8 bye"));
    for (int reply = 0; reply < 2; reply++) {
        char copy[64];
        memcpy(copy, wire, wire_length);
        open_sender(&sender);
        assert_int_equal(hfa_ws_conn_close_reply(&sender.ws, sender.out, &sender.length),
                         HFA_ERR_STATE);
        assert_int_equal(hfa_ws_conn_input(&sender.ws, copy, wire_length, &consumed, &event),
                         HFA_OK);
        assert_int_equal(sender.ws.state, HFA_WS_STATE_CLOSE_RECEIVED);
        assert_nothing_can_be_sent(&sender.ws);
        if (reply)
            assert_int_equal(hfa_ws_conn_close_reply(&sender.ws, sender.out, &sender.length),
                             HFA_OK);
        else
            assert_int_equal(send_close(&sender, 4001, HFA_BYTES("later")), HFA_OK);
        assert_true(hfa_ws_conn_is_closed(&sender.ws));
        assert_int_equal(sender.ws.code_sent, reply ? 1000 : 4001);
        assert_nothing_can_be_sent(&sender.ws);
        assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_ERR_STATE);
        assert_int_equal(hfa_ws_conn_close_reply(&sender.ws, sender.out, &sender.length),
                         HFA_ERR_STATE);
    }
}

static void test_close_that_may_not_be_sent_changes_nothing(void **state)
{
    char too_long[HFA_WS_CLOSE_REASON_MAX + 1];
    struct sender sender;
    memset(too_long, 'x', sizeof(too_long));
    open_sender(&sender);
    for (unsigned code = 0; code < 70000; code++) {
        if (code <= UINT16_MAX && code_may_be_on_the_wire(code))
            continue;
        assert_int_equal(send_close(&sender, code, HFA_BYTES("")), HFA_ERR_INVALID);
    }
    assert_int_equal(send_close(&sender, 1000, (struct hfa_bytes){too_long, sizeof(too_long)}),
                     HFA_ERR_INVALID);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("\xff")), HFA_ERR_INVALID);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("cut \xc3")), HFA_ERR_INVALID);
    assert_true(hfa_ws_conn_is_open(&sender.ws));
    assert_int_equal(send_close(&sender, 1000, (struct hfa_bytes){too_long, sizeof(too_long) - 1}),
                     HFA_OK);
    assert_int_equal(sender.length, HFA_WS_CONTROL_FRAME_MAX);
}

/* ------------------------------------------------------------------ we send */

static void test_message_heads_are_final_unmasked_and_short(void **state)
{
    const struct {
        uint64_t length;
        struct hfa_bytes head;
    } cases[] = {
        {0, HFA_BYTES("\x81\x00")},
        {125, HFA_BYTES("\x81\x7d")},
        {126, HFA_BYTES("\x81\x7e\x00\x7e")},
        {65535, HFA_BYTES("\x81\x7e\xff\xff")},
        {65536, HFA_BYTES("\x81\x7f\0\0\0\0\0\x01\0\0")},
    };
    struct hfa_ws_conn ws;
    hfa_ws_conn_init(&ws, &limits);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[HFA_WS_FRAME_HEAD_MAX];
        size_t length;
        assert_int_equal(hfa_ws_conn_message_head(&ws, TEXT, cases[i].length, out, &length),
                         HFA_OK);
        assert_int_equal(length, cases[i].head.length);
        assert_memory_equal(out, cases[i].head.data, length);
        assert_int_equal(hfa_ws_conn_message_head(&ws, BINARY, cases[i].length, out, &length),
                         HFA_OK);
        assert_int_equal((unsigned char)out[0], 0x82);
        assert_memory_equal(out + 1, cases[i].head.data + 1, length - 1);
    }
}

static void test_pings_and_pongs_above_125_bytes_are_not_written(void **state)
{
    char payload[126] = {0};
    char out[HFA_WS_CONTROL_FRAME_MAX];
    struct hfa_ws_conn ws;
    size_t length;
    hfa_ws_conn_init(&ws, &limits);
    struct hfa_bytes longest = {payload, 125};
    struct hfa_bytes too_long = {payload, 126};
    assert_int_equal(hfa_ws_conn_ping(&ws, too_long, out, &length), HFA_ERR_INVALID);
    assert_int_equal(hfa_ws_conn_pong(&ws, too_long, out, &length), HFA_ERR_INVALID);
    assert_int_equal(hfa_ws_conn_ping(&ws, longest, out, &length), HFA_OK);
    assert_int_equal(length, 127);
    assert_memory_equal(out, "\x89\x7d", 2);
    assert_int_equal(hfa_ws_conn_pong(&ws, HFA_BYTES("hi"), out, &length), HFA_OK);
    assert_int_equal(length, 4);
    assert_memory_equal(out, "\x8a\x02hi", 4);
}

/* ------------------------------------------------------------------ memory */

/* Feeds `length` bytes at wire + at and returns what the call returned; nothing is answered. */
static enum hfa_status feed_once(struct hfa_ws_conn *ws, size_t at, size_t length, size_t *consumed,
                                 struct hfa_ws_event *event)
{
    return hfa_ws_conn_input(ws, wire + at, length, consumed, event);
}

static void test_whole_message_is_a_view_into_the_input(void **state)
{
    struct hfa_ws_event event;
    struct hfa_ws_conn ws;
    size_t consumed;
    add(FINAL | TEXT, HFA_BYTES("Hello"));
    add(TEXT, HFA_BYTES(""));
    add(FINAL | CONTINUATION, HFA_BYTES("again"));
    hfa_ws_conn_init(&ws, &limits);
    failing_malloc_arm(0);
    assert_int_equal(feed_once(&ws, 0, wire_length, &consumed, &event), HFA_OK);
    assert_ptr_equal(event.data.data, wire + 6);
    assert_memory_equal(wire + 6, "Hello", 5);
    size_t at = consumed;
    assert_int_equal(feed_once(&ws, at, wire_length - at, &consumed, &event), HFA_OK);
    assert_ptr_equal(event.data.data, wire + wire_length - 5);
    assert_memory_equal(wire + wire_length - 5, "again", 5);
    assert_int_equal(failing_malloc_disarm(), 0);
    assert_null(ws.buffer);
}

static void test_announced_length_alone_takes_little_memory(void **state)
{
    struct hfa_ws_event event;
    struct hfa_ws_conn ws;
    size_t consumed;
    add_raw(HFA_BYTES("\x82\xff\0\0\0\0\x01\0\0\0\0\0\0\0")); /* 16 MiB */
    hfa_ws_conn_init(&ws, &limits);
    assert_int_equal(feed_once(&ws, 0, wire_length, &consumed, &event), HFA_AGAIN);
    assert_null(ws.buffer);
    for (size_t received = 1; received <= 100000; received++) {
        char byte = 'x';
        assert_int_equal(hfa_ws_conn_input(&ws, &byte, 1, &consumed, &event), HFA_AGAIN);
        assert_true(ws.buffer_capacity <= 4096 + 2 * received);
    }
    hfa_ws_conn_free(&ws);
}

static void test_empty_fragments_take_no_memory(void **state)
{
    struct hfa_ws_event event;
    struct hfa_ws_conn ws;
    size_t consumed;
    hfa_ws_conn_init(&ws, &limits);
    add(TEXT, HFA_BYTES(""));
    for (size_t i = 0; i < 50000; i++)
        add(CONTINUATION, HFA_BYTES(""));
    failing_malloc_arm(0);
    assert_int_equal(feed_once(&ws, 0, wire_length, &consumed, &event), HFA_AGAIN);
    assert_int_equal(failing_malloc_disarm(), 0);
    assert_int_equal(consumed, wire_length);
    assert_true(hfa_ws_conn_is_receiving(&ws));
    hfa_ws_conn_free(&ws);
}

/* Receives a message of `size` bytes in two pieces. */
static void receive_in_two(struct hfa_ws_conn *ws, size_t size)
{
    static char payload[100000];
    struct hfa_ws_event event;
    size_t consumed;
    wire_length = 0;
    add(FINAL | BINARY, (struct hfa_bytes){payload, size});
    assert_int_equal(feed_once(ws, 0, wire_length - 1, &consumed, &event), HFA_AGAIN);
    assert_int_equal(feed_once(ws, wire_length - 1, 1, &consumed, &event), HFA_OK);
    assert_int_equal(event.data.length, size);
    assert_memory_equal(event.data.data, payload, size);
}

static void test_small_buffer_is_kept_and_large_one_freed(void **state)
{
    struct hfa_ws_event event;
    struct hfa_ws_conn ws;
    size_t consumed;
    hfa_ws_conn_init(&ws, &limits);
    receive_in_two(&ws, HFA_WS_BUFFER_KEPT);
    failing_malloc_arm(0);
    receive_in_two(&ws, HFA_WS_BUFFER_KEPT);
    receive_in_two(&ws, 100);
    assert_int_equal(failing_malloc_disarm(), 0);
    assert_non_null(ws.buffer);
    receive_in_two(&ws, HFA_WS_BUFFER_KEPT + 1);
    assert_non_null(ws.buffer); /* the view is still good */
    assert_int_equal(feed_once(&ws, 0, 0, &consumed, &event), HFA_AGAIN);
    assert_int_equal(consumed, 0);
    assert_null(ws.buffer);
}

static void test_trim_frees_a_buffer_at_rest_and_keeps_a_partial_message(void **state)
{
    struct hfa_ws_event event;
    struct hfa_ws_conn ws;
    size_t consumed;
    hfa_ws_conn_init(&ws, &limits);
    receive_in_two(&ws, 100);
    hfa_ws_conn_trim(&ws);
    assert_null(ws.buffer);

    wire_length = 0;
    add(FINAL | TEXT, HFA_BYTES("partial"));
    assert_int_equal(feed_once(&ws, 0, wire_length - 1, &consumed, &event), HFA_AGAIN);
    hfa_ws_conn_trim(&ws);
    assert_int_equal(feed_once(&ws, wire_length - 1, 1, &consumed, &event), HFA_OK);
    assert_memory_equal(event.data.data, "partial", 7);
    hfa_ws_conn_free(&ws);
}

static void test_view_survives_our_close(void **state)
{
    struct sender sender;
    open_sender(&sender);
    receive_in_two(&sender.ws, 100);
    assert_int_equal(send_close(&sender, 1000, HFA_BYTES("")), HFA_OK);
    assert_non_null(sender.ws.buffer);
    hfa_ws_conn_trim(&sender.ws);
    assert_null(sender.ws.buffer);
}

static void test_receiving_lasts_from_first_byte_to_last(void **state)
{
    struct hfa_ws_conn ws;
    hfa_ws_conn_init(&ws, &limits);
    add(TEXT, HFA_BYTES("frag"));
    add(FINAL | CONTINUATION, HFA_BYTES("ment"));
    assert_false(hfa_ws_conn_is_receiving(&ws));
    for (size_t at = 0; at < wire_length; at++) {
        struct hfa_ws_event event;
        size_t consumed;
        bool last = at == wire_length - 1;
        assert_int_equal(feed_once(&ws, at, 1, &consumed, &event), last ? HFA_OK : HFA_AGAIN);
        assert_int_equal(hfa_ws_conn_is_receiving(&ws), !last);
    }
    hfa_ws_conn_free(&ws);
}

static void test_each_failing_allocation_costs_the_connection_alone(void **state)
{
    static char payload[30000];
    struct conversation talk;
    fill(payload, sizeof(payload), ' ');
    for (int i = 0; i < 3; i++) {
        add(TEXT, (struct hfa_bytes){payload, sizeof(payload)});
        add(FINAL | PING, HFA_BYTES("?"));
        add(FINAL | CONTINUATION, HFA_BYTES("end"));
    }
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8"));
    for (size_t piece = 1; piece <= 4096; piece *= 64) {
        long index = 0;
        for (;; index++) {
            converse(piece, index, &talk);
            if (!strstr(talk.text, "fault"))
                break;
            assert_non_null(strstr(talk.text, "fault(1011) >close(1011) end"));
        }
        assert_true(index >= 3);
        assert_non_null(strstr(talk.text, "close(1000) >close(1000) end"));
    }
}

/* ------------------------------------------------------------------ compression */

/* RFC 7692 7.2.3: "Hello", and "Hello" again in a window that has it. */
#define HELLO       "\xf2\x48\xcd\xc9\xc9\x07\x00"
#define HELLO_AGAIN "\xf2\x00\x11\x00\x00"

#define PACKED HFA_WS_RSV1

static int begin_packed(void **state)
{
    begin(state);
    terms = (struct hfa_ws_deflate_terms){
        .server_window_bits = 12, .client_window_bits = 12, .memory_level = 5};
    is_packing = true;
    return 0;
}

static void test_packed_message_is_unpacked(void **state)
{
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO));
    add(FINAL | PACKED | BINARY, HFA_BYTES(HELLO));
    assert_goes("text(Hello) binary(Hello)");
}

static void test_message_need_not_be_packed(void **state)
{
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO));
    add(FINAL | TEXT, HFA_BYTES("plain"));
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO_AGAIN));
    assert_goes("text(Hello) text(plain) text(Hello)");
}

static void test_packed_message_may_be_cut_into_frames(void **state)
{
    add(PACKED | TEXT, HFA_BYTES("\xf2\x48\xcd"));
    add(FINAL | PING, HFA_BYTES("?"));
    add(CONTINUATION, HFA_BYTES(""));
    add(FINAL | CONTINUATION, HFA_BYTES("\xc9\xc9\x07\x00"));
    assert_goes("ping(?) >pong(?) text(Hello)");
}

static void test_blocks_of_every_kind_are_unpacked(void **state)
{
    add(FINAL | PACKED | TEXT, HFA_BYTES("\x00\x05\x00\xfa\xffHello\x00"));
    add(FINAL | PACKED | TEXT, HFA_BYTES("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"));
    add(FINAL | PACKED | TEXT, HFA_BYTES("\x00"));
    assert_goes("text(Hello) text(Hello) text()");
}

static void test_block_may_say_that_it_is_the_last_and_the_window_stays(void **state)
{
    add(FINAL | PACKED | TEXT, HFA_BYTES("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"));
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO_AGAIN));
    assert_goes("text(Hello) text(Hello)");
}

static void test_window_ends_with_its_message_when_that_was_agreed_on(void **state)
{
    terms.client_no_context_takeover = true;
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO));
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO));
    add(FINAL | PACKED | TEXT, HFA_BYTES(HELLO_AGAIN));
    assert_goes("text(Hello) text(Hello) fault(1002) >close(1002) end");
}

static void test_only_the_first_frame_of_a_message_says_that_it_is_packed(void **state)
{
    static const unsigned opcodes[] = {CLOSE, PING, PONG, CONTINUATION};
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
        begin_packed(state);
        add(PACKED | TEXT, HFA_BYTES("\xf2\x48"));
        add(FINAL | PACKED | opcodes[i], HFA_BYTES(""));
        assert_goes("fault(1002) >close(1002) end");
        begin_packed(state);
        add(FINAL | PACKED | HFA_WS_RSV2 | TEXT, HFA_BYTES(HELLO));
        assert_goes("fault(1002) >close(1002) end");
    }
}

static void test_what_deflate_does_not_write_fails(void **state)
{
    add(FINAL | PACKED | BINARY, HFA_BYTES("\xff\xff\xff\xff"));
    assert_goes("fault(1002) >close(1002) end");
}

static void test_text_is_judged_unpacked(void **state)
{
    add(FINAL | PACKED | TEXT, HFA_BYTES("\x00\x02\x00\xfd\xff\xc3\xa9\x00"));
    add(FINAL | PACKED | TEXT, HFA_BYTES("\x00\x01\x00\xfe\xff\xc3\x00"));
    assert_goes("text(\\xc3\\xa9) fault(1007) >close(1007) end");
}

/* A message of so many bytes of a kind, packed as a client might. */
static struct hfa_bytes pack_run(size_t length)
{
    static char run[100000];
    static char packed[100000];
    size_t packed_length = 0;
    struct hfa_ws_deflate *deflate = hfa_ws_deflate_new(&terms);
    assert_non_null(deflate);
    memset(run, 'x', sizeof(run));
    assert_int_equal(hfa_ws_deflate_pack(deflate, (struct hfa_bytes){run, length}, packed,
                                         sizeof(packed), &packed_length),
                     HFA_OK);
    hfa_ws_deflate_free(deflate);
    return (struct hfa_bytes){packed, packed_length};
}

static void test_limit_counts_what_is_unpacked(void **state)
{
    static char run[100000];
    struct conversation expected = {.length = 0};
    memset(run, 'x', sizeof(run));
    limits.message_size = 90000;
    terms.client_no_context_takeover = true;
    add(FINAL | PACKED | BINARY, pack_run(90000));
    add(FINAL | PACKED | BINARY, pack_run(90001));
    tell_what(&expected, "binary", (struct hfa_bytes){run, 90000});
    tell(&expected, " fault(1009) >close(1009) end");
    assert_goes(expected.text);
    assert_true(wire_length < 1000);
}

static void test_bomb_takes_no_more_memory_than_a_message_may(void **state)
{
    struct hfa_ws_conn ws;
    struct hfa_ws_event event;
    size_t consumed;
    limits.message_size = 5000;
    add(FINAL | PACKED | BINARY, pack_run(100000));
    hfa_ws_conn_init(&ws, &limits);
    hfa_ws_conn_use_deflate(&ws, hfa_ws_deflate_new(&terms));
    for (size_t at = 0; at + 1 < wire_length && ws.state == HFA_WS_STATE_OPEN; at += consumed) {
        hfa_ws_conn_input(&ws, wire + at, 1, &consumed, &event);
        assert_true(ws.buffer_capacity <= limits.message_size + 1);
    }
    assert_int_equal(event.code, HFA_WS_CLOSE_TOO_BIG);
    assert_null(ws.buffer);
    hfa_ws_conn_free(&ws);
}

static void test_packed_message_after_our_close_is_dropped(void **state)
{
    struct hfa_ws_conn ws;
    struct hfa_ws_event event;
    size_t consumed;
    char out[HFA_WS_CONTROL_FRAME_MAX];
    size_t length;
    hfa_ws_conn_init(&ws, &limits);
    hfa_ws_conn_use_deflate(&ws, hfa_ws_deflate_new(&terms));
    assert_int_equal(
        hfa_ws_conn_close(&ws, (struct hfa_ws_close){1000, HFA_BYTES("")}, out, &length), HFA_OK);
    add(FINAL | PACKED | BINARY, HFA_BYTES("\xff\xff\xff\xff"));
    add(FINAL | CLOSE, HFA_BYTES("\x03\xe8"));
    assert_int_equal(hfa_ws_conn_input(&ws, wire, wire_length, &consumed, &event), HFA_OK);
    assert_int_equal(event.type, HFA_WS_EVENT_CLOSE);
    hfa_ws_conn_free(&ws);
}

/* What a client reads of a frame of ours, unpacked by `ws`, whose terms are the same both ways. */
static void assert_packs(struct hfa_ws_conn *ws, struct hfa_bytes message, struct hfa_bytes payload)
{
    char out[1000];
    size_t room, length, head_length;
    struct hfa_ws_frame_head head;
    struct hfa_ws_close fault;
    assert_int_equal(hfa_ws_conn_pack_room(ws, message.length, &room), HFA_OK);
    assert_true(room <= sizeof(out));
    assert_int_equal(hfa_ws_conn_pack(ws, HFA_WS_OPCODE_TEXT, message, out, room, &length), HFA_OK);
    assert_int_equal(
        hfa_ws_frame_decode((struct hfa_bytes){out, length}, false, &head, &head_length, &fault),
        HFA_OK);
    assert_true(head.final && head.opcode == HFA_WS_OPCODE_TEXT);
    assert_int_equal(head.reserved, HFA_WS_RSV1);
    assert_int_equal(head.payload_length, payload.length);
    assert_int_equal(head_length + head.payload_length, length);
    assert_memory_equal(out + head_length, payload.data, payload.length);
}

static void test_messages_are_packed_in_one_window(void **state)
{
    struct hfa_ws_conn ws;
    hfa_ws_conn_init(&ws, &limits);
    hfa_ws_conn_use_deflate(&ws, hfa_ws_deflate_new(&terms));
    assert_true(hfa_ws_conn_packs(&ws));
    assert_packs(&ws, HFA_BYTES("Hello"), HFA_BYTES(HELLO));
    assert_packs(&ws, HFA_BYTES("Hello"), HFA_BYTES(HELLO_AGAIN));
    assert_packs(&ws, HFA_BYTES(""), HFA_BYTES("\x00"));
    assert_packs(&ws, HFA_BYTES(""), HFA_BYTES("\x00"));
    hfa_ws_conn_free(&ws);
}

static void test_each_message_is_packed_alone_when_that_was_agreed_on(void **state)
{
    struct hfa_ws_conn ws;
    hfa_ws_conn_init(&ws, &limits);
    terms.server_no_context_takeover = true;
    hfa_ws_conn_use_deflate(&ws, hfa_ws_deflate_new(&terms));
    assert_packs(&ws, HFA_BYTES("Hello"), HFA_BYTES(HELLO));
    assert_packs(&ws, HFA_BYTES("Hello"), HFA_BYTES(HELLO));
    hfa_ws_conn_free(&ws);
}

static void test_message_that_cannot_be_packed_smaller_has_room(void **state)
{
    static char noise[70000], out[80000];
    size_t room, length;
    struct hfa_ws_conn ws;
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof(noise); i++) {
        random = random * 1664525 + 1013904223;
        noise[i] = (char)(random >> 24);
    }
    hfa_ws_conn_init(&ws, &limits);
    hfa_ws_conn_use_deflate(&ws, hfa_ws_deflate_new(&terms));
    for (size_t size = 1; size <= sizeof(noise); size = size * 3 + 1) {
        assert_int_equal(hfa_ws_conn_pack_room(&ws, size, &room), HFA_OK);
        assert_true(room <= sizeof(out));
        assert_int_equal(hfa_ws_conn_pack(&ws, HFA_WS_OPCODE_BINARY,
                                          (struct hfa_bytes){noise, size}, out, room, &length),
                         HFA_OK);
    }
    hfa_ws_conn_free(&ws);
}

int main(void)
{
#define CONVERSATION(test)        cmocka_unit_test_setup(test, begin)
#define PACKED_CONVERSATION(test) cmocka_unit_test_setup(test, begin_packed)
    const struct CMUnitTest tests[] = {
        CONVERSATION(test_messages_of_every_length_form_come_whole),
        CONVERSATION(test_messages_come_in_order),
        CONVERSATION(test_unmasked_frame_fails),
        CONVERSATION(test_length_in_a_longer_form_fails),
        CONVERSATION(test_length_with_its_top_bit_is_too_big),
        CONVERSATION(test_ping_is_answered_with_its_payload),
        CONVERSATION(test_ping_above_125_bytes_fails),
        CONVERSATION(test_unsolicited_pongs_are_reported_and_not_answered),
        CONVERSATION(test_ten_pings_are_answered_in_order),
        CONVERSATION(test_reserved_bits_fail_on_every_kind_of_frame),
        CONVERSATION(test_reserved_bit_on_a_continuation_fails),
        CONVERSATION(test_reserved_opcodes_fail),
        CONVERSATION(test_fragmented_control_frame_fails),
        CONVERSATION(test_fragments_are_joined),
        CONVERSATION(test_empty_fragments_count_for_nothing),
        CONVERSATION(test_control_frames_between_fragments_come_at_once),
        CONVERSATION(test_continuation_of_nothing_fails),
        CONVERSATION(test_continuation_after_the_last_fragment_fails),
        CONVERSATION(test_new_message_inside_another_fails),
        CONVERSATION(test_characters_may_be_cut_by_fragments),
        CONVERSATION(test_malformed_text_fails),
        CONVERSATION(test_text_that_ends_inside_a_character_fails),
        CONVERSATION(test_malformed_text_fails_before_its_message_ends),
        CONVERSATION(test_binary_messages_need_not_be_text),
        CONVERSATION(test_state_of_a_text_does_not_leak_into_the_next),
        CONVERSATION(test_message_at_the_limit_passes_and_one_byte_more_fails),
        CONVERSATION(test_limit_counts_all_fragments),
        CONVERSATION(test_limit_is_judged_by_the_announced_length),
        CONVERSATION(test_limit_does_not_touch_control_frames),
        CONVERSATION(test_no_message_fits_a_limit_of_zero_but_the_empty_one),
        CONVERSATION(test_close_is_echoed),
        CONVERSATION(test_close_without_a_code_is_1005_and_echoed_empty),
        CONVERSATION(test_close_with_the_longest_reason_is_echoed),
        CONVERSATION(test_close_above_125_bytes_fails),
        CONVERSATION(test_close_with_half_a_code_fails),
        CONVERSATION(test_close_with_a_malformed_reason_fails),
        CONVERSATION(test_every_close_code_is_echoed_or_fails),
        CONVERSATION(test_nothing_is_read_after_a_close),
        CONVERSATION(test_close_between_fragments_is_echoed),
        CONVERSATION(test_close_after_a_large_message_is_echoed),
        CONVERSATION(test_our_close_waits_for_the_peers),
        CONVERSATION(test_what_the_peer_sends_before_its_close_is_dropped),
        CONVERSATION(test_close_in_the_middle_of_receiving_drops_what_came),
        CONVERSATION(test_limit_is_each_messages_own_after_our_close),
        CONVERSATION(test_rules_hold_after_our_close),
        CONVERSATION(test_nothing_is_sent_after_our_close),
        CONVERSATION(test_after_the_peers_close_only_a_close_is_sent_once),
        CONVERSATION(test_close_that_may_not_be_sent_changes_nothing),
        CONVERSATION(test_message_heads_are_final_unmasked_and_short),
        CONVERSATION(test_pings_and_pongs_above_125_bytes_are_not_written),
        CONVERSATION(test_whole_message_is_a_view_into_the_input),
        CONVERSATION(test_announced_length_alone_takes_little_memory),
        CONVERSATION(test_empty_fragments_take_no_memory),
        CONVERSATION(test_small_buffer_is_kept_and_large_one_freed),
        CONVERSATION(test_trim_frees_a_buffer_at_rest_and_keeps_a_partial_message),
        CONVERSATION(test_view_survives_our_close),
        CONVERSATION(test_receiving_lasts_from_first_byte_to_last),
        CONVERSATION(test_each_failing_allocation_costs_the_connection_alone),
    };
    const struct CMUnitTest packed_tests[] = {
        PACKED_CONVERSATION(test_packed_message_is_unpacked),
        PACKED_CONVERSATION(test_message_need_not_be_packed),
        PACKED_CONVERSATION(test_packed_message_may_be_cut_into_frames),
        PACKED_CONVERSATION(test_blocks_of_every_kind_are_unpacked),
        PACKED_CONVERSATION(test_block_may_say_that_it_is_the_last_and_the_window_stays),
        PACKED_CONVERSATION(test_window_ends_with_its_message_when_that_was_agreed_on),
        PACKED_CONVERSATION(test_only_the_first_frame_of_a_message_says_that_it_is_packed),
        PACKED_CONVERSATION(test_what_deflate_does_not_write_fails),
        PACKED_CONVERSATION(test_text_is_judged_unpacked),
        PACKED_CONVERSATION(test_limit_counts_what_is_unpacked),
        PACKED_CONVERSATION(test_bomb_takes_no_more_memory_than_a_message_may),
        PACKED_CONVERSATION(test_packed_message_after_our_close_is_dropped),
        PACKED_CONVERSATION(test_messages_are_packed_in_one_window),
        PACKED_CONVERSATION(test_each_message_is_packed_alone_when_that_was_agreed_on),
        PACKED_CONVERSATION(test_message_that_cannot_be_packed_smaller_has_room),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (hfa_ws_deflate_is_available())
        failed += cmocka_run_group_tests(packed_tests, NULL, NULL);
    return failed;
}
