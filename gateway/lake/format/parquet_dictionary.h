/* parquet_dictionary: the distinct values of a column chunk, as the body of its dictionary page, and a table to find them.
 *
 * What all dictionaries of a file take together is bounded by a budget: above it a dictionary takes no more new values, but for a share
 * that each column may have. It neither does when many values fall on one place of its table, whoever made them so. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_DICTIONARY_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_DICTIONARY_H

#include "lake/format/parquet_values.h"

#define PARQUET_DICTIONARY_MAX (1u << 20) /* bytes of its page */
#define PARQUET_DICTIONARY_VALUES_MAX (1u << 17)

struct parquet_budget {
    size_t used, max;
    size_t share; /* what one dictionary may take however much is used */
};

struct parquet_dictionary {
    struct parquet_budget *budget;
    uint8_t width; /* parquet_type.width */
    uint32_t count;
    uint32_t limit; /* values that the table has room for; doubled up to PARQUET_DICTIONARY_VALUES_MAX */
    uint64_t *slots; /* twice the limit: half a hash, and the value's index + 1 */
    uint32_t *begins; /* BYTE_ARRAY: where in data each value begins */
    struct bytes data; /* in the encoding PLAIN */
    size_t memory; /* its part of budget->used */
};

void parquet_dictionary_init(
    struct parquet_dictionary *dictionary, uint8_t width, struct parquet_budget *budget);
/* Forgets all values and gives the memory back. */
void parquet_dictionary_free(struct parquet_dictionary *dictionary);

/* Writes an index for each value; returns how many. Less than there are: the next one is new and there is no room for it. */
size_t parquet_dictionary_index(
    struct parquet_dictionary *dictionary, const struct parquet_values *values, uint32_t *indexes);

/* Appends the values that indexes name in the encoding PLAIN, length bytes in all. */
int parquet_dictionary_copy(const struct parquet_dictionary *dictionary, const uint32_t *indexes,
    size_t count, size_t length, struct bytes *out, struct error *error);

/* What places are found by, for those who want many values on one. */
uint64_t parquet_dictionary_hash(struct slice value);

#endif
