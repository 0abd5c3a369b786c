/* counted_malloc: how many bytes a program holds, those of its libraries not among them. For one file of a program that is linked with
 * -Wl,--wrap=malloc,--wrap=free. */
#ifndef PENSTOCK_TESTS_COUNTED_MALLOC_H
#define PENSTOCK_TESTS_COUNTED_MALLOC_H

#include <malloc.h>
#include <stdlib.h>

static size_t held, highest; /* by now, and at most */

void *__real_malloc(size_t size);
void __real_free(void *data);
void *__wrap_malloc(size_t size);
void __wrap_free(void *data);

void *__wrap_malloc(size_t size)
{
    void *data = __real_malloc(size);

    held += malloc_usable_size(data);
    highest = held > highest ? held : highest;
    return data;
}

void __wrap_free(void *data)
{
    const size_t size = malloc_usable_size(data);

    held -= size < held ? size : held; /* some came of calloc() */
    __real_free(data);
}

#endif
