/* keeper_process: the keeper itself; see keeper.h. One thread; its signal handler only sets a flag and ends what the connection does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/file.h"
#include "table/keeper_internal.h"

#define KEEPER_CHECK_PERIOD (2 * CLOCK_SECOND) /* of the transaction */
#define KEEPER_COMM "penstock-keeper" /* as `ps` and `top` show it: 15 bytes */

struct process {
    const struct job_options *options;
    struct database *database;
    int listener, client; /* client -1: nobody is connected */
    bool held;
    struct snapshot snapshot;
    int64_t keep, left,
        checked; /* how long without a client; since when; when the transaction was looked at */
};

static atomic_bool process_stop;
static const struct database_kind *process_kind;
static struct database_connection *volatile process_connection;

static void process_on_signal(int number)
{
    (void)number;
    atomic_store_explicit(&process_stop, true, memory_order_relaxed);
    if (process_connection)
        process_kind->stop(process_connection);
}

static int64_t process_now(const struct process *process)
{
    return clock_monotonic(process->options->clock);
}

/* ---- becoming one ------------------------------------------------------------------------------------------------ */

/* Whoever waits for the end of the import's output must not wait for this process. */
static void process_close_files(int client)
{
    const int nowhere = open("/dev/null", O_RDWR);

    for (int fd = 0; fd <= 2; fd++)
        dup2(nowhere, fd);
    if (nowhere > 2)
        close(nowhere);
    if (client > 3)
        close_range(3, (unsigned)client - 1, 0);
    close_range((unsigned)client + 1, ~0U, 0);
}

static void process_catch_signals(const sigset_t *signals)
{
    const struct sigaction action = {.sa_handler = process_on_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, signals, NULL);
}

static int process_listen(const char *name)
{
    struct sockaddr_un address;
    const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const socklen_t length = keeper_address(name, &address);

    return listener >= 0 && bind(listener, (const struct sockaddr *)&address, length) == 0 &&
                   listen(listener, 8) == 0
               ? listener
               : -1;
}

static _Noreturn void process_end(void)
{
    struct database_connection *connection = process_connection;

    process_connection = NULL;
    if (connection)
        process_kind->disconnect(&connection);
    _exit(0);
}

/* ---- what is asked -------------------------------------------------------------------------------------------------- */

static int process_connect(struct process *process, struct error *error)
{
    struct database_login login = process->options->login;
    struct database_connection *connection = process_connection;

    login.stop = &process_stop;
    process_connection = NULL;
    process->held = false;
    if (connection)
        process_kind->disconnect(&connection);
    if (!process->database && process_kind->open(&login, &process->database, error))
        return -1;
    if (process_kind->connect(process->database, &connection, error))
        return -1;
    process_connection = connection;
    return 0;
}

/* Described here once more: what the import has described is of its own memory, and this has to be the same. */
static void process_hold(struct process *process, uint64_t digest, struct keeper_answer *answer)
{
    const struct job_options *options = process->options;
    struct table_list *list = NULL;

    answer->trouble = DATABASE_LOST;
    if (process_connect(process, &answer->error))
        return;
    if (process_kind->describe(process_connection, &options->selection, &list, &answer->error)) {
        answer->trouble = process_connection->trouble;
        return;
    }
    if (keeper_digest(list) != digest) {
        answer->trouble = DATABASE_CHANGED;
        error_set(&answer->error, ERROR_RETRY, "tables were changed while the import was being prepared");
    } else if (process_kind->hold(
                   process_connection, list, &options->snapshot, &process->snapshot, &answer->error)) {
        answer->trouble = process_connection->trouble;
    } else {
        answer->good = process->held = true;
        answer->snapshot = process->snapshot;
        process->checked = process_now(process);
    }
    process_kind->list_free(&list);
}

