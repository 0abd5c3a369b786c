/* test_rendering_memory: a rendering that is read while there is no memory */
#include <criterion/criterion.h>

#include "failing_malloc.h"
#include "record/record.h"

/* Where memory is gone it is to be tried again, wherever that happens: what was taken for broken would be lost. */
Test(rendering_memory, decode_says_whether_memory_or_the_form_is_to_blame)
{
    static const char body[] =
        "{\"id\":7,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[\"event_type\",\"host\"],"
        "\"lake_path\":\"a/{key}\"}";
    struct rendering *rendering = NULL;
    struct error error;
    size_t failed = 0;

    for (int result = -1; result; failed++) {
        allocations = 0;
        fail_at = failed + 1;
        result = rendering_decode(body, sizeof body - 1, &rendering, &error);
        cr_assert(!result || error.kind == ERROR_RETRY, "allocation %zu: %s", fail_at, error.text);
    }
    cr_assert_gt(failed, 10);
    rendering_free(&rendering);
    fail_at = 0;
    cr_assert_eq(rendering_decode(body, sizeof body - 2, &rendering, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
}

Test(rendering_memory, so_does_encode)
{
    static char path[] = "a/{key}", broken[] = "\xff";
    struct rendering rendering = {.id = 7, .stream = "readings", .lake_path = path};
    cleanup_bytes struct bytes out;
    struct error error;
    size_t failed = 0;

    bytes_init(&out, 4096);
    for (int result = -1; result; failed++) {
        allocations = 0;
        fail_at = failed + 1;
        result = rendering_encode(&rendering, &out, &error);
        cr_assert(!result || error.kind == ERROR_RETRY, "allocation %zu: %s", fail_at, error.text);
        cr_assert_eq(out.length == 0, result == -1);
    }
    cr_assert_gt(failed, 5);
    fail_at = 0;
    rendering.lake_path = broken;
    cr_assert_eq(rendering_encode(&rendering, &out, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
}
