/* access_load: what it costs to ask who somebody is. access_load FILE PRINCIPALS QUESTIONS
 *
 * Makes a file of credentials, and asks for each of them in turn. Prints one line of JSON: nanoseconds of processor time of a question whose secret is right, and of a wrong one; memory of
 * the principals (MiB); nanoseconds of processor time that the rate of a key costs for each record, of 100,000 keys in turn and of one; Welch's t between secrets that are wrong in their first and in their last character, which arrive in random order: beyond 4.5 the time
 * tells them apart (Reparaz and others, "Dude, is my code constant time?", 2017). Then the same of passwords, of which the file has one: nanoseconds once it has been shown, milliseconds of the first
 * time, and Welch's t between a wrong password and an unknown user.
 */
#include <limits.h>
#include <math.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/access.h"
#include "access/password.h"
#include "access/secret.h"
#include "base/log.h"
#include "bench/tool.h"

#define PRINCIPALS_MAX 1000000
#define TYPED "correct horse battery"
#define QUICK_ITERATIONS 1000
#define QUICK_QUESTIONS 20000
#define QUICK_INTERRUPTED 2000000 /* nanoseconds */
#define INTERRUPTED 4000 /* nanoseconds: what took longer was interrupted, and does not count */

struct secrets {
    char (*texts)[SECRET_LENGTH + 1];
    size_t count;
};

