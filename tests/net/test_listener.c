/* Opening listening sockets, on loopback and in a directory of the test's own below the working
 * directory. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "listener.h"

static char directory[64];
static char path[96];
static struct hfa_listener_error error;

static int make_directory(void **state)
{
    snprintf(directory, sizeof(directory), "listener.XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/socket", directory);
    return 0;
}

static int remove_directory(void **state)
{
    unlink(path);
    return rmdir(directory);
}

static unsigned port_of(int fd)
{
    struct sockaddr_in6 address; /* the port stands at the same place in both families */
    socklen_t length = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return ntohs(address.sin6_port);
}

static int connect_tcp(int family, unsigned port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (family == AF_INET)
        assert_int_equal(connect(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
    else
        assert_int_equal(connect(fd, (struct sockaddr *)&v6, sizeof(v6)), 0);
    return fd;
}

static int connect_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void assert_accepts(int listener, int client)
{
    int accepted = -1;
    char byte = 0;
    assert_true(client >= 0);
    assert_int_equal(hfa_listener_accept(listener, &accepted), HFA_OK);
    assert_true(fcntl(accepted, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(client, "x", 1), 1);
    fcntl(accepted, F_SETFL, 0);
    assert_int_equal(read(accepted, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(accepted);
    close(client);
}

static void test_port_0_gets_a_free_port_that_accepts(void **state)
{
    int fds[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0;
    int accepted = -1;
    assert_int_equal(hfa_listener_open_tcp("127.0.0.1", 0, 16, false, fds, &count, &error), HFA_OK);
    assert_int_equal(count, 1);
    assert_true(port_of(fds[0]) > 0);
    assert_int_equal(hfa_listener_accept(fds[0], &accepted), HFA_AGAIN);
    assert_accepts(fds[0], connect_tcp(AF_INET, port_of(fds[0])));
    close(fds[0]);
}

static void test_ipv6_accepts(void **state)
{
    int fds[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0;
    assert_int_equal(hfa_listener_open_tcp("::1", 0, 16, false, fds, &count, &error), HFA_OK);
    assert_int_equal(count, 1);
    assert_accepts(fds[0], connect_tcp(AF_INET6, port_of(fds[0])));
    close(fds[0]);
}

static void test_all_interfaces_share_one_port(void **state)
{
    int fds[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0;
    assert_int_equal(hfa_listener_open_tcp("", 0, 16, false, fds, &count, &error), HFA_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(port_of(fds[i]), port_of(fds[0]));
    while (count > 0)
        close(fds[--count]);
}

static void test_a_port_in_use_is_an_error_that_names_it(void **state)
{
    int fds[HFA_LISTENER_ADDRESSES_MAX], more[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0, more_count = 0;
    char port[16];
    assert_int_equal(hfa_listener_open_tcp("127.0.0.1", 0, 16, false, fds, &count, &error), HFA_OK);
    snprintf(port, sizeof(port), "%u", port_of(fds[0]));
    assert_int_equal(
        hfa_listener_open_tcp("127.0.0.1", port_of(fds[0]), 16, false, more, &more_count, &error),
        HFA_ERR_SYSTEM);
    assert_int_equal(more_count, 0);
    assert_non_null(strstr(error.text, port));
    assert_non_null(strstr(error.text, "127.0.0.1"));
    close(fds[0]);
}

static void test_reuse_port_lets_two_listen(void **state)
{
    int fds[HFA_LISTENER_ADDRESSES_MAX], more[HFA_LISTENER_ADDRESSES_MAX];
    size_t count = 0, more_count = 0;
    assert_int_equal(hfa_listener_open_tcp("127.0.0.1", 0, 16, true, fds, &count, &error), HFA_OK);
    assert_int_equal(
        hfa_listener_open_tcp("127.0.0.1", port_of(fds[0]), 16, true, more, &more_count, &error),
        HFA_OK);
    close(fds[0]);
    close(more[0]);
}

static void test_a_unix_socket_has_the_mode_and_accepts(void **state)
{
    struct stat status;
    int fd = -1;
    assert_int_equal(hfa_listener_open_unix(path, 0640, 16, &fd, &error), HFA_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0640);
    assert_accepts(fd, connect_unix());
    close(fd);
}

static void test_a_stale_socket_file_is_replaced(void **state)
{
    int fd = -1;
    assert_int_equal(hfa_listener_open_unix(path, 0600, 16, &fd, &error), HFA_OK);
    close(fd);
    assert_int_equal(connect_unix(), -1);
    assert_int_equal(hfa_listener_open_unix(path, 0600, 16, &fd, &error), HFA_OK);
    assert_accepts(fd, connect_unix());
    close(fd);
}

static void test_a_socket_in_use_is_left_alone(void **state)
{
    int fd = -1, second = -1;
    assert_int_equal(hfa_listener_open_unix(path, 0600, 16, &fd, &error), HFA_OK);
    assert_int_equal(hfa_listener_open_unix(path, 0600, 16, &second, &error), HFA_ERR_SYSTEM);
    assert_int_equal(second, -1);
    assert_non_null(strstr(error.text, path));
    close(fd);
}

static void test_another_file_is_left_alone(void **state)
{
    int fd = -1;
    struct stat status;
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(hfa_listener_open_unix(path, 0600, 16, &fd, &error), HFA_ERR_SYSTEM);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISREG(status.st_mode));
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
    char large[200];
    int fd = 0;
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_int_equal(hfa_listener_open_unix(large, 0600, 16, &fd, &error), HFA_ERR_SYSTEM);
    assert_int_equal(fd, -1);
    assert_non_null(strstr(error.text, "longer than"));
}

static void test_an_inherited_socket_is_adopted(void **state)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(hfa_listener_adopt(fd, 16, &error), HFA_OK);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_accepts(fd, connect_tcp(AF_INET, port_of(fd)));
    close(fd);
}

static void test_what_is_no_stream_socket_is_not_adopted(void **state)
{
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    int file = open("/dev/null", O_RDONLY);
    assert_int_equal(hfa_listener_adopt(datagram, 16, &error), HFA_ERR_INVALID);
    assert_int_equal(hfa_listener_adopt(file, 16, &error), HFA_ERR_INVALID);
    assert_non_null(strstr(error.text, "not a socket"));
    close(datagram);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_port_0_gets_a_free_port_that_accepts, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_ipv6_accepts, make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_all_interfaces_share_one_port, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_a_port_in_use_is_an_error_that_names_it,
                                        make_directory, remove_directory),
        cmocka_unit_test_setup_teardown(test_reuse_port_lets_two_listen, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_a_unix_socket_has_the_mode_and_accepts, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_a_stale_socket_file_is_replaced, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_a_socket_in_use_is_left_alone, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_another_file_is_left_alone, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_a_path_that_is_too_long_is_refused, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_an_inherited_socket_is_adopted, make_directory,
                                        remove_directory),
        cmocka_unit_test_setup_teardown(test_what_is_no_stream_socket_is_not_adopted,
                                        make_directory, remove_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
