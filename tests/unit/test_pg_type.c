/* What types become: the table, options, casts. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "pg_harness.h"

static const struct pg_type_options parquet = {.format = TABLE_PARQUET},
                                    json_lines = {.format = TABLE_JSON_LINES};

static struct pg_mapping map(const struct pg_type *type, struct pg_type_options options)
{
    struct pg_mapping mapping;

    pg_type_map(type, &options, &mapping);
    return mapping;
}

static struct pg_type numeric_of(int precision, int scale)
{
    struct pg_type type = pg_builtin(1700, "numeric");

    type.typmod = (precision << 16 | (scale & 0x7ff)) + 4;
    return type;
}

static struct pg_type composite_of(const struct pg_attribute *attributes, size_t count)
{
    struct pg_type type = pg_builtin(200000, "composite");

    type.kind = 'c';
    type.category = 'C';
    type.attributes = attributes;
    type.attributes_count = count;
    return type;
}

static void check_explained(struct pg_mapping mapping, const char *expected)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, 1000);
    cr_assert_eq(pg_type_explain(&mapping, &text, &error), 0);
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s", (int)text.length, text.data);
}

Test(pg_type, every_row_is_there_once)
{
    size_t count;
    const struct pg_type_row *rows = pg_type_rows(&count);

    cr_assert_gt(count, 80);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(rows[i].oid, rows[j].oid, "%s", rows[i].name);
            cr_assert(!rows[i].array || rows[i].array != rows[j].array, "%s", rows[i].name);
        }
        cr_assert_eq(pg_type_row(rows[i].oid), &rows[i]);
        cr_assert(rows[i].form != PG_FORM_NONE || rows[i].columns[TABLE_PARQUET] == COLUMN_STRING, "%s",
            rows[i].name);
    }
    cr_assert_null(pg_type_row(16384));
}

Test(pg_type, decimals)
{
    static const struct {
        int precision, scale;
        bool there;
        uint8_t decimal_precision, decimal_scale;
    } cases[] = {
        {10, 2, true, 10, 2},
        {38, 38, true, 38, 38},
        {39, 0, false, 0, 0},
        {1, 0, true, 1, 0},
        {2, -3, true, 5, 0},
        {30, -9, false, 0, 0},
        {3, 5, true, 5, 5},
        {3, 38, true, 38, 38},
        {3, 39, false, 0, 0},
        {1000, 1000, false, 0, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_type type = numeric_of(cases[i].precision, cases[i].scale);
        uint8_t precision = 0, scale = 0;
        cr_assert_eq(pg_type_decimal(type.typmod, &precision, &scale), cases[i].there, "%zu", i);
        cr_assert_eq(precision, cases[i].decimal_precision, "%zu", i);
        cr_assert_eq(scale, cases[i].decimal_scale, "%zu", i);
    }
    cr_assert_not(pg_type_decimal(-1, &(uint8_t){0}, &(uint8_t){0}));
    cr_assert_not(pg_type_decimal(4, &(uint8_t){0}, &(uint8_t){0}));
}

Test(pg_type, numerics_by_option)
{
    struct pg_type declared = numeric_of(10, 2), large = numeric_of(50, 2), any = pg_builtin(1700, "numeric");
    struct pg_type_options options = parquet;

    check_explained(map(&declared, options), "decimal(10,2), by option");
    check_explained(map(&any, options), "number of any size, as text");
    check_explained(map(&large, options), "number of any size, as text");
    check_explained(map(&declared, json_lines), "number of any size, exact");
    options.numeric_precision = 38;
    options.numeric_scale = 6;
    check_explained(map(&any, options), "decimal(38,6), by option");
    check_explained(map(&declared, options), "decimal(10,2), by option");
    check_explained(map(&large, options), "number of any size, as text");
    options.infinity = PG_INFINITY_STRING;
    check_explained(map(&declared, options), "number of any size, as text");
    options.numeric = PG_NUMERIC_STRING;
    check_explained(map(&declared, options), "string, as text");
    options.numeric = PG_NUMERIC_DOUBLE;
    check_explained(map(&declared, options), "64-bit float, lossy, as asked for");
    struct pg_type array = pg_array_of(&declared);
    check_explained(map(&array, options), "list of 64-bit float, lossy, as asked for");
}

/* Others have to be told what text does not say. */
Test(pg_type, numerics_of_text)
{
    struct pg_type declared = numeric_of(10, 2), large = numeric_of(50, 2), any = pg_builtin(1700, "numeric");
    struct pg_type_options options = {.format = TABLE_DELIMITED, .numeric_precision = 38};

    cr_assert_eq(map(&declared, options).field.type, COLUMN_NUMBER);
    cr_assert_eq(map(&declared, options).field.precision, 10);
    cr_assert_eq(map(&declared, options).field.scale, 2);
    cr_assert_eq(map(&large, options).field.precision, 0);
    cr_assert_eq(map(&any, options).field.precision, 0);
    cr_assert_eq(map(&declared, json_lines).field.precision, 0);
}

