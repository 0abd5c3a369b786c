/* dead_letter_replay: see dead_letter_replay.h */
#include "outlet/dead_letter_replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

#define REPLAY_NAME_MAX 256 /* of a file */
#define REPLAY_CONTENT_MAX ((size_t)3 << 30) /* of a file: its store bounds it */
#define REPLAY_PAYLOADS_MAX ((size_t)1 << 30) /* one record of the largest size */
#define REPLAY_PARTS_MAX (DEAD_LETTER_REPLAY_RECORDS * (RECORD_HEAD_MAX + 64))
#define REPLAY_REASON_MAX 2048
#define REPLAY_KEPT 65536 /* memory that an empty buffer keeps */

static const char replay_prefix[] = "not given back: ";
static const char replay_before[] = "; before: ";

struct dead_letter_replay {
    struct dead_letter_pump_options options;
    struct bytes name, content; /* of the file under way; name empty: none */
    size_t done; /* bytes of the content that are in the journal, or letters again */
    uint64_t records, returned; /* of the file */
    bool one_by_one; /* the journal refused several records at once */

    /* The batch under way: records for the journal, or letters to be returned, never both, so that a full journal does not make it
     * return the same letter again and again. */
    struct handover handover;
    struct bytes payloads, head;
    uint64_t letters;
    const struct stream *stream; /* of the last letter */
    uint32_t rendering;
};

int dead_letter_replay_open(struct dead_letter_replay **ret_replay,
    const struct dead_letter_pump_options *options, struct error *error)
{
    struct dead_letter_replay *replay = calloc(1, sizeof *replay);

    if (!replay)
        return error_set(error, ERROR_RETRY, "dead letters: out of memory");
    replay->options = *options;
    bytes_init(&replay->name, REPLAY_NAME_MAX);
    bytes_init(&replay->content, REPLAY_CONTENT_MAX);
    bytes_init(&replay->payloads, REPLAY_PAYLOADS_MAX);
    bytes_init(&replay->head, RECORD_HEAD_MAX);
    handover_init(&replay->handover, REPLAY_PARTS_MAX, NULL, NULL);
    *ret_replay = replay;
    return 0;
}

void dead_letter_replay_close(struct dead_letter_replay **replay)
{
    struct dead_letter_replay *old = *replay;

    *replay = NULL;
    if (!old)
        return;
    bytes_free(&old->name);
    bytes_free(&old->content);
    bytes_free(&old->payloads);
    bytes_free(&old->head);
    handover_free(&old->handover);
    free(old);
}

/* ---- a letter becomes a record ---------------------------------------------------------------------------- */

/* The id of the stream's rendering as it is configured now. */
static int replay_find_rendering(struct dead_letter_replay *replay, const char *name, struct error *error)
{
    const struct stream *stream = streams_find(routes_now(replay->options.routes)->streams, slice_of(name));
    __attribute__((cleanup(rendering_free))) struct rendering *rendering = NULL;

    if (!stream)
        return error_set(error, ERROR_REJECT, "there is no stream \"%s\" in the configuration", name);
    if (stream == replay->stream && replay->rendering)
        return 0;
    if (stream_rendering(stream, &rendering, error))
        return -1;
    replay->stream = stream;
    replay->rendering = rendering_find_equal(replay->options.renderings, rendering);
    if (!replay->rendering)
        return error_set(error, ERROR_RETRY, "stream %s: how it is rendered is not stored yet", name);
    return 0;
}

static int replay_check(
    struct dead_letter_replay *replay, const struct dead_letter *letter, struct error *error)
{
    struct journal_cursor cursor;
    struct error unknown;

    if (letter->record->flags & RECORD_UNDECODABLE)
        return error_set(error, ERROR_REJECT, "it is not decodable");
    /* Nobody would take it, and nobody would say so. */
    if (strcmp(letter->outlet, DEAD_LETTER_PUMP_NAME) == 0 ||
        journal_cursor(replay->options.journal, letter->outlet, &cursor, &unknown))
        return error_set(error, ERROR_REJECT, "there is no outlet \"%.64s\"", letter->outlet);
    if (record_check_name(letter->record->key, "key", error))
        return -1;
    return replay_find_rendering(replay, letter->stream, error);
}

