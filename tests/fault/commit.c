/* commit: LD_PRELOAD library that strikes at the Nth commit of a transaction of Kafka's: COMMIT=before:N kills the process with SIGKILL when the commit is not
 * asked for yet, COMMIT=after:N when its answer has come and nobody has heard of it; COMMIT=lost:N says that the Nth failed though it did not, COMMIT=never:N that it
 * failed, and asks nobody.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE (-172) /* RD_KAFKA_RESP_ERR__STATE: nothing that goes away by itself */

typedef void *commit_fn(void *producer, int timeout);
typedef void *error_fn(int code, const char *format, ...);

void *rd_kafka_commit_transaction(void *producer, int timeout);

void *rd_kafka_commit_transaction(void *producer, int timeout)
{
    static atomic_int calls;
    commit_fn *next = (commit_fn *)dlsym(RTLD_NEXT, "rd_kafka_commit_transaction");
    error_fn *make = (error_fn *)dlsym(RTLD_NEXT, "rd_kafka_error_new");
    const char *wanted = getenv("COMMIT");
    const char *number = wanted ? strchr(wanted, ':') : NULL;
    const int mine = number && atomic_fetch_add(&calls, 1) + 1 == (int)strtol(number + 1, NULL, 10);
    const char how = mine ? wanted[0] : ' ';

    if (how == 'b')
        kill(getpid(), SIGKILL);
    if (how == 'n')
        return make(STATE, "nobody was asked");
    void *error = next(producer, timeout);
    if (how == 'a' && !error)
        kill(getpid(), SIGKILL);
    return how == 'l' && !error ? make(STATE, "the answer was lost") : error;
}
