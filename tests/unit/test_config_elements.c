/* config: sections whose elements the user names: as a mapping, as a list, by --set, printed, and what is wrong with them */
#include <criterion/criterion.h>

#include <stdio.h>

#include "base/config_store.h"
#include "config_harness.h"

TestSuite(config_elements, .init = config_harness_enter, .fini = config_harness_leave);

#define NAMES \
    "url, filters, version, client_id, user, password_file, tls, keep_alive, session_expiry, window, batch, reconnect"

static const char two[] = "mqtt:\n"
                          "  subscribe:\n"
                          "    site:\n"
                          "      url: mqtt://broker:1883\n"
                          "      filters: [grid/#, \"$$share/g/a/+\"]\n"
                          "      version: 3.1.1\n"
                          "      reconnect: {least: 50ms}\n"
                          "    far-away:\n"
                          "      url: mqtts://broker\n"
                          "      tls: {ca: ca.crt}\n"
                          "  listen: []\n";

static void assert_two(const struct config *config, const char *first, const char *second)
{
    const struct config_subscription *site = &config->mqtt.subscribe[0];
    const struct config_subscription *far = &config->mqtt.subscribe[1];

    cr_assert_eq(config->mqtt.subscribe_count, 2);
    cr_assert_str_eq(site->name, first);
    cr_assert_str_eq(site->url, "mqtt://broker:1883");
    cr_assert_eq(site->filters.count, 2);
    cr_assert_str_eq(site->filters.items[1], "$share/g/a/+");
    cr_assert_str_eq(site->version, "3.1.1");
    cr_assert_eq(site->keep_alive, 60000000);
    cr_assert_eq(site->reconnect.least, 50000);
    cr_assert_eq(site->reconnect.most, 30000000);
    cr_assert_str_eq(far->name, second);
    cr_assert_str_eq(far->url, "mqtts://broker");
    cr_assert_eq(far->filters.count, 0);
    cr_assert_str_eq(far->version, "5");
    cr_assert_str_eq(far->tls.ca, "ca.crt");
    cr_assert_eq(far->window, 1000);
    cr_assert_eq(far->batch, 2000);
    cr_assert_eq(config->streams_count, 2);
    cr_assert_str_eq(config->streams[0].key, "/sensor_id");
}

Test(config_elements, none_without_a_configuration)
{
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.subscribe_count, 0);
    config_free(&config);
}

Test(config_elements, by_name)
{
    struct config *config = config_harness_load(two);

    config_harness_expect_none(config);
    assert_two(config, "site", "far-away");
    config_free(&config);
}

Test(config_elements, in_a_list)
{
    static const char *const files[] = {
        "mqtt:\n"
        "  subscribe:\n"
        "    - url: mqtt://broker:1883\n"
        "      filters: [grid/#, \"$$share/g/a/+\"]\n"
        "      version: 3.1.1\n"
        "      reconnect: {least: 50ms}\n"
        "    - {url: \"mqtts://broker\", tls: {ca: ca.crt}}\n",
        "mqtt: {subscribe: [{url: \"mqtt://broker:1883\", filters: [grid/#, $$share/g/a/+], version: 3.1.1, "
        "reconnect: {least: 50ms}}, {url: \"mqtts://broker\", tls: {ca: ca.crt}}], threads: 2}\nlog: {level: warn}\n",
    };

    for (size_t i = 0; i < COUNT(files); i++) {
        struct config *config = config_harness_load(files[i]);
        config_harness_expect_none(config);
        assert_two(config, "1", "2");
        cr_assert_eq(config->mqtt.threads, i + 1);
        cr_assert_str_eq(config->log.level, i ? "warn" : "info");
        config_free(&config);
    }
}

Test(config_elements, by_set)
{
    static const char *const sets[] = {"mqtt.subscribe.site.url=mqtt://broker:1883",
        "mqtt.subscribe.far-away.url=mqtts://broker", "mqtt.subscribe.site.filters=[grid/#, $$share/g/a/+]",
        "mqtt.subscribe.site.version=3.1.1", "mqtt.subscribe.site.reconnect.least=50ms",
        "mqtt.subscribe.far-away.tls.ca=ca.crt"};
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    assert_two(config, "site", "far-away");
    config_free(&config);

    config_harness_write("mqtt: {subscribe: [{url: \"mqtt://a\"}]}\n", 39);
    cr_assert_eq(config_load(&config, FILE_NAME, (const char *[]){"mqtt.subscribe.1.url=mqtt://b"}, 1), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.subscribe_count, 1);
    cr_assert_str_eq(config->mqtt.subscribe[0].url, "mqtt://b");
    config_free(&config);
}

Test(config_elements, with_nothing_in_it)
{
    static const char *const files[] = {
        "mqtt: {subscribe: }\n", "mqtt: {subscribe: {}}\n", "mqtt: {subscribe: []}\n"};
    struct config *config;

    for (size_t i = 0; i < COUNT(files); i++) {
        config = config_harness_load(files[i]);
        config_harness_expect_none(config);
        cr_assert_eq(config->mqtt.subscribe_count, 0);
        config_free(&config);
    }
    config = config_harness_load("mqtt:\n  subscribe:\n    a:\n    b: {}\n");
    config_harness_expect_none(config);
    cr_assert_eq(config->mqtt.subscribe_count, 2);
    config_report(config, &config->mqtt.subscribe[0], "x");
    config_report(config, &config->mqtt.subscribe[1].tls.key, "y");
    config_report(config, &config->mqtt.subscribe[1].filters, "z");
    config_harness_expect_errors(config, "p.yaml:3:7: mqtt.subscribe.a: x\n"
                                         "default of mqtt.subscribe.b.tls.key: y\n"
                                         "default of mqtt.subscribe.b.filters: z\n");
}

