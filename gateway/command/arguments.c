/* arguments: see arguments.h */
#include "command/arguments.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/metric.h"
#include "base/option.h"
#include "command/command.h"
#include "pipeline/pipeline.h"

#define ARGUMENTS_TEXT_MAX (16 * 1024 * 1024)
#define ARGUMENTS_MAX 32

enum argument_does {
    ARGUMENT_TEXT, /* its value is kept as it is written */
    ARGUMENT_SWITCH,
    ARGUMENT_SET,
    ARGUMENT_PRINT,
};

struct argument {
    const char *name;
    const char *letter; /* "-c", or NULL */
    const char *value; /* what follows it, in words; NULL: nothing */
    enum argument_does does;
    size_t member; /* of struct arguments: const char * of a text, bool of a switch */
    const char *only; /* the command that knows it; NULL: all */
    arguments_print_fn *print;
    const char *help;
};

#define ARGUMENT_AT(member) offsetof(struct arguments, member)

static const struct argument argument_table[] = {
    {"--config", "-c", "FILE", ARGUMENT_TEXT, ARGUMENT_AT(file), NULL, NULL,
        "Read this YAML file; without it the defaults count."},
    {"--set", NULL, "NAME=VALUE", ARGUMENT_SET, 0, NULL, NULL,
        "Override one option, e.g. http.listen=[127.0.0.1:80,127.0.0.1:81]; may be repeated."},
    {"--options", NULL, NULL, ARGUMENT_PRINT, 0, "check", option_print_table,
        "Print all options as a Markdown table."},
    {"--metrics", NULL, NULL, ARGUMENT_PRINT, 0, "check", metric_print_table,
        "Print all metrics as a Markdown table."},
    {"--schema", NULL, NULL, ARGUMENT_PRINT, 0, "check", option_print_schema,
        "Print the JSON schema of the file."},
    {"--all", NULL, NULL, ARGUMENT_SWITCH, ARGUMENT_AT(all), "dead-letters", NULL,
        "Replay or drop those of all streams."},
    {"--limit", NULL, "N", ARGUMENT_TEXT, ARGUMENT_AT(limit), "dead-letters", NULL,
        "Show at most so many letters."},
    {"--directory", NULL, "DIR", ARGUMENT_TEXT, ARGUMENT_AT(directory), "journal", NULL,
        "Inspect, verify or export the journal in this directory, a copy for one."},
    {"--json", NULL, NULL, ARGUMENT_SWITCH, ARGUMENT_AT(json), "journal", NULL, "Inspect: print JSON."},
    {"--from", NULL, "N", ARGUMENT_TEXT, ARGUMENT_AT(from), "journal", NULL, "Export from this sequence on."},
    {"--to", NULL, "N", ARGUMENT_TEXT, ARGUMENT_AT(to), "journal", NULL, "Export up to this sequence."},
    {"--stream", NULL, "NAME", ARGUMENT_TEXT, ARGUMENT_AT(stream), "journal", NULL,
        "Export the records of this stream."},
    {"--queued", NULL, "OUTLET", ARGUMENT_TEXT, ARGUMENT_AT(queued), "journal", NULL,
        "Export what this outlet has still to read."},
    {"--payload", NULL, NULL, ARGUMENT_SWITCH, ARGUMENT_AT(payload), "journal", NULL,
        "Export the payloads alone, a line each."},
    {"--file", NULL, "FILE", ARGUMENT_TEXT, ARGUMENT_AT(credentials), "credentials", NULL,
        "Instead of that of access.credentials."},
    {"--streams", NULL, "STREAM,...", ARGUMENT_TEXT, ARGUMENT_AT(streams), "credentials", NULL,
        "Add: names or patterns of the streams that it may write."},
    {"--keys", NULL, "KEY,...", ARGUMENT_TEXT, ARGUMENT_AT(keys), "credentials", NULL,
        "Add: patterns of the keys that it may write, {name}: its own name."},
    {"--rate", NULL, "N", ARGUMENT_TEXT, ARGUMENT_AT(rate), "credentials", NULL,
        "Add: records per second that it may write."},
    {"--certificate", NULL, "NAME", ARGUMENT_TEXT, ARGUMENT_AT(certificate), "credentials", NULL,
        "Add: known by this name in its client certificate, as CN=pump-7, instead of a secret."},
    {"--admin", NULL, "ROLE", ARGUMENT_TEXT, ARGUMENT_AT(admin), "credentials", NULL,
        "Add: on the admin listener it may read, or reload as well."},
    {"--password-file", NULL, "FILE", ARGUMENT_TEXT, ARGUMENT_AT(password_file), "credentials", NULL,
        "Add: known by the password that this file holds, instead of a secret; -: by what standard input says."},
    {"--ask-password", NULL, NULL, ARGUMENT_SWITCH, ARGUMENT_AT(ask_password), "credentials", NULL,
        "Add: ask for such a password at the terminal."},
    {"--location", NULL, "URL", ARGUMENT_TEXT, ARGUMENT_AT(location), "ddl", NULL,
        "The lake's root as the engine reaches it, as hdfs://namenode:8020/lake; default: lake.url in its words."},
    {"--table", NULL, "NAME", ARGUMENT_TEXT, ARGUMENT_AT(table), "ddl", NULL,
        "Of the table, or DATABASE.NAME; default: the stream's."},
    {"--help", "-h", NULL, ARGUMENT_SWITCH, ARGUMENT_AT(help), NULL, NULL, "Print this."},
    {"--version", NULL, NULL, ARGUMENT_SWITCH, ARGUMENT_AT(version), NULL, NULL, "Print the version."},
};

