/* commit: LD_PRELOAD library that kills its process with SIGKILL beside the Nth commit of a transaction of Kafka's: COMMIT=before:N when its answer is not
 * asked for yet, COMMIT=after:N when it has come and nobody has heard of it.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *rd_kafka_commit_transaction(void *producer, int timeout);

void *rd_kafka_commit_transaction(void *producer, int timeout)
{
    static atomic_int calls;
    void *(*next)(void *, int) = (void *(*)(void *, int))dlsym(RTLD_NEXT, "rd_kafka_commit_transaction");
    const char *wanted = getenv("COMMIT");
    const char *number = wanted ? strchr(wanted, ':') : NULL;
    const int mine = number && atomic_fetch_add(&calls, 1) + 1 == (int)strtol(number + 1, NULL, 10);

    if (mine && wanted[0] == 'b')
        kill(getpid(), SIGKILL);
    void *error = next(producer, timeout);
    if (mine && !error)
        kill(getpid(), SIGKILL);
    return error;
}
