/* credentials: `penstock credentials add|import-mosquitto|list|revoke`, the file that says who may write over HTTP and MQTT, and use the admin listener (access/credentials.h).
 *
 * The file is that of access.credentials, or --file FILE. add prints the new secret to standard output, once: the file has its digest alone; a password is hashed. The file is
 * replaced as a whole, durably; two that change it wait for each other. A gateway that runs reads it again on SIGHUP. Exit status 0: done;
 * 1: nothing was changed, standard error says why; 2: usage.
 */
#include "command/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "access/credentials.h"
#include "base/file.h"
#include "base/shown.h"
#include "command/arguments.h"
#include "command/credentials_password.h"

#define CREDENTIALS_SHOWN_MAX (64 << 10)

struct credentials_command {
    const struct arguments *arguments;
    const struct config *config;
    char *file; /* without links on the way; owned */
    const char *name; /* of add and revoke; a file: of import-mosquitto */
    struct bytes text; /* the file's */
    struct credentials *credentials; /* the same */
    int directory; /* its own; locked */
};

typedef int credentials_verb_fn(struct credentials_command *command, struct error *error);

/* ---- the file ------------------------------------------------------------------------------------------------- */

static int credentials_lock(struct credentials_command *command, struct error *error)
{
    char *copy = strdup(command->file);

    if (!copy)
        return error_set(error, ERROR_RETRY, "out of memory");
    command->directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (command->directory < 0 || flock(command->directory, LOCK_EX) != 0)
        error_set_errno(error, ERROR_FATAL, "the directory of %s", command->file);
    else {
        free(copy);
        return 0;
    }
    free(copy);
    return -1;
}

/* With missing a file that is not there has no lines. */
static int credentials_load(struct credentials_command *command, bool missing, struct error *error)
{
    bytes_init(&command->text, CREDENTIALS_BYTES_MAX);
    if (missing && access(command->file, F_OK) != 0 && errno == ENOENT)
        return bytes_reserve(&command->text, 1, error) ||
                       credentials_parse(
                           &command->credentials, bytes_slice(&command->text), command->file, error)
                   ? -1
                   : 0;
    return file_read_text(command->file, true, &command->text, error) ||
                   credentials_parse(&command->credentials, bytes_slice(&command->text), command->file, error)
               ? -1
               : 0;
}

/* Whoever could read the old one can read the new one. */
static int credentials_write_new(
    const struct credentials_command *command, const char *path, struct slice text, struct error *error)
{
    struct stat old = {.st_mode = 0600};
    const bool there = stat(command->file, &old) == 0;
    unlink(path); /* what a killed one left */
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 || (there && fchown(fd, old.st_uid, old.st_gid) != 0) || fchmod(fd, old.st_mode & 0660) != 0 ||
        file_write_at(fd, text.data, text.length, 0) != 0 || fsync(fd) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s", path);
    return 0;
}

static int credentials_replace(
    const struct credentials_command *command, struct slice text, struct error *error)
{
    struct credentials *sound = NULL;
    char *path = NULL;
    int result = -1;

    /* What the gateway would refuse is not written. */
    if (credentials_parse(&sound, text, command->file, error))
        return -1;
    credentials_release(&sound);
    if (asprintf(&path, "%s.new", command->file) < 0)
        return error_set(error, ERROR_RETRY, "out of memory");
    if (!credentials_write_new(command, path, text, error)) {
        result = rename(path, command->file) ? error_set_errno(error, ERROR_FATAL, "%s", command->file) : 0;
    }
    if (result)
        unlink(path);
    else if (fsync(command->directory))
        fprintf(stderr, "penstock credentials: %s is changed, but a power cut may undo it: %s\n",
            command->file, strerror(errno));
    free(path);
    return result;
}

/* ---- add --------------------------------------------------------------------------------------------------------- */

/* The parts between commas, in place. */
static int credentials_split(char *list, char **patterns, size_t *ret_count, struct error *error)
{
    for (*ret_count = 0; list; (*ret_count)++) {
        if (*ret_count == PRINCIPAL_PATTERNS_MAX)
            return error_set(error, ERROR_REJECT, "more than %d patterns", PRINCIPAL_PATTERNS_MAX);
        patterns[*ret_count] = strsep(&list, ",");
    }
    return 0;
}

