/* config: the value of a secret is in no message and in nothing that is printed, however it was written down */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/option.h"
#include "config_harness.h"

TestSuite(config_secrets, .init = config_harness_enter, .fini = config_harness_leave);

#define CANARY "hunter2" /* no message and no option has these letters */

/* Every one of them secret, in the forms that librdkafka knows and as a whole. */
static const char *const secrets[] = {"sasl.password", "ssl.key.password", "ssl.keystore.password",
    "ssl.key.pem", "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.assertion.private.key.pem", "sasl.oauthbearer.assertion.private.key.passphrase",
    "some.token", "password", "secret"};

static void assert_hidden(const struct bytes *text, const char *what)
{
    cr_assert_gt(text->length, 0, "%s", what);
    cr_assert_null(memmem(text->data, text->length, CANARY, strlen(CANARY)), "%s\n%.*s", what,
        (int)text->length, text->data);
}

/* There are errors, and none of them shows it. */
static void expect_hidden_errors(struct config *config, const char *what)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 1 << 20);
    cr_assert_gt(config_errors(config), 0, "%s", what);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    assert_hidden(&text, what);
    config_free(&config);
}

Test(config_secrets, what_is_secret)
{
    static const char *const open[] = {"bootstrap.servers", "sasl.username", "ssl.key.location",
        "ssl.certificate.pem", "ssl.ca.pem", "sasl.oauthbearer.token.endpoint.url", "linger.ms", ""};

    for (size_t i = 0; i < COUNT(secrets); i++)
        cr_assert(option_is_secret(slice_of(secrets[i])), "%s", secrets[i]);
    for (size_t i = 0; i < COUNT(open); i++)
        cr_assert(!option_is_secret(slice_of(open[i])), "%s", open[i]);
}

Test(config_secrets, names_are_shown_up_to_a_secret)
{
    static const struct {
        const char *name;
        const char *shown;
    } cases[] = {
        {"", ""},
        {"sasl.password", "sasl.password"},
        {"sasl.password:x", "sasl.password"},
        {"sasl.password=x", "sasl.password"},
        {"sasl.password x:y", "sasl.password"},
        {"a:b sasl.password:x", "a:b sasl.password"},
        {"linger.ms:5", "linger.ms:5"},
        {"streams.a/b", "streams.a/b"},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        cr_assert(slice_is(option_shown_name(slice_of(cases[i].name)), cases[i].shown), "%s", cases[i].name);
}

/* ---- messages ---------------------------------------------------------------------------------------------- */

/* %s: the name of a secret. */
static const char *const wrong_files[] = {
    "kafka: {properties: {%s: \"" CANARY "\\t\"}}\n",
    "kafka: {properties: {%s: \"" CANARY "\\0\"}}\n",
    "kafka: {properties: {%s: \"" CANARY "$\"}}\n",
    "kafka: {properties: {%s: \"$" CANARY "\"}}\n",
    "kafka: {properties: {%s: \"${" CANARY "\"}}\n",
    "kafka: {properties: {%s: \"x${" CANARY "}\"}}\n",
    "kafka: {properties: {%s: \"${" CANARY "}x\"}}\n",
    "kafka: {properties: {%s: \"$$${" CANARY "}\"}}\n",
    "kafka: {properties: {%s: \"${" CANARY " x}\"}}\n",
    "kafka: {properties: {%s: [" CANARY "]}}\n",
    "kafka: {properties: {%s: {" CANARY ": x}}}\n",
    "kafka: {properties: {%s: !" CANARY " x}}\n",
    "kafka: {properties: {%s: *" CANARY "}}\n",
    "kafka: {properties: {%s: @" CANARY "}}\n",
    "kafka: {properties: {%s: \"" CANARY "}}\n",
    "kafka: {properties: {%s: " CANARY ": x}}\n",
    "kafka: {properties: {%s: " CANARY "]}}\n",
    "kafka:\n  properties:\n    %s: " CANARY ": x\n",
    "kafka:\n  properties:\n    %s: " CANARY "\n    %s: " CANARY "\n",
    /* No blank behind the colon makes all of it a name, or a text. */
    "kafka: {properties: {%s:" CANARY "}}\n",
    "kafka: {properties: {%s:" CANARY ", %s:" CANARY "}}\n",
    "kafka: {properties: {%s=" CANARY "}}\n",
    "kafka: {properties: {? \"%s: " CANARY "\" : x}}\n",
    "kafka:\n  properties:\n    %s:" CANARY "\n",
    "kafka:\n  properties: {%s " CANARY "}\n",
    /* At the wrong place. */
    "kafka: {%s: " CANARY "}\n",
    "kafka: {%s:" CANARY "}\n",
    "kafka: {properties.%s: " CANARY "}\n",
    "kafka: {properties.%s:" CANARY "}\n",
    "{%s:" CANARY "}\n",
    "kafka: " CANARY "\n",
    "kafka: {properties: " CANARY "}\n",
    "kafka: {max_topics: {%s: " CANARY "}}\n",
    "streams: {%s:" CANARY ": {}}\n",
    "streams: {a: {%s:" CANARY "}}\n",
    /* The secret where its file belongs. */
    "kafka: {files: {%s: \"-----BEGIN\\n" CANARY "\"}}\n",
    "kafka: {files: {%s: \"x${" CANARY "}\"}}\n",
    "kafka: {files: {%s: {" CANARY ": x}}}\n",
    "kafka: {files: {%s:" CANARY "}}\n",
};

/* The name of a secret in the place of each %s. */
static void fill(struct bytes *text, const char *pattern, const char *secret)
{
    struct error error;

    bytes_clear(text);
    for (const char *next = pattern; *next; next++) {
        bool here = next[0] == '%' && next[1] == 's';
        cr_assert_eq(bytes_add(text, here ? secret : next, here ? strlen(secret) : 1, &error), 0);
        next += here;
    }
    cr_assert_eq(bytes_add(text, "", 1, &error), 0);
}

Test(config_secrets, no_error_of_a_file_shows_one)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, 4096);
    for (size_t i = 0; i < COUNT(wrong_files); i++)
        for (size_t j = 0; j < COUNT(secrets); j++) {
            fill(&text, wrong_files[i], secrets[j]);
            expect_hidden_errors(config_harness_load(text.data), text.data);
        }
}

