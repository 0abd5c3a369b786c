/* journal_inspect: `penstock journal inspect`: segments, cursors and how much state a journal holds. Only headers and the newest segment are read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/shown.h"
#include "command/journal.h"
#include "command/journal_inspect.h"

#define INSPECT_NAME_MAX ((size_t)64 << 10)

/* ---- counting ------------------------------------------------------------------------------------------------- */

static void inspect_count_free(struct inspect_count *count)
{
    free(count->streams);
}

static int inspect_count_rendering(void *context, const void *body, size_t length, struct error *error)
{
    __attribute__((cleanup(rendering_free))) struct rendering *rendering = NULL;
    struct inspect_count *count = context;

    if (rendering_decode(body, length, &rendering, error))
        return -1;
    for (size_t i = 0; i < count->streams_count; i++) {
        if (strcmp(count->streams[i].stream, rendering->stream) == 0) {
            count->streams[i].count++;
            return 0;
        }
    }
    void *streams = reallocarray(count->streams, count->streams_count + 1, sizeof *count->streams);
    if (!streams)
        return error_set(error, ERROR_RETRY, "out of memory");
    count->streams = streams;
    memcpy(count->streams[count->streams_count].stream, rendering->stream, sizeof rendering->stream);
    count->streams[count->streams_count++].count = 1;
    return 0;
}

static int inspect_count_state(const struct states *states, struct inspect_count *count, struct error *error)
{
    struct source_usage usage;

    if (source_state_usage(states->source, &usage, error) ||
        rendering_dump(states->renderings, 0, inspect_count_rendering, count, error))
        return -1;
    count->files = file_state_count(states->files);
    count->sessions = usage.sessions;
    count->packets = usage.packets;
    count->answers = usage.answers;
    count->sequences = usage.sequences;
    return 0;
}

/* ---- printing ------------------------------------------------------------------------------------------------- */

void journal_inspect_time(int64_t time, char text[INSPECT_TIME_SIZE])
{
    const time_t seconds = (time_t)(time / CLOCK_SECOND);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(text, INSPECT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, INSPECT_TIME_SIZE, "?");
}

/* A name from the disk or from a sender. */
static void inspect_print_name(const char *name)
{
    cleanup_bytes struct bytes shown;
    struct error ignored;

    bytes_init(&shown, INSPECT_NAME_MAX);
    shown_add(&shown, name, &ignored);
    fwrite(shown.data, 1, shown.length, stdout);
}

static void inspect_print_segments(const struct journal_view *view)
{
    printf("%8s  %-25s  %-8s  %-20s  %12s  %12s  %s\n", "SEGMENT", "RECORDS", "EPOCH", "MADE", "END", "SIZE",
        "FILE");
    for (size_t i = 0; i < view->segments_count; i++) {
        const struct journal_view_segment *segment = &view->segments[i];
        char made[INSPECT_TIME_SIZE], records[48] = "-";
        if (segment->last >= segment->first)
            snprintf(records, sizeof records, "%" PRIu64 "..%" PRIu64, segment->first, segment->last);
        journal_inspect_time(segment->made, made);
        printf("%8" PRIu64 "  %-25s  %08" PRIx32 "  %-20s  %12" PRIu64 "  %12" PRIu64 "  %s%s%s%s%s\n",
            segment->number, records, segment->epoch, made, segment->end, segment->size, segment->file,
            segment->misnamed ? " (the name of another segment)" : "", segment->cut ? " (cut short)" : "",
            segment->half ? " (one copy of its header is left)" : "", segment->damaged ? " (damaged)" : "");
    }
    if (view->tail_first)
        printf("records %" PRIu64 "..%" PRIu64 " behind the end of segment %" PRIu64
               " are being written, or a crash has torn them\n",
            view->tail_first, view->tail_last, view->segments[view->segments_count - 1].number);
}

static void inspect_print_files(const struct journal_view *view)
{
    if (view->files_count)
        printf("\n%12s  %s\n", "SIZE", "OTHER FILES");
    for (size_t i = 0; i < view->files_count; i++) {
        printf("%12" PRIu64 "  ", view->files[i].size);
        inspect_print_name(view->files[i].name);
        printf(": %s\n", view->files[i].what);
    }
}

