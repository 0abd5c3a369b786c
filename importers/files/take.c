/* take: what of a block is whole lines becomes records; see files_internal.h
 *
 * Most lines are what they would be converted to: those stay where they were read. Of the others each is a body of its own, behind the block. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "files/lines.h"
#include "files/take.h"

#define NUMBER_ROOM 21 /* ":" and the offset */

/* ---- lines as records ------------------------------------------------------------------------------------------------ */

static struct slice take_capture(const struct take *take, const char *name)
{
    for (size_t i = 0; i < take->match.count; i++) {
        if (strcmp(take->match.captures[i].name, name) == 0)
            return take->match.captures[i].value;
    }
    return (struct slice){NULL, 0};
}

/* Of the record that was looked at last. */
static struct slice take_group(const struct take *take, const char *name)
{
    const struct regex *pattern = take->file->look->watch->pattern;
    const unsigned group = pattern ? regex_group(pattern, name) : 0;

    return group ? regex_value(pattern, group) : (struct slice){NULL, 0};
}

static void take_look(void *context, struct slice payload)
{
    const struct take *take = context;
    const struct file_watch *watch = take->file->look->watch;

    if (watch->pattern && regex_match(watch->pattern, payload) == REGEX_GIVEN_UP)
        metric_add(watch->given_up, 1);
}

static struct slice take_find(void *context, enum selector_source from, const char *name)
{
    const struct take *take = context;

    if (from == SELECTOR_LINE)
        return take_group(take, name);
    if (from != SELECTOR_FILE)
        return (struct slice){NULL, 0};
    if (strcmp(name, "path") == 0)
        return slice_of(take->file->shown);
    if (strcmp(name, "name") == 0)
        return slice_of(strrchr(take->file->shown, '/') + 1);
    if (strcmp(name, "host") == 0)
        return slice_of(take->source->host);
    return take_capture(take, name);
}

/* PATH:OFFSET of the record's first byte. */
static struct slice take_locate(void *context, struct slice payload)
{
    const struct take *take = context;
    struct bytes *origin = &take->source->origin;
    /* In a text that was converted only blanks are before it. */
    const size_t behind = payload.data ? (size_t)(payload.data - take->text.data) * take->unit : 0;
    uint64_t offset = take->file->position + behind;
    char digits[NUMBER_ROOM];
    size_t first = sizeof digits;

    /* Once per line: printf would take longer than all else that is done to it here. */
    do {
        digits[--first] = (char)('0' + offset % 10);
        offset /= 10;
    } while (offset);
    origin->length = take->prefix + (sizeof digits - first);
    memcpy(origin->data + take->prefix, digits + first, sizeof digits - first);
    return bytes_slice(origin);
}

/* Lines of JSON are documents, several of them are one. */
static enum decode_form take_form(const struct file_watch *watch)
{
    if (watch->stream->format == RECORD_FORMAT_JSON)
        return watch->multiline ? DECODE_JSON : DECODE_NDJSON;
    return watch->multiline ? DECODE_BLOCK : DECODE_LINES;
}

struct take take_begin(struct source *source, struct file *file, const struct file_block *block)
{
    struct take take = {.source = source,
        .file = file,
        .block = block,
        .form = take_form(file->look->watch),
        .unit = charset_unit(block->charset)};
    const struct file_look *look = file->look;
    struct bytes *origin = &source->origin;
    const struct slice path = file_path_below(file);
    const size_t shown = strlen(file->shown), most = RECORD_ORIGIN_MAX - NUMBER_ROOM;
    struct error ignored;

    for (size_t i = 0; i < look->take_count; i++) {
        if (file_pattern_match(look->take[i], path, &take.match))
            break;
        take.match.count = 0;
    }
    bytes_clear(origin);
    bytes_add(origin, file->shown, shown <= most ? shown : utf8_whole(file->shown, most), &ignored);
    bytes_add(origin, ":", 1, &ignored);
    take.prefix = origin->length;
    return take;
}

/* As with topics of MQTT: a part called "key", else one called like the key in the record. */
static struct slice take_key(const struct take *take)
{
    const struct selector *key = &take->file->look->watch->stream->key;
    const struct slice named = take_capture(take, "key");

    if (key->source == SELECTOR_FILE || key->source == SELECTOR_LINE)
        return (struct slice){NULL, 0};
    if (named.data)
        return named;
    return key->source == SELECTOR_POINTER ? take_capture(take, strrchr(key->name, '/') + 1)
                                           : (struct slice){NULL, 0};
}

