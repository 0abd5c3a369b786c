/* template: what a path may be, and what a record makes of it */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/fnv.h"
#include "route/route.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})
#define COUNT(array) (sizeof array / sizeof *array)

static const char *const labels[] = {"host", "event_type"};

/* 2026-02-03T04:05:06.789Z, day 34 of the year */
#define MOMENT INT64_C(1770091506789000)

/* ---- compiling -------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    const char *error; /* part of it */
} wrong[] = {
    {"", "a directory without a name: empty, or a slash too many"},
    {"/a", "a slash too many"},
    {"a/", "a slash too many"},
    {"a//b", "a slash too many"},
    {"a/{key}/", "a slash too many"},
    {".", "'.': a directory that starts with '.' or '_' is skipped by readers"},
    {"a/../b", "'..': a directory that starts"},
    {"a/.hidden{key}", "'.hidden': a directory that starts"},
    {"_logs/{key}", "'_logs': a directory that starts"},
    {"a\tb", "control character or no UTF-8 at byte 1"},
    {"a\x7f", "control character or no UTF-8 at byte 1"},
    {"ab\xff", "control character or no UTF-8 at byte 2"},
    {"a/{key", "'{key': a brace without the other one"},
    {"a/key}", "'}': a brace without the other one"},
    {"{nope}",
        "{nope} is not known; allowed are {stream}, {key}, {time:FORMAT}, {time_source}, {schema_result}, {host}, {event_type}"},
    {"{{key}}", "{{key} is not known"},
    {"{}", "{} is not known"},
    {"{time}", "{time} is not known; allowed are"},
    {"{time:}", "{time:}: a format is needed"},
    {"{time:%Y-%q}", "{time:%Y-%q}: allowed are %Y %m %d %H %M %S %j %s"},
    {"{time:%Y%}", "{time:%Y%}: allowed are"},
    {"{time:%Y/%m}", "a slash cannot stand in a time; write {time:%Y}/{time:%m}"},
    {"{time:%s%s%s%s%s%s%s%s%s%s%s%s%s}", "a format is needed that gives 1 to 256 bytes"},
    {"{key:}", "{key:}: a width is written as in {key:02}"},
    {"{key:0}", "{key:0}: a width is written"},
    {"{key:2}", "{key:2}: a width is written"},
    {"{key:00}", "{key:00}: a width is written"},
    {"{key:021}", "{key:021}: a width is written as in {key:02}: that many characters, 1 to 20"},
    {"{key:0020}", "{key:0020}: a width"},
    {"{key:0x}", "{key:0x}: a width"},
    {"{key:002}", "{key:002}: a width"},
    {"{host:-2}", "{host:-2}: a width"},
    {"{stream:02}", "{stream:02} is not known"},
    {"{keys:02}", "{keys:02} is not known"},
    {"a/b/c/d/e/f/g/h/i/j/k/l/m", "13 directories, at most 12"},
};

Test(template, compile_says_what_is_wrong)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct template *template = NULL;
        struct error error = {.text = ""};

        cr_assert_eq(
            template_compile(&template, wrong[i].text, labels, 2, &error), -1, "'%s'", wrong[i].text);
        cr_assert_null(template);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(strncmp(error.text, "path template", 13), 0, "%s", error.text);
        cr_assert_not_null(strstr(error.text, wrong[i].error), "'%s': %s", wrong[i].text, error.text);
    }
}

Test(template, compile_without_labels_names_the_fixed_fields)
{
    struct template *template = NULL;
    struct error error;

    cr_assert_eq(template_compile(&template, "{host}", NULL, 0, &error), -1);
    cr_assert_str_eq(error.text,
        "path template '{host}': {host} is not known; "
        "allowed are {stream}, {key}, {time:FORMAT}, {time_source}, {schema_result}");
}

Test(template, compile_limits_the_length)
{
    char text[TEMPLATE_LENGTH_MAX + 2];
    struct template *template;
    struct error error;

    memset(text, 'a', sizeof text);
    text[TEMPLATE_LENGTH_MAX + 1] = '\0';
    cr_assert_eq(template_compile(&template, text, NULL, 0, &error), -1);
    cr_assert_str_eq(error.text, "path template: 1025 bytes, at most 1024");
    text[TEMPLATE_LENGTH_MAX] = '\0';
    cr_assert_eq(template_compile(&template, text, NULL, 0, &error), 0);
    template_free(&template);
    cr_assert_null(template);
    template_free(&template);
}

/* ---- rendering -------------------------------------------------------------------------------------------- */

