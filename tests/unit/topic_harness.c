/* topic_harness: see topic_harness.h */
#include "topic_harness.h"

void load(struct fixture *f, const char *const *sets, size_t count)
{
    cleanup_bytes struct bytes text;

    *f = (struct fixture){0};
    bytes_init(&text, 64 * 1024);
    config_load(&f->config, NULL, sets, count);
    cr_assert_eq(config_print_errors(f->config, &text, &f->error), 0);
    cr_assert_eq(config_errors(f->config), 0, "%.*s", (int)text.length, text.data);
    cr_assert_eq(streams_compile(&f->streams, f->config, &f->error), 0, "%s", f->error.text);
}

void set_up(struct fixture *f, const char *const *sets, size_t count)
{
    load(f, sets, count);
    cr_assert_eq(topic_map_compile(&f->map, f->config, f->streams, &f->error), 0, "%s", f->error.text);
}

void tear_down(struct fixture *f)
{
    topic_map_free(&f->map);
    cr_assert_null(f->map);
    topic_map_free(&f->map);
    streams_free(&f->streams);
    config_free(&f->config);
}

bool match(struct fixture *f, const char *topic)
{
    memset(&f->match, 0xab, sizeof f->match); /* what is not set must not be looked at */
    return topic_map_match(f->map, slice_of(topic), &f->match);
}
