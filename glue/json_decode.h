/* JSON bytes as Python values: what json.loads(bytes) builds.
 *
 * Well-formed UTF-8 documents are read here. For everything else - an error, another encoding, a
 * byte order mark, more containers inside each other than HFA_JSON_DECODE_DEPTH_MAX - json.loads is
 * called with the same bytes, and its result or exception is ours.
 *
 * One thread at a time, with the GIL. Garbage collection may run user code meanwhile, which may use
 * the same decoder.
 */
#ifndef HFA_JSON_DECODE_H
#define HFA_JSON_DECODE_H

#include "compat.h"

#define HFA_JSON_DECODE_DEPTH_MAX 128

/* Keys of dicts that the next documents may have too: ASCII, of this length at most. A peer can
 * make the decoder hold as many of that size, no more. */
#define HFA_JSON_KEYS_BITS      10
#define HFA_JSON_KEY_LENGTH_MAX 48

struct hfa_json_decoder {
    PyObject *loads;                         /* owned */
    PyObject *keys[1 << HFA_JSON_KEYS_BITS]; /* owned, each at the place of its hash; or NULL */
};

/* Borrows `loads`, which is json.loads, and keeps a reference of its own. */
void hfa_json_decoder_init(struct hfa_json_decoder *decoder, PyObject *loads);
void hfa_json_decoder_free(struct hfa_json_decoder *decoder);

/* A new reference, or NULL with json.loads' exception set. Borrows the bytes, which must not change
 * meanwhile. */
PyObject *hfa_json_decode(struct hfa_json_decoder *decoder, const char *data, size_t length);

#endif
