/* access: the file of credentials, who is asked, those who guess */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
#include "access/credentials.h"
#include "access/guess.h"
#include "access/principal.h"
#include "access/secret.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

/* SHA-256 of "abc", from FIPS 180-4's example. */
#define DIGEST_OF_ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define DIGEST_ZERO "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static struct error error;

/* ---- credentials ------------------------------------------------------------------------------------------------- */

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

#define LINE(name, digest, more) "{\"name\":\"" name "\",\"secret\":\"" digest "\"" more "}\n"
#define ALL ",\"streams\":[\"*\"]"

static struct credentials *parse(const char *text)
{
    struct credentials *credentials = NULL;

    cr_assert_eq(credentials_parse(&credentials, slice_of(text), "f", &error), 0, "%s", error.text);
    return credentials;
}

Test(credentials, a_file)
{
    static const char text[] = "# who may write\n\n  \t\r\n" LINE("pump", DIGEST_OF_ABC,
        ",\"streams\":[\"readings\",\"grid*\"],\"keys\":[\"A\"],\"rate\":7") " # more\n"
                                                                             "{\"rate\":1,\"streams\":[\"*\"],\"secret\":\"" DIGEST_ZERO
                                                                             "\",\"name\":\"other\"}";
    struct credentials *credentials = parse(text);
    struct bytes cleanup_bytes printed;
    unsigned char digest[SECRET_DIGEST];

    cr_assert_eq(credentials_count(credentials), 2);
    const struct principal *pump = credentials_at(credentials, 0);
    cr_assert_str_eq(pump->name, "pump");
    cr_assert_eq(pump->rate, 7);
    cr_assert_eq(secret_digest(SLICE("abc"), digest), 0);
    cr_assert_eq(credentials_find(credentials, digest), pump);
    cr_assert_eq(credentials_named(credentials, SLICE("pump")), pump);
    cr_assert_eq(credentials_named(credentials, SLICE("other")), credentials_at(credentials, 1));
    cr_assert_null(credentials_named(credentials, SLICE("pum")));
    digest[0] ^= 1;
    cr_assert_null(credentials_find(credentials, digest));
    bytes_init(&printed, 1000);
    cr_assert_eq(credentials_print(pump, &printed, &error), 0);
    cr_assert_eq(credentials_print(credentials_at(credentials, 1), &printed, &error), 0);
    struct credentials *again = NULL;
    cr_assert_eq(credentials_parse(&again, bytes_slice(&printed), "f", &error), 0, "%s", error.text);
    cr_assert_eq(credentials_count(again), 2);
    cr_assert_str_eq(credentials_at(again, 0)->streams[1], "grid*");
    cr_assert_str_eq(credentials_at(again, 0)->keys[0], "A");
    credentials_release(&again);
    credentials_release(&credentials);
    cr_assert_null(credentials);
}

Test(credentials, empty)
{
    struct credentials *credentials = parse("");

    cr_assert_eq(credentials_count(credentials), 0);
    cr_assert_null(credentials_named(credentials, SLICE("")));
    credentials_release(&credentials);
}