Test(pg_type, moments_by_option)
{
    static const uint32_t moments[] = {1082, 1114, 1184};
    struct pg_type_options options = parquet;

    options.infinity = PG_INFINITY_STRING;
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        struct pg_type type = pg_builtin(moments[i], "moment");
        cr_assert_eq(map(&type, options).field.type, COLUMN_STRING);
        cr_assert_neq(map(&type, parquet).field.type, COLUMN_STRING);
        cr_assert_eq(map(&type, parquet).grade, PG_BY_OPTION);
        cr_assert_eq(map(&type, json_lines).grade, PG_EXACT);
    }
}

Test(pg_type, uuid_and_time_by_option)
{
    struct pg_type uuid = pg_builtin(2950, "uuid"), time = pg_builtin(1083, "time");
    struct pg_type uuids = pg_array_of(&uuid);
    struct pg_type_options options = parquet;

    check_explained(map(&uuid, options), "uuid, exact");
    check_explained(map(&time, options), "time, exact");
    options.uuid = PG_OWN_TYPE_STRING;
    check_explained(map(&uuid, options), "string, as text");
    check_explained(map(&uuids, options), "list of string, by option");
    check_explained(map(&time, options), "time, exact");
    options.time = PG_OWN_TYPE_STRING;
    check_explained(map(&time, options), "string, as text");
    options.format = TABLE_JSON_LINES;
    check_explained(map(&uuid, options), "uuid, exact");
    check_explained(map(&time, options), "time, exact");
}

Test(pg_type, json_by_option)
{
    struct pg_type json = pg_builtin(114, "json");
    struct pg_type_options options = parquet;

    check_explained(map(&json, options), "string, as text");
    options.json_type = true;
    check_explained(map(&json, options), "json, as text");
    check_explained(map(&json, json_lines), "json, exact");
}

Test(pg_type, arrays_by_option)
{
    struct pg_type integer = pg_builtin(23, "int4"), range = pg_builtin(3904, "int4range");
    struct pg_type array = pg_array_of(&integer), ranges = pg_array_of(&range);
    struct pg_type_options options = parquet;

    check_explained(map(&array, options), "list of 32-bit integer, by option");
    check_explained(map(&ranges, options), "list of string, by option (selected as ::text[])");
    check_explained(map(&array, json_lines), "json, exact");
    check_explained(map(&ranges, json_lines), "json, exact (selected as ::text[])");
    options.arrays = PG_ARRAYS_JSON;
    check_explained(map(&array, options), "string, as text");
    check_explained(map(&ranges, options), "string, as text (selected as ::text[])");
    options.arrays = PG_ARRAYS_TEXT;
    check_explained(map(&array, options), "string, as text (selected as ::text)");
}

/* What the writer of text prints as PostgreSQL does stays typed; the rest is text of the server's. */
Test(pg_type, as_copy_writes_it)
{
    static const struct {
        unsigned oid;
        enum column_type type;
        enum pg_form form;
        enum pg_cast cast;
    } cases[] = {{16, COLUMN_BOOL, PG_FORM_BOOL, PG_CAST_NONE},
        {20, COLUMN_INT64, PG_FORM_INT8, PG_CAST_NONE}, {701, COLUMN_FLOAT64, PG_FORM_FLOAT8, PG_CAST_NONE},
        {1700, COLUMN_NUMBER, PG_FORM_NUMERIC, PG_CAST_NONE}, {25, COLUMN_STRING, PG_FORM_TEXT, PG_CAST_NONE},
        {17, COLUMN_BYTES, PG_FORM_BYTEA, PG_CAST_NONE},
        {1184, COLUMN_TIMESTAMP_UTC, PG_FORM_TIMESTAMPTZ, PG_CAST_NONE},
        {114, COLUMN_STRING, PG_FORM_TEXT, PG_CAST_NONE},
        {3802, COLUMN_STRING, PG_FORM_VERSIONED_TEXT, PG_CAST_NONE},
        {869, COLUMN_STRING, PG_FORM_INET, PG_CAST_NONE}, {1560, COLUMN_STRING, PG_FORM_BIT, PG_CAST_NONE},
        {1186, COLUMN_STRING, PG_FORM_TEXT, PG_CAST_TEXT}, {1266, COLUMN_STRING, PG_FORM_TEXT, PG_CAST_TEXT},
        {790, COLUMN_STRING, PG_FORM_TEXT, PG_CAST_TEXT}, {142, COLUMN_STRING, PG_FORM_TEXT, PG_CAST_XML}};
    const struct pg_type_options options = {.format = TABLE_DELIMITED, .copied = true};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_type type = pg_builtin(cases[i].oid, "type"), array = pg_array_of(&type);
        const struct pg_mapping mapping = map(&type, options);
        cr_assert_eq(mapping.field.type, cases[i].type, "%u", cases[i].oid);
        cr_assert_eq(mapping.form, cases[i].form, "%u", cases[i].oid);
        cr_assert_eq(mapping.cast, cases[i].cast, "%u", cases[i].oid);
        check_explained(map(&array, options), "string, as text (selected as ::text)");
    }
    struct pg_type xml = pg_builtin(142, "xml"), bit = pg_builtin(1560, "bit"),
                   word = pg_builtin(200001, "mood");
    struct pg_attribute attribute = {.name = "a", .type = &xml};
    struct pg_type composite = composite_of(&attribute, 1);
    check_explained(map(&xml, options), "string, as text (selected as xml_out())");
    check_explained(map(&composite, options), "string, as text (selected as ::text)");
    word.kind = 'e';
    check_explained(map(&word, options), "string, exact");
    bit.typmod = 1;
    cr_assert_eq(map(&bit, options).field.type, COLUMN_BOOL);
    cr_assert_str_eq(map(&bit, options).after, "::pg_catalog.int4::pg_catalog.bool");
}

