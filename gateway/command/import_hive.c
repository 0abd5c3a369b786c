/* import_hive: see import_hive.h. */
#include "command/import_hive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shown.h"
#include "command/import_login.h"
#include "command/import_progress.h"
#include "table/hive.h"
#include "table/manifest.h"

#define HIVE_COMMAND_MAX ((size_t)16 << 20)
#define HIVE_TICK 250 /* milliseconds between two looks whether a signal has come */

/* ---- where the scripts are ------------------------------------------------------------------------------------------- */

struct hive_places {
    char *directory; /* that was asked for, from the root on */
    char **paths; /* directories with a script, sorted: that one alone, or those in it */
    size_t count;
};

static bool hive_has(const char *directory, const char *name)
{
    char *path = NULL;
    const bool has =
        asprintf(&path, "%s/%s", directory, name) >= 0 && faccessat(AT_FDCWD, path, F_OK, 0) == 0;

    free(path);
    return has;
}

static void hive_free(struct hive_places *places)
{
    for (size_t i = 0; i < places->count; i++)
        free(places->paths[i]);
    free(places->paths);
    free(places->directory);
}

static int hive_add(struct hive_places *places, const char *name, struct error *error)
{
    char **more = realloc(places->paths, (places->count + 1) * sizeof *more), *path = NULL;

    places->paths = more ? more : places->paths;
    if (!more || asprintf(&path, "%s%s%s", places->directory, *name ? "/" : "", name) < 0)
        return error_set(error, ERROR_RETRY, "Hive: out of memory");
    if (hive_has(path, HIVE_SCRIPT))
        places->paths[places->count++] = path;
    else
        free(path);
    return 0;
}

/* A directory that is not there has none. Others are looked for below a manifest only: what else lies somewhere is nobody's of this import. */
static int hive_find(struct hive_places *places, const char *directory, struct error *error)
{
    struct dirent **list = NULL;

    *places = (struct hive_places){.directory = file_absolute(directory, error)};
    if (!places->directory || hive_add(places, "", error))
        return -1;
    const bool around =
        hive_has(places->directory, MANIFEST_NAME_SQOOP) || hive_has(places->directory, MANIFEST_NAME);
    const int count = places->count || !around ? 0 : scandir(places->directory, &list, NULL, alphasort);
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (!result && *list[i]->d_name != '.')
            result = hive_add(places, list[i]->d_name, error);
        free(list[i]);
    }
    free(list);
    return result;
}

static enum import_hive_state hive_state(const char *path)
{
    if (hive_has(path, HIVE_LOADED))
        return IMPORT_HIVE_LOADED;
    return hive_has(path, HIVE_BEGUN) ? IMPORT_HIVE_UNKNOWN : IMPORT_HIVE_WAITS;
}

static enum import_hive_state hive_state_of_all(const struct hive_places *places)
{
    enum import_hive_state state = places->count ? IMPORT_HIVE_WAITS : IMPORT_HIVE_NOTHING;

    if (places->count && hive_has(places->directory, HIVE_LOADED))
        return IMPORT_HIVE_LOADED;
    for (size_t i = 0; i < places->count; i++)
        if (hive_state(places->paths[i]) == IMPORT_HIVE_UNKNOWN)
            state = IMPORT_HIVE_UNKNOWN;
    return state;
}

enum import_hive_state import_hive_look(const char *directory)
{
    __attribute__((cleanup(hive_free))) struct hive_places places;
    struct error ignored;

    return hive_find(&places, directory, &ignored) ? IMPORT_HIVE_NOTHING : hive_state_of_all(&places);
}

/* ---- marks ----------------------------------------------------------------------------------------------------------- */

/* Durable. Of two that set one at the same time only one can: errno EEXIST. */
static int hive_mark(const char *directory, const char *name, struct error *error)
{
    cleanup_fd int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int fd = folder < 0 ? -1 : openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0 || fsync(fd) != 0 || fsync(folder) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", directory, name);
    return 0;
}

/* ---- the client ------------------------------------------------------------------------------------------------------ */

