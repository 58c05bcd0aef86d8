#include "form_reader.h"

#include "application.h"
#include "header_options.h"
#include "query_text.h"

/* A file in memory gets room for what was announced, but at most for this many times what is there,
 * and from a size on for as much again: it is rarely moved, and announcing a body gets nobody much
 * memory. */
#define CONTENT_GROWTH ((size_t)15)
#define CONTENT_STEP   ((size_t)1 << 20)

/* What is wrong with a form; the numbers are those of the hook `form_error`. */
enum fault {
    FAULT_TOO_MANY_FIELDS,
    FAULT_TOO_MANY_FILES,
    FAULT_PART_TOO_LONG,
    FAULT_FIELD_TOO_LONG,
    FAULT_NO_NAME,
    FAULT_MALFORMED,
    FAULT_NO_BOUNDARY,
};

/* Raises Starlette's exception. Always -1. */
static int fail(const struct hfa_form_reader *reader, enum fault fault)
{
    PyObject *number = PyLong_FromLong(fault);
    PyObject *exception = number == NULL
                              ? NULL
                              : PyObject_CallFunctionObjArgs(reader->application->hooks.form_error,
                                                             number, reader->limits, NULL);

    Py_XDECREF(number);
    if (exception != NULL)
        hfa_raise_exception(exception);
    return -1;
}

/* --- Text ------------------------------------------------------------------------------------- */

