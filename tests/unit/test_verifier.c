/* verifier: whose password is looked at next, how many wait, what counts as a guess */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdatomic.h>

#include "access/credentials.h"
#include "access/verifier.h"

#define SLICE(text) ((struct slice){text, sizeof(text) - 1})

/* hunter22 and other pw, hashed by Python's hashlib. */
#define HUNTER "pbkdf2-sha256:10:AAECAwQFBgcICQoLDA0ODw==:xDTA+hlgDvHciIT47K1KpCNFWfHD7XggrccQNTTHwQw="
#define OTHER "pbkdf2-sha256:20:Dw4NDAsKCQgHBgUEAwIBAA==:39527etsagBj+y0quM1xEk6QcNJanu6nhsQ4j0hMHzg="
#define WITH(name, password) "{\"name\":\"" name "\",\"password\":\"" password "\",\"streams\":[\"*\"]}\n"

static struct error error;
static int64_t now = 5 * CLOCK_SECOND;
static struct guesses guesses;
static struct credentials *credentials;
static struct verifier *verifier;

static int64_t clock_now(const struct clock *clock)
{
    (void)clock;
    return now;
}

static const struct clock test_clock = {clock_now, clock_now};

static void begin(void)
{
    cr_assert_eq(credentials_parse(&credentials, SLICE(WITH("a", HUNTER) WITH("b", OTHER)), "f", &error), 0);
    cr_assert_eq(guess_begin(&guesses, &error), 0);
    cr_assert_eq(verifier_new(&verifier, &test_clock, &guesses, &error), 0);
}

static void end(void)
{
    verifier_free(&verifier);
    verifier_free(&verifier);
    guess_end(&guesses);
    credentials_release(&credentials);
}

TestSuite(verifier, .init = begin, .fini = end);

static int told;

static void note(void *context)
{
    (void)context;
    told++;
}

/* From an address; 0: from none that counts. */
static struct verifier_question ask_of(const char *name, const char *secret, unsigned char address)
{
    struct verifier_question question = {
        .credentials = credentials_hold(credentials),
        .principal = credentials_named(credentials, slice_of(name)),
        .secret = slice_of(secret),
        .address = {address},
        .counted = address != 0,
        .told = note,
    };

    question.password = question.principal ? question.principal->password
                                           : credentials_any_password(credentials, slice_of(name));
    memcpy(question.mark, secret, strlen(secret));
    return question;
}

static enum access_answer asks(
    const char *name, const char *secret, unsigned char address, struct verification **ret_verification)
{
    const struct verifier_question question = ask_of(name, secret, address);
    const enum access_answer answer = verifier_ask(verifier, &question, ret_verification);

    if (answer != ACCESS_WAITS) {
        struct credentials *hold = question.credentials;
        credentials_release(&hold);
    }
    return answer;
}

static struct verification *waits(const char *name, const char *secret, unsigned char address)
{
    struct verification *verification = NULL;

    cr_assert_eq(asks(name, secret, address, &verification), ACCESS_WAITS);
    return verification;
}

static enum verifier_answer answer_of(struct verification **verification, const char *name)
{
    struct grant grant = {NULL, NULL};
    const enum verifier_answer answer = verifier_take(verifier, verification, &grant);

    cr_assert_eq(*verification == NULL, answer != VERIFIER_WAITS);
    cr_assert_str_eq(grant_name(&grant), name);
    grant_end(&grant);
    return answer;
}

Test(verifier, right_and_wrong)
{
    struct verification *right = waits("a", "hunter22", 0), *wrong = waits("a", "hunter23", 1),
                        *others = waits("b", "hunter22", 1), *nobody = waits("c", "hunter22", 1);

    cr_assert_eq(answer_of(&right, ""), VERIFIER_WAITS);
    for (int i = 1; i <= 4; i++) {
        cr_assert(verifier_step(verifier));
        cr_assert_eq(told, i);
    }
    cr_assert_not(verifier_step(verifier));
    cr_assert_eq(answer_of(&right, "a"), VERIFIER_RIGHT);
    cr_assert_eq(answer_of(&wrong, ""), VERIFIER_WRONG);
    cr_assert_eq(answer_of(&others, ""), VERIFIER_WRONG);
    cr_assert_eq(answer_of(&nobody, ""), VERIFIER_WRONG);
    cr_assert_eq(guess_left(&guesses, (unsigned char[GUESS_ADDRESS]){1}, now), ACCESS_GUESSES - 3);
}

