/* What a broken server, or none at all, may send as a value; and what options make of values. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "pg_harness.h"

static const struct pg_type_options json_lines = {.format = TABLE_JSON_LINES},
                                    parquet = {.format = TABLE_PARQUET};

/* As a column of its own, and as text within JSON. */
static void check_broken(uint32_t oid, const char *hex, const char *expected)
{
    struct pg_type type = pg_builtin(oid, "type"), array = pg_array_of(&type);
    char *nested;

    check_error(&type, json_lines, hex, expected);
    check_error(&type, parquet, hex, expected);
    cr_assert_gt(
        asprintf(&nested, "0000000100000000%08x0000000100000001%08zx%s", oid, strlen(hex) / 2, hex), 0);
    check_error(&array, json_lines, nested, expected);
    check_error(&array, parquet, nested, expected);
    free(nested);
}

/* Each type's value with a byte too few, a byte too many, and none. */
Test(pg_decode, lengths)
{
    static const struct {
        uint32_t oid;
        size_t size;
    } types[] = {{16, 1}, {18, 1}, {20, 8}, {21, 2}, {23, 4}, {26, 4}, {27, 6}, {700, 4}, {701, 8}, {1082, 4},
        {1083, 8}, {1114, 8}, {1184, 8}, {1186, 16}, {1266, 12}, {2950, 16}, {3220, 8}, {5069, 8}};
    char hex[40] = "";

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        memset(hex, '0', sizeof hex);
        hex[2 * types[i].size + 2] = '\0';
        check_broken(types[i].oid, hex, "cannot have");
        hex[2 * types[i].size - 2] = '\0';
        check_broken(types[i].oid, hex, "cannot have");
        check_broken(types[i].oid, "", "cannot have");
    }
}

Test(pg_decode, broken_values)
{
    check_broken(829, "0000000000", "cannot have 5 bytes");
    check_broken(829, "00000000000000", "cannot have 7 bytes");
    check_broken(114, "", "cannot have 0 bytes");
    check_broken(3802, "", "cannot have 0 bytes");
    check_broken(3802, "01", "cannot have 1 bytes");
    check_broken(3802, "0231", "is of version 2");
    check_broken(4072, "ff31", "is of version 255");
    check_broken(1560, "000000", "cannot have 3 bytes");
    check_broken(1560, "00000009ff", "cannot have 5 bytes");
    check_broken(1560, "00000008ffff", "cannot have 6 bytes");
    check_broken(1560, "ffffffff", "cannot have 4 bytes");
    check_broken(869, "022000", "cannot have 3 bytes");
    check_broken(869, "0420000401020304", "a broken value");
    check_broken(869, "02200004010203", "a broken value");
    check_broken(869, "0220001001020304", "a broken value");
    check_broken(869, "0221000401020304", "a broken value");
    check_broken(869, "0320000401020304", "a broken value");
    check_broken(1083, "ffffffffffffffff", "outside of the day: -1");
    check_broken(1083, "000000141dd76001", "outside of the day: 86400000001");
    check_broken(1266, "000000141dd7600100000000", "outside of the day");
    check_broken(1266, "00000000000000000000e100", "a time zone of 57600 seconds");
    check_broken(1266, "0000000000000000ffff1f00", "a time zone of -57600 seconds");
    check_broken(1082, "7ffffffe", "a date that PostgreSQL does not have");
    check_broken(1082, "7fffd532", "a date that PostgreSQL does not have");
    check_broken(1114, "7ffffffffffffffe", "after the year 294246");
    check_broken(1184, "7ffca2fec4c82000", "after the year 294246");
}

Test(pg_decode, broken_numerics)
{
    static const struct {
        const char *hex, *expected;
    } cases[] = {
        {"", "a broken value of numeric"}, {"00000000000000", "a broken value of numeric"},
        {"0001000000000000", "a broken value of numeric"},
        {"00010000000000000001ff", "a broken value of numeric"},
        {"00020000000000000001", "a broken value of numeric"},
        {"00010000000000002710", "a broken value of numeric"}, /* a digit of 10,000 */
        {"00000000800000000", "a broken value of numeric"},
        {"0000000080000000", "a broken value of numeric"}, /* a sign that is none */
        {"0000000000004000", "a broken value of numeric"}, /* a scale above the greatest */
    };
    struct pg_type decimal = pg_builtin(1700, "numeric");

    decimal.typmod = (10 << 16 | 2) + 4;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_broken(1700, cases[i].hex, cases[i].expected);
        check_error(&decimal, parquet, cases[i].hex, cases[i].expected);
        check_error(&decimal, (struct pg_type_options){.numeric = PG_NUMERIC_DOUBLE}, cases[i].hex,
            cases[i].expected);
    }
}