#define ARGUMENT_COUNT (sizeof argument_table / sizeof *argument_table)

/* Commands that take words besides. */
struct argument_words {
    const char *command;
    const char *words; /* for people */
    size_t most;
};

static const struct argument_words argument_words_table[] = {
    {"credentials", "add NAME, import-mosquitto FILE, list, or revoke NAME", 2},
    {"ddl", "hive|spark|trino STREAM", 2},
    {"dead-letters", "list|show|replay|drop [STREAM]", 2},
    {"files", "list|reset FILE...", SIZE_MAX},
    {"journal", "inspect|verify|export, or forget OUTLET", 2},
};

#define ARGUMENT_WORDS_COUNT (sizeof argument_words_table / sizeof *argument_words_table)

_Static_assert(ARGUMENT_COUNT <= ARGUMENTS_MAX, "the list of names has to hold them");

static bool arguments_knows(const struct argument *argument, const char *command)
{
    return !argument->only || !strcmp(argument->only, command);
}

/* "--set", "-c", or "--set=..."; *ret_value is what stands behind the = sign. */
static const struct argument *arguments_find(const char *command, const char *text, const char **ret_value)
{
    size_t length = strcspn(text, "=");

    for (size_t i = 0; i < ARGUMENT_COUNT; i++) {
        const struct argument *argument = &argument_table[i];
        if (!arguments_knows(argument, command))
            continue;
        if (argument->letter && !strcmp(text, argument->letter)) {
            *ret_value = NULL;
            return argument;
        }
        if (slice_equal((struct slice){text, length}, slice_of(argument->name)) &&
            (text[length] == '\0' || argument->value)) {
            *ret_value = text[length] ? text + length + 1 : NULL;
            return argument;
        }
    }
    return NULL;
}

/* NULL: the command takes none. */
static const struct argument_words *arguments_words(const char *command)
{
    for (size_t i = 0; i < ARGUMENT_WORDS_COUNT; i++) {
        if (!strcmp(argument_words_table[i].command, command))
            return &argument_words_table[i];
    }
    return NULL;
}

static int arguments_refuse(const char *command, const char *text, struct error *error)
{
    struct slice names[ARGUMENTS_MAX];
    size_t count = 0;
    struct error ignored;
    cleanup_bytes struct bytes allowed;

    bytes_init(&allowed, ERROR_TEXT_SIZE);
    const struct argument_words *words = arguments_words(command);
    if (words)
        bytes_print(&allowed, &ignored, "%s, ", words->words);
    for (size_t i = 0; i < ARGUMENT_COUNT; i++) {
        if (!arguments_knows(&argument_table[i], command))
            continue;
        bytes_print(&allowed, &ignored, "%s%s", count ? ", " : "", argument_table[i].name);
        names[count++] = slice_of(argument_table[i].name);
    }
    /* What stands behind the = sign may be a secret. */
    const struct slice shown = {text, strcspn(text, "=")};
    struct slice nearest = option_nearest(shown, names, count);
    error_set(error, ERROR_REJECT, "found \"%.*s\"; allowed: %.*s",
        shown.length < OPTION_QUOTED_MAX ? (int)shown.length : OPTION_QUOTED_MAX, text, (int)allowed.length,
        allowed.data);
    if (nearest.length) {
        size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used, "; did you mean \"%.*s\"?",
            (int)nearest.length, nearest.data);
    }
    return -1;
}

