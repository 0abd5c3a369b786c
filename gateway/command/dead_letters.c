/* dead_letters: `penstock dead-letters list|show|replay|drop [STREAM]`: what an outlet could not deliver, beside a gateway that runs or
 * does not.
 *
 * list: one line per stream and outlet. show: the letters as they are kept, JSON lines, stream by stream, oldest first. replay: puts
 * them aside for the gateway to give back. drop: deletes them. Exit status 0 also when there are none; 1 for a stream
 * that is neither configured nor has letters. "unmapped" stands for what belongs to no stream.
 */
#include "command/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "command/arguments.h"
#include "dead_letter/dead_letter.h"

#define LETTERS_REASONS_MAX 64 /* counted apart, per stream and outlet; further ones are not */
#define LETTERS_ROWS_MAX 10000
#define LETTERS_PATH_MAX 4096
#define LETTERS_REASON_SHOWN 120

struct letters_reason {
    char *text; /* owned */
    uint64_t count;
};

struct letters_row {
    char *stream, *outlet; /* owned */
    uint64_t letters, bytes;
    int64_t oldest, newest;
    struct letters_reason reasons[LETTERS_REASONS_MAX];
    size_t reasons_count;
};

struct letters_summary {
    struct letters_row *rows; /* by stream, outlet */
    size_t count;
    uint64_t unreadable; /* lines that are no letters */
};

struct letters_show {
    uint64_t left; /* to show */
    bool ended; /* because of that */
};

/* What is asked for. */
struct letters_command {
    const struct config *config;
    const char *stream; /* NULL: all */
    uint64_t limit;
    char directory[LETTERS_PATH_MAX];
};

/* ---- summing up --------------------------------------------------------------------------------------------- */

static void letters_summary_free(struct letters_summary *summary)
{
    for (size_t i = 0; i < summary->count; i++) {
        struct letters_row *row = &summary->rows[i];
        for (size_t k = 0; k < row->reasons_count; k++)
            free(row->reasons[k].text);
        free(row->stream);
        free(row->outlet);
    }
    free(summary->rows);
    *summary = (struct letters_summary){0};
}

static int letters_no_memory(struct error *error)
{
    return error_set(error, ERROR_RETRY, "out of memory");
}

/* The row of the letter, made where its place is. */
static int letters_find_row(struct letters_summary *summary, const struct dead_letter *letter,
    struct letters_row **ret_row, struct error *error)
{
    size_t at = 0;
    int order = 1;

    for (; at < summary->count; at++) {
        const struct letters_row *row = &summary->rows[at];
        order = strcmp(row->stream, letter->stream);
        order = order ? order : strcmp(row->outlet, letter->outlet);
        if (order >= 0)
            break;
    }
    *ret_row = &summary->rows[at];
    if (at < summary->count && order == 0)
        return 0;
    if (summary->count == LETTERS_ROWS_MAX)
        return error_set(error, ERROR_REJECT, "more than %d streams and outlets", LETTERS_ROWS_MAX);
    struct letters_row *rows = reallocarray(summary->rows, summary->count + 1, sizeof *rows);
    struct letters_row made = {.stream = strdup(letter->stream),
        .outlet = strdup(letter->outlet),
        .oldest = letter->time,
        .newest = letter->time};
    summary->rows = rows ? rows : summary->rows;
    if (!rows || !made.stream || !made.outlet) {
        free(made.stream);
        free(made.outlet);
        return letters_no_memory(error);
    }
    memmove(rows + at + 1, rows + at, (summary->count - at) * sizeof *rows);
    rows[at] = made;
    summary->count++;
    *ret_row = &rows[at];
    return 0;
}

static int letters_count_reason(struct letters_row *row, const char *text, struct error *error)
{
    for (size_t i = 0; i < row->reasons_count; i++) {
        if (strcmp(row->reasons[i].text, text) == 0) {
            row->reasons[i].count++;
            return 0;
        }
    }
    if (row->reasons_count == LETTERS_REASONS_MAX)
        return 0;
    char *copy = strdup(text);
    if (!copy)
        return letters_no_memory(error);
    row->reasons[row->reasons_count++] = (struct letters_reason){copy, 1};
    return 0;
}

static int letters_sum(
    void *context, struct slice line, const struct dead_letter_parsed *parsed, struct error *error)
{
    struct letters_summary *summary = context;
    struct letters_row *row;

    if (!parsed) {
        summary->unreadable++;
        return 0;
    }
    const struct dead_letter *letter = dead_letter_parsed_letter(parsed);
    if (letters_find_row(summary, letter, &row, error))
        return -1;
    row->letters++;
    row->bytes += line.length + 1;
    row->oldest = letter->time < row->oldest ? letter->time : row->oldest;
    row->newest = letter->time > row->newest ? letter->time : row->newest;
    return letters_count_reason(row, letter->reason, error);
}

