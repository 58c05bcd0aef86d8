#include "gzip_stage.h"

#include "decimal.h"

#ifdef HFA_HAVE_ZLIB
#include <zlib.h>

#define GZIP_WINDOW  (16 + MAX_WBITS)
#define MEMORY_LEVEL 8 /* Python's DEF_MEM_LEVEL */
#endif

static const struct hfa_bytes vary = HFA_BYTES_INIT("vary");

bool hfa_gzip_stage_is_built(void)
{
#ifdef HFA_HAVE_ZLIB
    return true;
#else
    return false;
#endif
}

int hfa_gzip_stage_init(struct hfa_gzip_stage *stage, PyObject *description)
{
    PyObject *excluded;
    Py_ssize_t minimum_size, thread_size;
    int level;

    if (!PyArg_ParseTuple(description, "O!nni", &PyTuple_Type, &excluded, &minimum_size,
                          &thread_size, &level))
        return -1;
    *stage = (struct hfa_gzip_stage){
        .excluded = Py_NewRef(excluded),
        .minimum_size = (size_t)minimum_size,
        .thread_size = (size_t)thread_size,
        .level = level,
    };
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(excluded); i++) {
        if (!PyBytes_Check(PyTuple_GET_ITEM(excluded, i))) {
            PyErr_SetString(PyExc_TypeError, "media types are bytes");
            return -1;
        }
    }
    if (!hfa_gzip_stage_is_built()) {
        PyErr_SetString(PyExc_RuntimeError, "this build has no zlib");
        return -1;
    }
    return 0;
}

void hfa_gzip_stage_clear(struct hfa_gzip_stage *stage)
{
    Py_CLEAR(stage->excluded);
#ifdef HFA_HAVE_ZLIB
    if (stage->compressor != NULL)
        deflateEnd(stage->compressor);
#endif
    PyMem_Free(stage->compressor);
    stage->compressor = NULL;
}

static bool contains(struct hfa_bytes text, struct hfa_bytes part)
{
    for (size_t i = 0; i + part.length <= text.length; i++) {
        if (memcmp(text.data + i, part.data, part.length) == 0)
            return true;
    }
    return false;
}

/* As Starlette does: the first Accept-Encoding field has "gzip" somewhere. */
static bool accepts_gzip(const struct hfa_request *request)
{
    const struct hfa_bytes *codings = hfa_request_field(request, HFA_BYTES("accept-encoding"));

    return codings != NULL && contains(*codings, HFA_BYTES("gzip"));
}

bool hfa_gzip_stage_needs_thread(const struct hfa_gzip_stage *stage,
                                 const struct hfa_request *request, size_t size)
{
    return size >= stage->thread_size && accepts_gzip(request);
}

static bool is_space(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The media type without its parameters, trimmed. */
static struct hfa_bytes media_type(struct hfa_bytes value)
{
    const char *end = memchr(value.data, ';', value.length);

    if (end != NULL)
        value.length = (size_t)(end - value.data);
    while (value.length > 0 && is_space(value.data[0])) {
        value.data++;
        value.length--;
    }
    while (value.length > 0 && is_space(value.data[value.length - 1]))
        value.length--;
    return value;
}

bool hfa_gzip_stage_excludes(const struct hfa_gzip_stage *stage, struct hfa_bytes type)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(stage->excluded); i++) {
        PyObject *item = PyTuple_GET_ITEM(stage->excluded, i);
        struct hfa_bytes each = {PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item)};
        bool is_prefix = each.length > 0 &&
                         (each.data[each.length - 1] == '/' || each.data[each.length - 1] == '+');
        struct hfa_bytes start = type;
        if (is_prefix && start.length > each.length)
            start.length = each.length;
        if (hfa_bytes_equal_lower(start, each))
            return true;
    }
    return false;
}

static bool is_excluded(const struct hfa_gzip_stage *stage,
                        const struct hfa_response_fields *fields)
{
    const struct hfa_bytes *field = hfa_response_fields_get(fields, HFA_BYTES("content-type"));

    return hfa_gzip_stage_excludes(stage, media_type(field == NULL ? HFA_BYTES("") : *field));
}

#ifdef HFA_HAVE_ZLIB
static int reset(struct hfa_gzip_stage *stage)
{
    if (stage->compressor != NULL)
        return deflateReset(stage->compressor);
    z_stream *stream = PyMem_Calloc(1, sizeof(*stream));
    if (stream == NULL)
        return Z_MEM_ERROR;
    int status = deflateInit2(stream, stage->level, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                              Z_DEFAULT_STRATEGY);
    if (status != Z_OK)
        PyMem_Free(stream);
    else
        stage->compressor = stream;
    return status;
}

