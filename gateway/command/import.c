/* import: `penstock import [OPTION]... TABLE...`: tables of a database as files in a directory of their own. What it does is table/job.h's; here are the
 * command line, the password, the signals, and what people see. Exit status: 0 all is there, 1 it is not, 2 a wrong command line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "command/command.h"
#include "command/import.h"
#include "command/import_hive.h"
#include "command/import_login.h"
#include "command/import_options.h"
#include "command/import_place.h"
#include "command/import_progress.h"
#include "command/import_topic.h"
#include "command/import_verify.h"
#include "table/job.h"

#define IMPORT_TEXT_MAX ((size_t)64 << 20)

/* ---- the job ---------------------------------------------------------------------------------------------------------- */

static void import_fill(struct job_options *job, const struct import_options *options, const char *shown)
{
    *job = (struct job_options){
        .kind = &database_postgres,
        .login = options->login,
        .selection = {.names = options->tables.names,
            .names_count = options->tables.count,
            .excluded = options->excluded.names,
            .excluded_count = options->excluded.count,
            .query = options->query,
            .columns = options->columns.names,
            .columns_count = options->columns.count,
            .casts = options->casts.names,
            .casts_count = options->casts.count,
            .where = options->where,
            .bounds = options->bounds,
            .bounds_column = options->plan.column,
            .views = options->views,
            .lock_wait = options->snapshot.lock_wait,
            .types = &options->types},
        .snapshot = options->snapshot,
        .increment = options->increment,
        .merge_key = options->merge_key.names,
        .merge_key_count = options->merge_key.count,
        .plan = options->plan,
        .read = options->read,
        .max_rate = options->max_rate,
        .max_lag = options->max_lag,
        .max_snapshot_age = options->max_snapshot_age,
        .file = options->file,
        .target = options->target,
        .hive = options->tells_hive || options->prints_hive ? &options->hive : NULL,
        .how = options->append                                ? ATTEMPT_APPEND
               : options->replace || options->merge_key.count ? ATTEMPT_REPLACE
               : options->tells_hive                          ? ATTEMPT_RENEW
                                                              : ATTEMPT_NEW,
        .names = options->names,
        .resume = (enum job_resume)options->resume,
        .keep_snapshot = options->keep_snapshot,
        .tool = shown,
        .clock = &clock_system,
        .stop = &import_stop,
        .tell = import_progress_tell,
        .note = import_progress_note,
    };
}

typedef int import_plan_fn(struct job *job, struct bytes *text, struct error *error);

static int import_plan(struct job *job, import_plan_fn *print, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, IMPORT_TEXT_MAX);
    if (print(job, &text, error))
        return -1;
    fwrite(text.data, 1, text.length, stdout);
    return 0;
}

static bool import_only_plans(const struct import_options *options)
{
    return options->explain || options->prints_hive;
}

/* What the import leaves, and how to go on with it. */
static void import_say_left(struct job *job, struct import_teller *teller, int argc, char **argv)
{
    const struct job_left left = job_left(job);
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, IMPORT_TEXT_MAX);
    if (!left.kept ||
        bytes_print(
            &text, &error, "%zu of %zu splits are finished and kept; ", left.splits_done, left.splits) ||
        (left.held ? bytes_print(&text, &error, "their snapshot is held for %u seconds. ", left.seconds)
                   : bytes_add_text(&text, "their snapshot is not held. ", &error)) ||
        bytes_add_text(&text, "To go on: ", &error) || import_options_again(argc, argv, &text, &error) ||
        bytes_add(&text, "", 1, &error))
        return;
    import_progress_note(teller, text.data);
}

/* What is done with files that are there already is done with files of this machine. */
static int import_refuse_elsewhere(const struct import_options *options, const char *url, struct error *error)
{
    const char *what = options->topic             ? "--to, whose --target is for the manifest alone,"
                       : options->merge_key.count ? "--merge-key"
                       : options->tells_hive      ? "--hive"
                                                  : NULL;

    return what ? error_set(error, ERROR_REJECT,
                      "--target %s: %s needs a directory of this machine; name one, as file:///DIRECTORY%s",
                      url, what,
                      options->tells_hive ? ", or leave --hive out and print the statements with --hive-ddl"
                                          : "")
                : 0;
}

/* job->shipment is the caller's to close. */
static int import_take_place(struct job_options *job, const struct import_options *options,
    const struct import_place *place, struct error *error)
{
    if (place->local || !place->url) {
        job->target = place->local;
        return 0;
    }
    job->target = NULL;
    if (import_refuse_elsewhere(options, place->url, error))
        return -1;
    if (import_only_plans(options))
        return 0;
    const struct shipment_options shipment = {.config = &place->lake,
        .name = place->name,
        .url = place->url,
        .id = place->id,
        .folder = place->folder,
        .how = job->how,
        .goes_on = options->resume,
        .clock = job->clock,
        .stop = job->stop};
    if (shipment_open(&job->shipment, &shipment, error))
        return -1;
    job->target = shipment_place(job->shipment);
    return 0;
}

