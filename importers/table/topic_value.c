/* topic_value: see topic_value.h. */
#include "table/topic_value.h"

#include <stdlib.h>

#include "lake/format/avro_row.h"
#include "lake/format/row_text.h"
#include "record/record.h"

struct topic_value {
    enum job_value form;
    struct row_text *text; /* the row as JSON, and the key */
    struct avro_row *avro; /* NULL: none is wanted */
    struct bytes envelope;
    struct record_id id; /* of the envelope: the import's, the split's number */
};

int topic_value_open(struct topic_value **ret_value, const struct job *job, const struct table *table,
    const struct split *split, const size_t *key, size_t key_count, struct error *error)
{
    __attribute__((cleanup(topic_value_close))) struct topic_value *value = calloc(1, sizeof(*value));
    const size_t most = kafka_client_max_message(job->options->topic->client);

    if (!value)
        return error_set(error, ERROR_RETRY, "values of records: out of memory");
    value->form = job->options->topic->value;
    value->id = (struct record_id){.gateway = job->id, .epoch = split->number};
    bytes_init(&value->envelope, most);
    if (row_text_open(&value->text, table->fields, table->columns_count, key, key_count, most, error) ||
        (value->form == JOB_VALUE_AVRO &&
            avro_row_open(&value->avro, table->fields, table->columns_count, most, error)))
        return -1;
    *ret_value = value;
    value = NULL;
    return 0;
}

void topic_value_close(struct topic_value **value)
{
    if (!*value)
        return;
    row_text_close(&(*value)->text);
    avro_row_close(&(*value)->avro);
    bytes_free(&(*value)->envelope);
    free(*value);
    *value = NULL;
}

int topic_value_begin(struct topic_value *value, const struct column_batch *batch, struct error *error)
{
    return value->avro ? avro_row_begin(value->avro, batch, error) : 0;
}

static int value_envelope(
    struct topic_value *value, uint64_t number, struct kafka_message *message, struct error *error)
{
    const struct record record = {.received = message->time, .payload = message->value};

    value->id.sequence = number;
    bytes_clear(&value->envelope);
    if (record_envelope_render(&record, &value->id, &value->envelope, error))
        return -1;
    message->value = bytes_slice(&value->envelope);
    return 0;
}

int topic_value_take(struct topic_value *value, const struct column_batch *batch, size_t row, uint64_t number,
    struct kafka_message *message, struct error *error)
{
    if (row_text_take(value->text, batch, row, &message->key, value->avro ? NULL : &message->value, error))
        return -1;
    if (value->avro)
        return avro_row_take(value->avro, batch, row, &message->value, error);
    return value->form == JOB_VALUE_ENVELOPE ? value_envelope(value, number, message, error) : 0;
}

int topic_value_schema(const struct job *job, struct bytes *text, struct error *error)
{
    const struct table *table = job->list->tables[0];

    return avro_row_schema(text, job->tables[0].file.name, table->fields, table->columns_count, error);
}
