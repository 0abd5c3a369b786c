/* journal_export: `penstock journal export`: the records of a journal as lines of JSON, with the members of dead letters, or their payloads alone.
 *
 * A record that is damaged is named on standard error, and the exit status says so. Where an outlet holds topics, what it has still to deliver
 * begins with the oldest record that it may hold: some behind that it has delivered. */
#include <inttypes.h>
#include <stdio.h>

#include "command/journal.h"
#include "dead_letter/dead_letter.h"

#define EXPORT_LINE_MAX ((size_t)3 << 30) /* of the largest record, escaped */

struct export
{
    const struct journal_look *look;
    const char *stream; /* NULL: all */
    bool payload;
    uint64_t first, last;
    uint64_t damaged; /* records, and frames that are no records */
    struct bytes line;
};

static int export_write(struct export *export, const struct journal_view_item *item,
    const struct record *record, const struct rendering *rendering, const char *stream, struct error *error)
{
    const struct record_id id = {export->look->view->gateway_id, item->epoch, item->first};
    const char *const *labels = rendering && rendering->labels_count >= record->labels_count
                                    ? (const char *const *)rendering->labels
                                    : NULL;

    bytes_clear(&export->line);
    if (export->payload ? bytes_add(&export->line, record->payload.data, record->payload.length, error) ||
                              bytes_add_text(&export->line, "\n", error)
                        : dead_letter_print_record(&id, stream, record, labels, &export->line, error))
        return -1;
    if (fwrite(export->line.data, 1, export->line.length, stdout) != export->line.length)
        return error_set_errno(error, ERROR_FATAL, "standard output");
    return 0;
}

static int export_record(struct export *export, const struct journal_view_item *item, struct error *error)
{
    char lost[RECORD_STREAM_NAME_MAX + 1], ids[JOURNAL_VIEW_IDS_MAX + 1];
    const char *stream = lost;
    struct record record;

    if (record_decode(item->body.data, item->body.length, &record, error)) {
        journal_view_ids(export->look->view, item, ids);
        fprintf(stderr, "penstock journal: %s: %s\n", ids, error->text);
        export->damaged++;
        return 0;
    }
    const struct rendering *rendering = rendering_find(export->look->states.renderings, record.rendering);
    if (rendering)
        stream = rendering->stream;
    else if (record.rendering == RECORD_NO_RENDERING)
        stream = RECORD_NO_STREAM;
    else
        snprintf(lost, sizeof lost, "lost-rendering-%u", record.rendering);
    if (export->stream && strcmp(export->stream, stream) != 0)
        return 0;
    return export_write(export, item, &record, rendering, stream, error);
}

static void export_tell_damage(struct export *export, const struct journal_view_item *item)
{
    struct journal_view_item part = *item;
    char ids[JOURNAL_VIEW_IDS_MAX + 1];

    part.first = part.first < export->first ? export->first : part.first;
    part.last = part.last > export->last ? export->last : part.last;
    if (part.first > part.last)
        return;
    journal_view_ids(export->look->view, &part, ids);
    fprintf(stderr, "penstock journal: %s: damaged\n", ids);
    export->damaged += part.last - part.first + 1;
}

static int export_visit(void *context, const struct journal_view_item *item, struct error *error)
{
    struct export *export = context;
    struct error ignored;

    if (item->type == JOURNAL_VIEW_DAMAGE)
        export_tell_damage(export, item);
    else if (item->type == JOURNAL_VIEW_FREED)
        fprintf(stderr,
            "penstock journal: records %" PRIu64 "..%" PRIu64
            " are missing: %s was freed meanwhile, every outlet had passed it\n",
            item->first, item->last, item->segment->file);
    else if (item->type == JOURNAL_VIEW_STATE &&
             item->kind == STATE_RENDERING) /* also of records that every outlet has passed */
        (void)rendering_apply(
            export->look->states.renderings, item->body.data, item->body.length, item->first, &ignored);
    else if (item->type == JOURNAL_VIEW_RECORD && item->first >= export->first && item->first <= export->last)
        return export_record(export, item, error);
    return 0;
}

/* ---- what is asked for ---------------------------------------------------------------------------------------- */

static int export_queued(struct export *export, const char *name, struct error *error)
{
    const struct journal_view *view = export->look->view;

    for (size_t i = 0; i < view->outlets_count; i++) {
        const struct journal_view_outlet *outlet = &view->outlets[i];
        if (strcmp(outlet->name, name) != 0)
            continue;
        const uint64_t done =
            outlet->least < outlet->cursor.position ? outlet->least : outlet->cursor.position;
        export->first = done >= export->first ? done + 1 : export->first;
        if (outlet->cursor.held)
            fprintf(stderr,
                "penstock journal: outlet %s holds %" PRIu64
                " records; from the oldest on all are written, also what it has delivered\n",
                name, outlet->cursor.held);
        return 0;
    }
    error_set(error, ERROR_REJECT, "the journal has no outlet \"%.64s\"; it has", name);
    for (size_t i = 0; i < view->outlets_count; i++) {
        const size_t used = strlen(error->text);
        snprintf(error->text + used, sizeof error->text - used, "%s %s", i ? "," : "", view->outlets[i].name);
    }
    return -1;
}

int journal_export_run(const struct journal_command *command, struct error *error)
{
    const struct arguments *arguments = command->arguments;
    struct export export = {.stream = arguments->stream,
        .payload = arguments->payload,
        .first = command->from,
        .last = command->to};
    cleanup_journal_look struct journal_look look;

    if (journal_look_open(&look, command, true, error))
        return -1;
    export.look = &look;
    if (arguments->queued && export_queued(&export, arguments->queued, error))
        return -1;
    bytes_init(&export.line, EXPORT_LINE_MAX);
    const int result =
        journal_view_walk(look.view, export.first ? export.first - 1 : 0, export_visit, &export, error);
    bytes_free(&export.line);
    if (result)
        return -1;
    return export.damaged ? error_set(error, ERROR_REJECT, "%s: %" PRIu64 " records are damaged",
                                command->directory, export.damaged)
                          : 0;
}