static int keep_text(struct hfa_form_reader *reader, struct hfa_bytes piece)
{
    size_t needed = reader->text_length + piece.length;

    if (needed > reader->text_capacity || reader->text == NULL) {
        size_t capacity = reader->text_capacity < 128 ? 256 : 2 * reader->text_capacity;
        if (capacity < needed)
            capacity = needed;
        char *text = PyMem_Realloc(reader->text, capacity);
        if (text == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        reader->text = text;
        reader->text_capacity = capacity;
    }
    if (piece.length > 0)
        memcpy(reader->text + reader->text_length, piece.data, piece.length);
    reader->text_length = needed;
    return 0;
}

/* As Starlette decodes what a client has sent: what is not of the charset is Latin-1. */
static PyObject *decode(const struct hfa_form_reader *reader, struct hfa_bytes text)
{
    Py_ssize_t length = (Py_ssize_t)text.length;
    PyObject *decoded = reader->charset_name == NULL
                            ? PyUnicode_DecodeUTF8(text.data, length, NULL)
                            : PyUnicode_Decode(text.data, length, reader->charset_name, NULL);

    if (decoded != NULL || (!PyErr_ExceptionMatches(PyExc_UnicodeDecodeError) &&
                            !PyErr_ExceptionMatches(PyExc_LookupError)))
        return decoded;
    PyErr_Clear();
    return PyUnicode_DecodeLatin1(text.data, length, NULL);
}

/* Takes `name` and `value`, which may be NULL with an exception. */
static int add_item(struct hfa_form_reader *reader, PyObject *name, PyObject *value)
{
    PyObject *item = name == NULL || value == NULL ? NULL : PyTuple_Pack(2, name, value);
    int status = item == NULL ? -1 : PyList_Append(reader->items, item);

    Py_XDECREF(item);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return status;
}

/* --- application/x-www-form-urlencoded -------------------------------------------------------- */

/* What follows of `text` after this is the value. */
static void begin_value(struct hfa_form_reader *reader)
{
    if (!reader->has_value)
        reader->name_length = reader->text_length;
    reader->has_value = true;
}

static int end_field(struct hfa_form_reader *reader)
{
    begin_value(reader);
    if (++reader->field_count > reader->max_fields)
        return fail(reader, FAULT_TOO_MANY_FIELDS);
    if (keep_text(reader, HFA_BYTES("")) < 0) /* there is memory to point at */
        return -1;
    struct hfa_bytes name = {reader->text, reader->name_length};
    struct hfa_bytes value = {reader->text + reader->name_length,
                              reader->text_length - reader->name_length};
    PyObject *name_text = hfa_query_text(name);

    reader->text_length = 0;
    reader->part_size = 0;
    reader->has_value = false;
    return add_item(reader, name_text, name_text == NULL ? NULL : hfa_query_text(value));
}

static int feed_urlencoded(struct hfa_form_reader *reader, struct hfa_bytes rest)
{
    struct hfa_urlencoded *parser = &reader->parser.urlencoded;
    struct hfa_bytes piece;

    for (;;) {
        enum hfa_urlencoded_event event = hfa_urlencoded_next(parser, &rest, &piece);
        if (event == HFA_URLENCODED_MORE)
            return 0;
        if (event == HFA_URLENCODED_END) {
            if (end_field(reader) < 0)
                return -1;
            continue;
        }
        if (event == HFA_URLENCODED_VALUE)
            begin_value(reader);
        reader->part_size += piece.length;
        if (reader->part_size > reader->max_part_size)
            return fail(reader, FAULT_FIELD_TOO_LONG);
        if (keep_text(reader, piece) < 0)
            return -1;
    }
}

/* --- multipart/form-data ---------------------------------------------------------------------- */

static void clear_part(struct hfa_form_reader *reader)
{
    Py_CLEAR(reader->part_name);
    Py_CLEAR(reader->part_file);
    Py_CLEAR(reader->part_write);
    Py_CLEAR(reader->part_filename);
    Py_CLEAR(reader->part_headers);
    Py_CLEAR(reader->content);
    reader->content_length = 0;
    reader->text_length = 0;
    reader->header_count = 0;
    reader->part_size = 0;
    reader->is_rolled = false;
}

static int keep_header(struct hfa_form_reader *reader, struct hfa_bytes name,
                       struct hfa_bytes value)
{
    size_t start = reader->text_length;

    reader->headers[reader->header_count].name = start;
    reader->headers[reader->header_count].value = start + name.length;
    reader->headers[reader->header_count].end = start + name.length + value.length;
    if (keep_text(reader, name) < 0 || keep_text(reader, value) < 0)
        return -1;
    for (size_t i = start; i < start + name.length; i++) {
        if (reader->text[i] >= 'A' && reader->text[i] <= 'Z')
            reader->text[i] = (char)(reader->text[i] | 0x20);
    }
    reader->header_count++;
    return 0;
}

static struct hfa_bytes header_name(const struct hfa_form_reader *reader, size_t index)
{
    return (struct hfa_bytes){reader->text + reader->headers[index].name,
                              reader->headers[index].value - reader->headers[index].name};
}

static struct hfa_bytes header_value(const struct hfa_form_reader *reader, size_t index)
{
    return (struct hfa_bytes){reader->text + reader->headers[index].value,
                              reader->headers[index].end - reader->headers[index].value};
}

static PyObject *all_headers(const struct hfa_form_reader *reader)
{
    PyObject *list = PyList_New(0);

    for (size_t i = 0; i < reader->header_count && list != NULL; i++) {
        struct hfa_bytes name = header_name(reader, i), value = header_value(reader, i);
        PyObject *pair = Py_BuildValue("(y#y#)", name.data, (Py_ssize_t)name.length, value.data,
                                       (Py_ssize_t)value.length);
        if (pair == NULL || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(pair);
    }
    return list;
}

static int begin_file(struct hfa_form_reader *reader, struct hfa_bytes filename)
{
    const struct hfa_hooks *hooks = &reader->application->hooks;

    if (++reader->file_count > reader->max_files)
        return fail(reader, FAULT_TOO_MANY_FILES);
    PyObject *size = PyLong_FromSsize_t(reader->spool_max_size);
    reader->part_filename = decode(reader, filename);
    reader->part_headers = all_headers(reader);
    reader->part_file = size == NULL ? NULL : PyObject_CallOneArg(hooks->spooled_file, size);
    Py_XDECREF(size);
    if (reader->part_filename == NULL || reader->part_headers == NULL ||
        reader->part_file == NULL || PyList_Append(reader->files, reader->part_file) < 0)
        return -1;
    reader->part_write = PyObject_GetAttrString(reader->part_file, "write");
    return reader->part_write == NULL ? -1 : 0;
}

/* The part's name, and a file where it has one. */
static int begin_part(struct hfa_form_reader *reader)
{
    char name_text[HFA_MULTIPART_HEADER_SIZE_MAX], file_text[HFA_MULTIPART_HEADER_SIZE_MAX];
    struct hfa_bytes name = {NULL, 0}, filename = {NULL, 0}, rest = {"", 0};
    bool has_name = false, has_filename = false;
    struct hfa_header_option option;

    for (size_t i = 0; i < reader->header_count; i++) {
        if (hfa_bytes_equal(header_name(reader, i), HFA_BYTES("content-disposition")))
            rest = header_value(reader, i);
    }
    hfa_header_options_type(&rest);
    while (hfa_header_options_next(&rest, &option)) {
        if (hfa_header_option_is(&option, HFA_BYTES("name"))) {
            has_name = true;
            name = hfa_header_option_unquote(option.value, name_text);
        } else if (hfa_header_option_is(&option, HFA_BYTES("filename"))) {
            has_filename = true;
            filename =
                hfa_header_option_file_name(hfa_header_option_unquote(option.value, file_text));
        }
    }
    if (!has_name)
        return fail(reader, FAULT_NO_NAME);
    reader->part_name = decode(reader, name);
    if (reader->part_name == NULL)
        return -1;
    if (has_filename && begin_file(reader, filename) < 0)
        return -1;
    if (!has_filename && ++reader->field_count > reader->max_fields)
        return fail(reader, FAULT_TOO_MANY_FIELDS);
    reader->text_length = 0;
    return 0;
}

/* Takes `argument`, NULL with an exception. */
static int defer(struct hfa_form_reader *reader, PyObject *callable, PyObject *argument)
{
    PyObject *pair = argument == NULL ? NULL : PyTuple_Pack(2, callable, argument);

    if (reader->pending == NULL)
        reader->pending = PyList_New(0);
    int status =
        pair == NULL || reader->pending == NULL ? -1 : PyList_Append(reader->pending, pair);
    Py_XDECREF(pair);
    Py_XDECREF(argument);
    return status;
}

/* Room for `size` more bytes of the file that stays in memory, and for what may follow them. */
static int reserve_content(struct hfa_form_reader *reader, size_t size)
{
    size_t needed = reader->content_length + size;

    if (reader->content != NULL && needed <= (size_t)PyBytes_GET_SIZE(reader->content))
        return 0;
    size_t more = needed < CONTENT_STEP / CONTENT_GROWTH ? CONTENT_GROWTH * needed
                  : needed < CONTENT_STEP                ? CONTENT_STEP
                                                         : needed;
    if (reader->body_left < more)
        more = (size_t)reader->body_left;
    size_t capacity = needed + more;
    if (reader->spool_max_size != 0 && capacity > (size_t)reader->spool_max_size)
        capacity = (size_t)reader->spool_max_size;
    if (reader->content != NULL)
        return _PyBytes_Resize(&reader->content, (Py_ssize_t)capacity);
    reader->content = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)capacity);
    return reader->content == NULL ? -1 : 0;
}

