/* Asks who the client is, of a list of trusted peers and of what proxies say.
 *
 * Input: a line with the trusted peers, then lines with "f" and a value of X-Forwarded-For, or "p"
 * and one of X-Forwarded-Proto. The fields of a name make one list: however it is cut into fields,
 * the client is the same.
 */
#include <stdint.h>
#include <string.h>

#include "forwarded.h"
#include "ip_address.h"
#include "latin1.h"
#include "require.h"

#define FIELDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct hfa_bytes forwarded_for = HFA_BYTES_INIT("x-forwarded-for");
static const struct hfa_bytes forwarded_proto = HFA_BYTES_INIT("x-forwarded-proto");

/* Cuts the next piece, without its end, off `text`. False: nothing is left. */
static bool next_piece(struct hfa_bytes *text, char separator, struct hfa_bytes *piece)
{
    if (text->data == NULL)
        return false;
    const char *end = text->length > 0 ? memchr(text->data, separator, text->length) : NULL;
    *piece = *text;
    if (end == NULL) {
        *text = (struct hfa_bytes){NULL, 0};
        return true;
    }
    piece->length = (size_t)(end - text->data);
    text->data = end + 1;
    text->length -= piece->length + 1;
    return true;
}

/* Every address in the list that was read is covered. */
static void require_trust(const struct hfa_trust *trust, struct hfa_bytes text)
{
    struct hfa_bytes item;
    struct hfa_ip_address address;
    require(hfa_trust_is_everybody(trust) == hfa_bytes_equal(text, HFA_BYTES("*")));
    require(hfa_trust_covers(trust, (struct hfa_bytes){NULL, 0}) == hfa_trust_is_everybody(trust));
    while (next_piece(&text, ',', &item)) {
        item = hfa_latin1_trim(item);
        if (item.length > 0 && hfa_ip_address_parse(item, &address))
            require(hfa_trust_covers(trust, item));
    }
}

static void require_scheme(struct hfa_bytes scheme, bool is_websocket)
{
    bool is_ws =
        hfa_bytes_equal(scheme, HFA_BYTES("ws")) || hfa_bytes_equal(scheme, HFA_BYTES("wss"));
    bool is_http =
        hfa_bytes_equal(scheme, HFA_BYTES("http")) || hfa_bytes_equal(scheme, HFA_BYTES("https"));
    require(scheme.length == 0 || is_ws || (is_http && !is_websocket));
}

static void require_same(const struct hfa_forwarded *left, const struct hfa_forwarded *right)
{
    require(left->client_port == right->client_port);
    require(hfa_bytes_equal(left->client_host, right->client_host));
    require(hfa_bytes_equal(left->scheme, right->scheme));
}

/* The same lists, each host in a field of its own, each in memory of its own. */
static size_t cut_fields(const struct hfa_field *fields, size_t count, struct hfa_field *cut)
{
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        struct hfa_bytes rest = fields[i].value;
        struct hfa_bytes piece;
        bool is_list = hfa_bytes_equal(fields[i].name, forwarded_for);
        while (is_list ? next_piece(&rest, ',', &piece) : next_piece(&rest, '\n', &piece)) {
            char *memory = malloc(piece.length + 1);
            require(memory != NULL);
            memcpy(memory, piece.data, piece.length);
            cut[made++] = (struct hfa_field){fields[i].name, {memory, piece.length}};
        }
    }
    return made;
}

static void judge(const struct hfa_trust *trust, const struct hfa_field *fields, size_t count,
                  struct hfa_field *cut)
{
    size_t cut_count = cut_fields(fields, count, cut);
    for (int is_websocket = 0; is_websocket < 2; is_websocket++) {
        struct hfa_forwarded whole, pieces;
        hfa_forwarded_from_x_fields(trust, HFA_FORWARDED_FOR | HFA_FORWARDED_PROTO, fields, count,
                                    is_websocket, &whole);
        hfa_forwarded_from_x_fields(trust, HFA_FORWARDED_FOR | HFA_FORWARDED_PROTO, cut, cut_count,
                                    is_websocket, &pieces);
        require_same(&whole, &pieces);
        require_scheme(whole.scheme, is_websocket);
    }
    for (size_t i = 0; i < cut_count; i++)
        free((void *)cut[i].value.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfa_bytes text = {(const char *)data, size};
    struct hfa_bytes line, trusted, bad_item;
    struct hfa_field fields[FIELDS_MAX];
    struct hfa_trust *trust;
    size_t count = 0;

    if (size == 0 || !next_piece(&text, '\n', &trusted))
        return 0;
    enum hfa_status status = hfa_trust_create(trusted, &trust, &bad_item);
    if (status != HFA_OK) {
        require(status == HFA_ERR_INVALID && trust == NULL && bad_item.length > 0);
        require(bad_item.data >= trusted.data &&
                bad_item.data + bad_item.length <= trusted.data + trusted.length);
        return 0;
    }
    require_trust(trust, trusted);
    while (count < FIELDS_MAX && next_piece(&text, '\n', &line)) {
        if (line.length == 0)
            continue;
        fields[count].name = line.data[0] == 'p' ? forwarded_proto : forwarded_for;
        fields[count].value = (struct hfa_bytes){line.data + 1, line.length - 1};
        count++;
    }
    struct hfa_field *cut = calloc(size + 1, sizeof(*cut));
    require(cut != NULL);
    judge(trust, fields, count, cut);
    free(cut);
    hfa_trust_destroy(trust);
    return 0;
}
