/* The folder that a gateway without a configuration file takes text from. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "config_harness.h"

TestSuite(config_drop, .init = config_harness_enter, .fini = config_harness_leave);

Test(config_drop, without_a_file_there_is_a_drop_folder)
{
    static const char *const sets[] = {"gateway.data=/srv/*[a]?{b}\\x", "files.other.watch=/srv/y"};
    static const char *const small[] = {"journal.segment_size=1MiB", "http.max_body=256KiB",
        "http.max_record=256KiB", "mqtt.max_packet=256KiB"};
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    cr_assert_eq(config->files_count, 1);
    cr_assert_str_eq(config->files[0].name, "drop");
    cr_assert_str_eq(config->files[0].stream, "unorganized");
    cr_assert_str_eq(config->files[0].done, "archive");
    cr_assert_str_eq(config->files[0].order, "time");
    cr_assert_eq(config->files[0].spool.count, 1);
    cr_assert_str_eq(config->files[0].spool.items[0], "penstock-data/drop");
    cr_assert_str_eq(config->drop, "penstock-data/drop");
    config_free(&config);
    cr_assert_eq(config_load(&config, NULL, sets, COUNT(sets)), 0);
    cr_assert_eq(config->files_count, 2);
    cr_assert_str_eq(config->files[1].spool.items[0], "/srv/\\*\\[a]\\?\\{b}\\\\x/drop");
    cr_assert_str_eq(config->drop, "/srv/*[a]?{b}\\x/drop");
    cr_assert_eq(config->files[1].max_line, 1 << 20);
    config_free(&config);
    cr_assert_eq(config_load(&config, NULL, small, COUNT(small)), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->files[0].max_line, 128 << 10);
    config_free(&config);
}

Test(config_drop, drop_folder_of_any_data_directory)
{
    static const char *const places[][2] = {{"data/", "data/drop"}, {"a//b", "a/b/drop"}, {"/", "/drop"},
        {"././x", "x/drop"}, {"/x/.", "/x/drop"}, {".", "drop"}, {"..x/...", "..x/.../drop"},
        {"../data", NULL}, {"/tmp/../x", NULL}};
    struct config *config;

    for (size_t i = 0; i < COUNT(places); i++) {
        char set[64];
        const char *const sets[] = {set};
        snprintf(set, sizeof set, "gateway.data=%s", places[i][0]);
        cr_assert_eq(config_load(&config, NULL, sets, 1), 0);
        config_harness_expect_none(config);
        if (places[i][1])
            cr_expect_str_eq(config->drop, places[i][1]);
        else
            cr_expect(!config->drop && config->files_count == 0, "%s", places[i][0]);
        config_free(&config);
    }
}

Test(config_drop, what_is_set_of_the_drop_folder_stays)
{
    static const char *const sets[] = {"files.drop.done=delete", "files.drop.stream=readings"};
    static const char *const watch[] = {"files.drop.watch=/srv/x", "files.drop.stream=readings"};
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, sets, 2), 0);
    cr_assert_eq(config->files_count, 1);
    cr_assert_str_eq(config->files[0].done, "delete");
    cr_assert_str_eq(config->files[0].stream, "readings");
    cr_assert_str_eq(config->files[0].spool.items[0], "penstock-data/drop");
    config_free(&config);
    cr_assert_eq(config_load(&config, NULL, watch, 2), 0);
    cr_assert(config->files_count == 1 && config->files[0].spool.count == 0 && !config->drop);
    cr_assert_str_eq(config->files[0].done, "keep");
    config_free(&config);
}

Test(config_drop, drop_folder_gives_way)
{
    static const char *const sets[] = {
        "lake.enabled=false", "streams.unorganized.format=json", "streams.unorganized.key=header:X"};
    static const char *const elsewhere[] = {"lake.enabled=false", "streams.unorganized.topics=[A]"};
    struct config *config = config_harness_load("log: {level: warn}\n");

    cr_assert(config->files_count == 0 && !config->drop);
    config_free(&config);
    for (size_t i = 0; i < COUNT(sets); i++) {
        cr_assert_eq(config_load(&config, NULL, &sets[i], 1), 0);
        cr_assert(config->files_count == 0 && !config->drop, "%s", sets[i]);
        config_free(&config);
    }
    cr_assert_eq(config_load(&config, NULL, elsewhere, 2), 0);
    cr_assert(config->files_count == 1 && config->drop);
    config_free(&config);
}