/* The letter's labels in the order of the stream's; one that it lacks is empty. */
static int replay_put_labels(const struct dead_letter *letter, size_t count, const struct stream *stream,
    struct record *record, struct error *error)
{
    record->labels_count = stream->labels_count;
    for (size_t i = 0; i < stream->labels_count; i++) {
        record->labels[i] = (struct slice){NULL, 0};
        for (size_t k = 0; k < count; k++) {
            if (strcmp(letter->labels[k], stream->label_names[i]) == 0)
                record->labels[i] = letter->record->labels[k];
        }
        if (record_check_name(record->labels[i], stream->label_names[i], error))
            return -1;
    }
    return 0;
}

/* ERROR_REJECT: it can never be given back as things are. */
static int replay_add(
    struct dead_letter_replay *replay, const struct dead_letter_parsed *parsed, struct error *error)
{
    const struct dead_letter *letter = dead_letter_parsed_letter(parsed);
    struct record record = *letter->record;
    char id[RECORD_ID_MAX + 1], origin[RECORD_ORIGIN_MAX];

    if (replay_check(replay, letter, error))
        return -1;
    record_id_print(&letter->id, id);
    snprintf(
        origin, sizeof origin, "%s %s%s%s", letter->outlet, id, *letter->topic ? " " : "", letter->topic);
    record.rendering = replay->rendering;
    record.flags |= RECORD_REPLAYED;
    record.origin = slice_of(origin);
    bytes_clear(&replay->head);
    size_t offset = replay->payloads.length;
    if (replay_put_labels(letter, dead_letter_parsed_labels(parsed), replay->stream, &record, error) ||
        record_encode_head(&record, &replay->head, error) ||
        bytes_add(&replay->payloads, record.payload.data, record.payload.length, error) ||
        handover_add(&replay->handover, JOURNAL_KIND_DATA, bytes_slice(&replay->head), offset,
            record.payload.length, error))
        return -1;
    return 0;
}

/* ---- a letter stays one ----------------------------------------------------------------------------------- */

/* The reason that it had before it was ever returned. */
static const char *replay_first_reason(const char *reason)
{
    const char *before = strstr(reason, replay_before);

    return before && strncmp(reason, replay_prefix, sizeof replay_prefix - 1) == 0
               ? before + sizeof replay_before - 1
               : reason;
}

static int replay_return(struct dead_letter_replay *replay, const struct dead_letter_parsed *parsed,
    const struct error *why, struct error *error)
{
    struct dead_letter letter = *dead_letter_parsed_letter(parsed);
    char reason[REPLAY_REASON_MAX];

    snprintf(reason, sizeof reason, "%s%s%s%s", replay_prefix, why->text, replay_before,
        replay_first_reason(letter.reason));
    letter.reason = reason;
    letter.time = clock_wall(replay->options.clock);
    return dead_letters_add(replay->options.dead_letters, &letter, error);
}

/* What is no letter is kept as the payload of one, in the files of the stream that it was found with. */
static int replay_return_line(
    struct dead_letter_replay *replay, struct slice line, const struct error *why, struct error *error)
{
    char stream[RECORD_STREAM_NAME_MAX + 1];
    char reason[REPLAY_REASON_MAX];
    const int64_t now = clock_wall(replay->options.clock);
    const struct record record = {.flags = RECORD_UNDECODABLE, .received = now, .payload = line};

    snprintf(stream, sizeof stream, "%.*s", (int)strcspn(replay->name.data, "+"), replay->name.data);
    snprintf(reason, sizeof reason, "%s%s", replay_prefix, why->text);
    const struct dead_letter letter = {
        .id = {replay->options.gateway_id, journal_epoch(replay->options.journal), 0},
        .outlet = DEAD_LETTER_PUMP_NAME,
        .stream = stream,
        .topic = "",
        .reason = reason,
        .time = now,
        .record = &record,
    };
    return dead_letters_add(replay->options.dead_letters, &letter, error);
}

/* ---- batches ---------------------------------------------------------------------------------------------- */

static bool replay_has_room(const struct dead_letter_replay *replay, size_t line)
{
    if (replay->handover.records == 0)
        return replay->letters < DEAD_LETTER_REPLAY_RECORDS;
    return !replay->one_by_one && replay->handover.records < DEAD_LETTER_REPLAY_RECORDS &&
           replay->handover.size + line <= DEAD_LETTER_REPLAY_BYTES;
}

/* Whether the line belongs to this batch: 1 it is in it, 0 it begins the next, -1. The last line of a file that lacks its LF may
 * be half a letter, whose writer was never told that it is durable. */
