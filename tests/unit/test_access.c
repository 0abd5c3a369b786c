/* access: the file of credentials, who is asked, those who guess */
#include "access_harness.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "access/principal.h"
#include "access/secret.h"

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

Test(credentials, a_file)
{
    static const char text[] = "# who may write\n\n  \t\r\n" LINE("pump", DIGEST_OF_RIGHT,
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
    cr_assert_eq(secret_digest(SLICE(RIGHT), digest), 0);
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
        {LINE("a", DIGEST_ZERO, ",\"admin\":\"root\""), "\"admin\": allowed: read, or reload"},
        {LINE("a", DIGEST_ZERO, ",\"admin\":7"), "\"admin\": allowed"},
        {LINE("a", DIGEST_ZERO, ",\"admin\":\"\""), "\"admin\": allowed"},
        {LINE("a", DIGEST_ZERO, ",\"admin\":\"read\",\"streams\":[]"), "\"streams\": allowed"},
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
        {LINE("a", DIGEST_ZERO, ALL) LINE("a", DIGEST_OF_RIGHT, ALL),
            "f:2: the name a stands in an earlier line"},
        {LINE("a", DIGEST_ZERO, ALL) LINE("b", DIGEST_ZERO, ALL), "f:2: its secret is that of a, too"},
        {CERTIFIED("a", "pump"), "\"certificate\": allowed"},
        {CERTIFIED("a", "CN="), "\"certificate\": allowed"},
        {CERTIFIED("a", "IP:1.2.3.4"), "\"certificate\": allowed"},
        {"{\"name\":\"a\",\"certificate\":7,\"streams\":[\"x\"]}", "\"certificate\": allowed"},
        {CERTIFIED("a", "CN=x") CERTIFIED("b", "CN=x"), "f:2: its certificate stands in an earlier line"},
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
    static const char text[] = "# ours\n" LINE("a", DIGEST_ZERO, ALL) "\n" LINE("b", DIGEST_OF_RIGHT, ALL);
    struct bytes cleanup_bytes left;

    bytes_init(&left, 1000);
    cr_assert_eq(credentials_without(slice_of(text), "a", &left, &error), 0);
    cr_assert(slice_is(bytes_slice(&left), "# ours\n\n" LINE("b", DIGEST_OF_RIGHT, ALL)));
    bytes_clear(&left);
    cr_assert_eq(credentials_without(slice_of(text), "c", &left, &error), -1);
    cr_assert_str_eq(error.text, "there is no principal c");
    left.limit = 10;
    bytes_free(&left);
    cr_assert_eq(credentials_without(slice_of(text), "a", &left, &error), -1);
}

/* ---- access ---------------------------------------------------------------------------------------------------------- */

Test(access, nobody_is_asked)
{
    struct access *access = NULL;
    struct grant grant = {NULL, NULL};

    cr_assert_not(access_is_wanted(NULL));
    cr_assert_eq(access_new(&access, config_of(""), &test_clock, &error), 0);
    cr_assert_not(access_is_wanted(access));
    cr_assert_eq(access_count(access), 0);
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert(grant_allows_stream(&grant, "any"));
    cr_assert(grant_allows_key(&grant, SLICE("any")));
    cr_assert_eq(grant_wait(&grant, 0), 0);
    grant_refund(&grant, 7, grant_charge(&grant, 7, 0), 0);
    cr_assert_str_eq(grant_name(&grant), "");
    grant_end(&grant);
    access_free(&access);
    access_free(&access);
}

Test(access, asked)
{
    struct access *access =
        access_of(LINE("a", DIGEST_OF_RIGHT, ",\"streams\":[\"s\"],\"keys\":[\"k\"],\"rate\":1"));
    struct grant grant = {NULL, NULL};
    char longest[300];

    memset(longest, 'x', sizeof longest);
    cr_assert(access_is_wanted(access));
    cr_assert_eq(access_count(access), 1);
    cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), NO_ONE, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, NOBODY, NOBODY, NO_ONE, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, SLICE("b"), SLICE(RIGHT), NO_ONE, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, SLICE(""), SLICE(RIGHT), NO_ONE, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(
        access_ask(access, NOBODY, (struct slice){longest, sizeof longest}, NO_ONE, &grant), ACCESS_UNKNOWN);
    cr_assert_null(grant.principal);
    cr_assert_eq(access_ask(access, NOBODY, SLICE(RIGHT), NO_ONE, &grant), ACCESS_GRANTED);
    cr_assert_str_eq(grant_name(&grant), "a");
    grant_end(&grant);
    cr_assert_eq(access_ask(access, SLICE("a"), SLICE(RIGHT), NO_ONE, &grant), ACCESS_GRANTED);
    cr_assert(grant_allows_stream(&grant, "s") && !grant_allows_stream(&grant, "t"));
    cr_assert(grant_allows_key(&grant, SLICE("k")) && !grant_allows_key(&grant, SLICE("l")));
    grant_charge(&grant, 3, now);
    cr_assert_eq(grant_wait(&grant, now), 2 * CLOCK_SECOND);
    grant_refund(&grant, 5, grant_charge(&grant, 5, now), now);
    cr_assert_eq(grant_wait(&grant, now), 2 * CLOCK_SECOND);
    grant_end(&grant);
    end(access);
}