static void die(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

static void print_password(FILE *stream, const char *name, unsigned iterations)
{
    struct password password;
    struct bytes cleanup_bytes text;
    struct error error;

    bytes_init(&text, PASSWORD_TEXT_MAX);
    if (password_make(&password, slice_of(TYPED), iterations, &error) ||
        password_print(&password, &text, &error))
        die(&error);
    fprintf(stream, "{\"name\":\"%s\",\"password\":\"%.*s\",\"streams\":[\"readings\"]}\n", name,
        (int)text.length, text.data);
}

static void make_file(const char *file, const struct secrets *secrets)
{
    FILE *stream = fopen(file, "w");
    unsigned char digest[SECRET_DIGEST];
    char text[SECRET_HEX + 1];
    struct error error;

    if (!stream)
        tool_fail(file);
    for (size_t i = 0; i < secrets->count; i++) {
        if (secret_make(secrets->texts[i], &error))
            die(&error);
        if (secret_digest((struct slice){secrets->texts[i], SECRET_LENGTH}, digest))
            tool_fail("SHA-256");
        secret_print(digest, text);
        fprintf(stream,
            "{\"name\":\"sensor-%zu\",\"secret\":\"%s\",\"streams\":[\"readings\"],\"keys\":[\"{name}\",\"SENSOR_%zu*\"],\"rate\":100}\n",
            i, text, i);
    }
    print_password(stream, "typist", PASSWORD_ITERATIONS);
    if (fchmod(fileno(stream), 0600) || fclose(stream))
        tool_fail(file);
}

/* Anonymous memory of this process, in MiB: what was allocated. */
static double memory(void)
{
    FILE *stream = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;

    while (stream && fgets(line, sizeof line, stream)) {
        if (sscanf(line, "RssAnon: %ld kB", &kib) == 1)
            break;
    }
    if (stream)
        fclose(stream);
    return (double)kib / 1024;
}

static const struct access_origin nowhere;

/* False: the answer is not the expected one. */
static bool ask(struct access *access, const char *secret, bool right)
{
    struct grant grant = {NULL, NULL};
    const bool granted = access_ask(access, (struct slice){NULL, 0}, (struct slice){secret, SECRET_LENGTH},
                             &nowhere, &grant) == ACCESS_GRANTED;

    grant_end(&grant);
    return granted == right;
}

static double questions(struct access *access, const struct secrets *secrets, uint64_t count, bool right)
{
    const int64_t start = tool_cpu();

    for (uint64_t i = 0; i < count; i++) {
        if (!ask(access, secrets->texts[i * 7919 % secrets->count], right))
            tool_fail("a wrong answer");
    }
    return (double)(tool_cpu() - start) / (double)count;
}

struct sample {
    double count, mean, squares;
};

static void sample_add(struct sample *sample, double value)
{
    const double before = value - sample->mean;

    sample->count++;
    sample->mean += before / sample->count;
    sample->squares += before * (value - sample->mean);
}

static double welch_t(const struct sample samples[2])
{
    const double spread = samples[0].squares / samples[0].count / (samples[0].count - 1) +
                          samples[1].squares / samples[1].count / (samples[1].count - 1);
    return (samples[0].mean - samples[1].mean) / sqrt(spread);
}

/* Wrong in eight characters at one end, other ones each time: whether a place of the table is taken must not count. */
static void make_wrong(const char *right, bool end, char wrong[SECRET_LENGTH + 1])
{
    memcpy(wrong, right, SECRET_LENGTH + 1);
    for (size_t k = 0; k < 8; k++)
        wrong[end ? SECRET_LENGTH - 1 - k : k] = (char)('a' + random() % 26);
}

static double welch(struct access *access, const char *right, uint64_t count)
{
    struct sample samples[2] = {{0}};
    char secret[SECRET_LENGTH + 1];

    for (uint64_t i = 0; i < count; i++) {
        const size_t class = (size_t)random() & 1;
        make_wrong(right, class == 1, secret);
        const int64_t start = tool_now();
        if (!ask(access, secret, false))
            tool_fail("a wrong answer");
        const int64_t taken = tool_now() - start;
        if (taken < INTERRUPTED)
            sample_add(&samples[class], (double)taken);
    }
    return welch_t(samples);
}

/* ---- passwords --------------------------------------------------------------------------------------------------- */

static sem_t answered;

static void post(void *context)
{
    (void)context;
    sem_post(&answered);
}

/* How long it took. */
static int64_t ask_password(
    struct access *access, const char *user, const char *password, enum access_answer expected)
{
    const struct access_question question = {
        .user = slice_of(user), .secret = slice_of(password), .origin = &nowhere, .told = post};
    struct verification *verification = NULL;
    struct grant grant = {NULL, NULL};
    const int64_t start = tool_now();
    enum access_answer answer = access_begin(access, &question, &verification, &grant);

    if (answer == ACCESS_WAITS) {
        while (sem_wait(&answered))
            ;
        answer = access_end(access, &verification, &nowhere, &grant);
    }
    const int64_t taken = tool_now() - start;
    grant_end(&grant);
    if (answer != expected)
        tool_fail("a wrong answer about a password");
    return taken;
}

static double remembered(struct access *access, uint64_t count)
{
    const int64_t start = tool_cpu();

    for (uint64_t i = 0; i < count; i++)
        ask_password(access, "typist", TYPED, ACCESS_GRANTED);
    return (double)(tool_cpu() - start) / (double)count;
}

static double welch_of_names(struct access *access)
{
    struct sample samples[2] = {{0}};

    for (int i = 0; i < QUICK_QUESTIONS; i++) {
        const size_t class = (size_t)random() & 1;
        const int64_t taken = ask_password(access, class ? "quick" : "nobody", "wrong", ACCESS_UNKNOWN);
        if (taken < QUICK_INTERRUPTED)
            sample_add(&samples[class], (double)taken);
    }
    return welch_t(samples);
}

/* A file of its own, with one password: unknown names take the time of that one. */
static double measure_names(const char *file)
{
    static struct config config;
    struct access *access = NULL;
    struct error error;
    char name[PATH_MAX];

    snprintf(name, sizeof name, "%s.names", file);
    FILE *stream = fopen(name, "w");
    if (!stream)
        tool_fail(name);
    print_password(stream, "quick", QUICK_ITERATIONS);
    if (fchmod(fileno(stream), 0600) || fclose(stream))
        tool_fail(name);
    config.access.credentials = name;
    if (access_new(&access, &config, &clock_system, &error) || access_run(access, &error))
        die(&error);
    const double t = welch_of_names(access);
    access_free(&access);
    return t;
}

static double records_of_keys(struct access *access, uint64_t count, uint64_t keys)
{
    struct rates *rates = access_rates(access);
    char(*names)[24] = tool_allocate(keys * sizeof *names);

    for (uint64_t i = 0; i < keys; i++)
        snprintf(names[i], sizeof *names, "SENSOR_%llu", (unsigned long long)(i * 7919 % keys));
    const int64_t start = tool_cpu();
    for (uint64_t i = 0; i < count; i++)
        rate_take(rates, rate_key(rates, 1, slice_of(names[i % keys])), 10, CLOCK_SECOND);
    const int64_t taken = tool_cpu() - start;
    free(names);
    return (double)taken / (double)count;
}

int main(int count, char **arguments)
{
    struct access *access = NULL;
    struct error error;

    if (count != 4) {
        fputs("usage: access_load FILE PRINCIPALS QUESTIONS\n", stderr);
        return 2;
    }
    struct secrets secrets = {.count = tool_number(arguments[2], "PRINCIPALS", 1, PRINCIPALS_MAX)};
    log_configure(
        LOG_ERROR, LOG_FORMAT_TEXT, STDERR_FILENO, &clock_system); /* wrong secrets are no news here */
    const uint64_t number = tool_number(arguments[3], "QUESTIONS", 1, 1000000000);
    secrets.texts = tool_allocate(secrets.count * sizeof *secrets.texts);
    make_file(arguments[1], &secrets);
    const double before = memory();
    static struct config config;
    config.access.credentials = arguments[1];
    if (access_new(&access, &config, &clock_system, &error))
        die(&error);
    const double after = memory();
    sem_init(&answered, 0, 0);
    if (access_run(access, &error))
        die(&error);
    const double first = (double)ask_password(access, "typist", TYPED, ACCESS_GRANTED) / 1e6;
    const double again = remembered(access, number);
    const double right = questions(access, &secrets, number, true);
    const double t = welch(access, secrets.texts[0], number);
    for (size_t i = 0; i < secrets.count; i++)
        secrets.texts[i][SECRET_LENGTH - 1] = '!';
    const double wrong = questions(access, &secrets, number, false);
    const double keys = records_of_keys(access, number, 100000), key = records_of_keys(access, number, 1);
    printf(
        "{\"right_ns\":%.0f,\"wrong_ns\":%.0f,\"mib\":%.1f,\"keys_ns\":%.0f,\"key_ns\":%.0f,\"welch_t\":%.2f,\"password_ns\":%.0f,\"password_ms\":%.0f,\"names_t\":%.2f}\n",
        right, wrong, after - before, keys, key, t, again, first, measure_names(arguments[1]));
    access_free(&access);
    free(secrets.texts);
    return 0;
}
