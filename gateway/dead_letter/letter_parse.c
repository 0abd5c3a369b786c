/* letter_parse: a dead letter from its line, byte for byte as it was; see dead_letter.h. People may have edited it, so that every
 * member is checked and every limit of a record kept. */
#include "dead_letter/dead_letter.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/base64.h"
#include "dead_letter/letter.h"

struct dead_letter_parsed {
    struct dead_letter letter;
    struct record record;
    const char *labels[RECORD_LABELS_MAX];
    char gateway[RECORD_GATEWAY_MAX + 1];
    json_t *root; /* owns the strings */
    struct bytes decoded; /* what came as base64; never grows, so that slices into it stay valid */
};

/* A line being taken apart. */
struct letter_line {
    struct dead_letter_parsed *parsed;
    size_t length;
    struct error *error;
};

/* ---- values ------------------------------------------------------------------------------------------------- */

static int letter_get_text(
    struct letter_line *line, const char *name, const char *missing, const char **ret_text)
{
    const json_t *value = json_object_get(line->parsed->root, name);

    if (!value && missing) {
        *ret_text = missing;
        return 0;
    }
    if (!json_is_string(value))
        return error_set(line->error, ERROR_REJECT, value ? "\"%s\" is no text" : "\"%s\" is missing", name);
    *ret_text = json_string_value(value);
    if (strlen(*ret_text) != json_string_length(value))
        return error_set(line->error, ERROR_REJECT, "\"%s\" holds a NUL", name);
    return 0;
}

static int letter_decode(
    struct letter_line *line, const char *name, const json_t *value, struct slice *ret_slice)
{
    struct bytes *decoded = &line->parsed->decoded;
    size_t length;

    if (!json_is_string(value))
        return error_set(line->error, ERROR_REJECT, "\"%s\" is no text", name);
    const struct slice text = {json_string_value(value), json_string_length(value)};
    /* All values together are shorter than the line. */
    if (!decoded->data && bytes_reserve_exact(decoded, line->length, line->error))
        return -1; /* GCOVR_EXCL_LINE: out of memory */
    char *to = decoded->data + decoded->length;
    if (base64_decode(text, to, &length, line->error))
        return error_wrap(line->error, "\"%s\"", name);
    decoded->length += length;
    *ret_slice = (struct slice){to, length};
    return 0;
}

