/* saved: the tool job, and what a saved job becomes; see sqoop.h.
 *
 * What is kept of a line are the options that change something, each one as --NAME=VALUE: so whatever is in a value is read again as it was said. Passwords are not kept, however they are said.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sqoop/sqoop_internal.h"

/* ---- what is kept ---------------------------------------------------------------------------------------------------- */

/* Takes the text over. */
static int saved_keep_text(struct sqoop_order *order, struct bytes *text, struct error *error)
{
    const char *kept = words_keep(order, text->data, text->length, error);

    return kept ? words_add(&order->job.words, kept, error) : -1;
}

static int saved_keep_option(
    struct sqoop_order *order, const struct sqoop_option *option, const char *value, struct error *error)
{
    cleanup_bytes struct bytes text;
    char name[64];

    bytes_init(&text, SQOOP_FILE_MAX);
    if (bytes_add_text(&text, parse_name(option, name), error) ||
        (option->argument && (bytes_add(&text, "=", 1, error) || bytes_add_text(&text, value, error))))
        return error_wrap(error, "%s", name);
    return saved_keep_text(order, &text, error);
}

/* -P is the option without a name. */
static bool saved_is_kept(const struct sqoop_option *option)
{
    static const char *const others[] = {"", "password", "dry-run", "options-file"};
    bool kept = option->take == SQOOP_TAKEN;

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        kept &= strcmp(option->name, others[i]) != 0;
    return kept;
}

/* Of a line that was translated: it is a good one. */
static int saved_keep(const struct sqoop_line *line, struct error *error)
{
    struct sqoop_order *order = line->order;

    if (words_add(&order->job.words, line->tool->name, error))
        return -1;
    for (size_t i = 0; i < line->properties.count; i++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, SQOOP_FILE_MAX);
        if (translate_is_known(line->properties.words[i]) &&
            (bytes_print(&text, error, "-D%s", line->properties.words[i]) ||
                saved_keep_text(order, &text, error)))
            return -1;
    }
    for (size_t i = 0; i < sqoop_options_count; i++)
        if (line->values[i] && saved_is_kept(&sqoop_options[i]) &&
            saved_keep_option(order, &sqoop_options[i], line->values[i], error))
            return -1;
    order->job.password = parse_value(line, "password");
    if (!order->job.password && !parse_value(line, "P"))
        return 0;
    return words_add(&order->job.words, "-P", error) ||
                   (order->job.password &&
                       words_note(order, error,
                           "the password is not kept: --exec asks for it; a --password-file is kept"))
               ? -1
               : 0;
}

/* ---- jobs that are made ---------------------------------------------------------------------------------------------- */

/* The tool of a job, and its options. */
static const struct sqoop_tool_row *saved_tool(const char *name, struct error *error)
{
    const struct sqoop_tool_row *tool = translate_find_tool(name, error);

    if (tool && tool->tool < SQOOP_JOB)
        return tool;
    if (tool)
        error_set(error, ERROR_REJECT, "%s cannot be saved as a job%s%s", tool->name,
            tool->tool == SQOOP_OTHER ? ": " : "", tool->tool == SQOOP_OTHER ? tool->what : "");
    return NULL;
}

/* The driver takes it from there, and it would be kept with the rest. */
static int saved_check_url(const struct sqoop_line *line, struct error *error)
{
    const char *url = parse_value(line, "connect");

    return strstr(url + strcspn(url, "?"), "password=")
               ? error_set(error, ERROR_REJECT,
                     "--connect: there is a password in it, which would be kept: say --password-file, or -P and --exec asks for it")
               : 0;
}

static int saved_create(
    struct sqoop_line *line, const char *tool, const struct sqoop_words *words, struct error *error)
{
    struct sqoop_order *order = line->order;
    struct sqoop_line made = {.order = order, .reader = line->reader, .job = order->job.name};

    made.tool = saved_tool(tool, error);
    const int result = !made.tool || parse_words(&made, words, error) || translate_line(&made, error);
    if (result || order->tool == SQOOP_HELP) {
        words_free(&made.properties);
        return result ? -1 : 0;
    }
    const int kept = saved_check_url(&made, error) || saved_keep(&made, error);
    words_free(&made.properties);
    return kept ? -1 : 0;
}

