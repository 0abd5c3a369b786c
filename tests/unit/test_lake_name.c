/* lake_name: file names, formats and listings: the pure parts of the lake */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "lake/file_name.h"
#include "lake/format.h"
#include "lake/listing.h"

/* ---- names ------------------------------------------------------------------------------------------------ */

static void compose_into(char text[FILE_NAME_SIZE], uint32_t epoch, uint64_t first, uint64_t last)
{
    const struct file_name name = {
        slice_of("readings"), slice_of("site-7"), epoch, first, last, slice_of("jsonl")};

    file_name_compose(&name, text);
}

Test(file_name, is_composed_as_documented)
{
    char text[FILE_NAME_SIZE];

    compose_into(text, 0x3f9a1c22, 1, 42);
    cr_assert_str_eq(text, "readings+site-7.3f9a1c22+0000000001+0000000042.jsonl");
    compose_into(text, 0x1c, 9999999999, 10000000000);
    cr_assert_str_eq(text, "readings+site-7.0000001c+9999999999+10000000000.jsonl");
}

Test(file_name, of_the_longest_parts_fits)
{
    char part[65], text[FILE_NAME_SIZE];
    struct file_name parsed;

    memset(part, 'x', 64);
    part[64] = '\0';
    const struct file_name name = {
        slice_of(part), slice_of(part), UINT32_MAX, UINT64_MAX, UINT64_MAX, slice_of("abcdefghijklmnop")};
    file_name_compose(&name, text);
    cr_assert_eq(file_name_parse(slice_of(text), &parsed), 0);
    cr_assert_eq(parsed.last, UINT64_MAX);
}

Test(file_name, comes_back_from_parse)
{
    const uint64_t positions[] = {1, 9, 999999999, 9999999999, 10000000000, UINT64_MAX};
    char text[FILE_NAME_SIZE], again[FILE_NAME_SIZE];

    for (size_t i = 0; i < 6; i++) {
        struct file_name name;
        compose_into(text, (uint32_t)positions[i] * 77, positions[i], UINT64_MAX);
        cr_assert_eq(file_name_parse(slice_of(text), &name), 0, "%s", text);
        cr_assert_eq(name.first, positions[i]);
        file_name_compose(&name, again);
        cr_assert_str_eq(text, again);
    }
}

Test(file_name, of_a_partition_is_kafka_connects)
{
    char text[FILE_NAME_SIZE];
    struct file_name parsed;
    const struct file_name name = {
        slice_of("SENSOR_ID_1"), slice_of("SENSOR_ID_1+0"), 0, 1, 3, slice_of("json")};

    file_name_compose(&name, text);
    cr_assert_str_eq(text, "SENSOR_ID_1+0+0000000000+0000000002.json");
    cr_assert_eq(file_name_parse(slice_of(text), &parsed), 0);
    cr_assert(slice_is(parsed.stream, "SENSOR_ID_1") && slice_is(parsed.gateway_id, "SENSOR_ID_1+0"));
    cr_assert_eq(parsed.epoch, 0);
    cr_assert_eq(parsed.first, 1);
    cr_assert_eq(parsed.last, 3);
}

