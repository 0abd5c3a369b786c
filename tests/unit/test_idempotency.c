/* idempotency: what is a key, and that hashes tell apart what is not the same */
#include <criterion/criterion.h>

#include "source/idempotency.h"

static struct error error;

static void expect(const char *value, const char *key)
{
    char found[IDEMPOTENCY_KEY_MAX];
    size_t length;

    cr_assert_eq(
        idempotency_key_read(slice_of(value), found, &length, &error), 0, "%s: %s", value, error.text);
    cr_assert(slice_is((struct slice){found, length}, key), "%s: %.*s", value, (int)length, found);
}

static void expect_none(struct slice value)
{
    char found[IDEMPOTENCY_KEY_MAX];
    size_t length;

    cr_assert_eq(
        idempotency_key_read(value, found, &length, &error), -1, "%.*s", (int)value.length, value.data);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, "1 to 255 visible ASCII characters"), "%s", error.text);
}

Test(idempotency, with_and_without_quotes)
{
    expect("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324");
    expect("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", "8e03978e-40d5-43dd-bc93-6894a57f9324");
    expect("k", "k");
    expect("AZaz09-._~:/+=@!$&'()*", "AZaz09-._~:/+=@!$&'()*");
    expect("\"a b,c;d\"", "a b,c;d");
    expect("\"\\\"\\\\\"", "\"\\");
    expect("\" ~\"", " ~");
}

Test(idempotency, its_length)
{
    char text[IDEMPOTENCY_KEY_MAX + 4];

    memset(text, 'k', sizeof text);
    text[IDEMPOTENCY_KEY_MAX] = '\0';
    expect(text, text);
    expect_none((struct slice){text, 0});
    text[IDEMPOTENCY_KEY_MAX] = 'k';
    expect_none((struct slice){text, IDEMPOTENCY_KEY_MAX + 1});
    text[0] = '"';
    text[IDEMPOTENCY_KEY_MAX + 1] = '"';
    char key[IDEMPOTENCY_KEY_MAX];
    size_t length;
    cr_assert_eq(
        idempotency_key_read((struct slice){text, IDEMPOTENCY_KEY_MAX + 2}, key, &length, &error), 0);
    cr_assert_eq(length, IDEMPOTENCY_KEY_MAX);
    text[IDEMPOTENCY_KEY_MAX + 1] = 'k';
    text[IDEMPOTENCY_KEY_MAX + 2] = '"';
    expect_none((struct slice){text, IDEMPOTENCY_KEY_MAX + 3});
}

Test(idempotency, what_is_none)
{
    static const char *const none[] = {"\"\"", "\"", "\"open", "open\"", "\"a\"b", "\"a\";b", "\"a\" ",
        "\"\\", "\"\\a\"", "\"\\\"", "\"\t\"", "\"\x7f\"", "\"\xc3\xa9\"", "a b", "a,b", "a;b", "a\\b",
        "\xc3\xa9", " a"};

    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        expect_none(slice_of(none[i]));
    expect_none((struct slice){"a\0b", 3});
    expect_none((struct slice){"\"a\0b\"", 5});
}

static struct idempotency_hash hash(size_t count, struct slice one, struct slice two)
{
    const struct slice parts[] = {one, two};
    struct idempotency_hash found;

    cr_assert_eq(idempotency_hash(parts, count, &found, &error), 0);
    return found;
}

/* FIPS 180-4 over the lengths and the bytes, by another implementation. */
Test(idempotency, a_hash_is_what_it_is)
{
    static const unsigned char known[IDEMPOTENCY_HASH] = {
        0x48, 0x33, 0x0a, 0xb9, 0x20, 0xe2, 0xaa, 0xd7, 0x70, 0x8d, 0x54, 0x0b, 0xd7, 0x5c, 0x71, 0x43};
    const struct idempotency_hash found = hash(2, slice_of("readings"), slice_of("key"));

    cr_assert_arr_eq(found.bytes, known, sizeof known);
}

Test(idempotency, parts_are_told_apart)
{
    const struct slice none = {NULL, 0}, empty = {"", 0};
    const struct idempotency_hash all[] = {hash(2, slice_of("ab"), slice_of("c")),
        hash(2, slice_of("a"), slice_of("bc")), hash(2, slice_of("abc"), none),
        hash(2, slice_of("abc"), empty), hash(2, none, slice_of("abc")), hash(1, slice_of("abc"), none),
        hash(0, none, none)};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(memcmp(&all[i], &all[j], sizeof *all), 0, "%zu and %zu", i, j);
}
