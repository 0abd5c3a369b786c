/* threads: LD_PRELOAD library under which only the first THREADS_MAX threads of a process can be made, as where a limit of the system is reached. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    static atomic_int made;
    const char *most = getenv("THREADS_MAX");

    if (most && atomic_fetch_add(&made, 1) >= strtol(most, NULL, 10))
        return EAGAIN;
    create_fn *create = (create_fn *)dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attributes, run, argument);
}
