/* template: a path with fields in braces, compiled once and rendered for each record; see route.h
 *
 * Escapes and the name of an empty value are Hive's (org.apache.hadoop.hive.common.FileUtils.escapePathName).
 */
#include "route/route.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

#define TEMPLATE_EMPTY_VALUE "__HIVE_DEFAULT_PARTITION__"
#define TEMPLATE_MARK_LENGTH 17 /* '~' and 16 hex digits */
#define TEMPLATE_TIME_MAX 256 /* bytes that one {time:FORMAT} may come to */
#define TEMPLATE_NUMBER_MAX 20 /* ... and one of its numbers */
#define TEMPLATE_TIME_ALLOWED "%Y %m %d %H %M %S %j %s"

enum template_kind {
    TEMPLATE_LITERAL,
    TEMPLATE_SLASH,
    TEMPLATE_STREAM,
    TEMPLATE_KEY,
    TEMPLATE_TIME,
    TEMPLATE_TIME_SOURCE,
    TEMPLATE_LABEL,
};

struct template_part {
    enum template_kind kind;
    struct slice text; /* TEMPLATE_LITERAL, TEMPLATE_TIME: its format; points into the template's text */
    size_t label; /* TEMPLATE_LABEL */
};

struct template
{
    bool has_time;
    char *text;
    size_t parts_count;
    struct template_part parts[];
};

/* ---- compiling -------------------------------------------------------------------------------------------- */

/* Fields without an argument. */
static const struct {
    const char *name;
    enum template_kind kind;
} template_fields[] = {
    {"stream", TEMPLATE_STREAM},
    {"key", TEMPLATE_KEY},
    {"time_source", TEMPLATE_TIME_SOURCE},
};
#define TEMPLATE_FIELDS (sizeof template_fields / sizeof *template_fields)

static int template_check_time(struct slice format, struct error *error)
{
    size_t length = 0;

    for (size_t i = 0; i < format.length; i++, length++) {
        if (format.data[i] == '/')
            return error_set(error, ERROR_REJECT,
                "{time:%.*s}: a slash cannot stand in a time; write {time:%%Y}/{time:%%m}",
                (int)format.length, format.data);
        if (format.data[i] != '%')
            continue;
        i++;
        if (i == format.length || !memchr("YmdHMSjs", format.data[i], 8))
            return error_set(error, ERROR_REJECT, "{time:%.*s}: allowed are %s", (int)format.length,
                format.data, TEMPLATE_TIME_ALLOWED);
        length += TEMPLATE_NUMBER_MAX - 1;
    }
    if (format.length == 0 || length > TEMPLATE_TIME_MAX)
        return error_set(error, ERROR_REJECT,
            "{time:%.*s}: a format is needed that gives 1 to %d bytes, as in {time:%%Y-%%m-%%d}",
            (int)format.length, format.data, TEMPLATE_TIME_MAX);
    return 0;
}

static int template_unknown_field(
    struct slice name, const char *const *labels, size_t labels_count, struct error *error)
{
    cleanup_bytes struct bytes known;
    struct error ignored;

    bytes_init(&known, ERROR_TEXT_SIZE);
    for (size_t i = 0; i < labels_count; i++)
        bytes_print(&known, &ignored, ", {%s}", labels[i]);
    return error_set(error, ERROR_REJECT,
        "{%.*s} is not known; allowed are {stream}, {key}, {time:FORMAT}, {time_source}%.*s",
        (int)name.length, name.data, (int)known.length, known.data ? known.data : "");
}

/* name: what stands between the braces. */
static int template_compile_field(struct template_part *part, struct slice name, const char *const *labels,
    size_t labels_count, struct error *error)
{
    static const struct slice time = {"time:", 5};

    if (name.length >= time.length && memcmp(name.data, time.data, time.length) == 0) {
        struct slice format = {name.data + time.length, name.length - time.length};
        *part = (struct template_part){.kind = TEMPLATE_TIME, .text = format};
        return template_check_time(format, error);
    }
    for (size_t i = 0; i < TEMPLATE_FIELDS; i++) {
        if (slice_is(name, template_fields[i].name)) {
            *part = (struct template_part){.kind = template_fields[i].kind};
            return 0;
        }
    }
    for (size_t i = 0; i < labels_count; i++) {
        if (slice_is(name, labels[i])) {
            *part = (struct template_part){.kind = TEMPLATE_LABEL, .label = i};
            return 0;
        }
    }
    return template_unknown_field(name, labels, labels_count, error);
}

/* Takes one part from the front of *text. */
static int template_compile_part(struct template_part *part, const char **text, const char *const *labels,
    size_t labels_count, struct error *error)
{
    const char *from = *text;

    if (*from == '/') {
        *part = (struct template_part){.kind = TEMPLATE_SLASH};
        *text = from + 1;
        return 0;
    }
    if (*from != '{' && *from != '}') {
        *part = (struct template_part){.kind = TEMPLATE_LITERAL, .text = {from, strcspn(from, "/{}")}};
        *text = from + part->text.length;
        return 0;
    }
    const char *end = *from == '{' ? strchr(from, '}') : NULL;
    if (!end)
        return error_set(error, ERROR_REJECT, "'%s': a brace without the other one", from);
    *text = end + 1;
    return template_compile_field(
        part, (struct slice){from + 1, (size_t)(end - from - 1)}, labels, labels_count, error);
}

