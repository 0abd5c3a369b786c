/* merge_keys: a set of keys that is right whatever their bytes, and that ends at its ceiling */
#include "table/merge_keys.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct error error;

static bool add(struct merge_keys *keys, const char *one, const char *other)
{
    const struct slice fields[] = {slice_of(one), slice_of(other)};
    bool new = false;

    cr_assert_eq(merge_keys_add(keys, fields, 2, &new, &error), 0);
    return new;
}

static bool find(struct merge_keys *keys, const char *one, const char *other)
{
    const struct slice fields[] = {slice_of(one), slice_of(other)};
    bool there = false;

    cr_assert_eq(merge_keys_find(keys, fields, 2, &there, &error), 0);
    return there;
}

Test(merge_keys, fields_are_not_run_together)
{
    struct merge_keys *keys = NULL;

    cr_assert_eq(merge_keys_open(&keys, 1 << 20, &error), 0);
    cr_assert(add(keys, "ab", "c") && add(keys, "a", "bc") && add(keys, "", "") && add(keys, "abc", ""));
    cr_assert(!add(keys, "ab", "c") && !add(keys, "", ""));
    cr_assert(find(keys, "a", "bc") && find(keys, "", "") && !find(keys, "", "abc") && !find(keys, "ab", ""));
    merge_keys_close(&keys);
    merge_keys_close(&keys);
}

Test(merge_keys, as_many_as_there_are)
{
    struct merge_keys *keys = NULL;
    char text[16];

    cr_assert_eq(merge_keys_open(&keys, 16 << 20, &error), 0);
    for (int i = 0; i < 200000; i += 2) {
        snprintf(text, sizeof text, "%d", i);
        cr_assert(add(keys, text, "x"));
    }
    for (int i = 0; i < 200000; i++) {
        snprintf(text, sizeof text, "%d", i);
        cr_assert_eq(find(keys, text, "x"), i % 2 == 0);
    }
    merge_keys_close(&keys);
}

/* What is there is found all the same. */
Test(merge_keys, a_ceiling)
{
    struct merge_keys *keys = NULL;
    char text[32];
    int count = 0, result = 0;
    bool new = true;

    cr_assert_eq(merge_keys_open(&keys, 2 << 20, &error), 0);
    for (; !result && count < 1000000; count += !result) {
        snprintf(text, sizeof text, "key number %d", count);
        result = merge_keys_add(keys, &(struct slice){text, strlen(text)}, 1, &new, &error);
    }
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "the keys of the rows that have changed need more than 2 MiB of memory");
    cr_assert_gt(count, 20000);
    for (int i = 0; i < count; i++) {
        bool there;
        snprintf(text, sizeof text, "key number %d", i);
        cr_assert_eq(merge_keys_find(keys, &(struct slice){text, strlen(text)}, 1, &there, &error), 0);
        cr_assert(there);
    }
    merge_keys_close(&keys);
}

Test(merge_keys, a_key_larger_than_the_ceiling)
{
    static char large[70000];
    const struct slice field = {large, sizeof large};
    struct merge_keys *keys = NULL;
    bool there;

    cr_assert_eq(merge_keys_open(&keys, 1 << 16, &error), 0);
    cr_assert_eq(merge_keys_add(keys, &field, 1, &there, &error), -1);
    cr_assert_eq(merge_keys_find(keys, &field, 1, &there, &error), -1);
    cr_assert_str_eq(error.text, "key of a row: more than 65536 bytes");
    merge_keys_close(&keys);
}