static int credentials_rate(const char *text, uint64_t *ret_rate, struct error *error)
{
    char *end = NULL;

    *ret_rate = 0;
    if (!text)
        return 0;
    errno = 0;
    *ret_rate = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || *ret_rate < 1 || *ret_rate > PRINCIPAL_RATE_MAX)
        return error_set(error, ERROR_REJECT,
            "--rate: found \"%.64s\"; allowed: a number of records per second from 1 to %d", text,
            PRINCIPAL_RATE_MAX);
    return 0;
}

static int credentials_role(const char *text, enum access_role *ret_role, struct error *error)
{
    *ret_role = ACCESS_NO_ROLE;
    if (!text || !principal_role_parse(slice_of(text), ret_role))
        return 0;
    return error_set(
        error, ERROR_REJECT, "--admin: found \"%.64s\"; allowed: " PRINCIPAL_ROLES_ALLOWED, text);
}

/* It may be meant for another configuration: no more than a word of warning. */
static void credentials_warn(const struct config *config, const struct principal *principal)
{
    for (size_t i = 0; i < principal->streams_count; i++) {
        bool found = false;
        for (size_t k = 0; k < config->streams_count; k++)
            found |= principal_matches(principal->streams[i], slice_of(config->streams[k].name));
        if (!found)
            fprintf(stderr, "penstock credentials: no stream of this configuration is called %s\n",
                principal->streams[i]);
    }
}

/* On a line of its own. */
static int credentials_append(
    struct credentials_command *command, const struct principal *principal, struct error *error)
{
    struct bytes *text = &command->text;

    return (text->length && text->data[text->length - 1] != '\n' && bytes_add(text, "\n", 1, error)) ||
                   credentials_print(principal, text, error)
               ? -1
               : 0;
}

static bool credentials_wants_password(const struct arguments *arguments)
{
    return arguments->password_file || arguments->ask_password;
}

/* Who has a certificate or a password needs no secret. The secret is known to nobody before the file has its digest. */
static int credentials_add_line(struct credentials_command *command, struct principal *principal,
    char secret[SECRET_LENGTH + 1], struct error *error)
{
    struct password password;

    if (credentials_named(command->credentials, slice_of(principal->name)))
        return error_set(error, ERROR_REJECT, "%s is there already: revoke it first, or take another name",
            principal->name);
    if (credentials_wants_password(command->arguments)) {
        if (credentials_password_take(&password, command->arguments->password_file, error))
            return -1;
        principal->password = &password;
    }
    principal->has_secret = !principal->certificate && !principal->password;
    if (secret_make(secret, error))
        return -1;
    if (secret_digest((struct slice){secret, SECRET_LENGTH}, principal->digest))
        return error_set(error, ERROR_FATAL, "GnuTLS has no SHA-256");
    const int result = credentials_append(command, principal, error);
    principal->password = NULL;
    return result ? -1 : credentials_replace(command, bytes_slice(&command->text), error);
}

static void credentials_tell(
    const struct credentials_command *command, const struct principal *principal, const char *secret)
{
    credentials_warn(command->config, principal);
    if (credentials_count(command->credentials) == 0)
        fprintf(
            stderr, "%s: make sure that the gateway's user may read it (chgrp, chmod 640).\n", command->file);
    if (principal->has_secret) {
        puts(secret);
        fprintf(stderr,
            "%s: this is its secret, shown once: a bearer token (HTTP), or the password of user %s (HTTP, MQTT).\n",
            principal->name, principal->name);
    }
    if (credentials_wants_password(command->arguments))
        fprintf(stderr, "%s: known by its password, over HTTP (Basic) and MQTT.\n", principal->name);
    fprintf(stderr, "A gateway that runs knows it after SIGHUP.\n");
}

typedef int credentials_given_fn(
    struct credentials_command *command, struct principal *principal, struct error *error);

/* The principal that the arguments describe. */
static int credentials_with_given(
    struct credentials_command *command, credentials_given_fn *use, struct error *error)
{
    char *streams = command->arguments->streams ? strdup(command->arguments->streams) : NULL;
    char *keys = command->arguments->keys ? strdup(command->arguments->keys) : NULL;
    char *stream_patterns[PRINCIPAL_PATTERNS_MAX], *key_patterns[PRINCIPAL_PATTERNS_MAX];
    char *name = strdup(command->name);
    char *certificate = command->arguments->certificate ? strdup(command->arguments->certificate) : NULL;
    struct principal principal = {
        .name = name, .certificate = certificate, .streams = stream_patterns, .keys = key_patterns};
    int result = -1;