Test(access, other_credentials)
{
    struct access *access = access_of(LINE("a", DIGEST_OF_RIGHT, ALL ",\"rate\":1"));
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_ask(access, NOBODY, SLICE(RIGHT), NO_ONE, &grant), ACCESS_GRANTED);
    grant_charge(&grant, 11, now);
    write_file(LINE("z", DIGEST_ZERO, ALL) LINE("a", DIGEST_OF_RIGHT, ",\"streams\":[\"s\"],\"rate\":1"));
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

    write_file(LINE("b", DIGEST_OF_RIGHT, ALL));
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

    cr_assert_eq(access_new(&access, config_of("/nowhere/credentials"), &test_clock, &error), -1);
    cr_assert_null(access);
    cr_assert(strstr(error.text, "access.credentials: /nowhere/credentials"), "%s", error.text);
    cr_assert_eq(access_check("/nowhere/credentials", &error), -1);
    cr_assert_eq(access_check("", &error), 0);
}

/* A connection from an address of this machine. */
static int connection_from(uint32_t address)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from = here;
    socklen_t length = sizeof here;
    const int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

    from.sin_addr.s_addr = htonl(address);
    cr_assert_eq(bind(listener, (struct sockaddr *)&here, sizeof here) | listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&here, &length), 0);
    cr_assert_eq(bind(client, (struct sockaddr *)&from, sizeof from), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&here, sizeof here), 0);
    const int accepted = accept(listener, NULL, NULL);
    close(listener);
    cr_assert_geq(accepted, 0);
    return accepted; /* the client's end stays open until the test ends */
}

static void expect_answers(struct access *access, const struct access_origin *origin, enum access_answer last)
{
    struct grant grant = {NULL, NULL};

    for (int i = 0; i < ACCESS_GUESSES; i++)
        cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), origin, &grant), ACCESS_UNKNOWN, "%d", i);
    cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), origin, &grant), last);
}

Test(access, guesses)
{
    struct access *access = access_of(LINE("a", DIGEST_OF_RIGHT, ALL));
    struct access_origin one, other, forwarded;
    struct grant grant = {NULL, NULL};

    access_origin_of(access, connection_from(INADDR_LOOPBACK), &one);
    access_origin_of(access, connection_from(INADDR_LOOPBACK + 1), &other);
    forwarded = one;
    access_origin_forwarded(access, SLICE("192.0.2.1"), &one, &forwarded);
    cr_assert(memcmp(&forwarded, &one, sizeof one) == 0, "it is no proxy");

    expect_answers(access, NO_ONE, ACCESS_UNKNOWN);
    expect_answers(access, &one, ACCESS_GUESSING);
    cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), &other, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(
        access_ask(access, NOBODY, SLICE(RIGHT), &one, &grant), ACCESS_GRANTED, "nobody is locked out");
    struct grant shared = grant_share(&grant);
    grant_end(&grant);
    cr_assert_str_eq(grant_name(&shared), "a");
    grant_end(&shared);
    shared = grant_share(&grant);
    cr_assert_null(shared.principal);
    now += ACCESS_GUESS_PAUSE;
    cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), &one, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), &one, &grant), ACCESS_GUESSING);
    now += 3600 * CLOCK_SECOND;
    expect_answers(access, &one, ACCESS_GUESSING);
    end(access);
}

/* Of whom the proxy speaks for. */
static struct access_origin behind(
    struct access *access, const struct access_origin *proxy, const char *first, const char *second)
{
    struct access_origin origin = *proxy;

    access_origin_forwarded(access, slice_of(first), proxy, &origin);
    if (second)
        access_origin_forwarded(access, slice_of(second), proxy, &origin);
    return origin;
}

/* Whom a proxy names is counted; itself, which many share, is not. */
Test(access, guesses_behind_a_proxy)
{
    char *trusted[] = {(char *)"loopback"};
    struct config config = *config_of("");
    struct access *access = access_of(LINE("a", DIGEST_OF_RIGHT, ALL));

    access_free(&access);
    config.access.credentials = file;
    config.http.trusted_proxies = (struct config_list){.items = trusted, .count = 1};
    cr_assert_eq(access_new(&access, &config, &test_clock, &error), 0, "%s", error.text);
    struct access_origin proxy, origin;
    access_origin_of(access, connection_from(INADDR_LOOPBACK), &proxy);
    cr_assert_str_eq(proxy.text, "127.0.0.1");
    expect_answers(access, &proxy, ACCESS_UNKNOWN);

    origin = behind(access, &proxy, "198.51.100.7, 192.0.2.1", "127.0.0.1");
    cr_assert_str_eq(origin.text, "192.0.2.1");
    expect_answers(access, &origin, ACCESS_GUESSING);
    origin = behind(access, &proxy, "192.0.2.2", NULL);
    expect_answers(access, &origin, ACCESS_GUESSING);
    origin = behind(access, &proxy, "2001:db8::1:2:3:4", NULL);
    expect_answers(access, &origin, ACCESS_GUESSING);
    origin = behind(access, &proxy, "2001:db8::9", NULL);
    cr_assert_str_eq(origin.text, "2001:db8::", "its network");
    struct grant grant = {NULL, NULL};
    cr_assert_eq(access_ask(access, NOBODY, SLICE(WRONG), &origin, &grant), ACCESS_GUESSING);
    origin = behind(access, &proxy, "192.0.2.1", "unknown");
    cr_assert_str_eq(origin.text, "127.0.0.1");
    expect_answers(access, &origin, ACCESS_UNKNOWN);
    end(access);
}

/* The digest of nothing, or of a word, is no way in, whatever the file says. */
Test(access, short_secrets)
{
    struct access *access =
        access_of(LINE("a", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", ALL));
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_ask(access, NOBODY, NOBODY, NO_ONE, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask(access, SLICE("a"), SLICE(""), NO_ONE, &grant), ACCESS_UNKNOWN);
    end(access);
}
