/* authorization: what principals show besides secrets: roles, headers of HTTP, certificates */
#include "access_harness.h"

#include "base/tls_internal.h"

static struct tls_names names_of(const char *one, const char *other)
{
    return (struct tls_names){.count = 2, .names = {one, other}};
}

Test(access, certificates)
{
    struct access *access = access_of(CERTIFIED("a", "CN=pump") CERTIFIED("b", "URI:spiffe://x/y")
            LINE("c", DIGEST_OF_RIGHT, ",\"certificate\":\"DNS:c\"" ALL));
    const struct tls_names strange = names_of("CN=x", "DNS:pump"),
                           second = names_of("CN=x", "URI:spiffe://x/y"), none = {.count = 0},
                           both = names_of("DNS:c", "CN=pump");
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_ask_certificate(access, &none, &grant), ACCESS_UNKNOWN);
    cr_assert_eq(access_ask_certificate(access, &strange, &grant), ACCESS_UNKNOWN);
    cr_assert_null(grant.principal);
    cr_assert_eq(access_ask_certificate(access, &second, &grant), ACCESS_GRANTED);
    cr_assert_str_eq(grant_name(&grant), "b");
    grant_end(&grant);
    cr_assert_eq(access_ask(access, NOBODY, NOBODY, NO_ONE, &grant), ACCESS_UNKNOWN,
        "without a secret there is none to guess");
    cr_assert_eq(access_ask_certificate(access, &both, &grant), ACCESS_GRANTED);
    cr_assert_str_eq(grant_name(&grant), "c", "the first name counts");
    cr_assert(access_renew(access, &grant));
    write_file(LINE("c", DIGEST_OF_RIGHT, ",\"certificate\":\"DNS:d\"" ALL));
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert_not(access_renew(access, &grant), "another certificate is somebody else");
    write_file(CERTIFIED("c", "DNS:c"));
    cr_assert_eq(access_reload(access, &error), 0);
    cr_assert_not(access_renew(access, &grant), "nor is it known by a secret any more");
    grant_end(&grant);
    end(access);
}

Test(credentials, printed_with_its_certificate)
{
    struct credentials *credentials = parse(CERTIFIED("a", "email:a@b"));
    struct bytes cleanup_bytes text;

    bytes_init(&text, 1000);
    cr_assert_eq(credentials_print(credentials_at(credentials, 0), &text, &error), 0);
    cr_assert(
        slice_is(bytes_slice(&text), "{\"name\":\"a\",\"certificate\":\"email:a@b\",\"streams\":[\"*\"]}\n"),
        "%.*s", (int)text.length, text.data);
    credentials_release(&credentials);
}

/* Who looks after the gateway need not write anything; who writes need not look after it. */
Test(credentials, roles)
{
    static const char text[] = LINE("looks", DIGEST_ZERO, ",\"admin\":\"read\"") LINE(
        "does", DIGEST_OF_RIGHT, ",\"streams\":[\"s\"],\"admin\":\"reload\"") CERTIFIED("writes", "CN=w");
    struct credentials *credentials = parse(text);
    struct bytes cleanup_bytes printed;

    bytes_init(&printed, 1000);
    for (size_t i = 0; i < 3; i++) {
        static const enum access_role roles[] = {ACCESS_READ, ACCESS_RELOAD, ACCESS_NO_ROLE};
        struct principal *principal = credentials_at(credentials, i);
        const struct grant grant = {credentials, principal};
        cr_assert_eq(principal->role, roles[i]);
        cr_assert_eq(grant_allows_role(&grant, ACCESS_READ), roles[i] >= ACCESS_READ);
        cr_assert_eq(grant_allows_role(&grant, ACCESS_RELOAD), roles[i] >= ACCESS_RELOAD);
        cr_assert_eq(grant_allows_stream(&grant, "s"), i != 0);
        cr_assert_eq(credentials_print(principal, &printed, &error), 0);
    }
    cr_assert(slice_is(bytes_slice(&printed), text), "%.*s", (int)printed.length, printed.data);
    cr_assert(grant_allows_role(&(struct grant){NULL, NULL}, ACCESS_RELOAD), "nobody is asked");
    credentials_release(&credentials);
}

/* What HTTP shows: the header, or the certificate of the connection. */
Test(access, headers)
{
    static const struct {
        const char *header;
        enum access_answer answer;
    } rows[] = {
        {"Bearer " RIGHT, ACCESS_GRANTED},
        {"bEARER   " RIGHT " \t ", ACCESS_GRANTED},
        {"Bearer " WRONG, ACCESS_UNKNOWN},
        {"Bearer", ACCESS_UNKNOWN},
        {"Bearer  ", ACCESS_UNKNOWN},
        {RIGHT, ACCESS_UNKNOWN},
        {"", ACCESS_UNKNOWN},
        {"Basic YTphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==", ACCESS_GRANTED},
        {"Basic YjphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg==", ACCESS_UNKNOWN},
        {"Basic YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=", ACCESS_UNKNOWN},
        {"Basic ???", ACCESS_UNKNOWN},
        {"Digest " RIGHT, ACCESS_UNKNOWN},
    };
    struct access *access = access_of(LINE("a", DIGEST_OF_RIGHT, ALL));

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct grant grant = {NULL, NULL};
        cr_assert_eq(access_ask_header(access, slice_of(rows[i].header), NO_ONE, &grant), rows[i].answer,
            "%s", rows[i].header);
        cr_assert_eq(grant.principal != NULL, rows[i].answer == ACCESS_GRANTED);
        grant_end(&grant);
    }
    end(access);
}

Test(access, connections_without_certificates)
{
    struct access *access = access_of(CERTIFIED("a", "CN=a"));
    struct tls_server asks = {.settings.client_ca = "ca"};
    struct tls_session plain = {0}, greeting = {.server = &asks};
    struct certified certified = {0};

    cr_assert_not(access_is_certified(access, &plain, &certified));
    cr_assert_eq(certified.version, 0, "nobody was asked");
    for (uint64_t version = 1; version < 3; version++) {
        cr_assert_not(access_is_certified(access, &greeting, &certified));
        cr_assert(!certified.shown && certified.version == version);
        cr_assert_eq(access_reload(access, &error), 0);
    }
    end(access);
}
