/* Rows of COPY into a batch: the header, the end, what is broken in between, what is counted. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "pg_harness.h"
#include "table/checksum.h"

enum { COLUMNS = 3 };

struct table {
    struct pg_type types[COLUMNS];
    struct pg_type_options options;
    struct pg_mapping mappings[COLUMNS];
    struct column_field fields[COLUMNS];
    struct pg_copy *copy;
    struct column_batch *batch;
    struct error error;
};

/* id bigint, name text, day date */
static void table_open(struct table *table, size_t key, size_t row_max, size_t values_max)
{
    static const char *const names[COLUMNS] = {"id", "name", "day"};

    *table =
        (struct table){.types = {pg_builtin(20, "int8"), pg_builtin(25, "text"), pg_builtin(1082, "date")},
            .options = {.format = TABLE_PARQUET, .infinity = PG_INFINITY_NULL}};
    for (size_t i = 0; i < COLUMNS; i++) {
        pg_type_map(&table->types[i], &table->options, &table->mappings[i]);
        table->mappings[i].field.name = names[i];
        table->fields[i] = table->mappings[i].field;
    }
    const struct pg_copy_options options = {.mappings = table->mappings,
        .columns = COLUMNS,
        .types = &table->options,
        .row_max = row_max,
        .key = key};
    cr_assert_eq(pg_copy_new(&table->copy, &options, &table->error), 0);
    cr_assert_eq(column_batch_new(&table->batch, table->fields, COLUMNS, values_max, &table->error), 0);
}

static void table_close(struct table *table)
{
    pg_copy_free(&table->copy);
    column_batch_free(&table->batch);
}

static enum pg_copy_result add(struct table *table, struct slice message)
{
    enum pg_copy_result result;

    cr_assert_eq(
        pg_copy_add(table->copy, message, table->batch, &result, &table->error), 0, "%s", table->error.text);
    free((void *)message.data);
    return result;
}

static void add_fails(struct table *table, struct slice message, const char *expected)
{
    enum pg_copy_result result;
    const size_t rows = table->batch->rows;

    cr_assert_eq(pg_copy_add(table->copy, message, table->batch, &result, &table->error), -1,
        "it is not '%s'", expected);
    free((void *)message.data);
    cr_assert_eq(table->error.kind, ERROR_REJECT);
    cr_assert(strstr(table->error.text, expected), "'%s' instead of '%s'", table->error.text, expected);
    cr_assert_eq(table->batch->rows, rows);
}

static struct slice row(const char *id, const char *name, const char *day, bool header)
{
    const struct slice values[COLUMNS] = {id ? pg_hex(id) : (struct slice){0},
        name ? slice_of(name) : (struct slice){0}, day ? pg_hex(day) : (struct slice){0}};
    struct slice message = pg_row(values, COLUMNS, header);

    free((void *)values[0].data);
    free((void *)values[2].data);
    return message;
}

#define HEADER               \
    "5047434f50590aff0d0a00" \
    "00000000"               \
    "00000000"
#define ONE "0000000000000001"

Test(pg_copy, rows)
{
    struct table table;

    table_open(&table, 0, 1000, 1000);
    cr_assert_eq(add(&table, row(ONE, "one", "00000000", true)), PG_COPY_ROW);
    cr_assert_eq(add(&table, row(NULL, NULL, NULL, false)), PG_COPY_ROW);
    cr_assert_eq(pg_copy_finish(table.copy, &table.error), -1);
    cr_assert_eq(table.error.kind, ERROR_RETRY);
    cr_assert_str_eq(table.error.text, "the COPY was cut off behind row 2");
    cr_assert_eq(add(&table, pg_hex("ffff")), PG_COPY_END);
    cr_assert_eq(pg_copy_finish(table.copy, &table.error), 0);
    cr_assert_eq(pg_copy_rows(table.copy), 2);
    const struct slice one = row(ONE, "one", "00000000", false), nulls = row(NULL, NULL, NULL, false);
    cr_assert_eq(pg_copy_checksum(table.copy), /* neither the header nor the number of fields is in it */
        checksum_row(one.data + 2, one.length - 2) + checksum_row(nulls.data + 2, nulls.length - 2));
    free((void *)one.data);
    free((void *)nulls.data);
    cr_assert_eq(table.batch->rows, 2);
    cr_assert(slice_is(column_slice(&table.batch->columns[1], 0), "one"));
    cr_assert_eq(table.batch->columns[2].valid[1], 0);
    for (size_t i = 0; i < COLUMNS; i++)
        cr_assert_eq(pg_copy_columns(table.copy)[i].nulls, 1);
    add_fails(&table, row(ONE, "one", "00000000", false), "behind the end");
    table_close(&table);
}