static void inspect_print_marks(const struct journal_view_outlet *outlet)
{
    size_t held = 0;

    for (size_t i = 0; i < outlet->marks_count; i++) {
        const uint64_t position = outlet->marks[i].position;
        if (position == JOURNAL_MARK_FREE)
            continue;
        printf("%-*s  ", JOURNAL_OUTLET_NAME_MAX / 2, outlet->name);
        if (position == JOURNAL_MARK_ELSEWHERE)
            printf("at or ahead of this cursor, as its store says: ");
        else
            printf("held behind %" PRIu64 ": ", position);
        inspect_print_name(outlet->marks[i].name);
        printf("\n");
        held += position != JOURNAL_MARK_ELSEWHERE;
    }
    if (outlet->marks_count)
        printf("%-*s  %zu names, %zu of them held\n", JOURNAL_OUTLET_NAME_MAX / 2, outlet->name,
            outlet->marks_count, held);
}

static void inspect_print_ahead(const struct journal_view *view, const struct journal_view_outlet *outlet)
{
    if (outlet->cursor.position > view->last)
        printf("%-*s  its position is behind the newest record, %" PRIu64 "\n", JOURNAL_OUTLET_NAME_MAX / 2,
            outlet->name, view->last);
}

static void inspect_print_outlets(const struct journal_view *view)
{
    if (view->outlets_count)
        printf("\n%-*s  %10s  %10s  %10s  %10s  %13s  %10s  %10s  %10s\n", JOURNAL_OUTLET_NAME_MAX / 2,
            "OUTLET", "POSITION", "SINCE", "QUEUED", "DELIVERED", "DEAD-LETTERED", "NOT FOR IT", "DAMAGED",
            "HELD");
    for (size_t i = 0; i < view->outlets_count; i++) {
        const struct journal_cursor *cursor = &view->outlets[i].cursor;
        printf("%-*s  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %10" PRIu64 "  %13" PRIu64 "  %10" PRIu64
               "  %10" PRIu64 "  %10" PRIu64 "\n",
            JOURNAL_OUTLET_NAME_MAX / 2, view->outlets[i].name, cursor->position, cursor->base,
            journal_view_queued(&view->outlets[i], view->last), cursor->delivered, cursor->dead_lettered,
            cursor->not_for_outlet, cursor->damaged, cursor->held);
    }
    for (size_t i = 0; i < view->outlets_count; i++) {
        inspect_print_ahead(view, &view->outlets[i]);
        inspect_print_marks(&view->outlets[i]);
    }
}

static void inspect_print_state(const struct inspect_count *count)
{
    printf("\n%10s  STATE\n", "COUNT");
    for (size_t i = 0; i < count->streams_count; i++)
        printf("%10" PRIu64 "  renderings of stream %s\n", count->streams[i].count, count->streams[i].stream);
    printf("%10" PRIu64 "  MQTT sessions\n%10" PRIu64 "  packet ids of theirs\n%10" PRIu64
           "  files that are read\n%10" PRIu64 "  answers to idempotency keys\n%10" PRIu64
           "  keys with sequence numbers\n",
        count->sessions, count->packets, count->files, count->answers, count->sequences);
}

int journal_inspect_run(const struct journal_command *command, struct error *error)
{
    __attribute__((cleanup(inspect_count_free))) struct inspect_count count = {0};
    cleanup_journal_look struct journal_look look;

    if (journal_look_open(&look, command, true, error) || inspect_count_state(&look.states, &count, error))
        return -1;
    if (command->arguments->json)
        return journal_inspect_json(look.view, command->directory, &count, error);
    printf("journal of gateway %s, newest record %" PRIu64 ": ", look.view->gateway_id, look.view->last);
    inspect_print_name(command->directory);
    printf("\n\n");
    inspect_print_segments(look.view);
    inspect_print_files(look.view);
    inspect_print_outlets(look.view);
    inspect_print_state(&count);
    return 0;
}
