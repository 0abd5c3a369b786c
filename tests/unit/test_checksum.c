/* Checksums of rows: what manifests have said stays true, and whatever is done to rows shows. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "table/checksum.h"

#define MOST 130

static void fill(unsigned char row[static MOST])
{
    for (size_t i = 0; i < MOST; i++)
        row[i] = (unsigned char)(i * 37 + 11);
}

/* Manifests of older versions are compared by these. */
Test(checksum, stays_what_it_is)
{
    static const struct {
        size_t length;
        uint64_t sum;
    } known[] = {{0, UINT64_C(0x9a5177c020a3dfc0)}, {1, UINT64_C(0xdb9e7284b87658aa)},
        {15, UINT64_C(0xcb724f4064def564)}, {16, UINT64_C(0xa3d9e72a025fe63a)},
        {17, UINT64_C(0x8f3aa15cb2eaf741)}, {32, UINT64_C(0x2c166ed693cffe7b)},
        {33, UINT64_C(0x493b8b1add64138e)}, {100, UINT64_C(0x3e28f185a6d903df)},
        {130, UINT64_C(0xad07d5c3674051d4)}};
    unsigned char row[MOST];

    fill(row);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        cr_expect_eq(checksum_row(row, known[i].length), known[i].sum, "%zu bytes: %#llx", known[i].length,
            (unsigned long long)checksum_row(row, known[i].length));
}

Test(checksum, every_bit_and_every_length_counts)
{
    unsigned char row[MOST];
    uint64_t before = 0;

    for (size_t length = 0; length <= MOST; length++) {
        fill(row);
        const uint64_t sum = checksum_row(row, length);
        cr_assert_neq(sum, before);
        cr_assert_neq(sum, 0);
        before = sum;
        for (size_t bit = 0; bit < 8 * length; bit++) {
            row[bit / 8] ^= (unsigned char)(1u << bit % 8);
            cr_assert_neq(checksum_row(row, length), sum, "bit %zu of %zu bytes", bit, length);
            row[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
}

/* Zeros, which pad the short ones, are bytes like others. */
Test(checksum, zeros_count)
{
    static const unsigned char zeros[MOST];

    for (size_t one = 0; one <= MOST; one++)
        for (size_t other = 0; other < one; other++)
            cr_assert_neq(checksum_row(zeros, one), checksum_row(zeros, other), "%zu and %zu", one, other);
}

static uint64_t sum_of(const uint32_t *rows, size_t count)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += checksum_row(&rows[i], sizeof rows[i]);
    return sum;
}

/* Small numbers that are alike: two rows that swap a part of their values, one that is doubled, one that is missing. */
Test(checksum, sums_of_rows)
{
    static const uint32_t rows[] = {1, 2, 3, 4}, swapped[] = {4, 2, 1, 3}, doubled[] = {1, 2, 3, 4, 4},
                          missing[] = {1, 2, 3}, same_sum[] = {1, 2, 2, 5}, twice[] = {1, 1, 2, 2};
    const uint64_t sum = sum_of(rows, 4);

    cr_expect_eq(sum_of(swapped, 4), sum);
    cr_expect_neq(sum_of(doubled, 5), sum);
    cr_expect_neq(sum_of(missing, 3), sum);
    cr_expect_neq(sum_of(same_sum, 4), sum);
    cr_expect_neq(sum_of(twice, 4), sum);
    cr_expect_neq(sum_of(twice, 4), 0);
}

static int by_value(const void *one, const void *other)
{
    const uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return a < b ? -1 : a > b;
}

/* Rows as tables have them, with an id that counts and a column that hardly changes: no two are alike. */
Test(checksum, no_two_of_a_million_are_alike)
{
    const size_t count = 1000000;
    uint64_t *sums = malloc(count * sizeof *sums);
    unsigned char row[24] = {0, 0, 0, 8};

    cr_assert(sums);
    row[12 + 3] = 8;
    for (size_t i = 0; i < count; i++) {
        for (int byte = 0; byte < 8; byte++)
            row[4 + byte] = (unsigned char)((uint64_t)i >> (56 - 8 * byte));
        row[23] = (unsigned char)(i % 3);
        sums[i] = checksum_row(row, sizeof row);
    }
    qsort(sums, count, sizeof *sums, by_value);
    for (size_t i = 1; i < count; i++)
        cr_assert_neq(sums[i], sums[i - 1]);
    free(sums);
}
