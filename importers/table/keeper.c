/* keeper: the import's end of it; see keeper.h. */
#include "table/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/fnv.h"
#include "table/keeper_internal.h"

#define KEEPER_PATIENCE 30000 /* milliseconds for an answer of one that has nothing to do */
#define KEEPER_END_PATIENCE 5000
#define KEEPER_TICK 250

struct keeper {
    int fd;
    pid_t process;
    bool child;
    const atomic_bool *stop; /* of the import that has begun it */
    char name[KEEPER_NAME_MAX];
};

socklen_t keeper_address(const char *name, struct sockaddr_un *ret_address)
{
    const size_t length = strlen(name);

    /* The first byte stays zero: a name, and no file. */
    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(ret_address->sun_path + 1, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
}

bool keeper_is_own(int fd, pid_t *ret_process)
{
    struct ucred peer;
    socklen_t length = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid())
        return false;
    if (ret_process)
        *ret_process = peer.pid;
    return true;
}

uint64_t keeper_digest(const struct table_list *list)
{
    uint64_t digest = FNV_EMPTY;

    for (size_t i = 0; i < list->count; i++) {
        const struct table *table = list->tables[i];
        digest = fnv_add(digest, table->schema, strlen(table->schema) + 1);
        digest = fnv_add(digest, table->name, strlen(table->name) + 1);
        digest = fnv_add(digest, &table->fingerprint, sizeof table->fingerprint);
        for (size_t k = 0; k < table->parts_count; k++)
            digest = fnv_add(digest, &table->parts[k].storage, sizeof table->parts[k].storage);
    }
    return digest;
}

/* ---- one that is begun, or found --------------------------------------------------------------------------------- */

static int keeper_new(struct keeper **ret_keeper, const char *name, struct error *error)
{
    struct keeper *keeper = calloc(1, sizeof(*keeper));
    uint64_t random[2];

    if (!keeper)
        return error_set(error, ERROR_RETRY, "keeper of the snapshot: out of memory");
    keeper->fd = -1;
    if (name) {
        snprintf(keeper->name, sizeof keeper->name, "%s", name);
    } else if (getrandom(random, sizeof random, 0) == sizeof random) {
        snprintf(keeper->name, sizeof keeper->name, "penstock-keeper-%016llx%016llx",
            (unsigned long long)random[0], (unsigned long long)random[1]);
    } else {
        free(keeper);
        return error_set_errno(error, ERROR_FATAL, "random number");
    }
    *ret_keeper = keeper;
    return 0;
}