int take_add(struct take *take, const char *reason)
{
    struct source *source = take->source;
    const struct stream *stream = take->file->look->watch->stream;
    struct handover *handover = &source->filling->handover;
    const struct handover_mark mark = handover_mark(handover);
    struct intake_facts facts = {.find = take_find,
        .context = take,
        .key = take_key(take),
        .received = clock_wall(source->context.clock),
        .bury = take_locate,
        .locate = take_locate,
        .look = take_look};
    struct error error;

    memset(&source->taken, 0, offsetof(struct intake_result, list));
    if (!reason && !take->whole && (take->form == DECODE_NDJSON || take->form == DECODE_JSON) &&
        lines_are_blank(take->text.data, take->text.length))
        return 0;
    struct slice dead = take->text;
    if (take->file->look->watch->multiline)
        dead.length = lines_text(CHARSET_UTF8, dead.data, dead.length);
    const int failed = reason ? intake_bury(source->intake, stream, dead, &facts, reason, handover, &error)
                              : intake_add(source->intake, stream, take->form, take->text, &facts, handover,
                                    &source->taken, &error);
    if (failed || (handover->size <= source->handover_max && handover->parts.length <= source->parts_max))
        return failed;
    handover_rewind(handover, &mark);
    return -1;
}

/* ---- on through the file ----------------------------------------------------------------------------------------------- */

void file_take_skip(struct source *source, struct file *file, const char *data, size_t length)
{
    const size_t before = file->marker.length;
    const size_t head =
        FILE_HEAD_MAX - file->head.length < length ? FILE_HEAD_MAX - file->head.length : length;

    /* Of a file that was begun elsewhere the head is whole, or all that there was. */
    if (file->head.length == file->position) {
        file->head.value = fnv_add(file->head.value, data, head);
        file->head.length += head;
    }
    file->position += length;
    file->done = false;
    file->marker.length = before + length < FILE_MARKER_MAX ? before + length : FILE_MARKER_MAX;
    file->marker.value = fnv_add(FNV_EMPTY, data + length - file->marker.length, file->marker.length);
    file->size = file->size > file->position ? file->size : file->position;
    file_batch_touch(source, file);
}

static void take_count(struct source *source, const struct file *file, size_t bytes)
{
    const struct file_watch *watch = file->look->watch;
    struct file_batch *batch = source->filling;
    struct file_watch_count *lines = &batch->watches[watch - source->watches];
    struct file_stream_count *records = &batch->streams[stream_place(watch->stream)];

    records->accepted += source->taken.accepted;
    records->schema_invalid += source->taken.schema_invalid;
    lines->lines += source->taken.accepted;
    for (size_t i = 0; i < INTAKE_REASONS; i++) {
        records->rejected[i] += source->taken.by_reason[i];
        lines->lines += source->taken.by_reason[i];
    }
    lines->bytes += bytes;
}

void take_done(const struct take *take, const char *data, size_t length)
{
    struct file_batch *batch = take->source->filling;
    const size_t end = (size_t)(take->text.data - batch->payloads) + take->text.length;

    take_count(take->source, take->file, length);
    batch->used = batch->used > end ? batch->used : end;
    file_take_skip(take->source, take->file, data, length);
}

/* All of it as it stands there, or what the hand-over takes. */
static enum tail_result take_as_is(struct take *take, const char *data, size_t length, const char *reason)
{
    take->text = (struct slice){data, length};
    while (take_add(take, reason)) {
        if (take->source->filling->handover.records || take->file->look->watch->multiline)
            return TAIL_FULL;
        const char *feed = memrchr(data, '\n', take->text.length / 2);
        if (!feed)
            feed = memchr(data, '\n', take->text.length - 1);
        if (!feed) /* one line; there is none that no hand-over takes */
            return TAIL_FULL;
        take->text.length = (size_t)(feed - data) + 1;
    }
    take_done(take, data, take->text.length);
    return TAIL_MORE;
}

char *take_room(const struct take *take, size_t *ret_room)
{
    const struct file_batch *batch = take->source->filling;
    const size_t end = (size_t)(take->block->data - batch->payloads) + take->block->length;
    const size_t at = batch->used > end ? batch->used : end;

    *ret_room = take->source->batch_capacity - at;
    return batch->payloads + at;
}

/* One line, or a part of one. What is undecodable becomes a dead letter as it stands there, or something stands for it. */
static enum tail_result take_converted(struct take *take, const char *data, size_t length, const char *reason)
{
    const struct file_watch *watch = take->file->look->watch;
    const enum charset charset = take->block->charset;
    size_t room;
    char *to = take_room(take, &room);

    if (room < CHARSET_GROWTH * length)
        return TAIL_FULL;
    take->text.data = to;
    const bool decodable =
        charset_convert(charset, watch->invalid == FILE_INVALID_PASS, data, length, to, &take->text.length);
    const bool fails = !decodable && watch->invalid == FILE_INVALID_FAIL;
    if (fails) {
        take->text = (struct slice){data, lines_text(charset, data, length)};
        reason = "undecodable bytes";
    }
    if (take_add(take, reason))
        return TAIL_FULL;
    take->source->taken.by_reason[INTAKE_SYNTAX] += fails;
    if (!decodable)
        metric_add(watch->undecodable, 1);
    take_done(take, data, length);
    return TAIL_MORE;
}

/* Lines that are taken at once: with a pattern not too many, so that others have their turn however long it takes. */
static size_t take_piece(const struct take *take, const char *data, size_t length)
{
    const enum charset charset = take->block->charset;

    if (!take->file->look->watch->pattern || length <= FILE_TURN_PIECE)
        return length;
    const size_t piece = lines_last(charset, data, FILE_TURN_PIECE);
    return piece ? piece : lines_first(charset, data, length);
}

