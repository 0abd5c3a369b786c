/* killing: LD_PRELOAD library that kills its process with SIGKILL while an import is published: KILLING=N before the Nth of the calls that put files
 * and directories in their places, counted from the first renameat() or linkat() on; KILLING_ALL: from the first of them all on. KILLING_ASKED=N: before the Nth
 * request to a store, and what was asked before has been answered, or not.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int calls, asked;

static void count(int first)
{
    const char *wanted = getenv("KILLING");

    if (!first && atomic_load(&calls) == 0 && !getenv("KILLING_ALL"))
        return;
    if (atomic_fetch_add(&calls, 1) + 1 == (wanted ? strtol(wanted, NULL, 10) : 0))
        kill(getpid(), SIGKILL);
}

int renameat(int from, const char *old, int to, const char *name);
int renameat2(int from, const char *old, int to, const char *name, unsigned flags);
int linkat(int from, const char *old, int to, const char *name, int flags);
int fsync(int fd);
int unlinkat(int directory, const char *name, int flags);

int renameat(int from, const char *old, int to, const char *name)
{
    int (*next)(int, const char *, int, const char *) =
        (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");

    count(1);
    return next(from, old, to, name);
}

int renameat2(int from, const char *old, int to, const char *name, unsigned flags)
{
    int (*next)(int, const char *, int, const char *, unsigned) =
        (int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT, "renameat2");

    count(0);
    return next(from, old, to, name, flags);
}

int linkat(int from, const char *old, int to, const char *name, int flags)
{
    int (*next)(int, const char *, int, const char *, int) =
        (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");

    count(1);
    return next(from, old, to, name, flags);
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

    count(0);
    return next(fd);
}

int unlinkat(int directory, const char *name, int flags)
{
    int (*next)(int, const char *, int) = (int (*)(int, const char *, int))dlsym(RTLD_NEXT, "unlinkat");

    count(0);
    return next(directory, name, flags);
}

int curl_multi_add_handle(void *multi, void *handle);

int curl_multi_add_handle(void *multi, void *handle)
{
    int (*next)(void *, void *) = (int (*)(void *, void *))dlsym(RTLD_NEXT, "curl_multi_add_handle");
    const char *wanted = getenv("KILLING_ASKED");

    if (atomic_fetch_add(&asked, 1) + 1 == (wanted ? strtol(wanted, NULL, 10) : 0))
        kill(getpid(), SIGKILL);
    return next(multi, handle);
}
