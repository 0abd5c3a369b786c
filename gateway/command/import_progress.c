/* import_progress: see import_progress.h. */
#include "command/import_progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shown.h"

#define PROGRESS_LINES_MAX 20 /* on a terminal: the tables that are being read, and what is left */
#define PROGRESS_TERMINAL_PERIOD (CLOCK_SECOND / 4)
#define PROGRESS_LINE_PERIOD (10 * CLOCK_SECOND)
#define PROGRESS_EVENT_PERIOD CLOCK_SECOND

void import_progress_open(struct import_teller *teller, enum import_progress how)
{
    *teller = (struct import_teller){.how = how, .terminal = false};
    if (how == IMPORT_PROGRESS_AUTO) {
        teller->how = IMPORT_PROGRESS_LINES;
        teller->terminal = isatty(STDERR_FILENO);
    }
}

void import_say(FILE *to, const char *text)
{
    char shown[SHOWN_MAX];

    for (size_t left = strlen(text), step; left > 0; text += step, left -= step) {
        step = shown_take(text, left, shown);
        fputs(shown, to);
    }
}

void import_event(FILE *to, json_t *event)
{
    if (event) {
        json_dumpf(event, to, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
        fputc('\n', to);
    }
    json_decref(event);
}

json_t *import_shown(const char *text)
{
    cleanup_bytes struct bytes shown;
    struct error ignored;

    bytes_init(&shown, 4 * strlen(text) + 1); /* every byte as "\\xE9" */
    if (shown_add(&shown, text, &ignored) || bytes_add(&shown, "", 1, &ignored))
        return NULL;
    return json_string(shown.data);
}

static void progress_print(const struct job_progress *table, int64_t elapsed, const char *end)
{
    const double seconds = (double)elapsed / (double)CLOCK_SECOND + 1e-3;
    const double estimated = table->rows_estimated > (double)table->rows ? table->rows_estimated : 0;

    import_say(stderr, table->title);
    fprintf(stderr, ": %" PRIu64 " rows, %.1f MB/s, split %zu of %zu", table->rows,
        (double)table->bytes / 1e6 / seconds, table->splits_done, table->splits);
    if (table->splits_done < table->splits && estimated > 0 && table->rows > table->rows_kept) {
        const double left =
            seconds * (estimated - (double)table->rows) / (double)(table->rows - table->rows_kept);
        fprintf(stderr, ", %.0f %%, %.0f s left", 100 * (double)table->rows / estimated, left);
    }
    if (table->again)
        fprintf(stderr, ", %" PRIu64 " splits read again", table->again);
    fputs(end, stderr);
}

static bool progress_is_at_work(const struct job_progress *table)
{
    return table->splits_done < table->splits && table->splits_begun > 0;
}

/* Over the lines of the last time. */
static void progress_terminal(
    struct import_teller *teller, const struct job_progress *tables, size_t count, int64_t elapsed)
{
    size_t shown = 0, done = 0;

    if (teller->shown)
        fprintf(stderr, "\033[%zuA\033[J", teller->shown);
    for (size_t i = 0; i < count; i++) {
        done += tables[i].splits_done == tables[i].splits;
        if ((count == 1 || progress_is_at_work(&tables[i])) && shown < PROGRESS_LINES_MAX) {
            progress_print(&tables[i], elapsed, "\n");
            shown++;
        }
    }
    if (count > 1) {
        fprintf(stderr, "%zu of %zu tables\n", done, count);
        shown++;
    }
    teller->shown = shown;
}

static void progress_event(const struct job_progress *table, int64_t elapsed)
{
    json_t *event = json_pack("{s:s, s:s, s:f, s:I, s:I, s:i, s:i, s:I}", "event", "progress", "table",
        table->title, "seconds", (double)elapsed / (double)CLOCK_SECOND, "rows", (json_int_t)table->rows,
        "bytes", (json_int_t)table->bytes, "splits_done", (int)table->splits_done, "splits",
        (int)table->splits, "splits_again", (json_int_t)table->again);

    if (event && table->rows_estimated >= 0)
        json_object_set_new(event, "rows_estimated", json_integer((json_int_t)table->rows_estimated));
    import_event(stderr, event);
}

void import_progress_tell(void *context, const struct job_progress *tables, size_t count, int64_t elapsed)
{
    struct import_teller *teller = context;

    if (teller->how == IMPORT_PROGRESS_NONE || elapsed < teller->next)
        return;
    teller->next = elapsed + (teller->terminal                         ? PROGRESS_TERMINAL_PERIOD
                                 : teller->how == IMPORT_PROGRESS_JSON ? PROGRESS_EVENT_PERIOD
                                                                       : PROGRESS_LINE_PERIOD);
    if (teller->terminal) {
        progress_terminal(teller, tables, count, elapsed);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!progress_is_at_work(&tables[i]))
            continue;
        if (teller->how == IMPORT_PROGRESS_JSON)
            progress_event(&tables[i], elapsed);
        else
            progress_print(&tables[i], elapsed, "\n");
    }
}

