/* listener: see listener.h */
#include "base/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/privilege.h"

#define LISTENER_SPARE_DESCRIPTORS 512 /* for everything that is no connection */

#define LISTENER_HOST_MAX 64

union listener_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static int listener_port(const char *text, uint16_t *ret_port)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -1;
    unsigned long port = strtoul(text, &end, 10);
    if (*end || port > UINT16_MAX)
        return -1;
    *ret_port = (uint16_t)port;
    return 0;
}

/* "[::1]:80" and "127.0.0.1:80" -> host without brackets; the port is behind the last colon. */
static int listener_split(const char *text, char host[LISTENER_HOST_MAX], uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');

    if (!colon || listener_port(colon + 1, ret_port))
        return -1;
    size_t length = (size_t)(colon - text);
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length))
        return -1;
    if (length == 0 || length >= LISTENER_HOST_MAX)
        return -1;
    memcpy(host, text, length);
    host[length] = '\0';
    return 0;
}

static int listener_parse(
    const char *text, union listener_address *ret_address, socklen_t *ret_length, struct error *error)
{
    char host[LISTENER_HOST_MAX];
    uint16_t port;
    union listener_address address = {0};

    if (!listener_split(text, host, &port)) {
        const char *four = !strcmp(host, "localhost") ? "127.0.0.1" : !strcmp(host, "*") ? "0.0.0.0" : host;
        if (inet_pton(AF_INET, four, &address.four.sin_addr) == 1) {
            address.four.sin_family = AF_INET;
            address.four.sin_port = htons(port);
            *ret_length = sizeof address.four;
            *ret_address = address;
            return 0;
        }
        if (inet_pton(AF_INET6, host, &address.six.sin6_addr) == 1) {
            address.six.sin6_family = AF_INET6;
            address.six.sin6_port = htons(port);
            *ret_length = sizeof address.six;
            *ret_address = address;
            return 0;
        }
    }
    return error_set(error, ERROR_REJECT,
        "\"%s\" is not ADDRESS:PORT (127.0.0.1:8080, [::1]:8080, localhost:8080, *:8080)", text);
}

static int listener_socket(const union listener_address *address, bool shared, int *ret_fd)
{
    const int on = 1, family = address->any.sa_family;
    cleanup_fd int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    /* A restart must not wait for the connections of the last run to leave TIME_WAIT. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on)))
        return -1;
    *ret_fd = fd_take(&fd);
    return 0;
}

int listener_open(const char *text, int backlog, int *ret_fd, struct error *error)
{
    union listener_address address;
    socklen_t length;
    cleanup_fd int fd = -1;

    if (listener_parse(text, &address, &length, error))
        return -1;
    if (listener_socket(&address, false, &fd))
        return error_set_errno(error, ERROR_FATAL, "cannot listen on %s: socket", text);
    if (privilege_bind(fd, &address.any, length) || listen(fd, backlog))
        return error_set_errno(error, ERROR_FATAL, "cannot listen on %s", text);
    *ret_fd = fd_take(&fd);
    return 0;
}

int listener_open_beside(int first, int backlog, int *ret_fd, struct error *error)
{
    union listener_address address = {0};
    socklen_t length = sizeof address;
    const int on = 1;
    cleanup_fd int fd = -1;

    if (getsockname(first, &address.any, &length) ||
        setsockopt(first, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) || listener_socket(&address, true, &fd) ||
        privilege_bind(fd, &address.any, length) || listen(fd, backlog))
        return error_set_errno(error, ERROR_FATAL, "cannot listen with one more socket");
    *ret_fd = fd_take(&fd);
    return 0;
}

int listener_describe(int fd, struct bytes *text, struct error *error)
{
    union listener_address address = {0};
    socklen_t length = sizeof address;
    char host[INET6_ADDRSTRLEN];

    if (getsockname(fd, &address.any, &length))
        return error_set_errno(error, ERROR_FATAL, "listening socket: getsockname");
    if (address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address.six.sin6_addr, host, sizeof host);
        return bytes_print(text, error, "[%s]:%u", host, ntohs(address.six.sin6_port));
    }
    inet_ntop(AF_INET, &address.four.sin_addr, host, sizeof host);
    return bytes_print(text, error, "%s:%u", host, ntohs(address.four.sin_port));
}

int listener_is_loopback(const char *text, bool *ret_loopback, struct error *error)
{
    union listener_address address;
    socklen_t length;

    if (listener_parse(text, &address, &length, error))
        return -1;
    if (address.any.sa_family == AF_INET6)
        *ret_loopback = IN6_IS_ADDR_LOOPBACK(&address.six.sin6_addr);
    else
        *ret_loopback = ntohl(address.four.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return 0;
}

void listener_reserve_descriptors(int64_t count)
{
    static rlim_t reserved = LISTENER_SPARE_DESCRIPTORS;
    struct rlimit limit;

    reserved = (rlim_t)((int64_t)reserved + count);
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= reserved)
        return;
    limit.rlim_cur = limit.rlim_max < reserved ? limit.rlim_max : reserved;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The kernel gives the lowest number that is free. */
bool listener_leaves_descriptors(int fd)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit))
        return true;
    const rlim_t half = limit.rlim_cur / 2;
    return (rlim_t)fd <
           limit.rlim_cur - (half < LISTENER_SPARE_DESCRIPTORS ? half : LISTENER_SPARE_DESCRIPTORS);
}
