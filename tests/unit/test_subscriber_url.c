/* subscriber_url: where a broker is, topic filters; and what of it a configuration reports */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_harness.h"
#include "source/source.h"
#include "source/subscriber_url.h"

TestSuite(subscriber_url, .init = config_harness_enter, .fini = config_harness_leave);

Test(subscriber_url, what_is_right)
{
    static const struct {
        const char *text;
        bool tls;
        const char *host;
        unsigned port;
        const char *printed;
    } cases[] = {
        {"mqtt://broker", false, "broker", 1883, "mqtt://broker:1883"},
        {"mqtts://broker", true, "broker", 8883, "mqtts://broker:8883"},
        {"mqtt://broker/", false, "broker", 1883, "mqtt://broker:1883"},
        {"mqtt://127.0.0.1:1", false, "127.0.0.1", 1, "mqtt://127.0.0.1:1"},
        {"mqtts://a-b.c_d.example:65535/", true, "a-b.c_d.example", 65535, "mqtts://a-b.c_d.example:65535"},
        {"mqtt://[::1]", false, "::1", 1883, "mqtt://[::1]:1883"},
        {"mqtt://[fe80::1%eth0]:18", false, "fe80::1%eth0", 18, "mqtt://[fe80::1%eth0]:18"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct subscriber_url url;
        struct error error;
        cleanup_bytes struct bytes text;
        bytes_init(&text, 1024);
        cr_assert_eq(subscriber_url_parse(slice_of(cases[i].text), &url, &error), 0, "%s", cases[i].text);
        cr_assert_eq(url.tls, cases[i].tls);
        cr_assert_str_eq(url.host, cases[i].host);
        cr_assert_eq(url.port, cases[i].port);
        cr_assert_eq(subscriber_url_print(&url, &text, &error), 0);
        cr_assert(slice_is(bytes_slice(&text), cases[i].printed), "%.*s", (int)text.length, text.data);
    }
}

#define URL_ALLOWED "; allowed: mqtt://HOST, mqtts://HOST, with :PORT where it is another than 1883 or 8883"
#define PORT_WRONG "found a port that is no number from 1 to 65535" URL_ALLOWED

Test(subscriber_url, what_is_wrong)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "found nothing" URL_ALLOWED},
        {"broker:1883", "found another scheme, or none" URL_ALLOWED},
        {"tcp://broker", "found another scheme, or none" URL_ALLOWED},
        {"MQTT://broker", "found another scheme, or none" URL_ALLOWED},
        {"mqtt://", "found no host" URL_ALLOWED},
        {"mqtt:///", "found no host" URL_ALLOWED},
        {"mqtt://:1883", "found no host" URL_ALLOWED},
        {"mqtt://[]:1", "found no host" URL_ALLOWED},
        {"mqtt://[::1", "found a [ without its ]" URL_ALLOWED},
        {"mqtt://a b", "found a host that cannot be one" URL_ALLOWED},
        {"mqtt://a/b", "found a host that cannot be one" URL_ALLOWED},
        {"mqtt://[::1]x", "found something else behind the host" URL_ALLOWED},
        {"mqtt://a:", PORT_WRONG},
        {"mqtt://a:0", PORT_WRONG},
        {"mqtt://a:65536", PORT_WRONG},
        {"mqtt://a:123456", PORT_WRONG},
        {"mqtt://a:1x", PORT_WRONG},
        {"mqtt://me:hunter2@broker",
            "found a user or password in it (there is an @), which every log would show; allowed: user and "
            "password_file beside it"},
    };
    char longest[300] = "mqtt://";
    struct subscriber_url url = {.port = 7};
    struct error error;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert_eq(subscriber_url_parse(slice_of(cases[i].text), &url, &error), -1, "%s", cases[i].text);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, cases[i].error);
        cr_assert_eq(url.port, 7);
    }
    memset(longest + 7, 'a', SUBSCRIBER_HOST_MAX);
    cr_assert_eq(subscriber_url_parse(slice_of(longest), &url, &error), 0);
    longest[7 + SUBSCRIBER_HOST_MAX] = 'a';
    cr_assert_eq(subscriber_url_parse(slice_of(longest), &url, &error), -1);
}

