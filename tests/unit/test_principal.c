/* principal, secret: what somebody may write, and what is proven by */
#include <criterion/criterion.h>

#include <stdio.h>

#include "access/principal.h"
#include "access/secret.h"
#include "base/clock.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

/* SHA-256 of "abc", from FIPS 180-4's example. */
#define DIGEST_OF_ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static struct error error;

/* ---- secrets ------------------------------------------------------------------------------------------------- */

Test(secret, digest_is_sha256)
{
    unsigned char digest[SECRET_DIGEST], parsed[SECRET_DIGEST];
    char text[SECRET_HEX + 1];

    cr_assert_eq(secret_digest(SLICE("abc"), digest), 0);
    secret_print(digest, text);
    cr_assert_str_eq(text, DIGEST_OF_ABC);
    cr_assert_eq(secret_parse(slice_of(text), parsed), 0);
    cr_assert(secret_equal(digest, parsed));
    parsed[SECRET_DIGEST - 1] ^= 1;
    cr_assert(!secret_equal(digest, parsed));
}

Test(secret, what_is_no_digest)
{
    static const char *const wrong[] = {"", "sha256:", "abc", DIGEST_OF_ABC "0",
        "sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
        "sha256:g a7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a"};
    unsigned char digest[SECRET_DIGEST];

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_eq(secret_parse(slice_of(wrong[i]), digest), -1, "%s", wrong[i]);
}

Test(secret, made_ones_differ)
{
    char one[SECRET_LENGTH + 1], other[SECRET_LENGTH + 1];

    for (int i = 0; i < 100; i++) {
        cr_assert_eq(secret_make(one, &error), 0);
        cr_assert_eq(secret_make(other, &error), 0);
        cr_assert_str_neq(one, other);
        cr_assert_eq(strlen(one), SECRET_LENGTH);
        cr_assert_eq(strncmp(one, SECRET_PREFIX, strlen(SECRET_PREFIX)), 0);
        cr_assert_eq(
            strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), SECRET_LENGTH);
    }
}

/* ---- principals ------------------------------------------------------------------------------------------------- */

Test(principal, names)
{
    char longest[PRINCIPAL_NAME_MAX + 2];

    memset(longest, 'a', sizeof longest);
    cr_assert(principal_is_name(SLICE("pump-7.site_2@x+Z9")));
    cr_assert(principal_is_name((struct slice){longest, PRINCIPAL_NAME_MAX}));
    cr_assert(!principal_is_name((struct slice){longest, PRINCIPAL_NAME_MAX + 1}));
    cr_assert(!principal_is_name(SLICE("")));
    for (const char *wrong = " :\"/\\\n\x7f\xc3*{"; *wrong; wrong++)
        cr_assert(!principal_is_name((struct slice){wrong, 1}), "%c", *wrong);
    cr_assert(!principal_is_name((struct slice){"a\0b", 3}));
}

Test(principal, patterns)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"a", "a", true},
        {"a", "A", false},
        {"*", "", true},
        {"*", "anything", true},
        {"**", "", true},
        {"a*", "a", true},
        {"a*", "abc", true},
        {"a*", "ba", false},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"a*c", "abbc", true},
        {"a*c", "ac", true},
        {"a*c", "acb", false},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "aab", false},
        {"a*b*c", "aXbXbXc", true},
        {"*aab", "aaaaab", true},
        {"a?", "ab", false},
        {"[a]", "a", false},
        {"SENSOR_1*", "SENSOR_12", true},
        {"SENSOR_1*", "SENSOR_2", false},
        {"a*", "a*", true},
        {"a", "a*", false},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        cr_assert_eq(principal_matches(rows[i].pattern, slice_of(rows[i].text)), rows[i].matches,
            "%s against %s", rows[i].text, rows[i].pattern);
    cr_assert(principal_matches("a*b", ((struct slice){"a\0b", 3})));
    cr_assert(!principal_matches("a", ((struct slice){"a\0", 2})));
}

/* Stars cost steps, but no more than pattern x text: this would take for ever otherwise. */
Test(principal, patterns_are_bounded, .timeout = 20)
{
    char text[256], pattern[257] = {0};

    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < 254; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[254] = 'b';
    for (int i = 0; i < 1000; i++)
        cr_assert(!principal_matches(pattern, (struct slice){text, sizeof text}));
}

