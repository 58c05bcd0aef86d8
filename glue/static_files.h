/* hyperfastapi._core.StaticFiles: what a mounted starlette.staticfiles.StaticFiles answers with a
 * file, from a request's exchange.
 *
 * Only what is certain not to wait is answered here: Starlette looks at files in worker threads. A
 * file is opened with the kernel's promise to look at nothing but what it has in memory, and not to
 * follow symbolic links (openat2(2): RESOLVE_CACHED, RESOLVE_NO_SYMLINKS), so that the path that is
 * asked for is the real one and lies in the directory. Everything else, which is whatever
 * StaticFiles answers otherwise, is left to it: what does not exist, directories, links, files that
 * the kernel has not met yet.
 *
 * What is told of a file is Starlette's own FileResponse, kept as long as the file's size and time
 * stay. Loop thread, interpreter lock.
 */
#ifndef HFA_STATIC_FILES_H
#define HFA_STATIC_FILES_H

#include "dict_watch.h"
#include "exchange.h"
#include "response_stage.h"
#include "state.h"

struct hfa_server_object;

/* Files that are remembered; all are forgotten when there are more. */
#define HFA_STATIC_FILES_KNOWN_MAX 1024
/* Bytes of a path below the mount. */
#define HFA_STATIC_FILES_PATH_MAX 1024
/* A file up to this size is read and sent with its head; larger ones are sent by sendfile(2). */
#define HFA_STATIC_FILES_READ_MAX (16 * 1024)

struct hfa_static_files {
    PyObject_HEAD PyObject *prefix; /* owned bytes: the mount's path and a slash */
    PyObject *directory;            /* owned bytes, with a slash at its end */
    PyObject *describe;             /* owned: (path, descriptor) -> FileResponse */
    PyObject *not_modified;         /* owned: (FileResponse, fields of the request) -> its own
                                       fields for 304; None: the whole file */
    PyObject *plan;                 /* owned: of a run that sends a FileResponse */
    PyObject *known;                /* owned dict: path -> (time, size, FileResponse, fields) */
    PyObject *watched;              /* owned tuple of dicts: what `known` depends on */
    struct hfa_dict_watch watch;    /* `known` was made with them as they are */
    bool follows_links;
};

extern PyType_Spec hfa_static_files_spec;

enum hfa_static_answer {
    HFA_STATIC_LEFT,     /* StaticFiles itself has to answer; nothing has happened */
    HFA_STATIC_SENT,     /* the answer is sent; the exchange is released */
    HFA_STATIC_RESPONSE, /* *response, a new reference, is to be sent by a run of `plan` */
};

/* `path` is the request's, decoded; `stages` (borrowed) see the head of the answer, and no more of
 * it. */
enum hfa_static_answer hfa_static_files_serve(struct hfa_static_files *site,
                                              struct hfa_server_object *server,
                                              struct hfa_exchange *exchange, struct hfa_bytes path,
                                              const struct hfa_response_stages *stages,
                                              PyObject **response);

#endif