Test(credentials, what_is_wrong_is_named_and_not_shown)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"{", "f:1: allowed: one JSON object"},
        {"\n\n[]", "f:3: allowed: one JSON object"},
        {"pst_secretsecret", "f:1: allowed: one JSON object"},
        {"{\"name\":\"a\",\"name\":\"b\"}", "allowed: one JSON object"},
        {"{}", "\"name\": allowed"},
        {"{\"name\":7}", "\"name\": allowed"},
        {"{\"name\":\"a b\"}", "\"name\": allowed"},
        {"{\"nam\":\"a\"}", "found the name \"nam\"; allowed: name, secret"},
        {"{\"name\":\"a\"}", "\"streams\": allowed"},
        {"{\"name\":\"a\",\"streams\":[]}", "\"streams\": allowed"},
        {"{\"name\":\"a\",\"streams\":\"x\"}", "\"streams\": allowed"},
        {"{\"name\":\"a\",\"streams\":[7]}", "\"streams\": allowed: patterns"},
        {"{\"name\":\"a\",\"streams\":[\"\"]}", "\"streams\": allowed: patterns"},
        {"{\"name\":\"a\",\"streams\":[\"x\\u0000\"]}", "allowed"},
        {"{\"name\":\"a\",\"streams\":[\"x\"],\"keys\":[]}", "\"keys\": allowed"},
        {"{\"name\":\"a\",\"streams\":[\"x\"],\"rate\":0}", "\"rate\": allowed"},
        {"{\"name\":\"a\",\"streams\":[\"x\"],\"rate\":1.5}", "\"rate\": allowed"},
        {"{\"name\":\"a\",\"streams\":[\"x\"],\"rate\":1000000001}", "\"rate\": allowed"},
        {"{\"name\":\"a\",\"streams\":[\"x\"]}", "\"secret\": allowed"},
        {LINE("a", "pst_secretsecret", ALL), "\"secret\": allowed"},
        {LINE("a", DIGEST_ZERO, ALL) LINE("a", DIGEST_OF_ABC, ALL),
            "f:2: the name a stands in an earlier line"},
        {LINE("a", DIGEST_ZERO, ALL) LINE("b", DIGEST_ZERO, ALL), "f:2: its secret is that of a, too"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct credentials *credentials = NULL;
        cr_assert_eq(
            credentials_parse(&credentials, slice_of(rows[i].text), "f", &error), -1, "%s", rows[i].text);
        cr_assert_null(credentials);
        cr_assert(strstr(error.text, rows[i].why), "%s: %s", rows[i].text, error.text);
        cr_assert_not(strstr(error.text, "secretsecret"), "%s", error.text);
    }
}

Test(credentials, too_many_patterns)
{
    struct bytes cleanup_bytes text;
    struct credentials *credentials = NULL;

    bytes_init(&text, 10000);
    cr_assert_eq(
        bytes_add_text(&text, "{\"name\":\"a\",\"secret\":\"" DIGEST_ZERO "\",\"streams\":[\"x\"", &error),
        0);
    for (int i = 0; i < PRINCIPAL_PATTERNS_MAX; i++)
        cr_assert_eq(bytes_add_text(&text, ",\"x\"", &error), 0);
    cr_assert_eq(bytes_add_text(&text, "]}", &error), 0);
    cr_assert_eq(credentials_parse(&credentials, bytes_slice(&text), "f", &error), -1);
}

/* Tables that some share a place in. */
Test(credentials, ten_thousand)
{
    struct credentials *credentials = NULL;
    struct bytes cleanup_bytes text;
    unsigned char digest[SECRET_DIGEST];
    char name[16], printed[SECRET_HEX + 1];

    bytes_init(&text, 4 << 20);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        cr_assert_eq(secret_digest(slice_of(name), digest), 0);
        secret_print(digest, printed);
        cr_assert_eq(bytes_print(&text, &error,
                         "{\"name\":\"%s\",\"secret\":\"%s\",\"streams\":[\"*\"],\"keys\":[\"{name}\"]}\n",
                         name, printed),
            0);
    }
    cr_assert_eq(credentials_parse(&credentials, bytes_slice(&text), "f", &error), 0, "%s", error.text);
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "sensor-%d", i);
        cr_assert_eq(secret_digest(slice_of(name), digest), 0);
        cr_assert_eq(credentials_find(credentials, digest), credentials_at(credentials, (size_t)i));
        cr_assert_eq(credentials_named(credentials, slice_of(name)), credentials_at(credentials, (size_t)i));
    }
    cr_assert_null(credentials_named(credentials, SLICE("sensor-10000")));
    credentials_release(&credentials);
}