static struct principal *named(
    char *name, char **streams, size_t streams_count, char **keys, size_t keys_count)
{
    static struct principal principal;

    principal = (struct principal){.name = name,
        .streams = streams,
        .streams_count = streams_count,
        .keys = keys,
        .keys_count = keys_count};
    return &principal;
}

Test(principal, streams_and_keys)
{
    char *streams[] = {(char *)"readings", (char *)"grid_*"}, *keys[] = {(char *)"A*", (char *)"{name}"};
    const struct principal *principal = named((char *)"pump", streams, 2, keys, 2);

    cr_assert(principal_may_stream(principal, "readings"));
    cr_assert(principal_may_stream(principal, "grid_7"));
    cr_assert(!principal_may_stream(principal, "reading"));
    cr_assert(principal_may_key(principal, SLICE("A")));
    cr_assert(principal_may_key(principal, SLICE("pump")));
    cr_assert(!principal_may_key(principal, SLICE("{name}")));
    cr_assert(!principal_may_key(principal, SLICE("pump2")));
    cr_assert(!principal_may_key(principal, SLICE("")));
    cr_assert(principal_may_key(named((char *)"pump", streams, 2, NULL, 0), SLICE("any")));
}

Test(principal, rate)
{
    struct principal *principal = named((char *)"p", NULL, 0, NULL, 0);
    const int64_t now = 1000 * CLOCK_SECOND;

    principal_charge(principal, UINT64_MAX, now);
    cr_assert_eq(principal_wait(principal, now), 0, "without a rate nobody waits");
    principal->rate = 10;
    principal_charge(principal, 10, now);
    cr_assert_eq(principal_wait(principal, now), 0, "a second ahead");
    principal_charge(principal, 1, now);
    cr_assert_eq(principal_wait(principal, now), CLOCK_SECOND / 10);
    cr_assert_eq(principal_wait(principal, now + CLOCK_SECOND / 10), 0);
    principal_charge(principal, 5, now + 60 * CLOCK_SECOND);
    cr_assert_eq(principal_wait(principal, now + 60 * CLOCK_SECOND), 0,
        "what is long ago is paid for, and nothing is saved");
    principal_charge(principal, 6, now + 60 * CLOCK_SECOND);
    cr_assert_gt(principal_wait(principal, now + 60 * CLOCK_SECOND), 0);
    principal_charge(principal, UINT64_MAX, now);
    cr_assert_gt(principal_wait(principal, now), 3600 * CLOCK_SECOND, "all of it is paid");
    principal_charge(principal, UINT64_MAX, now);
    cr_assert_gt(principal_wait(principal, now), 3600 * CLOCK_SECOND, "and nothing overflows");
    principal_refund(principal, UINT64_MAX, 0, now);
    cr_assert_gt(principal_wait(principal, now), 3600 * CLOCK_SECOND);
}

/* What was refused costs nothing; and however often that happens, and however late it is known, no other debt is forgiven. */
Test(principal, refunds)
{
    struct principal *principal = named((char *)"p", NULL, 0, NULL, 0);
    const int64_t now = 1000 * CLOCK_SECOND;

    principal_refund(principal, 5, 0, now);
    cr_assert_eq(atomic_load(&principal->due), 0, "nobody owes without a rate");
    principal->rate = 10;
    const int64_t owed = principal_charge(principal, 30, now);
    cr_assert_eq(principal_wait(principal, now), 2 * CLOCK_SECOND);
    for (int i = 0; i < 1000; i++)
        principal_refund(principal, 7, principal_charge(principal, 7, now), now);
    cr_assert_eq(atomic_load(&principal->due), owed);

    /* One is refused late: by then time has paid for a part of it, and what came behind it owes no less. */
    const int64_t later = now + 60 * CLOCK_SECOND, known = later + CLOCK_SECOND / 2;
    const int64_t refused = principal_charge(principal, 10, later);
    principal_charge(principal, 20, known);
    principal_refund(principal, 10, refused, known);
    cr_assert_eq(principal_wait(principal, known), CLOCK_SECOND);
    principal_refund(principal, 10, refused, known + 60 * CLOCK_SECOND);
    cr_assert_eq(principal_wait(principal, known), CLOCK_SECOND, "it is paid: nothing is given back");
}