/* A list cannot hold lists: an array of a domain over an array is JSON. */
Test(pg_type, arrays_of_arrays)
{
    struct pg_type integer = pg_builtin(23, "int4"), array = pg_array_of(&integer),
                   domain = pg_builtin(300000, "tags");

    domain.kind = 'd';
    domain.base = &array;
    struct pg_type arrays = pg_array_of(&domain);
    cr_assert_eq(map(&arrays, parquet).field.type, COLUMN_STRING);
    cr_assert_eq(map(&arrays, parquet).form, PG_FORM_ARRAY);
    cr_assert_eq(map(&domain, parquet).field.type, COLUMN_LIST);
}

Test(pg_type, what_is_not_read_is_cast)
{
    struct pg_type range = pg_builtin(99999, "a type of an extension"),
                   mute = pg_builtin(99998, "without a send function");
    struct pg_type integer = pg_builtin(23, "int4");
    struct pg_attribute attributes[] = {
        {.name = "a", .type = &integer}, {.name = "gone", .dropped = true}, {.name = "b", .type = &range}};
    struct pg_type composite = composite_of(attributes, 3), whole = composite_of(attributes, 2),
                   of_nothing = composite_of(&attributes[1], 1);

    mute.has_send = false;
    check_explained(map(&range, parquet), "string, as text (selected as ::text)");
    check_explained(map(&mute, parquet), "string, as text (selected as ::text)");
    check_explained(map(&composite, json_lines), "json, exact (selected as to_json())");
    check_explained(map(&whole, json_lines), "json, exact");
    check_explained(map(&of_nothing, json_lines), "json, exact (selected as to_json())");
    struct pg_type array = pg_array_of(&composite);
    check_explained(map(&array, parquet), "string, as text (selected as to_json())");
    cr_assert_str_eq(map(&array, parquet).before, "to_json(");
    cr_assert_str_eq(map(&array, parquet).after, ")::text");
}

/* What is nested deeper than the decoders go is rendered by the server. */
Test(pg_type, depth)
{
    enum { DEEP = PG_TYPE_DEPTH_MAX + 2 };
    struct pg_type integer = pg_builtin(23, "int4"), types[DEEP];
    struct pg_attribute attributes[DEEP];

    for (size_t i = 0; i < DEEP; i++) {
        attributes[i] = (struct pg_attribute){.name = "a", .type = i ? &types[i - 1] : &integer};
        types[i] = composite_of(&attributes[i], 1);
    }
    cr_assert_eq(map(&types[PG_TYPE_DEPTH_MAX - 1], json_lines).cast, PG_CAST_NONE);
    cr_assert_eq(map(&types[PG_TYPE_DEPTH_MAX], json_lines).cast, PG_CAST_JSON);
}

Test(pg_type, printed)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(pg_type_print(&text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert(strstr(text.data,
        "| type | read in | JSON lines | delimited text | Avro | Parquet |\n|---|---|---|---|---|---|\n"));
    cr_assert(strstr(text.data,
        "\n| `numeric` | binary | number of any size, exact | number of any size, exact | decimal, by option | decimal, by option |\n"));
    cr_assert(strstr(text.data, "\n| `money` | text | string, as text |"));
    cr_assert(strstr(text.data, "\n| domains | as their base |"));
}

/* Every step that may find the buffer full says so. */
Test(pg_type, printed_into_too_little_room)
{
    struct pg_type numeric = numeric_of(10, 2), array = pg_array_of(&numeric);
    struct pg_mapping mapping = map(&array, parquet);
    struct error error;
    size_t whole;

    {
        cleanup_bytes struct bytes text;
        bytes_init(&text, 1 << 20);
        cr_assert_eq(pg_type_print(&text, &error), 0);
        whole = text.length;
    }
    for (size_t limit = 0; limit < whole; limit += limit < 400 ? 1 : 97) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, limit);
        cr_assert_eq(pg_type_print(&text, &error), -1);
        bytes_free(&text);
        bytes_init(&text, limit);
        cr_assert_eq(pg_type_explain(&mapping, &text, &error),
            limit <= strlen("list of decimal(10,2), by option") ? -1 : 0);
    }
}
