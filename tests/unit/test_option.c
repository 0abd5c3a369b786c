/* option: names, and what is printed from the table; values are in test_option_value.c */
#include "option_harness.h"

/* ---- names ------------------------------------------------------------------------------------------------- */

Test(option, names_are_found_whole)
{
    cr_assert_str_eq(row("lake.roll.size")->name, "lake.roll.size");
    cr_assert_str_eq(row("streams.any.key")->name, "streams.*.key");
    cr_assert_null(option_find(slice_of("lake.roll")));
    cr_assert_null(option_find(slice_of("lake.roll.size.more")));
    cr_assert_null(option_find(slice_of("lake.rol")));
    cr_assert_null(option_find(slice_of("")));
}

Test(option, entries_of_maps_are_found_with_their_map)
{
    static const struct {
        const char *name;
        const char *row; /* NULL: none */
        const char *entry;
    } cases[] = {
        {"kafka.properties.bootstrap.servers", "kafka.properties", "bootstrap.servers"},
        {"kafka.files.ssl.key.pem", "kafka.files", "ssl.key.pem"},
        {"kafka.properties", "kafka.properties", ""},
        {"streams.any.labels.kind", "streams.*.labels", "kind"},
        {"streams.any.headers.a.b.c", "streams.*.headers", "a.b.c"},
        {"kafka.max_topics.x", NULL, ""},
        {"kafka.propertie.x", NULL, ""},
        {"kafka", NULL, ""},
        {"", NULL, ""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice entry = {NULL, 0};
        const struct option *option = option_find_map(slice_of(cases[i].name), &entry);
        cr_assert_eq(option != NULL, cases[i].row != NULL, "%s", cases[i].name);
        cr_assert(!option || !strcmp(option->name, cases[i].row), "%s", cases[i].name);
        cr_assert(slice_is(entry, cases[i].entry), "%s", cases[i].name);
    }
}

Test(option, a_map_has_a_rule_and_room_below_the_ceiling)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        cr_assert_eq(option->map != NULL, option->type == OPTION_MAP, "%s", option->name);
        cr_assert(!option->map || option->map->most <= OPTION_TOPICS_MAX, "%s", option->name);
    }
}

Test(option, sections_have_names_below_them)
{
    cr_assert(option_is_section(slice_of("")));
    cr_assert(option_is_section(slice_of("lake.roll")));
    cr_assert(option_is_section(slice_of("streams.any")));
    cr_assert(!option_is_section(slice_of("lake.roll.size")));
    cr_assert(!option_is_section(slice_of("lak")));
}

Test(option, children_come_once_in_the_order_of_the_table)
{
    static const char *const expected[] = {
        "enabled", "url", "max_open_files", "roll", "connections", "ca", "s3", "hdfs"};
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of("lake"), names);

    cr_assert_eq(count, COUNT(expected));
    for (size_t i = 0; i < count; i++)
        cr_assert(slice_is(names[i], expected[i]));
    cr_assert_eq(option_children(slice_of("nothing"), names), 0);
}

/* The printers and option_children() count on it. */
Test(option, rows_of_a_section_stand_together)
{
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of(""), names);

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert(!slice_equal(names[i], names[j]));
}

Test(option, names_of_elements)
{
    char longest[OPTION_ELEMENT_NAME_MAX + 2];

    memset(longest, 'a', sizeof longest);
    cr_assert(option_is_element_name((struct slice){longest, OPTION_ELEMENT_NAME_MAX}));
    cr_assert(!option_is_element_name((struct slice){longest, OPTION_ELEMENT_NAME_MAX + 1}));
    cr_assert(option_is_element_name(slice_of("Grid_7-a")));
    cr_assert(!option_is_element_name(slice_of("")));
    cr_assert(!option_is_element_name(slice_of("a/b")));
    cr_assert(!option_is_element_name(slice_of("\xc3\xa4")));
}

Test(option, rows_of_collections)
{
    struct slice element, rest;
    const struct option_collection *streams = option_collection_named(slice_of("streams"));

    cr_assert_not_null(streams);
    cr_assert_null(option_collection_named(slice_of("stream")));
    cr_assert_null(option_collection_named(slice_of("streams.readings")));
    cr_assert_eq(option_collection_of(row("streams.any.time.past")), streams);
    cr_assert_null(option_collection_of(row("lake.roll.size")));
    cr_assert_eq(option_collection_at(slice_of("streams.readings.time.past"), &element, &rest), streams);
    cr_assert(slice_is(element, "readings") && slice_is(rest, "time.past"));
    cr_assert_eq(option_collection_at(slice_of("streams.readings"), &element, &rest), streams);
    cr_assert(slice_is(element, "readings") && slice_is(rest, ""));
    cr_assert_eq(option_collection_at(slice_of("streams."), &element, &rest), streams);
    cr_assert(slice_is(element, "") && slice_is(rest, ""));
    cr_assert_null(option_collection_at(slice_of("streams"), &element, &rest));
    cr_assert_null(option_collection_at(slice_of("streamss.a.key"), &element, &rest));
    cr_assert_null(option_collection_at(slice_of(""), &element, &rest));
}

/* The offsets are right, and config_print() prints each collection where its rows stand. */
Test(option, rows_of_a_collection_stand_together)
{
    for (size_t i = 0; i < option_collections_count; i++) {
        size_t changes = 0;
        for (size_t row = 0; row < option_count; row++) {
            bool own = option_collection_of(&option_table[row]) == &option_collections[i];
            bool before = row && option_collection_of(&option_table[row - 1]) == &option_collections[i];
            changes += own && !before;
            cr_assert(!own || option_table[row].offset < option_collections[i].size);
        }
        cr_assert_eq(changes, 1, "%s", option_collections[i].name);
    }
}

