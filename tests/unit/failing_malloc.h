/* failing_malloc: memory that ends at the nth allocation. For one file of a program that is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc. */
#ifndef PENSTOCK_TESTS_FAILING_MALLOC_H
#define PENSTOCK_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdlib.h>

/* The allocation number fail_at is refused, those behind it are not; 0: none is, and they are not counted. */
static size_t allocations, fail_at;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *data, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *data, size_t size);

static bool fails(void)
{
    return fail_at && ++allocations == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *data, size_t size)
{
    return fails() ? NULL : __real_realloc(data, size);
}

#endif