/* What `ps` shows of the command line is of no use any more, and may hold what is nobody's business. */
static void process_set_title(const struct process *process)
{
    const struct job_options *options = process->options;

    if (options->title_size == 0)
        return;
    explicit_bzero(options->title, options->title_size);
    snprintf(options->title, options->title_size, "keeper of snapshot %s", process->snapshot.id);
}

static void process_stay(struct process *process, unsigned seconds, struct keeper_answer *answer)
{
    process->keep = seconds * CLOCK_SECOND;
    prctl(PR_SET_PDEATHSIG, 0);
    process_set_title(process);
    /* Nothing is read from files any more, and no file system is kept from being unmounted. */
    answer->good = chdir("/") == 0;
}

/* Is the transaction still there? */
static bool process_check(struct process *process, struct error *error)
{
    process->checked = process_now(process);
    if (process->held && process_kind->check(process_connection, error) == 0)
        return true;
    if (!process->held)
        error_set(error, ERROR_RETRY, "it holds no snapshot");
    return false;
}

static void process_leave(struct process *process)
{
    fd_close(&process->client);
    process->left = process_now(process);
}

static void process_answer(struct process *process)
{
    struct keeper_question question;
    struct keeper_answer answer = {.trouble = DATABASE_FINE};

    if (recv(process->client, &question, sizeof question, 0) != sizeof question) {
        process_leave(process);
        return;
    }
    if (question.what == KEEPER_END)
        process_end();
    if (question.what == KEEPER_HOLD)
        process_hold(process, question.digest, &answer);
    else if (question.what == KEEPER_STAY)
        process_stay(process, question.seconds, &answer);
    else
        answer.good = process_check(process, &answer.error);
    send(process->client, &answer, sizeof answer, MSG_NOSIGNAL);
}

static void process_accept(struct process *process)
{
    cleanup_fd int client = accept4(process->listener, NULL, NULL, SOCK_CLOEXEC);

    if (client >= 0 && keeper_is_own(client, NULL))
        process->client = fd_take(&client);
}

/* ---- living --------------------------------------------------------------------------------------------------------- */

/* Milliseconds until there is something to do. */
static int process_pause(const struct process *process)
{
    const int64_t now = process_now(process);
    int64_t next = process->held ? process->checked + KEEPER_CHECK_PERIOD : now + KEEPER_CHECK_PERIOD;

    if (process->client < 0 && process->left + process->keep < next)
        next = process->left + process->keep;
    return next <= now ? 0 : (int)((next - now) / 1000) + 1;
}

static void process_step(struct process *process)
{
    struct pollfd end = {.fd = process->client < 0 ? process->listener : process->client, .events = POLLIN};
    struct keeper_answer lost = {.trouble = DATABASE_GONE};

    const int ready = poll(&end, 1, process_pause(process));
    if (ready < 0)
        return;
    /* One client at a time: others wait to be accepted until it has gone. */
    if (ready && process->client < 0)
        process_accept(process);
    else if (ready)
        process_answer(process);
    if (process->held && process_now(process) >= process->checked + KEEPER_CHECK_PERIOD &&
        !process_check(process, &lost.error)) {
        if (process->client >= 0)
            send(process->client, &lost, sizeof lost, MSG_NOSIGNAL);
        process_end();
    }
    if (process->client < 0 && process_now(process) >= process->left + process->keep)
        process_end();
}

_Noreturn void keeper_live(
    const struct job_options *options, const char *name, int client, pid_t parent, const sigset_t *signals)
{
    /* Above the standard files, even if they were closed. */
    struct process process = {.options = options, .client = fcntl(client, F_DUPFD_CLOEXEC, 3)};

    setsid();
    process_close_files(process.client);
    prctl(PR_SET_NAME, KEEPER_COMM);
    process_kind = options->kind;
    process_catch_signals(signals);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    process.listener = process_listen(name);
    if (process.listener < 0 || getppid() != parent)
        _exit(1);
    while (!process_stop)
        process_step(&process);
    process_end();
}
