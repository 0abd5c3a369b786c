/* envelope: the id of a record, and the envelope around its payload, against a plain oracle and a foreign JSON parser */
#include <criterion/criterion.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/record.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})
#define COUNT(array) (sizeof array / sizeof *array)

/* ---- the id ----------------------------------------------------------------------------------------------- */

Test(record_id, is_gateway_epoch_and_sequence)
{
    char text[RECORD_ID_MAX + 1];
    struct record_id id = {"site-7", 0x3f9a1c22, 42};

    cr_assert_eq(record_id_print(&id, text), strlen("site-7/3f9a1c22/42"));
    cr_assert_str_eq(text, "site-7/3f9a1c22/42");
    id = (struct record_id){"a", 1, 0};
    record_id_print(&id, text);
    cr_assert_str_eq(text, "a/00000001/0");
}

Test(record_id, longest_one_fits)
{
    char gateway[RECORD_GATEWAY_MAX + 1] = "";
    char text[RECORD_ID_MAX + 1];
    struct record_id id = {gateway, UINT32_MAX, UINT64_MAX};

    memset(gateway, 'g', RECORD_GATEWAY_MAX);
    cr_assert_eq(record_id_print(&id, text), RECORD_ID_MAX);
    cr_assert_eq(strlen(text), RECORD_ID_MAX);
    cr_assert_str_eq(text + RECORD_GATEWAY_MAX, "/ffffffff/18446744073709551615");
}

/* ---- the envelope ----------------------------------------------------------------------------------------- */

static const struct record_id some_id = {"site-7", 0x3f9a1c22, 42};
#define SOME_UUID "b14b54af-969b-85de-9d84-cd5aa16acf99"

static void render(struct slice payload, struct bytes *out)
{
    struct record record = {.payload = payload, .received = INT64_C(1700000000123456)};
    struct error error = {.text = ""};

    cr_assert_eq(record_envelope_render(&record, &some_id, out, &error), 0, "%s", error.text);
}

Test(envelope, is_as_documented)
{
    cleanup_bytes struct bytes out;
    struct error error;

    bytes_init(&out, 4096);
    cr_assert_eq(bytes_add_text(&out, "before ", &error), 0);
    render(SLICE("{\"sensor_id\":1}"), &out);
    cr_assert(slice_is(bytes_slice(&out),
                  "before {\"payload\":\"{\\\"sensor_id\\\":1}\",\"correlation_id\":\"" SOME_UUID
                  "\",\"created_at\":1700000000.123456,\"schema_version\":1}"),
        "%.*s", (int)out.length, out.data);
}

static const struct {
    int64_t event;
    const char *text;
} times[] = {
    {0, "0.000000"},
    {1, "0.000001"},
    {-1, "-0.000001"},
    {-1000000, "-1.000000"},
    {-1500000, "-1.500000"},
    {INT64_C(1700000000000000), "1700000000.000000"},
    {INT64_MAX, "9223372036854.775807"},
    {INT64_MIN, "-9223372036854.775808"},
};

Test(envelope, created_at_is_the_records_time_in_seconds)
{
    for (size_t i = 0; i < COUNT(times); i++) {
        struct record record = {.flags = RECORD_EVENT_TIME, .event = times[i].event, .received = 77};
        struct error error;
        char wanted[64];
        cleanup_bytes struct bytes out;

        bytes_init(&out, 4096);
        cr_assert_eq(record_envelope_render(&record, &some_id, &out, &error), 0);
        cr_assert_eq(bytes_add(&out, "", 1, &error), 0);
        snprintf(wanted, sizeof wanted, "\"created_at\":%s,", times[i].text);
        cr_assert_not_null(strstr(out.data, wanted), "%s in %s", wanted, out.data);
    }
}

Test(envelope, overhead_keeps_its_limit)
{
    char gateway[RECORD_GATEWAY_MAX + 1] = "";
    struct record_id id = {gateway, UINT32_MAX, UINT64_MAX};
    struct record record = {.flags = RECORD_EVENT_TIME, .event = INT64_MIN, .payload = SLICE("x")};
    struct error error;
    cleanup_bytes struct bytes out;

    memset(gateway, 'g', RECORD_GATEWAY_MAX);
    bytes_init(&out, 4096);
    cr_assert_eq(record_envelope_render(&record, &id, &out, &error), 0);
    cr_assert_leq(out.length, RECORD_ENVELOPE_OVERHEAD + 1);
}