/* The rules for what the user wrote himself; values are escaped instead. */
static int template_check_parts(const struct template *template, struct error *error)
{
    size_t components = 1;
    bool starts = true;

    for (size_t i = 0; i < template->parts_count; i++) {
        const struct template_part *part = &template->parts[i];
        if (part->kind == TEMPLATE_SLASH && starts)
            break;
        if (part->kind == TEMPLATE_LITERAL && starts &&
            (part->text.data[0] == '.' || part->text.data[0] == '_'))
            return error_set(error, ERROR_REJECT,
                "'%.*s': a directory that starts with '.' or '_' is skipped by readers",
                (int)part->text.length, part->text.data);
        starts = part->kind == TEMPLATE_SLASH;
        components += starts;
    }
    if (starts)
        return error_set(error, ERROR_REJECT, "a directory without a name: empty, or a slash too many");
    if (components > TEMPLATE_COMPONENTS_MAX)
        return error_set(
            error, ERROR_REJECT, "%zu directories, at most %d", components, TEMPLATE_COMPONENTS_MAX);
    return 0;
}

static int template_check_text(const char *text, struct error *error)
{
    size_t length = strlen(text);

    if (length > TEMPLATE_LENGTH_MAX)
        return error_set(error, ERROR_REJECT, "%zu bytes, at most %d", length, TEMPLATE_LENGTH_MAX);
    for (size_t i = 0, step; i < length; i += step) {
        step = utf8_sequence(text + i, length - i);
        if (step == 0 || utf8_is_control(text + i))
            return error_set(error, ERROR_REJECT, "control character or no UTF-8 at byte %zu", i);
    }
    return 0;
}

static int template_parse(
    struct template *template, const char *const *labels, size_t labels_count, struct error *error)
{
    const char *next = template->text;

    while (*next) {
        struct template_part *part = &template->parts[template->parts_count++];
        if (template_compile_part(part, &next, labels, labels_count, error))
            return -1;
        template->has_time |= part->kind == TEMPLATE_TIME;
    }
    return template_check_parts(template, error);
}

int template_compile(struct template **ret_template, const char *text, const char *const *labels,
    size_t labels_count, struct error *error)
{
    if (template_check_text(text, error))
        return error_wrap(error, "path template");

    /* Every part takes at least one byte of the text. */
    struct template *template = calloc(1, sizeof *template + strlen(text) * sizeof *template->parts);
    if (template)
        template->text = strdup(text);
    if (!template || !template->text) {
        template_free(&template); /* GCOVR_EXCL_LINE no failing malloc */
        return error_set(error, ERROR_RETRY, "path template: out of memory"); /* GCOVR_EXCL_LINE as above */
    }
    if (template_parse(template, labels, labels_count, error)) {
        template_free(&template);
        return error_wrap(error, "path template '%s'", text);
    }
    *ret_template = template;
    return 0;
}

void template_free(struct template **template)
{
    if (*template)
        free((*template)->text);
    free(*template);
    *template = NULL;
}

/* ---- rendering -------------------------------------------------------------------------------------------- */

/* Bytes of a value that are written as % and two hex digits wherever they stand. */
static const bool template_escaped[256] = {
    [0x00 ... 0x1f] = true,
    [0x7f] = true,
    ['"'] = true,
    ['#'] = true,
    ['%'] = true,
    ['\''] = true,
    ['*'] = true,
    ['+'] = true,
    ['/'] = true,
    [':'] = true,
    ['='] = true,
    ['?'] = true,
    ['['] = true,
    ['\\'] = true,
    [']'] = true,
    ['^'] = true,
    ['{'] = true,
    ['~'] = true,
};

/* start: where the component begins in out. */
static int template_add_value(struct bytes *out, size_t start, struct slice value, struct error *error)
{
    static const char hex[] = "0123456789ABCDEF";

    if (value.length == 0)
        value = slice_of(TEMPLATE_EMPTY_VALUE);
    if (bytes_reserve(out, value.length * 3, error))
        return -1;

    char *to = out->data + out->length;
    bool leads = out->length == start;
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if (template_escaped[byte] || (leads && i == 0 && (byte == '.' || byte == '_'))) {
            *to++ = '%';
            *to++ = hex[byte >> 4];
            *to++ = hex[byte & 15];
        } else {
            *to++ = (char)byte;
        }
    }
    out->length = (size_t)(to - out->data);
    return 0;
}

