/* The opening handshake: a good request, and every way in which one is turned down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_page.h"
#include "ws_handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

struct request {
    struct hfa_bytes method;
    struct hfa_field fields[16];
    size_t count;
};

static struct hfa_bytes view(const char *text)
{
    return (struct hfa_bytes){text, strlen(text)};
}

static void add(struct request *request, const char *name, const char *value)
{
    assert_true(request->count < sizeof(request->fields) / sizeof(request->fields[0]));
    request->fields[request->count++] = (struct hfa_field){view(name), view(value)};
}

static void drop(struct request *request, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < request->count; i++) {
        if (!hfa_bytes_equal(request->fields[i].name, view(name)))
            request->fields[kept++] = request->fields[i];
    }
    assert_true(kept < request->count);
    request->count = kept;
}

static void begin(struct request *request)
{
    request->method = HFA_BYTES("GET");
    request->count = 0;
    add(request, "host", "example.com");
    add(request, "upgrade", "websocket");
    add(request, "connection", "Upgrade");
    add(request, "sec-websocket-key", KEY);
    add(request, "sec-websocket-version", "13");
}

static enum hfa_status check(const struct request *request, char accept[HFA_WS_ACCEPT_SIZE],
                             struct hfa_ws_refusal *refusal)
{
    return hfa_ws_handshake_check(request->method, request->fields, request->count, accept,
                                  refusal);
}

static void assert_accepted(const struct request *request)
{
    char accept[HFA_WS_ACCEPT_SIZE + 1] = {0};
    struct hfa_ws_refusal refusal = {.reason = HFA_BYTES("")};
    if (check(request, accept, &refusal) != HFA_OK)
        fail_msg("refused: %.*s", (int)refusal.reason.length, refusal.reason.data);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/* Refused with `status` and with the field "name: value", or none if that is empty. */
static void assert_refused(const struct request *request, int status, const char *field)
{
    char accept[HFA_WS_ACCEPT_SIZE];
    char sent[100] = "";
    struct hfa_ws_refusal refusal;
    assert_int_equal(check(request, accept, &refusal), HFA_ERR_PROTOCOL);
    assert_int_equal(refusal.http_status, status);
    if (refusal.field.name.length > 0)
        snprintf(sent, sizeof(sent), "%.*s: %.*s", (int)refusal.field.name.length,
                 refusal.field.name.data, (int)refusal.field.value.length,
                 refusal.field.value.data);
    assert_string_equal(sent, field);
    assert_true(refusal.reason.length > 0);
}

/* The good request with one more field. */
static void with(struct request *request, const char *name, const char *value)
{
    begin(request);
    add(request, name, value);
}

/* The good request with another value for one field. */
static void change(struct request *request, const char *name, const char *value)
{
    begin(request);
    drop(request, name);
    add(request, name, value);
}

static void test_example_of_the_rfc_is_accepted(void **state)
{
    struct request request;
    begin(&request);
    assert_accepted(&request);
}

static void test_names_and_keywords_have_no_case(void **state)
{
    struct request request = {.method = HFA_BYTES("GET")};
    add(&request, "UPGRADE", "WebSocket");
    add(&request, "Connection", "keep-alive, UPGRADE");
    add(&request, "Sec-WebSocket-Key", KEY);
    add(&request, "Sec-WebSocket-VERSION", "13");
    assert_accepted(&request);
}

static void test_connection_may_list_other_options(void **state)
{
    static const char *const good[] = {"keep-alive, Upgrade", ",, upgrade ,", "upgrade,close"};
    struct request request;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        change(&request, "connection", good[i]);
        assert_accepted(&request);
    }
    change(&request, "connection", "keep-alive");
    add(&request, "connection", "upgrade");
    assert_accepted(&request);
}

static void test_other_methods_are_405(void **state)
{
    static const char *const methods[] = {"POST", "HEAD", "get", "GETS", "CONNECT"};
    struct request request;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        begin(&request);
        request.method = view(methods[i]);
        assert_refused(&request, 405, "allow: GET");
    }
}

static void test_request_that_does_not_upgrade_is_426(void **state)
{
    struct request request;
    begin(&request);
    drop(&request, "connection");
    assert_refused(&request, 426, "upgrade: websocket");
    change(&request, "connection", "keep-alive, upgrades");
    assert_refused(&request, 426, "upgrade: websocket");
    begin(&request);
    drop(&request, "upgrade");
    assert_refused(&request, 426, "upgrade: websocket");
    change(&request, "upgrade", "h2c");
    assert_refused(&request, 426, "upgrade: websocket");
}