static int replay_take(struct dead_letter_replay *replay, struct slice line, bool whole, struct error *error)
{
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;
    struct error why;

    if (line.length == 0)
        return 1;
    if (!replay_has_room(replay, line.length))
        return 0;
    int result = dead_letter_parse(line, &parsed, &why);
    if (!result && replay->letters)
        result = replay_check(replay, dead_letter_parsed_letter(parsed), &why);
    else if (!result)
        result = replay_add(replay, parsed, &why);
    if (!result)
        return replay->letters == 0;
    if (why.kind != ERROR_REJECT) {
        *error = why;
        return -1;
    }
    if (!whole && !parsed)
        return 1;
    if (replay->handover.records)
        return 0;
    if (parsed ? replay_return(replay, parsed, &why, error) : replay_return_line(replay, line, &why, error))
        return -1;
    replay->letters++;
    return 1;
}

/* Takes lines from `done` on while they belong together; *ret_end is where they end. */
static int replay_gather(struct dead_letter_replay *replay, size_t *ret_end, struct error *error)
{
    const struct bytes *content = &replay->content;
    size_t at = replay->done;

    handover_clear(&replay->handover);
    bytes_clear(&replay->payloads);
    replay->letters = 0;
    replay->stream = NULL;
    while (at < content->length) {
        const char *line = content->data + at;
        const char *end = memchr(line, '\n', content->length - at);
        const size_t length = end ? (size_t)(end - line) : content->length - at;
        int taken = replay_take(replay, (struct slice){line, length}, end != NULL, error);
        if (taken < 0 && at == replay->done)
            return -1;
        if (taken <= 0)
            break; /* what fails is met again at the start of the next batch */
        at += length + (end != NULL);
    }
    *ret_end = at;
    return 0;
}

/* The journal can never take this one record. */
static int replay_refused(
    struct dead_letter_replay *replay, size_t end, const struct error *why, struct error *error)
{
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;
    const struct slice line = {replay->content.data + replay->done, end - replay->done};

    if (dead_letter_parse(line, &parsed, error) || replay_return(replay, parsed, why, error) ||
        dead_letters_sync(replay->options.dead_letters, error))
        return -1;
    replay->handover.records = 0;
    replay->letters = 1;
    return 0;
}

/* 1: not in one piece; again, one by one. */
static int replay_hand_over(struct dead_letter_replay *replay, size_t end, struct error *error)
{
    struct error why;

    replay->handover.payloads = replay->payloads.data;
    if (!journal_hand_over_and_wait(replay->options.journal, &replay->handover, &why))
        return 0;
    if (why.kind == ERROR_REJECT && replay->handover.records == 1)
        return replay_refused(replay, end, &why, error);
    if (why.kind == ERROR_REJECT) {
        replay->one_by_one = true;
        return 1;
    }
    *error = why;
    return -1;
}

static int replay_batch(struct dead_letter_replay *replay, struct error *error)
{
    size_t end;

    if (replay_gather(replay, &end, error))
        return -1;
    if (replay->letters && dead_letters_sync(replay->options.dead_letters, error))
        return -1;
    int handed = replay->handover.records ? replay_hand_over(replay, end, error) : 0;
    if (handed)
        return handed < 0 ? -1 : 0;
    replay->records += replay->handover.records;
    replay->returned += replay->letters;
    replay->done = end;
    return 0;
}

static void replay_empty(struct bytes *bytes)
{
    bytes_clear(bytes);
    if (bytes->capacity > REPLAY_KEPT)
        bytes_free(bytes);
}

static int replay_finish(struct dead_letter_replay *replay, struct error *error)
{
    if (bytes_add(&replay->name, "", 1, error))
        return -1;
    replay->name.length--;
    if (dead_letters_replayed(replay->options.dead_letters, replay->name.data, error))
        return -1;
    log_event(replay->returned ? LOG_WARN : LOG_INFO, "dead_letters.replayed",
        log_bytes("file", replay->name.data, replay->name.length),
        log_number("records", (int64_t)replay->records), log_number("returned", (int64_t)replay->returned));
    replay_empty(&replay->name);
    replay_empty(&replay->content);
    replay_empty(&replay->payloads);
    return 0;
}

int dead_letter_replay_step(struct dead_letter_replay *replay, struct error *error)
{
    if (replay->name.length == 0) {
        int found =
            dead_letters_replay_next(replay->options.dead_letters, &replay->name, &replay->content, error);
        if (found <= 0) {
            bytes_clear(&replay->name);
            return found;
        }
        replay->done = replay->records = replay->returned = 0;
        replay->one_by_one = false;
    }
    if (replay->done < replay->content.length)
        return replay_batch(replay, error) ? error_wrap(error, "giving back") : 1;
    return replay_finish(replay, error) ? -1 : 1;
}
