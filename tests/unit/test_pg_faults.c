/* The nth allocation fails, for each n: said as such, nothing leaks, and the next try works. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "failing_malloc.h"
#include "pg_harness.h"

/* 0: all of it worked; -1: an allocation failed on the way. */
static int read_row(const struct pg_mapping *mappings, size_t count, const struct column_field *fields,
    const struct pg_type_options *types, struct slice message, struct error *error)
{
    const struct pg_copy_options options = {
        .mappings = mappings, .columns = count, .types = types, .row_max = 100000, .key = PG_COPY_NO_KEY};
    __attribute__((cleanup(pg_copy_free))) struct pg_copy *copy = NULL;
    __attribute__((cleanup(column_batch_free))) struct column_batch *batch = NULL;
    enum pg_copy_result result;

    return pg_copy_new(&copy, &options, error) || column_batch_new(&batch, fields, count, 10000, error) ||
                   pg_copy_add(copy, message, batch, &result, error)
               ? -1
               : 0;
}

static void check_faults(
    const struct pg_type *types, size_t count, struct pg_type_options options, struct slice message)
{
    struct pg_mapping mappings[4];
    struct column_field fields[4];
    struct error error;
    size_t n = 1;

    cr_assert_leq(count, 4);
    for (size_t i = 0; i < count; i++) {
        pg_type_map(&types[i], &options, &mappings[i]);
        mappings[i].field.name = "v";
        fields[i] = mappings[i].field;
    }
    for (;; n++) {
        allocations = 0;
        fail_at = n;
        error.kind = ERROR_NONE;
        const int failed = read_row(mappings, count, fields, &options, message, &error);
        const bool reached = allocations >= fail_at;
        fail_at = 0;
        if (!reached) {
            cr_assert_eq(failed, 0, "%s", error.text);
            break;
        }
        cr_assert_eq(failed, -1, "allocation %zu", n);
        cr_assert_eq(error.kind, ERROR_RETRY, "allocation %zu: %s", n, error.text);
        cr_assert(strstr(error.text, "out of memory"), "%s", error.text);
    }
    cr_assert_gt(n, 11);
}

Test(pg_faults, allocations)
{
    struct pg_type integer = pg_builtin(23, "int4"), text = pg_builtin(25, "text"),
                   pair = pg_builtin(200000, "pair");
    struct pg_attribute attributes[] = {{.name = "a", .type = &integer}, {.name = "b", .type = &text}};
    cleanup_bytes struct bytes many = {0};
    struct error error;

    pair.kind = 'c';
    pair.attributes = attributes;
    pair.attributes_count = 2;
    /* More elements than a column has room for, so that it grows. */
    bytes_init(&many, 100000);
    struct slice head = pg_hex("0000000100000001000000170000100100000001");
    cr_assert_eq(bytes_add(&many, head.data, head.length, &error), 0);
    for (size_t i = 0; i < 0x1001; i++)
        cr_assert_eq(bytes_add(&many, "\377\377\377\377", 4, &error), 0);
    const struct pg_type types[] = {pair, pg_array_of(&integer), pg_builtin(1700, "numeric")};
    const struct slice values[] = {pg_hex("0000000200000017000000040000000700000019000000017a"),
        bytes_slice(&many), pg_hex("000200010000000400010001")};
    struct slice message = pg_row(values, 3, true);

    check_faults(
        types, 3, (struct pg_type_options){.format = TABLE_PARQUET, .numeric = PG_NUMERIC_DOUBLE}, message);
    for (size_t i = 0; i < 3; i += 2)
        free((void *)values[i].data);
    free((void *)head.data);
    free((void *)message.data);
}
