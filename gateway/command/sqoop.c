/* sqoop: `penstock sqoop TOOL ...`, and what is called as a link named sqoop: Sqoop's command line (sqoop/sqoop.h), which becomes an import's, or a
 * question to the database. Exit status: 0 all is there, 1 it is not, 2 a wrong command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command/command.h"
#include "command/import.h"
#include "command/import_progress.h"
#include "command/sqoop_ask.h"
#include "command/sqoop_job.h"
#include "sqoop/sqoop.h"
#include "table/database.h"

#define SQOOP_TEXT_MAX ((size_t)4 << 20)

static int sqoop_read(void *context, const char *path, struct bytes *text, struct error *error)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;

    (void)context;
    while (fd >= 0 && got > 0) {
        if (bytes_reserve(text, 4096, error))
            return error_set(error, ERROR_REJECT, "it is larger than %zu bytes", SQOOP_FILE_MAX);
        got = read(fd, text->data + text->length, 4096);
        text->length += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0 && got == 0)
        return 0;
    return error_set(error, ERROR_REJECT, "%s", strerror(errno));
}

static void sqoop_say(const char *text)
{
    fputs("penstock sqoop: ", stderr);
    import_say(stderr, text);
    fputc('\n', stderr);
}

static int sqoop_help(const char *topic)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, SQOOP_TEXT_MAX);
    if (sqoop_print_help(topic, &text, &error)) {
        sqoop_say(error.text);
        return COMMAND_USAGE;
    }
    fwrite(text.data, 1, text.length, stdout);
    return COMMAND_OK;
}

/* NULL: the word is not --connect's. The client of Hive has URLs, too, and needs them as they are. */
static char *sqoop_url(char *word)
{
    static const char option[] = "connect=";
    char *name = word + strspn(word, "-");

    name += name > word && strncmp(name, option, strlen(option)) == 0 ? strlen(option) : 0;
    return strncmp(name, "jdbc:", 5) == 0 ? name : NULL;
}

/* A JDBC URL may hold a password, which was copied. */
static void sqoop_hide(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (sqoop_url(argv[i]) && database_postgres.hide(sqoop_url(argv[i])))
            sqoop_say(
                "--connect: others on this machine may have read its password in the list of processes; "
                "better use --password-file");
}

typedef int sqoop_print_fn(const struct sqoop_order *order, struct bytes *text, struct error *error);

static int sqoop_dry_run(const struct sqoop_order *order, sqoop_print_fn *print)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, SQOOP_TEXT_MAX);
    if (print(order, &text, &error)) {
        sqoop_say(error.text);
        return COMMAND_FAILED;
    }
    fwrite(text.data, 1, text.length, stdout);
    fflush(stdout);
    return COMMAND_OK;
}

/* execution: of the job that this is; NULL: none. What it has read is told to it before anything else can fail. */
static int sqoop_import(struct sqoop_order *order, struct sqoop_execution *execution, int argc, char **argv)
{
    const struct import_face face = {"penstock sqoop", argv[0], import_title_size(argc, argv)};
    struct error error;

    if (order->dry_run && sqoop_dry_run(order, sqoop_print_import) != COMMAND_OK)
        return COMMAND_FAILED;
    int status = import_begin((int)order->import.count, order->import.words, &face);
    if (status != COMMAND_OK || order->dry_run)
        return status;
    if (execution && sqoop_job_note(execution, &error)) {
        sqoop_say(error.text);
        return COMMAND_FAILED;
    }
    if (!order->validate)
        return COMMAND_OK;
    char verify[] = "--verify", name[] = "import";
    char config[] = "--config";
    char *words[] = {
        name, verify, (char *)(uintptr_t)order->target, config, (char *)(uintptr_t)order->config, NULL};
    return import_begin(order->config ? 5 : 3, words, &face);
}

static int sqoop_question(const struct sqoop_order *order)
{
    struct error error;

    if (order->dry_run)
        return sqoop_dry_run(order, sqoop_print_plan);
    if (sqoop_ask(order, &error) == 0)
        return COMMAND_OK;
    sqoop_say(error.text);
    return COMMAND_FAILED;
}

static int sqoop_do(struct sqoop_order *order, struct sqoop_execution *execution, int argc, char **argv)
{
    for (size_t i = 0; i < order->notices.count; i++)
        sqoop_say(order->notices.words[i]);
    switch (order->tool) {
    case SQOOP_IMPORT:
    case SQOOP_IMPORT_ALL:
    case SQOOP_CREATE_HIVE:
        return sqoop_import(order, execution, argc, argv);
    case SQOOP_LIST_TABLES:
    case SQOOP_LIST_DATABASES:
    case SQOOP_EVAL:
        return sqoop_question(order);
    case SQOOP_VERSION:
        printf("penstock %s, with the command line of Sqoop 1.4.7\n", PENSTOCK_VERSION);
        return COMMAND_OK;
    case SQOOP_JOB:
    case SQOOP_HELP:
    case SQOOP_OTHER:
        break;
    }
    return sqoop_help(order->topic);
}

static int sqoop_saved(struct sqoop_order *order, const struct sqoop_reader *reader, int argc, char **argv)
{
    __attribute__((cleanup(sqoop_job_close))) struct sqoop_execution *execution = NULL;
    struct error error;

    for (size_t i = 0; i < order->notices.count; i++)
        sqoop_say(order->notices.words[i]);
    if (order->job.verb != SQOOP_JOB_EXEC) {
        if (sqoop_job_keep(order, reader, &error) == 0)
            return COMMAND_OK;
    } else if (sqoop_job_open(&execution, order, reader, &error) == 0) {
        return sqoop_do(sqoop_job_order(execution), execution, argc, argv);
    }
    sqoop_say(error.text);
    return COMMAND_FAILED;
}

int command_sqoop(int argc, char **argv)
{
    __attribute__((cleanup(sqoop_order_free))) struct sqoop_order order;
    const struct sqoop_reader reader = {sqoop_read, NULL};
    struct error error;

    if (sqoop_translate(&order, argc, argv, &reader, &error)) {
        sqoop_say(error.text);
        return COMMAND_USAGE;
    }
    sqoop_hide(argc, argv);
    return order.tool == SQOOP_JOB ? sqoop_saved(&order, &reader, argc, argv)
                                   : sqoop_do(&order, NULL, argc, argv);
}