/* ---- list --------------------------------------------------------------------------------------------------- */

static void letters_print_time(int64_t time, char text[32])
{
    time_t seconds = (time_t)(time / CLOCK_SECOND);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, 32, "?");
}

/* The most frequent one, on one line of a terminal. */
static void letters_print_reason(const struct letters_row *row, char text[LETTERS_REASON_SHOWN])
{
    const struct letters_reason *most = row->reasons;

    for (size_t i = 1; i < row->reasons_count; i++)
        most = row->reasons[i].count > most->count ? &row->reasons[i] : most;
    snprintf(text, LETTERS_REASON_SHOWN, "%s", most->text);
    for (char *next = text; *next; next++)
        *next = (unsigned char)*next < 0x20 || *next == 0x7f ? '?' : *next;
}

static void letters_print_row(const struct letters_row *row, const int widths[2])
{
    char oldest[32], newest[32], reason[LETTERS_REASON_SHOWN];

    letters_print_time(row->oldest, oldest);
    letters_print_time(row->newest, newest);
    letters_print_reason(row, reason);
    printf("%-*s  %-*s  %8" PRIu64 "  %11" PRIu64 "  %-20s  %-20s  %s\n", widths[0], row->stream, widths[1],
        row->outlet, row->letters, row->bytes, oldest, newest, reason);
}

static int letters_list(
    const struct letters_command *command, const struct letters_summary *summary, struct error *error)
{
    int widths[2] = {(int)strlen("STREAM"), (int)strlen("OUTLET")};

    (void)command, (void)error;
    for (size_t i = 0; i < summary->count; i++) {
        const int stream = (int)strlen(summary->rows[i].stream);
        const int outlet = (int)strlen(summary->rows[i].outlet);
        widths[0] = stream > widths[0] ? stream : widths[0];
        widths[1] = outlet > widths[1] ? outlet : widths[1];
    }
    if (summary->count)
        printf("%-*s  %-*s  %8s  %11s  %-20s  %-20s  %s\n", widths[0], "STREAM", widths[1], "OUTLET",
            "LETTERS", "BYTES", "OLDEST", "NEWEST", "MOST FREQUENT REASON");
    for (size_t i = 0; i < summary->count; i++)
        letters_print_row(&summary->rows[i], widths);
    if (summary->unreadable)
        printf("%" PRIu64 " lines are no dead letters; show prints them as they are\n", summary->unreadable);
    return 0;
}

/* ---- show, replay, drop ------------------------------------------------------------------------------------- */

static int letters_show_line(
    void *context, struct slice line, const struct dead_letter_parsed *parsed, struct error *error)
{
    struct letters_show *show = context;

    (void)parsed;
    show->ended = show->left == 0;
    if (show->ended)
        return -1;
    show->left--;
    if (fwrite(line.data, 1, line.length, stdout) != line.length || fputc('\n', stdout) == EOF)
        return error_set_errno(error, ERROR_FATAL, "standard output");
    return 0;
}

static int letters_show(
    const struct letters_command *command, const struct letters_summary *summary, struct error *error)
{
    struct letters_show show = {.left = command->limit};

    (void)summary;
    if (dead_letters_visit(command->directory, command->stream, letters_show_line, &show, error) &&
        !show.ended)
        return -1;
    return 0;
}

static int letters_replay(
    const struct letters_command *command, const struct letters_summary *summary, struct error *error)
{
    struct dead_letters_taken taken;

    (void)summary;
    if (dead_letters_put_aside(command->directory, command->stream, &taken, error))
        return -1;
    printf("%" PRIu64 " letters in %" PRIu64
           " files put aside; a running gateway takes them within a second, else the next start does\n",
        taken.letters, taken.files);
    return 0;
}

static int letters_drop(
    const struct letters_command *command, const struct letters_summary *summary, struct error *error)
{
    struct dead_letters_taken taken;

    (void)summary;
    if (dead_letters_drop(command->directory, command->stream, &taken, error))
        return -1;
    printf("%" PRIu64 " letters in %" PRIu64 " files deleted\n", taken.letters, taken.files);
    return 0;
}

/* ---- the command -------------------------------------------------------------------------------------------- */

typedef int letters_verb_fn(
    const struct letters_command *command, const struct letters_summary *summary, struct error *error);

struct letters_verb {
    const char *name;
    letters_verb_fn *run;
    bool takes_away; /* all of them only when that is said */
};

static const struct letters_verb letters_verbs[] = {
    {"list", letters_list, false},
    {"show", letters_show, false},
    {"replay", letters_replay, true},
    {"drop", letters_drop, true},
};

