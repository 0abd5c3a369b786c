/* rendering: its JSON form */
#include <criterion/criterion.h>

#include <stdio.h>

#include "failing_malloc.h"
#include "rendering_samples.h"
#include "record/record.h"

/* ---- one rendering ---------------------------------------------------------------------------------------- */

Test(rendering, is_stored_as_compact_json)
{
    struct rendering rendering = sample(7, "readings", path_a);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert(
        slice_is(bytes_slice(&body),
            "{\"id\":7,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[\"event_type\",\"host\"],"
            "\"lake_path\":\"a/{key}\"}"),
        "%.*s", (int)body.length, body.data);
}

Test(rendering, decode_gives_back_what_was_encoded)
{
    struct rendering rendering = sample(UINT32_MAX, "unorganized", path_b);
    struct rendering *again;
    struct error error;
    cleanup_bytes struct bytes body;

    rendering.format = RECORD_FORMAT_TEXT;
    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_decode(body.data, body.length, &again, &error), 0);
    cr_assert_eq(again->id, UINT32_MAX);
    cr_assert_str_eq(again->stream, "unorganized");
    cr_assert_eq(again->format, RECORD_FORMAT_TEXT);
    cr_assert_eq(again->labels_count, 2);
    cr_assert_str_eq(again->labels[1], "host");
    cr_assert_str_eq(again->lake_path, "b/{key}");
    rendering_free(&again);
    cr_assert_null(again);
    rendering_free(&again);
}

Test(rendering, every_format_has_a_word_of_its_own)
{
    static const char *const stored[] = {
        "\"format\":\"json\"", "\"format\":\"text\"", "\"format\":\"bytes\""};

    for (int format = RECORD_FORMAT_JSON; format <= RECORD_FORMAT_BYTES; format++) {
        struct rendering rendering = sample(1, "s", path_a);
        struct rendering *again;
        struct error error;
        cleanup_bytes struct bytes body;

        rendering.format = (enum record_format)format;
        bytes_init(&body, 4096);
        cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
        cr_assert_not_null(memmem(body.data, body.length, stored[format], strlen(stored[format])));
        cr_assert_eq(rendering_decode(body.data, body.length, &again, &error), 0);
        cr_assert_eq((int)again->format, format);
        rendering_free(&again);
    }
}

Test(rendering, encode_leaves_the_buffer_alone_when_there_is_no_room)
{
    struct rendering rendering = sample(7, "readings", path_a);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 50);
    cr_assert_eq(bytes_add_text(&body, "before", &error), 0);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "rendering of stream readings: more than 50 bytes");
    cr_assert(slice_is(bytes_slice(&body), "before"));
    bytes_free(&body);
    fail_at = 1;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_str_eq(error.text, "rendering of stream readings: out of memory");
}

Test(rendering, encode_refuses_what_json_cannot_hold)
{
    static char broken[] = "\xff";
    struct rendering rendering = sample(7, "readings", broken);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    rendering = sample(7, "readings", path_a);
    rendering.labels[1] = broken;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    rendering = sample(7, "readings", path_a);
    rendering.topics[0] = broken;
    rendering.topics_count = 1;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    rendering.topics_count = 0;
    rendering.headers[0].name = broken;
    rendering.headers_count = 1;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(body.length, 0);
}

#define LABELS_17 \
    "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\""
#define NAME_65 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define WITH(member) \
    "{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":\"p\"," member "}"