Test(file_name, of_the_longest_partition_fits_a_directory)
{
    char topic[FILE_NAME_TOPIC_MAX + 2], id[FILE_NAME_SIZE], text[FILE_NAME_SIZE];
    struct file_name parsed;
    struct error error;

    memset(topic, 'x', sizeof topic - 1);
    topic[FILE_NAME_TOPIC_MAX + 1] = '\0';
    cr_assert_eq(file_name_check_topic(slice_of(topic), &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    topic[FILE_NAME_TOPIC_MAX] = '\0';
    cr_assert_eq(file_name_check_topic(slice_of(topic), &error), 0);
    snprintf(id, sizeof id, "%s+2147483647", topic);
    const struct file_name name = {
        slice_of(topic), slice_of(id), 0, UINT64_MAX, UINT64_MAX, slice_of("abcdefghijklmnop")};
    file_name_compose(&name, text);
    cr_assert_leq(strlen(text), 255);
    cr_assert_eq(file_name_parse(slice_of(text), &parsed), 0);
    cr_assert_eq(parsed.last, UINT64_MAX);
}

Test(file_name, of_no_partition)
{
    static const char *const hostile[] = {
        "a+", "+0", "a", "a+00", "a+-1", "a+2147483648", "a+99999999999", "a b+0", "..+0", "a+b+0", "a+0x"};
    static const char *const names[] = {"a+0+0000000000+18446744073709551615.json",
        "a+01+0000000000+0000000001.json", "a+0+0000000002+0000000001.json", "a+0+000000000+0000000001.json"};
    struct file_name name;

    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        cr_assert_not(file_name_is_partition(slice_of(hostile[i])), "%s", hostile[i]);
    cr_assert_not(file_name_is_partition((struct slice){NULL, 0}));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_eq(file_name_parse(slice_of(names[i]), &name), -1, "%s", names[i]);
}

Test(file_name, extension_and_gateway_may_hold_dots)
{
    struct file_name name;

    cr_assert_eq(file_name_parse(slice_of("a.b+x.y.0000000a+0000000001+0000000002.csv.gz"), &name), 0);
    cr_assert(slice_is(name.stream, "a.b"));
    cr_assert(slice_is(name.gateway_id, "x.y"));
    cr_assert(slice_is(name.extension, "csv.gz"));
    cr_assert_eq(name.epoch, 10);
}

Test(file_name, hostile_ones_are_no_names)
{
    static const char *const hostile[] = {
        "",
        "+",
        "+++",
        "readings",
        "readings+site.00000001+0000000001",
        "readings+site.00000001+0000000001+0000000002", /* no extension */
        "readings+site.00000001+0000000001+0000000002.", /* empty one */
        "readings+site.00000001+0000000001+0000000002./x", /* a slash */
        "readings+site.00000001+0000000001+0000000002.aaaaaaaaaaaaaaaaa", /* too long */
        "+site.00000001+0000000001+0000000002.jsonl", /* no stream */
        "a+b+site.00000001+0000000001+0000000002.jsonl", /* '+' in the stream */
        "..+site.00000001+0000000001+0000000002.jsonl",
        "readings+.00000001+0000000001+0000000002.jsonl", /* no gateway */
        "readings+site+0000000001+0000000002.jsonl", /* no epoch */
        "readings+..00000001+0000000001+0000000002.jsonl",
        "readings+site.0000001+0000000001+0000000002.jsonl", /* seven digits */
        "readings+site.000000001+0000000001+0000000002.jsonl",
        "readings+site.0000000A+0000000001+0000000002.jsonl", /* upper case */
        "readings+site.0000000g+0000000001+0000000002.jsonl",
        "readings+site.00000001+000000001+0000000002.jsonl", /* nine digits */
        "readings+site.00000001+00000000001+0000000002.jsonl", /* eleven, padded */
        "readings+site.00000001+0000000001+00000000002.jsonl",
        "readings+site.00000001+0000000000+0000000002.jsonl", /* positions start at 1 */
        "readings+site.00000001+0000000003+0000000002.jsonl", /* backwards */
        "readings+site.00000001+-000000001+0000000002.jsonl",
        "readings+site.00000001+ 000000001+0000000002.jsonl",
        "readings+site.00000001+0000000001+18446744073709551616.jsonl", /* 2^64 */
        "readings+site.00000001+0000000001+99999999999999999999.jsonl",
        "readings+site.00000001+0000000001+0000000002.js\xc3\xb6n",
        "1.tmp",
    };
    struct file_name name;

    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        cr_assert_eq(file_name_parse(slice_of(hostile[i]), &name), -1, "\"%s\" was taken", hostile[i]);
}

Test(file_name, parse_stays_inside_at_every_length)
{
    static const char text[] = "readings+site-7.3f9a1c22+0000000001+0000000042.jsonl";
    struct file_name name;
    size_t taken = 0;

    for (size_t length = 0; length < sizeof text; length++) {
        char *copy = malloc(length + 1); /* so that a sanitizer sees the end */
        memcpy(copy, text, length);
        taken += file_name_parse((struct slice){copy, length}, &name) == 0;
        free(copy);
    }
    cr_assert_eq(taken, 5); /* .j .js .jso .json .jsonl */
}

Test(file_name, check_names_what_is_wrong)
{
    static const char *const wrong[] = {"", ".", "..", "a+b", "a/b", "a b", "\xff"};
    struct error error;

    cr_assert_eq(file_name_check(slice_of("Az09._-"), "stream", &error), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(file_name_check(slice_of(wrong[i]), "stream", &error), -1, "%s", wrong[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(strstr(error.text, "stream"));
    }
}

/* ---- formats ---------------------------------------------------------------------------------------------- */

static void assert_row(enum record_format format, const char *payload, const char *expected)
{
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 1000);
    cr_assert_eq(bytes_add_text(&out, "before\n", &error), 0);
    cr_assert_eq(format_of(format)->row(&(struct format_row){.payload = slice_of(payload)}, &out, &error), 0);
    cr_assert(out.length == 7 + strlen(expected) && memcmp(out.data + 7, expected, strlen(expected)) == 0);
}

static void assert_bytes(const struct format_row *row, const char *expected)
{
    const struct format *format = format_of(RECORD_FORMAT_BYTES);
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 10000);
    cr_assert_eq(format->row(row, &out, &error), 0);
    cr_assert(slice_is(bytes_slice(&out), expected), "%.*s", (int)out.length, out.data);
    cr_assert_leq(out.length, format->most(row));
}

Test(format, json_lines_are_one_line_each)
{
    cr_assert_str_eq(format_of(RECORD_FORMAT_JSON)->extension, "jsonl");
    assert_row(RECORD_FORMAT_JSON, "{\"a\":1}", "{\"a\":1}\n");
    assert_row(
        RECORD_FORMAT_JSON, "{\r\n \"a\":\"\\n\",\n\n\"b\":2\r}\n", "{   \"a\":\"\\n\",  \"b\":2 } \n");
    assert_row(RECORD_FORMAT_JSON, "", "\n");
}

Test(format, text_is_as_it_came)
{
    cr_assert_str_eq(format_of(RECORD_FORMAT_TEXT)->extension, "txt");
    assert_row(RECORD_FORMAT_TEXT, "a line\r", "a line\r\n");
    assert_row(RECORD_FORMAT_TEXT, "", "\n");
}

Test(format, bytes_are_base64_in_an_object)
{
    struct format_row row = {
        .key = slice_of("SENSOR_1"), .time = INT64_C(1767323045678901), .payload = {"\0\xff\n\"", 4}};
    char key[256], text[2000];

    cr_assert_str_eq(format_of(RECORD_FORMAT_BYTES)->extension, "jsonl");
    assert_bytes(
        &row, "{\"key\":\"SENSOR_1\",\"time\":\"2026-01-02T03:04:05.678901Z\",\"payload\":\"AP8KIg==\"}\n");
    row.key = slice_of("a\"b\\c \xc3\xbc");
    row.time = -1;
    row.payload = (struct slice){NULL, 0};
    assert_bytes(&row,
        "{\"key\":\"a\\\"b\\\\c \xc3\xbc\",\"time\":\"1969-12-31T23:59:59.999999Z\",\"payload\":\"\"}\n");
    row.key = (struct slice){NULL, 0};
    row.time = INT64_MIN; /* a clock gone wrong, and still a row */
    row.payload = slice_of("abc");
    assert_bytes(&row, "{\"key\":null,\"time\":-9223372036854775808,\"payload\":\"YWJj\"}\n");
    row.key = slice_of("\x01\n\x7f");
    assert_bytes(&row, "{\"key\":\"\\u0001\\n\x7f\",\"time\":-9223372036854775808,\"payload\":\"YWJj\"}\n");
    row.key = slice_of("a\xff");
    assert_bytes(&row, "{\"key_base64\":\"Yf8=\",\"time\":-9223372036854775808,\"payload\":\"YWJj\"}\n");
    memset(key, '"', sizeof key);
    row.key = (struct slice){key, sizeof key};
    memset(text, '\\', 512);
    for (size_t i = 0; i < sizeof key; i++)
        text[2 * i + 1] = '"';
    snprintf(text + 512, sizeof text - 512, "\",\"time\":-9223372036854775808,\"payload\":\"YWJj\"}\n");
    char expected[2100];
    snprintf(expected, sizeof expected, "{\"key\":\"%s", text);
    assert_bytes(&row, expected);
}

Test(format, bytes_respect_the_ceiling)
{
    const struct format *format = format_of(RECORD_FORMAT_BYTES);
    struct format_row row = {.payload = slice_of("abc")};
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, format->most(&row) - 1);
    cr_assert_eq(format->row(&row, &out, &error), -1);
    cr_assert_eq(out.length, 0);
    bytes_init(&out, format->most(&row));
    cr_assert_eq(format->row(&row, &out, &error), 0);
}

Test(format, rows_respect_the_ceiling)
{
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 4);
    for (int format = RECORD_FORMAT_JSON; format <= RECORD_FORMAT_TEXT; format++) {
        bytes_clear(&out);
        format_row_fn *row = format_of((enum record_format)format)->row;
        cr_assert_eq(row(&(struct format_row){.payload = slice_of("1234")}, &out, &error), -1);
        cr_assert_eq(out.length, 0);
        cr_assert_eq(row(&(struct format_row){.payload = slice_of("123")}, &out, &error), 0);
    }
}

