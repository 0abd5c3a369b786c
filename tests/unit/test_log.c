/* log: lines that cannot be forged, and a limit on repetition. */
#include <criterion/criterion.h>

#include <jansson.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/log_line.h"

/* 2026-11-21T03:30:00.123Z */
#define WALL (INT64_C(1795231800) * CLOCK_SECOND + 123456)

static int64_t test_now;

static int64_t test_wall(const struct clock *clock)
{
    (void)clock;
    return WALL;
}

static int64_t test_monotonic(const struct clock *clock)
{
    (void)clock;
    return test_now;
}

static const struct clock test_clock = {test_wall, test_monotonic};
static int test_pipe[2];
static char test_text[65536];

static void begin(enum log_level least, enum log_format format)
{
    test_now = 5;
    cr_assert_eq(pipe(test_pipe), 0);
    log_configure(least, format, test_pipe[1], &test_clock);
}

/* Everything written since begin(). */
static const char *end(void)
{
    fd_close(&test_pipe[1]);
    size_t length = 0;
    ssize_t got;

    while ((got = read(test_pipe[0], test_text + length, sizeof test_text - 1 - length)) > 0)
        length += (size_t)got;
    test_text[length] = '\0';
    fd_close(&test_pipe[0]);
    return test_text;
}

static size_t lines(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += *text == '\n';
    return count;
}

Test(log, one_line_per_event)
{
    begin(LOG_INFO, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "journal.open", log_text("directory", "/x"), log_number("segments", 3));
    log_event(LOG_ERROR, "lake.down", log_number("code", -5));
    cr_assert_str_eq(end(), "2026-11-21T03:30:00.123Z info journal.open directory=/x segments=3\n"
                            "2026-11-21T03:30:00.123Z error lake.down code=-5\n");
}

Test(log, json_lines_are_json)
{
    begin(LOG_DEBUG, LOG_FORMAT_JSON);
    log_event(LOG_WARN, "a.b", log_text("directory", "/x"), log_number("segments", 3));
    cr_assert_str_eq(end(), "{\"time\":\"2026-11-21T03:30:00.123Z\",\"level\":\"warn\",\"event\":\"a.b\","
                            "\"directory\":\"/x\",\"segments\":3}\n");
}

Test(log, levels_below_the_least_are_silent)
{
    begin(LOG_WARN, LOG_FORMAT_TEXT);
    log_event(LOG_DEBUG, "a.b", log_number("n", 1));
    log_event(LOG_INFO, "a.b", log_number("n", 2));
    log_event(LOG_WARN, "a.b", log_number("n", 3));
    cr_assert_str_eq(end(), "2026-11-21T03:30:00.123Z warn a.b n=3\n");
}

static void check_text(const char *value, size_t length, const char *expected)
{
    begin(LOG_INFO, LOG_FORMAT_TEXT);
    log_event(LOG_INFO, "a.b", log_bytes("v", value, length));
    const char *text = strstr(end(), "v=");
    cr_assert(text);
    cr_assert_eq(strlen(text), strlen(expected) + 3, "%s", text);
    cr_assert_eq(strncmp(text + 2, expected, strlen(expected)), 0, "%s", text);
}

Test(log, text_values_cannot_forge_a_line)
{
    check_text("plain/üñ-1.5", 14, "plain/üñ-1.5");
    check_text("", 0, "\"\"");
    check_text("two words", 9, "\"two words\"");
    check_text("a=b", 3, "\"a=b\"");
    check_text("say \"x\" \\", 9, "\"say \\\"x\\\" \\\\\"");
    check_text("a\nb\r\tc", 6, "\"a\\nb\\r\\tc\"");
    check_text("\x1b[31m\0\x7f", 7, "\"\\x1b[31m\\x00\\x7f\"");
    check_text("\xc2\x9b[31m", 6, "\"\\xc2\\x9b[31m\"");
    check_text("ok\xff\xc3", 4, "\"ok\\xff\\xc3\"");
    check_text("\xed\xa0\x80", 3, "\"\\xed\\xa0\\x80\"");
    check_text("\xc0\xaf", 2, "\"\\xc0\\xaf\"");
    check_text(NULL, 7, "\"\"");
}

