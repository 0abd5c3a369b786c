/* The hybrid of run lengths and bit packing: the specification's own example, and everything decoded again by a reader of its grammar. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "lake/format/parquet_levels.h"
#include "parquet_harness.h"

#define MOST 200000

static struct error error;
static struct bytes out;

static void is(const char *expected, size_t length)
{
    cr_assert_eq(out.length, length, "%zu", out.length);
    cr_assert_arr_eq(out.data, expected, length);
    bytes_free(&out);
}
#define IS(text) is(text, sizeof(text) - 1)

static void begin(void)
{
    bytes_init(&out, 16u << 20);
}

Test(parquet_levels, the_example_of_the_specification)
{
    const uint32_t values[] = {0, 1, 2, 3, 4, 5, 6, 7};

    begin();
    cr_assert(parquet_levels_add_indexes(&out, values, 8, 3, &error) == 0);
    IS("\x03\x88\xc6\xfa");
}

Test(parquet_levels, runs)
{
    uint32_t values[100];
    uint8_t levels[40] = {1, 0};

    for (size_t i = 0; i < 100; i++)
        values[i] = 1000;
    begin();
    cr_assert(parquet_levels_add_indexes(&out, values, 100, 10, &error) == 0);
    IS("\xc8\x01\xe8\x03");
    begin();
    cr_assert(parquet_levels_add(&out, levels, 40, 1, &error) == 0);
    /* One group of eight, then a run of what is left. */
    IS("\x03\x01\x40\0");
    begin();
    cr_assert(parquet_levels_add(&out, levels, 3, 2, &error) == 0);
    IS("\x03\x01\0");
    begin();
    cr_assert(parquet_levels_repeat(&out, 1, 20000, &error) == 0);
    IS("\xc0\xb8\x02\x01");
    begin();
    cr_assert(parquet_levels_add_indexes(&out, values, 0, 10, &error) == 0);
    IS("");
}

Test(parquet_levels, bits)
{
    const uint8_t values[] = {1, 0, 1, 1, 0, 0, 0, 1, 1, 1};

    begin();
    cr_assert(parquet_levels_add_bits(&out, values, 10, &error) == 0);
    IS("\x8d\x03");
    begin();
    cr_assert(parquet_levels_add_bits(&out, values, 0, &error) == 0);
    IS("");
}

Test(parquet_levels, width)
{
    cr_assert_eq(parquet_levels_width(0), 0);
    cr_assert_eq(parquet_levels_width(1), 1);
    cr_assert_eq(parquet_levels_width(2), 2);
    cr_assert_eq(parquet_levels_width(255), 8);
    cr_assert_eq(parquet_levels_width(256), 9);
    cr_assert_eq(parquet_levels_width(UINT32_MAX), 32);
}

Test(parquet_levels, no_room)
{
    const uint8_t values[8] = {1};
    const uint32_t indexes[8] = {1};

    bytes_init(&out, 4);
    cr_assert(parquet_levels_add(&out, values, 8, 1, &error) == -1);
    cr_assert(parquet_levels_add_indexes(&out, indexes, 8, 1, &error) == -1);
    cr_assert(parquet_levels_add_bits(&out, values, 8, &error) == -1);
    cr_assert(parquet_levels_repeat(&out, 1, 8, &error) == -1);
    cr_assert(error.kind == ERROR_REJECT && out.length == 0);
}

static void round_trip(const uint32_t *values, size_t count, unsigned width)
{
    uint32_t *back = malloc((count + 1) * sizeof(*back));
    uint8_t *levels = malloc(count + 1);

    begin();
    cr_assert(parquet_levels_add_indexes(&out, values, count, width, &error) == 0);
    cr_assert_eq(hybrid_decode(bytes_slice(&out), width, count, back), out.length);
    cr_assert_arr_eq(back, values, count * sizeof(*values));
    /* Never much more than all values packed. */
    cr_assert_leq(out.length, (count + 7) / 8 * width + count / 8 / 8 + 4);
    if (width <= 8) {
        struct bytes indexes = out;
        for (size_t i = 0; i < count; i++)
            levels[i] = (uint8_t)values[i];
        begin();
        cr_assert(parquet_levels_add(&out, levels, count, width, &error) == 0);
        cr_assert_eq(out.length, indexes.length);
        cr_assert(count == 0 || memcmp(out.data, indexes.data, out.length) == 0);
        bytes_free(&indexes);
    }
    bytes_free(&out);
    free(back);
    free(levels);
}

