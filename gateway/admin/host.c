/* host: see host.h */
#include "admin/host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* What stands behind the host: nothing, or a port. */
static bool host_ends(const char *rest)
{
    return *rest == '\0' || (*rest == ':' && rest[1 + strspn(rest + 1, "0123456789")] == '\0');
}

bool host_is_here(const char *value)
{
    const bool six = *value == '[';
    const char *from = value + six;
    const size_t length = strcspn(from, six ? "]" : ":");
    unsigned char bytes[sizeof(struct in6_addr)];
    char host[INET6_ADDRSTRLEN];

    if (length >= sizeof host || (six && from[length] != ']') || !host_ends(from + length + six))
        return false;
    memcpy(host, from, length);
    host[length] = '\0';
    return six ? inet_pton(AF_INET6, host, bytes) == 1
               : inet_pton(AF_INET, host, bytes) == 1 || strcasecmp(host, "localhost") == 0;
}
