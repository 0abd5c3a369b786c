/* admin: a library that does not start after all. Whether it has closed the socket by then is its own affair: that number may be somebody else's by now. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/file.h"

static bool closes;
static int somebodys = -1;

/* In the library's place: the listening socket is the first of its options. */
struct MHD_Daemon *MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept,
    void *accept_context, MHD_AccessHandlerCallback handle, void *context, ...)
{
    va_list options;

    (void)flags;
    (void)port;
    (void)accept;
    (void)accept_context;
    (void)handle;
    va_start(options, context);
    cr_assert_eq(va_arg(options, enum MHD_OPTION), MHD_OPTION_LISTEN_SOCKET);
    const int fd = va_arg(options, int);
    va_end(options);
    if (closes) {
        cr_assert_eq(close(fd), 0);
        somebodys = open("/dev/null", O_RDONLY | O_CLOEXEC);
        cr_assert_eq(somebodys, fd, "the lowest number that is free");
    }
    errno = EAGAIN;
    return NULL;
}

static void expect_no_start(void)
{
    static char *addresses[] = {(char *)"127.0.0.1:0"};
    static const struct config config = {
        .admin = {.anonymous = true, .listen = {.items = addresses, .count = 1}}};
    struct admin *admin = NULL;
    struct error error;

    cr_assert_eq(admin_open(&admin, &(struct admin_context){.config = &config}, &error), -1);
    cr_assert(strstr(error.text, "libmicrohttpd does not start"), "%s", error.text);
    cr_assert_null(admin);
}

Test(admin_start, a_socket_that_the_library_has_closed)
{
    closes = true;
    expect_no_start();
    cr_assert_neq(fcntl(somebodys, F_GETFD), -1, "it was closed twice");
    fd_close(&somebodys);
}

Test(admin_start, a_socket_that_it_has_not)
{
    expect_no_start();
}
