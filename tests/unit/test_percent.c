#include <criterion/criterion.h>

#include "lake/store/percent.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

Test(percent, odd_names_are_encoded)
{
    static const struct {
        const char *text, *path, *value;
    } samples[] = {
        {"a/b", "a/b", "a%2Fb"},
        {"dt=2026-11-21", "dt%3D2026-11-21", "dt%3D2026-11-21"},
        {"a b+c%d", "a%20b%2Bc%25d", "a%20b%2Bc%25d"},
        {"\xc3\xbc~_.-", "%C3%BC~_.-", "%C3%BC~_.-"},
        {"[@:,;&?#'\"<>\\^`{|}!$*()]",
            "%5B%40%3A%2C%3B%26%3F%23%27%22%3C%3E%5C%5E%60%7B%7C%7D%21%24%2A%28%29%5D",
            "%5B%40%3A%2C%3B%26%3F%23%27%22%3C%3E%5C%5E%60%7B%7C%7D%21%24%2A%28%29%5D"},
        {"09AZaz", "09AZaz", "09AZaz"},
        {"a:b=c&d\x01", "a%3Ab%3Dc%26d%01", "a%3Ab%3Dc%26d%01"},
        {"", "", ""},
    };

    for (size_t i = 0; i < COUNT(samples); i++) {
        struct error error;
        cleanup_bytes struct bytes path;
        cleanup_bytes struct bytes value;
        bytes_init(&path, 1000);
        bytes_init(&value, 1000);
        cr_assert_eq(percent_encode(slice_of(samples[i].text), true, &path, &error), 0);
        cr_assert_eq(percent_encode(slice_of(samples[i].text), false, &value, &error), 0);
        cr_assert(slice_is(bytes_slice(&path), samples[i].path), "%.*s", (int)path.length, path.data);
        cr_assert(slice_is(bytes_slice(&value), samples[i].value), "%.*s", (int)value.length, value.data);
    }
}

Test(percent, what_does_not_fit_is_an_error)
{
    struct error error;
    cleanup_bytes struct bytes out;

    bytes_init(&out, 2);
    cr_assert_eq(percent_encode(slice_of("abc"), true, &out, &error), -1);
    bytes_clear(&out);
    cr_assert_eq(percent_encode(slice_of("/"), false, &out, &error), -1);
}
