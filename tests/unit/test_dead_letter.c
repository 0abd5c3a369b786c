/* dead_letter: a letter as a line of JSON and back: nothing of a record changes on the way */
#include <criterion/criterion.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "dead_letter/dead_letter.h"

#define LINE_MAX_BYTES (1 << 22)

static struct error error;

/* ---- base64 ------------------------------------------------------------------------------------------------ */

static void assert_base64(const char *data, size_t length, const char *text)
{
    cleanup_bytes struct bytes out;
    char back[64];
    size_t got;

    bytes_init(&out, 1000);
    cr_assert_eq(base64_encode((struct slice){data, length}, &out, &error), 0);
    cr_assert(slice_is(bytes_slice(&out), text), "%.*s is not %s", (int)out.length, out.data, text);
    cr_assert_eq(base64_decode(slice_of(text), back, &got, &error), 0, "%s", error.text);
    cr_assert_eq(got, length);
    cr_assert_eq(memcmp(back, data, length), 0);
}

/* RFC 4648 section 10, and all 64 characters. */
Test(dead_letter, base64_is_that_of_the_rfc)
{
    assert_base64("", 0, "");
    assert_base64("f", 1, "Zg==");
    assert_base64("fo", 2, "Zm8=");
    assert_base64("foo", 3, "Zm9v");
    assert_base64("foob", 4, "Zm9vYg==");
    assert_base64("fooba", 5, "Zm9vYmE=");
    assert_base64("foobar", 6, "Zm9vYmFy");
    assert_base64(
        "\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71\xd7\x9f",
        24, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef");
    assert_base64(
        "\x82\x18\xa3\x92\x59\xa7\xa2\x9a\xab\xb2\xdb\xaf\xc3\x1c\xb3\xd3\x5d\xb7\xe3\x9e\xbb\xf3\xdf\xbf",
        24, "ghijklmnopqrstuvwxyz0123456789+/");
}

Test(dead_letter, base64_takes_nothing_else)
{
    static const char *const wrong[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z===", "====", "Zm=v",
        "Zg==Zg==", "Zm9\n", "Zm9-", "Zm9_", " Zm9", "Zm\xc3\xa9"};
    char back[64];
    size_t got;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_eq(base64_decode(slice_of(wrong[i]), back, &got, &error), -1, "%s", wrong[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
}

/* ---- there and back ---------------------------------------------------------------------------------------- */

static const char *const labels[] = {"site", "zone \"a\"", "u\xc3\xa9"};

static struct record reading(void)
{
    return (struct record){
        .rendering = 7,
        .flags = RECORD_EVENT_TIME,
        .received = INT64_C(1767323045678901),
        .event = INT64_C(1767323044000000),
        .key = slice_of("SENSOR_1"),
        .labels = {slice_of("north"), slice_of(""), slice_of("\xe2\x82\xac")},
        .labels_count = 3,
        .origin = slice_of("http 127.0.0.1"),
        .payload = slice_of("{\"sensor_id\":\"SENSOR_1\"}"),
    };
}

static struct dead_letter letter_of(const struct record *record)
{
    return (struct dead_letter){
        .id = {"site-7", 0x3f9a1c22, 42},
        .outlet = "kafka",
        .stream = "readings",
        .topic = "INGESTION",
        .reason = "Broker: Message size too large",
        .time = INT64_C(1767323046000000),
        .record = record,
        .labels = labels,
    };
}

static struct slice print(const struct dead_letter *letter, struct bytes *out)
{
    bytes_init(out, LINE_MAX_BYTES);
    cr_assert_eq(dead_letter_print(letter, out, &error), 0, "%s", error.text);
    cr_assert_eq(out->data[out->length - 1], '\n');
    cr_assert_null(memchr(out->data, '\n', out->length - 1));
    return (struct slice){out->data, out->length - 1};
}

static void assert_same_slice(struct slice got, struct slice expected, const char *what)
{
    cr_assert(slice_equal(got, expected), "%s: %.*s (%zu) is not %.*s (%zu)", what, (int)got.length, got.data,
        got.length, (int)expected.length, expected.data, expected.length);
}

static void assert_same_record(const struct record *got, const struct record *expected)
{
    cr_assert_eq(got->flags, expected->flags, "flags %x are not %x", got->flags, expected->flags);
    cr_assert_eq(got->received, expected->received);
    if (expected->flags & (RECORD_EVENT_TIME | RECORD_TIME_OUTSIDE))
        cr_assert_eq(got->event, expected->event);
    assert_same_slice(got->key, expected->key, "key");
    assert_same_slice(got->origin, expected->origin, "origin");
    assert_same_slice(got->payload, expected->payload, "payload");
}

/* Prints, parses, compares everything; labels by name. */
static void assert_survives(const struct dead_letter *letter)
{
    cleanup_bytes struct bytes line;
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;

    cr_assert_eq(dead_letter_parse(print(letter, &line), &parsed, &error), 0, "%s: %.*s", error.text,
        (int)line.length, line.data);
    const struct dead_letter *got = dead_letter_parsed_letter(parsed);
    cr_assert_str_eq(got->id.gateway, letter->id.gateway);
    cr_assert_eq(got->id.epoch, letter->id.epoch);
    cr_assert_eq(got->id.sequence, letter->id.sequence);
    cr_assert_str_eq(got->outlet, letter->outlet);
    cr_assert_str_eq(got->stream, letter->stream);
    cr_assert_str_eq(got->topic, letter->topic);
    cr_assert_str_eq(got->reason, letter->reason);
    cr_assert_eq(got->time, letter->time);
    assert_same_record(got->record, letter->record);
    cr_assert_eq(dead_letter_parsed_labels(parsed), letter->record->labels_count);
    for (size_t i = 0; i < letter->record->labels_count; i++) {
        size_t k = 0;
        while (k < letter->record->labels_count && strcmp(got->labels[k], letter->labels[i]) != 0)
            k++;
        cr_assert_lt(k, letter->record->labels_count, "label %s is gone", letter->labels[i]);
        assert_same_slice(got->record->labels[k], letter->record->labels[i], letter->labels[i]);
    }
}

Test(dead_letter, is_one_line_that_people_can_read)
{
    struct record record = reading();
    const struct dead_letter letter = letter_of(&record);
    cleanup_bytes struct bytes line;

    assert_same_slice(print(&letter, &line),
        slice_of(
            "{\"id\":\"site-7/3f9a1c22/42\",\"outlet\":\"kafka\",\"stream\":\"readings\",\"topic\":\"INGESTION\","
            "\"reason\":\"Broker: Message size too large\",\"time\":\"2026-01-02T03:04:06.000000Z\","
            "\"received\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"2026-01-02T03:04:04.000000Z\","
            "\"key\":\"SENSOR_1\",\"labels\":{\"site\":\"north\",\"zone \\\"a\\\"\":\"\",\"u\xc3\xa9\":\"\xe2\x82\xac\"},"
            "\"origin\":\"http 127.0.0.1\",\"payload\":\"{\\\"sensor_id\\\":\\\"SENSOR_1\\\"}\"}"),
        "line");
    assert_survives(&letter);
}

/* As `penstock journal export` writes it. */
Test(dead_letter, a_record_that_is_none_has_the_same_members)
{
    const struct record_id id = {"site-7", 0x3f9a1c22, 42};
    struct record record = reading();
    cleanup_bytes struct bytes line;

    bytes_init(&line, LINE_MAX_BYTES);
    cr_assert_eq(dead_letter_print_record(&id, "readings", &record, labels, &line, &error), 0);
    assert_same_slice(bytes_slice(&line),
        slice_of(
            "{\"id\":\"site-7/3f9a1c22/42\",\"stream\":\"readings\","
            "\"received\":\"2026-01-02T03:04:05.678901Z\",\"event\":\"2026-01-02T03:04:04.000000Z\","
            "\"key\":\"SENSOR_1\",\"labels\":{\"site\":\"north\",\"zone \\\"a\\\"\":\"\",\"u\xc3\xa9\":\"\xe2\x82\xac\"},"
            "\"origin\":\"http 127.0.0.1\",\"payload\":\"{\\\"sensor_id\\\":\\\"SENSOR_1\\\"}\"}\n"),
        "line");
    record.flags = RECORD_UNDECODABLE;
    record.reason = slice_of("no JSON");
    record.payload = slice_of("\xff");
    bytes_clear(&line);
    cr_assert_eq(dead_letter_print_record(&id, "unmapped", &record, NULL, &line, &error), 0);
    assert_same_slice(bytes_slice(&line),
        slice_of("{\"id\":\"site-7/3f9a1c22/42\",\"stream\":\"unmapped\",\"reason\":\"no JSON\","
                 "\"received\":\"2026-01-02T03:04:05.678901Z\","
                 "\"key\":\"SENSOR_1\",\"labels\":{\"1\":\"north\",\"2\":\"\",\"3\":\"\xe2\x82\xac\"},"
                 "\"origin\":\"http 127.0.0.1\",\"undecodable\":true,\"payload_base64\":\"/w==\"}\n"),
        "line");
    bytes_clear(&line);
    line.limit = 100;
    cr_assert_eq(dead_letter_print_record(&id, "unmapped", &record, NULL, &line, &error), -1);
    cr_assert_eq(line.length, 0);
}

Test(dead_letter, every_flag_survives)
{
    for (unsigned flags = 0; flags < 64; flags++) {
        struct record record = reading();
        /* A time is inside its window or outside it. */
        if ((flags & RECORD_EVENT_TIME) && (flags & RECORD_TIME_OUTSIDE))
            continue;
        record.flags = (uint8_t)flags;
        const struct dead_letter letter = letter_of(&record);
        assert_survives(&letter);
    }
}

Test(dead_letter, every_time_survives)
{
    static const int64_t times[] = {0, -1, 1, -999999, -1000000, -1000001, INT64_C(-62135596800000000),
        INT64_C(-62135596800000001), INT64_C(253402300799999999), INT64_C(253402300800000000), INT64_MAX,
        INT64_MIN};

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct record record = reading();
        record.received = record.event = times[i];
        struct dead_letter letter = letter_of(&record);
        letter.time = times[i];
        assert_survives(&letter);
    }
}

/* All bytes, alone and in pairs with each kind of neighbour: as payload and as origin. */
Test(dead_letter, every_byte_survives)
{
    static const char *const neighbours[] = {
        "", "a", "\"", "\\", "\xc3", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xed\xa0\x80"};

    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t i = 0; i < sizeof neighbours / sizeof *neighbours; i++) {
            char data[16];
            size_t length = strlen(neighbours[i]);
            memcpy(data, neighbours[i], length);
            data[length] = (char)byte;
            struct record record = reading();
            record.payload = record.origin = (struct slice){data, length + 1};
            const struct dead_letter letter = letter_of(&record);
            assert_survives(&letter);
        }
    }
}

/* A terminal obeys U+009B as it does ESC [; JSON would allow it, and DEL. */
Test(dead_letter, no_control_character_stands_in_a_line)
{
    static const char end[] = "\"payload\":\"\\u0001\\u001b\\u007f\\u0080\\u009b\\u009f\xc2\xa0\"}\n";
    struct record record = reading();
    cleanup_bytes struct bytes line;

    record.key = record.labels[1] = record.origin = record.payload =
        slice_of("\x01\x1b\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0");
    struct dead_letter letter = letter_of(&record);
    letter.reason = record.payload.data;
    print(&letter, &line);
    for (size_t i = 0; i + 1 < line.length; i += utf8_sequence(line.data + i, line.length - i))
        cr_assert(!utf8_is_control(line.data + i), "byte %zu of %.*s", i, (int)line.length, line.data);
    cr_assert_eq(memcmp(line.data + line.length - strlen(end), end, strlen(end)), 0, "%.*s", (int)line.length,
        line.data);
    assert_survives(&letter);
}

Test(dead_letter, any_length_of_anything_survives)
{
    static char data[3000];

    srand(7);
    for (size_t length = 0; length < sizeof data; length += 1 + length / 16) {
        for (size_t i = 0; i < length; i++)
            data[i] = (char)(rand() >> 7);
        struct record record = reading();
        record.payload = (struct slice){data, length};
        record.key = (struct slice){data, length < RECORD_KEY_MAX ? length : RECORD_KEY_MAX};
        record.labels[1] = record.key;
        const struct dead_letter letter = letter_of(&record);
        assert_survives(&letter);
    }
}

Test(dead_letter, the_largest_of_everything_survives)
{
    static char name[RECORD_LABELS_MAX][8], origin[RECORD_ORIGIN_MAX], key[RECORD_KEY_MAX];
    const char *names[RECORD_LABELS_MAX];
    char gateway[RECORD_GATEWAY_MAX + 1], stream[RECORD_STREAM_NAME_MAX + 1];
    struct record record = reading();

    memset(origin, '\t', sizeof origin);
    memset(key, 0x7f, sizeof key);
    memset(gateway, 'g', sizeof gateway - 1);
    memset(stream, 's', sizeof stream - 1);
    gateway[sizeof gateway - 1] = stream[sizeof stream - 1] = '\0';
    record.labels_count = RECORD_LABELS_MAX;
    for (size_t i = 0; i < RECORD_LABELS_MAX; i++) {
        snprintf(name[i], sizeof name[i], "l%zu", i);
        names[i] = name[i];
        record.labels[i] = (struct slice){key, sizeof key};
    }
    record.key = (struct slice){key, sizeof key};
    record.origin = (struct slice){origin, sizeof origin};
    struct dead_letter letter = letter_of(&record);
    letter.labels = names;
    letter.id = (struct record_id){gateway, UINT32_MAX, UINT64_MAX};
    letter.stream = stream;
    assert_survives(&letter);
}

/* Without the rendering the names of labels are lost, not their values. */
Test(dead_letter, labels_without_names_are_counted)
{
    struct record record = reading();
    struct dead_letter letter = letter_of(&record);
    static const char *const numbers[] = {"1", "2", "3"};
    cleanup_bytes struct bytes line;
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;

    letter.labels = NULL;
    cr_assert_eq(dead_letter_parse(print(&letter, &line), &parsed, &error), 0, "%s", error.text);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_str_eq(dead_letter_parsed_letter(parsed)->labels[i], numbers[i]);
        assert_same_slice(dead_letter_parsed_letter(parsed)->record->labels[i], record.labels[i], numbers[i]);
    }
}