/* The first message may have no row, the end's, or an extension that nobody knows; the next COPY has a header again. */
Test(pg_copy, headers)
{
    struct table table;

    table_open(&table, 0, 1000, 1000);
    cr_assert_eq(add(&table, pg_hex(HEADER)), PG_COPY_NOTHING);
    cr_assert_eq(add(&table, row(ONE, "one", NULL, false)), PG_COPY_ROW);
    cr_assert_eq(add(&table, pg_hex("ffff")), PG_COPY_END);
    pg_copy_start(table.copy);
    cr_assert_eq(pg_copy_rows(table.copy), 0);
    cr_assert_eq(pg_copy_columns(table.copy)[2].nulls, 0);
    cr_assert_not(pg_copy_key(table.copy).known);
    cr_assert_eq(add(&table, pg_hex(HEADER "ffff")), PG_COPY_END);
    pg_copy_start(table.copy);
    cr_assert_eq(add(&table, pg_hex("5047434f50590aff0d0a00"
                                    "00000001"
                                    "00000002"
                                    "abcd"
                                    "ffff")),
        PG_COPY_END);
    table_close(&table);
}

Test(pg_copy, broken_headers)
{
    struct table table;

    table_open(&table, 0, 1000, 1000);
    add_fails(&table, pg_hex(""), "its signature is missing");
    add_fails(&table, pg_hex("ffff"), "row 1: this is no COPY in binary");
    add_fails(&table,
        pg_hex("5047434f50590aff0d0a01"
               "00000000"
               "00000000"),
        "its signature is missing");
    add_fails(&table,
        pg_hex("5047434f50590aff0d0a00"
               "00010000"
               "00000000"),
        "flags that nobody knows: 0x10000");
    add_fails(&table,
        pg_hex("5047434f50590aff0d0a00"
               "00000000"
               "00000001"),
        "whose header is cut off");
    add_fails(&table,
        pg_hex("5047434f50590aff0d0a00"
               "00000000"
               "ffffffff"),
        "whose header is cut off");
    cr_assert_eq(add(&table, row(ONE, "one", "00000000", true)), PG_COPY_ROW);
    table_close(&table);
}

Test(pg_copy, broken_rows)
{
    struct table table;

    table_open(&table, 0, 40, 1000);
    cr_assert_eq(add(&table, pg_hex(HEADER)), PG_COPY_NOTHING);
    add_fails(&table, pg_hex("00"), "the row is cut off");
    add_fails(&table,
        pg_hex("0002"
               "ffffffff"
               "ffffffff"),
        "the row has 2 fields, 3 were selected");
    add_fails(&table,
        pg_hex("ffff"
               "00"),
        "the row has 65535 fields");
    add_fails(&table,
        pg_hex("0003"
               "ffffffff"
               "ffffff"),
        "row 1: column name: the row is cut off");
    add_fails(&table,
        pg_hex("0003"
               "ffffffff"
               "ffffffff"),
        "column day: the row is cut off");
    add_fails(&table,
        pg_hex("0003"
               "00000009" ONE),
        "column id: the row is cut off");
    add_fails(&table,
        pg_hex("0003"
               "fffffffe" ONE),
        "column id: the row is cut off");
    add_fails(&table,
        pg_hex("0003"
               "ffffffff"
               "ffffffff"
               "ffffffff"
               "0000"),
        "2 bytes are left over");
    add_fails(&table,
        pg_hex("0003"
               "ffffffff"
               "ffffffff"
               "00000002"
               "0000"),
        "row 1: column day: a value of date cannot have 2 bytes");
    add_fails(&table, row(ONE, "a name that is too long", "00000000", false),
        "the row has 49 bytes, at most 40 are allowed");
    cr_assert_eq(add(&table, row(ONE, "one", "00000000", false)), PG_COPY_ROW);
    table_close(&table);
}

