/* access: passwords, from the question to the answer; credentials that change meanwhile */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "access/credentials.h"
#include "access/verifier.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

/* hunter22 and other pw, hashed by Python's hashlib. */
#define HUNTER "pbkdf2-sha256:10:AAECAwQFBgcICQoLDA0ODw==:xDTA+hlgDvHciIT47K1KpCNFWfHD7XggrccQNTTHwQw="
#define OTHER "pbkdf2-sha256:20:Dw4NDAsKCQgHBgUEAwIBAA==:39527etsagBj+y0quM1xEk6QcNJanu6nhsQ4j0hMHzg="
#define SECRET "sha256:71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73"
#define SECRET_TEXT "abcdefghijklmnopqrstuvwxyz"
#define WITH(name, password) "{\"name\":\"" name "\",\"password\":\"" password "\",\"streams\":[\"*\"]}\n"
#define TOKEN(name, more) "{\"name\":\"" name "\",\"secret\":\"" SECRET "\"" more ",\"streams\":[\"*\"]}\n"

static struct error error;
static int64_t now = 5 * CLOCK_SECOND;

static int64_t clock_now(const struct clock *clock)
{
    (void)clock;
    return now;
}

static const struct clock test_clock = {clock_now, clock_now};

static sem_t answered;

static void post(void *context)
{
    (void)context;
    sem_post(&answered);
}

static char file[] = "/tmp/penstock-verifier-XXXXXX";
static struct access *access_under_test;

static void write_file(const char *text)
{
    const int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static struct config config;

static void begin_access(const char *text, bool run)
{
    const int fd = mkstemp(file);

    cr_assert_geq(fd, 0);
    close(fd);
    write_file(text);
    config.access.credentials = file;
    sem_init(&answered, 0, 0);
    cr_assert_eq(access_new(&access_under_test, &config, &test_clock, &error), 0, "%s", error.text);
    if (run)
        cr_assert_eq(access_run(access_under_test, &error), 0);
}

static void end_access(void)
{
    access_free(&access_under_test);
    unlink(file);
}

static struct access_origin origin_of_question;

/* A connection of this machine's own address. */
static int connection(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    const int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(bind(listener, (struct sockaddr *)&here, sizeof here) | listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&here, &length), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&here, sizeof here), 0);
    const int accepted = accept(listener, NULL, NULL);
    close(listener);
    cr_assert_geq(accepted, 0);
    return accepted; /* the client's end stays open until the test ends */
}

static struct access_question question_of(struct slice user, struct slice secret)
{
    return (struct access_question){
        .user = user, .secret = secret, .origin = &origin_of_question, .told = post};
}

static void expect_now(struct slice user, struct slice secret, enum access_answer answer, const char *name)
{
    const struct access_question question = question_of(user, secret);
    struct verification *verification = NULL;
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_begin(access_under_test, &question, &verification, &grant), answer, "%.*s",
        (int)secret.length, secret.data);
    cr_assert_null(verification);
    cr_assert_str_eq(grant_name(&grant), name);
    grant_end(&grant);
}

static struct verification *expect_wait(struct slice user, struct slice secret)
{
    const struct access_question question = question_of(user, secret);
    struct verification *verification = NULL;
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_begin(access_under_test, &question, &verification, &grant), ACCESS_WAITS);
    cr_assert(verification);
    cr_assert_null(grant.principal);
    return verification;
}

static void expect_end(struct verification *verification, enum access_answer answer, const char *name)
{
    struct grant grant = {NULL, NULL};

    sem_wait(&answered);
    cr_assert_eq(access_end(access_under_test, &verification, &origin_of_question, &grant), answer);
    cr_assert_null(verification);
    cr_assert_str_eq(grant_name(&grant), name);
    grant_end(&grant);
}

static void expect_later(struct slice user, struct slice secret, enum access_answer answer, const char *name)
{
    expect_end(expect_wait(user, secret), answer, name);
}

#define A SLICE("a")
#define PASSWORD SLICE("hunter22")