/* What a sender has no need to send: zeros at either end. */
Test(pg_decode, numerics_with_zeros)
{
    struct pg_type any = pg_builtin(1700, "numeric"), decimal = any;

    decimal.typmod = (10 << 16 | 2) + 4;
    check(&any, json_lines, "000400020000000100000000000c1388", "12.5");
    check(&decimal, parquet, "000500020000000200000000000c13880000", "12.50");
    check(&any, json_lines, "000200014000000200000000", "0.00");
    check(&decimal, parquet, "000200014000000200000000", "0.00");
    check(&any, json_lines, "0001ffff400000000001", "-0");
}

Test(pg_decode, numerics_too_long_for_their_decimal)
{
    struct pg_type any = pg_builtin(1700, "numeric");
    struct pg_type_options options = {.format = TABLE_PARQUET, .numeric_precision = 5, .numeric_scale = 2};

    check(&any, options, "000200000000000203e726ac", "999.99");
    check(&any, options, "00010000000000000001", "1.00");
    check_error(&any, options, "000100000000000003e8", "more digits than decimal(5,2)");
    check_error(&any, options, "00020000000000030001000a", "more digits than decimal(5,2)");
    check_error(&any, options, "0001fffe000000080001", "more digits than decimal(5,2)");
    check_error(&any, options, "00017fff000000000001", "--numeric=string");
    check_error(&any, options, "00018000000000000001", "--numeric=string");
    options.numeric_precision = 38;
    options.numeric_scale = 0;
    check(&any, options, "00010009000000000063", "99000000000000000000000000000000000000");
    check_error(&any, options, "00010009000000000064", "more digits than decimal(38,0)");
}

Test(pg_decode, numerics_as_doubles)
{
    struct pg_type any = pg_builtin(1700, "numeric");
    struct pg_type_options options = {.format = TABLE_PARQUET, .numeric = PG_NUMERIC_DOUBLE};
    struct reader reader = check_taken(&any, options, "000200004000000100011388", "-1.5");

    cr_assert_eq(counts_of(&reader).rounded, 0);
    reader_close(&reader);
    reader = check_taken(&any, options, "00050004000000000001270f270f270f270f", "2e+16");
    reader_close(&reader);
    reader = check_taken(&any, options, "000400030000000003e7270f270f270f", "999999999999999");
    cr_assert_eq(counts_of(&reader).rounded, 0);
    reader_close(&reader);
    reader = check_taken(&any, options, "000400030000000004d2162e233404d2", "1.234567890121234e+15");
    cr_assert_eq(counts_of(&reader).rounded, 1);
    reader_close(&reader);
    check(&any, options, "00000000c0000000", "NaN");
    check(&any, options, "00000000d0000000", "Infinity");
    check(&any, options, "0000000000000000", "0");
    options.infinity = PG_INFINITY_NULL;
    reader = check_taken(&any, options, "00000000f0000000", "(null)");
    cr_assert_eq(counts_of(&reader).nulled, 1);
    cr_assert_eq(pg_copy_columns(reader.copy)[0].nulls, 0);
    reader_close(&reader);
    options.infinity = PG_INFINITY_ERROR;
    check_error(&any, options, "00000000f0000000", "--infinity=null");
}

static const struct {
    uint32_t oid;
    const char *hex, *kept;
} infinities[] = {{1082, "7fffffff", "infinity"}, {1082, "80000000", "-infinity"},
    {1114, "7fffffffffffffff", "infinity"}, {1184, "8000000000000000", "-infinity"},
    {1700, "00000000c0000000", "NaN"}};

Test(pg_decode, infinities_by_option)
{
    for (size_t i = 0; i < sizeof infinities / sizeof *infinities; i++) {
        struct pg_type type = pg_builtin(infinities[i].oid, "type");
        type.typmod = type.oid == 1700 ? (10 << 16) + 4 : -1;
        for (enum table_format format = TABLE_JSON_LINES; format <= TABLE_PARQUET; format++) {
            struct pg_type_options options = {.format = format, .infinity = PG_INFINITY_NULL};
            struct reader reader = check_taken(&type, options, infinities[i].hex, "(null)");
            cr_assert_eq(counts_of(&reader).nulled, 1);
            reader_close(&reader);
            options.infinity = PG_INFINITY_ERROR;
            check_error(&type, options, infinities[i].hex, "--infinity=null");
            options.infinity = PG_INFINITY_STRING;
            check(&type, options, infinities[i].hex, infinities[i].kept);
        }
    }
}