/* What is wrong with a row behind others shows when they are out of the way; nothing of it is counted twice. */
Test(pg_copy, full_batches)
{
    struct table table;

    table_open(&table, 0, 1000, 5);
    cr_assert_eq(add(&table, row(ONE, "one", "7fffffff", true)), PG_COPY_ROW);
    cr_assert_eq(add(&table, row(NULL, "two", "7fffffff", false)), PG_COPY_FULL);
    cr_assert_eq(table.batch->rows, 1);
    cr_assert_eq(table.batch->columns[1].values.length, 3);
    column_batch_clear(table.batch);
    cr_assert_eq(add(&table, row(NULL, "two", "7fffffff", false)), PG_COPY_ROW);
    cr_assert_eq(add(&table, pg_hex("0003"
                                    "ffffffff"
                                    "ffffffff"
                                    "00000001"
                                    "00")),
        PG_COPY_FULL);
    column_batch_clear(table.batch);
    add_fails(&table,
        pg_hex("0003"
               "ffffffff"
               "ffffffff"
               "00000001"
               "00"),
        "row 3: column day: a value of date");
    add_fails(&table, row(ONE, "longer", "7fffffff", false), "row 3: column name: more than 5 bytes");
    cr_assert_eq(pg_copy_columns(table.copy)[0].nulls, 1);
    cr_assert_eq(pg_copy_columns(table.copy)[1].nulls, 0);
    cr_assert_eq(pg_copy_columns(table.copy)[2].counts.nulled, 2);
    table_close(&table);
}

Test(pg_copy, as_many_rows_as_there_is_room_for)
{
    struct table table;

    table_open(&table, 0, 1000, 1 << 20);
    cr_assert_eq(add(&table, pg_hex(HEADER)), PG_COPY_NOTHING);
    for (size_t i = 0; i < table.batch->rows_max; i++)
        cr_assert_eq(add(&table, row(ONE, "", NULL, false)), PG_COPY_ROW);
    cr_assert_eq(add(&table, row(ONE, "", NULL, false)), PG_COPY_FULL);
    cr_assert_eq(add(&table, row(ONE, "", NULL, false)), PG_COPY_FULL);
    column_batch_clear(table.batch);
    cr_assert_eq(add(&table, row(ONE, "", NULL, false)), PG_COPY_ROW);
    table_close(&table);
}

Test(pg_copy, rows_without_columns)
{
    const struct pg_type_options types = {.format = TABLE_JSON_LINES};
    const struct pg_copy_options options = {.types = &types, .row_max = 100, .key = PG_COPY_NO_KEY};
    struct pg_copy *copy;
    struct column_batch *batch;
    enum pg_copy_result result;
    struct error error;

    cr_assert_eq(pg_copy_new(&copy, &options, &error), 0);
    cr_assert_eq(column_batch_new(&batch, NULL, 0, 100, &error), 0);
    struct slice message = pg_row(NULL, 0, true);
    cr_assert_eq(pg_copy_add(copy, message, batch, &result, &error), 0);
    cr_assert_eq(batch->rows, 1);
    free((void *)message.data);
    column_batch_free(&batch);
    pg_copy_free(&copy);
}

static struct pg_copy_key key_of(uint32_t oid, const char *first, const char *second, const char *third)
{
    const struct pg_type type = pg_builtin(oid, "type");
    const char *const values[] = {first, second, third};
    struct reader reader;

    reader_open(&reader, &type, (struct pg_type_options){.format = TABLE_JSON_LINES});
    for (size_t i = 0; i < 3; i++) {
        struct slice value = values[i] ? pg_hex(values[i]) : (struct slice){0};
        cr_assert_eq(reader_add(&reader, value), 0, "%s", reader.error.text);
        free((void *)value.data);
    }
    struct pg_copy_key key = pg_copy_key(reader.copy);
    reader_close(&reader);
    return key;
}

static void check_key(struct pg_copy_key key, int64_t least, int64_t greatest)
{
    cr_assert(key.known);
    cr_assert_eq(key.least, least, "%lld", (long long)key.least);
    cr_assert_eq(key.greatest, greatest, "%lld", (long long)key.greatest);
}

Test(pg_copy, keys)
{
    check_key(key_of(23, "00000005", NULL, "ffffffff"), -1, 5);
    check_key(key_of(23, "7fffffff", "80000000", "00000000"), INT32_MIN, INT32_MAX);
    check_key(key_of(20, "8000000000000000", "7fffffffffffffff", NULL), INT64_MIN, INT64_MAX);
    check_key(key_of(26, "ffffffff", "00000001", NULL), 1, UINT32_MAX);
    check_key(key_of(1082, "00000000", "7fffffff", "80000000"), 10957, 10957);
    check_key(key_of(1114, "0000000000000001", "7fffffffffffffff", "8000000000000000"), 946684800000001,
        946684800000001);
    check_key(key_of(1184, "0000000000000001", "0000000000000002", NULL), 946684800000001, 946684800000002);
    cr_assert_not(key_of(23, NULL, NULL, NULL).known);
    cr_assert_not(key_of(25, "61", "62", "63").known);
    cr_assert_not(key_of(16, "01", "00", "01").known);
    cr_assert_not(key_of(2950, "00000000000000000000000000000000", NULL, NULL).known);
}