Test(subscriber_url, no_room_to_print)
{
    struct subscriber_url url;
    struct error error;

    cr_assert_eq(subscriber_url_parse(slice_of("mqtt://a:2"), &url, &error), 0);
    for (size_t limit = 0; limit < strlen("mqtt://a:2"); limit++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, limit);
        cr_assert_eq(subscriber_url_print(&url, &text, &error), -1);
    }
}

Test(subscriber_url, filters)
{
    static const char *const right[] = {"a", "/", "a/b", "#", "+", "a/#", "+/+/#", "/+", "a//b", "$SYS/#",
        "$share/g/a/+/#", "$share/g//", "$share/$g/#", "$shared/a", "\xc3\xa4/+"};
    static const struct {
        const char *text;
        const char *error;
    } wrong[] = {
        {"", "found nothing; allowed: a topic filter like grid/# or +/wattage"},
        {"a#", "found a # behind a character; allowed: alone in its level"},
        {"a+/b", "found a + behind a character; allowed: alone in its level"},
        {"+a", "found a + in front of a character; allowed: alone in its level"},
        {"#/a", "found a # in front of a character; allowed: at the end"},
        {"$share/g/", "found nothing; allowed: a topic filter like grid/# or +/wattage"},
#define SHARE_WRONG \
    "found no group, no filter, or a wildcard in the group; allowed behind $share: /GROUP/FILTER"
        {"$share/", SHARE_WRONG},
        {"$share/g", SHARE_WRONG},
        {"$share//a", SHARE_WRONG},
        {"$share/+/a", SHARE_WRONG},
        {"$share/#/a", SHARE_WRONG},
        {"$share/g/a#", "found a # behind a character; allowed: alone in its level"},
    };
    struct error error;
    char *large = malloc(65537);

    for (size_t i = 0; i < COUNT(right); i++)
        cr_assert_eq(subscriber_filter_check(slice_of(right[i]), &error), 0, "%s: %s", right[i], error.text);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        cr_assert_eq(subscriber_filter_check(slice_of(wrong[i].text), &error), -1, "%s", wrong[i].text);
        cr_assert_str_eq(error.text, wrong[i].error);
    }
    memset(large, 'a', 65537);
    cr_assert_eq(subscriber_filter_check((struct slice){large, 65535}, &error), 0);
    cr_assert_eq(subscriber_filter_check((struct slice){large, 65536}, &error), -1);
    cr_assert_str_eq(error.text, "found 65536 bytes; allowed: at most 65535");
    free(large);
}

