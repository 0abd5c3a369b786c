/* arena: see arena.h */
#include "table/postgres/arena.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK ((size_t)64 << 10)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    max_align_t data[];
};

void *arena_take(struct arena *arena, size_t count, size_t size, struct error *error)
{
    struct arena_block *block = arena->blocks;
    size_t wanted;

    if (__builtin_mul_overflow(count, size, &wanted) || wanted > ARENA_MAX - arena->taken - sizeof *block)
        return error_set(error, ERROR_REJECT,
                   "description of the tables: more than %zu bytes; import fewer at a time", ARENA_MAX),
               NULL;
    wanted = (wanted + sizeof(max_align_t)) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!block || block->size - block->used < wanted) {
        const size_t room = wanted > ARENA_BLOCK ? wanted : ARENA_BLOCK;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return error_set(error, ERROR_RETRY, "description of the tables: out of memory"), NULL;
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *piece = (char *)block->data + block->used;
    block->used += wanted;
    arena->taken += wanted;
    return piece;
}

const char *arena_text(struct arena *arena, const char *text, struct error *error)
{
    const size_t size = strlen(text) + 1;
    char *copy = arena_take(arena, size, 1, error);

    return copy ? memcpy(copy, text, size) : NULL;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->taken = 0;
}