static void test_upgrade_to_anything_besides_is_426(void **state)
{
    static const char *const values[] = {"h2c, websocket", "websocket, websocket", "websocket/13"};
    struct request request;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        change(&request, "upgrade", values[i]);
        assert_refused(&request, 426, "upgrade: websocket");
    }
    with(&request, "upgrade", "h2c");
    assert_refused(&request, 426, "upgrade: websocket");
}

static void test_malformed_lists_are_400(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"connection", "upgrade, two words"},
        {"connection", "upgrade; x"},
        {"connection", ""},
        {"connection", " , ,"},
        {"upgrade", "web socket"},
        {"upgrade", "websocket/"},
        {"upgrade", "/websocket"},
        {"upgrade", "websocket/1/2"},
        {"upgrade", ""},
        {"sec-websocket-protocol", ""},
        {"sec-websocket-protocol", ","},
        {"sec-websocket-protocol", "chat, super chat"},
        {"sec-websocket-protocol", "\"chat\""},
        {"sec-websocket-protocol", "ch\xC3\xA4t"},
        {"sec-websocket-extensions", ""},
        {"sec-websocket-extensions", ";x"},
        {"sec-websocket-extensions", "permessage-deflate;"},
        {"sec-websocket-extensions", "permessage-deflate; ; x"},
        {"sec-websocket-extensions", "permessage-deflate; x="},
        {"sec-websocket-extensions", "permessage-deflate; =y"},
        {"sec-websocket-extensions", "permessage-deflate; x=y=z"},
        {"sec-websocket-extensions", "permessage-deflate; x y"},
        {"sec-websocket-extensions", "permessage-deflate; x=\"\""},
        {"sec-websocket-extensions", "permessage-deflate; x=\"a"},
        {"sec-websocket-extensions", "permessage-deflate; x=\""},
        {"sec-websocket-extensions", "permessage-deflate; x=a\""},
        {"sec-websocket-extensions", "permessage-deflate; x=\"a b\""},
        {"sec-websocket-extensions", "permessage-deflate; x=\"a,b\""},
        {"sec-websocket-extensions", "permessage-deflate; x=\"a\\\""},
        {"sec-websocket-extensions", "permessage-deflate; x=\"a\\ b\""},
        {"sec-websocket-extensions", "permessage-deflate x-other"},
    };
    struct request request;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s: %s\n", cases[i].name, cases[i].value);
        with(&request, cases[i].name, cases[i].value);
        assert_refused(&request, 400, "");
    }
}

static void test_well_formed_extensions_and_protocols_are_accepted(void **state)
{
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"sec-websocket-extensions", "permessage-deflate; client_max_window_bits"},
        {"sec-websocket-extensions", "permessage-deflate;client_max_window_bits=15 , x-other"},
        {"sec-websocket-extensions", "a ; b = \"c\" ; d=\"e\\f\", , g"},
        {"sec-websocket-protocol", "chat, superchat"},
        {"sec-websocket-protocol", ",chat,,v10.stomp,"},
    };
    struct request request;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        with(&request, cases[i].name, cases[i].value);
        assert_accepted(&request);
        add(&request, cases[i].name, "another");
        assert_accepted(&request);
    }
}

static void test_key_has_to_be_16_bytes_in_base64(void **state)
{
    static const char *const bad[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ",    /* no padding */
        "dGhlIHNhbXBsZSBub25jZQ=",   /* half of it */
        "dGhlIHNhbXBsZSBub25jZQ===", /* too much */
        "dGhlIHNhbXBsZSBub25jZWE=",  /* 17 bytes */
        "dGhlIHNhbXBsZSBub25jZWFi",  /* 18 bytes */
        "dGhlIHNhbXBsZSBub25j",      /* 15 bytes */
        "dGhlIHNhbXBsZSBub25=ZQ==",  /* padding inside */
        "dGhlIHNhbXBsZS*ub25jZQ==",  /* not in the alphabet */
        "dGhlIHNhbXBsZS_-b25jZQ==",  /* another alphabet */
        "dGhlIHNhbXBs ZSBub25jZQ==", /* white space */
    };
    struct request request;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        change(&request, "sec-websocket-key", bad[i]);
        assert_refused(&request, 400, "");
    }
    begin(&request);
    drop(&request, "sec-websocket-key");
    assert_refused(&request, 400, "");
    with(&request, "sec-websocket-key", KEY);
    assert_refused(&request, 400, "");
}