static struct slice letter_slice(const json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

/* NAME or NAME_base64; empty when neither is there and none must be. */
static int letter_get_exact(
    struct letter_line *line, const char *name, bool must, size_t most, struct slice *ret_slice)
{
    char coded[32] = "";
    struct slice found = {NULL, 0};

    memcpy(coded, name, strlen(name));
    memcpy(coded + strlen(name), LETTER_BASE64, sizeof LETTER_BASE64);
    const json_t *text = json_object_get(line->parsed->root, name);
    const json_t *base64 = json_object_get(line->parsed->root, coded);
    if (text ? !json_is_string(text) : must && !base64)
        return error_set(line->error, ERROR_REJECT, text ? "\"%s\" is no text" : "\"%s\" is missing", name);
    if (text)
        found = letter_slice(text);
    else if (base64 && letter_decode(line, coded, base64, &found))
        return -1;
    if (found.length > most)
        return error_set(
            line->error, ERROR_REJECT, "\"%s\" of %zu bytes, at most %zu", name, found.length, most);
    *ret_slice = found;
    return 0;
}

static int letter_get_time(struct letter_line *line, const char *name, int64_t *ret_time)
{
    const json_t *value = json_object_get(line->parsed->root, name);

    if (json_is_integer(value)) {
        *ret_time = json_integer_value(value);
        return 0;
    }
    if (!json_is_string(value))
        return error_set(line->error, ERROR_REJECT, value ? "\"%s\" is no time" : "\"%s\" is missing", name);
    if (letter_read_time(letter_slice(value), ret_time, line->error))
        return error_wrap(line->error, "\"%s\"", name);
    return 0;
}

static int letter_get_flag(struct letter_line *line, const char *name, uint8_t flag)
{
    const json_t *value = json_object_get(line->parsed->root, name);

    if (value && !json_is_boolean(value))
        return error_set(line->error, ERROR_REJECT, "\"%s\" is neither true nor false", name);
    if (json_is_true(value))
        line->parsed->record.flags |= flag;
    return 0;
}

/* ---- members ------------------------------------------------------------------------------------------------ */

static int letter_number(const char *text, int base, size_t digits, uint64_t *ret_number)
{
    const char *allowed = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
    char *end;

    if (!*text || strspn(text, allowed) != strlen(text) || (digits && strlen(text) != digits) ||
        strlen(text) > 20)
        return -1;
    errno = 0;
    *ret_number = strtoull(text, &end, base);
    return errno || *end ? -1 : 0;
}

/* "site-7/3f9a1c22/42" */
static int letter_get_id(struct letter_line *line)
{
    struct record_id *id = &line->parsed->letter.id;
    char *gateway = line->parsed->gateway;
    const char *text;
    uint64_t epoch;
    char copy[RECORD_ID_MAX + 1];

    if (letter_get_text(line, "id", NULL, &text))
        return -1;
    size_t length = strnlen(text, sizeof copy);
    memcpy(copy, text, length < sizeof copy ? length + 1 : 0);
    char *first = length < sizeof copy ? strchr(copy, '/') : NULL;
    char *second = first ? strchr(first + 1, '/') : NULL;
    if (!second || first == copy || first - copy > RECORD_GATEWAY_MAX)
        return error_set(line->error, ERROR_REJECT, "\"id\" is not GATEWAY/EPOCH/SEQUENCE");
    *first = *second = '\0';
    if (letter_number(first + 1, 16, 8, &epoch) || letter_number(second + 1, 10, 0, &id->sequence))
        return error_set(line->error, ERROR_REJECT, "\"id\" is not GATEWAY/EPOCH/SEQUENCE");
    memcpy(gateway, copy, (size_t)(first - copy) + 1);
    id->gateway = gateway;
    id->epoch = (uint32_t)epoch;
    return 0;
}

static int letter_get_labels(struct letter_line *line, const char *member, bool base64)
{
    struct record *record = &line->parsed->record;
    json_t *labels = json_object_get(line->parsed->root, member);
    const char *name;
    json_t *value;

    if (labels && !json_is_object(labels))
        return error_set(line->error, ERROR_REJECT, "\"%s\" is no object", member);
    json_object_foreach(labels, name, value)
    {
        if (record->labels_count == RECORD_LABELS_MAX)
            return error_set(line->error, ERROR_REJECT, "more than %d labels", RECORD_LABELS_MAX);
        struct slice *slice = &record->labels[record->labels_count];
        if (base64 ? letter_decode(line, name, value, slice) : !json_is_string(value))
            return base64 ? -1 : error_set(line->error, ERROR_REJECT, "label \"%s\" is no text", name);
        if (!base64)
            *slice = letter_slice(value);
        if (slice->length > RECORD_KEY_MAX)
            return error_set(line->error, ERROR_REJECT, "label \"%s\" of %zu bytes, at most %d", name,
                slice->length, RECORD_KEY_MAX);
        line->parsed->labels[record->labels_count++] = name;
    }
    return 0;
}

static int letter_get_event(struct letter_line *line)
{
    struct record *record = &line->parsed->record;

    if (letter_get_flag(line, "time_outside", RECORD_TIME_OUTSIDE))
        return -1;
    if (!json_object_get(line->parsed->root, "event"))
        return 0;
    if (letter_get_time(line, "event", &record->event))
        return -1;
    if (!(record->flags & RECORD_TIME_OUTSIDE))
        record->flags |= RECORD_EVENT_TIME;
    return 0;
}

static int letter_get_why(struct letter_line *line)
{
    struct dead_letter *letter = &line->parsed->letter;

    if (letter_get_id(line) || letter_get_text(line, "outlet", NULL, &letter->outlet) ||
        letter_get_text(line, "stream", NULL, &letter->stream) ||
        letter_get_text(line, "topic", "", &letter->topic) ||
        letter_get_text(line, "reason", NULL, &letter->reason) ||
        letter_get_time(line, "time", &letter->time))
        return -1;
    if (strlen(letter->stream) > RECORD_STREAM_NAME_MAX)
        return error_set(
            line->error, ERROR_REJECT, "\"stream\" of more than %d bytes", RECORD_STREAM_NAME_MAX);
    return 0;
}

static int letter_get_record(struct letter_line *line)
{
    struct record *record = &line->parsed->record;

    if (letter_get_time(line, "received", &record->received) || letter_get_event(line) ||
        letter_get_exact(line, "key", false, RECORD_KEY_MAX, &record->key) ||
        letter_get_labels(line, "labels", false) || letter_get_labels(line, "labels" LETTER_BASE64, true))
        return -1;
    return letter_get_exact(line, "origin", false, RECORD_ORIGIN_MAX, &record->origin) ||
                   letter_get_flag(line, "enveloped", RECORD_ENVELOPED) ||
                   letter_get_flag(line, "schema_invalid", RECORD_SCHEMA_INVALID) ||
                   letter_get_flag(line, "undecodable", RECORD_UNDECODABLE) ||
                   letter_get_flag(line, "replayed", RECORD_REPLAYED) ||
                   letter_get_exact(line, "payload", true, SIZE_MAX, &record->payload)
               ? -1
               : 0;
}

/* ---- the line ----------------------------------------------------------------------------------------------- */

void dead_letter_parsed_free(struct dead_letter_parsed **parsed)
{
    if (!*parsed)
        return;
    json_decref((*parsed)->root);
    bytes_free(&(*parsed)->decoded);
    free(*parsed);
    *parsed = NULL;
}

int dead_letter_parse(struct slice text, struct dead_letter_parsed **ret_parsed, struct error *error)
{
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed =
        calloc(1, sizeof *parsed);
    struct letter_line line = {parsed, text.length, error};
    json_error_t found;

    if (!parsed)
        return error_set(
            error, ERROR_RETRY, "dead letter: out of memory"); /* GCOVR_EXCL_LINE: out of memory */
    bytes_init(&parsed->decoded, text.length);
    parsed->root = json_loadb(
        text.length ? text.data : "", text.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &found);
    if (!parsed->root)
        return error_set(error, ERROR_REJECT, "dead letter: byte %d: %s", found.position, found.text);
    if (!json_is_object(parsed->root))
        return error_set(error, ERROR_REJECT, "dead letter: no JSON object");
    if (letter_get_why(&line) || letter_get_record(&line))
        return error_wrap(error, "dead letter");
    parsed->letter.record = &parsed->record;
    parsed->letter.labels = parsed->labels;
    *ret_parsed = parsed;
    parsed = NULL;
    return 0;
}

const struct dead_letter *dead_letter_parsed_letter(const struct dead_letter_parsed *parsed)
{
    return &parsed->letter;
}

size_t dead_letter_parsed_labels(const struct dead_letter_parsed *parsed)
{
    return parsed->record.labels_count;
}