/* One byte at a time, as RFC 8259 section 7 says it. */
static void oracle(struct slice payload, struct bytes *out)
{
    struct error error;

    for (size_t i = 0; i < payload.length; i++) {
        const char *letters = "\"\"\\\\\bb\ff\nn\rr\tt";
        char byte = payload.data[i];
        const char *found = byte ? strchr(letters, byte) : NULL;
        int result;

        while (found && (found - letters) % 2) /* a letter, not what it stands for */
            found = strchr(found + 1, byte);
        if (found)
            result = bytes_print(out, &error, "\\%c", found[1]);
        else if ((unsigned char)byte < 0x20)
            result = bytes_print(out, &error, "\\u%04x", (unsigned)byte);
        else
            result = bytes_add(out, &byte, 1, &error);
        cr_assert_eq(result, 0);
    }
}

/* Length, text, and what jansson reads back. */
static void check(struct slice payload)
{
    struct error error = {.text = ""};
    uint64_t length;
    cleanup_bytes struct bytes out, wanted;

    bytes_init(&out, 1 << 20);
    bytes_init(&wanted, 1 << 20);
    cr_assert_eq(bytes_add_text(&wanted, "{\"payload\":\"", &error), 0);
    oracle(payload, &wanted);
    cr_assert_eq(record_envelope_length(payload, &length, &error), 0, "%s", error.text);
    cr_assert_eq(length, wanted.length - strlen("{\"payload\":\""));
    cr_assert_eq(bytes_add_text(&wanted, "\",\"correlation_id\":", &error), 0);
    render(payload, &out);
    cr_assert_geq(out.length, wanted.length);
    cr_assert_eq(memcmp(out.data, wanted.data, wanted.length), 0, "%.*s", (int)out.length, out.data);

    json_error_t cause;
    json_t *json = json_loadb(out.data, out.length, JSON_ALLOW_NUL, &cause);
    cr_assert_not_null(json, "%s", cause.text);
    const json_t *inner = json_object_get(json, "payload");
    cr_assert(slice_equal((struct slice){json_string_value(inner), json_string_length(inner)}, payload));
    cr_assert_eq(json_integer_value(json_object_get(json, "schema_version")), 1);
    cr_assert_eq(json_object_size(json), 4);
    json_decref(json);
}

Test(envelope, every_byte_at_every_place_of_a_word)
{
    for (unsigned byte = 0; byte < 0x80; byte++) {
        for (size_t place = 0; place < 17; place++) {
            char payload[17];

            memset(payload, 'a', sizeof payload);
            payload[place] = (char)byte;
            check((struct slice){payload, sizeof payload});
        }
    }
}