Test(parquet_levels, all_widths_and_lengths)
{
    uint32_t *values = malloc(MOST * sizeof(*values));

    for (unsigned width = 1; width < 32; width++) {
        const uint32_t most = (UINT32_C(1) << width) - 1;
        for (unsigned stretch = 1; stretch < 40; stretch += 3) {
            for (size_t i = 0; i < 300; i++)
                values[i] = ((uint32_t)(i / stretch) * 2654435761u ^ most) & most;
            for (size_t count = 0; count < 100; count += 7)
                round_trip(values + count, 200 - count, width);
            round_trip(values, stretch, width);
        }
    }
    free(values);
}

Test(parquet_levels, many_values)
{
    uint32_t *values = malloc(MOST * sizeof(*values));
    uint32_t state = 1;

    for (unsigned width = 1; width < 32; width += 6) {
        const uint32_t most = (UINT32_C(1) << width) - 1;
        size_t i = 0;
        while (i < MOST) {
            state = state * 1664525 + 1013904223;
            size_t run = state >> 30 ? 1 : (state >> 16) % 100 + 1;
            for (; run && i < MOST; run--)
                values[i++] = state >> 3 & most;
        }
        round_trip(values, MOST, width);
        /* Without any run. */
        for (i = 0; i < MOST; i++)
            values[i] = (uint32_t)(i & most);
        round_trip(values, MOST, width);
    }
    free(values);
}

/* ---- read ----------------------------------------------------------------------------------------------------------------- */

Test(parquet_levels, what_was_written_is_read)
{
    static uint32_t values[MOST], found[MOST];
    static uint8_t levels[MOST], found_levels[MOST];

    for (unsigned width = 0; width <= 31; width++) {
        for (size_t count = 0; count < MOST; count = count < 40 ? count + 1 : count * 7) {
            uint32_t state = 1;
            for (size_t i = 0; i < count; i++) {
                state = state * 1664525 + 1013904223;
                values[i] = i % 100 < 50 ? (state >> 1) & (uint32_t)((UINT64_C(1) << width) - 1) : width % 2;
                levels[i] = (uint8_t)(values[i] & 3);
            }
            begin();
            cr_assert_eq(parquet_levels_add_indexes(&out, values, count, width ? width : 1, &error), 0);
            cr_assert(parquet_levels_take_indexes(bytes_slice(&out), width ? width : 1, found, count));
            cr_assert_arr_eq(found, values, count * sizeof *values);
            bytes_clear(&out);
            cr_assert_eq(parquet_levels_add(&out, levels, count, 2, &error), 0);
            cr_assert(parquet_levels_take(bytes_slice(&out), 2, found_levels, count));
            cr_assert_arr_eq(found_levels, levels, count);
            if (count)
                cr_assert(
                    !parquet_levels_take((struct slice){out.data, out.length - 1}, 2, found_levels, count));
            bytes_free(&out);
        }
    }
}

Test(parquet_levels, what_is_no_run)
{
    uint8_t found[32];

    cr_assert(parquet_levels_take((struct slice){"\x10\x01", 2}, 1, found, 8));
    cr_assert(parquet_levels_take((struct slice){"\x10", 1}, 0, found, 8));
    cr_assert(!parquet_levels_take((struct slice){"", 0}, 1, found, 8));
    cr_assert(!parquet_levels_take((struct slice){"\x10", 1}, 1, found, 8));
    cr_assert(!parquet_levels_take((struct slice){"\x00\x01", 2}, 1, found, 8));
    cr_assert(!parquet_levels_take((struct slice){"\x0e\x01", 2}, 1, found, 8));
    cr_assert(!parquet_levels_take(slice_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 1, found, 8));
    cr_assert(!parquet_levels_take((struct slice){"\xfe\xff\xff\xff\xff\x7f\x01", 7}, 1, found, 8));
}