Test(config_elements, printed_among_their_section_and_read_again)
{
    static const char *const files[] = {
        "", two, "mqtt: {subscribe: [{url: \"mqtt://a\", filters: $$SYS/#}, {user: \"a: b\"}]}\n"};

    for (size_t i = 0; i < COUNT(files); i++) {
        struct config *config = config_harness_load(files[i]);
        struct error error;
        cleanup_bytes struct bytes text, again;
        bytes_init(&text, 65536);
        bytes_init(&again, 65536);
        cr_assert(config_print(config, &text, &error) == 0 && bytes_add(&text, "", 1, &error) == 0);
        size_t count = config->mqtt.subscribe_count;
        config_free(&config);
        config = config_harness_load(text.data);
        config_harness_expect_none(config);
        cr_assert_eq(config->mqtt.subscribe_count, count);
        cr_assert(config_print(config, &again, &error) == 0 && bytes_add(&again, "", 1, &error) == 0);
        /* but for the comments behind the values */
        const char *old = text.data, *new = again.data;
        for (; *old && *new; old += strcspn(old, "\n") + 1, new += strcspn(new, "\n") + 1)
            cr_assert(slice_equal(
                (struct slice){old, strcspn(old, "#\n")}, (struct slice){new, strcspn(new, "#\n")}));
        cr_assert(*old == '\0' && *new == '\0');
        config_free(&config);
    }
}

static const struct {
    const char *text;
    const char *errors;
} wrong[] = {
    {"mqtt: {subscribe: 7}\n", "p.yaml:1:19: mqtt.subscribe: found a value; allowed: a mapping from names of "
                               "subscriptions, or a list of them\n"},
    {"streams: [{key: /a}]\n",
        "p.yaml:1:10: streams: found a list; allowed: a mapping from names of streams\n"},
    {"mqtt: {subscribe: [7]}\n",
        "p.yaml:1:20: mqtt.subscribe.1: found a value; allowed: a mapping with " NAMES "\n"},
    {"mqtt: {subscribe: [{url: a}, [b], ~, {urll: c}]}\n",
        "p.yaml:1:30: mqtt.subscribe.2: found a list; allowed: a mapping with " NAMES "\n"
        "p.yaml:1:39: unknown option \"urll\"; allowed in mqtt.subscribe.4: " NAMES
        "; did you mean \"mqtt.subscribe.4.url\"?\n"},
    {"mqtt: {subscribe: {a/b: {url: x}}}\n",
        "p.yaml:1:20: mqtt.subscribe.a/b: found a subscription of this name; allowed: 1 to 64 of the characters "
        "A-Z a-z 0-9 _ -\n"},
    {"mqtt: {subscribe: {a: {url: x}, a: {url: y}}}\n",
        "p.yaml:1:33: mqtt.subscribe.a: found twice, first at line 1, column 20; allowed: once\n"},
    {"mqtt:\n  subscribe:\n    a: {version: 4}\n    b: {window: 0, keep_alive: 9s}\n",
        "p.yaml:3:18: mqtt.subscribe.a.version: found \"4\"; allowed: 3.1.1, 5\n"
        "p.yaml:4:17: mqtt.subscribe.b.window: found \"0\"; allowed: a number of messages from 1 to 65535\n"
        "p.yaml:4:32: mqtt.subscribe.b.keep_alive: found \"9s\"; allowed: a time from 10s to 18h\n"},
    {"mqtt: {subscribe: [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {},\n {url: a}]}\n",
        "p.yaml:2:2: mqtt.subscribe.17: found one subscription more; allowed: 16\n"},
    {"mqtt: {subscribe: [{url: a}, {url\n",
        "p.yaml:2:1: not YAML: did not find expected ',' or '}' (while parsing a flow mapping that began at line 1, "
        "column 30); put quotes around a value with { } [ ] or , in it\n"},
};

Test(config_elements, what_is_wrong_stands_at_its_place)
{
    for (size_t i = 0; i < COUNT(wrong); i++)
        config_harness_expect_errors(config_harness_load(wrong[i].text), wrong[i].errors);
}

Test(config_elements, what_is_wrong_in_a_set)
{
    static const struct {
        const char *set;
        const char *errors;
    } cases[] = {
        {"mqtt.subscribe=x", "--set mqtt.subscribe: found one value; allowed: a mapping from names of "
                             "subscriptions, or a list of them\n"},
        {"mqtt.subscribe.a=x",
            "--set mqtt.subscribe.a: found one value; allowed: a mapping with " NAMES "\n"},
        {"mqtt.subscribe..url=x",
            "--set mqtt.subscribe..url: found a subscription of this name; allowed: 1 to 64 of "
            "the characters A-Z a-z 0-9 _ -\n"},
        {"mqtt.subscribe.a.qos=2",
            "--set mqtt.subscribe.a.qos: unknown option \"qos\"; allowed in mqtt.subscribe.a: " NAMES "\n"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        config_harness_expect_errors(config_harness_load_set(cases[i].set), cases[i].errors);
}