static bool hive_is_on_path(const char *name)
{
    const char *at = getenv("PATH");

    while (at && *at) {
        const size_t length = strcspn(at, ":");
        char *path = NULL;
        const bool found = asprintf(&path, "%.*s/%s", (int)length, at, name) >= 0 && access(path, X_OK) == 0;
        free(path);
        if (found)
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* NULL: there is none. */
static const char *hive_client(const char *client)
{
    static const char *const known[] = {"beeline", "spark-sql"};

    if (client)
        return strcmp(client, "none") == 0 ? NULL : client;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (hive_is_on_path(known[i]))
            return known[i];
    return NULL;
}

/* A process group of its own: what the shell starts ends with it. Its output is not ours. */
static int hive_spawn(char *const *words, pid_t *ret_child, struct error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    errno = posix_spawn(ret_child, words[0], &actions, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return errno ? error_set_errno(error, ERROR_FATAL, "Hive: %s", words[0]) : 0;
}

/* The first signal is the client's, too. */
static int hive_wait(pid_t child)
{
    cleanup_fd int ended = pidfd_open(child, 0);
    struct pollfd wait = {.fd = ended, .events = POLLIN};
    bool told = false;
    int status = 0;

    while (ended >= 0 && poll(&wait, 1, HIVE_TICK) <= 0) {
        if (!told && atomic_load(&import_stop))
            told = kill(-child, SIGTERM) == 0;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* With a file that the shell does not look into. */
static int hive_run(const char *client, const char *path, struct error *error)
{
    char shell[] = "/bin/sh", option[] = "-c", *line = NULL, *file = NULL;
    int result = -1, status = 0;
    pid_t child;

    if (asprintf(&line, "%s -f \"$0\"", client) < 0) {
        line = NULL;
        error_set(error, ERROR_RETRY, "Hive: out of memory");
    } else if (asprintf(&file, "%s/%s", path, HIVE_SCRIPT) < 0) {
        file = NULL;
        error_set(error, ERROR_RETRY, "Hive: out of memory");
    } else {
        char *const words[] = {shell, option, line, file, NULL};
        result = hive_spawn(words, &child, error);
    }
    free(line);
    free(file);
    if (result)
        return -1;
    status = hive_wait(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (atomic_load(&import_stop))
        return error_set(
            error, ERROR_RETRY, "Hive: stopped while %.100s was at work on %.200s", client, path);
    return error_set(error, ERROR_FATAL, "Hive: %.100s has not taken %.200s: %s %d", client, path,
        WIFEXITED(status) ? "exit status" : "signal",
        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* ---- what people can do ---------------------------------------------------------------------------------------------- */

static int hive_add_touch(const char *path, struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes mark;

    bytes_init(&mark, HIVE_COMMAND_MAX);
    return bytes_print(&mark, error, "%s/%s", path, HIVE_LOADED) || bytes_add(&mark, "", 1, error) ||
                   bytes_add_text(text, " && touch ", error) || shown_add_word(text, mark.data, error)
               ? -1
               : 0;
}

static int hive_add_command(const char *client, const char *path, struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes script;

    bytes_init(&script, HIVE_COMMAND_MAX);
    return bytes_print(&script, error, "%s/%s", path, HIVE_SCRIPT) || bytes_add(&script, "", 1, error) ||
                   (text->length && bytes_add_text(text, " && ", error)) ||
                   bytes_print(text, error, "%s -f ", client) || shown_add_word(text, script.data, error) ||
                   hive_add_touch(path, text, error)
               ? -1
               : 0;
}

/* The line of a shell that gives all of it to Hive that is not there. */
static int hive_command(
    const struct hive_places *places, const char *client, struct bytes *text, struct error *error)
{
    const bool inner = places->count && strcmp(places->paths[0], places->directory) != 0;
    const char *found = hive_client(client);

    for (size_t i = 0; i < places->count; i++)
        if (hive_state(places->paths[i]) != IMPORT_HIVE_LOADED &&
            hive_add_command(found ? found : "beeline", places->paths[i], text, error))
            return -1;
    return (inner && hive_add_touch(places->directory, text, error)) || bytes_add(text, "", 1, error) ? -1
                                                                                                      : 0;
}

static void hive_say(const char *before, const struct hive_places *places, const char *client)
{
    cleanup_bytes struct bytes text;
    struct error ignored;

    bytes_init(&text, HIVE_COMMAND_MAX);
    if (hive_command(places, client, &text, &ignored))
        return;
    fprintf(stderr, "penstock: %s", before);
    import_say(stderr, text.data);
    fputc('\n', stderr);
}

static int hive_unknown(const struct hive_places *places, const char *client, struct error *error)
{
    hive_say("if Hive does not have them: ", places, client);
    return error_set(error, ERROR_REJECT,
        "Hive: %.200s was given to it, and nobody knows whether Hive has the files: look there; if it has, make the file " HIVE_LOADED
        " beside " HIVE_SCRIPT,
        places->directory);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------- */

static int hive_load_one(
    const struct hive_places *places, const char *path, const char *client, struct error *error)
{
    const char *found = hive_client(client);

    if (hive_mark(path, HIVE_BEGUN, error))
        return errno == EEXIST ? hive_unknown(places, client, error) : -1;
    if (hive_run(found, path, error)) {
        hive_say("the files stay; to give them to Hive by hand: ", places, client);
        return -1;
    }
    return hive_mark(path, HIVE_LOADED, error)
               ? error_wrap(error, "Hive has the files, and that could not be noted")
               : 0;
}

static int hive_load(
    const struct hive_places *places, const char *client, bool *ret_loaded, struct error *error)
{
    *ret_loaded = false;
    if (hive_state_of_all(places) == IMPORT_HIVE_UNKNOWN)
        return hive_unknown(places, client, error);
    if (!hive_client(client)) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, HIVE_COMMAND_MAX);
        if (hive_command(places, client, &text, error))
            return -1;
        fputs("penstock: Hive is not told yet, for there is no client of it here; this line tells it:\n",
            stderr);
        return puts(text.data) < 0 || fflush(stdout) != 0
                   ? error_set(error, ERROR_FATAL, "standard output: %s", strerror(errno))
                   : 0;
    }
    import_login_catch_signals();
    for (size_t i = 0; i < places->count; i++)
        if (hive_state(places->paths[i]) == IMPORT_HIVE_WAITS &&
            hive_load_one(places, places->paths[i], client, error))
            return -1;
    *ret_loaded = true;
    return hive_has(places->directory, HIVE_LOADED) ? 0 : hive_mark(places->directory, HIVE_LOADED, error);
}

int import_hive_load(const char *directory, const char *client, bool *ret_loaded, struct error *error)
{
    __attribute__((cleanup(hive_free))) struct hive_places places;

    return hive_find(&places, directory, error) || hive_load(&places, client, ret_loaded, error) ? -1 : 0;
}

int import_hive_settle(const char *directory, const char *client, struct error *error)
{
    const enum import_hive_state state = import_hive_look(directory);
    bool loaded;

    if (state == IMPORT_HIVE_NOTHING || state == IMPORT_HIVE_LOADED)
        return 0;
    if (state == IMPORT_HIVE_WAITS && !hive_client(client))
        return import_hive_refuse(directory, client, error);
    return import_hive_load(directory, client, &loaded, error);
}

int import_hive_refuse(const char *directory, const char *client, struct error *error)
{
    __attribute__((cleanup(hive_free))) struct hive_places places;

    if (hive_find(&places, directory, error))
        return -1;
    const enum import_hive_state state = hive_state_of_all(&places);
    if (state == IMPORT_HIVE_UNKNOWN)
        return hive_unknown(&places, client, error);
    if (state != IMPORT_HIVE_WAITS)
        return 0;
    hive_say("to give them to Hive: ", &places, client);
    return error_set(error, ERROR_REJECT, "Hive: it does not have the files of %.300s yet", directory);
}