/* Nobody else has the bytes object yet. */
static int keep_content(struct hfa_form_reader *reader, struct hfa_bytes data)
{
    if (reserve_content(reader, data.length) < 0)
        return -1;
    memcpy(PyBytes_AS_STRING(reader->content) + reader->content_length, data.data, data.length);
    reader->content_length += data.length;
    return 0;
}

/* What was kept, without the room behind it. A new reference. */
static PyObject *take_content(struct hfa_form_reader *reader)
{
    PyObject *content = reader->content;

    reader->content = NULL;
    if (_PyBytes_Resize(&content, (Py_ssize_t)reader->content_length) < 0)
        return NULL;
    reader->content_length = 0;
    return content;
}

static int take_data(struct hfa_form_reader *reader, struct hfa_bytes data)
{
    reader->part_size += data.length;
    if (reader->part_file == NULL) {
        if (reader->part_size > reader->max_part_size)
            return fail(reader, FAULT_PART_TOO_LONG);
        return keep_text(reader, data);
    }
    if (reader->spool_max_size == 0 || (Py_ssize_t)reader->part_size <= reader->spool_max_size)
        return keep_content(reader, data);
    reader->is_rolled = true;
    if (reader->content != NULL && defer(reader, reader->part_write, take_content(reader)) < 0)
        return -1;
    return defer(reader, reader->part_write,
                 PyBytes_FromStringAndSize(data.data, (Py_ssize_t)data.length));
}

