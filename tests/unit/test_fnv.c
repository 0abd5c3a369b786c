/* The published values of FNV-1a, 64 bits. */
#include <criterion/criterion.h>

#include "base/fnv.h"

Test(fnv, published_values)
{
    cr_assert_eq(fnv_add(FNV_EMPTY, "", 0), UINT64_C(0xcbf29ce484222325));
    cr_assert_eq(fnv_add(FNV_EMPTY, "a", 1), UINT64_C(0xaf63dc4c8601ec8c));
    cr_assert_eq(fnv_add(fnv_add(FNV_EMPTY, "foo", 3), "bar", 3), UINT64_C(0x85944171f73967e8));
}