Test(credentials, print_what_is_no_text)
{
    char *good[] = {(char *)"a", (char *)"b"}, *bad[] = {(char *)"a", (char *)"\xff"};
    struct bytes cleanup_bytes text;

    bytes_init(&text, 1000);
    cr_assert_eq(credentials_print(named((char *)"a", bad, 2, NULL, 0), &text, &error), -1);
    cr_assert(strstr(error.text, "no UTF-8"), "%s", error.text);
    cr_assert_eq(credentials_print(named((char *)"a", good, 2, bad, 2), &text, &error), -1);
    cr_assert_eq(text.length, 0);
    text.limit = 10;
    cr_assert_eq(credentials_print(named((char *)"a", good, 2, NULL, 0), &text, &error), -1);
}

Test(credentials, without_one)
{
    static const char text[] = "# ours\n" LINE("a", DIGEST_ZERO, ALL) "\n" LINE("b", DIGEST_OF_ABC, ALL);
    struct bytes cleanup_bytes left;

    bytes_init(&left, 1000);
    cr_assert_eq(credentials_without(slice_of(text), "a", &left, &error), 0);
    cr_assert(slice_is(bytes_slice(&left), "# ours\n\n" LINE("b", DIGEST_OF_ABC, ALL)));
    bytes_clear(&left);
    cr_assert_eq(credentials_without(slice_of(text), "c", &left, &error), -1);
    cr_assert_str_eq(error.text, "there is no principal c");
    left.limit = 10;
    bytes_free(&left);
    cr_assert_eq(credentials_without(slice_of(text), "a", &left, &error), -1);
}

/* ---- access ---------------------------------------------------------------------------------------------------------- */

static char file[] = "/tmp/penstock-access-XXXXXX";
static int64_t now = 5 * CLOCK_SECOND;

static int64_t clock_now(const struct clock *clock)
{
    (void)clock;
    return now;
}

static const struct clock test_clock = {clock_now, clock_now};

static void write_file(const char *text)
{
    const int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static struct access *access_of(const char *text)
{
    struct access *access = NULL;
    const int fd = mkstemp(file);

    cr_assert_geq(fd, 0);
    close(fd);
    write_file(text);
    cr_assert_eq(access_new(&access, file, &test_clock, &error), 0, "%s", error.text);
    return access;
}

static void end(struct access *access)
{
    access_free(&access);
    unlink(file);
}

#define NOBODY ((struct slice){NULL, 0})

Test(access, nobody_is_asked)
{
    struct access *access = NULL;
    struct grant grant = {NULL, NULL};

    cr_assert_not(access_is_wanted(NULL));
    cr_assert_eq(access_new(&access, "", &test_clock, &error), 0);
    cr_assert_not(access_is_wanted(access));
    cr_assert_eq(access_count(access), 0);
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert(grant_allows_stream(&grant, "any"));
    cr_assert(grant_allows_key(&grant, SLICE("any")));
    cr_assert_eq(grant_wait(&grant, 0), 0);
    grant_charge(&grant, 7, 0);
    cr_assert_str_eq(grant_name(&grant), "");
    grant_end(&grant);
    access_free(&access);
    access_free(&access);
}

Test(access, asked)
{
    struct access *access =
        access_of(LINE("a", DIGEST_OF_ABC, ",\"streams\":[\"s\"],\"keys\":[\"k\"],\"rate\":1"));
    struct grant grant = {NULL, NULL};
    char longest[300];

    memset(longest, 'x', sizeof longest);
    cr_assert(access_is_wanted(access));
    cr_assert_eq(access_count(access), 1);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("abd"), NULL, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, NOBODY, NOBODY, NULL, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, SLICE("b"), SLICE("abc"), NULL, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, SLICE(""), SLICE("abc"), NULL, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(
        access_ask(access, NOBODY, (struct slice){longest, sizeof longest}, NULL, &grant), ACCESS_UNKNOWN);
    cr_assert_null(grant.principal);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("abc"), NULL, &grant), ACCESS_GRANTED);
    cr_assert_str_eq(grant_name(&grant), "a");
    grant_end(&grant);
    cr_assert_eq(access_ask(access, SLICE("a"), SLICE("abc"), NULL, &grant), ACCESS_GRANTED);
    cr_assert(grant_allows_stream(&grant, "s") && !grant_allows_stream(&grant, "t"));
    cr_assert(grant_allows_key(&grant, SLICE("k")) && !grant_allows_key(&grant, SLICE("l")));
    grant_charge(&grant, 3, now);
    cr_assert_eq(grant_wait(&grant, now), 2 * CLOCK_SECOND);
    grant_end(&grant);
    end(access);
}

