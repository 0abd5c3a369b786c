/* import_login: see import_login.h. */
#include "command/import_login.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

atomic_bool import_stop;

/* A second signal ends the program at once. */
static void import_on_signal(int number)
{
    atomic_store_explicit(&import_stop, true, memory_order_relaxed);
    signal(number, SIG_DFL);
}

void import_login_catch_signals(void)
{
    const struct sigaction action = {.sa_handler = import_on_signal, .sa_flags = SA_RESTART};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ---- the password -------------------------------------------------------------------------------------------------- */

/* Asks for a line that the terminal does not show. A signal ends the wait, however early it comes, and finds the terminal as it was: none is taken while it is not. Returns
 * the line's length, 0: none, -1: stopped. */
static ssize_t import_ask_line(int terminal, const struct termios *before, char *line, size_t size)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP};
    const struct sigaction action = {.sa_handler = import_on_signal};
    struct sigaction actions[sizeof numbers / sizeof *numbers];
    struct pollfd input = {.fd = terminal, .events = POLLIN};
    struct termios quiet = *before;
    sigset_t blocked, others;
    int ready = -1;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaddset(&blocked, numbers[i]);
    sigprocmask(SIG_BLOCK, &blocked, &others);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, &actions[i]);
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(terminal, TCSAFLUSH, &quiet);
    dprintf(terminal, "Password: ");
    do
        ready = ppoll(&input, 1, NULL, &others);
    while (ready < 0 && errno == EINTR && !atomic_load(&import_stop));
    const ssize_t length = ready > 0 ? read(terminal, line, size) : 0;
    tcsetattr(terminal, TCSAFLUSH, before);
    dprintf(terminal, "\n");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &actions[i], NULL);
    sigprocmask(SIG_SETMASK, &others, NULL);
    return atomic_load(&import_stop) ? -1 : length > 0 ? length : 0;
}

int import_login_ask(char password[static IMPORT_PASSWORD_MAX], struct error *error)
{
    cleanup_fd int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    struct termios before;

    if (terminal < 0 || tcgetattr(terminal, &before) != 0)
        return error_set(
            error, ERROR_REJECT, "--ask-password: there is no terminal to ask on; use --password-file");
    const ssize_t length = import_ask_line(terminal, &before, password, IMPORT_PASSWORD_MAX);
    if (length < 0)
        return error_set(error, ERROR_RETRY, "stopped; nothing was left behind");
    if (length == 0)
        return error_set(error, ERROR_REJECT, "--ask-password: no password was given");
    if (password[length - 1] != '\n')
        return error_set(error, ERROR_REJECT, "--ask-password: it is too long");
    password[length - 1] = '\0';
    return 0;
}

/* One from the command line does not stay there. */
static int import_take_password(
    struct import_options *options, char password[static IMPORT_PASSWORD_MAX], struct error *error)
{
    if (options->ask_password) {
        if (import_login_ask(password, error))
            return -1;
    } else if (options->password_given) {
        const size_t length = strlen(options->password_given);
        if (length >= IMPORT_PASSWORD_MAX)
            return error_set(error, ERROR_REJECT, "--password: it is too long");
        memcpy(password, options->password_given, length + 1);
        explicit_bzero((void *)(uintptr_t)options->password_given, length);
        fputs(
            "penstock: --password: others on this machine may have read it in the list of processes; better use --password-file\n",
            stderr);
    } else {
        return 0;
    }
    options->login.password = password;
    return 0;
}

/* An address with a password in it does not stay there either. */
static int import_take_address(struct import_options *options, struct error *error)
{
    char *given = (char *)(uintptr_t)options->login.address;

    if (!given)
        return 0;
    char *copy = strdup(given);
    if (!copy || import_list_add(&options->kept, copy, error)) {
        free(copy);
        return error_set(error, ERROR_RETRY, "--connect: out of memory");
    }
    options->login.address = copy;
    if (database_postgres.hide(given))
        fputs(
            "penstock: --connect: others on this machine may have read its password in the list of processes; better use --password-file\n",
            stderr);
    return 0;
}

int import_login_take(
    struct import_options *options, char password[static IMPORT_PASSWORD_MAX], struct error *error)
{
    options->login.stop = &import_stop;
    return import_take_address(options, error) || import_take_password(options, password, error) ? -1 : 0;
}
