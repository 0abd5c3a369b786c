/* row_text: objects and keys of single rows, of every kind of column, and rows that are too long */
#include "text_harness.h"

#include "lake/format/row_text.h"

#define LONG ((size_t)300 << 10) /* more than any buffer */

static const struct column_field fields[] = {{.name = "id", .type = COLUMN_INT64},
    {.name = "na\"me", .type = COLUMN_STRING}, {.name = "day", .type = COLUMN_DATE},
    {.name = "raw", .type = COLUMN_BYTES}, {.name = "any", .type = COLUMN_JSON},
    {.name = "number", .type = COLUMN_NUMBER},
    {.name = "list", .type = COLUMN_LIST, .element = COLUMN_INT32}};
#define FIELDS (sizeof fields / sizeof *fields)

static void add_row(struct column_batch *batch, const char *name)
{
    struct error error;

    column_add_fixed(&batch->columns[0], &(int64_t){-7}, sizeof(int64_t));
    cr_assert_eq(column_add_bytes(&batch->columns[1], name, strlen(name), &error), 0);
    column_add_fixed(&batch->columns[2], &(int32_t){1}, sizeof(int32_t));
    cr_assert_eq(column_add_bytes(&batch->columns[3], "\xde\xad", 2, &error), 0);
    cr_assert_eq(column_add_bytes(&batch->columns[4], "{\"a\":1}", 7, &error), 0);
    cr_assert_eq(column_add_bytes(&batch->columns[5], "1.50", 4, &error), 0);
    cr_assert_eq(column_grow(batch->columns[6].element, 1, &error), 0);
    column_add_fixed(batch->columns[6].element, &(int32_t){3}, sizeof(int32_t));
    column_end_list(&batch->columns[6]);
    column_batch_end_row(batch);
}

static struct column_batch *new_batch(void)
{
    struct column_batch *batch;
    struct error error;

    cr_assert_eq(column_batch_new(&batch, fields, FIELDS, 4 * LONG, &error), 0);
    return batch;
}

static void key_is(
    const struct column_batch *batch, size_t row, const size_t *key, size_t count, const char *expected)
{
    struct row_text *text;
    struct slice said, object;
    struct error error;

    cr_assert_eq(row_text_open(&text, fields, FIELDS, key, count, LONG, &error), 0);
    for (int times = 0; times < 3; times++) {
        cr_assert_eq(row_text_take(text, batch, row, &said, times ? &object : NULL, &error), 0);
        cr_assert(slice_is(said, expected), "%.*s", (int)said.length, said.data);
    }
    row_text_close(&text);
}

Test(row_text, an_object_for_each_row)
{
    static const char row[] =
        "{\"id\":-7,\"na\\\"me\":\"a\\\"\\nb\",\"day\":\"1970-01-02\",\"raw\":\"3q0=\",\"any\":{\"a\":1},"
        "\"number\":1.50,\"list\":[3]}";
    static const char nulls[] =
        "{\"id\":null,\"na\\\"me\":null,\"day\":null,\"raw\":null,\"any\":null,\"number\":null,\"list\":null}";
    struct column_batch *batch = new_batch();
    struct slice key, object;
    struct row_text *text;
    struct error error;

    add_row(batch, "a\"\nb");
    for (size_t i = 0; i < FIELDS; i++)
        column_add_null(&batch->columns[i]);
    column_batch_end_row(batch);
    cr_assert_eq(row_text_open(&text, fields, FIELDS, NULL, 0, LONG, &error), 0);
    for (size_t at = 0; at < 4; at++) {
        cr_assert_eq(row_text_take(text, batch, at % 2, &key, &object, &error), 0);
        cr_assert(slice_is(object, at % 2 ? nulls : row), "%.*s", (int)object.length, object.data);
        cr_assert_eq(key.length, 0);
    }
    row_text_close(&text);
    cr_assert_null(text);
    row_text_close(&text);
    column_batch_free(&batch);
}

Test(row_text, keys)
{
    static const char *const plain[FIELDS] = {"-7", "a\"b", "1970-01-02", "3q0=", "{\"a\":1}", "1.50", "[3]"};
    static const size_t several[] = {1, 0, 2};
    struct column_batch *batch = new_batch();

    add_row(batch, "a\"b");
    for (size_t i = 0; i < FIELDS; i++)
        column_add_null(&batch->columns[i]);
    column_batch_end_row(batch);
    for (size_t i = 0; i < FIELDS; i++) {
        key_is(batch, 0, &i, 1, plain[i]);
        key_is(batch, 1, &i, 1, "");
    }
    key_is(batch, 0, several, 3, "[\"a\\\"b\",-7,\"1970-01-02\"]");
    key_is(batch, 1, several, 3, "[null,null,null]");
    key_is(batch, 0, NULL, 0, "");
    column_batch_free(&batch);
}

Test(row_text, a_long_row_comes_whole_or_not_at_all)
{
    static char name[LONG];
    const size_t key_column = 1;
    struct column_batch *batch = new_batch();
    struct slice key, object;
    struct row_text *text;
    struct error error;

    memset(name, 'x', LONG - 200);
    add_row(batch, name);
    memset(name, '\n', LONG - 200); /* twice as long in JSON */
    add_row(batch, name);
    add_row(batch, "short");
    cr_assert_eq(row_text_open(&text, fields, FIELDS, &key_column, 1, LONG, &error), 0);
    cr_assert_eq(row_text_take(text, batch, 0, &key, &object, &error), 0);
    cr_assert_eq(key.length, LONG - 200);
    cr_assert_gt(object.length, LONG - 200);
    cr_assert_eq(row_text_take(text, batch, 1, &key, &object, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_eq(row_text_take(text, batch, 2, &key, &object, &error), 0);
    cr_assert(slice_is(key, "short"));
    cr_assert_eq(object.data[object.length - 1], '}');
    row_text_close(&text);
    column_batch_free(&batch);
}

Test(row_text, a_long_key_is_refused)
{
    static const size_t several[] = {0, 1};
    static char name[LONG];
    struct column_batch *batch = new_batch();
    struct slice key, object;
    struct row_text *text;
    struct error error;

    memset(name, 'x', sizeof name - 1);
    add_row(batch, name);
    for (size_t count = 1; count < 3; count++) {
        cr_assert_eq(row_text_open(&text, fields, FIELDS, &several[2 - count], count, 1000, &error), 0);
        cr_assert_eq(row_text_take(text, batch, 0, &key, &object, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        row_text_close(&text);
    }
    column_batch_free(&batch);
}

Test(row_text, one_name_twice)
{
    static const struct column_field same[] = {
        {.name = "a", .type = COLUMN_INT32}, {.name = "a", .type = COLUMN_INT32}};
    struct row_text *text = NULL;
    struct error error;

    cr_assert_eq(row_text_open(&text, same, 2, NULL, 0, LONG, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, "columns 1 and 2 are both named a"));
    cr_assert_null(text);
}
