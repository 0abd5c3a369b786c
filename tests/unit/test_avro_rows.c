/* avro_rows: rows are found again as their writer has made them, whatever the codec and however much of the file is there; and what is no such file is never read as one */
#include "lake/format/avro_rows.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <snappy-c.h>
#include <stdio.h>
#include <zlib.h>

#include "lake/format/avro_row.h"

#define FILE_MAX ((size_t)16 << 20)
#define ROWS 300

static struct error error;

static const struct column_field fields[] = {{.name = "flag", .type = COLUMN_BOOL},
    {.name = "id", .type = COLUMN_INT32}, {.name = "long", .type = COLUMN_INT64},
    {.name = "f", .type = COLUMN_FLOAT32}, {.name = "d", .type = COLUMN_FLOAT64},
    {.name = "n", .type = COLUMN_DECIMAL, .precision = 30, .scale = 2}, {.name = "day", .type = COLUMN_DATE},
    {.name = "at", .type = COLUMN_TIMESTAMP_UTC}, {.name = "u", .type = COLUMN_UUID},
    {.name = "s", .type = COLUMN_STRING}, {.name = "b", .type = COLUMN_BYTES},
    {.name = "l", .type = COLUMN_LIST, .element = COLUMN_STRING},
    {.name = "m", .type = COLUMN_LIST, .element = COLUMN_INT64}};
#define FIELDS (sizeof fields / sizeof *fields)
static const size_t wanted[] = {9, 1};
static const enum table_codec codecs[] = {
    TABLE_CODEC_NONE, TABLE_CODEC_DEFLATE, TABLE_CODEC_SNAPPY, TABLE_CODEC_ZSTD};

/* ---- rows of all types, and files of them ------------------------------------------------------------------------------ */

static void add_list(struct column *column, int row)
{
    const int64_t number = row * INT64_C(1000000007);

    cr_assert_eq(column_grow(column->element, (size_t)row % 4, &error), 0);
    for (int i = 0; i < row % 4; i++) {
        if (i == 2)
            column_add_null(column->element);
        else if (column->field->element == COLUMN_INT64)
            column_add_fixed(column->element, &number, sizeof number);
        else
            cr_assert_eq(column_add_bytes(column->element, "abc", (size_t)i, &error), 0);
    }
    column_end_list(column);
}

static void add_value(struct column *column, int row)
{
    char text[1200] = {0};

    if (column->field->type == COLUMN_LIST)
        return add_list(column, row);
    snprintf(text, sizeof text, "%d", row - 100);
    for (int i = 0; i < row % 40; i++)
        text[20 + i * 28] = (char)(i * row); /* bytes of any kind, and NUL among them */
    const size_t width = column_width(column->field->type);
    if (!width) {
        cr_assert_eq(column_add_bytes(column, text,
                         column->field->type == COLUMN_STRING ? strlen(text) : (size_t)row * 3, &error),
            0);
        return;
    }
    if (column->field->type == COLUMN_BOOL)
        text[0] = (char)(row & 1);
    column_add_fixed(column, text, width);
}

static struct column_batch *batch_new(void)
{
    struct column_batch *batch = NULL;

    cr_assert_eq(column_batch_new(&batch, fields, FIELDS, FILE_MAX, &error), 0);
    for (int row = 0; row < ROWS; row++) {
        for (size_t i = 0; i < FIELDS; i++) {
            if ((row + (int)i) % 11 == 0 && i != 1)
                column_add_null(&batch->columns[i]);
            else
                add_value(&batch->columns[i], row);
        }
        column_batch_end_row(batch);
    }
    return batch;
}

static int take(void *context, const void *data, size_t length, struct error *take_error)
{
    return bytes_add(context, data, length, take_error);
}