static void expect(const char *text, const struct record *record, const char *path)
{
    struct template *template;
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 8192);
    cr_assert_eq(template_compile(&template, text, labels, 2, &error), 0, "%s", error.text);
    cr_assert_eq(bytes_add_text(&out, ">", &error), 0); /* render appends */
    cr_assert_eq(template_render(template, "readings", record, &out, &error), 0, "%s", error.text);
    cr_assert_eq(out.data[0], '>');
    cr_assert_eq(out.length, strlen(path) + 1, "%s: %.*s", text, (int)out.length, out.data);
    cr_assert_eq(memcmp(out.data + 1, path, strlen(path)), 0, "%s: %.*s", text, (int)out.length, out.data);
    template_free(&template);
}

static struct record sample(void)
{
    return (struct record){
        .received = MOMENT,
        .key = SLICE("SENSOR_1"),
        .labels = {SLICE("user1.comcast.com"), SLICE("buy")},
        .labels_count = 2,
    };
}

static const struct {
    const char *text;
    const char *path;
} good[] = {
    {"plain", "plain"},
    {"grid-wattage/sensor{key}/dt={time:%Y-%m-%d}", "grid-wattage/sensorSENSOR_1/dt=2026-02-03"},
    {"{stream}/{host}/{event_type}", "readings/user1.comcast.com/buy"},
    {"{key}{key}", "SENSOR_1SENSOR_1"},
    {"{event_type:05}.{host:03}.{key:010}", "00buy.user1.comcast.com.00SENSOR_1"},
    {"{time:%H}h{time:%M-%S}", "04h05-06"},
    {"{time:%H:%M}", "04%3A05"},
    {"{time:%j}/{time:%s}", "034/1770091506"},
    {"{time:day}", "day"},
    {"a_b.c/x=%~", "a_b.c/x=%~"},
    {"{time_source}", "received"},
    {"\xc3\xbc{key}", "\xc3\xbcSENSOR_1"},
};

Test(template, renders_fields)
{
    struct record record = sample();

    for (size_t i = 0; i < COUNT(good); i++)
        expect(good[i].text, &record, good[i].path);
}

static const struct {
    struct slice key;
    const char *text;
    const char *path;
} values[] = {
    {SLICE("a/b"), "{key}", "a%2Fb"},
    {SLICE("1"), "sensor{key:02}", "sensor01"},
    {SLICE("12"), "{key:02}", "12"},
    {SLICE("123"), "{key:02}", "123"},
    {SLICE("7"), "{key:020}/{key:01}", "00000000000000000007/7"},
    {SLICE("-5"), "{key:03}", "-05"},
    {SLICE("+5"), "a{key:03}", "a%2B05"},
    {SLICE("\xc3\xbc"), "{key:03}", "00\xc3\xbc"},
    {SLICE(""), "a{key:03}", "a__HIVE_DEFAULT_PARTITION__"},
    {SLICE(".."), "{key}", "%2E."},
    {SLICE("."), "a/{key}/b", "a/%2E/b"},
    {SLICE("_x._"), "{key}", "%5Fx._"},
    {SLICE("_x"), "k={key}", "k=_x"},
    {SLICE(".x"), "{key}{key}", "%2Ex.x"},
    {SLICE("\"#%'*/:=?\\{[]^~"), "v{key}", "v%22%23%25%27%2A%2F%3A%3D%3F%5C%7B%5B%5D%5E%7E"},
    {SLICE("\x01\x1f\x7f\n\0"), "{key}", "%01%1F%7F%0A%00"},
    {SLICE("a b}+-,;@!$&()|<>`"), "{key}", "a b}%2B-,;@!$&()|<>`"},
    {SLICE("gr\xc3\xbc\xc3\x9f"), "{key}", "gr\xc3\xbc\xc3\x9f"},
    {SLICE(""), "k={key}", "k=__HIVE_DEFAULT_PARTITION__"},
    {SLICE(""), "{key}/x", "%5F_HIVE_DEFAULT_PARTITION__/x"},
};

Test(template, escapes_values_as_hive_does)
{
    for (size_t i = 0; i < COUNT(values); i++) {
        struct record record = {.key = values[i].key};
        expect(values[i].text, &record, values[i].path);
    }
}

Test(template, label_that_a_record_lacks_is_empty)
{
    struct record record = sample();

    record.labels_count = 1;
    expect("{host}-{event_type}", &record, "user1.comcast.com-__HIVE_DEFAULT_PARTITION__");
}

Test(template, time_is_the_one_that_counts)
{
    struct record record = sample();

    record.event = MOMENT - INT64_C(86400000000);
    expect("{time:%d}-{time_source}", &record, "03-received");
    record.flags = RECORD_TIME_OUTSIDE;
    expect("{time:%d}-{time_source}", &record, "03-outside");
    record.flags = RECORD_EVENT_TIME;
    expect("{time:%d}-{time_source}", &record, "02-event");
}

