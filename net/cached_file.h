/* Files that the kernel has in memory, for who must not wait for a disk.
 *
 * Needs Linux 5.12 or newer, and file systems that can tell; elsewhere nothing is ever opened.
 * Stateless; any thread.
 */
#ifndef HFA_CACHED_FILE_H
#define HFA_CACHED_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"

/* Whether a relative path is made of plain names alone: not empty, no empty name, ".", "..", NUL or
 * backslash. Below a directory it leads nowhere else, symbolic links aside. */
bool hfa_cached_file_is_plain_name(struct hfa_bytes path);

/* A descriptor for reading, close-on-exec, which the caller owns; -1 with errno: EAGAIN it would
 * have to wait; ELOOP there is a symbolic link on the way, and they are not followed; ENOSYS,
 * EINVAL this system cannot tell. A pipe or device does not hold it up. */
int hfa_cached_file_open(const char *path, bool follows_links);

/* Size and time of the last change of an open file; false: it is not a regular one. */
bool hfa_cached_file_look(int fd, uint64_t *size, int64_t *time_ns);

/* Whether the first `size` bytes could be read at once. */
bool hfa_cached_file_read(int fd, char *data, size_t size);

#endif