static struct table_file *begin(struct bytes *to, const char *name, const struct column_field *of,
    size_t count, struct table_file_options *options)
{
    const struct table_sink sink = {take, to};
    struct table_file *file = NULL;

    bytes_init(to, FILE_MAX);
    options->format = TABLE_AVRO;
    options->name = name;
    cr_assert_eq(table_file_open(&file, of, count, options, &sink, &error), 0, "%s", error.text);
    return file;
}

static void write_batch(struct bytes *to, enum table_codec codec, size_t block)
{
    static const struct table_metadata metadata = {"made.by", "a test"};
    struct table_file_options options = {
        .codec = codec, .group_size = block, .metadata = &metadata, .metadata_count = 1};
    struct table_file *file = begin(to, "t", fields, FIELDS, &options);
    struct column_batch *batch = batch_new();

    cr_assert_eq(table_file_add(file, batch, &error), 0, "%s", error.text);
    cr_assert_eq(table_file_finish(file, &error), 0);
    table_file_close(&file);
    column_batch_free(&batch);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

struct seen {
    struct bytes rows, keys;
    int count;
};

static void seen_free(struct seen *seen)
{
    bytes_free(&seen->rows);
    bytes_free(&seen->keys);
}

static int read_block(struct avro_rows *rows, struct seen *seen, struct table_file *copy)
{
    struct table_row row;
    bool found;

    do {
        if (avro_rows_next(rows, &row, &found, &error))
            return -1;
        if (!found)
            break;
        seen->count++;
        cr_assert_eq(bytes_add(&seen->rows, row.text.data, row.text.length, &error), 0);
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            cr_assert_eq(bytes_add(&seen->keys, row.fields[i].data, row.fields[i].length, &error), 0);
        if (copy)
            cr_assert_eq(table_file_copy(copy, row.text, &error), 0);
    } while (found);
    return 0;
}

/* `step` more bytes of it are there each time. 0: read to its end; 1: it ends in the middle; -1: error says why. */
static int read_file(struct slice file, size_t step, struct seen *seen, struct table_file *copy)
{
    __attribute__((cleanup(avro_rows_close))) struct avro_rows *rows = NULL;
    size_t at = 0;

    *seen = (struct seen){.count = 0};
    bytes_init(&seen->rows, FILE_MAX);
    bytes_init(&seen->keys, FILE_MAX);
    cr_assert_eq(avro_rows_open(&rows, "t", fields, FIELDS, wanted, 2, &error), 0);
    cr_assert(!avro_rows_begun(rows));
    for (size_t there = step < file.length ? step : file.length;;
         there = file.length - there < step ? file.length : there + step) {
        size_t taken;
        do {
            if (avro_rows_take(rows, (struct slice){file.data + at, there - at}, &taken, &error) ||
                read_block(rows, seen, copy))
                return -1;
            at += taken;
        } while (taken);
        if (there == file.length)
            return at == file.length && avro_rows_begun(rows) ? 0 : 1;
    }
}

/* What avro_row makes of the batch's rows. */
static struct bytes wanted_rows(void)
{
    struct column_batch *batch = batch_new();
    struct avro_row *avro = NULL;
    struct bytes all;
    struct slice datum;

    bytes_init(&all, FILE_MAX);
    cr_assert_eq(avro_row_open(&avro, fields, FIELDS, FILE_MAX, &error), 0);
    cr_assert_eq(avro_row_begin(avro, batch, &error), 0);
    for (size_t row = 0; row < ROWS; row++) {
        cr_assert_eq(avro_row_take(avro, batch, row, &datum, &error), 0);
        cr_assert_eq(bytes_add(&all, datum.data, datum.length, &error), 0);
    }
    avro_row_close(&avro);
    column_batch_free(&batch);
    return all;
}

Test(avro_rows, rows_are_those_that_were_written)
{
    struct bytes all = wanted_rows();

    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct bytes file;
        write_batch(&file, codecs[i], 5000);
        for (size_t step = 100; step <= FILE_MAX; step = step == 100 ? 70001 : step * 1000) {
            __attribute__((cleanup(seen_free))) struct seen seen;
            cr_assert_eq(read_file(bytes_slice(&file), step, &seen, NULL), 0, "%s", error.text);
            cr_assert_eq(seen.count, ROWS);
            cr_assert(slice_equal(bytes_slice(&seen.rows), bytes_slice(&all)));
        }
        bytes_free(&file);
    }
    bytes_free(&all);
}

