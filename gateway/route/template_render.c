/* template_render: what the fields are worth, and the path of a record; see route.h and template.h
 *
 * Escapes and the name of an empty value are Hive's (org.apache.hadoop.hive.common.FileUtils.escapePathName).
 */
#include "route/template.h"

#include <assert.h>
#include <gnutls/crypto.h>

#include "base/clock.h"

#define TEMPLATE_EMPTY_VALUE "__HIVE_DEFAULT_PARTITION__"
#define TEMPLATE_MARK_LENGTH 33 /* '~' and 32 hex digits */
#define TEMPLATE_SHA256_LENGTH 32

/* ---- values ------------------------------------------------------------------------------------------------ */

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

void template_take(struct template_input *input, const struct template *template, const char *stream,
    const struct record *record)
{
    input->stream = stream;
    input->record = record;
    if (template->has_time)
        template_find_moment(&input->moment, record_time(record));
}

/* As printf() has it for numbers: zeros behind a sign. */
static struct slice template_widen(struct slice value, size_t width, char text[TEMPLATE_TIME_MAX])
{
    size_t characters = 0;

    for (size_t i = 0; i < value.length; i++)
        characters += (value.data[i] & 0xc0) != 0x80;
    if (value.length == 0 || characters >= width)
        return value;
    const size_t sign = value.data[0] == '-' || value.data[0] == '+';
    const size_t zeros = width - characters;
    memcpy(text, value.data, sign);
    memset(text + sign, '0', zeros);
    memcpy(text + sign + zeros, value.data + sign, value.length - sign);
    return (struct slice){text, value.length + zeros};
}

static struct slice template_label(const struct template_part *part, const struct record *record)
{
    return part->label < record->labels_count ? record->labels[part->label] : (struct slice){NULL, 0};
}

struct slice template_value(
    const struct template_part *part, const struct template_input *input, char text[TEMPLATE_TIME_MAX])
{
    const struct record *record = input->record;

    switch (part->kind) {
    case TEMPLATE_STREAM:
        return slice_of(input->stream);
    case TEMPLATE_KEY:
        return part->width ? template_widen(record->key, part->width, text) : record->key;
    case TEMPLATE_TIME:
        return template_print_time(part->text, &input->moment, text);
    case TEMPLATE_TIME_SOURCE:
        return template_time_source(record);
    case TEMPLATE_SCHEMA_RESULT:
        return slice_of(record->flags & RECORD_SCHEMA_INVALID ? "invalid" : "ok");
    default: /* TEMPLATE_LABEL */
        return part->width ? template_widen(template_label(part, record), part->width, text)
                           : template_label(part, record);
    }
}

/* ---- paths ------------------------------------------------------------------------------------------------- */

/* The rules for what the user wrote himself; values are escaped instead. */
static int template_check_path(const struct template *template, struct error *error)
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
        if (part->kind == TEMPLATE_TIME && memchr(part->text.data, '/', part->text.length))
            return error_set(error, ERROR_REJECT,
                "{time:%.*s}: a slash cannot stand in a time; write {time:%%Y}/{time:%%m}",
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

int template_compile(struct template **ret_template, const char *text, const char *const *labels,
    size_t labels_count, struct error *error)
{
    static const struct template_use path = {"path", template_check_path};

    return template_build(ret_template, &path, text, labels, labels_count, error);
}

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

/* Two keys in one directory would be read as one: nobody may be able to find two that have the same. */
static void template_mark(char mark[TEMPLATE_MARK_LENGTH], const char *component, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char hash[TEMPLATE_SHA256_LENGTH];

    const int failed = gnutls_hash_fast(GNUTLS_DIG_SHA256, component, length, hash);
    assert(!failed); /* it takes no memory */
    mark[0] = '~';
    for (size_t i = 0; i < TEMPLATE_MARK_LENGTH / 2; i++) {
        mark[1 + 2 * i] = hex[hash[i] >> 4];
        mark[2 + 2 * i] = hex[hash[i] & 15];
    }
}

/* Cuts a component that no file system would take; neither a character nor an escape is cut in two. */
static void template_end_component(struct bytes *out, size_t start)
{
    char *component = out->data + start;
    size_t length = out->length - start;
    size_t cut = TEMPLATE_COMPONENT_MAX - TEMPLATE_MARK_LENGTH;
    char mark[TEMPLATE_MARK_LENGTH];

    if (length <= TEMPLATE_COMPONENT_MAX)
        return;
    template_mark(mark, component, length);
    while ((component[cut] & 0xc0) == 0x80)
        cut--;
    if (component[cut - 1] == '%')
        cut -= 1;
    else if (component[cut - 2] == '%')
        cut -= 2;
    memcpy(component + cut, mark, TEMPLATE_MARK_LENGTH);
    out->length = start + cut + TEMPLATE_MARK_LENGTH;
}

static int template_render_part(const struct template_part *part, const struct template_input *input,
    struct bytes *out, size_t start, struct error *error)
{
    char text[TEMPLATE_TIME_MAX];

    switch (part->kind) {
    case TEMPLATE_LITERAL:
        return bytes_add(out, part->text.data, part->text.length, error);
    case TEMPLATE_SLASH:
        return bytes_add(out, "/", 1, error);
    default:
        return template_add_value(out, start, template_value(part, input, text), error);
    }
}

int template_render(const struct template *template, const char *stream, const struct record *record,
    struct bytes *out, struct error *error)
{
    struct template_input input;
    size_t before = out->length;
    size_t start = before;

    template_take(&input, template, stream, record);
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
