/* topic_value: the rows of a split one by one as keys and values of records; room-internal. @thread one at a time */
#ifndef PENSTOCK_TABLE_TOPIC_VALUE_H
#define PENSTOCK_TABLE_TOPIC_VALUE_H

#include "table/job_internal.h"

struct topic_value;

/* Of this split; all must outlive it. key: numbers of columns. */
int topic_value_open(struct topic_value **ret_value, const struct job *job, const struct table *table,
    const struct split *split, const size_t *key, size_t key_count, struct error *error);
void topic_value_close(struct topic_value **value);

/* The batch whose rows are taken next. ERROR_REJECT: it has a value that the form has not. */
int topic_value_begin(struct topic_value *value, const struct column_batch *batch, struct error *error);
/* The rows of the batch in their order. Sets key and value of a message that has its time; both are valid until the next call. number: the row's in the split, from 1.
 * ERROR_REJECT: longer than a record may be. */
int topic_value_take(struct topic_value *value, const struct column_batch *batch, size_t row, uint64_t number,
    struct kafka_message *message, struct error *error);

/* Appends the schema of the values of JOB_VALUE_AVRO. */
int topic_value_schema(const struct job *job, struct bytes *text, struct error *error);

#endif