static const char *const wrong_sets[] = {
    "kafka.properties.%s:" CANARY,
    "kafka.properties.%s " CANARY,
    "kafka.properties.%s=" CANARY "\t",
    "kafka.properties.%s=" CANARY "\xff",
    "kafka.properties.%s=$" CANARY,
    "kafka.properties.%s=x${" CANARY "}",
    "kafka.properties.%s:" CANARY "=x",
    "kafka.properties.%s =" CANARY,
    "kafka.properties.X%s=" CANARY,
    "kafka.properties={%s:" CANARY "}",
    "kafka.properties={%s: " CANARY,
    "kafka.properties={%s: [" CANARY "]}",
    "kafka.properties={%s: \"" CANARY "\\t\"}",
    "kafka.properties=" CANARY,
    "kafka.propertis.%s=" CANARY,
    "kafka.%s=" CANARY,
    "kafka.%s:" CANARY,
    "kafka.%s:" CANARY "=x",
    "kafka.max_topics.%s=" CANARY,
    "kafka=" CANARY,
    "%s=" CANARY,
    "%s:" CANARY,
    "%s:" CANARY "=x",
    "kafka.files.%s=x${" CANARY "}",
    "kafka.files.%s=" CANARY "\n",
};

Test(config_secrets, no_error_of_a_set_shows_one)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, 4096);
    for (size_t i = 0; i < COUNT(wrong_sets); i++)
        for (size_t j = 0; j < COUNT(secrets); j++) {
            fill(&text, wrong_sets[i], secrets[j]);
            expect_hidden_errors(config_harness_load_set(text.data), text.data);
        }
}

/* The environment has it, and it is too long, or has a byte that no text has. */
Test(config_secrets, no_error_of_the_environment_shows_one)
{
    static char value[OPTION_LINES_MAX + 2];

    memset(value, 'a', sizeof value - 1);
    memcpy(value, CANARY, strlen(CANARY));
    setenv("TEST_SECRET", value, 1);
    expect_hidden_errors(
        config_harness_load("kafka: {properties: {sasl.password: \"${TEST_SECRET}\"}}\n"), "long");
    expect_hidden_errors(config_harness_load_set("kafka.properties.sasl.password=${TEST_SECRET}"), "long");
    setenv("TEST_SECRET", CANARY "\r", 1);
    expect_hidden_errors(
        config_harness_load("kafka: {properties: {sasl.password: \"${TEST_SECRET}\"}}\n"), "bad");
    expect_hidden_errors(config_harness_load_set("kafka.properties.sasl.password=x${TEST_SECRET}"), "bad");
}

