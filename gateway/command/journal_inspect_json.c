/* journal_inspect_json: what `penstock journal inspect` shows, as one JSON object for programs. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/shown.h"
#include "command/journal_inspect.h"

#define JSON_NAME_MAX ((size_t)64 << 10)

/* A name from the disk or from a sender; what is not UTF-8 is written as it is shown. */
static json_t *json_of_name(const char *name)
{
    cleanup_bytes struct bytes shown;
    struct error ignored;
    json_t *json = json_string(name);

    if (json)
        return json;
    bytes_init(&shown, JSON_NAME_MAX);
    shown_add(&shown, name, &ignored);
    return json_stringn(shown.data, shown.length);
}

static json_t *json_of_number(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *json_of_segment(const struct journal_view_segment *segment)
{
    char made[INSPECT_TIME_SIZE], epoch[9];

    journal_inspect_time(segment->made, made);
    snprintf(epoch, sizeof epoch, "%08" PRIx32, segment->epoch);
    return json_pack("{s:o, s:s, s:o, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:b, s:b}", "number",
        json_of_number(segment->number), "file", segment->file, "first", json_of_number(segment->first),
        "last", json_of_number(segment->last), "epoch", epoch, "made", made, "end",
        json_of_number(segment->end), "size", json_of_number(segment->size), "misnamed", segment->misnamed,
        "cut", segment->cut, "header_copy_lost", segment->half, "damaged", segment->damaged);
}

static json_t *json_of_file(const struct journal_view_file *file)
{
    return json_pack("{s:o, s:o, s:s}", "name", json_of_name(file->name), "size", json_of_number(file->size),
        "what", file->what);
}

static json_t *json_of_mark(uint64_t position)
{
    if (position == JOURNAL_MARK_FREE)
        return json_null();
    return position == JOURNAL_MARK_ELSEWHERE ? json_string("elsewhere") : json_of_number(position);
}

static json_t *json_of_marks(const struct journal_view_outlet *outlet)
{
    json_t *marks = json_object();

    for (size_t i = 0; i < outlet->marks_count; i++) {
        const struct journal_mark *mark = &outlet->marks[i];
        json_t *name = json_of_name(mark->name);
        json_object_set_new(marks, json_string_value(name), json_of_mark(mark->position));
        json_decref(name);
    }
    return marks;
}

static json_t *json_of_outlet(const struct journal_view *view, const struct journal_view_outlet *outlet)
{
    const struct journal_cursor *cursor = &outlet->cursor;

    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", outlet->name, "position",
        json_of_number(cursor->position), "base", json_of_number(cursor->base), "queued",
        json_of_number(journal_view_queued(outlet, view->last)), "delivered",
        json_of_number(cursor->delivered), "dead_lettered", json_of_number(cursor->dead_lettered),
        "not_for_outlet", json_of_number(cursor->not_for_outlet), "damaged", json_of_number(cursor->damaged),
        "held", json_of_number(cursor->held), "marks", json_of_marks(outlet));
}

static json_t *json_of_state(const struct inspect_count *count)
{
    json_t *renderings = json_object();

    for (size_t i = 0; i < count->streams_count; i++)
        json_object_set_new(renderings, count->streams[i].stream, json_of_number(count->streams[i].count));
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "renderings", renderings, "sessions",
        json_of_number(count->sessions), "packet_ids", json_of_number(count->packets), "files",
        json_of_number(count->files), "answers", json_of_number(count->answers), "sequence_keys",
        json_of_number(count->sequences));
}

int journal_inspect_json(const struct journal_view *view, const char *directory,
    const struct inspect_count *count, struct error *error)
{
    json_t *segments = json_array(), *files = json_array(), *outlets = json_array(), *tail = json_null();

    for (size_t i = 0; i < view->segments_count; i++)
        json_array_append_new(segments, json_of_segment(&view->segments[i]));
    for (size_t i = 0; i < view->files_count; i++)
        json_array_append_new(files, json_of_file(&view->files[i]));
    for (size_t i = 0; i < view->outlets_count; i++)
        json_array_append_new(outlets, json_of_outlet(view, &view->outlets[i]));
    if (view->tail_first)
        tail = json_pack("{s:o, s:o, s:o}", "first", json_of_number(view->tail_first), "last",
            json_of_number(view->tail_last), "offset", json_of_number(view->tail_offset));
    json_t *all = json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "directory", json_of_name(directory),
        "gateway_id", view->gateway_id, "last", json_of_number(view->last), "segments", segments, "tail",
        tail, "files", files, "outlets", outlets, "state", json_of_state(count));
    const int result = all ? json_dumpf(all, stdout, JSON_INDENT(2)) : -1;
    json_decref(all);
    if (result)
        return error_set(error, ERROR_RETRY, "JSON: out of memory, or standard output is closed");
    printf("\n");
    return 0;
}