/* Whole lines: most are what they would be converted to. */
static enum tail_result take_lines(struct take *take, size_t length)
{
    const enum charset charset = take->block->charset;
    const bool converts = take->file->look->watch->converts;
    const int64_t until = files_now(take->source) + FILE_TURN_TIME;
    const uint64_t from = take->file->position;
    enum tail_result result = TAIL_MORE;

    for (size_t at = 0; at < length && result == TAIL_MORE; at = take->file->position - from) {
        const char *data = take->block->data + at;
        const size_t piece = take_piece(take, data, length - at);
        if (at && files_now(take->source) >= until)
            break;
        const size_t same = converts ? lines_last(charset, data, charset_same(charset, data, piece)) : piece;
        result = same ? take_as_is(take, data, same, NULL)
                      : take_converted(take, data, lines_first(charset, data, length - at), NULL);
    }
    return result;
}

enum tail_result take_block(struct take *take, const char *data, size_t length, const char *reason)
{
    const bool converts = take->file->look->watch->converts;

    return converts && charset_same(take->block->charset, data, length) < length
               ? take_converted(take, data, length, reason)
               : take_as_is(take, data, length, reason);
}

/* ---- lines that are too long ------------------------------------------------------------------------------------------- */

/* Whether a line begins with the block. */
static bool take_is_at_line(const struct take *take)
{
    const struct file *file = take->file;
    const char *before = take->block->data - file->marker.length;
    enum charset charset = take->block->charset;

    return charset_ends(charset, before, file->marker.length, '\n') ||
           charset_mark(&charset, before, file->marker.length) == file->position;
}

enum tail_result take_part(struct take *take, size_t length, bool last)
{
    struct file *file = take->file;
    const struct file_watch *watch = file->look->watch;
    const bool first = take_is_at_line(take);
    enum tail_result result = TAIL_MORE;
    char text[128];

    snprintf(text, sizeof text, "part of a line of more than %" PRIu64 " bytes (files.%.32s.max_line)",
        watch->from->max_line, watch->from->name);
    const char *reason = watch->long_lines == FILE_LONG_DEAD_LETTER || watch->rows ? text : NULL;
    if (watch->long_lines == FILE_LONG_TRUNCATE && file->inside)
        file_take_skip(take->source, file, take->block->data, length);
    else if (watch->converts)
        result = take_converted(take, take->block->data, length, reason);
    else
        result = take_as_is(take, take->block->data, length, reason);
    if (result != TAIL_MORE)
        return result;
    metric_add(watch->long_count, first);
    file->inside = watch->long_lines != FILE_LONG_SPLIT && !last;
    file->within = 0;
    return TAIL_MORE;
}

enum tail_result take_inside(struct take *take)
{
    const struct file_block *block = take->block;
    const size_t most = take->file->look->watch->from->max_line;
    const size_t line = lines_first(block->charset, block->data, block->length);
    const size_t rest = line ? line : block->length;

    if (line && line <= most)
        return take_part(take, line, true);
    const size_t part = charset_whole(block->charset, block->data, rest < most ? rest : most);
    return part ? take_part(take, part, false) : TAIL_DRY;
}

/* ---- what tail calls --------------------------------------------------------------------------------------------------- */

enum tail_result file_take(struct source *source, struct file *file, const struct file_block *block)
{
    struct take take = take_begin(source, file, block);

    if (file->inside)
        return take_inside(&take);
    if (file->look->watch->multiline)
        return take_records(&take, MULTILINE_WAITS, block->length);
    file->within = 0;
    const struct lines_cut cut =
        lines_cut(block->charset, block->data, block->length, file->look->watch->from->max_line);
    if (cut.length)
        return take_lines(&take, cut.length);
    return cut.part ? take_part(&take, cut.part, false) : TAIL_DRY;
}

enum tail_result file_take_rest(struct source *source, struct file *file, const struct file_block *block)
{
    struct take take = take_begin(source, file, block);
    size_t length = block->length;

    /* While it lives the other half of its last character may follow. */
    if (file->life == FILE_LIVES && !file_is_spooled(file) && charset_unit(block->charset) == 2)
        length = charset_whole(block->charset, block->data, length);
    if (length == 0)
        return TAIL_DRY;
    if (file->inside)
        return take_part(&take, length, true);
    if (file->look->watch->multiline)
        return take_records(&take, MULTILINE_ENDS, length);
    return file->look->watch->converts ? take_converted(&take, block->data, length, NULL)
                                       : take_as_is(&take, block->data, length, NULL);
}

enum tail_result file_take_whole(struct source *source, struct file *file, const struct file_block *block)
{
    const bool json = file->look->watch->stream->format == RECORD_FORMAT_JSON;
    struct take take = take_begin(source, file, block);

    take.whole = true;
    take.form = json ? DECODE_JSON : DECODE_BYTES;
    take.text = (struct slice){block->data, block->length};
    if (take_add(&take, NULL))
        return TAIL_FULL;
    take_done(&take, block->data, block->length);
    return TAIL_MORE;
}
