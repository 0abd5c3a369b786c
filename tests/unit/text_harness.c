/* text_harness: see text_harness.h */
#include "text_harness.h"

#define TEXT_MAX (64u << 20)

int text_take(void *context, const void *data, size_t length, struct error *error)
{
    return bytes_add(context, data, length, error);
}

void text_begin(struct text_table *table, const struct table_writer *writer,
    const struct column_field *fields, size_t fields_count)
{
    *table = (struct text_table){.fields = fields, .fields_count = fields_count, .writer = writer};
    bytes_init(&table->text, TEXT_MAX);
    cr_assert_eq(column_batch_new(&table->batch, fields, fields_count, TEXT_MAX, &table->error), 0);
}

void text_end(struct text_table *table)
{
    column_batch_free(&table->batch);
    bytes_free(&table->text);
}

int text_write(struct text_table *table, size_t times)
{
    const struct table_sink sink = {text_take, &table->text};
    void *state = NULL;
    int result = 0;

    bytes_clear(&table->text);
    if (table->writer->open(
            &state, table->fields, table->fields_count, &table->options, &sink, &table->error)) {
        cr_assert_null(state);
        return -1;
    }
    for (size_t i = 0; i < times && !result; i++)
        result = table->writer->add(state, table->batch, &table->error);
    if (!result)
        result = table->writer->finish(state, &table->error);
    table->writer->close(state);
    return result;
}

void text_is(struct text_table *table, const char *expected)
{
    cr_assert_eq(text_write(table, 1), 0, "%s", table->error.text);
    cr_assert(slice_is(bytes_slice(&table->text), expected), "%.*s\nnot\n%s", (int)table->text.length,
        table->text.data, expected);
}

void text_add(struct text_table *table, size_t column, const char *value)
{
    if (value)
        cr_assert_eq(
            column_add_bytes(&table->batch->columns[column], value, strlen(value), &table->error), 0);
    else
        column_add_null(&table->batch->columns[column]);
}

void text_add_fixed(struct text_table *table, size_t column, const void *value)
{
    struct column *to = &table->batch->columns[column];

    column_add_fixed(to, value, column_width(to->field->type));
}