Test(dead_letter, texts_for_people_are_made_utf8)
{
    struct record record = reading();
    struct dead_letter letter = letter_of(&record);
    cleanup_bytes struct bytes line;
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;

    letter.reason = "cut \xe2\x82";
    cr_assert_eq(dead_letter_parse(print(&letter, &line), &parsed, &error), 0, "%s", error.text);
    cr_assert_str_eq(dead_letter_parsed_letter(parsed)->reason, "cut \xef\xbf\xbd\xef\xbf\xbd");
}

/* Escapes take six bytes for one: where they do not fit, base64 does. */
Test(dead_letter, a_payload_of_escapes_is_kept_where_it_would_be_too_long)
{
    static char zeros[10000];
    struct record record = reading();
    cleanup_bytes struct bytes line;
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;

    record.payload = (struct slice){zeros, sizeof zeros};
    const struct dead_letter letter = letter_of(&record);
    bytes_init(&line, 20000);
    cr_assert_eq(dead_letter_print(&letter, &line, &error), 0, "%s", error.text);
    cr_assert_eq(dead_letter_parse(bytes_slice(&line), &parsed, &error), 0, "%s", error.text);
    assert_same_slice(dead_letter_parsed_letter(parsed)->record->payload, record.payload, "payload");
}

/* Whatever the buffer's limit: nothing of the line stays when it does not fit. */
Test(dead_letter, a_line_that_does_not_fit_leaves_nothing)
{
    struct record record = reading();
    record.labels[1] = slice_of("\xff");
    const struct dead_letter letter = letter_of(&record);
    cleanup_bytes struct bytes line;
    size_t whole = print(&letter, &line).length + 1;

    for (size_t limit = 2; limit < whole; limit++) {
        cleanup_bytes struct bytes small;
        bytes_init(&small, limit);
        cr_assert_eq(bytes_add(&small, "x\n", 2, &error), 0);
        cr_assert_eq(dead_letter_print(&letter, &small, &error), -1, "%zu", limit);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert(slice_is(bytes_slice(&small), "x\n"));
    }
}