Test(option, nearest_name)
{
    static const struct {
        const char *text;
        const char *nearest;
    } cases[] = {
        {"lisen", "listen"},
        {"LISTEN", "listen"},
        {"lsiten", "listen"},
        {"max_bdy", "max_body"},
        {"anonymus", "anonymous"},
        {"zzz", ""},
        {"", ""},
        {"a_name_that_is_longer_than_the_sixty_four_bytes_that_are_looked_at_", ""},
    };
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of("http"), names);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice nearest = option_nearest(slice_of(cases[i].text), names, count);
        cr_assert(slice_is(nearest, cases[i].nearest), "%s: %.*s", cases[i].text, (int)nearest.length,
            nearest.data);
    }
}

Test(option, nearest_name_elsewhere)
{
    cr_assert_str_eq(option_nearest_elsewhere(slice_of("segment_size")), "journal.segment_size");
    cr_assert_str_eq(option_nearest_elsewhere(slice_of("max_bdy")), "http.max_body");
    cr_assert_null(option_nearest_elsewhere(slice_of("zzzz")));
    cr_assert_null(option_nearest_elsewhere(slice_of("i")));
}

/* ---- the table --------------------------------------------------------------------------------------------- */

Test(option, quoting_escapes_what_a_terminal_would_act_on)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 100);
    cr_assert_eq(option_print_quoted(slice_of("a\"\\\t\n\x1b["), 100, &text, &error), 0);
    assert_text(&text, "\"a\\\"\\\\\\t\\n\\x1b[\"");
    for (size_t limit = 0; limit < text.length; limit++) {
        cleanup_bytes struct bytes less;
        bytes_init(&less, limit);
        cr_assert_eq(option_print_quoted(slice_of("a\"\\\t\n\x1b["), 100, &less, &error), -1);
    }
}

Test(option, every_default_is_allowed)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        struct slice initial = slice_of(option->initial);
        struct error error = {0};
        uint64_t number;
        bool yes;
        int result = 0;
        if (option->type == OPTION_BOOL)
            result = option_parse_bool(initial, &yes, &error);
        else if (option->unit)
            result = option_parse_number(option, initial, &number, &error);
        else if (option->type != OPTION_MAP && option->type != OPTION_TEXTS)
            result = option_check_text(option, initial, &error);
        cr_assert_eq(result, 0, "%s: %s", option->name, error.text);
    }
    for (size_t i = 0; i < option_stream_defaults_count; i++)
        row(option_stream_defaults[i].name);
}

Test(option, every_bound_names_an_option_of_its_type)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].bound.relation != OPTION_FREE)
            cr_assert_eq(row(option_table[i].bound.other)->type, option_table[i].type);
}

Test(option, markdown_table)
{
    static const char head[] =
        "| option | default | allowed | meaning |\n|---|---|---|---|\n| `gateway.id` | empty | up to 64 "
        "of the characters A-Z a-z 0-9 . _ -, no dot in front | ";
    struct error error;
    size_t lines = 0;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(option_print_table(&text, &error), 0);
    cr_assert_eq(strncmp(text.data, head, sizeof head - 1), 0);
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    cr_assert_eq(lines, option_count + 2);
    bytes_add(&text, "", 1, &error);
    cr_assert(strstr(text.data, "| `journal.max_size` | `8GiB` | a size from 5MiB to 16TiB, at least 5 x "
                                "journal.segment_size | "));
    cr_assert(strstr(text.data,
        "| `http.max_body` | `16MiB` | a size from 1KiB to 256MiB, at most journal.segment_size / "
        "4 | "));
    cr_assert(strstr(text.data, "| `streams.*.key` | empty (readings: `/sensor_id`) | "));
}

Test(option, help_fits_into_its_columns)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(option_print_help(&text, &error), 0);
    size_t width = 0;
    for (size_t i = 0; i < text.length; i++) {
        width = text.data[i] == '\n' ? 0 : width + 1;
        cr_assert_leq(width, 110);
    }
    bytes_add(&text, "", 1, &error);
    cr_assert(strstr(text.data, "\n  log.level             Least important events that are logged.\n"
                                "                        Default info; debug, info, warn, error. Reload.\n"));
    /* A name that is wider than its column has a line of its own. */
    cr_assert(
        strstr(text.data, "\n  kafka.create_topics.partitions\n"
                          "                        A missing topic is created with so many partitions;\n"));
}

/* Every printer fails cleanly at the lengths that its text cannot have: all of them at its beginning, some of them behind. */
Test(option, printing_ends_at_the_ceiling_of_the_text)
{
    static int (*const print[])(struct bytes *, struct error *) = {
        option_print_table, option_print_help, option_print_schema};

    for (size_t i = 0; i < COUNT(print); i++) {
        struct error error;
        cleanup_bytes struct bytes whole;
        bytes_init(&whole, 65536);
        cr_assert_eq(print[i](&whole, &error), 0);
        for (size_t limit = 0; limit < whole.length; limit += 1 + limit / 1000) {
            cleanup_bytes struct bytes text;
            bytes_init(&text, limit);
            cr_assert_eq(print[i](&text, &error), -1);
        }
    }
}
