#include "cached_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

bool hfa_cached_file_is_plain_name(struct hfa_bytes path)
{
    size_t start = 0;

    if (path.length == 0 || memchr(path.data, '\0', path.length) != NULL ||
        memchr(path.data, '\\', path.length) != NULL)
        return false;
    for (size_t i = 0; i <= path.length; i++) {
        if (i < path.length && path.data[i] != '/')
            continue;
        size_t length = i - start;
        if (length == 0 || (length == 1 && path.data[start] == '.') ||
            (length == 2 && path.data[start] == '.' && path.data[start + 1] == '.'))
            return false;
        start = i + 1;
    }
    return true;
}

#if defined(__linux__) && defined(SYS_openat2)

/* As in linux/openat2.h and openat2(2), which not every system's headers have. */
struct open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
enum {
    NO_MAGIC_LINKS = 0x02,
    NO_SYMBOLIC_LINKS = 0x04,
    CACHED = 0x20,
};

int hfa_cached_file_open(const char *path, bool follows_links)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve = CACHED | NO_MAGIC_LINKS | (follows_links ? 0 : NO_SYMBOLIC_LINKS),
    };

    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
}

#else

int hfa_cached_file_open(const char *path, bool follows_links)
{
    (void)path;
    (void)follows_links;
    errno = ENOSYS;
    return -1;
}

#endif

bool hfa_cached_file_look(int fd, uint64_t *size, int64_t *time_ns)
{
    struct stat status;

    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return false;
#if defined(__APPLE__)
    const struct timespec *time = &status.st_mtimespec;
#else
    const struct timespec *time = &status.st_mtim;
#endif
    *size = (uint64_t)status.st_size;
    *time_ns = (int64_t)((uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec);
    return true;
}

bool hfa_cached_file_read(int fd, char *data, size_t size)
{
#if defined(RWF_NOWAIT)
    struct iovec vector = {data, size};
    ssize_t count = preadv2(fd, &vector, 1, 0, RWF_NOWAIT);
    if (count >= 0 || errno != EOPNOTSUPP)
        return count == (ssize_t)size;
#endif
    return pread(fd, data, size, 0) == (ssize_t)size; /* a file system in memory */
}
