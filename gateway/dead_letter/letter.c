/* letter: one dead letter as a line of JSON; see dead_letter.h. The way back is letter_parse.c. */
#include "dead_letter/dead_letter.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/json_escape.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "dead_letter/letter.h"

/* ---- strings ------------------------------------------------------------------------------------------------ */

/* What stands for a character that may not stand in a string as it is: a control character, a quote, a backslash; or a byte that is no UTF-8 (length 0). */
static int letter_add_replacement(const char *text, size_t length, struct bytes *out, struct error *error)
{
    char escape[JSON_ESCAPE_MAX + 1];

    if (length == 0)
        return bytes_add_text(out, "\xef\xbf\xbd", error);
    if (json_escape_is_needed(*text))
        return json_escape_add(out, *text, error);
    snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)text[length - 1]);
    return bytes_add_text(out, escape, error);
}

/* The content of a JSON string. What is not UTF-8 becomes U+FFFD: whoever wants it exact has looked before. DEL and the controls U+0080 to U+009F, which JSON
 * would allow, are escaped like the others: letters are shown on terminals. */
static int letter_add_escaped(struct slice text, struct bytes *out, struct error *error)
{
    size_t from = 0, i = 0;

    if (text.length == 0)
        return 0;
    while (i < text.length) {
        const char *next = text.data + i;
        const size_t length = utf8_sequence(next, text.length - i);
        if (length && !utf8_is_control(next) && !json_escape_is_needed(*next)) {
            i += length;
            continue;
        }
        if (bytes_add(out, text.data + from, i - from, error) ||
            letter_add_replacement(next, length, out, error))
            return -1;
        from = i += length ? length : 1;
    }
    return bytes_add(out, text.data + from, text.length - from, error);
}

/* "name": with a comma in front but for the first of an object. */
static int letter_add_name(const char *name, const char *suffix, struct bytes *out, struct error *error)
{
    bool first = out->length && out->data[out->length - 1] == '{';

    return bytes_add_text(out, first ? "\"" : ",\"", error) ||
                   letter_add_escaped(slice_of(name), out, error) || bytes_add_text(out, suffix, error) ||
                   bytes_add_text(out, "\":", error)
               ? -1
               : 0;
}

static int letter_add_text(const char *name, struct slice text, struct bytes *out, struct error *error)
{
    return letter_add_name(name, "", out, error) || bytes_add_text(out, "\"", error) ||
                   letter_add_escaped(text, out, error) || bytes_add_text(out, "\"", error)
               ? -1
               : 0;
}

static int letter_add_base64(
    const char *name, const char *suffix, struct slice data, struct bytes *out, struct error *error)
{
    return letter_add_name(name, suffix, out, error) || bytes_add_text(out, "\"", error) ||
                   base64_encode(data, out, error) || bytes_add_text(out, "\"", error)
               ? -1
               : 0;
}

