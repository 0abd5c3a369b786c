/* Values of Avro, byte by byte: the examples of its specification (1.11) and the borders of every encoding. */
#include <criterion/criterion.h>

#include "lake/format/avro_value.h"

#define OUT_MAX (64u << 20)
#define cleanup_batch __attribute__((cleanup(column_batch_free)))

static struct error error;

static struct column_batch *batch_new(const struct column_field *field)
{
    struct column_batch *batch = NULL;

    cr_assert(column_batch_new(&batch, field, 1, OUT_MAX, &error) == 0, "%s", error.text);
    return batch;
}

static bool slice_has(struct slice slice, const char *bytes, size_t length)
{
    return slice_equal(slice, (struct slice){bytes, length});
}

static void check_long(int64_t value, const char *bytes, size_t length)
{
    char text[AVRO_LONG_MAX];

    size_t got = (size_t)(avro_put_long(text, value) - text);
    cr_assert(slice_has((struct slice){text, got}, bytes, length), "%lld", (long long)value);
}

/* The specification's table, and the ends. */
Test(avro, longs)
{
    check_long(0, "\0", 1);
    check_long(-1, "\x01", 1);
    check_long(1, "\x02", 1);
    check_long(-2, "\x03", 1);
    check_long(2, "\x04", 1);
    check_long(-64, "\x7f", 1);
    check_long(64, "\x80\x01", 2);
    check_long(INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    check_long(INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
}

/* As the specification has it: seven bits at a time, the lowest first. */
Test(avro, longs_of_every_length)
{
    for (int bit = 0; bit < 63; bit++) {
        for (int64_t near = -2; near <= 2; near++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                const int64_t value = sign * ((INT64_C(1) << bit) + (bit > 2 ? near : 0));
                uint64_t rest = value < 0 ? ~((uint64_t)value << 1) : (uint64_t)value << 1;
                char bytes[AVRO_LONG_MAX];
                size_t length = 0;
                for (; rest > 127; rest /= 128)
                    bytes[length++] = (char)(rest % 128 + 128);
                bytes[length++] = (char)rest;
                check_long(value, bytes, length);
            }
        }
    }
}

/* The row of a batch with one column. */
static void check_row(struct column_batch *batch, const char *bytes, size_t length)
{
    const size_t room = avro_row_room(batch->fields, batch->fields_count);
    cleanup_bytes struct bytes out;
    size_t end;

    column_batch_end_row(batch);
    bytes_init(&out, OUT_MAX);
    cr_assert(avro_check(batch, 0, &error) == 0);
    cr_assert(avro_make_room(&out, batch, 0, room, &end, &error) == 0 && end == 1);
    avro_put_row(&out, batch, 0);
    cr_assert(slice_has(bytes_slice(&out), bytes, length), "%s", column_type_name(batch->fields->type));
}

static void check_fixed(struct column_field field, const void *value, const char *bytes, size_t length)
{
    field.name = "a";
    cleanup_batch struct column_batch *batch = batch_new(&field);
    column_add_fixed(batch->columns, value, column_width(field.type));
    check_row(batch, bytes, length);
}

static void check_text(enum column_type type, struct slice value, const char *bytes, size_t length)
{
    struct column_field field = {.name = "a", .type = type};
    cleanup_batch struct column_batch *batch = batch_new(&field);
    cr_assert(column_add_bytes(batch->columns, value.data, value.length, &error) == 0);
    check_row(batch, bytes, length);
}

#define FIXED(kind, ctype, value, bytes) \
    check_fixed((struct column_field){.type = kind}, &(ctype){value}, bytes, sizeof(bytes) - 1)

Test(avro, values_of_fixed_size)
{
    FIXED(COLUMN_BOOL, uint8_t, 0, "\x02\x00");
    FIXED(COLUMN_BOOL, uint8_t, 1, "\x02\x01");
    FIXED(COLUMN_INT32, int32_t, 27, "\x02\x36");
    FIXED(COLUMN_INT32, int32_t, INT32_MIN, "\x02\xff\xff\xff\xff\x0f");
    FIXED(COLUMN_INT64, int64_t, -65, "\x02\x81\x01");
    FIXED(COLUMN_FLOAT32, float, 1.5f, "\x02\x00\x00\xc0\x3f");
    FIXED(COLUMN_FLOAT64, double, -2.0, "\x02\x00\x00\x00\x00\x00\x00\x00\xc0");
    FIXED(COLUMN_DATE, int32_t, -1, "\x02\x01");
    FIXED(COLUMN_TIME, int64_t, 86400000000, "\x02\x80\x80\xbb\xdd\x83\x05");
    FIXED(COLUMN_TIMESTAMP, int64_t, 1, "\x02\x02");
    FIXED(COLUMN_TIMESTAMP_UTC, int64_t, -3, "\x02\x05");
    check_fixed((struct column_field){.type = COLUMN_UUID},
        "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef",
        "\x02\x48"
        "01234567-89ab-cdef-0123-456789abcdef",
        38);
}

Test(avro, decimals_take_as_few_bytes_as_they_can)
{
    static const struct {
        int64_t high, low;
        const char *bytes;
        size_t length;
    } rows[] = {
        {0, 0, "\x02\x02\x00", 3},
        {-1, -1, "\x02\x02\xff", 3},
        {0, 127, "\x02\x02\x7f", 3},
        {0, 128, "\x02\x04\x00\x80", 4},
        {-1, -128, "\x02\x02\x80", 3},
        {-1, -129, "\x02\x04\xff\x7f", 4},
        {0, INT64_MIN, "\x02\x12\x00\x80\x00\x00\x00\x00\x00\x00\x00", 11},
        {INT64_MIN, 1, "\x02\x20\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 18},
        {INT64_MAX, 2, "\x02\x20\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x02", 18},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const uint64_t value[2] = {htobe64((uint64_t)rows[i].high), htobe64((uint64_t)rows[i].low)};
        check_fixed((struct column_field){.type = COLUMN_DECIMAL, .precision = 38}, value, rows[i].bytes,
            rows[i].length);
    }
}

Test(avro, values_of_any_length)
{
    check_text(COLUMN_STRING, slice_of("foo"), "\x02\x06\x66\x6f\x6f", 5);
    check_text(COLUMN_STRING, slice_of(""), "\x02\x00", 2);
    check_text(COLUMN_NUMBER, slice_of("NaN"), "\x02\x06NaN", 5);
    check_text(COLUMN_JSON, slice_of("{\"a\": 1}"), "\x02\x10{\"a\": 1}", 10);
    check_text(COLUMN_BYTES, (struct slice){"\0\xff", 2}, "\x02\x04\x00\xff", 4);
    check_text(COLUMN_STRING, slice_of("seventeen letters"), "\x02\x22seventeen letters", 19);
}

Test(avro, null)
{
    for (enum column_type type = COLUMN_BOOL; type <= COLUMN_LIST; type++) {
        struct column_field field = {"a", type, 1, 0, COLUMN_INT32};
        cleanup_batch struct column_batch *batch = batch_new(&field);
        column_add_null(batch->columns);
        check_row(batch, "\0", 1);
    }
}

/* The specification's array [3, 27], of elements that may be NULL. */
Test(avro, lists)
{
    struct column_field field = {"a", COLUMN_LIST, 0, 0, COLUMN_INT64};
    cleanup_batch struct column_batch *batch = batch_new(&field);

    column_add_fixed(batch->columns->element, &(int64_t){3}, sizeof(int64_t));
    column_add_fixed(batch->columns->element, &(int64_t){27}, sizeof(int64_t));
    column_add_null(batch->columns->element);
    column_end_list(batch->columns);
    check_row(batch, "\x02\x06\x02\x06\x02\x36\x00\x00", 8);

    column_batch_clear(batch);
    column_end_list(batch->columns);
    check_row(batch, "\x02\x00", 2);
}