static const struct {
    const char *body;
    const char *error; /* how the text begins */
} wrong[] = {
    {"", "rendering: "},
    {"{", "rendering: "},
    {"[]", "rendering: member \"id\" is missing"},
    {"{\"id\":1,\"id\":2}", "rendering: duplicate object key"},
    {"{\"id\":\"1\"}", "rendering: member \"id\" has a wrong type"},
    {"{\"id\":0,\"stream\":\"s\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"p\"}",
        "rendering: id 0 is out of range"},
    {"{\"id\":4294967296,\"stream\":\"s\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"p\"}",
        "rendering: id 4294967296 is out of range"},
    {"{\"id\":1}", "rendering: member \"stream\" is missing"},
    {"{\"id\":1,\"stream\":\"" NAME_65 "\",\"format\":\"json\"}",
        "rendering: stream name of 65 bytes, at most 64"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"xml\"}", "rendering: format \"xml\" is not known"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[1],\"lake_path\":\"p\"}",
        "rendering: label 0 is no string"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[" LABELS_17 "],\"lake_path\":\"p\"}",
        "rendering: 17 labels, at most 16"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":2}",
        "rendering: member \"lake_path\" has a wrong type"},
    {WITH("\"topics\":\"T\""), "rendering: member \"topics\" has a wrong type"},
    {WITH("\"topics\":[\"T\",null]"), "rendering: topic 1 is no string"},
    {WITH("\"topics\":[" LABELS_17 "]"), "rendering: 17 topics, at most 16"},
    {WITH("\"value\":1"), "rendering: member \"value\" has a wrong type"},
    {WITH("\"value\":\"avro\""), "rendering: value \"avro\" is not known"},
    {WITH("\"headers\":{}"), "rendering: member \"headers\" has a wrong type"},
    {WITH("\"headers\":[" LABELS_17 "]"), "rendering: 17 headers, at most 16"},
    {WITH("\"headers\":[1]"), "rendering: header 0 has no name or no label"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":0},{\"name\":\"h\"}]"),
        "rendering: header 1 has no name or no label"},
    {WITH("\"headers\":[{\"name\":1,\"label\":0}]"), "rendering: header 0 has no name or no label"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":\"a\"}]"), "rendering: header 0 has no name or no label"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":1}]"), "rendering: header 0: label 1 of 1"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":-1}]"), "rendering: header 0: label -1 of 1"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":\"p\",\"superseded_at\":true}",
        "rendering: member \"superseded_at\" has a wrong type"},
};

Test(rendering, decode_says_what_is_wrong)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rendering *rendering = NULL;
        struct error error;

        cr_assert_eq(
            rendering_decode(wrong[i].body, strlen(wrong[i].body), &rendering, &error), -1, "case %zu", i);
        cr_assert_null(rendering);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(strncmp(error.text, wrong[i].error, strlen(wrong[i].error)), 0, "%s", error.text);
    }
}

Test(rendering, decode_ignores_members_of_later_versions)
{
    static const char body[] =
        "{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"p\","
        "\"partitions\":[\"P\"]}";
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(rendering_decode(body, sizeof body - 1, &rendering, &error), 0);
    cr_assert_eq(rendering->labels_count, 0);
    rendering_free(&rendering);
}

Test(rendering, one_of_an_older_version_has_no_topics)
{
    static const char body[] =
        "{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":\"p\"}";
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(rendering_decode(body, sizeof body - 1, &rendering, &error), 0);
    cr_assert_eq(rendering->topics_count, 0);
    cr_assert_eq(rendering->value, RECORD_VALUE_PAYLOAD);
    cr_assert_eq(rendering->headers_count, 0);
    rendering_free(&rendering);
}

Test(rendering, topics_value_and_headers_are_stored)
{
    struct rendering rendering = sample_topics(7);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert(slice_is(bytes_slice(&body), TOPICS_JSON), "%.*s", (int)body.length, body.data);
}

Test(rendering, topics_value_and_headers_are_read_back)
{
    struct rendering *again;
    struct error error;

    cr_assert_eq(rendering_decode(TOPICS_JSON, strlen(TOPICS_JSON), &again, &error), 0);
    cr_assert_eq(again->topics_count, 2);
    cr_assert_str_eq(again->topics[0], "INGESTION");
    cr_assert_str_eq(again->topics[1], "SENSOR_ID_{key}");
    cr_assert_eq(again->value, RECORD_VALUE_ENVELOPE);
    cr_assert_eq(again->headers_count, 2);
    cr_assert_str_eq(again->headers[0].name, "Host");
    cr_assert_eq(again->headers[0].label, 1);
    cr_assert_str_eq(again->headers[1].name, "type");
    cr_assert_eq(again->headers[1].label, 0);
    rendering_free(&again);
}

/* ---- the table -------------------------------------------------------------------------------------------- */

/* ---- the form of its files --------------------------------------------------------------------------------- */

#define FORM_HEAD \
    "{\"id\":7,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"a\",\"lake\":"

static void add_columns(struct form *form)
{
    static const char *const names[] = {"a", "b\"\\", "c", "d", "e", "f", "g"};

    for (int i = FORM_INTEGER; i <= FORM_JSON; i++)
        cr_assert_eq(form_add_column(form, slice_of(names[i]), (enum form_type)i), 0);
}

