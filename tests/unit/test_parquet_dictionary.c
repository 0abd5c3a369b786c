/* Dictionaries: every value gets an index, equal ones the same, and gives the value back; what is full says so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/little.h"
#include "lake/format/parquet_dictionary.h"

static struct error error;
static struct parquet_budget budget;
static struct parquet_dictionary dictionary;

static void begin(uint8_t width)
{
    budget = (struct parquet_budget){.max = 64u << 20};
    parquet_dictionary_init(&dictionary, width, &budget);
}

static void end(void)
{
    parquet_dictionary_free(&dictionary);
    cr_assert_eq(budget.used, 0);
    cr_assert_eq(dictionary.count, 0);
}

static struct parquet_values fixed_values(const void *data, size_t count)
{
    return (struct parquet_values){.count = count, .fixed = data};
}

static void gives_back(const struct parquet_values *values, const uint32_t *indexes, size_t count)
{
    struct bytes out;
    const struct parquet_values done = {.count = count,
        .fixed = values->fixed,
        .data = values->data,
        .ends = values->ends,
        .begin = values->begin};
    const size_t size = parquet_values_size(&done, dictionary.width);

    bytes_init(&out, 64u << 20);
    cr_assert(parquet_dictionary_copy(&dictionary, indexes, count, size, &out, &error) == 0);
    cr_assert_eq(out.length, size);
    if (dictionary.width)
        cr_assert_arr_eq(out.data, values->fixed, size);
    const char *at = out.data;
    for (size_t i = 0; i < count && !dictionary.width; i++) {
        const struct slice value = parquet_values_at(values, i);
        cr_assert_eq(get_u32(at), value.length);
        cr_assert(value.length == 0 || memcmp(at + 4, value.data, value.length) == 0);
        at += 4 + value.length;
    }
    bytes_free(&out);
}

Test(parquet_dictionary, fixed_widths)
{
    enum { COUNT = 5000 };
    static char data[COUNT * 16];
    static uint32_t indexes[COUNT];

    for (uint8_t width = 4; width <= 16; width = (uint8_t)(width * 2)) {
        memset(data, 0, sizeof(data));
        for (size_t i = 0; i < COUNT; i++) {
            const uint32_t value = (uint32_t)(i * 7919 % 1000);
            memcpy(data + i * width + (width - 4), &value, 4);
        }
        begin(width);
        const struct parquet_values values = fixed_values(data, COUNT);
        cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), COUNT);
        cr_assert_eq(dictionary.count, 1000);
        cr_assert_eq(dictionary.data.length, 1000 * width);
        for (size_t i = 0; i < COUNT; i++)
            cr_assert_eq(indexes[i], i % 1000);
        gives_back(&values, indexes, COUNT);
        end();
    }
}

/* Of all lengths, among them none, one byte apart, and parts of one another. */
Test(parquet_dictionary, values_of_any_length)
{
    enum { COUNT = 600 };
    static char data[COUNT * 100];
    static uint32_t ends[2 * COUNT], indexes[2 * COUNT];
    uint32_t at = 3;

    memset(data, 'x', sizeof(data));
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t length = i % 60;
        if (length)
            data[at + (i * 7) % length] = (char)('a' + i / 60);
        at += length;
        ends[i] = at;
    }
    begin(0);
    const struct parquet_values values = {.count = COUNT, .data = data, .ends = ends, .begin = 3};
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), COUNT);
    const uint32_t distinct = dictionary.count;
    cr_assert(distinct > 300 && distinct < COUNT);
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes + COUNT), COUNT);
    cr_assert_eq(dictionary.count, distinct);
    cr_assert_arr_eq(indexes, indexes + COUNT, COUNT * sizeof(*indexes));
    gives_back(&values, indexes, COUNT);
    end();
}

Test(parquet_dictionary, is_full_at_its_number_of_values)
{
    const size_t count = PARQUET_DICTIONARY_VALUES_MAX + 5;
    uint32_t *data = malloc(count * sizeof(*data)), *indexes = malloc(count * sizeof(*indexes));

    for (uint32_t i = 0; i < count; i++)
        data[i] = i * 3;
    begin(4);
    struct parquet_values values = fixed_values(data, count);
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), PARQUET_DICTIONARY_VALUES_MAX);
    gives_back(&values, indexes, PARQUET_DICTIONARY_VALUES_MAX);
    /* What it has it still finds. */
    values.count = 1000;
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), 1000);
    cr_assert_eq(indexes[999], 999);
    end();
    free(data);
    free(indexes);
}

Test(parquet_dictionary, is_full_at_its_size)
{
    char *data = calloc(3, PARQUET_DICTIONARY_MAX);
    const uint32_t ends[] = {
        PARQUET_DICTIONARY_MAX - 10, PARQUET_DICTIONARY_MAX - 8, PARQUET_DICTIONARY_MAX + 2};
    uint32_t indexes[3];

    begin(0);
    const struct parquet_values values = {.count = 3, .data = data, .ends = ends};
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), 2);
    cr_assert_eq(dictionary.data.length, PARQUET_DICTIONARY_MAX);
    end();
    free(data);
}

/* The budget is for all, but for a share of each. */
Test(parquet_dictionary, budget)
{
    enum { COUNT = 60000 };
    uint64_t *data = malloc(COUNT * sizeof(*data));
    uint32_t *indexes = malloc(COUNT * sizeof(*indexes));
    struct parquet_dictionary second;

    for (uint64_t i = 0; i < COUNT; i++)
        data[i] = i;
    budget = (struct parquet_budget){.max = 100000, .share = 10000};
    parquet_dictionary_init(&dictionary, 8, &budget);
    parquet_dictionary_init(&second, 8, &budget);
    const struct parquet_values values = fixed_values(data, COUNT);
    const size_t first_done = parquet_dictionary_index(&dictionary, &values, indexes);
    cr_assert(first_done > 1000 && first_done < COUNT && budget.used <= 100000);
    const size_t second_done = parquet_dictionary_index(&second, &values, indexes);
    cr_assert(second_done > 100 && second_done < first_done && second.memory <= budget.max);
    cr_assert(budget.used <= 110000);
    parquet_dictionary_free(&second);
    end();

    budget = (struct parquet_budget){.max = 10, .share = 10};
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), 0);
    end();
    parquet_dictionary_free(&(struct parquet_dictionary){0});
    free(data);
    free(indexes);
}

/* Values made to fall on one place are no reason to look for long. */
Test(parquet_dictionary, collisions)
{
    enum { COUNT = 100 };
    uint64_t data[COUNT];
    uint32_t indexes[COUNT];
    size_t count = 0;

    for (uint64_t i = 0; count < COUNT; i++) {
        if ((parquet_dictionary_hash((struct slice){(const char *)&i, sizeof(i)}) & 1023) == 0)
            data[count++] = i;
    }
    begin(8);
    struct parquet_values values = fixed_values(data, COUNT);
    const size_t done = parquet_dictionary_index(&dictionary, &values, indexes);
    cr_assert_eq(done, 64);
    values.count = done;
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, indexes), done);
    gives_back(&values, indexes, done);
    end();
}

Test(parquet_dictionary, no_room_for_the_copy)
{
    const uint32_t value = 1;
    uint32_t index;
    struct bytes out;

    begin(4);
    const struct parquet_values values = fixed_values(&value, 1);
    cr_assert_eq(parquet_dictionary_index(&dictionary, &values, &index), 1);
    bytes_init(&out, 3);
    cr_assert(parquet_dictionary_copy(&dictionary, &index, 1, 4, &out, &error) == -1);
    end();
}