Test(template, what_a_schema_let_pass_is_marked)
{
    struct record record = sample();

    expect("{schema_result}", &record, "ok");
    record.flags = RECORD_SCHEMA_INVALID;
    expect("{schema_result}", &record, "invalid");
}

static const struct {
    int64_t moment;
    const char *path;
} moments[] = {
    {0, "t1970-01-01 00.00.00 001 0"},
    {-1, "t1969-12-31 23.59.59 365 -1"},
    {-1000000, "t1969-12-31 23.59.59 365 -1"},
    {INT64_C(1709251199999999), "t2024-02-29 23.59.59 060 1709251199"},
    {INT64_C(-62135596800000000), "t0001-01-01 00.00.00 001 -62135596800"},
    {INT64_C(-62198755200000000), "t-0001-01-01 00.00.00 001 -62198755200"},
    {INT64_MAX, "t294247-01-10 04.00.54 010 9223372036854"},
};

Test(template, time_is_right_before_1970_and_far_away)
{
    for (size_t i = 0; i < COUNT(moments); i++) {
        struct record record = {.received = moments[i].moment};
        expect("t{time:%Y-%m-%d %H.%M.%S %j %s}", &record, moments[i].path);
    }
}

/* ---- names that are too long ------------------------------------------------------------------------------- */

/* Gives back what stands between the slashes. */
static size_t render_component(const char *text, struct slice key, char *component, size_t size)
{
    struct record record = {.key = key};
    struct template *template;
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 8192);
    cr_assert_eq(template_compile(&template, text, NULL, 0, &error), 0);
    cr_assert_eq(template_render(template, "s", &record, &out, &error), 0);
    template_free(&template);
    cr_assert_eq(memcmp(out.data, "a/", 2), 0);
    cr_assert_eq(memcmp(out.data + out.length - 2, "/b", 2), 0);
    size_t length = out.length - 4;
    cr_assert_lt(length, size);
    memcpy(component, out.data + 2, length);
    component[length] = '\0';
    return length;
}

static size_t render_long(struct slice key, char *component, size_t size)
{
    return render_component("a/{key}{key}/b", key, component, size);
}

Test(template, longest_name_stays_whole)
{
    char key[127], component[512];

    memset(key, 'k', sizeof key);
    cr_assert_eq(render_long((struct slice){key, 127}, component, sizeof component), 254);
    cr_assert_null(strchr(component, '~'));
}

Test(template, longer_name_is_cut_and_marked)
{
    char key[128], component[512];

    memset(key, 'k', sizeof key);
    cr_assert_eq(render_long((struct slice){key, 128}, component, sizeof component), 255);
    cr_assert_eq(strspn(component, "k"), 222);
    /* SHA-256 of 256 times 'k' */
    cr_assert_str_eq(component + 222, "~ce16fe78208a4e93f7158e62393680e0");
    char other[512];
    key[127] = 'l';
    cr_assert_eq(render_long((struct slice){key, 128}, other, sizeof other), 255);
    cr_assert_str_neq(component, other);
}

/* Somebody who looks for two keys with one mark finds them for a short hash: these have the same FNV-1a, and so has all that begins with them. */
Test(template, keys_that_were_made_to_collide_do_not)
{
    char key[2][256], component[2][512];

    for (size_t i = 0; i < 2; i++) {
        memset(key[i], 'k', sizeof key[i]);
        memcpy(key[i], i ? "GReLUrM4wMqfg9yzV3KQ" : "8yn0iYCKYHlIj4-BwPqk", 20);
        cr_assert_eq(
            render_component("a/{key}/b", (struct slice){key[i], sizeof key[i]}, component[i], 512), 255);
    }
    cr_assert_eq(fnv_add(FNV_EMPTY, key[0], sizeof key[0]), fnv_add(FNV_EMPTY, key[1], sizeof key[1]));
    cr_assert_str_neq(strchr(component[0], '~'), strchr(component[1], '~'));
}

Test(template, cut_keeps_characters_and_escapes_whole)
{
    char key[256], component[2048];

    /* Byte 222 falls inside each of the forms, whatever stands in front. */
    for (size_t shift = 0; shift < 4; shift++) {
        memset(key, 'k', sizeof key);
        for (size_t i = shift; i + 4 <= sizeof key; i += 4)
            memcpy(key + i, "\xf0\x9f\x98\x80", 4);
        cr_assert_leq(render_long((struct slice){key, sizeof key - 4}, component, sizeof component), 255);
        char *mark = strchr(component, '~');
        cr_assert_eq(strlen(mark), 33);
        cr_assert_eq((mark - component - (ptrdiff_t)shift) % 4, 0, "cut at %td", mark - component);
    }
    for (size_t shift = 0; shift < 3; shift++) {
        memset(key, 'k', shift);
        memset(key + shift, '%', sizeof key - shift);
        cr_assert_leq(render_long((struct slice){key, sizeof key}, component, sizeof component), 255);
        char *mark = strchr(component, '~');
        cr_assert_eq(strlen(mark), 33);
        cr_assert_eq((mark - component - (ptrdiff_t)shift) % 3, 0, "cut at %td", mark - component);
    }
}

