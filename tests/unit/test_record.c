/* record: its body in the journal, and what a key or a label may be */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "record/record.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

static struct record sample(void)
{
    return (struct record){
        .rendering = 0x01020304,
        .flags = RECORD_EVENT_TIME,
        .received = INT64_C(1763694000123456),
        .event = -1,
        .key = SLICE("k1"),
        .labels = {SLICE("a"), SLICE("")},
        .labels_count = 2,
        .origin = SLICE("o"),
    };
}

/* The stored form of sample() with payload "{}": it may never change. */
static const unsigned char golden[] = {
    1, 1, 2, 0, 4, 3, 2, 1, /* version, flags, labels, rendering */
    0x40, 0xae, 0x5e, 0x02, 0x12, 0x44, 0x06, 0, /* received */
    255, 255, 255, 255, 255, 255, 255, 255, /* event */
    2, 0, 'k', '1', /* key */
    1, 0, 'a', 0, 0, /* labels */
    1, 0, 'o', /* origin */
    '{', '}', /* payload */
};

Test(record, body_is_as_documented)
{
    struct record record = sample();
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(record_encode_head(&record, &body, &error), 0);
    cr_assert_eq(bytes_add_text(&body, "{}", &error), 0);
    cr_assert_eq(body.length, sizeof golden);
    for (size_t i = 0; i < sizeof golden; i++)
        cr_assert_eq(
            (unsigned char)body.data[i], golden[i], "byte %zu is %d", i, (unsigned char)body.data[i]);
}

Test(record, decode_gives_back_what_was_encoded)
{
    struct record record, like = sample();
    struct error error;

    cr_assert_eq(record_decode(golden, sizeof golden, &record, &error), 0);
    cr_assert_eq(record.rendering, like.rendering);
    cr_assert_eq(record.flags, like.flags);
    cr_assert_eq(record.received, like.received);
    cr_assert_eq(record.event, like.event);
    cr_assert(slice_equal(record.key, like.key));
    cr_assert_eq(record.labels_count, 2);
    cr_assert(slice_is(record.labels[0], "a"));
    cr_assert_eq(record.labels[1].length, 0);
    cr_assert(slice_is(record.origin, "o"));
    cr_assert(slice_is(record.payload, "{}"));
}

/* The stored form of an undecodable record: a reason behind the origin. It may never change either. */
static const unsigned char golden_undecodable[] = {
    1, 4, 0, 0, 0, 0, 0, 0, /* version, flags, no labels, RECORD_NO_RENDERING */
    0x40, 0xae, 0x5e, 0x02, 0x12, 0x44, 0x06, 0, /* received */
    0, 0, 0, 0, 0, 0, 0, 0, /* event */
    0, 0, /* key */
    1, 0, 'o', /* origin */
    3, 0, 'w', 'h', 'y', /* reason */
    0xff, 0, /* payload */
};

Test(record, undecodable_body_is_as_documented)
{
    struct record record = {.rendering = RECORD_NO_RENDERING,
        .flags = RECORD_UNDECODABLE,
        .received = INT64_C(1763694000123456),
        .origin = SLICE("o"),
        .reason = SLICE("why")};
    struct record again;
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(record_encode_head(&record, &body, &error), 0);
    cr_assert_eq(bytes_add(&body, "\xff", 2, &error), 0);
    cr_assert(slice_equal(
        bytes_slice(&body), (struct slice){(const char *)golden_undecodable, sizeof golden_undecodable}));
    cr_assert_eq(record_decode(golden_undecodable, sizeof golden_undecodable, &again, &error), 0);
    cr_assert_eq(again.rendering, RECORD_NO_RENDERING);
    cr_assert_eq(again.flags, RECORD_UNDECODABLE);
    cr_assert(slice_is(again.origin, "o"));
    cr_assert(slice_is(again.reason, "why"));
    cr_assert(slice_equal(again.payload, SLICE("\xff\0")));
}

/* Of a decodable one the reason is empty, whatever its payload begins with. */
Test(record, only_undecodable_records_have_a_reason)
{
    struct record record;
    struct error error;

    cr_assert_eq(record_decode(golden, sizeof golden, &record, &error), 0);
    cr_assert_eq(record.reason.length, 0);
}

Test(record, largest_head_and_empty_payload_survive)
{
    static char text[RECORD_ORIGIN_MAX];
    struct record record = {.rendering = UINT32_MAX, .flags = 31, .received = INT64_MIN, .event = INT64_MAX};
    struct record again;
    struct error error;
    cleanup_bytes struct bytes head;

    memset(text, 'x', sizeof text);
    record.key = (struct slice){text, RECORD_KEY_MAX};
    for (size_t i = 0; i < RECORD_LABELS_MAX; i++)
        record.labels[record.labels_count++] = (struct slice){text, RECORD_KEY_MAX};
    record.origin = (struct slice){text, RECORD_ORIGIN_MAX};
    record.reason = (struct slice){text, RECORD_REASON_MAX};
    bytes_init(&head, RECORD_HEAD_MAX);
    cr_assert_eq(record_encode_head(&record, &head, &error), 0);
    cr_assert_eq(head.length, RECORD_HEAD_MAX);
    cr_assert_eq(record_decode(head.data, head.length, &again, &error), 0);
    cr_assert_eq(again.flags, 31);
    cr_assert_eq(again.received, INT64_MIN);
    cr_assert_eq(again.event, INT64_MAX);
    cr_assert_eq(again.labels_count, RECORD_LABELS_MAX);
    cr_assert_eq(again.labels[RECORD_LABELS_MAX - 1].length, RECORD_KEY_MAX);
    cr_assert_eq(again.origin.length, RECORD_ORIGIN_MAX);
    cr_assert_eq(again.reason.length, RECORD_REASON_MAX);
    cr_assert_eq(again.payload.length, 0);
}