/* ---- the tool -------------------------------------------------------------------------------------------------------- */

static int saved_take_verb(struct sqoop_line *line, struct error *error)
{
    static const struct {
        const char *option;
        enum sqoop_job_verb verb;
    } verbs[] = {{"list", SQOOP_JOB_LIST}, {"create", SQOOP_JOB_CREATE}, {"show", SQOOP_JOB_SHOW},
        {"exec", SQOOP_JOB_EXEC}, {"delete", SQOOP_JOB_DELETE}};
    struct sqoop_order *order = line->order;
    int said = 0;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const char *name = parse_value(line, verbs[i].option);
        if (!name)
            continue;
        said++;
        order->job.verb = verbs[i].verb;
        order->job.name = verbs[i].verb == SQOOP_JOB_LIST ? NULL : name;
    }
    if (said != 1)
        return error_set(
            error, ERROR_REJECT, "one of --create, --delete, --exec, --list and --show has to be said");
    return 0;
}

/* It is part of the name of a file. */
static int saved_check_name(const char *name, struct error *error)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

    if (*name && *name != '.' && strlen(name) <= SQOOP_JOB_NAME_MAX && !name[strspn(name, letters)])
        return 0;
    return error_set(error, ERROR_REJECT,
        "\"%.140s\": a job's name has at most %d letters, digits, -, _ and ., and does not begin with a dot",
        name, SQOOP_JOB_NAME_MAX);
}

static int saved_take_place(struct sqoop_line *line, struct error *error)
{
    const char *place = parse_value(line, "meta-connect");

    if (!place)
        return 0;
    line->order->job.place = strncmp(place, "jdbc:", 5) == 0 ? NULL : translate_local_path(place);
    if (line->order->job.place && *line->order->job.place)
        return 0;
    return error_set(error, ERROR_REJECT,
        "--meta-connect: there is no metastore: name the directory that the jobs are kept in, which several machines may share");
}

/* What is said before the -- of --create and --exec is said about the job's line, too. */
static int saved_take_front(struct sqoop_line *line, struct sqoop_words *ret_words, struct error *error)
{
    for (size_t i = 0; i < line->properties.count; i++)
        if (words_add(ret_words, "-D", error) || words_add(ret_words, line->properties.words[i], error))
            return -1;
    line->order->dry_run = parse_value(line, "dry-run") != NULL;
    return (line->order->dry_run && words_add(ret_words, "--dry-run", error)) ||
                   (parse_value(line, "verbose") && words_add(ret_words, "--verbose", error))
               ? -1
               : 0;
}

static int saved_take_rest(struct sqoop_line *line, const struct sqoop_words *rest, struct error *error)
{
    const bool creates = line->order->job.verb == SQOOP_JOB_CREATE;
    struct sqoop_words words = {0};
    int result = 0;

    if (creates && rest->count == 0)
        return error_set(error, ERROR_REJECT,
            "--create: the tool and its options are missing: job --create %s -- import ...",
            line->order->job.name);
    if (!creates && line->order->job.verb != SQOOP_JOB_EXEC) {
        line->order->dry_run = parse_value(line, "dry-run") != NULL;
        return rest->count == 0 ? 0
                                : error_set(error, ERROR_REJECT,
                                      "behind -- there are options of --create and --exec only");
    }
    result = saved_take_front(line, &words, error);
    for (size_t i = creates; !result && i < rest->count; i++)
        result = words_add(&words, rest->words[i], error);
    if (!result && creates)
        result = saved_create(line, rest->words[0], &words, error);
    else if (!result) {
        line->order->job.words = words;
        words = (struct sqoop_words){0};
    }
    words_free(&words);
    return result ? -1 : 0;
}