Test(template, longest_path_is_bounded)
{
    char key[RECORD_KEY_MAX];
    struct record record = {.key = {key, sizeof key}};
    struct template *template;
    struct error error;
    cleanup_bytes struct bytes out;

    memset(key, '%', sizeof key);
    bytes_init(&out, 64 * 1024);
    cr_assert_eq(
        template_compile(&template, "{key}/{key}/{key}/{key}/{key}/{key}/{key}/{key}/{key}/{key}/{key}/{key}",
            NULL, 0, &error),
        0);
    cr_assert_eq(template_render(template, "s", &record, &out, &error), 0);
    cr_assert_leq(out.length, TEMPLATE_COMPONENTS_MAX * (TEMPLATE_COMPONENT_MAX + 1) - 1);
    template_free(&template);
}

Test(template, full_buffer_is_left_as_it_was)
{
    static const char *const texts[] = {"abcdef", "ab/cd", "ab{key}"};
    struct record record = sample();

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct template *template;
        struct error error;
        cleanup_bytes struct bytes out;

        bytes_init(&out, 3);
        cr_assert_eq(bytes_add_text(&out, ">", &error), 0);
        cr_assert_eq(template_compile(&template, texts[i], NULL, 0, &error), 0);
        cr_assert_eq(template_render(template, "readings", &record, &out, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, "path of a record of stream readings: more than 3 bytes");
        cr_assert_eq(out.length, 1);
        template_free(&template);
    }
}

/* ---- partitions ------------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *directory;
    const char *partitions; /* name, and * for a date */
} partitioned[] = {
    {"{stream}", "readings", ""},
    {"a/b", "a/b", ""},
    {"a/{stream}-x/dt={time:%Y-%m-%d}", "a/readings-x", "dt*"},
    {"dt={time:%Y-%m-%d}/hour={time:%H}/x=sensor{key}", "", "dt*hour x "},
    {"k=a/dt={time:%Y-%m-%d}{key}/z=b/y={time:%Y%m%d}/d=a{time:%Y-%m-%d}", "k=a", "dt z y d "},
    {"a={key}", "", "a "},
    {"h={host}={key}/s={stream}", "", "h s "},
};

Test(template, says_which_directories_are_partitions)
{
    for (size_t i = 0; i < COUNT(partitioned); i++) {
        struct template *template;
        struct template_partition found[TEMPLATE_COMPONENTS_MAX];
        struct error error;
        char text[100] = "";
        size_t count;
        cleanup_bytes struct bytes out;

        bytes_init(&out, 1000);
        cr_assert_eq(template_compile(&template, partitioned[i].text, labels, COUNT(labels), &error), 0);
        cr_assert_eq(
            template_partitions(template, "readings", &out, found, &count, &error), 0, "%s", error.text);
        cr_assert(slice_is(bytes_slice(&out), partitioned[i].directory), "%s", partitioned[i].text);
        for (size_t k = 0; k < count; k++)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%.*s%c", (int)found[k].name.length,
                found[k].name.data, found[k].is_date ? '*' : ' ');
        cr_assert_str_eq(text, partitioned[i].partitions, "%s", partitioned[i].text);
        template_free(&template);
    }
}

Test(template, names_a_directory_that_is_no_partition)
{
    static const struct {
        const char *text, *directory;
    } bad[] = {{"a/sensor{key}/dt={time:%Y}", "directory sensor{key}:"}, {"{key}", "directory {key}:"},
        {"x={key}/raw", "directory raw:"}, {"={key}", "directory ={key}:"},
        {"{stream}{key}=", "directory {stream}{key}=:"}};

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct template *template;
        struct template_partition found[TEMPLATE_COMPONENTS_MAX];
        struct error error;
        size_t count;
        cleanup_bytes struct bytes out;

        bytes_init(&out, 1000);
        cr_assert_eq(template_compile(&template, bad[i].text, NULL, 0, &error), 0);
        cr_assert_eq(template_partitions(template, "readings", &out, found, &count, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(strstr(error.text, bad[i].directory), "%s", error.text);
        template_free(&template);
    }
}

Test(template, partitions_need_room_for_their_directory)
{
    struct template *template;
    struct template_partition found[TEMPLATE_COMPONENTS_MAX];
    struct error error;
    size_t count;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 3);
    cr_assert_eq(template_compile(&template, "abcd/k={key}", NULL, 0, &error), 0);
    cr_assert_eq(template_partitions(template, "readings", &out, found, &count, &error), -1);
    template_free(&template);
}