Test(record, encode_says_when_the_buffer_is_full)
{
    struct record record = sample();
    struct error error;
    cleanup_bytes struct bytes head;

    bytes_init(&head, 35);
    cr_assert_eq(record_encode_head(&record, &head, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "record head: more than 35 bytes");
    cr_assert_eq(head.length, 0);
}

static void refuse_shorter_heads(const unsigned char *body, size_t head)
{
    struct record record;
    struct error error;

    for (size_t length = 0; length < head; length++) {
        void *copy = malloc(length ? length : 1); /* so that the sanitizer sees a read beyond it */
        memcpy(copy, body, length);
        error.kind = ERROR_NONE;
        cr_assert_eq(record_decode(copy, length, &record, &error), -1, "%zu bytes", length);
        cr_assert_eq(error.kind, ERROR_REJECT);
        free(copy);
    }
}

Test(record, decode_refuses_every_shorter_head)
{
    refuse_shorter_heads(golden, sizeof golden - 2);
    refuse_shorter_heads(golden_undecodable, sizeof golden_undecodable - 2);
}

/* One byte of the golden body changed, and the error that follows. */
static const struct {
    size_t place;
    unsigned char value;
    const char *text;
} spoiled[] = {
    {0, 0, "record: version 0 is not known, this program reads version 1"},
    {0, 200, "record: version 200 is not known, this program reads version 1"},
    {1, 0x80, "record: flags 0x80 are not known"}, {1, 0x40, "record: flags 0x40 are not known"},
    {2, 17, "record: 17 labels, at most 16"}, {25, 2, "record: key of 514 bytes, at most 256"},
    {29, 2, "record: label of 513 bytes, at most 256"},
    {34, 0x11, "record: origin of 4353 bytes, at most 4096"}, {33, 4, "record: origin is cut off"},
    {1, 5, "record: reason of 32123 bytes, at most 512"}, /* the payload stands in its place */
};

Test(record, decode_names_the_field_that_is_wrong)
{
    for (size_t i = 0; i < sizeof spoiled / sizeof *spoiled; i++) {
        unsigned char body[sizeof golden];
        struct record record;
        struct error error;

        memcpy(body, golden, sizeof golden);
        body[spoiled[i].place] = spoiled[i].value;
        cr_assert_eq(record_decode(body, sizeof body, &record, &error), -1, "case %zu", i);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, spoiled[i].text);
    }
}

Test(record, time_is_the_events_only_inside_its_window)
{
    struct record record = {.received = 5, .event = 3};

    cr_assert_eq(record_time(&record), 5);
    record.flags = RECORD_TIME_OUTSIDE;
    cr_assert_eq(record_time(&record), 5);
    record.flags = RECORD_EVENT_TIME;
    cr_assert_eq(record_time(&record), 3);
}

static const struct {
    struct slice value;
    const char *error; /* NULL: allowed */
} names[] = {
    {SLICE(""), NULL},
    {{NULL, 0}, NULL},
    {SLICE("SENSOR_1"), NULL},
    {SLICE("a b/c\\d\"e"), NULL},
    {SLICE("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0"), NULL},
    {SLICE("a\0b"), "key: control character at byte 1"},
    {SLICE("a\n"), "key: control character at byte 1"},
    {SLICE("\x1f"), "key: control character at byte 0"},
    {SLICE("ab\x7f"), "key: control character at byte 2"},
    {SLICE("\xc2\x80"), "key: control character at byte 0"},
    {SLICE("\xc2\x9f"), "key: control character at byte 0"},
    {SLICE("\xff"), "key: byte 0 is not UTF-8"},
    {SLICE("a\xc3"), "key: byte 1 is not UTF-8"},
    {SLICE("\xc0\xaf"), "key: byte 0 is not UTF-8"},
    {SLICE("\xed\xa0\x80"), "key: byte 0 is not UTF-8"},
};

Test(record, names_are_utf8_without_control_characters)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct error error = {.text = ""};

        cr_assert_eq(
            record_check_name(names[i].value, "key", &error), names[i].error ? -1 : 0, "case %zu", i);
        cr_assert_str_eq(error.text, names[i].error ? names[i].error : "", "case %zu", i);
    }
}

Test(record, names_have_a_longest_length)
{
    char text[RECORD_KEY_MAX + 1];
    struct error error;

    memset(text, 'k', sizeof text);
    cr_assert_eq(record_check_name((struct slice){text, RECORD_KEY_MAX}, "label host", &error), 0);
    cr_assert_eq(record_check_name((struct slice){text, RECORD_KEY_MAX + 1}, "label host", &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "label host: 257 bytes, at most 256 are allowed");
}