Test(access, other_credentials)
{
    struct access *access = access_of(LINE("a", DIGEST_OF_ABC, ALL ",\"rate\":1"));
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_ask(access, NOBODY, SLICE("abc"), NULL, &grant), ACCESS_GRANTED);
    grant_charge(&grant, 11, now);
    write_file(LINE("z", DIGEST_ZERO, ALL) LINE("a", DIGEST_OF_ABC, ",\"streams\":[\"s\"],\"rate\":1"));
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert_eq(access_version(access), 1);
    cr_assert_eq(access_count(access), 2);
    cr_assert(grant_allows_stream(&grant, "t"), "a grant stands until it is renewed");
    cr_assert(access_renew(access, &grant));
    cr_assert_not(grant_allows_stream(&grant, "t"));
    cr_assert_eq(grant_wait(&grant, now), 10 * CLOCK_SECOND, "a reload forgives nothing");

    write_file("{");
    cr_assert_eq(access_reload(access, &error), -1);
    cr_assert(strstr(error.text, "access.credentials: ") == error.text, "%s", error.text);
    cr_assert_eq(access_version(access), 1);
    cr_assert(access_renew(access, &grant));

    write_file(LINE("b", DIGEST_OF_ABC, ALL));
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert_not(access_renew(access, &grant), "the secret is somebody else's now");
    write_file("");
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert_not(access_renew(access, &grant));
    cr_assert_str_eq(grant_name(&grant), "a", "and it still is as it was");
    grant_end(&grant);
    end(access);
}

Test(access, a_file_that_is_not_to_be_had)
{
    struct access *access = NULL;

    cr_assert_eq(access_new(&access, "/nowhere/credentials", &test_clock, &error), -1);
    cr_assert_null(access);
    cr_assert(strstr(error.text, "access.credentials: /nowhere/credentials"), "%s", error.text);
    cr_assert_eq(access_check("/nowhere/credentials", &error), -1);
    cr_assert_eq(access_check("", &error), 0);
}

Test(access, guesses)
{
    struct access *access = access_of(LINE("a", DIGEST_OF_ABC, ALL));
    const unsigned char one[ACCESS_ADDRESS] = {[15] = 1}, other[ACCESS_ADDRESS] = {[15] = 2};
    struct grant grant = {NULL, NULL};

    for (int i = 0; i < ACCESS_GUESSES; i++)
        cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), one, &grant), ACCESS_UNKNOWN, "%d", i);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), one, &grant), ACCESS_GUESSING);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), other, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), NULL, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(
        access_ask(access, NOBODY, SLICE("abc"), one, &grant), ACCESS_GRANTED, "nobody is locked out");
    grant_end(&grant);
    now += ACCESS_GUESS_PAUSE;
    cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), one, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), one, &grant), ACCESS_GUESSING);
    now += 3600 * CLOCK_SECOND;
    for (int i = 0; i < ACCESS_GUESSES; i++)
        cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), one, &grant), ACCESS_UNKNOWN, "%d", i);
    cr_assert_eq(access_ask(access, NOBODY, SLICE("x"), one, &grant), ACCESS_GUESSING);
    end(access);
}
