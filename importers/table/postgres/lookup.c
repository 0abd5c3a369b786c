/* lookup: see lookup.h */
#include "table/postgres/lookup.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"

struct lookup {
    char *host;
    int ready; /* eventfd */
    atomic_int holders;
    struct addrinfo *found; /* this and code: set before `ready` */
    int code;
};

static void lookup_free(struct lookup *lookup)
{
    if (lookup->found)
        freeaddrinfo(lookup->found);
    fd_close(&lookup->ready);
    free(lookup->host);
    free(lookup);
}

static void lookup_release(struct lookup *lookup)
{
    if (atomic_fetch_sub(&lookup->holders, 1) == 1)
        lookup_free(lookup);
}

static void *lookup_run(void *argument)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct lookup *lookup = argument;

    lookup->code = getaddrinfo(lookup->host, NULL, &hints, &lookup->found);
    ssize_t written = write(lookup->ready, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* the first one always finds room */
    lookup_release(lookup);
    return NULL;
}

static int lookup_make(struct lookup *lookup, const char *host, struct error *error)
{
    pthread_t thread;

    lookup->ready = eventfd(0, EFD_CLOEXEC);
    lookup->host = strdup(host);
    if (lookup->ready < 0 || !lookup->host)
        return error_set_errno(error, ERROR_RETRY, "host %.64s: looking it up", host);
    atomic_store(&lookup->holders, 2);
    errno = pthread_create(&thread, NULL, lookup_run, lookup);
    if (errno)
        return error_set_errno(error, ERROR_RETRY, "host %.64s: looking it up: thread", host);
    pthread_setname_np(thread, "lookup");
    pthread_detach(thread);
    return 0;
}

int lookup_start(struct lookup **ret_lookup, const char *host, struct error *error)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    if (!lookup)
        return error_set(error, ERROR_RETRY, "host %.64s: out of memory", host);
    if (lookup_make(lookup, host, error)) {
        lookup_free(lookup);
        return -1;
    }
    *ret_lookup = lookup;
    return 0;
}

int lookup_descriptor(const struct lookup *lookup)
{
    return lookup->ready;
}

const struct addrinfo *lookup_found(const struct lookup *lookup, const char **ret_why)
{
    *ret_why = lookup->code ? gai_strerror(lookup->code) : NULL;
    return lookup->code ? NULL : lookup->found;
}

void lookup_leave(struct lookup **lookup)
{
    if (*lookup)
        lookup_release(*lookup);
    *lookup = NULL;
}
