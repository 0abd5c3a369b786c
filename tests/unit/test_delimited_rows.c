/* delimited_rows: rows are found again as their writer has made them, and where nobody can tell, they are never taken for fewer than they were */
#include "lake/format/delimited_rows.h"

#include <stdlib.h>

#include "text_harness.h"

#define COLUMNS 3
#define ROWS 300
#define SEEDS 40
#define TEXT_MAX ((size_t)1 << 22)

static struct error error;

static const struct column_field fields[COLUMNS] = {{.name = "a", .type = COLUMN_STRING},
    {.name = "b", .type = COLUMN_STRING}, {.name = "c", .type = COLUMN_INT32}};
static const size_t all[COLUMNS] = {0, 1, 2};

#define NULLS .null_string = {"\\N", 2}, .null_other = {"\\N", 2}

/* Of these it is always right. */
static const struct delimited_options exact[] = {
    {.field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"', NULLS},
    {.field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"'},
    {.field = ',', .line = '\0', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"', NULLS},
    {.field = ',', .line = '|', .quoting = DELIMITED_QUOTE_ALL, .enclosure = '\'', NULLS},
    {.field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_ALL, .enclosure = '"', .escape = '\\', NULLS},
    {.field = '|', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '\'', .escape = '\\', NULLS},
    {.field = '\t', .line = '\n', .escape = '\\', NULLS},
    {.field = ',', .line = '\0', .escape = '\\', NULLS},
    {.field = ',', .line = '\n', NULLS},
    {.field = ',', .line = '\n', .escape = '\\', .style = DELIMITED_JAVA, NULLS},
    {.field = ',',
        .line = '|',
        .quoting = DELIMITED_QUOTE_ALL,
        .enclosure = '"',
        .escape = '\\',
        .style = DELIMITED_JAVA,
        NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_NEEDED,
        .enclosure = '"',
        .escape = '\\',
        .style = DELIMITED_JAVA,
        NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_NEEDED,
        .enclosure = '"',
        .escape = '"',
        .style = DELIMITED_JAVA,
        NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_ALL,
        .enclosure = '"',
        .escape = '"',
        .style = DELIMITED_JAVA,
        NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_ALL,
        .enclosure = '"',
        .drop_delimiters = true,
        NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_NEEDED,
        .enclosure = '"',
        .style = DELIMITED_POSTGRES},
    {.field = ',',
        .line = '|',
        .quoting = DELIMITED_QUOTE_NEEDED,
        .enclosure = '\'',
        .escape = '\\',
        .style = DELIMITED_POSTGRES,
        NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_ALL,
        .enclosure = '"',
        .escape = '\\',
        .style = DELIMITED_POSTGRES},
};

/* Of these what is found is at least as much as there is. */
static const struct delimited_options finer[] = {
    {.field = ',', .line = '\n', .style = DELIMITED_JAVA, NULLS},
    {.field = ',',
        .line = '\n',
        .quoting = DELIMITED_QUOTE_ALL,
        .enclosure = '"',
        .style = DELIMITED_JAVA,
        NULLS},
};

/* ---- what the writer writes, and where it wrote it --------------------------------------------------------------------- */

struct sample {
    struct bytes text;
    size_t ends[ROWS], rows; /* behind each row */
};

/* Short ones, of what means something somewhere. */
static void add_text(struct column *column, unsigned *seed)
{
    static const char alphabet[] = "\"\"',,\\\\|\n\n\r\tNab\x01";
    char text[8];
    const size_t length = (size_t)(rand_r(seed) % 7);

    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[(size_t)rand_r(seed) % (sizeof alphabet - 1)];
    cr_assert_eq(column_add_bytes(column, text, length, &error), 0);
}

/* Each row is written as a file by itself: so it is known where it ends. Those that the form refuses are left out. */
static void write_sample(struct sample *sample, const struct delimited_options *options, unsigned seed)
{
    const struct table_file_options file_options = {
        .format = TABLE_DELIMITED, .delimited = options, .name = "t"};
    const struct table_sink sink = {text_take, &sample->text};

    bytes_init(&sample->text, TEXT_MAX);
    sample->rows = 0;
    for (size_t i = 0; i < ROWS; i++) {
        struct table_file *file = NULL;
        struct column_batch *batch = NULL;
        const size_t before = sample->text.length;
        cr_assert_eq(column_batch_new(&batch, fields, COLUMNS, UINT32_MAX, &error), 0);
        for (size_t k = 0; k < 2; k++)
            if (rand_r(&seed) % 5)
                add_text(&batch->columns[k], &seed);
            else
                column_add_null(&batch->columns[k]);
        column_add_null(&batch->columns[2]);
        column_batch_end_row(batch);
        cr_assert_eq(
            table_file_open(&file, fields, COLUMNS, &file_options, &sink, &error), 0, "%s", error.text);
        if (table_file_add(file, batch, &error) || table_file_finish(file, &error))
            sample->text.length = before;
        else
            sample->ends[sample->rows++] = sample->text.length;
        table_file_close(&file);
        column_batch_free(&batch);
    }
}

/* ---- what is found ----------------------------------------------------------------------------------------------------- */

/* The text comes in pieces of any size. Returns how many rows are found before the first that has not as many fields as there are columns. ends: where. */
static size_t find_rows(struct sample *sample, const struct delimited_options *options, unsigned seed,
    size_t *ends, size_t ends_most, struct slice *ret_last)
{
    struct delimited_rows rows;
    struct table_row row;
    const struct slice text = bytes_slice(&sample->text);
    size_t begin = 0, seen = 0, count = 0;

    cr_assert_eq(delimited_rows_open(&rows, options, COLUMNS, all, COLUMNS, &error), 0, "%s", error.text);
    for (bool found = true; begin < text.length;) {
        if (!found) {
            cr_assert_lt(seen, text.length);
            seen += 1 + (size_t)rand_r(&seed) % 9;
            seen = seen < text.length ? seen : text.length;
        }
        if (delimited_rows_next(&rows, (struct slice){text.data + begin, seen - begin}, seen == text.length,
                &row, &found, &error))
            return count;
        if (!found)
            continue;
        cr_assert_eq(row.text.data, text.data + begin);
        cr_assert_eq(row.fields[0].length + 1 + row.fields[1].length + 1 + row.fields[2].length +
                         (options->line ? 1 : 2),
            row.text.length);
        begin += row.text.length;
        cr_assert_lt(count, ends_most);
        ends[count++] = begin;
        *ret_last = row.fields[2];
    }
    return count;
}

Test(delimited_rows, rows_are_those_that_were_written)
{
    static struct sample sample;
    static size_t ends[TEXT_MAX];
    struct slice last = {0};

    for (size_t form = 0; form < sizeof exact / sizeof *exact; form++)
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            write_sample(&sample, &exact[form], seed);
            const size_t count = find_rows(&sample, &exact[form], seed, ends, TEXT_MAX, &last);
            cr_assert_eq(count, sample.rows, "form %zu, seed %u: %s", form, seed, error.text);
            for (size_t i = 0; i < count; i++)
                cr_assert_eq(ends[i], sample.ends[i], "form %zu, seed %u, row %zu", form, seed, i);
            cr_assert_gt(count, 20);
            bytes_free(&sample.text);
        }
}

/* Not one end is overlooked: so as many rows as there are is what there is. */
Test(delimited_rows, rows_are_never_fewer)
{
    static struct sample sample;
    static size_t ends[TEXT_MAX];
    struct slice last = {0};
    size_t more = 0;

    for (size_t form = 0; form < sizeof finer / sizeof *finer; form++)
        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            write_sample(&sample, &finer[form], seed);
            const size_t count = find_rows(&sample, &finer[form], seed, ends, TEXT_MAX, &last);
            size_t at = 0;
            for (size_t i = 0; i < count; i++) {
                cr_assert_leq(ends[i], sample.ends[at], "form %zu, seed %u, row %zu", form, seed, i);
                at += ends[i] == sample.ends[at];
                more += ends[i] < sample.ends[at];
            }
            bytes_free(&sample.text);
        }
    cr_assert_gt(more, 10);
}

/* ---- by hand ----------------------------------------------------------------------------------------------------------- */

static void expect(const struct delimited_options *options, const char *text, size_t columns,
    const char *first, const char *last)
{
    const size_t wanted[] = {columns - 1, 0, columns - 1};
    struct delimited_rows rows;
    struct table_row row;
    bool found;

    cr_assert_eq(delimited_rows_open(&rows, options, columns, wanted, 3, &error), 0);
    cr_assert_eq(delimited_rows_next(&rows, slice_of(text), true, &row, &found, &error), 0, "%s", error.text);
    cr_assert(found);
    cr_assert(slice_is(row.fields[1], first), "%.*s", (int)row.fields[1].length, row.fields[1].data);
    cr_assert(slice_is(row.fields[0], last) && slice_is(row.fields[2], last));
}

Test(delimited_rows, fields_as_they_were_written)
{
    expect(&exact[0], "\"a\"\"b,\nc\",x\n1,2\n", 2, "\"a\"\"b,\nc\"", "x");
    expect(&exact[2], "a,b\r\nc,d\r\n", 2, "a", "b");
    expect(&exact[2], "a,\"b\r\n\"\r\nc,d\r\n", 2, "a", "\"b\r\n\"");
    expect(&exact[6], "a\\\tb\t\\N\n", 2, "a\\\tb", "\\N");
    expect(&exact[8], "one\n", 1, "one", "one");
    expect(&exact[8], ",,\n", 3, "", "");
    expect(&finer[1], "\"a\",\"b\"\n", 2, "\"a\"", "\"b\"");
    expect(&finer[1], "\"a,\nb\",\"\"\n", 2, "\"a,\nb\"", "\"\"");
}

static void expect_error(const struct delimited_options *options, const char *text, const char *why)
{
    struct delimited_rows rows;
    struct table_row row;
    bool found;

    cr_assert_eq(delimited_rows_open(&rows, options, 2, all, 1, &error), 0);
    cr_assert_eq(delimited_rows_next(&rows, slice_of(text), true, &row, &found, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, why), "%s", error.text);
}

Test(delimited_rows, what_is_no_row)
{
    /* One enclosure may end a field and begin one: of the values a", and b, whose first looks like two. */
    expect_error(&finer[1], "\"a\",\",\"b\"\n", "it has 3 fields");
    expect_error(&exact[8], "a,b,c\n", "it has 3 fields, and there are 2 columns");
    expect_error(&exact[8], "a\n", "it has 1 fields");
    expect_error(&exact[8], "a,b", "ends in the middle");
    expect_error(&exact[0], "a,\"b\n", "ends in the middle");
    expect_error(&exact[6], "a\tb\\", "ends in the middle");
    expect_error(&exact[6], "a\tb\\\n", "ends in the middle");
}

Test(delimited_rows, nothing_is_no_row)
{
    struct delimited_rows rows;
    struct table_row row;
    bool found = true;

    cr_assert_eq(delimited_rows_open(&rows, &exact[0], 2, all, 1, &error), 0);
    cr_assert_eq(delimited_rows_next(&rows, (struct slice){0}, true, &row, &found, &error), 0);
    cr_assert_not(found);
}

Test(delimited_rows, forms_that_nobody_can_read)
{
    const struct delimited_options
        open_end = {.field = ',',
            .line = '\n',
            .quoting = DELIMITED_QUOTE_NEEDED,
            .enclosure = '"',
            .style = DELIMITED_JAVA},
        null = {.field = ',', .line = '\n', .escape = '\\', .null_string = {"x\\\\\\", 4}},
        other = {.field = ',', .line = '\n', .escape = '\\', .null_other = {"\\", 1}},
        pairs = {.field = ',', .line = '\n', .escape = '\\', .null_string = {"\\\\", 2}};
    struct delimited_rows rows;

    cr_assert_eq(delimited_rows_open(&rows, &open_end, 2, all, 1, &error), -1);
    cr_assert(strstr(error.text, "say --escaped-by"));
    cr_assert_eq(delimited_rows_open(&rows, &null, 2, all, 1, &error), -1);
    cr_assert_eq(delimited_rows_open(&rows, &other, 2, all, 1, &error), -1);
    cr_assert(strstr(error.text, "NULL ends in the escape"));
    cr_assert_eq(delimited_rows_open(&rows, &pairs, 2, all, 1, &error), 0);
}