/* Has a file that stays in memory its content, and another rewound. */
static int complete_file(struct hfa_form_reader *reader)
{
    if (!reader->is_rolled) {
        PyObject *content = reader->content == NULL ? NULL : take_content(reader);
        if (content == NULL)
            return PyErr_Occurred() ? -1 : 0;
        PyObject *filled = PyObject_CallFunctionObjArgs(reader->application->hooks.fill_file,
                                                        reader->part_file, content, NULL);
        Py_DECREF(content);
        Py_XDECREF(filled);
        return filled == NULL ? -1 : 0;
    }
    PyObject *seek = PyObject_GetAttrString(reader->part_file, "seek");
    int status = seek == NULL ? -1 : defer(reader, seek, PyLong_FromLong(0));
    Py_XDECREF(seek);
    return status;
}

static PyObject *make_upload(struct hfa_form_reader *reader)
{
    PyObject *size = PyLong_FromSize_t(reader->part_size);
    PyObject *upload = size == NULL ? NULL
                                    : PyObject_CallFunctionObjArgs(
                                          reader->application->hooks.make_upload, reader->part_file,
                                          size, reader->part_filename, reader->part_headers, NULL);

    Py_XDECREF(size);
    return upload;
}

static int end_part(struct hfa_form_reader *reader)
{
    PyObject *value;

    if (reader->part_file != NULL && complete_file(reader) < 0)
        return -1;
    if (reader->part_file != NULL)
        value = make_upload(reader);
    else if (keep_text(reader, HFA_BYTES("")) < 0)
        value = NULL;
    else
        value = decode(reader, (struct hfa_bytes){reader->text, reader->text_length});
    int status = add_item(reader, Py_NewRef(reader->part_name), value);
    clear_part(reader);
    return status;
}

static int feed_multipart(struct hfa_form_reader *reader, struct hfa_bytes rest)
{
    for (;;) {
        struct hfa_multipart_event event = hfa_multipart_next(&reader->parser.multipart, &rest);
        int status = 0;
        switch (event.kind) {
        case HFA_MULTIPART_MORE:
            return 0;
        case HFA_MULTIPART_HEADER:
            status = keep_header(reader, event.name, event.value);
            break;
        case HFA_MULTIPART_HEADERS_END:
            status = begin_part(reader);
            break;
        case HFA_MULTIPART_DATA:
            status = take_data(reader, event.value);
            break;
        case HFA_MULTIPART_PART_END:
            status = end_part(reader);
            break;
        case HFA_MULTIPART_END:
            break;
        case HFA_MULTIPART_MALFORMED:
            status = fail(reader, FAULT_MALFORMED);
            break;
        }
        if (status < 0)
            return -1;
    }
}

/* --- The reader ------------------------------------------------------------------------------- */

enum hfa_form_kind hfa_form_kind_of(struct hfa_bytes content_type)
{
    struct hfa_bytes type = hfa_header_options_type(&content_type);

    if (hfa_bytes_equal_lower(type, HFA_BYTES("multipart/form-data")))
        return HFA_FORM_MULTIPART;
    if (hfa_bytes_equal_lower(type, HFA_BYTES("application/x-www-form-urlencoded")))
        return HFA_FORM_URLENCODED;
    return HFA_FORM_NONE;
}