    if (!command->arguments->streams && !command->arguments->admin)
        error_set(error, ERROR_REJECT,
            "--streams is missing; allowed: names or patterns as readings,grid_*, or '*', or --admin alone");
    else if ((command->arguments->streams && !streams) || !name || (command->arguments->keys && !keys) ||
             (command->arguments->certificate && !certificate))
        error_set(error, ERROR_RETRY, "out of memory");
    else if (!credentials_split(streams, stream_patterns, &principal.streams_count, error) &&
             !credentials_split(keys, key_patterns, &principal.keys_count, error) &&
             !credentials_rate(command->arguments->rate, &principal.rate, error) &&
             !credentials_role(command->arguments->admin, &principal.role, error) &&
             !credentials_load(command, true, error))
        result = use(command, &principal, error);
    free(streams);
    free(keys);
    free(name);
    free(certificate);
    return result;
}

static int credentials_add_given(
    struct credentials_command *command, struct principal *principal, struct error *error)
{
    char secret[SECRET_LENGTH + 1];
    const int result = credentials_add_line(command, principal, secret, error);

    if (!result)
        credentials_tell(command, principal, secret);
    explicit_bzero(secret, sizeof secret);
    return result;
}

static int credentials_add(struct credentials_command *command, struct error *error)
{
    if (command->arguments->password_file && command->arguments->ask_password)
        return error_set(error, ERROR_REJECT, "a password comes from --password-file or --ask-password");
    return credentials_with_given(command, credentials_add_given, error);
}

/* ---- import-mosquitto ------------------------------------------------------------------------------------------ */

struct credentials_mosquitto {
    struct credentials_command *command;
    struct principal *principal; /* but for name and password */
    size_t count;
};

static int credentials_import_line(
    void *context, const char *user, struct password *password, struct error *error)
{
    struct credentials_mosquitto *import = context;
    struct principal principal = {.name = (char *)(uintptr_t)user,
        .password = password,
        .streams = import->principal->streams,
        .streams_count = import->principal->streams_count,
        .keys = import->principal->keys,
        .keys_count = import->principal->keys_count,
        .rate = import->principal->rate};

    import->count++;
    if (!principal_is_name(slice_of(user)))
        return error_set(error, ERROR_REJECT, "a user's name has " PRINCIPAL_NAME_ALLOWED);
    return credentials_append(import->command, &principal, error);
}

/* All of them or none. */
static int credentials_import_given(
    struct credentials_command *command, struct principal *principal, struct error *error)
{
    struct credentials_mosquitto import = {command, principal, 0};

    if (credentials_mosquitto_each(command->name, credentials_import_line, &import, error) ||
        credentials_replace(command, bytes_slice(&command->text), error))
        return -1;
    credentials_warn(command->config, principal);
    fprintf(stderr,
        "%zu users were taken over, with the passwords that they have. A gateway that runs knows them after SIGHUP.\n",
        import.count);
    return 0;
}

static int credentials_import(struct credentials_command *command, struct error *error)
{
    return credentials_with_given(command, credentials_import_given, error);
}

/* ---- list, revoke ------------------------------------------------------------------------------------------------ */

static int credentials_list_patterns(
    struct bytes *line, char *const *patterns, size_t count, const char *none, struct error *error)
{
    if (bytes_add(line, "\t", 1, error) || (count == 0 && bytes_add_text(line, none, error)))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if ((i && bytes_add(line, ",", 1, error)) || shown_add(line, patterns[i], error))
            return -1;
    }
    return 0;
}

static int credentials_list(struct credentials_command *command, struct error *error)
{
    cleanup_bytes struct bytes line;

    bytes_init(&line, CREDENTIALS_SHOWN_MAX);
    if (credentials_load(command, false, error))
        return -1;
    printf("NAME\tSTREAMS\tKEYS\tRATE\tCERTIFICATE\tADMIN\n");
    for (size_t i = 0; i < credentials_count(command->credentials); i++) {
        const struct principal *principal = credentials_at(command->credentials, i);
        bytes_clear(&line);
        if (bytes_add_text(&line, principal->name, error) ||
            credentials_list_patterns(&line, principal->streams, principal->streams_count, "-", error) ||
            credentials_list_patterns(&line, principal->keys, principal->keys_count, "*", error) ||
            (principal->rate ? bytes_print(&line, error, "\t%" PRIu64 "/s", principal->rate)
                             : bytes_add_text(&line, "\t-", error)) ||
            bytes_add(&line, "\t", 1, error) ||
            shown_add(&line, principal->certificate ? principal->certificate : "-", error) ||
            bytes_print(&line, error, "\t%s", principal->role ? principal_role_word(principal->role) : "-"))
            return -1;
        printf("%.*s\n", (int)line.length, line.data);
    }
    return 0;
}