Test(passwords, asked)
{
    char text[300];

    memset(text, 'x', sizeof text);
    begin_access(WITH("a", HUNTER) TOKEN("t", ""), true);
    expect_later(A, SLICE("hunter23"), ACCESS_UNKNOWN, "");
    expect_later(SLICE("b"), PASSWORD, ACCESS_UNKNOWN, "");
    expect_later(SLICE("t"), PASSWORD, ACCESS_UNKNOWN, "");
    expect_later(SLICE(""), PASSWORD, ACCESS_UNKNOWN, "");
    expect_later((struct slice){text, sizeof text}, PASSWORD, ACCESS_UNKNOWN, "");
    expect_later(A, (struct slice){text, PASSWORD_MAX}, ACCESS_UNKNOWN, "");
    expect_later(A, PASSWORD, ACCESS_GRANTED, "a");
    expect_now(A, PASSWORD, ACCESS_GRANTED, "a");
    expect_later(A, SLICE("hunter23"), ACCESS_UNKNOWN, "");
    expect_later(SLICE("b"), PASSWORD, ACCESS_UNKNOWN, "");
    expect_now(SLICE("t"), SLICE(SECRET_TEXT), ACCESS_GRANTED, "t");
    expect_now((struct slice){NULL, 0}, PASSWORD, ACCESS_UNKNOWN, "");
    expect_now(A, SLICE(""), ACCESS_UNKNOWN, "");
    expect_now(A, (struct slice){text, PASSWORD_MAX + 1}, ACCESS_UNKNOWN, "");
    end_access();
}

Test(passwords, guesses)
{
    begin_access(WITH("a", HUNTER) WITH("b", OTHER), true);
    access_origin_of(access_under_test, connection(), &origin_of_question);
    expect_later(A, PASSWORD, ACCESS_GRANTED, "a");
    for (int i = 0; i < ACCESS_GUESSES; i++)
        expect_later(i % 2 ? A : SLICE("nobody"), SLICE("hunter23"), ACCESS_UNKNOWN, "");
    expect_now(A, SLICE("hunter23"), ACCESS_GUESSING, "");
    expect_now(SLICE("b"), SLICE("other pw"), ACCESS_GUESSING, "");
    expect_now((struct slice){NULL, 0}, PASSWORD, ACCESS_GUESSING, "");
    expect_now(A, PASSWORD, ACCESS_GRANTED, "a");
    now += ACCESS_GUESS_PAUSE;
    expect_later(SLICE("b"), SLICE("other pw"), ACCESS_GRANTED, "b");
    end_access();
}

/* By the address that its proxy names; where it names none, those behind it are looked at one at a time once they have guessed too often. */
Test(passwords, guesses_behind_a_proxy)
{
    char *trusted[] = {(char *)"loopback"};
    struct access_origin proxy;

    config.http.trusted_proxies = (struct config_list){.items = trusted, .count = 1};
    begin_access(WITH("a", HUNTER) WITH("b", OTHER), true);
    access_origin_of(access_under_test, connection(), &proxy);
    origin_of_question = proxy;
    access_origin_forwarded(access_under_test, SLICE("192.0.2.1"), &proxy, &origin_of_question);
    for (int i = 0; i < ACCESS_GUESSES; i++)
        expect_later(A, SLICE("hunter23"), ACCESS_UNKNOWN, "");
    expect_now(A, PASSWORD, ACCESS_GUESSING, "");
    access_origin_forwarded(access_under_test, SLICE("192.0.2.2"), &proxy, &origin_of_question);
    expect_later(A, PASSWORD, ACCESS_GRANTED, "a");
    origin_of_question = proxy;
    for (int i = 0; i < 3 * ACCESS_GUESSES; i++)
        expect_later(A, SLICE("hunter23"), ACCESS_UNKNOWN, "");
    expect_later(SLICE("b"), SLICE("other pw"), ACCESS_GRANTED, "b");
    end_access();
}

Test(passwords, in_a_header)
{
    const struct access_question question = question_of((struct slice){NULL, 0}, (struct slice){NULL, 0});
    const struct slice header = SLICE("Basic YTpodW50ZXIyMg=="); /* a:hunter22 */
    struct verification *verification = NULL;
    struct grant grant = {NULL, NULL};

    begin_access(WITH("a", HUNTER), true);
    cr_assert_eq(
        access_begin_header(access_under_test, header, &question, &verification, &grant), ACCESS_WAITS);
    expect_end(verification, ACCESS_GRANTED, "a");
    cr_assert_eq(access_ask_header(access_under_test, header, &origin_of_question, &grant), ACCESS_UNKNOWN,
        "who cannot wait takes secrets alone");
    end_access();
}

Test(passwords, nobody_has_one)
{
    begin_access(TOKEN("t", ""), true);
    expect_now(SLICE("t"), PASSWORD, ACCESS_UNKNOWN, "");
    end_access();
}

Test(passwords, beside_a_secret)
{
    begin_access(TOKEN("a", ",\"password\":\"" HUNTER "\""), true);
    expect_now(A, SLICE(SECRET_TEXT), ACCESS_GRANTED, "a");
    expect_later(A, PASSWORD, ACCESS_GRANTED, "a");
    end_access();
}

