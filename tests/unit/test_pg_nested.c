/* Arrays and composites as a broken server may send them, and what options make of them. */
#include <criterion/criterion.h>

#include "pg_harness.h"

static const struct pg_type_options json_lines = {.format = TABLE_JSON_LINES},
                                    parquet = {.format = TABLE_PARQUET};

Test(pg_nested, bytes_within_json)
{
    struct pg_type bytea = pg_builtin(17, "bytea"), array = pg_array_of(&bytea);
    struct pg_type_options options = {.format = TABLE_JSON_LINES};
    static const char hex[] = "00000001000000000000001100000002000000010000000200ff00000000";

    check(&array, options, hex, "[\"AP8=\",\"\"]");
    options.bytea_hex = true;
    check(&array, options, hex, "[\"00ff\",\"\"]");
}

Test(pg_nested, broken_arrays)
{
    static const struct {
        const char *hex, *expected;
    } cases[] = {
        {"", "a broken value"},
        {"00000001000000", "a broken value"},
        {"000000070000000000000017", "a broken value"}, /* seven dimensions */
        {"ffffffff0000000000000017", "a broken value"},
        {"00000001000000000000001700000001", "a broken value"}, /* half a dimension */
        {"0000000100000000000000190000000100000001ffffffff", "with OID 25 where int4 (OID 23)"},
        {"0000000100000000000000170000000200000001ffffffff",
            "a broken value"}, /* two elements, one is there */
        {"000000010000000000000017ffffffff00000001ffffffff", "a broken value"},
        {"000000060000000000000017800000000000000180000000000000018000000000000001800000000000000180000000000000018000000000000001ffffffff",
            "a broken value"}, /* more elements than 64 bits count */
        {"00000001000000000000001700000001000000010000000500000001", "a broken value"},
        {"00000001000000000000001700000002000000010000000400000001000000", "a broken value"},
        {"000000010000000000000017000000020000000100000007000000010000", "a broken value"},
        {"0000000100000000000000170000000100000001000000040000000100",
            "a broken value"}, /* a byte too many */
        {"000000010000000000000017000000010000000100000003000001", "cannot have 3 bytes"},
        {"00000000000000000000001700", "a broken value"},
    };
    struct pg_type integer = pg_builtin(23, "int4"), array = pg_array_of(&integer);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_error(&array, json_lines, cases[i].hex, cases[i].expected);
        check_error(&array, parquet, cases[i].hex, cases[i].expected);
    }
}

Test(pg_nested, arrays_by_option)
{
    static const char from_zero[] = "00000001000000000000001700000002000000000000000400000007ffffffff";
    static const char of_two[] =
        "000000020000000000000017000000010000000100000002000000010000000400000007ffffffff";
    static const char of_none[] = "00000002000000000000001700000000000000010000000200000001";
    struct pg_type integer = pg_builtin(23, "int4"), array = pg_array_of(&integer);
    struct pg_type_options options = {.format = TABLE_PARQUET, .arrays = PG_ARRAYS_JSON};

    check_error(&array, parquet, from_zero, "--arrays=text");
    check_error(&array, json_lines, from_zero, "--arrays=text");
    check_error(&array, parquet, of_two, "--arrays=json");
    check(&array, json_lines, of_two, "[[7,null]]");
    check(&array, options, of_two, "[[7,null]]");
    check(&array, options, of_none, "[]");
    struct reader reader = check_taken(&array, options, from_zero, "[7,null]");
    cr_assert_eq(counts_of(&reader).bounds, 1);
    reader_close(&reader);
}

Test(pg_nested, broken_composites)
{
    static const struct {
        const char *hex, *expected;
    } cases[] = {
        {"", "not as it was described"},
        {"0000000100000017ffffffff", "not as it was described"},
        {"0000000300000017ffffffff00000019ffffffff", "not as it was described"},
        {"0000000200000019ffffffff00000019ffffffff", "with OID 25 where int4"},
        {"0000000200000017ffffffff000000", "a broken value"},
        {"0000000200000017ffffffff00000019ffff", "a broken value"},
        {"0000000200000017ffffffff000000190000000261", "a broken value"},
        {"0000000200000017ffffffff00000019ffffffff00", "a broken value"},
        {"0000000200000017000000010000000019ffffffff", "cannot have 1 bytes"},
    };
    struct pg_type integer = pg_builtin(23, "int4"), text = pg_builtin(25, "text"),
                   composite = pg_builtin(200000, "pair");
    struct pg_attribute attributes[] = {
        {.name = "a", .type = &integer}, {.name = "b\"\x01\xc3\xa9", .type = &text}};

    composite.kind = 'c';
    composite.attributes = attributes;
    composite.attributes_count = 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_error(&composite, json_lines, cases[i].hex, cases[i].expected);
    check(&composite, json_lines, "00000002000000170000000400000007000000190000000122",
        "{\"a\":7,\"b\\\"\\u0001\xc3\xa9\":\"\\\"\"}");
}