static const struct letters_verb *letters_find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof letters_verbs / sizeof *letters_verbs; i++) {
        if (strcmp(letters_verbs[i].name, name) == 0)
            return &letters_verbs[i];
    }
    return NULL;
}

static int letters_parse_limit(const char *text, uint64_t *ret_limit, struct error *error)
{
    char *end;

    *ret_limit = UINT64_MAX;
    if (!text)
        return 0;
    errno = 0;
    *ret_limit = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9')
        return error_set(error, ERROR_REJECT, "--limit: found \"%.64s\"; allowed: a number of letters", text);
    return 0;
}

/* What is asked for, or what is wrong with the command line. */
static int letters_read_command(const struct arguments *arguments, const struct letters_verb **ret_verb,
    struct letters_command *command, struct error *error)
{
    const char *name = arguments->words_count ? arguments->words[0] : "nothing";
    const struct letters_verb *verb = letters_find_verb(name);

    if (!verb)
        return error_set(error, ERROR_REJECT,
            "found %.64s; allowed: list, show, replay or drop, and the name of a stream behind it", name);
    command->stream = arguments->words_count > 1 ? arguments->words[1] : NULL;
    if (verb->takes_away && !command->stream != arguments->all)
        return error_set(error, ERROR_REJECT, "%s: found %s; allowed: the name of a stream, or --all for all",
            verb->name, command->stream ? "both a stream and --all" : "no stream");
    if (!verb->takes_away && arguments->all)
        return error_set(
            error, ERROR_REJECT, "%s: found --all; allowed: only replay and drop need it", verb->name);
    if (arguments->limit && verb->run != letters_show)
        return error_set(error, ERROR_REJECT, "%s: found --limit; allowed: only show has it", verb->name);
    *ret_verb = verb;
    return letters_parse_limit(arguments->limit, &command->limit, error);
}

/* Also the one of what belongs to no stream. */
static bool letters_is_known(const struct config *config, const char *stream)
{
    if (strcmp(stream, RECORD_NO_STREAM) == 0)
        return true;
    for (size_t i = 0; i < config->streams_count; i++) {
        if (strcmp(config->streams[i].name, stream) == 0)
            return true;
    }
    return false;
}

/* Says that there is nothing, or which streams have letters. */
static int letters_complain(const struct letters_command *command)
{
    __attribute__((cleanup(letters_summary_free))) struct letters_summary all = {0};
    struct error error;

    if (!command->stream || letters_is_known(command->config, command->stream)) {
        printf("no dead letters%s%s in %s\n", command->stream ? " of stream " : "",
            command->stream ? command->stream : "", command->directory);
        return COMMAND_OK;
    }
    if (dead_letters_visit(command->directory, NULL, letters_sum, &all, &error)) {
        fprintf(stderr, "penstock dead-letters: %s\n", error.text);
        return COMMAND_FAILED;
    }
    fprintf(stderr, "penstock dead-letters: there is no stream \"%s\"; those with letters:", command->stream);
    for (size_t i = 0; i < all.count; i++) {
        if (i == 0 || strcmp(all.rows[i].stream, all.rows[i - 1].stream) != 0)
            fprintf(stderr, "%s %s", i ? "," : "", all.rows[i].stream);
    }
    fprintf(stderr, "%s\n", all.count ? "" : " none");
    return COMMAND_FAILED;
}

static int letters_run(const struct letters_verb *verb, const struct letters_command *command)
{
    __attribute__((cleanup(letters_summary_free))) struct letters_summary summary = {0};
    struct error error;

    int result = dead_letters_visit(command->directory, command->stream, letters_sum, &summary, &error);
    if (!result && summary.count == 0 && summary.unreadable == 0)
        return letters_complain(command);
    if (!result)
        result = verb->run(command, &summary, &error);
    if (!result && fflush(stdout))
        result = error_set_errno(&error, ERROR_FATAL, "standard output");
    if (result)
        fprintf(stderr, "penstock dead-letters: %s\n", error.text);
    return result ? COMMAND_FAILED : COMMAND_OK;
}

int command_dead_letters(int argc, char **argv)
{
    cleanup_arguments struct arguments arguments = {0};
    struct letters_command command = {0};
    const struct letters_verb *verb = NULL;
    struct error error;
    int status;

    if (!arguments_take(&arguments, argc, argv, &status))
        return status;
    if (letters_read_command(&arguments, &verb, &command, &error)) {
        fprintf(stderr, "penstock dead-letters: %s\n", error.text);
        return COMMAND_USAGE;
    }
    struct config *config = arguments_load(&arguments);
    if (!config)
        return COMMAND_FAILED;
    command.config = config;
    snprintf(
        command.directory, sizeof command.directory, "%s/%s", config->gateway.data, DEAD_LETTER_DIRECTORY);
    status = letters_run(verb, &command);
    config_free(&config);
    return status;
}