/* Room for the mark behind a piece, and for an empty last one. */
#define LAST_ROOM 64

/* Room for the compressed body, the caller's arena's; 0: there is none. */
static size_t begin(struct hfa_gzip_stage *stage, struct hfa_arena *arena,
                    const struct hfa_bytes *body)
{
    if (reset(stage) != Z_OK)
        return 0;
    z_stream *stream = stage->compressor;
    size_t bound = deflateBound(stream, (uLong)body->length) + LAST_ROOM;
    stream->next_in = (Bytef *)body->data;
    stream->avail_in = (uInt)body->length;
    stream->next_out = hfa_arena_alloc(arena, bound);
    stream->avail_out = (uInt)bound;
    return stream->next_out == NULL ? 0 : bound;
}

/* `last`, unless it is NULL, is the empty piece that ends the body. */
static int compress_body(struct hfa_gzip_stage *stage, struct hfa_arena *arena,
                         struct hfa_bytes *body, struct hfa_bytes *last)
{
    size_t size = begin(stage, arena, body);
    bool good = size > 0;
    z_stream *stream = stage->compressor;
    const char *start = good ? (const char *)stream->next_out : NULL;

    if (good && last != NULL)
        good = deflate(stream, Z_SYNC_FLUSH) == Z_OK && stream->avail_in == 0;
    size_t length = good ? size - stream->avail_out : 0;
    if (!good || deflate(stream, Z_FINISH) != Z_STREAM_END) {
        PyErr_SetString(PyExc_RuntimeError, "zlib could not compress a response");
        return -1;
    }
    size_t whole = size - stream->avail_out;
    *body = (struct hfa_bytes){start, last == NULL ? whole : length};
    if (last != NULL)
        *last = (struct hfa_bytes){start + length, whole - length};
    return 0;
}
#else
static int compress_body(struct hfa_gzip_stage *stage, struct hfa_arena *arena,
                         struct hfa_bytes *body, struct hfa_bytes *last)
{
    (void)stage;
    (void)arena;
    (void)body;
    (void)last;
    return 0;
}
#endif

static bool set_length(struct hfa_response_fields *fields, size_t length)
{
    char *digits = hfa_arena_alloc(fields->arena, HFA_DECIMAL_MAX);

    if (digits == NULL)
        return false;
    size_t count = hfa_decimal_write(length, digits);
    return hfa_response_fields_set(fields, HFA_BYTES("content-length"),
                                   (struct hfa_bytes){digits, count});
}

static bool is_left_alone(const struct hfa_gzip_stage *stage, int status,
                          const struct hfa_response_fields *fields)
{
    return hfa_response_fields_get(fields, HFA_BYTES("content-encoding")) != NULL ||
           status == 206 || is_excluded(stage, fields);
}

int hfa_gzip_stage_begin(struct hfa_gzip_stage *stage, const struct hfa_request *request,
                         int status, struct hfa_response_fields *fields, struct hfa_bytes *body,
                         struct hfa_bytes *last)
{
    if (is_left_alone(stage, status, fields))
        return 0;
    bool good = hfa_response_fields_join(fields, vary, HFA_BYTES("Accept-Encoding"));
    if (good && accepts_gzip(request)) {
        if (compress_body(stage, fields->arena, body, last) < 0)
            return -1;
        good = hfa_response_fields_set(fields, HFA_BYTES("content-encoding"), HFA_BYTES("gzip"));
        hfa_response_fields_remove(fields, HFA_BYTES("content-length"));
    }
    if (!good)
        PyErr_NoMemory();
    return good ? 0 : -1;
}

int hfa_gzip_stage_apply(struct hfa_gzip_stage *stage, const struct hfa_request *request,
                         int status, struct hfa_response_fields *fields, struct hfa_bytes *body)
{
    if (body->length < stage->minimum_size || is_left_alone(stage, status, fields))
        return 0;
    bool good = hfa_response_fields_join(fields, vary, HFA_BYTES("Accept-Encoding"));
    if (good && accepts_gzip(request)) {
        if (compress_body(stage, fields->arena, body, NULL) < 0)
            return -1;
        good = hfa_response_fields_set(fields, HFA_BYTES("content-encoding"), HFA_BYTES("gzip")) &&
               set_length(fields, body->length);
    }
    if (!good)
        PyErr_NoMemory();
    return good ? 0 : -1;
}
