/* bytes: a slice of somebody else's memory, and a growing buffer that has a ceiling.
 *
 * Invariants of struct bytes: length <= capacity <= limit; data is NULL exactly when capacity is 0. There is no
 * default limit on purpose. The contents are not terminated. @thread any (the owner's)
 */
#ifndef PENSTOCK_BASE_BYTES_H
#define PENSTOCK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

/* A view: never owns, never terminated; data may be NULL when length is 0. */
struct slice {
    const char *data;
    size_t length;
};

struct bytes {
    char *data;
    size_t length;
    size_t capacity;
    size_t limit;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

/* Without those of the blanks that lead and end it. */
static inline struct slice slice_trim(struct slice text, const char *blanks)
{
    const size_t kinds = strlen(blanks);

    while (text.length && memchr(blanks, text.data[0], kinds))
        text = (struct slice){text.data + 1, text.length - 1};
    while (text.length && memchr(blanks, text.data[text.length - 1], kinds))
        text.length--;
    return text;
}

static inline struct slice bytes_slice(const struct bytes *bytes)
{
    return (struct slice){bytes->data, bytes->length};
}

void bytes_init(struct bytes *bytes, size_t limit);

/* Makes room for extra bytes behind length. ERROR_REJECT above the limit, ERROR_RETRY when memory is gone; the
 * buffer is unchanged then. bytes_reserve_exact() does not round up. */
int bytes_reserve(struct bytes *bytes, size_t extra, struct error *error);
int bytes_reserve_exact(struct bytes *bytes, size_t extra, struct error *error);

int bytes_add(struct bytes *bytes, const void *data, size_t length, struct error *error);
int bytes_add_text(struct bytes *bytes, const char *text, struct error *error);
int bytes_print(struct bytes *bytes, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Forgets the contents, keeps the memory. */
void bytes_clear(struct bytes *bytes);

/* Gives the memory back and leaves an empty buffer with the same limit; serves as the cleanup function too. */
void bytes_free(struct bytes *bytes);

#define cleanup_bytes __attribute__((cleanup(bytes_free)))

#endif
