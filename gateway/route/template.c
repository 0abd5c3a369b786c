/* template: texts with fields in braces, compiled once; see route.h and template.h */
#include "route/template.h"

#include <stdlib.h>

#include "base/utf8.h"

#define TEMPLATE_TIME_ALLOWED "%Y %m %d %H %M %S %j %s"

/* Fields without an argument. */
static const struct {
    const char *name;
    enum template_kind kind;
} template_fields[] = {
    {"stream", TEMPLATE_STREAM},
    {"time_source", TEMPLATE_TIME_SOURCE},
    {"schema_result", TEMPLATE_SCHEMA_RESULT},
};
#define TEMPLATE_FIELDS (sizeof template_fields / sizeof *template_fields)

static int template_check_time(struct slice format, struct error *error)
{
    size_t length = 0;

    for (size_t i = 0; i < format.length; i++, length++) {
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
        "{%.*s} is not known; allowed are {stream}, {key}, {time:FORMAT}, {time_source}, {schema_result}%.*s",
        (int)name.length, name.data, (int)known.length, known.data ? known.data : "");
}

/* width: what stands behind the colon of {key:02}. */
static int template_compile_width(
    struct template_part *part, struct slice name, struct slice width, struct error *error)
{
    if (width.length >= 2 && width.length <= 3 && width.data[0] == '0')
        for (size_t i = 1; i < width.length && width.data[i] >= '0' && width.data[i] <= '9'; i++)
            part->width = part->width * 10 + (size_t)(width.data[i] - '0');
    if (part->width >= 1 && part->width <= TEMPLATE_WIDTH_MAX && width.data[1] != '0')
        return 0;
    return error_set(error, ERROR_REJECT,
        "{%.*s}: a width is written as in {key:02}: that many characters, 1 to %d, with zeros in front",
        (int)name.length, name.data, TEMPLATE_WIDTH_MAX);
}

/* {key} and labels may have a width. */
static bool template_compile_value(
    struct template_part *part, struct slice name, const char *const *labels, size_t labels_count)
{
    if (slice_is(name, "key")) {
        *part = (struct template_part){.kind = TEMPLATE_KEY};
        return true;
    }
    for (size_t i = 0; i < labels_count; i++) {
        if (slice_is(name, labels[i])) {
            *part = (struct template_part){.kind = TEMPLATE_LABEL, .text = name, .label = i};
            return true;
        }
    }
    return false;
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
    const char *colon = memchr(name.data, ':', name.length);
    const size_t length = colon ? (size_t)(colon - name.data) : name.length;
    if (template_compile_value(part, (struct slice){name.data, length}, labels, labels_count))
        return colon ? template_compile_width(
                           part, name, (struct slice){colon + 1, name.length - length - 1}, error)
                     : 0;
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
    return 0;
}

int template_build(struct template **ret_template, const struct template_use *use, const char *text,
    const char *const *labels, size_t labels_count, struct error *error)
{
    if (template_check_text(text, error))
        return error_wrap(error, "%s template", use->name);

    /* Every part takes at least one byte of the text. */
    struct template *template = calloc(1, sizeof *template + strlen(text) * sizeof *template->parts);
    if (template)
        template->text = strdup(text);
    if (!template || !template->text) {
        template_free(&template); /* GCOVR_EXCL_LINE no failing malloc */
        return error_set(error, ERROR_RETRY, "template: out of memory"); /* GCOVR_EXCL_LINE as above */
    }
    if (template_parse(template, labels, labels_count, error) || use->check(template, error)) {
        template_free(&template);
        return error_wrap(error, "%s template '%s'", use->name, text);
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