/* ---- listings --------------------------------------------------------------------------------------------- */

static void list(struct listing *listing, uint32_t epoch, uint64_t first, uint64_t last)
{
    char text[FILE_NAME_SIZE];
    struct error error;

    compose_into(text, epoch, first, last);
    cr_assert_eq(listing_add(listing, slice_of(text), slice_of("readings"), slice_of("site-7"), &error), 0);
}

Test(listing, gives_the_next_range_in_order)
{
    struct listing listing = {0};

    cr_assert(listing_is_stale(&listing, 5));
    cr_assert_null(listing_next(&listing, UINT64_MAX));
    listing_start(&listing, 5, 10);
    list(&listing, 5, 30, 39);
    list(&listing, 5, 1, 9); /* passed */
    list(&listing, 5, 8, 12);
    list(&listing, 6, 14, 16); /* another epoch */
    cr_assert_not(listing_is_stale(&listing, 5));
    cr_assert(listing_is_stale(&listing, 6));
    cr_assert_eq(listing.count, 2);
    cr_assert_eq(listing_next(&listing, 10)->last, 12);
    listing_pass(&listing);
    cr_assert_null(listing_next(&listing, 29));
    cr_assert_eq(listing_next(&listing, 30)->last, 39);
    listing_pass(&listing);
    cr_assert_null(listing_next(&listing, UINT64_MAX));
    listing_free(&listing);
    cr_assert(listing_is_stale(&listing, 5));
}