int saved_translate(struct sqoop_line *line, const struct sqoop_words *words, struct error *error)
{
    size_t front = 0;

    while (front < words->count && strcmp(words->words[front], "--") != 0)
        front++;
    const struct sqoop_words before = {words->words, front};
    const size_t behind = front < words->count ? front + 1 : front;
    const struct sqoop_words rest = {words->words + behind, words->count - behind};
    if (parse_words(line, &before, error))
        return -1;
    if (parse_value(line, "help")) {
        line->order->tool = SQOOP_HELP;
        line->order->topic = line->tool->name;
        return 0;
    }
    return saved_take_verb(line, error) ||
                   (line->order->job.name && saved_check_name(line->order->job.name, error)) ||
                   saved_take_place(line, error) || saved_take_rest(line, &rest, error)
               ? -1
               : 0;
}

/* ---- jobs that are executed ------------------------------------------------------------------------------------------ */

/* Options that one of replaces all of. */
static const char *const saved_rivals[][3] = {{"password", "password-file", "P"}, {"table", "query", "query"},
    {"target-dir", "warehouse-dir", "warehouse-dir"}, {"as-textfile", "as-avrodatafile", "as-parquetfile"}};

/* Does the line say another option that takes this one's place? */
static bool saved_is_replaced(const struct sqoop_line *more, size_t option)
{
    bool replaced = more->values[option];

    for (size_t i = 0; i < sizeof saved_rivals / sizeof *saved_rivals; i++) {
        bool member = false, said = false;
        for (size_t k = 0; k < 3; k++) {
            member |= parse_row(saved_rivals[i][k]) == &sqoop_options[option];
            said |= parse_value(more, saved_rivals[i][k]) != NULL;
        }
        replaced |= member && said;
    }
    return replaced;
}

/* Where the last value is of, it stays: with another table or column rows would be skipped. */
static int saved_check_increment(
    const struct sqoop_line *job, const struct sqoop_line *more, struct error *error)
{
    static const char *const fixed[] = {"incremental", "check-column", "table", "query", "schema"};

    if (!parse_value(job, "incremental") && !parse_value(more, "incremental"))
        return 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (parse_value(more, fixed[i]))
            return error_set(error, ERROR_REJECT,
                "--%s: an incremental job keeps what it reads, because its last value is of that: create another job",
                fixed[i]);
    return 0;
}

static int saved_merge(
    struct sqoop_line *line, const struct sqoop_line *job, const struct sqoop_line *more, struct error *error)
{
    for (size_t i = 0; i < job->properties.count; i++)
        if (words_add(&line->properties, job->properties.words[i], error))
            return -1;
    for (size_t i = 0; i < more->properties.count; i++)
        if (words_add(&line->properties, more->properties.words[i], error))
            return -1;
    for (size_t i = 0; i < sqoop_options_count; i++)
        line->values[i] = more->values[i]              ? more->values[i]
                          : saved_is_replaced(more, i) ? NULL
                                                       : job->values[i];
    return 0;
}

static int saved_execute(struct sqoop_line *line, struct sqoop_line *job, struct sqoop_line *more,
    const struct sqoop_job *saved, const struct sqoop_words *words, struct error *error)
{
    const struct sqoop_words own = {saved->words.words + 1, saved->words.count - 1};

    if (parse_words(more, words, error) || parse_words(job, &own, error) ||
        saved_check_increment(job, more, error) || saved_merge(line, job, more, error))
        return -1;
    if (saved->last && parse_value(line, "incremental") && !parse_value(more, "last-value"))
        line->values[parse_row("last-value") - sqoop_options] = saved->last;
    line->order->tool = line->tool->tool;
    return translate_line(line, error);
}

int sqoop_translate_job(struct sqoop_order *ret_order, const char *name, const struct sqoop_job *job,
    const struct sqoop_words *more, const struct sqoop_reader *reader, struct error *error)
{
    struct sqoop_line line = {.order = ret_order, .reader = reader, .job = name}, own = line, said = line;

    *ret_order = (struct sqoop_order){.tool = SQOOP_HELP};
    line.tool = own.tool = said.tool = saved_tool(job->words.words[0], error);
    const int result = !line.tool || saved_execute(&line, &own, &said, job, more, error);
    words_free(&line.properties);
    words_free(&own.properties);
    words_free(&said.properties);
    if (result)
        sqoop_order_free(ret_order);
    return result ? -1 : 0;
}