static uint64_t template_hash(const char *data, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bits */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Cuts a component that no file system would take; neither a character nor an escape is cut in two. */
static void template_end_component(struct bytes *out, size_t start)
{
    char *component = out->data + start;
    size_t length = out->length - start;
    size_t cut = TEMPLATE_COMPONENT_MAX - TEMPLATE_MARK_LENGTH;
    char mark[TEMPLATE_MARK_LENGTH + 1];

    if (length <= TEMPLATE_COMPONENT_MAX)
        return;
    snprintf(mark, sizeof mark, "~%016" PRIx64, template_hash(component, length));
    while ((component[cut] & 0xc0) == 0x80)
        cut--;
    if (component[cut - 1] == '%')
        cut -= 1;
    else if (component[cut - 2] == '%')
        cut -= 2;
    memcpy(component + cut, mark, TEMPLATE_MARK_LENGTH);
    out->length = start + cut + TEMPLATE_MARK_LENGTH;
}

struct template_moment {
    struct tm date; /* UTC */
    int64_t seconds;
};

static void template_find_moment(struct template_moment *moment, int64_t microseconds)
{
    moment->seconds = microseconds / CLOCK_SECOND - (microseconds % CLOCK_SECOND < 0);
    time_t seconds = (time_t)moment->seconds;
    gmtime_r(&seconds, &moment->date);
}

static char *template_put_number(char *to, int64_t number, int width)
{
    char digits[TEMPLATE_NUMBER_MAX];
    int count = 0;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;

    for (; left || count < width; left /= 10)
        digits[count++] = (char)('0' + left % 10);
    if (number < 0)
        *to++ = '-';
    while (count)
        *to++ = digits[--count];
    return to;
}

static char *template_put_time(char *to, char which, const struct template_moment *moment)
{
    const struct tm *date = &moment->date;

    switch (which) {
    case 'Y':
        return template_put_number(to, (int64_t)date->tm_year + 1900, 4);
    case 'm':
        return template_put_number(to, date->tm_mon + 1, 2);
    case 'd':
        return template_put_number(to, date->tm_mday, 2);
    case 'H':
        return template_put_number(to, date->tm_hour, 2);
    case 'M':
        return template_put_number(to, date->tm_min, 2);
    case 'S':
        return template_put_number(to, date->tm_sec, 2);
    case 'j':
        return template_put_number(to, date->tm_yday + 1, 3);
    default: /* 's': no other passes template_check_time() */
        return template_put_number(to, moment->seconds, 1);
    }
}

/* Room in text: TEMPLATE_TIME_MAX, by template_check_time(). */
static struct slice template_print_time(
    struct slice format, const struct template_moment *moment, char text[TEMPLATE_TIME_MAX])
{
    char *to = text;

    for (size_t i = 0; i < format.length; i++) {
        if (format.data[i] == '%')
            to = template_put_time(to, format.data[++i], moment);
        else
            *to++ = format.data[i];
    }
    return (struct slice){text, (size_t)(to - text)};
}

static struct slice template_time_source(const struct record *record)
{
    return slice_of(record->flags & RECORD_EVENT_TIME     ? "event"
                    : record->flags & RECORD_TIME_OUTSIDE ? "outside"
                                                          : "received");
}

struct template_input {
    const char *stream;
    const struct record *record;
    struct template_moment moment; /* set when the template has a time */
};

static int template_render_part(const struct template_part *part, const struct template_input *input,
    struct bytes *out, size_t start, struct error *error)
{
    char text[TEMPLATE_TIME_MAX];
    const struct record *record = input->record;
    struct slice value = {NULL, 0};

    switch (part->kind) {
    case TEMPLATE_LITERAL:
        return bytes_add(out, part->text.data, part->text.length, error);
    case TEMPLATE_SLASH:
        return bytes_add(out, "/", 1, error);
    case TEMPLATE_STREAM:
        value = slice_of(input->stream);
        break;
    case TEMPLATE_KEY:
        value = record->key;
        break;
    case TEMPLATE_TIME:
        value = template_print_time(part->text, &input->moment, text);
        break;
    case TEMPLATE_TIME_SOURCE:
        value = template_time_source(record);
        break;
    case TEMPLATE_LABEL:
        if (part->label < record->labels_count)
            value = record->labels[part->label];
        break;
    }
    return template_add_value(out, start, value, error);
}

int template_render(const struct template *template, const char *stream, const struct record *record,
    struct bytes *out, struct error *error)
{
    struct template_input input;
    size_t before = out->length;
    size_t start = before;

    input.stream = stream;
    input.record = record;
    if (template->has_time)
        template_find_moment(&input.moment, record_time(record));
    for (size_t i = 0; i < template->parts_count; i++) {
        const struct template_part *part = &template->parts[i];
        bool ends = part->kind == TEMPLATE_SLASH;
        if (ends)
            template_end_component(out, start);
        if (template_render_part(part, &input, out, start, error)) {
            out->length = before;
            return error_wrap(error, "path of a record of stream %s", stream);
        }
        if (ends)
            start = out->length;
    }
    template_end_component(out, start);
    return 0;
}
