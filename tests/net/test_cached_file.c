/* Files that the kernel has in memory: which names, links and kinds of file are taken. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cached_file.h"

static bool is_plain(const char *path)
{
    return hfa_cached_file_is_plain_name((struct hfa_bytes){path, strlen(path)});
}

static void test_names_that_stay_below_a_directory(void **state)
{
    (void)state;
    assert_true(is_plain("a"));
    assert_true(is_plain("a/b.txt"));
    assert_true(is_plain("..."));
    assert_true(is_plain(".a/..b/c.."));
}

static void test_names_that_may_lead_elsewhere(void **state)
{
    static const char *const names[] = {"",     "/",    "/a",  "a/",  "a//b",   ".",  "..",
                                        "a/..", "../a", "a/.", "./a", "a/../b", "\\", "a\\b"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(is_plain(names[i]));
    assert_false(hfa_cached_file_is_plain_name(HFA_BYTES("a\0b")));
}

static void enter_directory(char *directory)
{
    strcpy(directory, "/tmp/hfa-cached-file-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
}

static void leave_directory(const char *directory)
{
    static const char *const names[] = {"file", "link", "pipe", "directory/file"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(names[i]);
    rmdir("directory");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "content", 7), 7);
    close(fd);
}

static void test_a_file_is_opened_looked_at_and_read(void **state)
{
    char directory[64], data[7];
    uint64_t size;
    int64_t time_ns;

    (void)state;
    enter_directory(directory);
    write_file("file");
    int fd = hfa_cached_file_open("file", false);
    if (fd < 0 && (errno == ENOSYS || errno == EINVAL)) {
        leave_directory(directory);
        skip(); /* this system cannot tell what is cached */
    }
    assert_true(fd >= 0);
    assert_true(hfa_cached_file_look(fd, &size, &time_ns));
    assert_int_equal(size, 7);
    assert_true(time_ns > 0);
    assert_true(hfa_cached_file_read(fd, data, sizeof(data)));
    assert_memory_equal(data, "content", 7);
    char longer[8];
    assert_false(hfa_cached_file_read(fd, longer, sizeof(longer)));
    close(fd);
    leave_directory(directory);
}

static void test_links_are_followed_only_where_they_may_be(void **state)
{
    char directory[64];

    (void)state;
    enter_directory(directory);
    write_file("file");
    assert_int_equal(symlink("file", "link"), 0);
    int fd = hfa_cached_file_open("link", true);
    if (fd < 0 && (errno == ENOSYS || errno == EINVAL)) {
        leave_directory(directory);
        skip();
    }
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(hfa_cached_file_open("link", false), -1);
    assert_int_equal(errno, ELOOP);
    leave_directory(directory);
}

static void test_what_is_no_file_is_told(void **state)
{
    char directory[64];
    uint64_t size;
    int64_t time_ns;

    (void)state;
    enter_directory(directory);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    int fd = hfa_cached_file_open("pipe", false);
    if (fd < 0 && (errno == ENOSYS || errno == EINVAL)) {
        leave_directory(directory);
        skip();
    }
    assert_true(fd >= 0);
    assert_false(hfa_cached_file_look(fd, &size, &time_ns));
    close(fd);
    assert_int_equal(hfa_cached_file_open("none", false), -1);
    leave_directory(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_stay_below_a_directory),
        cmocka_unit_test(test_names_that_may_lead_elsewhere),
        cmocka_unit_test(test_a_file_is_opened_looked_at_and_read),
        cmocka_unit_test(test_links_are_followed_only_where_they_may_be),
        cmocka_unit_test(test_what_is_no_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
