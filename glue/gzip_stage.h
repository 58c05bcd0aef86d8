/* What starlette.middleware.gzip.GZipMiddleware does to a response that is there as a whole.
 *
 * Made once from the middleware's configuration. The compressor is kept and reset, so that a
 * response costs no allocation of its tables. Loop thread, interpreter lock.
 */
#ifndef HFA_GZIP_STAGE_H
#define HFA_GZIP_STAGE_H

#include "compat.h"
#include "exchange.h"
#include "response_fields.h"

struct hfa_gzip_stage {
    PyObject *excluded; /* owned tuple of bytes: media types, "type/" for a whole type */
    size_t minimum_size;
    size_t thread_size; /* bodies from this size on are compressed in a thread, by the middleware */
    int level;
    void *compressor; /* owned */
};

/* False: this build has no zlib. */
bool hfa_gzip_stage_is_built(void);

/* Reads (excluded, minimum size, thread size, level). -1 with an exception; clear it in every
 * case. */
int hfa_gzip_stage_init(struct hfa_gzip_stage *stage, PyObject *description);
void hfa_gzip_stage_clear(struct hfa_gzip_stage *stage);

/* Whether a body of this size is for the middleware itself. */
bool hfa_gzip_stage_needs_thread(const struct hfa_gzip_stage *stage,
                                 const struct hfa_request *request, size_t size);

/* Whether bodies of a media type, empty where it is not known, are never compressed. */
bool hfa_gzip_stage_excludes(const struct hfa_gzip_stage *stage, struct hfa_bytes type);

/* May change *body to compressed bytes, which live in the fields' arena. -1 with an exception. */
int hfa_gzip_stage_apply(struct hfa_gzip_stage *stage, const struct hfa_request *request,
                         int status, struct hfa_response_fields *fields, struct hfa_bytes *body);

/* The same to a body that is sent before its end is known, and then ends with an empty piece: *last
 * becomes what that piece does, in the arena as well. */
int hfa_gzip_stage_begin(struct hfa_gzip_stage *stage, const struct hfa_request *request,
                         int status, struct hfa_response_fields *fields, struct hfa_bytes *body,
                         struct hfa_bytes *last);

#endif