/* The one that a right one leaves is what the next is held against. */
Test(verifier, the_same_twice)
{
    struct verification *first = waits("a", "hunter22", 0), *second = waits("a", "hunter22", 0);

    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&first, "a"), VERIFIER_RIGHT);
    credentials_named(credentials, SLICE("a"))->password->hash[0]++; /* nothing is hashed any more */
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&second, "a"), VERIFIER_RIGHT);
}

/* Who asked first of the address that has had least is next, whatever others have in line. */
Test(verifier, addresses_take_turns)
{
    struct verification *many[3] = {waits("a", "x", 1), waits("a", "x", 1), waits("a", "x", 1)},
                        *second = waits("a", "x", 2), *third = waits("a", "x", 3);

    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&many[0], ""), VERIFIER_WRONG);
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&second, ""), VERIFIER_WRONG);
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&third, ""), VERIFIER_WRONG);
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&many[1], ""), VERIFIER_WRONG);
    second = waits("a", "x", 2); /* who comes later is behind nobody's third */
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&second, ""), VERIFIER_WRONG);
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&many[2], ""), VERIFIER_WRONG);
}

Test(verifier, a_share_of_the_line)
{
    struct verification *all[VERIFIER_MOST], *further = NULL;
    size_t count = 0;

    while (count < VERIFIER_SHARE)
        all[count++] = waits("a", "x", 1);
    cr_assert_eq(asks("a", "x", 1, &further), ACCESS_BUSY);
    cr_assert_null(further);
    for (unsigned char address = 2; count < VERIFIER_MOST; address++)
        all[count++] = waits("a", "x", address);
    cr_assert_eq(asks("a", "x", 100, &further), ACCESS_BUSY);
    cr_assert_eq(asks("a", "x", 0, &further), ACCESS_BUSY);
    cr_assert(verifier_forget(verifier, &all[0]));
    cr_assert_null(all[0]);
    all[0] = waits("a", "x", 1);
    while (count)
        cr_assert(verifier_forget(verifier, &all[--count]));
    cr_assert_not(verifier_step(verifier), "what is forgotten is not hashed");
    cr_assert_eq(told, 0);
}

/* No more are hashed than an address may guess, whether it waits for the answers or not. */
Test(verifier, guesses_are_bounded)
{
    struct verification *one = NULL;
    int hashed = 0;

    for (int i = 0; i < 1000; i++) {
        if (asks("a", "x", 1, &one) != ACCESS_WAITS)
            continue;
        cr_assert(verifier_step(verifier));
        hashed++;
        cr_assert_not(verifier_forget(verifier, &one), "it has been told");
    }
    cr_assert_eq(hashed, ACCESS_GUESSES);
    cr_assert_eq(asks("a", "hunter22", 1, &one), ACCESS_GUESSING, "before it is hashed");
    now += ACCESS_GUESS_PAUSE;
    one = waits("a", "hunter22", 1);
    struct verification *beside = NULL;
    cr_assert_eq(asks("a", "hunter22", 1, &beside), ACCESS_GUESSING, "as many as are left, together");
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&one, "a"), VERIFIER_RIGHT);
    one = waits("a", "x", 1);
    cr_assert(verifier_step(verifier));
    cr_assert_eq(answer_of(&one, ""), VERIFIER_WRONG);
}

Test(verifier, too_late)
{
    struct verification *one = waits("a", "hunter22", 1);

    now += VERIFIER_PATIENCE + 1;
    cr_assert(verifier_step(verifier));
    cr_assert_eq(told, 1);
    cr_assert_eq(answer_of(&one, ""), VERIFIER_LATE);
    cr_assert_eq(guess_left(&guesses, (unsigned char[GUESS_ADDRESS]){1}, now), ACCESS_GUESSES);
}

Test(verifier, nobody)
{
    struct verification *none = NULL;

    cr_assert(verifier_forget(verifier, &none));
}

/* ---- many at once ------------------------------------------------------------------------------------------------------ */

#define ASKING 4

static atomic_size_t wrong;

static void *ask_until_it_guesses(void *context)
{
    const unsigned char address = *(const unsigned char *)context;
    enum access_answer answer;

    do {
        struct verification *one = NULL;
        answer = asks("a", "x", address, &one);
        struct grant grant = {NULL, NULL};
        while (one) {
            if (verifier_take(verifier, &one, &grant) == VERIFIER_WRONG)
                atomic_fetch_add(&wrong, 1);
        }
    } while (answer != ACCESS_GUESSING);
    return NULL;
}