/* ---- what is no letter ------------------------------------------------------------------------------------- */

#define WHY \
    "\"id\":\"a/00000001/2\",\"outlet\":\"o\",\"stream\":\"s\",\"reason\":\"r\",\"time\":\"2026-01-02T03:04:05Z\""
#define RECEIVED ",\"received\":\"2026-01-02T03:04:05Z\""
#define PAYLOAD ",\"payload\":\"p\""

Test(dead_letter, the_least_letter)
{
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;

    cr_assert_eq(dead_letter_parse(slice_of("{" WHY RECEIVED PAYLOAD ",\"added\":[1]}"), &parsed, &error), 0,
        "%s", error.text);
    const struct dead_letter *letter = dead_letter_parsed_letter(parsed);
    cr_assert_str_eq(letter->topic, "");
    cr_assert_eq(letter->record->key.length, 0);
    cr_assert_eq(letter->record->flags, 0);
    cr_assert_eq(dead_letter_parsed_labels(parsed), 0);
}

struct wrong {
    const char *line, *says;
};

static void assert_refused(const struct wrong *wrong)
{
    struct dead_letter_parsed *parsed = NULL;

    cr_assert_eq(dead_letter_parse(slice_of(wrong->line), &parsed, &error), -1, "%s", wrong->line);
    cr_assert_null(parsed);
    cr_assert_eq(error.kind, ERROR_REJECT, "%s", wrong->line);
    cr_assert_not_null(strstr(error.text, wrong->says), "%s: %s", wrong->line, error.text);
}