Test(rendering, form_is_stored_and_comes_back)
{
    for (int file = FORM_PARQUET; file <= FORM_CSV; file++) {
        for (int codec = FORM_PLAIN; codec <= FORM_ZSTD; codec++) {
            struct rendering rendering = sample(7, "readings", path_a), *again;
            struct form copy;
            struct error error;
            cleanup_bytes struct bytes body;

            bytes_init(&body, 4096);
            rendering.form = (struct form){
                .file = (enum form_file)file, .codec = (enum form_codec)codec, .misfits_rest = codec % 2};
            add_columns(&rendering.form);
            cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
            const size_t with = body.length;
            cr_assert_eq(rendering_decode(body.data, body.length, &again, &error), 0, "%s", error.text);
            cr_assert(form_equal(&again->form, &rendering.form));
            cr_assert_eq(form_copy(&again->form, &copy), 0);
            cr_assert(form_equal(&copy, &rendering.form));
            copy.columns[6].type = FORM_STRING;
            cr_assert(!form_equal(&copy, &rendering.form));
            copy.columns_count = 6;
            cr_assert(!form_equal(&copy, &rendering.form));
            copy.columns_count = 7;
            rendering_free(&again);
            const size_t size = form_size(&rendering.form);
            rendering.form.columns_count = 0;
            bytes_clear(&body);
            cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
            cr_assert_leq(with - body.length, size);
            rendering.form.columns_count = 7;
            form_clear(&copy);
            form_clear(&rendering.form);
        }
    }
}

/* What is of several types has become texts of JSON once; a record of that time has its column as it was. */
Test(rendering, form_keeps_the_types_that_it_was_stored_with)
{
    static const char text[] = FORM_HEAD
        "{\"format\":\"csv\",\"compression\":\"none\",\"misfit\":\"rest\",\"columns\":[\"a\",\"json\",\"b\",\"scalar\"]}}";
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(rendering_decode(text, sizeof text - 1, &rendering, &error), 0, "%s", error.text);
    cr_assert_eq(rendering->form.columns[0].type, FORM_JSON);
    cr_assert_eq(rendering->form.columns[1].type, FORM_SCALAR);
    rendering_free(&rendering);
}

Test(rendering, form_is_told_from_others)
{
    struct form a = {.file = FORM_AVRO}, b = a;

    b.misfits_rest = true;
    cr_assert(!form_equal(&a, &b));
    b = (struct form){.file = FORM_CSV};
    cr_assert(!form_equal(&a, &b));
    b = (struct form){.file = FORM_AVRO, .codec = FORM_ZSTD};
    cr_assert(!form_equal(&a, &b));
}

Test(rendering, form_of_an_unknown_kind_is_refused)
{
    static const struct {
        const char *lake, *reason;
    } unknown[] = {
        {"1}", "rendering: member \"lake\" has a wrong type"},
        {"{\"format\":\"orc\"}}", "rendering: lake: format orc is unknown"},
        {"{\"format\":7}}", "rendering: lake: format that is no string is unknown"},
        {"{\"format\":\"csv\",\"compression\":\"lzo\"}}", "rendering: lake: compression lzo is unknown"},
        {"{\"format\":\"csv\",\"compression\":\"none\",\"misfit\":\"x\"}}",
            "rendering: lake: misfit x is unknown"},
        {"{\"format\":\"csv\",\"compression\":\"none\",\"misfit\":\"rest\",\"columns\":[\"a\"]}}",
            "rendering: lake: columns are no list of at most 500 names and types"},
        {"{\"format\":\"csv\",\"compression\":\"none\",\"misfit\":\"rest\",\"columns\":[\"a\",\"json\",1,\"json\"]}}",
            "rendering: lake: column 1 has no name"},
        {"{\"format\":\"csv\",\"compression\":\"none\",\"misfit\":\"rest\",\"columns\":[\"a\",\"text\"]}}",
            "rendering: lake: a column's type text is unknown"},
    };

    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct rendering *rendering;
        struct error error;
        char text[512];

        const int length = snprintf(text, sizeof text, FORM_HEAD "%s", unknown[i].lake);
        cr_assert_eq(rendering_decode(text, (size_t)length, &rendering, &error), -1, "%s", text);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, unknown[i].reason);
    }
}

Test(rendering, form_with_a_name_that_is_not_utf8_is_not_stored)
{
    struct rendering rendering = sample(7, "readings", path_a);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    rendering.form.file = FORM_CSV;
    cr_assert_eq(form_add_column(&rendering.form, slice_of("\xff"), FORM_JSON), 0);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    form_clear(&rendering.form);
}