/* ---- the configuration -------------------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(name, "we");

    cr_assert(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(name, mode), 0);
}

Test(subscriber_url, a_right_configuration)
{
    struct config *config;

    write_file("secret", "hunter2\n", 0600);
    write_file("public", "x\n", 0644);
    config = config_harness_load("mqtt:\n"
                                 "  subscribe:\n"
                                 "    a: {url: \"mqtt://b\", filters: a/#, user: me, password_file: secret}\n"
                                 "    b: {url: \"mqtt://b\", filters: [a/#, \"$$share/g/a/#\"]}\n"
                                 "    c: {url: \"mqtts://b\", filters: a, client_id: same, "
                                 "tls: {ca: public, certificate: public, key: secret}}\n"
                                 "    d: {url: \"mqtts://c\", filters: a, client_id: same}\n");
    source_subscriber.check(config);
    config_harness_expect_none(config);
    config_free(&config);
    unlink("secret");
    unlink("public");
}

Test(subscriber_url, a_wrong_configuration)
{
    struct config *config;

    write_file("secret", "hunter2", 0604);
    config = config_harness_load(
        "mqtt:\n"
        "  subscribe:\n"
        "    a:\n"
        "    b: {url: \"mqtt://me:hunter2@b\", filters: [a, a#, a]}\n"
        "    c: {url: \"mqtt://c\", filters: a, password_file: secret, tls: {ca: absent}}\n"
        "    d: {url: \"mqtts://d\", filters: a, client_id: e, tls: {key: absent}}\n"
        "    e: {url: \"mqtts://d\", filters: a, client_id: e, tls: {certificate: /}}\n"
        "    f: {url: \"mqtt://f\", filters: a, reconnect: {least: 10s, most: 9s}}\n"
        "    g: {url: \"mqtt://g\", filters: a, tls: {certificate: absent}}\n"
        "    h: {url: \"mqtt://h\", filters: a, tls: {key: absent}}\n"
        "    i: {url: \"mqtt://i\", filters: a, user: u, password_file: absent}\n");
    source_subscriber.check(config);
    config_harness_expect_errors(config,
        "p.yaml:3:7: mqtt.subscribe.a: has no url; allowed: mqtt://HOST:PORT, mqtts://HOST:PORT\n"
        "p.yaml:3:7: mqtt.subscribe.a: has no filters; allowed: 1 to 16 topic filters\n"
        "p.yaml:4:14: mqtt.subscribe.b.url: found a user or password in it (there is an @), which every log would "
        "show; allowed: user and password_file beside it\n"
        "p.yaml:4:50: mqtt.subscribe.b.filters: found a # behind a character; allowed: alone in its level\n"
        "p.yaml:4:54: mqtt.subscribe.b.filters: found a twice; allowed: once\n"
        "p.yaml:5:53: mqtt.subscribe.c.password_file: secret holds a secret, but its mode is 0604: chmod 600 it\n"
        "p.yaml:5:53: mqtt.subscribe.c.password_file: found a password without a user; allowed: both, or none\n"
        "p.yaml:5:71: mqtt.subscribe.c.tls.ca: found a file for TLS, but the url begins with mqtt://; allowed: "
        "mqtts:// there, or nothing here\n"
        "p.yaml:5:71: mqtt.subscribe.c.tls.ca: absent: No such file or directory\n"
        "p.yaml:6:64: mqtt.subscribe.d.tls.key: absent: No such file or directory\n"
        "p.yaml:6:64: mqtt.subscribe.d.tls.key: found a key without tls.certificate; allowed: both, or none\n"
        "p.yaml:7:50: mqtt.subscribe.e.client_id: found e, which mqtt.subscribe.d has at this broker, too; allowed: "
        "a client id of its own\n"
        "p.yaml:7:72: mqtt.subscribe.e.tls.certificate: found a certificate without tls.key; allowed: both, or none\n"
        "p.yaml:8:57: mqtt.subscribe.f.reconnect.least: found more than reconnect.most; allowed: at most that\n"
        "p.yaml:9:57: mqtt.subscribe.g.tls.certificate: found a file for TLS, but the url begins with mqtt://; "
        "allowed: mqtts:// there, or nothing here\n"
        "p.yaml:9:57: mqtt.subscribe.g.tls.certificate: absent: No such file or directory\n"
        "p.yaml:9:57: mqtt.subscribe.g.tls.certificate: found a certificate without tls.key; allowed: both, or none\n"
        "p.yaml:10:49: mqtt.subscribe.h.tls.key: found a file for TLS, but the url begins with mqtt://; allowed: "
        "mqtts:// there, or nothing here\n"
        "p.yaml:10:49: mqtt.subscribe.h.tls.key: absent: No such file or directory\n"
        "p.yaml:10:49: mqtt.subscribe.h.tls.key: found a key without tls.certificate; allowed: both, or none\n"
        "p.yaml:11:62: mqtt.subscribe.i.password_file: absent: No such file or directory\n");
    unlink("secret");
}

Test(subscriber_url, a_client_id_that_is_too_long)
{
    char set[300] = "mqtt.subscribe.a.client_id=";
    const char *sets[] = {"mqtt.subscribe.a.url=mqtt://a", "mqtt.subscribe.a.filters=a", set};
    struct config *config;

    memset(set + strlen(set), 'a', 257);
    cr_assert_eq(config_load(&config, NULL, sets, COUNT(sets)), 0);
    source_subscriber.check(config);
    config_harness_expect_errors(
        config, "--set mqtt.subscribe.a.client_id: found 257 bytes; allowed: at most 256\n");
}