static int credentials_revoke(struct credentials_command *command, struct error *error)
{
    cleanup_bytes struct bytes left;

    bytes_init(&left, CREDENTIALS_BYTES_MAX);
    if (credentials_load(command, false, error) || bytes_reserve(&left, 1, error) ||
        credentials_without(bytes_slice(&command->text), command->name, &left, error))
        return -1;
    if (credentials_replace(command, bytes_slice(&left), error))
        return -1;
    fprintf(stderr, "%s: revoked. A gateway that runs knows it after SIGHUP.\n", command->name);
    return 0;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

struct credentials_verb {
    const char *name;
    credentials_verb_fn *run;
    bool named; /* a NAME follows */
    bool adds; /* takes --streams and its like */
};

static const struct credentials_verb credentials_verbs[] = {
    {"add", credentials_add, true, true},
    {"import-mosquitto", credentials_import, true, true},
    {"list", credentials_list, false, false},
    {"revoke", credentials_revoke, true, false},
};

static int credentials_usage(void)
{
    fprintf(stderr,
        "Usage: penstock credentials add NAME --streams STREAM,... [--keys KEY,...] [--rate N] [--certificate NAME] [--admin ROLE]\n"
        "                                [--password-file FILE | --ask-password]\n"
        "       penstock credentials import-mosquitto FILE --streams STREAM,... [--keys KEY,...] [--rate N]\n"
        "       penstock credentials list\n"
        "       penstock credentials revoke NAME\n"
        "Each with [--file FILE], or [-c FILE] [--set NAME=VALUE]... for the file of access.credentials.\n"
        "Streams and keys are patterns: a * stands for anything, and the key {name} for the principal's own name. Without --keys it may\n"
        "write any key, without --rate as many records per second as it likes. With --certificate it has no secret, but a client certificate with\n"
        "that name in it: CN=NAME, DNS:NAME, URI:NAME or email:NAME. With --password-file (-: standard input) or --ask-password it has a password\n"
        "that somebody has chosen. import-mosquitto takes over the users of a file of mosquitto_passwd, with their passwords.\n"
        "--admin read lets it look at the admin pages, --admin reload have credentials and certificates read again as well; with it --streams\n"
        "may be left out.\n");
    return COMMAND_USAGE;
}

static const struct credentials_verb *credentials_find_verb(const struct arguments *arguments)
{
    const char *name = arguments->words_count ? arguments->words[0] : "";

    for (size_t i = 0; i < sizeof credentials_verbs / sizeof *credentials_verbs; i++) {
        const struct credentials_verb *verb = &credentials_verbs[i];
        const bool adds_one =
            arguments->certificate || arguments->admin || credentials_wants_password(arguments);
        const bool adds = arguments->streams || arguments->keys || arguments->rate;
        if (strcmp(verb->name, name) == 0 && arguments->words_count == (verb->named ? 2U : 1U) &&
            (verb->adds || !adds) && (verb->run == credentials_add || !adds_one))
            return verb;
    }
    return NULL;
}

/* Through links, so that what the gateway reads is replaced, and no link to it. NULL: none is named. */
static char *credentials_path(const char *file)
{
    char *path = *file ? realpath(file, NULL) : NULL;

    return path || !*file ? path : strdup(file);
}

static int credentials_run(const struct credentials_verb *verb, struct credentials_command *command)
{
    struct error error;
    int result = -1;

    if (!command->file)
        error_set(&error, ERROR_REJECT,
            "no file is named: say --file FILE, or -c FILE with a configuration that has access.credentials");
    else if (!credentials_lock(command, &error))
        result = verb->run(command, &error);
    if (result)
        fprintf(stderr, "penstock credentials: %s\n", error.text);
    credentials_release(&command->credentials);
    bytes_free(&command->text);
    fd_close(&command->directory);
    free(command->file);
    return result ? COMMAND_FAILED : COMMAND_OK;
}

int command_credentials(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    struct credentials_command command = {.arguments = &arguments, .directory = -1};
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    const struct credentials_verb *verb = credentials_find_verb(&arguments);
    if (!verb)
        return credentials_usage();
    struct config *config = arguments_read(&arguments);
    if (!config)
        return COMMAND_FAILED; /* told already */
    command.config = config;
    command.file =
        credentials_path(arguments.credentials ? arguments.credentials : config->access.credentials);
    command.name = arguments.words_count > 1 ? arguments.words[1] : NULL;
    status = credentials_run(verb, &command);
    config_free(&config);
    return status;
}