static bool letter_is_text(struct slice data)
{
    size_t i = 0;

    while (i < data.length) {
        size_t length = utf8_sequence(data.data + i, data.length - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

/* As text where it is some; as "NAME_base64" where it is not, or where its escapes are more than out may hold. */
static int letter_add_exact(const char *name, struct slice data, struct bytes *out, struct error *error)
{
    size_t before = out->length;

    if (letter_is_text(data)) {
        if (!letter_add_text(name, data, out, error))
            return 0;
        if (error->kind != ERROR_REJECT)
            return -1; /* GCOVR_EXCL_LINE: out of memory */
        out->length = before;
    }
    return letter_add_base64(name, LETTER_BASE64, data, out, error);
}

/* ---- members ------------------------------------------------------------------------------------------------ */

static int letter_add_time(const char *name, int64_t time, struct bytes *out, struct error *error)
{
    return letter_add_name(name, "", out, error) || timestamp_print(time, out, error) ? -1 : 0;
}

static int letter_add_flag(const char *name, bool set, struct bytes *out, struct error *error)
{
    if (!set)
        return 0;
    return letter_add_name(name, "", out, error) || bytes_add_text(out, "true", error) ? -1 : 0;
}

/* The labels that are text, or those that are not. Without names they are counted from 1. */
static int letter_add_labels(
    const struct dead_letter *letter, bool text, struct bytes *out, struct error *error)
{
    const struct record *record = letter->record;
    char number[8];

    for (size_t i = 0; i < record->labels_count; i++) {
        const char *name = letter->labels ? letter->labels[i] : number;
        snprintf(number, sizeof number, "%u", (unsigned)i + 1);
        if (letter_is_text(record->labels[i]) != text)
            continue;
        if (text ? letter_add_text(name, record->labels[i], out, error)
                 : letter_add_base64(name, "", record->labels[i], out, error))
            return -1;
    }
    return 0;
}

static int letter_add_all_labels(const struct dead_letter *letter, struct bytes *out, struct error *error)
{
    bool all_text = true;

    for (size_t i = 0; i < letter->record->labels_count; i++)
        all_text = all_text && letter_is_text(letter->record->labels[i]);
    if (letter_add_name("labels", "", out, error) || bytes_add_text(out, "{", error) ||
        letter_add_labels(letter, true, out, error) || bytes_add_text(out, "}", error))
        return -1;
    if (all_text)
        return 0;
    return letter_add_name("labels", LETTER_BASE64, out, error) || bytes_add_text(out, "{", error) ||
                   letter_add_labels(letter, false, out, error) || bytes_add_text(out, "}", error)
               ? -1
               : 0;
}

static int letter_add_why(const struct dead_letter *letter, struct bytes *out, struct error *error)
{
    char id[RECORD_ID_MAX + 1];

    record_id_print(&letter->id, id);
    return letter_add_text("id", slice_of(id), out, error) ||
                   letter_add_text("outlet", slice_of(letter->outlet), out, error) ||
                   letter_add_text("stream", slice_of(letter->stream), out, error) ||
                   letter_add_text("topic", slice_of(letter->topic), out, error) ||
                   letter_add_text("reason", slice_of(letter->reason), out, error) ||
                   letter_add_time("time", letter->time, out, error)
               ? -1
               : 0;
}

static int letter_add_record(const struct dead_letter *letter, struct bytes *out, struct error *error)
{
    const struct record *record = letter->record;
    const uint8_t flags = record->flags;

    if (letter_add_time("received", record->received, out, error) ||
        ((flags & (RECORD_EVENT_TIME | RECORD_TIME_OUTSIDE)) &&
            letter_add_time("event", record->event, out, error)) ||
        letter_add_exact("key", record->key, out, error) || letter_add_all_labels(letter, out, error))
        return -1;
    return letter_add_exact("origin", record->origin, out, error) ||
                   letter_add_flag("enveloped", flags & RECORD_ENVELOPED, out, error) ||
                   letter_add_flag("time_outside", flags & RECORD_TIME_OUTSIDE, out, error) ||
                   letter_add_flag("schema_invalid", flags & RECORD_SCHEMA_INVALID, out, error) ||
                   letter_add_flag("undecodable", flags & RECORD_UNDECODABLE, out, error) ||
                   letter_add_flag("replayed", flags & RECORD_REPLAYED, out, error) ||
                   letter_add_exact("payload", record->payload, out, error)
               ? -1
               : 0;
}

int dead_letter_print(const struct dead_letter *letter, struct bytes *out, struct error *error)
{
    size_t before = out->length;

    if (bytes_add_text(out, "{", error) || letter_add_why(letter, out, error) ||
        letter_add_record(letter, out, error) || bytes_add_text(out, "}\n", error)) {
        out->length = before;
        return error_wrap(error, "dead letter");
    }
    return 0;
}

int dead_letter_print_record(const struct record_id *id, const char *stream, const struct record *record,
    const char *const *labels, struct bytes *out, struct error *error)
{
    const struct dead_letter letter = {.record = record, .labels = labels};
    const size_t before = out->length;
    char text[RECORD_ID_MAX + 1];

    record_id_print(id, text);
    if (bytes_add_text(out, "{", error) || letter_add_text("id", slice_of(text), out, error) ||
        letter_add_text("stream", slice_of(stream), out, error) ||
        (record->reason.length && letter_add_text("reason", record->reason, out, error)) ||
        letter_add_record(&letter, out, error) || bytes_add_text(out, "}\n", error)) {
        out->length = before;
        return error_wrap(error, "record");
    }
    return 0;
}
