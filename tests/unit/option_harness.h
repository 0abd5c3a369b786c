/* option_harness: rows by name, and texts compared; for the tests of base/option.h. */
#ifndef PENSTOCK_TESTS_OPTION_HARNESS_H
#define PENSTOCK_TESTS_OPTION_HARNESS_H

#include <criterion/criterion.h>

#include "base/option.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static inline const struct option *row(const char *name)
{
    const struct option *option = option_find(slice_of(name));

    cr_assert_not_null(option, "%s", name);
    return option;
}

static inline void assert_text(const struct bytes *text, const char *expected)
{
    cr_assert(slice_is(bytes_slice(text), expected), "%.*s\ninstead of\n%s", (int)text->length, text->data,
        expected);
}

#endif