Test(config_secrets, what_is_wrong_is_said_all_the_same)
{
    static const struct {
        const char *text;
        const char *errors;
    } cases[] = {
        {"kafka: {properties: {sasl.password: \"a\\tb\"}}\n",
            "p.yaml:1:37: kafka.properties.sasl.password: found a text that is not shown here; allowed: up to 64 of "
            "PROPERTY: its value\n"},
        {"kafka: {files: {ssl.key.pem: \"a\\nb\"}}\n",
            "p.yaml:1:30: kafka.files.ssl.key.pem: found a text that is not shown here; allowed: up to 64 of PROPERTY: a "
            "file\n"},
        {"kafka: {properties: {sasl.password: \"${TEST_NO_SUCH}\"}}\n",
            "p.yaml:1:37: kafka.properties.sasl.password: found ${TEST_NO_SUCH}, but there is no environment variable "
            "TEST_NO_SUCH\n"},
        {"kafka: {properties: {sasl.password: \"a${TEST_NO_SUCH}\"}}\n",
            "p.yaml:1:37: kafka.properties.sasl.password: found a ${NAME} in it, but there is no environment variable of "
            "that name; allowed: ${NAME} for an environment variable, $$ for a $\n"},
        {"kafka: {properties: {sasl.password:x}}\n",
            "p.yaml:1:22: kafka.properties.sasl.password: found a property of this name; allowed: 1 to 128 of the "
            "characters a-z 0-9 . _ -\n"},
    };

    unsetenv("TEST_NO_SUCH");
    for (size_t i = 0; i < COUNT(cases); i++)
        config_harness_expect_errors(config_harness_load(cases[i].text), cases[i].errors);
}

/* ---- printing ---------------------------------------------------------------------------------------------- */

Test(config_secrets, none_is_printed)
{
    static const char *const sets[] = {"kafka.properties.some.token=" CANARY};
    struct error error;
    struct config *config;
    struct config *again;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    setenv("TEST_SECRET", CANARY, 1);
    cr_assert_eq(bytes_add_text(&text, "kafka:\n  properties:\n", &error), 0);
    for (size_t i = 0; i < COUNT(secrets) - 3; i++)
        cr_assert_eq(
            bytes_print(&text, &error, "    %s: \"%s\"\n", secrets[i], i ? "a\\n" CANARY : "${TEST_SECRET}"),
            0);
    cr_assert_eq(bytes_add_text(&text, "  files: {ssl.key.pem: /etc/key}\n", &error), 0);
    config_harness_write(text.data, text.length);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    cr_assert_str_eq(config->kafka.properties.items[0].value, CANARY);
    cr_assert_str_eq(config->kafka.properties.items[3].value, "a\n" CANARY);

    bytes_clear(&text);
    cr_assert_eq(config_print(config, &text, &error), 0);
    assert_hidden(&text, "printed");
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert(strstr(
        text.data, "\n    sasl.password: \"(secret)\"           # p.yaml:3, environment TEST_SECRET\n"));
    cr_assert(strstr(text.data, "\n    ssl.key.pem: \"(secret)\"             # p.yaml:6\n"));
    cr_assert(strstr(text.data, "\n    some.token: \"(secret)\"              # --set\n"));
    cr_assert(strstr(text.data, "\n    ssl.key.pem: \"/etc/key\"             # p.yaml:11\n"));

    again = config_harness_load(text.data);
    config_harness_expect_none(again);
    cr_assert_eq(again->kafka.properties.count, config->kafka.properties.count);
    cr_assert_str_eq(again->kafka.properties.items[0].value, "(secret)");
    config_free(&again);
    config_free(&config);
}

/* A label or a header with such a name is no secret: its value says where to look. */
Test(config_secrets, labels_and_headers_hide_nothing)
{
    struct config *config =
        config_harness_load("streams: {a: {labels: {password: /password}, headers: {X-secret: password}}}\n");
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    config_harness_expect_none(config);
    cr_assert_eq(config_print(config, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert(strstr(text.data, "      password: \"/password\" "));
    cr_assert(strstr(text.data, "      X-secret: \"password\" "));
    config_free(&config);
}