void import_progress_note(void *context, const char *text)
{
    struct import_teller *teller = context;

    if (teller->how == IMPORT_PROGRESS_JSON) {
        import_event(stderr, json_pack("{s:s, s:o}", "event", "note", "text", import_shown(text)));
        return;
    }
    fputs("penstock: ", stderr);
    import_say(stderr, text);
    fputc('\n', stderr);
    teller->shown = 0;
}

/* In the words of Sqoop, which the options have, too. */
static void progress_increment(const struct increment *increment)
{
    if (!*increment->high)
        return;
    fprintf(stderr,
        "Incremental import complete! To run another incremental import of all data following this import, supply the following arguments:\n"
        " --incremental %s\n  --check-column ",
        increment->mode == INCREMENT_APPEND ? "append" : "lastmodified");
    import_say(stderr, increment->column);
    fprintf(stderr, "\n  --last-value %s\n", increment->high);
}

void import_progress_done(struct import_teller *teller, const struct job_summary *summary, const char *target)
{
    const double seconds = (double)summary->elapsed / (double)CLOCK_SECOND + 1e-3;

    if (teller->how == IMPORT_PROGRESS_JSON) {
        json_t *event = json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f}", "event", "done",
            "target", import_shown(target), "tables", (json_int_t)summary->tables, "files",
            (json_int_t)summary->files, "rows", (json_int_t)summary->rows, "bytes_read",
            (json_int_t)summary->bytes_read, "bytes_written", (json_int_t)summary->bytes_written, "rows_kept",
            (json_int_t)summary->rows_kept, "splits_kept", (json_int_t)summary->splits_kept, "seconds",
            seconds);
        if (event && summary->topic)
            json_object_set_new(event, "topic", json_string(summary->topic));
        if (event && summary->increment)
            json_object_set_new(event, "last_value",
                *summary->increment->high ? json_string(summary->increment->high) : json_null());
        if (event && summary->merged)
            json_object_set_new(event, "rows_merged", json_integer((json_int_t)summary->merged_rows));
        import_event(stderr, event);
        return;
    }
    import_say(stderr, target);
    fprintf(stderr, ": %" PRIu64 " rows of %" PRIu64 " tables in ", summary->rows, summary->tables);
    if (summary->topic)
        fprintf(stderr, "topic %s", summary->topic);
    else
        fprintf(stderr, "%" PRIu64 " files", summary->files);
    fprintf(stderr, ", %.1f MB in %.1f s (%.0f rows/s)\n", (double)summary->bytes_written / 1e6, seconds,
        (double)(summary->rows - summary->rows_kept) / seconds);
    if (summary->merged)
        fprintf(
            stderr, "%" PRIu64 " rows that were there before stay, merged with them\n", summary->merged_rows);
    if (summary->splits_kept)
        fprintf(stderr, "%" PRIu64 " splits with %" PRIu64 " rows of them were there before\n",
            summary->splits_kept, summary->rows_kept);
    if (summary->nulled)
        fprintf(stderr, "%" PRIu64 " infinite values and NaN became NULL\n", summary->nulled);
    if (summary->rounded)
        fprintf(stderr, "%" PRIu64 " numbers were rounded to doubles\n", summary->rounded);
    if (summary->bounds)
        fprintf(stderr, "%" PRIu64 " arrays lost their lower bounds\n", summary->bounds);
    if (summary->increment)
        progress_increment(summary->increment);
}
