/* keeper_internal: what both ends of a keeper's socket share: one packet a question, one an answer. */
#ifndef PENSTOCK_TABLE_KEEPER_INTERNAL_H
#define PENSTOCK_TABLE_KEEPER_INTERNAL_H

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "table/keeper.h"

enum keeper_what { KEEPER_HOLD, KEEPER_STAY, KEEPER_ASK, KEEPER_END };

struct keeper_question {
    enum keeper_what what;
    unsigned seconds; /* KEEPER_STAY */
    uint64_t digest; /* KEEPER_HOLD */
};

struct keeper_answer {
    bool good;
    enum database_trouble trouble;
    struct snapshot snapshot;
    struct error error;
};

/* Returns the length of the address. */
socklen_t keeper_address(const char *name, struct sockaddr_un *ret_address);
/* Is the other end of the same user? ret_process may be NULL. */
bool keeper_is_own(int fd, pid_t *ret_process);

/* The process itself; does not return. `signals` are those that were blocked before the fork. */
_Noreturn void keeper_live(
    const struct job_options *options, const char *name, int client, pid_t parent, const sigset_t *signals);

#endif