static void test_every_digit_of_base64_is_taken(void **state)
{
    static const char *const keys[] = {"ABCDEFGHIJKLMNOPQRSTUQ==", "VWXYZabcdefghijklmnopg==",
                                       "qrstuvwxyz0123456789+w==", "//////////////////////=="};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char accept[HFA_WS_ACCEPT_SIZE];
        struct hfa_ws_refusal refusal;
        struct request request;
        change(&request, "sec-websocket-key", keys[i]);
        assert_int_equal(check(&request, accept, &refusal), HFA_OK);
    }
}

static void test_version_has_to_be_13(void **state)
{
    static const char *const bad[] = {"", "8", "12", "14", "013", "13, 8", "13 13"};
    struct request request;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        change(&request, "sec-websocket-version", bad[i]);
        assert_refused(&request, 400, "sec-websocket-version: 13");
    }
    begin(&request);
    drop(&request, "sec-websocket-version");
    assert_refused(&request, 400, "sec-websocket-version: 13");
    with(&request, "sec-websocket-version", "13");
    assert_refused(&request, 400, "sec-websocket-version: 13");
}

static void test_repeated_origin_is_400(void **state)
{
    struct request request;
    with(&request, "origin", "https://example.com");
    assert_accepted(&request);
    add(&request, "origin", "https://example.com");
    assert_refused(&request, 400, "");
}

static void test_request_without_fields_is_refused(void **state)
{
    struct request request = {.method = HFA_BYTES("GET")};
    assert_refused(&request, 426, "upgrade: websocket");
}

/* Values end at an unreadable page, as the last one of a request may. */
static void test_nothing_past_a_value_is_read(void **state)
{
    static const char *const values[] = {
        "a;b=\"c\"", "a;b=\"c", "a;b=\"c\\", "a;b=", "a;", "a,",
        "a/b",       "a/",      KEY,         "",     "13", "upgrade"};
    static const char *const names[] = {"connection",
                                        "upgrade",
                                        "sec-websocket-key",
                                        "sec-websocket-version",
                                        "sec-websocket-extensions",
                                        "sec-websocket-protocol"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct guard_page page;
        guard_page_map(&page, values[i], strlen(values[i]));
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
            char accept[HFA_WS_ACCEPT_SIZE];
            struct hfa_ws_refusal refusal = {0};
            struct request request;
            begin(&request);
            if (j < 4)
                drop(&request, names[j]);
            request.fields[request.count++] =
                (struct hfa_field){view(names[j]), {page.data, page.length}};
            if (check(&request, accept, &refusal) != HFA_OK)
                assert_true(refusal.http_status == 400 || refusal.http_status == 426);
        }
        guard_page_unmap(&page);
    }
}

static void test_subprotocols_come_trimmed_and_with_empty_ones(void **state)
{
    struct hfa_bytes list = HFA_BYTES("chat,, v10.stomp \t,");
    const struct hfa_bytes expected[] = {HFA_BYTES("chat"), HFA_BYTES(""), HFA_BYTES("v10.stomp"),
                                         HFA_BYTES("")};
    struct hfa_bytes element;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_true(hfa_ws_handshake_next_subprotocol(&list, &element));
        assert_int_equal(element.length, expected[i].length);
        assert_true(hfa_bytes_equal(element, expected[i]));
    }
    assert_false(hfa_ws_handshake_next_subprotocol(&list, &element));
    assert_false(hfa_ws_handshake_next_subprotocol(&list, &element));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example_of_the_rfc_is_accepted),
        cmocka_unit_test(test_names_and_keywords_have_no_case),
        cmocka_unit_test(test_connection_may_list_other_options),
        cmocka_unit_test(test_other_methods_are_405),
        cmocka_unit_test(test_request_that_does_not_upgrade_is_426),
        cmocka_unit_test(test_upgrade_to_anything_besides_is_426),
        cmocka_unit_test(test_malformed_lists_are_400),
        cmocka_unit_test(test_well_formed_extensions_and_protocols_are_accepted),
        cmocka_unit_test(test_key_has_to_be_16_bytes_in_base64),
        cmocka_unit_test(test_every_digit_of_base64_is_taken),
        cmocka_unit_test(test_version_has_to_be_13),
        cmocka_unit_test(test_repeated_origin_is_400),
        cmocka_unit_test(test_request_without_fields_is_refused),
        cmocka_unit_test(test_nothing_past_a_value_is_read),
        cmocka_unit_test(test_subprotocols_come_trimmed_and_with_empty_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
