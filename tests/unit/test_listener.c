/* listener: addresses as people write them, and sockets that are really there. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/listener.h"

static void describe(const char *address, char *out, size_t size)
{
    struct error error;
    cleanup_fd int fd = -1;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 128);
    cr_assert_eq(listener_open(address, 8, &fd, &error), 0, "%s", error.text);
    cr_assert_eq(listener_describe(fd, &text, &error), 0);
    cr_assert_lt(text.length, size);
    memcpy(out, text.data, text.length);
    out[text.length] = '\0';
}

Test(listener, a_free_port_is_named)
{
    char text[64];

    describe("127.0.0.1:0", text, sizeof text);
    cr_assert_eq(strncmp(text, "127.0.0.1:", 10), 0);
    cr_assert_neq(strtoul(text + 10, NULL, 10), 0);
    describe("localhost:0", text, sizeof text);
    cr_assert_eq(strncmp(text, "127.0.0.1:", 10), 0);
    describe("*:0", text, sizeof text);
    cr_assert_eq(strncmp(text, "0.0.0.0:", 8), 0);
}

Test(listener, a_taken_port_is_one_clear_error)
{
    struct error error;
    cleanup_fd int fd = -1;
    int second = -1;
    char address[64];
    cleanup_bytes struct bytes text;

    bytes_init(&text, 128);
    cr_assert_eq(listener_open("127.0.0.1:0", 8, &fd, &error), 0);
    cr_assert_eq(listener_describe(fd, &text, &error), 0);
    snprintf(address, sizeof address, "%.*s", (int)text.length, text.data);
    cr_assert_eq(listener_open(address, 8, &second, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    cr_assert_eq(second, -1);
    cr_assert(strstr(error.text, address));
    cr_assert(strstr(error.text, "in use"));
}

Test(listener, sockets_beside_share_a_port_that_is_still_taken)
{
    struct error error;
    int fds[3] = {-1, -1, -1}, other = -1;
    char address[64];
    cleanup_bytes struct bytes text, beside;

    bytes_init(&text, 128);
    bytes_init(&beside, 128);
    cr_assert_eq(listener_open("[::1]:0", 8, &fds[0], &error), 0);
    cr_assert_eq(listener_describe(fds[0], &text, &error), 0);
    for (size_t i = 1; i < 3; i++) {
        cr_assert_eq(listener_open_beside(fds[0], 8, &fds[i], &error), 0, "%s", error.text);
        bytes_clear(&beside);
        cr_assert_eq(listener_describe(fds[i], &beside, &error), 0);
        cr_assert(slice_equal(bytes_slice(&beside), bytes_slice(&text)));
    }
    snprintf(address, sizeof address, "%.*s", (int)text.length, text.data);
    cr_assert_eq(listener_open(address, 8, &other, &error), -1);
    cr_assert(strstr(error.text, "in use"));
    for (size_t i = 0; i < 3; i++)
        fd_close(&fds[i]);
    cr_assert_eq(listener_open_beside(-1, 8, &other, &error), -1);
    cr_assert(error.kind == ERROR_FATAL && other == -1);
}

Test(listener, what_is_no_address_is_refused)
{
    static const char *const wrong[] = {"", "8080", "localhost", "127.0.0.1:", "127.0.0.1:x",
        "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]", "[]:80", ":80", "256.0.0.1:80", "some-host:80",
        "127.0.0.1: 80", "0123456789012345678901234567890123456789012345678901234567890123456789:80"};
    struct error error;
    int fd = -1;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(listener_open(wrong[i], 8, &fd, &error), -1, "%s", wrong[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
}

Test(listener, connections_leave_descriptors_for_the_rest)
{
    struct rlimit limit = {100, 100};

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert(listener_leaves_descriptors(49));
    cr_assert_not(listener_leaves_descriptors(50), "half of a low limit");
    limit.rlim_max = limit.rlim_cur = 100;
    listener_reserve_descriptors(4000);
    cr_assert_not(listener_leaves_descriptors(50), "which cannot be raised");
}

Test(listener, all_that_were_asked_for_may_come)
{
    struct rlimit limit;

    listener_reserve_descriptors(1000);
    getrlimit(RLIMIT_NOFILE, &limit);
    cr_assert_geq(limit.rlim_cur, 1512);
    cr_assert(listener_leaves_descriptors((int)limit.rlim_cur - 513));
    cr_assert_not(listener_leaves_descriptors((int)limit.rlim_cur - 512));
}

Test(listener, loopback_is_known)
{
    static const struct {
        const char *address;
        bool loopback;
    } cases[] = {{"127.0.0.1:80", true}, {"127.8.8.8:80", true}, {"localhost:1", true}, {"[::1]:80", true},
        {"0.0.0.0:80", false}, {"*:80", false}, {"[::]:80", false}, {"10.0.0.1:80", false}};
    struct error error;
    bool loopback;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert_eq(listener_is_loopback(cases[i].address, &loopback, &error), 0);
        cr_assert_eq(loopback, cases[i].loopback, "%s", cases[i].address);
    }
    cr_assert_eq(listener_is_loopback("nowhere", &loopback, &error), -1);
}
