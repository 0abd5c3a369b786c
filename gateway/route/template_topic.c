/* template_topic: the Kafka topic of a record; see route.h
 *
 * What a topic may be: org.apache.kafka.common.internals.Topic.
 */
#include "route/template.h"

#include "base/option.h"
#include "base/utf8.h"

#define TOPIC_ALLOWED "allowed are A-Z a-z 0-9 . _ -"

static const bool topic_characters[256] = {
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
    ['0' ... '9'] = true,
    ['.'] = true,
    ['_'] = true,
    ['-'] = true,
};

/* How many of the first bytes may stand in a topic. */
static size_t topic_span(struct slice text)
{
    size_t i = 0;

    while (i < text.length && topic_characters[(unsigned char)text.data[i]])
        i++;
    return i;
}

static bool topic_is_dots(struct slice text)
{
    return slice_is(text, ".") || slice_is(text, "..");
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

static int topic_refuse_character(struct slice text, size_t at, struct error *error)
{
    size_t length = utf8_sequence(text.data + at, text.length - at);

    return error_set(
        error, ERROR_REJECT, "'%.*s' cannot stand in a topic: " TOPIC_ALLOWED, (int)length, text.data + at);
}

static int topic_check_part(const struct template_part *part, struct error *error)
{
    size_t i;

    switch (part->kind) {
    case TEMPLATE_SLASH:
        return topic_refuse_character((struct slice){"/", 1}, 0, error);
    case TEMPLATE_LITERAL:
        i = topic_span(part->text);
        return i < part->text.length ? topic_refuse_character(part->text, i, error) : 0;
    case TEMPLATE_TIME: /* behind each % stands a letter: template_check_time() */
        for (i = 0; i < part->text.length; i++) {
            if (part->text.data[i] != '%' && !topic_characters[(unsigned char)part->text.data[i]])
                return topic_refuse_character(part->text, i, error);
        }
        return 0;
    default:
        return 0;
    }
}

static int topic_check(const struct template *template, struct error *error)
{
    size_t least = 0; /* bytes of the shortest topic: no value is empty */

    for (size_t i = 0; i < template->parts_count; i++) {
        const struct template_part *part = &template->parts[i];
        if (topic_check_part(part, error))
            return -1;
        least += part->kind == TEMPLATE_LITERAL ? part->text.length : part->width ? part->width : 1;
    }
    if (least == 0)
        return error_set(error, ERROR_REJECT, "a topic cannot be empty");
    if (least > TEMPLATE_TOPIC_MAX)
        return error_set(error, ERROR_REJECT, "a topic of at least %zu bytes, Kafka takes at most %d", least,
            TEMPLATE_TOPIC_MAX);
    if (topic_is_dots(slice_of(template->text)))
        return error_set(error, ERROR_REJECT, "Kafka takes no topic named '.' or '..'");
    return 0;
}

int template_compile_topic(struct template **ret_template, const char *text, const char *const *labels,
    size_t labels_count, struct error *error)
{
    static const struct template_use topic = {"topic", topic_check};

    return template_build(ret_template, &topic, text, labels, labels_count, error);
}

bool template_is_constant(const struct template *template)
{
    for (size_t i = 0; i < template->parts_count; i++) {
        enum template_kind kind = template->parts[i].kind;
        if (kind != TEMPLATE_LITERAL && kind != TEMPLATE_SLASH && kind != TEMPLATE_STREAM)
            return false;
    }
    return true;
}

/* ---- rendering -------------------------------------------------------------------------------------------- */

/* Between quotes, control characters escaped, cut between two characters. The caller frees text. */
static struct slice topic_quote(struct slice value, struct bytes *text)
{
    struct error ignored; /* a message without the value is still one */
    size_t most = OPTION_QUOTED_MAX;

    while (most && most < value.length && (value.data[most] & 0xc0) == 0x80)
        most--;
    bytes_init(text, ERROR_TEXT_SIZE);
    option_print_quoted(value, most, text, &ignored);
    return bytes_slice(text);
}

static int topic_refuse_value(const struct template_part *part, struct slice value, struct error *error)
{
    struct slice label = part->kind == TEMPLATE_LABEL ? part->text : (struct slice){"", 0};
    const char *field = part->kind == TEMPLATE_LABEL ? "label "
                        : part->kind == TEMPLATE_KEY ? "key"
                                                     : "stream";
    cleanup_bytes struct bytes text = {0};
    struct slice quoted = topic_quote(value, &text);

    if (value.length == 0)
        return error_set(error, ERROR_REJECT, "%s%.*s is empty: it cannot be part of a topic", field,
            (int)label.length, label.data);
    return error_set(error, ERROR_REJECT, "%s%.*s %.*s cannot be part of a topic: " TOPIC_ALLOWED, field,
        (int)label.length, label.data, (int)quoted.length, quoted.data);
}

static int topic_render_part(const struct template_part *part, const struct template_input *input,
    struct bytes *out, struct error *error)
{
    char text[TEMPLATE_TIME_MAX];
    struct slice value = part->kind == TEMPLATE_LITERAL ? part->text : template_value(part, input, text);

    if (value.length == 0 || topic_span(value) < value.length)
        return topic_refuse_value(part, value, error);
    return bytes_add(out, value.data, value.length, error);
}

static int topic_check_rendered(struct slice topic, struct error *error)
{
    cleanup_bytes struct bytes text = {0};

    if (topic.length > TEMPLATE_TOPIC_MAX) {
        struct slice quoted = topic_quote(topic, &text);
        return error_set(error, ERROR_REJECT, "topic %.*s of %zu bytes: Kafka takes at most %d",
            (int)quoted.length, quoted.data, topic.length, TEMPLATE_TOPIC_MAX);
    }
    if (topic_is_dots(topic))
        return error_set(error, ERROR_REJECT, "topic \"%.*s\": Kafka takes no topic named \".\" or \"..\"",
            (int)topic.length, topic.data);
    return 0;
}

int template_render_topic(const struct template *template, const char *stream, const struct record *record,
    struct bytes *out, struct error *error)
{
    struct template_input input;
    size_t before = out->length;
    int result = 0;

    template_take(&input, template, stream, record);
    for (size_t i = 0; i < template->parts_count && result == 0; i++)
        result = topic_render_part(&template->parts[i], &input, out, error);
    if (result == 0)
        result = topic_check_rendered((struct slice){out->data + before, out->length - before}, error);
    if (result)
        out->length = before;
    return result;
}
