/* silent: LD_PRELOAD library of a resolver that does not answer the processes called SILENT_WHO any more once it has answered them SILENT_AFTER times. It makes the file
 * SILENT_SEEN when it is asked then.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long calls;

static int is_meant(void)
{
    char name[32] = "";
    const int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd >= 0 ? read(fd, name, sizeof name - 1) : 0;

    close(fd);
    name[length > 0 ? length - 1 : 0] = '\0';
    return strcmp(name, getenv("SILENT_WHO")) == 0;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(
            RTLD_NEXT, "getaddrinfo");

    if (strcmp(host, "localhost") == 0 && is_meant() &&
        atomic_fetch_add(&calls, 1) >= strtol(getenv("SILENT_AFTER"), NULL, 10)) {
        close(open(getenv("SILENT_SEEN"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
        for (;;)
            pause();
    }
    return next(host, service, hints, found);
}