/* A limit that no size reaches where the number does not fit, or is none. -1 with an exception. */
static int read_limit(PyObject *limits, Py_ssize_t index, size_t *limit)
{
    PyObject *number = PyTuple_GET_ITEM(limits, index); /* borrowed */
    int overflow;

    if (PyFloat_Check(number)) { /* math.inf, say; of a fraction counts what is below it */
        double most = PyFloat_AsDouble(number);
        *limit = most < 0 ? 0 : most < (double)SIZE_MAX ? (size_t)most : SIZE_MAX;
        return 0;
    }
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);

    if (value == -1 && overflow == 0 && PyErr_Occurred())
        return -1;
    *limit = overflow > 0 ? SIZE_MAX : value < 0 ? 0 : (size_t)value;
    return 0;
}

/* -1 with an exception. */
static int read_charset(struct hfa_form_reader *reader, struct hfa_bytes charset)
{
    if (hfa_bytes_equal_lower(charset, HFA_BYTES("utf-8")))
        return 0;
    PyObject *text = PyUnicode_DecodeLatin1(charset.data, (Py_ssize_t)charset.length, NULL);
    reader->charset =
        text == NULL ? NULL : PyObject_CallOneArg(reader->application->hooks.form_charset, text);
    Py_XDECREF(text);
    reader->charset_name = reader->charset == NULL ? NULL : PyUnicode_AsUTF8(reader->charset);
    return reader->charset_name == NULL ? -1 : 0;
}

static int begin_multipart(struct hfa_form_reader *reader, struct hfa_bytes content_type)
{
    struct hfa_bytes boundary = {NULL, 0}, charset = {NULL, 0};
    bool has_boundary = false, has_charset = false;
    struct hfa_header_option option;
    int status = -1;
    char *memory = PyMem_Malloc(2 * content_type.length + 1);

    if (memory == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    hfa_header_options_type(&content_type);
    while (hfa_header_options_next(&content_type, &option)) {
        if (hfa_header_option_is(&option, HFA_BYTES("boundary"))) {
            has_boundary = true;
            boundary = hfa_header_option_unquote(option.value, memory);
        } else if (hfa_header_option_is(&option, HFA_BYTES("charset"))) {
            has_charset = true;
            charset = option.value;
        }
    }
    if (has_charset)
        charset = hfa_header_option_unquote(
            charset, memory + (boundary.data == memory ? boundary.length : 0));
    if (has_charset && read_charset(reader, charset) < 0)
        goto done;
    if (!has_boundary)
        fail(reader, FAULT_NO_BOUNDARY);
    else if (!hfa_multipart_init(&reader->parser.multipart, boundary))
        fail(reader, FAULT_MALFORMED);
    else
        status = 0;

done:
    PyMem_Free(memory);
    return status;
}

struct hfa_form_reader *hfa_form_reader_new(struct hfa_application *application,
                                            enum hfa_form_kind kind, struct hfa_bytes content_type,
                                            const struct hfa_form_rules *rules)
{
    struct hfa_form_reader *reader =
        PyObject_GC_New(struct hfa_form_reader, application->state->form_reader_type);

    if (reader == NULL)
        return NULL;
    memset((char *)reader + sizeof(PyObject), 0,
           offsetof(struct hfa_form_reader, parser) - sizeof(PyObject));
    reader->application = (struct hfa_application *)Py_NewRef((PyObject *)application);
    reader->kind = kind;
    reader->limits = Py_NewRef(rules->limits);
    reader->spool_max_size = rules->spool_max_size;
    reader->body_left = rules->body_length;
    reader->parser.urlencoded = (struct hfa_urlencoded){0};
    reader->items = PyList_New(0);
    reader->files = PyList_New(0);
    PyObject_GC_Track(reader);
    if (reader->items == NULL || reader->files == NULL ||
        read_limit(rules->limits, 0, &reader->max_files) < 0 ||
        read_limit(rules->limits, 1, &reader->max_fields) < 0 ||
        read_limit(rules->limits, 2, &reader->max_part_size) < 0 ||
        (kind == HFA_FORM_MULTIPART && begin_multipart(reader, content_type) < 0)) {
        Py_DECREF(reader);
        return NULL;
    }
    return reader;
}

static void close_file(const struct hfa_form_reader *reader, PyObject *file)
{
    PyObject *closed = PyObject_CallMethodNoArgs(file, reader->application->state->str_close);

    if (closed == NULL)
        PyErr_WriteUnraisable(file);
    Py_XDECREF(closed);
}

void hfa_form_reader_abort(struct hfa_form_reader *reader)
{
    PyObject *exception = hfa_take_exception();

    reader->has_failed = true;
    Py_CLEAR(reader->pending);
    clear_part(reader);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(reader->files); i++)
        close_file(reader, PyList_GET_ITEM(reader->files, i));
    if (exception != NULL)
        hfa_raise_exception(exception);
}