Test(dead_letter, what_is_no_letter_is_refused_with_its_reason)
{
    static const struct wrong wrong[] = {
        {"", "byte"},
        {"junk", "byte"},
        {"[1]", "no JSON object"},
        {"{" WHY RECEIVED PAYLOAD "} x", "byte"},
        {"{" WHY RECEIVED PAYLOAD PAYLOAD "}", "duplicate"},
        {"{\"outlet\":\"o\"}", "\"id\" is missing"},
        {"{\"id\":1}", "\"id\" is no text"},
        {"{\"id\":\"a/1\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"/00000001/2\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"a/0000001/2\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"a/0000000x/2\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"a/00000001/\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"a/00000001/-2\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"a/00000001/99999999999999999999\"}", "GATEWAY/EPOCH/SEQUENCE"},
        {"{\"id\":\"a/00000001/2\",\"outlet\":\"o\\u0000\"}", "\"outlet\" holds a NUL"},
        {"{" WHY PAYLOAD "}", "\"received\" is missing"},
        {"{" WHY ",\"received\":true" PAYLOAD "}", "\"received\" is no time"},
        {"{" WHY ",\"received\":\"soon\"" PAYLOAD "}", "\"received\""},
        {"{" WHY RECEIVED "}", "\"payload\" is missing"},
        {"{" WHY RECEIVED ",\"payload\":1}", "\"payload\" is no text"},
        {"{" WHY RECEIVED ",\"payload_base64\":1}", "\"payload_base64\" is no text"},
        {"{" WHY RECEIVED ",\"payload_base64\":\"Zg\"}", "\"payload_base64\": base64"},
        {"{" WHY RECEIVED PAYLOAD ",\"key\":1}", "\"key\" is no text"},
        {"{" WHY RECEIVED PAYLOAD ",\"labels\":[]}", "\"labels\" is no object"},
        {"{" WHY RECEIVED PAYLOAD ",\"labels\":{\"a\":1}}", "label \"a\" is no text"},
        {"{" WHY RECEIVED PAYLOAD ",\"labels_base64\":{\"a\":\"?\"}}", "\"a\": base64"},
        {"{" WHY RECEIVED PAYLOAD ",\"enveloped\":1}", "neither true nor false"},
        {"{" WHY RECEIVED PAYLOAD ",\"time_outside\":1}", "neither true nor false"},
        {"{" WHY RECEIVED PAYLOAD ",\"event\":\"x\"}", "\"event\""},
        {"{\"id\":\"a/00000001/2\",\"outlet\":\"o\",\"stream\":\"sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss\","
         "\"reason\":\"r\",\"time\":1}",
            "\"stream\" of more than 64"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_refused(&wrong[i]);
}

Test(dead_letter, what_a_record_cannot_hold_is_refused)
{
    char line[RECORD_ORIGIN_MAX + 1000], text[RECORD_ORIGIN_MAX + 2], labels_text[400] = "";

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    snprintf(line, sizeof line, "{" WHY RECEIVED PAYLOAD ",\"origin\":\"%s\"}", text);
    assert_refused(&(struct wrong){line, "\"origin\" of 4097 bytes, at most 4096"});
    text[RECORD_KEY_MAX + 1] = '\0';
    snprintf(line, sizeof line, "{" WHY RECEIVED PAYLOAD ",\"key\":\"%s\"}", text);
    assert_refused(&(struct wrong){line, "\"key\" of 257 bytes, at most 256"});
    snprintf(line, sizeof line, "{" WHY RECEIVED PAYLOAD ",\"labels\":{\"a\":\"%s\"}}", text);
    assert_refused(&(struct wrong){line, "label \"a\" of 257 bytes, at most 256"});
    for (unsigned i = 0; i <= RECORD_LABELS_MAX; i++) {
        size_t used = strlen(labels_text);
        snprintf(labels_text + used, sizeof labels_text - used, "%s\"l%u\":\"\"", i ? "," : "", i);
    }
    snprintf(line, sizeof line, "{" WHY RECEIVED PAYLOAD ",\"labels\":{%s}}", labels_text);
    assert_refused(&(struct wrong){line, "more than 16 labels"});
}
