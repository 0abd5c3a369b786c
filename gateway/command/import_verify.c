/* import_verify: see import_verify.h. A line each, or a JSON object with --progress json: files that differ, then all tables, then a summary. */
#include "command/import_verify.h"

#include <inttypes.h>
#include <stdlib.h>

#include "command/import_manifest.h"
#include "command/import_progress.h"

struct verify_words {
    bool json;
};

static void verify_print_file(void *context, const char *sentence)
{
    const struct verify_words *words = context;

    if (words->json)
        import_event(stdout, json_pack("{s:s, s:o}", "event", "file", "text", import_shown(sentence)));
    else
        printf("%s\n", sentence);
}

static void verify_print_note(void *context, const char *text)
{
    (void)context;
    fputs("penstock: ", stderr);
    import_say(stderr, text);
    fputc('\n', stderr);
}

/* ---- the tables -------------------------------------------------------------------------------------------------- */

static void verify_print_words(
    const char *title, const struct manifest_table *then, const struct verify_table *now)
{
    import_say(stdout, title);
    if (now->verdict == VERIFY_EQUAL) {
        printf(": equal, %" PRIu64 " rows\n", now->rows);
    } else if (now->verdict == VERIFY_OTHER) {
        printf(": cannot be compared: ");
        import_say(stdout, now->text);
        printf("\n");
    } else if (now->rows == then->rows_read) {
        printf(": changed since: %" PRIu64 " rows then and now, with other values\n", then->rows_read);
    } else {
        printf(": changed since: %" PRIu64 " rows then, %" PRIu64 " now\n", then->rows_read, now->rows);
    }
    if (then->merged)
        printf("  those are the rows of the last increment; %" PRIu64
               " others, which were merged with them, are in the files and not compared\n",
            then->rows - then->rows_read);
}

static void verify_print_table(
    const struct verify_words *words, const struct manifest_table *then, const struct verify_table *now)
{
    static const char *const verdicts[] = {
        [VERIFY_EQUAL] = "equal", [VERIFY_CHANGED] = "changed", [VERIFY_OTHER] = "other"};
    char *title = NULL;

    if (asprintf(&title, "%s%s%s", then->schema, *then->name ? "." : "",
            *then->name ? then->name : "the query") < 0)
        return; /* GCOVR_EXCL_LINE out of memory */
    if (!words->json) {
        verify_print_words(title, then, now);
    } else {
        json_t *event = json_pack("{s:s, s:s, s:s, s:I}", "event", "table", "table", title, "verdict",
            verdicts[now->verdict], "rows_then", (json_int_t)then->rows_read);
        if (event && then->merged)
            json_object_set_new(
                event, "rows_merged", json_integer((json_int_t)(then->rows - then->rows_read)));
        if (event && now->verdict == VERIFY_OTHER)
            json_object_set_new(event, "text", import_shown(now->text));
        else if (event)
            json_object_set_new(event, "rows_now", json_integer((json_int_t)now->rows));
        import_event(stdout, event);
    }
    free(title);
}

/* How many are not equal. */
static int verify_with_database(const struct import_options *options, const struct verify_words *words,
    const struct manifest *manifest, uint64_t *ret_differing, struct error *error)
{
    struct verify_table *tables = calloc(manifest->tables_count + 1, sizeof *tables);
    const struct verify_options how = {.kind = &database_postgres,
        .login = options->login,
        .connections = options->plan.workers,
        .snapshot = options->snapshot,
        .read = options->read,
        .note = verify_print_note};

    if (!tables)
        return error_set(error, ERROR_RETRY, "verifying: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    const int result = verify_tables(manifest, &how, tables, error);
    *ret_differing = 0;
    for (size_t i = 0; !result && i < manifest->tables_count; i++) {
        verify_print_table(words, &manifest->tables[i], &tables[i]);
        *ret_differing += tables[i].verdict != VERIFY_EQUAL;
    }
    free(tables);
    return result;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* What comes from the environment alone names no database: files can be verified where there is none. */
static bool verify_is_named(const struct database_login *login)
{
    return login->address || login->host || login->port || login->name || login->user;
}

int import_verify(const struct import_options *options, struct error *error)
{
    __attribute__((cleanup(import_manifest_close))) struct import_manifest found = {.manifest = NULL};
    struct verify_words words = {.json = options->progress == IMPORT_PROGRESS_JSON};
    const struct verify_teller teller = {verify_print_file, &words};
    const bool compared = verify_is_named(&options->login);
    struct verify_files files;
    uint64_t differing = 0;

    if (import_manifest_open(&found, options, error))
        return -1;
    const struct manifest *manifest = found.manifest;
    if (verify_files(manifest, found.deposit ? &found.store : NULL, &teller, &files, error) ||
        (compared && verify_with_database(options, &words, manifest, &differing, error)))
        return -1;
    if (words.json)
        import_event(stdout, json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:I}", "event", "verified", "files",
                                 (json_int_t)files.files, "bytes", (json_int_t)files.bytes, "files_differing",
                                 (json_int_t)files.differing, "tables", (json_int_t)manifest->tables_count,
                                 "tables_compared", compared, "tables_differing", (json_int_t)differing));
    else {
        import_say(stdout, manifest->path);
        if (manifest->topic)
            printf(": its rows went to topic %s, which is not read\n", manifest->topic);
        else
            printf(": %" PRIu64 " files are as they were written\n", files.files);
    }
    if (files.differing || differing)
        return error_set(error, ERROR_REJECT, "%s: %" PRIu64 " files and %" PRIu64 " tables differ",
            manifest->path, files.differing, differing);
    return 0;
}