static void arguments_apply(struct arguments *arguments, const struct argument *argument, const char *value)
{
    char *member = (char *)arguments + argument->member;

    if (argument->does == ARGUMENT_TEXT)
        *(const char **)(void *)member = value;
    else if (argument->does == ARGUMENT_SWITCH)
        *(bool *)(void *)member = true;
    else if (argument->does == ARGUMENT_SET)
        arguments->sets[arguments->sets_count++] = value;
    else
        arguments->print = argument->print;
}

int arguments_parse(struct arguments *ret_arguments, int argc, char **argv, struct error *error)
{
    const struct argument_words *words = arguments_words(argv[0]);

    *ret_arguments = (struct arguments){
        .sets = calloc((size_t)argc, sizeof *ret_arguments->sets),
        .words = calloc((size_t)argc, sizeof *ret_arguments->words),
    };
    if (!ret_arguments->sets || !ret_arguments->words)
        return error_set(
            error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE: only a failing malloc comes here */
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (words && argv[i][0] != '-' && ret_arguments->words_count < words->most) {
            ret_arguments->words[ret_arguments->words_count++] = argv[i];
            continue;
        }
        const struct argument *argument = arguments_find(argv[0], argv[i], &value);
        if (!argument)
            return arguments_refuse(argv[0], argv[i], error);
        if (argument->value && !value)
            value = i + 1 < argc ? argv[++i] : NULL;
        if (argument->value && !value)
            return error_set(error, ERROR_REJECT, "found nothing behind %s; allowed: %s %s", argv[i], argv[i],
                argument->value);
        arguments_apply(ret_arguments, argument, value);
    }
    return 0;
}

void arguments_free(struct arguments *arguments)
{
    free(arguments->sets);
    free(arguments->words);
    *arguments = (struct arguments){0};
}

bool arguments_take(struct arguments *ret_arguments, int argc, char **argv, int *ret_status)
{
    struct error error;

    if (arguments_parse(ret_arguments, argc, argv, &error)) {
        fprintf(stderr, "penstock %s: %s\n", argv[0], error.text);
        *ret_status = COMMAND_USAGE;
        return false;
    }
    if (ret_arguments->help)
        *ret_status = command_help(1, argv);
    else if (ret_arguments->version) {
        printf("penstock %s\n", PENSTOCK_VERSION);
        *ret_status = COMMAND_OK;
    } else
        return true;
    return false;
}

/* NULL: text has its errors, all of them. */
static struct config *arguments_load_config(const struct arguments *arguments, bool check, struct bytes *text)
{
    struct config *config;
    struct error error;

    /* What a file lacks that could not be read at all is no news. */
    if (config_load(&config, arguments->file, arguments->sets, arguments->sets_count) == 0 && check)
        pipeline_check(config);
    if (config_errors(config) == 0)
        return config;
    if (config_print_errors(config, text, &error))
        fprintf(stderr, "penstock: %s\n", error.text); /* GCOVR_EXCL_LINE: more than the store can hold */
    config_free(&config);
    return NULL;
}

/* Its errors go to standard error. */
static struct config *arguments_load_or_tell(const struct arguments *arguments, bool check)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, ARGUMENTS_TEXT_MAX);
    struct config *config = arguments_load_config(arguments, check, &text);
    if (text.length)
        fwrite(text.data, 1, text.length, stderr);
    return config;
}

struct config *arguments_load(const struct arguments *arguments)
{
    return arguments_load_or_tell(arguments, true);
}

struct config *arguments_read(const struct arguments *arguments)
{
    return arguments_load_or_tell(arguments, false);
}

struct config *arguments_load_again(const struct arguments *arguments, struct bytes *errors)
{
    return arguments_load_config(arguments, true, errors);
}

int arguments_print_help(struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < ARGUMENT_COUNT; i++) {
        const struct argument *argument = &argument_table[i];
        char name[64];
        snprintf(name, sizeof name, "%s%s%s%s%s", argument->letter ? argument->letter : "",
            argument->letter ? ", " : "", argument->name, argument->value ? " " : "",
            argument->value ? argument->value : "");
        if (bytes_print(text, error, "  %-22s%s%s%s%s\n", name, argument->help,
                argument->only ? " (only " : "", argument->only ? argument->only : "",
                argument->only ? ")" : ""))
            return -1;
    }
    for (size_t i = 0; i < ARGUMENT_WORDS_COUNT; i++)
        if (bytes_print(
                text, error, "  %s %s\n", argument_words_table[i].command, argument_words_table[i].words))
            return -1;
    return 0;
}
