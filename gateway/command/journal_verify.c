/* journal_verify: `penstock journal verify`: whether every frame of a journal is as it was written, and whether the totals of each outlet add up (the third
 * promise of the README). What was written behind the last durable mark, and is not whole, is told and is no damage. */
#include <inttypes.h>
#include <stdio.h>

#include "base/shown.h"
#include "command/journal.h"

struct verify {
    const struct journal_view *view;
    uint64_t records, lost, findings;
    struct {
        uint64_t unread, lost; /* records behind its position, and how many of them are damaged */
    } outlets[JOURNAL_OUTLETS_MAX];
};

/* ---- frames --------------------------------------------------------------------------------------------------- */

/* first..last are there, or lost. */
static void verify_count(struct verify *verify, const struct journal_view_item *item)
{
    const bool lost = item->type == JOURNAL_VIEW_DAMAGE;

    if (item->first > item->last)
        return;
    verify->records += lost ? 0 : item->last - item->first + 1;
    verify->lost += lost ? item->last - item->first + 1 : 0;
    for (size_t i = 0; i < verify->view->outlets_count; i++) {
        const uint64_t position = verify->view->outlets[i].cursor.position;
        if (item->last <= position)
            continue;
        const uint64_t first = item->first > position ? item->first : position + 1;
        verify->outlets[i].unread += item->last - first + 1;
        verify->outlets[i].lost += lost ? item->last - first + 1 : 0;
    }
}

/* Who has not passed these records. */
static void verify_print_needing(const struct journal_view *view, const struct journal_view_item *item)
{
    size_t count = 0;

    for (size_t i = 0; item->first <= item->last && i < view->outlets_count; i++)
        if (view->outlets[i].cursor.position < item->last)
            printf("%s %s", count++ ? "," : "; still needed by", view->outlets[i].name);
}

static void verify_print_damage(const struct journal_view *view, const struct journal_view_item *item)
{
    char ids[JOURNAL_VIEW_IDS_MAX + 1] = "no record lost";

    if (item->first <= item->last)
        journal_view_ids(view, item, ids);
    printf("damaged: %s: ", ids);
    if (!item->segment)
        printf("no file holds them");
    else
        printf("%s, bytes %" PRIu64 "..%" PRIu64 "%s", item->segment->file, item->from, item->to,
            item->segment->end_known ? "" : ", or a file behind it that is not there");
    verify_print_needing(view, item);
    printf("\n");
}

static int verify_visit(void *context, const struct journal_view_item *item, struct error *error)
{
    struct verify *verify = context;

    (void)error;
    if (item->type == JOURNAL_VIEW_STATE)
        return 0;
    if (item->type == JOURNAL_VIEW_FAULT) {
        printf("wrong: %s, bytes %" PRIu64 "..%" PRIu64 ": %s\n", item->segment->file, item->from, item->to,
            item->text);
        verify->findings++;
        return 0;
    }
    verify_count(verify, item);
    if (item->type == JOURNAL_VIEW_FREED)
        printf("freed meanwhile: %s, every outlet had passed it\n", item->segment->file);
    if (item->type == JOURNAL_VIEW_DAMAGE) {
        verify_print_damage(verify->view, item);
        verify->findings++;
    }
    return 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static void verify_files(struct verify *verify)
{
    const struct journal_view *view = verify->view;

    for (size_t i = 0; i < view->segments_count; i++) {
        const struct journal_view_segment *segment = &view->segments[i];
        if (segment->misnamed)
            printf("wrong: %s holds segment %" PRIu64 "; the next start renames it\n", segment->file,
                segment->number);
        if (segment->cut)
            printf("damaged: %s is cut short, %" PRIu64 " bytes are left\n", segment->file, segment->size);
        if (segment->half)
            printf("damaged: %s: one of the two copies of its header; no record lost\n", segment->file);
        verify->findings += (uint64_t)segment->misnamed + segment->cut + segment->half;
    }
    for (size_t i = 0; i < view->files_count; i++) {
        if (!view->files[i].fault)
            continue;
        printf("wrong: %s: %s; the next start sets it aside\n", view->files[i].name, view->files[i].what);
        verify->findings++;
    }
}

/* ---- outlets -------------------------------------------------------------------------------------------------- */

static void verify_outlets(struct verify *verify)
{
    const struct journal_view *view = verify->view;
    struct journal_ledger ledger;
    struct error error;

    for (size_t i = 0; i < view->outlets_count; i++) {
        const struct journal_view_outlet *outlet = &view->outlets[i];
        const struct journal_cursor *cursor = &outlet->cursor;
        if (journal_view_prove(outlet, view->last, verify->outlets[i].unread, &ledger, &error)) {
            printf("wrong: outlet %s: %s\n", outlet->name, error.text);
            verify->findings++;
            continue;
        }
        printf("outlet %s: accepted %" PRIu64 " = delivered %" PRIu64 " + dead-lettered %" PRIu64
               " + not for it %" PRIu64 " + damaged %" PRIu64 " + queued %" PRIu64,
            outlet->name, ledger.accepted, cursor->delivered, cursor->dead_lettered, cursor->not_for_outlet,
            cursor->damaged, ledger.queued);
        if (cursor->held)
            printf(" (%" PRIu64 " of these are held)", cursor->held);
        if (verify->outlets[i].lost)
            printf(" (%" PRIu64 " of these are damaged)", verify->outlets[i].lost);
        printf("\n");
    }
}

static void verify_print_tail(const struct journal_view *view)
{
    if (view->tail_first)
        printf(
            "records %" PRIu64 "..%" PRIu64 " behind byte %" PRIu64
            " of %s are being written, or a crash has torn them: possibly acknowledged, if nothing writes here now\n",
            view->tail_first, view->tail_last, view->tail_offset,
            view->segments[view->segments_count - 1].file);
}

int journal_verify_run(const struct journal_command *command, struct error *error)
{
    cleanup_journal_look struct journal_look look;

    if (journal_look_open(&look, command, false, error))
        return -1;
    struct verify verify = {.view = look.view};
    verify_files(&verify);
    if (journal_view_walk(look.view, 0, verify_visit, &verify, error))
        return -1;
    verify_print_tail(look.view);
    verify_outlets(&verify);
    printf("%s: gateway %s, %zu segments, %" PRIu64 " records, newest %" PRIu64 ", %" PRIu64 " damaged\n",
        verify.findings ? "NOT SOUND" : "sound", look.view->gateway_id, look.view->segments_count,
        verify.records, look.view->last, verify.lost);
    return verify.findings ? error_set(error, ERROR_REJECT, "%s: %" PRIu64 " findings", command->directory,
                                 verify.findings)
                           : 0;
}
