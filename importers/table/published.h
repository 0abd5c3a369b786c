/* published: what the increments of a job have brought into a directory: the last value is where the manifest of the newest one says, because files and
 * manifest appear in one step. Whatever else remembers it may be behind. @thread any
 */
#ifndef PENSTOCK_TABLE_PUBLISHED_H
#define PENSTOCK_TABLE_PUBLISHED_H

#include <stdbool.h>

#include "base/error.h"
#include "table/increment.h"

#define PUBLISHED_MARK_MAX 64

struct published_job {
    const char *name; /* as the manifests have it */
    const char *table; /* its name without the schema; NULL: a query */
    const char *column; /* that is checked; exact, or in small letters */
};

struct published {
    char mark[PUBLISHED_MARK_MAX]; /* tells this increment from all others of the job; "": there is none */
    char last[INCREMENT_VALUE_MAX]; /* "": there was no row yet */
};

/* Whether the user means this column: a name that is not exact is in small letters, as SQL has it. */
bool published_is_column(const char *exact, const char *asked);

/* Whether files of this name are manifests: that of a whole set, or of what was added to it. */
bool published_is_manifest(const char *name);

/* Looks for it in a directory, which need not be there. What is found is durable then, though whoever published it may have been killed before he could say so. ERROR_REJECT: there is a
 * manifest that cannot be read, so nobody knows; ERROR_FATAL: the directory cannot be read or made durable. */
int published_find(struct published *ret_published, const char *directory, const struct published_job *job,
    struct error *error);

struct manifest;
typedef void published_fn(void *context, const struct manifest *manifest);

/* Calls it with the manifests in a directory, the newest one first. Those that cannot be read are left out. */
void published_each(const char *directory, published_fn *visit, void *context);

#endif