/* Within JSON there is a word for each of them, whatever the format; NULL and an error are as asked for. */
Test(pg_decode, infinities_within_json)
{
    char hex[200], kept[40];

    for (size_t i = 0; i < sizeof infinities / sizeof *infinities; i++) {
        struct pg_type type = pg_builtin(infinities[i].oid, "type"), array = pg_array_of(&type);
        struct pg_type_options options = {.format = TABLE_PARQUET, .arrays = PG_ARRAYS_JSON};
        snprintf(hex, sizeof hex, "0000000100000000%08x0000000100000001%08zx%s", type.oid,
            strlen(infinities[i].hex) / 2, infinities[i].hex);
        snprintf(kept, sizeof kept, "[\"%s\"]", infinities[i].kept);
        check(&array, options, hex, kept);
        options.infinity = PG_INFINITY_NULL;
        struct reader reader = check_taken(&array, options, hex, "[null]");
        cr_assert_eq(counts_of(&reader).nulled, 1);
        reader_close(&reader);
        options.infinity = PG_INFINITY_ERROR;
        check_error(&array, options, hex, "--infinity=null");
        options = (struct pg_type_options){.format = TABLE_PARQUET, .infinity = PG_INFINITY_NULL};
        check(&array, options, hex, "[null]");
    }
}

/* PostgreSQL 17. */
Test(pg_decode, infinite_intervals)
{
    struct pg_type interval = pg_builtin(1186, "interval");

    check(&interval, parquet, "7fffffffffffffff7fffffff7fffffff", "infinity");
    check(&interval, parquet, "80000000000000008000000080000000", "-infinity");
}

Test(pg_decode, bytes_of_char)
{
    struct pg_type one = pg_builtin(18, "char");

    check(&one, parquet, "61", "a");
    check(&one, parquet, "00", "");
    check(&one, parquet, "ff", "\\377");
}

Test(pg_decode, text_of_any_encoding)
{
    struct pg_type text = pg_builtin(25, "text"), array = pg_array_of(&text), json = pg_builtin(114, "json"),
                   path = pg_builtin(4072, "jsonpath");
    struct pg_type paths = pg_array_of(&path);
    struct pg_type_options options = {.format = TABLE_JSON_LINES, .sql_ascii = true};

    check(&text, options, "c3a9", "\303\251");
    check_error(&text, options, "61e9", "byte 2 is no UTF-8");
    check_error(&json, options, "22c322", "byte 2 is no UTF-8");
    check_error(&path, options, "01c3", "byte 1 is no UTF-8");
    check_error(&array, options, "000000010000000000000019000000010000000100000001ff", "byte 1 is no UTF-8");
    check_error(
        &paths, options, "000000010000000000000fe800000001000000010000000201ff", "byte 1 is no UTF-8");
}

/* Every step that may find the column full says so: each value of the golden file into each amount of room that is too little. */
Test(pg_decode, columns_that_are_full)
{
    static const struct pg_type_options all[] = {{.format = TABLE_JSON_LINES},
        {.format = TABLE_AVRO, .infinity = PG_INFINITY_NULL, .bytea_hex = true},
        {.format = TABLE_JSON_LINES, .bytea_hex = true, .infinity = PG_INFINITY_NULL}};
    const struct golden *golden = golden_load();

    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        for (size_t i = 0; i < golden->cases_count; i++) {
            const struct golden_case *of = &golden->cases[i];
            struct reader reader;
            reader_open(&reader, of->type, all[k]);
            for (size_t j = 0; j < of->count; j++) {
                if (of->values[j].sent.length > 300 || !of->values[j].sent.data ||
                    reader_add(&reader, of->values[j].sent))
                    continue;
                const size_t whole = reader.batch->columns[0].values.length;
                for (size_t limit = 0; limit < whole && limit < 200; limit++) {
                    bytes_free(&reader.batch->columns[0].values);
                    bytes_init(&reader.batch->columns[0].values, limit);
                    cr_assert_eq(
                        reader_add(&reader, of->values[j].sent), -1, "%s: %s", of->name, of->values[j].said);
                    cr_assert(strstr(reader.error.text, "more than"), "%s", reader.error.text);
                }
                bytes_free(&reader.batch->columns[0].values);
                bytes_init(&reader.batch->columns[0].values, 64u << 20);
            }
            reader_close(&reader);
        }
    }
}