Test(envelope, neighbours_do_not_spoil_each_other)
{
    /* What the tricks with whole words could confuse: one above, one below, the same with the top bit. */
    static const char *const pieces[] = {"\"", "!", "#", "\\", "[", "]", "\x1f", "\x20", "\x01", "\x7f", "\b",
        "\xc2\xa2", "\xc2\x80", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xdf\xbf", "a", "\n", "abcdefgh"};
    uint32_t random = 1;

    for (int round = 0; round < 5000; round++) {
        char payload[512];
        size_t length = 0;

        for (int i = 0; i < round % 60; i++) {
            random = random * 1664525 + 1013904223;
            const char *piece = pieces[(random >> 16) % COUNT(pieces)];
            memcpy(payload + length, piece, strlen(piece));
            length += strlen(piece);
        }
        char *copy = malloc(length ? length : 1); /* so that the sanitizer sees a read beyond it */
        memcpy(copy, payload, length);
        check((struct slice){copy, length});
        free(copy);
    }
}

Test(envelope, payload_may_be_nothing)
{
    check(SLICE(""));
    check((struct slice){NULL, 0});
}

static const struct {
    struct slice payload;
    const char *error;
} broken[] = {
    {SLICE("\xff"), "payload: byte 0 is not UTF-8"},
    {SLICE("12345678\xc3"), "payload: byte 8 is not UTF-8"},
    {SLICE("1234567\xe2\x82"), "payload: byte 7 is not UTF-8"},
    {SLICE("1234567\xe2\x82"
           "890abcdefgh"),
        "payload: byte 7 is not UTF-8"},
    {SLICE("12345678901234567890\x80"
           "23456789"),
        "payload: byte 20 is not UTF-8"},
    {SLICE("\xed\xa0\x80 surrogate"), "payload: byte 0 is not UTF-8"},
};

Test(envelope, payload_must_be_utf8)
{
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct record record = {.payload = broken[i].payload};
        struct error error;
        uint64_t length = 4711;
        cleanup_bytes struct bytes out;

        cr_assert_eq(record_envelope_length(broken[i].payload, &length, &error), -1, "case %zu", i);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, broken[i].error);
        cr_assert_eq(length, 4711);
        bytes_init(&out, 4096);
        cr_assert_eq(record_envelope_render(&record, &some_id, &out, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(out.length, 0);
    }
}

Test(envelope, limit_of_the_buffer_is_exact)
{
    struct record record = {.payload = SLICE("\"line\"\n")};
    struct error error;
    cleanup_bytes struct bytes measured, exact, small;

    bytes_init(&measured, 4096);
    cr_assert_eq(record_envelope_render(&record, &some_id, &measured, &error), 0);
    bytes_init(&exact, measured.length);
    cr_assert_eq(record_envelope_render(&record, &some_id, &exact, &error), 0);
    cr_assert(slice_equal(bytes_slice(&exact), bytes_slice(&measured)));
    bytes_init(&small, measured.length - 1);
    cr_assert_eq(record_envelope_render(&record, &some_id, &small, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "envelope of 121 bytes: more than 120 bytes");
    cr_assert_eq(small.length, 0);
}

/* ---- correlation_id --------------------------------------------------------------------------------------- */

#define UUID_LENGTH 36

static void find_uuid(const struct record_id *id, char uuid[UUID_LENGTH + 1])
{
    struct record record = {.received = 1};
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 4096);
    cr_assert_eq(record_envelope_render(&record, id, &out, &error), 0);
    memcpy(uuid, out.data + strlen("{\"payload\":\"\",\"correlation_id\":\""), UUID_LENGTH);
    uuid[UUID_LENGTH] = '\0';
}

#define GATEWAY_64 "GGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGGG"

/* Computed by another program: a record that is sent again by a later version must keep its id. */
static const struct {
    struct record_id id;
    const char *uuid;
} uuids[] = {
    {{"site-7", 0x3f9a1c22, 42}, "b14b54af-969b-85de-9d84-cd5aa16acf99"},
    {{"site-7", 0x3f9a1c22, 43}, "d9dcaf47-5823-8058-8372-09f2ad8ab57a"},
    {{"g", 0, 0}, "82175cec-5f25-8e9a-81d3-6994fd36417b"},
    {{GATEWAY_64, UINT32_MAX, UINT64_MAX}, "53a26b32-2180-81de-867a-e3df526edcc7"},
};

Test(correlation_id, follows_from_the_id_alone)
{
    for (size_t i = 0; i < COUNT(uuids); i++) {
        char uuid[UUID_LENGTH + 1];

        find_uuid(&uuids[i].id, uuid);
        cr_assert_str_eq(uuid, uuids[i].uuid);
    }
}

static int compare_uuids(const void *a, const void *b)
{
    return memcmp(a, b, UUID_LENGTH + 1);
}

/* Small ones, the largest ones, and each power of two. */
#define SEQUENCES 6000
#define POWERS 13 /* 2^13 is the first one above SEQUENCES */

static uint64_t sequence_at(uint64_t i)
{
    return i < SEQUENCES / 2 ? i : i < SEQUENCES ? UINT64_MAX - i : UINT64_C(1) << (POWERS + i - SEQUENCES);
}

Test(correlation_id, differs_for_all_records)
{
    static const char *const gateways[] = {"a", "b", "ab", "ba", "site-1", "site-2", "site-11"};
    static const uint32_t epochs[] = {0, 1, 2, 0x80000000, UINT32_MAX};
    enum { each = SEQUENCES + 64 - POWERS, all = COUNT(gateways) * COUNT(epochs) * each };
    char(*found)[UUID_LENGTH + 1] = calloc(all, sizeof *found);
    size_t count = 0;

    for (size_t g = 0; g < COUNT(gateways); g++) {
        for (size_t e = 0; e < COUNT(epochs); e++) {
            for (uint64_t s = 0; s < each; s++) {
                struct record_id id = {gateways[g], epochs[e], sequence_at(s)};
                find_uuid(&id, found[count++]);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(strspn(found[i], "0123456789abcdef-"), UUID_LENGTH);
        cr_assert_eq(found[i][14], '8', "%s", found[i]); /* version */
        cr_assert_not_null(strchr("89ab", found[i][19]), "%s", found[i]); /* variant */
    }
    qsort(found, count, sizeof *found, compare_uuids);
    for (size_t i = 1; i < count; i++)
        cr_assert_str_neq(found[i - 1], found[i]);
    free(found);
}