/* However many threads ask for one address: no more is looked at than it may guess. */
Test(verifier, threads_share_the_guesses_of_an_address)
{
    pthread_t threads[ASKING];

    cr_assert_eq(verifier_run(verifier, &error), 0);
    for (int address = 1; address < 200; address++) {
        unsigned char byte = (unsigned char)address;
        for (int i = 0; i < ASKING; i++)
            cr_assert_eq(pthread_create(&threads[i], NULL, ask_until_it_guesses, &byte), 0);
        for (int i = 0; i < ASKING; i++)
            pthread_join(threads[i], NULL);
        cr_assert_eq(guess_left(&guesses, (unsigned char[GUESS_ADDRESS]){byte}, now), 0);
    }
    cr_assert_eq(atomic_load(&wrong), 199 * ACCESS_GUESSES);
}

/* ---- addresses that many share -------------------------------------------------------------------------------------- */

static enum access_answer shares(unsigned char address, struct verification **ret_verification)
{
    struct verifier_question question = ask_of("a", "x", address);

    question.shared = true;
    const enum access_answer answer = verifier_ask(verifier, &question, ret_verification);
    if (answer != ACCESS_WAITS)
        credentials_release(&question.credentials);
    return answer;
}

/* Once too many of them were wrong, one at a time is looked at. */
Test(verifier, an_address_that_many_share)
{
    struct verification *all[VERIFIER_SHARE + 1];

    for (size_t i = 0; i < VERIFIER_SHARE; i++)
        cr_assert_eq(shares(1, &all[i]), ACCESS_WAITS);
    cr_assert_eq(shares(1, &all[VERIFIER_SHARE]), ACCESS_BUSY);
    for (size_t i = 0; i < VERIFIER_SHARE; i++) {
        cr_assert(verifier_step(verifier));
        cr_assert_eq(answer_of(&all[i], ""), VERIFIER_WRONG);
    }
    for (size_t i = VERIFIER_SHARE; i < ACCESS_GUESSES; i++) {
        cr_assert_eq(shares(1, &all[0]), ACCESS_WAITS);
        cr_assert(verifier_step(verifier));
        cr_assert_eq(answer_of(&all[0], ""), VERIFIER_WRONG);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(guess_left(&guesses, (unsigned char[GUESS_ADDRESS]){1}, now), 0);
        cr_assert_eq(shares(1, &all[0]), ACCESS_WAITS);
        cr_assert_eq(shares(1, &all[1]), ACCESS_GUESSING);
        cr_assert(verifier_step(verifier));
        cr_assert_eq(answer_of(&all[0], ""), VERIFIER_WRONG);
    }
}

/* ---- forgotten while it is hashed ---------------------------------------------------------------------------------- */

/* A clock that the verifier asks when it has begun with one: so that a test can do something meanwhile. */
static struct verification *forgotten_meanwhile;
static bool was_untold;

static int64_t clock_that_forgets(const struct clock *clock)
{
    (void)clock;
    if (forgotten_meanwhile) {
        struct verification *one = forgotten_meanwhile;
        forgotten_meanwhile = NULL;
        was_untold = verifier_forget(verifier, &one);
    }
    return now;
}

Test(verifier, forgotten_while_it_is_hashed)
{
    static const struct clock clock = {clock_that_forgets, clock_that_forgets};
    struct verification *all[VERIFIER_SHARE];

    verifier_free(&verifier);
    cr_assert_eq(verifier_new(&verifier, &clock, &guesses, &error), 0);
    forgotten_meanwhile = waits("a", "x", 1);
    cr_assert(verifier_step(verifier));
    cr_assert(was_untold);
    cr_assert_eq(told, 0, "nobody is told");
    cr_assert_eq(guess_left(&guesses, (unsigned char[GUESS_ADDRESS]){1}, now), ACCESS_GUESSES - 1,
        "it counts all the same");
    for (size_t i = 0; i < VERIFIER_SHARE; i++)
        all[i] = waits("a", "x", 1); /* its place is free again */
    verifier_free(&verifier);
    cr_assert(all[0]);
    cr_assert_eq(verifier_new(&verifier, &test_clock, &guesses, &error), 0);
}
