/* Fuzzes the templates of paths and of topics (libFuzzer): a byte of options, eight of a time, then texts with a zero byte behind each: the template, a key, labels.
 * Whatever a key or a label says, a path stays below its directory and is one that a reader finds, and a topic is one that Kafka takes. */
#include <assert.h>

#include "base/little.h"
#include "base/utf8.h"
#include "route/route.h"
#include "texts.h"

#define STREAM "grid-wattage"
#define TEXT_MAX (TEMPLATE_LENGTH_MAX + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const labels[] = {"host", "event_type"};

static void check_component(struct slice name)
{
    assert(name.length > 0 && name.length <= TEMPLATE_COMPONENT_MAX);
    assert(name.data[0] != '.');
    for (size_t at = 0, step; at < name.length; at += step) {
        step = utf8_sequence(name.data + at, name.length - at);
        assert(step && (unsigned char)name.data[at] >= ' ' && name.data[at] != 0x7f);
    }
}

static void check_path(struct slice path)
{
    size_t components = 0;

    assert(path.length);
    while (path.data) {
        const char *slash = path.length ? memchr(path.data, '/', path.length) : NULL;
        const size_t length = slash ? (size_t)(slash - path.data) : path.length;
        check_component((struct slice){path.data, length});
        components++;
        path = slash ? (struct slice){slash + 1, path.length - length - 1} : (struct slice){NULL, 0};
    }
    assert(components <= TEMPLATE_COMPONENTS_MAX);
}

static void check_topic(struct slice topic)
{
    assert(topic.length > 0 && topic.length <= TEMPLATE_TOPIC_MAX);
    assert(!slice_is(topic, ".") && !slice_is(topic, ".."));
    for (size_t i = 0; i < topic.length; i++)
        assert(
            memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", topic.data[i], 65));
}

static void check(const struct template *template, bool path, const struct record *record)
{
    struct bytes first, second;
    struct error error;

    bytes_init(&first, 1 << 16);
    bytes_init(&second, 1 << 16);
    const int result = path ? template_render(template, STREAM, record, &first, &error)
                            : template_render_topic(template, STREAM, record, &first, &error);
    assert(result == 0 || !path);
    if (result == 0 && path)
        check_path(bytes_slice(&first));
    else if (result == 0)
        check_topic(bytes_slice(&first));
    /* What is constant is so for a record without anything, too. */
    const struct record empty = {0};
    if (result == 0 && template_is_constant(template)) {
        const int again = path ? template_render(template, STREAM, &empty, &second, &error)
                               : template_render_topic(template, STREAM, &empty, &second, &error);
        assert(again == 0 && slice_equal(bytes_slice(&first), bytes_slice(&second)));
    }
    bytes_free(&first);
    bytes_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    struct template *template;
    struct error error;

    if (size < 9)
        return 0;
    struct slice input = {(const char *)data + 9, size - 9};
    const bool path = data[0] & 1;
    struct record record = {
        .flags = data[0] >> 1 & (RECORD_EVENT_TIME | RECORD_TIME_OUTSIDE | RECORD_SCHEMA_INVALID),
        .event = (int64_t)get_u64((const char *)data + 1),
        .received = (int64_t)get_u64((const char *)data + 1) / 2};
    const struct slice written = texts_take(&input);
    if (written.length > TEXT_MAX)
        return 0;
    memcpy(text, written.data, written.length);
    text[written.length] = '\0';
    record.key = texts_take(&input);
    for (; record.labels_count < 2; record.labels_count++)
        record.labels[record.labels_count] = texts_take(&input);
    /* Sources refuse the others. */
    if (record_check_name(record.key, "key", &error) ||
        record_check_name(record.labels[0], "label", &error) ||
        record_check_name(record.labels[1], "label", &error))
        return 0;
    if (path ? template_compile(&template, text, labels, 2, &error)
             : template_compile_topic(&template, text, labels, 2, &error))
        return 0;
    check(template, path, &record);
    template_free(&template);
    return 0;
}