/* A failed form stays one. */
static int check_open(const struct hfa_form_reader *reader)
{
    if (!reader->has_failed && reader->last == NULL)
        return 0;
    PyErr_SetString(PyExc_RuntimeError, "the form is complete, or has failed");
    return -1;
}

int hfa_form_reader_feed(struct hfa_form_reader *reader, struct hfa_bytes piece)
{
    if (check_open(reader) < 0)
        return -1;
    int status = reader->kind == HFA_FORM_MULTIPART ? feed_multipart(reader, piece)
                                                    : feed_urlencoded(reader, piece);
    /* Only now: what is left of a piece counts when room for a file is made. */
    if (reader->body_left != HFA_LENGTH_UNKNOWN)
        reader->body_left -= piece.length < reader->body_left ? piece.length : reader->body_left;
    if (status < 0)
        hfa_form_reader_abort(reader);
    return status;
}

int hfa_form_reader_write(struct hfa_form_reader *reader)
{
    PyObject *pending = reader->pending;
    int status = 0;

    reader->pending = NULL;
    if (pending == NULL)
        return 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pending) && status == 0; i++) {
        PyObject *pair = PyList_GET_ITEM(pending, i); /* borrowed */
        PyObject *done = PyObject_CallOneArg(PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
        status = done == NULL ? -1 : 0;
        Py_XDECREF(done);
    }
    Py_DECREF(pending);
    return status;
}

int hfa_form_reader_finish(struct hfa_form_reader *reader)
{
    if (check_open(reader) < 0)
        return -1;
    if (reader->kind == HFA_FORM_URLENCODED && hfa_urlencoded_finish(&reader->parser.urlencoded) &&
        end_field(reader) < 0)
        return -1;
    if (reader->part_file != NULL)
        close_file(reader, reader->part_file); /* of a part that was never complete */
    clear_part(reader);
    PyObject *last = PyDict_New();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(reader->items) && last != NULL; i++) {
        PyObject *item = PyList_GET_ITEM(reader->items, i); /* borrowed */
        if (PyDict_SetItem(last, PyTuple_GET_ITEM(item, 0), PyTuple_GET_ITEM(item, 1)) < 0)
            Py_CLEAR(last);
    }
    reader->last = last;
    return last == NULL ? -1 : 0;
}

/* --- A whole form ----------------------------------------------------------------------------- */

/* A browser's form without a file chosen: an UploadFile without name and size. -1 with an
 * exception. */
static int is_empty_file(const struct hfa_form_reader *reader, PyObject *value)
{
    if (PyUnicode_CheckExact(value))
        return 0;
    PyObject *answer = PyObject_CallOneArg(reader->application->hooks.is_empty_file, value);
    int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return truth;
}