/* From any codec to any other one, in blocks of another size. */
Test(avro_rows, rows_are_copied_as_they_are)
{
    struct bytes all = wanted_rows();

    for (size_t i = 0; i < 16; i++) {
        __attribute__((cleanup(seen_free))) struct seen seen;
        __attribute__((cleanup(seen_free))) struct seen again;
        struct table_file_options options = {.codec = codecs[i % 4], .group_size = 900};
        struct bytes file, copy;
        write_batch(&file, codecs[i / 4], 5000);
        struct table_file *to = begin(&copy, "t", fields, FIELDS, &options);
        cr_assert_eq(read_file(bytes_slice(&file), FILE_MAX, &seen, to), 0);
        cr_assert_eq(table_file_finish(to, &error), 0);
        table_file_close(&to);
        cr_assert_eq(read_file(bytes_slice(&copy), FILE_MAX, &again, NULL), 0, "%s", error.text);
        cr_assert_eq(again.count, ROWS);
        cr_assert(slice_equal(bytes_slice(&again.rows), bytes_slice(&all)));
        cr_assert(slice_equal(bytes_slice(&again.keys), bytes_slice(&seen.keys)));
        bytes_free(&file);
        bytes_free(&copy);
    }
    bytes_free(&all);
}

Test(avro_rows, a_row_that_no_block_can_hold)
{
    struct table_file_options options = {.codec = TABLE_CODEC_NONE};
    struct bytes copy;
    struct table_file *file = begin(&copy, "t", fields, FIELDS, &options);

    /* Refused by its length alone: nothing is read. */
    cr_assert_eq(table_file_copy(file, (struct slice){"", (size_t)INT32_MAX + 1}, &error), -1);
    cr_assert_str_eq(error.text, "row 1: more than 2147483647 bytes");
    table_file_close(&file);
    bytes_free(&copy);
}

/* ---- one field ---------------------------------------------------------------------------------------------------------- */

static void expect_shown(enum column_type type, const char *value, size_t length, const char *shown)
{
    const struct column_field field = {.name = "a", .type = type};
    char number[AVRO_ROWS_SHOWN];
    const struct slice text = avro_rows_show(&field, (struct slice){value, length}, number);

    cr_assert(slice_is(text, shown), "%.*s", (int)text.length, text.data);
}