static int import_work(const struct import_options *options, int argc, char **argv,
    const struct import_face *face, const char *shown, struct error *error)
{
    struct import_teller teller;
    __attribute__((cleanup(import_place_close))) struct import_place place = {.local = NULL};
    __attribute__((cleanup(shipment_close))) struct shipment *shipment = NULL;
    struct job_options job_options;
    __attribute__((cleanup(import_topic_close))) struct import_topic topic = {.client = NULL};
    /* The last one: the others outlive it. */
    __attribute__((cleanup(job_close))) struct job *job = NULL;

    import_progress_open(&teller, options->progress);
    import_fill(&job_options, options, shown);
    job_options.title = face->title;
    job_options.title_size = face->title_size;
    job_options.context = &teller;
    if (options->target && (import_place_open(&place, options, options->target, error) ||
                               import_take_place(&job_options, options, &place, error)))
        return -1;
    shipment = job_options.shipment;
    if (options->topic) {
        if (import_topic_open(&topic, options, error))
            return -1;
        if (*kafka_client_warning(topic.client))
            import_progress_note(&teller, kafka_client_warning(topic.client));
        job_options.topic = &topic.job;
    }
    if (job_open(&job, &job_options, import_only_plans(options), error))
        return -1;
    if (import_only_plans(options))
        return import_plan(job, options->explain ? job_explain : job_hive_print, error);
    if (job_run(job, error)) {
        import_say_left(job, &teller, argc, argv);
        return -1;
    }
    const struct job_summary summary = job_summary(job);
    import_progress_done(&teller, &summary, place.url ? place.url : options->target);
    return 0;
}

/* ---- Hive -------------------------------------------------------------------------------------------------------------- */

/* Where Hive finds the files. */
static int import_find_place(struct import_options *options, struct error *error)
{
    if (!options->tells_hive || !options->target)
        return 0;
    char *directory = file_absolute(options->target, error);
    if (!directory || import_list_add(&options->kept, directory, error)) {
        free(directory);
        return -1;
    }
    options->hive.directory = directory;
    return 0;
}

/* Hive gets what the last import into the target has left for it: an increment whose last value would be lost with it, or what --resume goes on with. ret_done: that was all. */
static int import_hive_before(const struct import_options *options, bool *ret_done, struct error *error)
{
    const enum import_hive_state state = import_hive_look(options->target);

    *ret_done = false;
    if (options->replace || state == IMPORT_HIVE_NOTHING || state == IMPORT_HIVE_LOADED)
        return 0;
    if (!options->increment.mode && !options->resume)
        return import_hive_refuse(options->target, options->hive_client, error);
    *ret_done = options->resume;
    return import_hive_settle(options->target, options->hive_client, error);
}

static int import_with_hive(struct import_options *options, int argc, char **argv,
    const struct import_face *face, const char *shown, struct error *error)
{
    bool done, loaded;

    if (import_hive_before(options, &done, error))
        return -1;
    return done || (import_work(options, argc, argv, face, shown, error) == 0 &&
                       import_hive_load(options->target, options->hive_client, &loaded, error) == 0)
               ? 0
               : -1;
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

static int import_print(int (*print)(struct bytes *text, struct error *error), struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, IMPORT_TEXT_MAX);
    if (print(&text, error))
        return -1;
    fwrite(text.data, 1, text.length, stdout);
    return 0;
}

static int import_run(struct import_options *options, int argc, char **argv, const struct import_face *face,
    struct error *error)
{
    char password[IMPORT_PASSWORD_MAX];
    cleanup_bytes struct bytes shown;

    bytes_init(&shown, IMPORT_TEXT_MAX);
    if (import_options_shown(argc, argv, &shown, error) || bytes_add(&shown, "", 1, error) ||
        import_find_place(options, error) || import_login_take(options, password, error))
        return -1;
    if (!options->verify)
        import_login_catch_signals();
    int result = options->verify ? import_verify(options, error)
                 : options->tells_hive && !import_only_plans(options)
                     ? import_with_hive(options, argc, argv, face, shown.data, error)
                     : import_work(options, argc, argv, face, shown.data, error);
    explicit_bzero(password, sizeof password);
    return result;
}

static void import_complain(const struct import_face *face, const struct error *error)
{
    fprintf(stderr, "%s: ", face->name);
    import_say(stderr, error->text);
    fputc('\n', stderr);
}

int import_begin(int argc, char **argv, const struct import_face *face)
{
    __attribute__((cleanup(import_options_free))) struct import_options options;
    struct error error;
    int result;

    if (import_options_parse(&options, argc, argv, &error)) {
        import_complain(face, &error);
        return COMMAND_USAGE;
    }
    if (options.help)
        result = import_print(import_options_help, &error);
    else if (options.print_types)
        result = import_print(pg_type_print, &error);
    else
        result = import_run(&options, argc, argv, face, &error);
    if (result)
        import_complain(face, &error);
    return result ? COMMAND_FAILED : COMMAND_OK;
}

size_t import_title_size(int argc, char **argv)
{
    return (size_t)(argv[argc - 1] - argv[0]) + strlen(argv[argc - 1]) + 1;
}

int command_import(int argc, char **argv)
{
    const struct import_face face = {"penstock import", argv[0], import_title_size(argc, argv)};

    return import_begin(argc, argv, &face);
}