Test(passwords, other_credentials)
{
    begin_access(WITH("a", HUNTER) WITH("b", OTHER), true);
    expect_later(A, PASSWORD, ACCESS_GRANTED, "a");
    expect_later(SLICE("b"), SLICE("other pw"), ACCESS_GRANTED, "b");
    write_file(WITH("a", HUNTER) WITH("b", HUNTER) WITH("c", OTHER));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    expect_now(A, PASSWORD, ACCESS_GRANTED, "a");
    expect_later(SLICE("b"), SLICE("other pw"), ACCESS_UNKNOWN, "");
    expect_later(SLICE("b"), PASSWORD, ACCESS_GRANTED, "b");
    expect_later(SLICE("c"), SLICE("other pw"), ACCESS_GRANTED, "c");
    write_file(WITH("b", HUNTER));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    expect_later(A, PASSWORD, ACCESS_UNKNOWN, "");
    write_file(WITH("a", HUNTER) WITH("b", HUNTER));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    expect_later(A, PASSWORD, ACCESS_GRANTED, "a");
    end_access();
}

/* Credentials change between question and answer: what is in force when it is taken counts. */
Test(passwords, a_reload_meanwhile)
{
    begin_access(WITH("a", HUNTER), false);
    struct verification *same = expect_wait(A, PASSWORD), *gone = expect_wait(A, PASSWORD);
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_end(access_under_test, &same, &origin_of_question, &grant), ACCESS_WAITS);
    write_file(WITH("x", OTHER) WITH("a", HUNTER));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    cr_assert_eq(access_run(access_under_test, &error), 0);
    expect_end(same, ACCESS_GRANTED, "a");
    write_file(WITH("a", OTHER));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    expect_end(gone, ACCESS_UNKNOWN, "");
    end_access();
}

Test(passwords, renewed)
{
    begin_access(TOKEN("a", ",\"password\":\"" HUNTER "\""), true);
    const struct access_question question = question_of(A, SLICE(SECRET_TEXT));
    struct verification *none = NULL;
    struct grant grant = {NULL, NULL};

    cr_assert_eq(access_begin(access_under_test, &question, &none, &grant), ACCESS_GRANTED);
    cr_assert(access_renew(access_under_test, &grant));
    write_file(TOKEN("a", ",\"password\":\"" OTHER "\""));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    cr_assert_not(access_renew(access_under_test, &grant), "another password is somebody else");
    write_file(TOKEN("a", ""));
    cr_assert_eq(access_reload(access_under_test, &error), 0);
    cr_assert_not(access_renew(access_under_test, &grant));
    grant_end(&grant);
    end_access();
}

/* Without a thread nobody is told, and the end is at once. */
Test(passwords, the_end)
{
    begin_access(WITH("a", HUNTER), false);
    struct verification *one = expect_wait(A, PASSWORD);
    cr_assert(access_forget(access_under_test, &one));
    for (int i = 0; i < VERIFIER_MOST; i++)
        expect_wait(A, PASSWORD);
    expect_now(A, PASSWORD, ACCESS_BUSY, "");
    end_access();
}

Test(passwords, too_late)
{
    begin_access(WITH("a", HUNTER), false);
    struct verification *one = expect_wait(A, PASSWORD);
    now += VERIFIER_PATIENCE + 1;
    cr_assert_eq(access_run(access_under_test, &error), 0);
    expect_end(one, ACCESS_BUSY, "");
    end_access();
}

Test(passwords, in_a_file)
{
    static const char *const wrong[] = {"\"hunter22\"", "7",
        "\"pbkdf2-sha256:2000001:AAECAwQFBgcICQoLDA0ODw==:xDTA+hlgDvHciIT47K1KpCNFWfHD7XggrccQNTTHwQw=\""};
    static const char text[] = WITH("a", HUNTER);
    struct bytes cleanup_bytes printed;
    struct credentials *read = NULL;

    bytes_init(&printed, 1000);
    cr_assert_eq(credentials_parse(&read, slice_of(text), "f", &error), 0, "%s", error.text);
    cr_assert_not(credentials_at(read, 0)->has_secret);
    cr_assert_eq(credentials_print(credentials_at(read, 0), &printed, &error), 0);
    cr_assert(slice_is(bytes_slice(&printed), text), "%.*s", (int)printed.length, printed.data);
    credentials_release(&read);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bytes_clear(&printed);
        cr_assert_eq(
            bytes_print(&printed, &error, "{\"name\":\"a\",\"streams\":[\"*\"],\"password\":%s}", wrong[i]),
            0);
        cr_assert_eq(credentials_parse(&read, bytes_slice(&printed), "f", &error), -1);
        cr_assert(strstr(error.text, "\"password\": allowed: pbkdf2"), "%s", error.text);
        cr_assert_not(strstr(error.text, "hunter"), "%s", error.text);
    }
}