Test(avro_rows, a_key_for_people)
{
    expect_shown(COLUMN_INT32, "\x02\x0e", 2, "7");
    expect_shown(COLUMN_INT64, "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "-9223372036854775808");
    expect_shown(COLUMN_STRING,
        "\x02\x06"
        "abc",
        5, "abc");
    expect_shown(COLUMN_STRING, "\x02\x00", 2, "");
    expect_shown(COLUMN_BYTES,
        "\x02\x06"
        "abc",
        5, "");
    expect_shown(COLUMN_INT32, "\x00", 1, "");
}

/* ---- what is no file of these rows -------------------------------------------------------------------------------------- */

static struct bytes made;

static void put(const void *data, size_t length)
{
    cr_assert_eq(bytes_add(&made, data, length, &error), 0);
}

static void put_text(const char *text)
{
    const char length = (char)(2 * strlen(text));

    put(&length, 1);
    put(text, strlen(text));
}

/* A header for a column of numbers and one of lists, with `codec`; NULL: it says none. */
static void put_header(const char *codec, const char *schema_of)
{
    static const struct column_field two[] = {
        {.name = "i", .type = COLUMN_INT32}, {.name = "l", .type = COLUMN_LIST, .element = COLUMN_BOOL}};
    cleanup_bytes struct bytes schema;
    char length[2];

    bytes_init(&made, FILE_MAX);
    bytes_init(&schema, FILE_MAX);
    cr_assert_eq(avro_row_schema(&schema, schema_of, two, 2, &error), 0);
    cr_assert(schema.length >= 64 && schema.length < 8192);
    length[0] = (char)(0x80 | (2 * schema.length & 0x7f));
    length[1] = (char)(2 * schema.length >> 7);
    put("Obj\1", 4);
    if (codec) {
        put("\x01\x20", 2); /* a block of the map with its length before it */
        put_text("avro.codec");
        put_text(codec);
    }
    put("\x02", 1);
    put_text("avro.schema");
    put(length, 2);
    put(schema.data, schema.length);
    put("\x00"
        "0123456789abcdef",
        17);
}

static int read_made(void)
{
    static const struct column_field two[] = {
        {.name = "i", .type = COLUMN_INT32}, {.name = "l", .type = COLUMN_LIST, .element = COLUMN_BOOL}};
    __attribute__((cleanup(avro_rows_close))) struct avro_rows *rows = NULL;
    struct table_row row;
    size_t at = 0, taken;
    bool found;
    int count = 0;

    error = (struct error){0};
    cr_assert_eq(avro_rows_open(&rows, "t", two, 2, wanted + 1, 1, &error), 0);
    do {
        const struct slice left = {made.data + at, made.length - at};
        if (avro_rows_take(rows, left, &taken, &error))
            count = -1;
        for (found = true; count >= 0 && found; count += found)
            if (avro_rows_next(rows, &row, &found, &error)) {
                count = -1;
                break;
            }
        at += taken;
    } while (count >= 0 && taken);
    bytes_free(&made);
    return count;
}

static void block(const char *data, size_t length)
{
    put(data, length);
    put("0123456789abcdef", 16);
}

static void expect_error(int count, const char *why)
{
    cr_assert_eq(count, -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, why), "%s", error.text);
}

#define BLOCK(bytes) block(bytes, sizeof bytes - 1)
#define REFUSED(why) expect_error(read_made(), why)
#define DAMAGED "it is damaged: its bytes are no rows of its schema"

Test(avro_rows, headers)
{
    put_header(NULL, "t");
    BLOCK("\x04\x0c\x02\x0e\x00\x00\x02\x00");
    cr_assert_eq(read_made(), 2, "%s", error.text);
    put_header("null", "t");
    cr_assert_eq(read_made(), 0, "%s", error.text);
    put_header("bzip2", "t");
    REFUSED("its codec bzip2 is none of null, deflate, snappy, zstandard");
    put_header(NULL, "another");
    REFUSED("its schema is not the one that files of these rows get here now");
    bytes_init(&made, FILE_MAX);
    put("PAR1", 4);
    REFUSED("it is no file of Avro");
    bytes_init(&made, 3 * FILE_MAX);
    put("Obj\1\x02\xfe\xff\xff\xff\xff\x01", 11);
    cr_assert_eq(bytes_reserve(&made, 2 * FILE_MAX + 1, &error), 0);
    memset(made.data + made.length, 0, 2 * FILE_MAX + 1);
    made.length += 2 * FILE_MAX + 1;
    REFUSED("it is no file of Avro");
}

Test(avro_rows, blocks)
{
    static const char *const long_ago =
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    put_header(NULL, "t");
    put(long_ago, 20);
    REFUSED(DAMAGED);
    put_header(NULL, "t");
    BLOCK("\x00\x00");
    REFUSED(DAMAGED);
    put_header(NULL, "t");
    BLOCK("\x02\x01");
    REFUSED(DAMAGED);
    put_header(NULL, "t");
    put("\x02\x04\x00\x00 another sync's", 20);
    REFUSED(DAMAGED);
}