int keeper_start(struct keeper **ret_keeper, const struct job_options *options, struct error *error)
{
    __attribute__((cleanup(keeper_leave))) struct keeper *keeper = NULL;
    const pid_t parent = getpid();
    sigset_t all, before;
    int ends[2];

    if (keeper_new(&keeper, NULL, error))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return error_set_errno(error, ERROR_RETRY, "keeper of the snapshot");
    /* A signal that is for the import must not find the child with the import's handlers. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    keeper->process = fork();
    if (keeper->process == 0) {
        close(ends[0]);
        keeper_live(options, keeper->name, ends[1], parent, &before);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(ends[1]);
    keeper->fd = ends[0];
    if (keeper->process < 0)
        return error_set_errno(error, ERROR_RETRY, "keeper of the snapshot: fork");
    keeper->child = true;
    keeper->stop = options->stop;
    *ret_keeper = keeper;
    keeper = NULL;
    return 0;
}

/* 1: there is something to read, or the end; 0: not in time (milliseconds), or, when there is no limit, the import was stopped. */
static int keeper_wait(const struct keeper *keeper, int patience)
{
    struct pollfd end = {.fd = keeper->fd, .events = POLLIN};

    for (int waited = 0; patience < 0 || waited <= patience; waited += KEEPER_TICK) {
        if (poll(&end, 1, KEEPER_TICK) > 0)
            return 1;
        if (patience < 0 && atomic_load_explicit(keeper->stop, memory_order_relaxed))
            return 0;
    }
    return 0;
}

static int keeper_send(const struct keeper *keeper, const struct keeper_question *question)
{
    return send(keeper->fd, question, sizeof *question, MSG_NOSIGNAL) == sizeof *question ? 0 : -1;
}

static int keeper_ask(struct keeper *keeper, const struct keeper_question *question, int patience,
    struct keeper_answer *ret_answer, struct error *error)
{
    if (keeper_send(keeper, question) == 0) {
        if (!keeper_wait(keeper, patience)) {
            return error_set(error, ERROR_RETRY, "keeper of the snapshot: %s",
                patience < 0 ? "stopped" : "it does not answer");
        }
        if (recv(keeper->fd, ret_answer, sizeof *ret_answer, 0) == sizeof *ret_answer)
            return 0;
    }
    return error_set(error, ERROR_FATAL, "keeper of the snapshot: it has ended");
}

int keeper_attach(struct keeper **ret_keeper, const char *name, bool *ret_held, struct error *error)
{
    __attribute__((cleanup(keeper_leave))) struct keeper *keeper = NULL;
    const struct keeper_question question = {.what = KEEPER_ASK};
    struct keeper_answer answer;
    struct sockaddr_un address;

    *ret_held = false;
    if (strlen(name) >= KEEPER_NAME_MAX || keeper_new(&keeper, name, error))
        return error_set(error, ERROR_REJECT, "keeper of the snapshot: \"%.64s\" is no name of one", name);
    keeper->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (keeper->fd < 0)
        return error_set_errno(error, ERROR_RETRY, "keeper of the snapshot");
    const socklen_t length = keeper_address(name, &address);
    if (connect(keeper->fd, (const struct sockaddr *)&address, length) != 0 ||
        !keeper_is_own(keeper->fd, &keeper->process)) {
        error_set(error, ERROR_FATAL, "its keeper is not there any more");
        return 0;
    }
    if (keeper_ask(keeper, &question, KEEPER_PATIENCE, &answer, error))
        return 0;
    if (!answer.good) {
        *error = answer.error;
        return 0;
    }
    *ret_held = true;
    *ret_keeper = keeper;
    keeper = NULL;
    return 0;
}

/* ---- what is asked of it ------------------------------------------------------------------------------------------- */

int keeper_hold(struct keeper *keeper, uint64_t digest, struct snapshot *ret_snapshot,
    enum database_trouble *ret_trouble, struct error *error)
{
    const struct keeper_question question = {.what = KEEPER_HOLD, .digest = digest};
    struct keeper_answer answer;

    *ret_trouble = DATABASE_LOST;
    if (keeper_ask(keeper, &question, -1, &answer, error))
        return -1;
    *ret_trouble = answer.trouble;
    if (!answer.good) {
        *error = answer.error;
        return -1;
    }
    *ret_snapshot = answer.snapshot;
    return 0;
}

int keeper_stay(struct keeper *keeper, unsigned seconds, struct error *error)
{
    const struct keeper_question question = {.what = KEEPER_STAY, .seconds = seconds};
    struct keeper_answer answer;

    if (keeper_ask(keeper, &question, KEEPER_PATIENCE, &answer, error))
        return -1;
    if (!answer.good)
        *error = answer.error;
    return answer.good ? 0 : -1;
}

bool keeper_holds(struct keeper *keeper)
{
    const struct keeper_question question = {.what = KEEPER_ASK};
    struct keeper_answer answer;
    struct error ignored;

    return keeper_ask(keeper, &question, KEEPER_PATIENCE, &answer, &ignored) == 0 && answer.good;
}

int keeper_check(struct keeper *keeper, struct error *error)
{
    struct keeper_answer answer;
    const ssize_t length = recv(keeper->fd, &answer, sizeof answer, MSG_DONTWAIT);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (length == sizeof answer)
        *error = answer.error;
    else
        error_set(error, ERROR_RETRY, "the keeper of the snapshot has ended");
    return -1;
}

const char *keeper_name(const struct keeper *keeper)
{
    return keeper->name;
}

int keeper_process(const struct keeper *keeper)
{
    return (int)keeper->process;
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

void keeper_leave(struct keeper **keeper)
{
    if (!*keeper)
        return;
    fd_close(&(*keeper)->fd);
    free(*keeper);
    *keeper = NULL;
}

void keeper_end(struct keeper **keeper)
{
    const struct keeper_question question = {.what = KEEPER_END};

    if (!*keeper)
        return;
    keeper_send(*keeper, &question);
    /* Should it be about something else, this reaches it, too. */
    if ((*keeper)->child)
        kill((*keeper)->process, SIGTERM);
    struct keeper_answer ignored;
    while (keeper_wait(*keeper, KEEPER_END_PATIENCE) && recv((*keeper)->fd, &ignored, sizeof ignored, 0) > 0)
        ;
    if ((*keeper)->child)
        waitpid((*keeper)->process, NULL, WNOHANG);
    keeper_leave(keeper);
}
