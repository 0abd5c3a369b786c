/* merge_keys: the keys of the rows that an increment has brought, each of one field or several; see job_merge.c. A hash set in memory with a ceiling. A key is equal to another
 * one when its fields have the same bytes. @thread one at a time
 */
#ifndef PENSTOCK_TABLE_MERGE_KEYS_H
#define PENSTOCK_TABLE_MERGE_KEYS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

struct merge_keys;

/* limit: bytes of memory, at most 1 TiB. ERROR_RETRY: no memory. */
int merge_keys_open(struct merge_keys **ret_keys, size_t limit, struct error *error);
void merge_keys_close(struct merge_keys **keys);
/* ret_new false: it is there already. ERROR_REJECT: there are more than the limit allows; ERROR_RETRY: no memory. */
int merge_keys_add(
    struct merge_keys *keys, const struct slice *fields, size_t count, bool *ret_new, struct error *error);
/* ERROR_REJECT: a field longer than the limit; ERROR_RETRY: no memory. */
int merge_keys_find(
    struct merge_keys *keys, const struct slice *fields, size_t count, bool *ret_there, struct error *error);

#endif