Test(avro_rows, rows)
{
    static const struct {
        const char *data;
        size_t length;
    } rows[] = {
#define ROW(bytes) {bytes, sizeof bytes - 1}
        ROW("\x02\x02\x00"), /* the list is not there */
        ROW("\x02\x06\x02\x0e\x04"), /* no such branch */
        ROW("\x02\x08\x02\x0e\x00\x00"), /* more than there should be */
        ROW("\x02\x04\x02\x80"), /* a number without its end */
        ROW("\x02\x06\x00\x02\x01"), /* a list's block with its length before it */
        ROW("\x02\x08\x00\x02\x04\x02"), /* a list without its elements */
        ROW("\x02\x06\x00\x02\x80"), /* ... and without their number */
        ROW("\x02\x08\x00\x02\x02\x06"), /* an element of no such branch */
        ROW("\x04\x04\x00\x00"), /* fewer rows than there should be */
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_header(NULL, "t");
        block(rows[i].data, rows[i].length);
        REFUSED(DAMAGED);
    }
    put_header(NULL, "t");
    BLOCK("\x02\x10\x00\x02\x04\x02\x01\x00\x00\x00"); /* data behind it belong to the block */
    REFUSED(DAMAGED);
    put_header(NULL, "t");
    BLOCK("\x02\x0e\x00\x02\x04\x02\x01\x00\x00");
    cr_assert_eq(read_made(), 1, "%s", error.text);
}

Test(avro_rows, sums_of_snappy)
{
    char packed[64] = {0};
    size_t length = sizeof packed - 4;
    cr_assert_eq(snappy_compress("\x00\x00", 2, packed, &length), SNAPPY_OK);
    const uint32_t sum = htobe32((uint32_t)crc32_z(0, (const Bytef *)"\x00\x00", 2));

    memcpy(packed + length, &sum, 4);
    for (int wrong = 0; wrong < 2; wrong++) {
        const char prefix[] = {2, (char)(2 * (length + 4))};
        put_header("snappy", "t");
        put(prefix, 2);
        packed[length] ^= (char)wrong;
        block(packed, length + 4);
        if (wrong)
            REFUSED(DAMAGED);
        else
            cr_assert_eq(read_made(), 1, "%s", error.text);
    }
    put_header("snappy", "t");
    BLOCK("\x02\x06xyz");
    REFUSED(DAMAGED);
    put_header("zstandard", "t");
    BLOCK("\x02\x06xyz");
    REFUSED("a compressed block is damaged");
}

/* Nothing is read that is not there: the sanitizers look. Whatever is found, it is no more than what was cut off or changed. */
Test(avro_rows, cut_and_changed_anywhere)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        struct bytes file;
        write_batch(&file, codecs[i], 30000);
        for (size_t at = 0; at < file.length; at += at < 64 ? 1 : at < 3000 ? 7 : 397) {
            __attribute__((cleanup(seen_free))) struct seen seen;
            char *part = malloc(at + 1);
            memcpy(part, file.data, at);
            const int result = read_file((struct slice){part, at}, FILE_MAX, &seen, NULL);
            cr_assert(result >= 0 && seen.count < ROWS, "%s", error.text);
            free(part);
        }
        for (size_t at = 0; at < file.length; at += at < 3000 ? 5 : 397) {
            __attribute__((cleanup(seen_free))) struct seen seen;
            file.data[at] = (char)~file.data[at];
            read_file(bytes_slice(&file), FILE_MAX, &seen, NULL);
            file.data[at] = (char)~file.data[at];
        }
        bytes_free(&file);
    }
}

Test(avro_rows, columns_that_avro_has_not)
{
    static const struct column_field wide = {.name = "n", .type = COLUMN_DECIMAL, .precision = 39};
    struct avro_rows *rows = NULL;

    cr_assert_eq(avro_rows_open(&rows, "t", &wide, 1, wanted, 1, &error), -1);
    cr_assert_null(rows);
    avro_rows_close(&rows);
}