Test(log, json_values_survive_a_parser)
{
    begin(LOG_INFO, LOG_FORMAT_JSON);
    log_event(LOG_INFO, "a.b", log_bytes("v", "\x1b\n\"\\\x7f\xc2\x9b\xff\xe2\x82\xac", 11));
    json_t *line = json_loads(end(), 0, NULL);
    cr_assert(line);
    cr_assert_str_eq(
        json_string_value(json_object_get(line, "v")), "\x1b\n\"\\\x7f\xc2\x9b\\xff\xe2\x82\xac");
    json_decref(line);
}

Test(log, a_long_value_is_cut_and_the_line_stays_whole)
{
    static char huge[100000];
    static struct log_line line;
    struct log_field fields[3] = {
        log_bytes("a", huge, sizeof huge), log_bytes("b", huge, sizeof huge), log_number("c", 7)};

    log_line_render(&line, LOG_FORMAT_JSON, WALL, LOG_INFO, "a.b", fields, 3);
    cr_assert_leq(line.length, sizeof line.data);
    cr_assert_eq(line.data[line.length - 1], '\n');
    json_t *object = json_loadb(line.data, line.length, JSON_ALLOW_NUL, NULL);
    cr_assert(object);
    const json_t *value = json_object_get(object, "a");
    cr_assert_eq(json_string_length(value), LOG_VALUE_MAX + 3);
    cr_assert_str_eq(json_string_value(value) + LOG_VALUE_MAX, "...");
    cr_assert_null(json_object_get(object, "b"));
    cr_assert_eq(json_integer_value(json_object_get(object, "c")), 7);
    cr_assert_eq(json_integer_value(json_object_get(object, "cut")), 1);
    json_decref(object);
}

Test(log, fields_beyond_the_most_are_left_out)
{
    struct log_field fields[LOG_FIELDS_MAX + 2];

    for (size_t i = 0; i < LOG_FIELDS_MAX + 2; i++)
        fields[i] = log_number(i < LOG_FIELDS_MAX ? "in" : "out", (int64_t)i);
    begin(LOG_INFO, LOG_FORMAT_TEXT);
    log_write(LOG_INFO, "a.b", fields, LOG_FIELDS_MAX + 2);
    cr_assert(strstr(end(), " in=15"));
    cr_assert_null(strstr(test_text, "out"));
}

Test(log, repetition_is_held_back_and_counted)
{
    begin(LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < LOG_BURST + 7; i++)
        log_event(LOG_INFO, "flood.one", log_number("i", i));
    log_event(LOG_INFO, "flood.two", log_number("i", 0)); /* other names are not held back */
    test_now += LOG_BURST_SECONDS * CLOCK_SECOND;
    log_event(LOG_INFO, "flood.one", log_number("i", 99));
    log_event(LOG_INFO, "flood.one", log_number("i", 100));
    const char *text = end();
    cr_assert_eq(lines(text), LOG_BURST + 3);
    cr_assert(strstr(text, "flood.two i=0\n"));
    cr_assert(strstr(text, "flood.one i=99 repeated=7\n"));
    cr_assert(strstr(text, "flood.one i=100\n"));
}

Test(log, what_must_be_told_is_not_held_back)
{
    begin(LOG_WARN, LOG_FORMAT_TEXT);
    for (int i = 0; i < LOG_BURST * 3; i++)
        log_event_always(LOG_WARN, "journal.recovery", log_number("i", i));
    log_event_always(LOG_INFO, "journal.recovery", log_number("i", -1));
    cr_assert_eq(lines(end()), LOG_BURST * 3);
    cr_assert(strstr(test_text, "journal.recovery i=29\n"));
}

Test(log, the_table_of_names_is_bounded)
{
    begin(LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < LOG_BURST + 1; i++)
        log_event(LOG_INFO, "first.name", log_number("i", i));
    for (int i = 0; i < 200; i++) {
        char name[128];
        snprintf(name, sizeof name, "other.%d", i);
        test_now++;
        log_event(LOG_INFO, name, log_number("i", i));
    }
    log_event(LOG_INFO, "first.name", log_number("i", 77)); /* its row was given away: it starts anew */
    const char *text = end();
    cr_assert_eq(lines(text), LOG_BURST + 200 + 1);
    cr_assert(strstr(text, "first.name i=77\n"));
}

Test(log, a_long_name_counts_as_one_name)
{
    char name[101];

    memset(name, 'n', 100);
    name[100] = '\0';
    begin(LOG_INFO, LOG_FORMAT_TEXT);
    for (int i = 0; i < LOG_BURST + 5; i++)
        log_event(LOG_INFO, name, log_number("i", i));
    cr_assert_eq(lines(end()), LOG_BURST);
}
