/* arena: memory that is taken piece by piece and given back at once. Pieces are zeros at first. @thread one at a time
 */
#ifndef PENSTOCK_TABLE_POSTGRES_ARENA_H
#define PENSTOCK_TABLE_POSTGRES_ARENA_H

#include <stddef.h>

#include "base/error.h"

#define ARENA_MAX ((size_t)1 << 30) /* what 10,000 tables of 1,600 columns take */

struct arena {
    struct arena_block *blocks;
    size_t taken;
};

/* NULL with ERROR_RETRY: no memory. */
void *arena_take(struct arena *arena, size_t count, size_t size, struct error *error);
const char *arena_text(struct arena *arena, const char *text, struct error *error);
void arena_free(struct arena *arena);

#endif