Test(listing, ignores_other_streams_gateways_and_strangers)
{
    struct listing listing = {0};
    struct error error;
    static const char *const others[] = {"notes+site-7.00000005+0000000001+0000000042.jsonl",
        "readings+site-8.00000005+0000000001+0000000042.jsonl", "readings", "_SUCCESS", ".hidden"};

    listing_start(&listing, 5, 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_assert_eq(
            listing_add(&listing, slice_of(others[i]), slice_of("readings"), slice_of("site-7"), &error), 0);
    cr_assert_null(listing_next(&listing, UINT64_MAX));
    listing_free(&listing);
}

/* Many files ahead: the smallest are kept, and when they are passed the next ones are asked for. */
Test(listing, is_bounded_and_goes_on)
{
    struct listing listing = {0};
    const uint64_t files = 3 * LISTING_RANGES + 7;
    uint64_t position = 1, lists = 0;

    while (position <= files) {
        if (listing_is_stale(&listing, 5)) {
            lists++;
            listing_start(&listing, 5, position);
            for (uint64_t i = 0; i < files;
                 i++) { /* in no order: 101 and the number of files have no common divisor */
                uint64_t at = i * 101 % files + 1;
                list(&listing, 5, at, at);
            }
        }
        const struct listing_range *range = listing_next(&listing, position);
        cr_assert(range && range->first == position);
        listing_pass(&listing);
        position++;
    }
    cr_assert_eq(lists, 4);
    cr_assert_not(listing_is_stale(&listing, 5));
    listing_free(&listing);
}