static PyObject *find_all(const struct hfa_form_reader *reader, PyObject *name)
{
    PyObject *list = PyList_New(0);

    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(reader->items) && list != NULL; i++) {
        PyObject *item = PyList_GET_ITEM(reader->items, i); /* borrowed */
        PyObject *value = PyTuple_GET_ITEM(item, 1);        /* borrowed */
        if (PyUnicode_Compare(PyTuple_GET_ITEM(item, 0), name) != 0)
            continue;
        int is_empty = is_empty_file(reader, value);
        if (is_empty < 0 || (is_empty == 0 && PyList_Append(list, value) < 0))
            Py_CLEAR(list);
    }
    if (list != NULL && PyList_GET_SIZE(list) == 0)
        Py_CLEAR(list);
    return list;
}

PyObject *hfa_form_reader_find(const struct hfa_form_reader *reader, PyObject *name, bool is_list)
{
    PyObject *value = PyDict_GetItemWithError(reader->last, name); /* borrowed */

    if (value == NULL)
        return NULL;
    if (is_list)
        return find_all(reader, name);
    if (PyUnicode_CheckExact(value))
        return PyUnicode_GetLength(value) == 0 ? NULL : Py_NewRef(value);
    return is_empty_file(reader, value) != 0 ? NULL : Py_NewRef(value);
}

/* --- The object ------------------------------------------------------------------------------- */

static PyObject *method_feed(PyObject *self, PyObject *piece)
{
    struct hfa_form_reader *reader = (struct hfa_form_reader *)self;
    char *data;
    Py_ssize_t length;

    if (PyBytes_AsStringAndSize(piece, &data, &length) < 0 ||
        hfa_form_reader_feed(reader, (struct hfa_bytes){data, (size_t)length}) < 0)
        return NULL;
    return PyBool_FromLong(reader->pending != NULL);
}

static PyObject *method_write(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (hfa_form_reader_write((struct hfa_form_reader *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *method_finish(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (hfa_form_reader_finish((struct hfa_form_reader *)self) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *method_abort(PyObject *self, PyObject *unused)
{
    (void)unused;
    hfa_form_reader_abort((struct hfa_form_reader *)self);
    Py_RETURN_NONE;
}

static int reader_traverse(PyObject *self, visitproc visit, void *arg)
{
    struct hfa_form_reader *reader = (struct hfa_form_reader *)self;

    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reader->application);
    Py_VISIT(reader->limits);
    Py_VISIT(reader->items);
    Py_VISIT(reader->last);
    Py_VISIT(reader->files);
    Py_VISIT(reader->pending);
    Py_VISIT(reader->part_file);
    Py_VISIT(reader->part_write);
    Py_VISIT(reader->part_headers);
    return 0;
}

static int reader_clear(PyObject *self)
{
    struct hfa_form_reader *reader = (struct hfa_form_reader *)self;

    clear_part(reader);
    Py_CLEAR(reader->limits);
    Py_CLEAR(reader->items);
    Py_CLEAR(reader->last);
    Py_CLEAR(reader->files);
    Py_CLEAR(reader->pending);
    Py_CLEAR(reader->application);
    return 0;
}

static void reader_dealloc(PyObject *self)
{
    struct hfa_form_reader *reader = (struct hfa_form_reader *)self;
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    reader_clear(self);
    Py_CLEAR(reader->charset);
    PyMem_Free(reader->text);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"feed", method_feed, METH_O,
     "feed(piece): takes a piece of the body; whether write() has something to do."},
    {"write", method_write, METH_NOARGS, "Writes what goes to disk; may block."},
    {"finish", method_finish, METH_NOARGS, "The body is over."},
    {"abort", method_abort, METH_NOARGS, "Closes the files of a form that will not be."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "A form on its way in."}, {Py_tp_dealloc, reader_dealloc},
    {Py_tp_traverse, reader_traverse},    {Py_tp_clear, reader_clear},
    {Py_tp_methods, reader_methods},      {0, NULL},
};

PyType_Spec hfa_form_reader_spec = {
    .name = "hyperfastapi._core.FormReader",
    .basicsize = sizeof(struct hfa_form_reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reader_slots,
};
