/* records: what of a block is records of several lines; see files_internal.h and multiline.h */
#include <inttypes.h>
#include <stdio.h>

#include "files/take.h"

/* Of one that is too long the first lines, or further ones. */
static enum tail_result records_add_long(struct take *take, const char *data, const struct multiline_cut *cut)
{
    const struct file_watch *watch = take->file->look->watch;
    char text[160];

    snprintf(text, sizeof text,
        "part of a record of more than %" PRIu64 " bytes (files.%.32s.max_line) or %" PRIu64
        " lines (multiline.max_lines)",
        watch->from->max_line, watch->from->name, watch->from->multiline.max_lines);
    const char *reason = watch->long_lines == FILE_LONG_DEAD_LETTER ? text : NULL;
    if (watch->long_lines == FILE_LONG_TRUNCATE && cut->within) {
        file_take_skip(take->source, take->file, data, cut->length);
        return TAIL_MORE;
    }
    return take_block(take, data, cut->length, reason);
}

static enum tail_result records_add(struct take *take, const char *data, const struct multiline_cut *cut)
{
    const struct file_watch *watch = take->file->look->watch;
    const bool empty = take->source->filling->used == 0;
    enum tail_result result = cut->state || cut->within ? records_add_long(take, data, cut)
                                                        : take_block(take, data, cut->length, NULL);

    if (result == TAIL_FULL && empty) /* an array of JSON */
        result = take_block(take, data, cut->length, "it has more records than the journal takes at once");
    if (result != TAIL_MORE)
        return result;
    metric_add(watch->long_count, cut->state && !cut->within);
    metric_add(watch->given_up, cut->given_up);
    take->file->within = cut->state;
    return TAIL_MORE;
}

/* What of them is left for later. */
static void records_leave(const struct take *take, size_t open, size_t left)
{
    struct file *file = take->file;
    const uint64_t end = left ? file->position + left : 0;

    file->open_record = open > 0;
    if (file->seen == end)
        return;
    file->seen = end;
    file->seen_at = files_now(take->source);
}

/* However long the patterns take, others have their turn. */
enum tail_result take_records(struct take *take, enum multiline_end end, size_t length)
{
    const struct file_block *block = take->block;
    struct file *file = take->file;
    const struct file_watch *watch = file->look->watch;
    const int64_t until = files_now(take->source) + FILE_TURN_TIME;
    const uint64_t from = file->position;
    size_t at = 0;

    file->open_record = false;
    while (at < length) {
        const struct multiline_cut cut = multiline_cut(watch->multiline, file->within, end, block->charset,
            block->data + at, length - at, watch->from->max_line);
        if (cut.part)
            return at ? TAIL_MORE : take_part(take, cut.part, false);
        if (!cut.length) {
            records_leave(take, cut.open, block->length - at);
            return at ? TAIL_MORE : TAIL_DRY;
        }
        const enum tail_result result = records_add(take, block->data + at, &cut);
        if (result != TAIL_MORE)
            return result;
        at = file->position - from;
        if (files_now(take->source) >= until)
            return TAIL_MORE;
    }
    records_leave(take, 0, block->length - length);
    return TAIL_MORE;
}

enum tail_result file_take_open(struct source *source, struct file *file, const struct file_block *block)
{
    struct take take = take_begin(source, file, block);

    return take_records(&take, MULTILINE_LINES, block->length);
}
