/* A form on its way in: from the bytes of a body, as they come, to what Starlette's FormData holds:
 * (name, value) pairs of str and UploadFile.
 *
 * Files are SpooledTemporaryFile objects, as Starlette makes them. What stays in memory collects in
 * one bytes object that becomes the file's content; what goes to disk waits in `pending` for
 * hfa_form_reader_write(), which may block and is for worker threads: a file that has rolled over,
 * and the piece that makes it do so.
 *
 * Limits and texts of errors are Starlette's; the exceptions are made by FastAPI's side (the hooks
 * of application.h). After an error the files are closed.
 *
 * A Python object, for `read_form` of the hooks. Interpreter lock.
 */
#ifndef HFA_FORM_READER_H
#define HFA_FORM_READER_H

#include "multipart.h"
#include "state.h"
#include "urlencoded.h"

struct hfa_application;

enum hfa_form_kind {
    HFA_FORM_NONE, /* no form: what FastAPI takes for an empty one, and does not read */
    HFA_FORM_URLENCODED,
    HFA_FORM_MULTIPART,
};

/* What the compiler knows of a route's form. */
struct hfa_form_rules {
    PyObject *limits;          /* (max_files, max_fields, max_part_size) of the request, borrowed */
    Py_ssize_t spool_max_size; /* 0: nothing goes to disk */
    uint64_t body_length;      /* as announced, or HFA_LENGTH_UNKNOWN */
};

struct hfa_form_reader {
    PyObject_HEAD struct hfa_application *application; /* owned */
    PyObject *limits;                                  /* owned */
    PyObject *items;                                   /* owned list of (name, value) */
    PyObject *last;    /* owned dict: the last value of each name; NULL until the form is whole */
    PyObject *files;   /* owned list: every file made, to be closed after an error */
    PyObject *pending; /* owned list of (callable, argument) that may block; or NULL */
    enum hfa_form_kind kind;
    size_t max_files, max_fields, max_part_size;
    Py_ssize_t spool_max_size;
    uint64_t body_left; /* announced and still to come, or HFA_LENGTH_UNKNOWN */
    size_t file_count, field_count;
    bool has_failed;

    /* The current field or part. */
    size_t part_size;
    char *text; /* owned: name and value of a field, headers or value of a part */
    size_t text_length, text_capacity;
    size_t name_length; /* of a field whose value has begun: so much of `text` is the name */
    bool has_value;
    struct {
        size_t name, value, end; /* where they begin in `text` */
    } headers[HFA_MULTIPART_HEADERS_MAX];
    size_t header_count;
    PyObject *part_name;  /* owned str */
    PyObject *part_file;  /* owned; NULL: no file */
    PyObject *part_write; /* owned: its write() */
    PyObject *part_filename;
    PyObject *part_headers; /* owned list of (name, value) */
    PyObject *content;      /* owned bytes: of a file in memory, with room; NULL: nothing yet */
    size_t content_length;  /* of them that is used */
    bool is_rolled;

    PyObject *charset; /* owned str; NULL: UTF-8 */
    const char *charset_name;
    union {
        struct hfa_urlencoded urlencoded;
        struct hfa_multipart multipart;
    } parser;
};

extern PyType_Spec hfa_form_reader_spec;

/* Whether a Content-Type (Latin-1) is one of a form. */
enum hfa_form_kind hfa_form_kind_of(struct hfa_bytes content_type);

/* A reader, a new reference; NULL with an exception, which may be the client's fault. */
struct hfa_form_reader *hfa_form_reader_new(struct hfa_application *application,
                                            enum hfa_form_kind kind, struct hfa_bytes content_type,
                                            const struct hfa_form_rules *rules);

/* Takes the next piece of the body. -1 with an exception. */
int hfa_form_reader_feed(struct hfa_form_reader *reader, struct hfa_bytes piece);

/* Does what is pending; any thread. -1 with an exception. */
int hfa_form_reader_write(struct hfa_form_reader *reader);

/* The body is over, and nothing is pending. -1 with an exception. */
int hfa_form_reader_finish(struct hfa_form_reader *reader);

/* Closes the files of a form that will not be. */
void hfa_form_reader_abort(struct hfa_form_reader *reader);

/* Of a whole form: the value for a field, as FastAPI extracts it, the last one or a list of all.
 * A new reference; NULL without an exception: there is none, or an empty one. */
PyObject *hfa_form_reader_find(const struct hfa_form_reader *reader, PyObject *name, bool is_list);

#endif
