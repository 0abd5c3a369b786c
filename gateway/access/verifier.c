/* verifier: see verifier.h */
#include "access/verifier.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "access/credentials.h"

enum verification_state {
    VERIFICATION_FREE,
    VERIFICATION_WAITS,
    VERIFICATION_HASHED, /* the verifier is at it, without the lock: nobody else touches the question */
    VERIFICATION_FORGOTTEN, /* the same, and nobody wants to know */
    VERIFICATION_DONE,
};

struct verification {
    enum verification_state state;
    struct verifier_question question; /* its secret is `text` */
    char text[PASSWORD_MAX];
    int64_t asked; /* monotonic */
    uint64_t turn, number; /* the lowest turn is next; of these, who came first */
    enum verifier_answer answer;
};

struct verifier {
    const struct clock *clock;
    struct guesses *guesses;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t more;
    pthread_t thread;
    bool running, stopping;
    uint64_t turn, number;
    struct verification all[VERIFIER_MOST];
};

int verifier_new(
    struct verifier **ret_verifier, const struct clock *clock, struct guesses *guesses, struct error *error)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);

    if (!verifier)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE only malloc can fail */
    verifier->clock = clock;
    verifier->guesses = guesses;
    pthread_mutex_init(&verifier->lock, NULL);
    pthread_cond_init(&verifier->more, NULL);
    *ret_verifier = verifier;
    return 0;
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

/* @holds verifier.lock, as all up to verifier_ask() */
static void verification_end(struct verification *verification)
{
    credentials_release(&verification->question.credentials);
    explicit_bzero(verification, sizeof *verification);
}

static bool verification_is_from(
    const struct verification *verification, const struct verifier_question *question)
{
    return verification->state != VERIFICATION_FREE && question->counted && verification->question.counted &&
           memcmp(verification->question.address, question->address, GUESS_ADDRESS) == 0;
}

/* Of those that one address asks each has a turn of its own. */
static struct verification *verifier_place(
    struct verifier *verifier, const struct verifier_question *question, size_t *ret_own)
{
    struct verification *place = NULL;
    uint64_t turn = verifier->turn;

    *ret_own = 0;
    for (size_t i = 0; i < VERIFIER_MOST; i++) {
        struct verification *one = &verifier->all[i];
        if (one->state == VERIFICATION_FREE)
            place = one;
        else if (verification_is_from(one, question)) {
            ++*ret_own;
            turn = one->turn >= turn ? one->turn + 1 : turn;
        }
    }
    if (place)
        place->turn = turn;
    return place;
}

/* How many of its address may be under way, by those that were wrong. With the lock: of those that end between the two counts, neither would have any. */
static size_t verifier_left(struct verifier *verifier, const struct verifier_question *question, int64_t now)
{
    if (!question->counted)
        return VERIFIER_MOST;
    const size_t left = guess_left(verifier->guesses, question->address, now);
    return question->shared && left == 0 ? 1 : left;
}

enum access_answer verifier_ask(struct verifier *verifier, const struct verifier_question *question,
    struct verification **ret_verification)
{
    const int64_t now = clock_monotonic(verifier->clock);
    enum access_answer answer = ACCESS_BUSY;
    size_t own;

    pthread_mutex_lock(&verifier->lock);
    struct verification *place = verifier_place(verifier, question, &own);
    if (own >= verifier_left(verifier, question, now))
        answer = ACCESS_GUESSING;
    else if (place && own < VERIFIER_SHARE) {
        place->state = VERIFICATION_WAITS;
        place->question = *question;
        place->question.secret.data = memcpy(place->text, question->secret.data, question->secret.length);
        place->asked = now;
        place->number = ++verifier->number;
        *ret_verification = place;
        pthread_cond_signal(&verifier->more);
        answer = ACCESS_WAITS;
    }
    pthread_mutex_unlock(&verifier->lock);
    return answer;
}

enum verifier_answer verifier_take(
    struct verifier *verifier, struct verification **verification, struct grant *ret_grant)
{
    struct verification *one = *verification;
    enum verifier_answer answer = VERIFIER_WAITS;

    pthread_mutex_lock(&verifier->lock);
    if (one->state == VERIFICATION_DONE) {
        answer = one->answer;
        *verification = NULL;
        if (answer == VERIFIER_RIGHT) {
            *ret_grant = (struct grant){one->question.credentials, one->question.principal};
            one->question.credentials = NULL;
        }
        verification_end(one);
    }
    pthread_mutex_unlock(&verifier->lock);
    return answer;
}

bool verifier_forget(struct verifier *verifier, struct verification **verification)
{
    struct verification *one = *verification;

    *verification = NULL;
    if (!one)
        return true;
    pthread_mutex_lock(&verifier->lock);
    const bool told = one->state == VERIFICATION_DONE;
    if (one->state == VERIFICATION_HASHED)
        one->state = VERIFICATION_FORGOTTEN;
    else
        verification_end(one);
    pthread_mutex_unlock(&verifier->lock);
    return !told;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* NULL: nobody waits. @holds verifier.lock */
static struct verification *verifier_next(struct verifier *verifier)
{
    struct verification *next = NULL;

    for (size_t i = 0; i < VERIFIER_MOST && !verifier->stopping; i++) {
        struct verification *one = &verifier->all[i];
        if (one->state == VERIFICATION_WAITS &&
            (!next || one->turn < next->turn || (one->turn == next->turn && one->number < next->number)))
            next = one;
    }
    return next;
}

/* Nobody's takes as long as somebody's. */
static enum verifier_answer verification_hash(const struct verification *verification)
{
    const struct verifier_question *question = &verification->question;
    struct principal *principal = question->principal;

    /* Who else asked it has been told meanwhile. */
    if (principal && password_has_mark(principal->password, question->mark))
        return VERIFIER_RIGHT;
    if (!password_is(question->password, question->secret) || !principal)
        return VERIFIER_WRONG;
    password_keep_mark(principal->password, question->mark);
    return VERIFIER_RIGHT;
}

bool verifier_step(struct verifier *verifier)
{
    enum verifier_answer answer = VERIFIER_LATE;

    pthread_mutex_lock(&verifier->lock);
    struct verification *one = verifier_next(verifier);
    if (one) {
        one->state = VERIFICATION_HASHED;
        verifier->turn = one->turn;
    }
    pthread_mutex_unlock(&verifier->lock);
    if (!one)
        return false;
    const struct verifier_question *question = &one->question;
    if (clock_monotonic(verifier->clock) - one->asked <= VERIFIER_PATIENCE)
        answer = verification_hash(one);
    /* Before its place is free: so that no more are under way than may be. */
    if (answer == VERIFIER_WRONG && question->counted)
        guess_count(verifier->guesses, question->address, clock_monotonic(verifier->clock));
    pthread_mutex_lock(&verifier->lock);
    one->answer = answer;
    if (one->state == VERIFICATION_FORGOTTEN)
        verification_end(one);
    else {
        one->state = VERIFICATION_DONE;
        question->told(question->context);
    }
    pthread_mutex_unlock(&verifier->lock);
    return true;
}

static void *verifier_loop(void *context)
{
    struct verifier *verifier = context;
    bool stopping = false;

    while (!stopping) {
        while (verifier_step(verifier))
            ;
        pthread_mutex_lock(&verifier->lock);
        while (!verifier->stopping && !verifier_next(verifier))
            pthread_cond_wait(&verifier->more, &verifier->lock);
        stopping = verifier->stopping;
        pthread_mutex_unlock(&verifier->lock);
    }
    return NULL;
}

int verifier_run(struct verifier *verifier, struct error *error)
{
    sigset_t all, before;

    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&verifier->thread, NULL, verifier_loop, verifier);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno)
        return error_set_errno(
            error, ERROR_FATAL, "verifier: thread"); /* GCOVR_EXCL_LINE there are always some left */
    pthread_setname_np(verifier->thread, "verifier");
    verifier->running = true;
    return 0;
}

void verifier_free(struct verifier **verifier)
{
    struct verifier *old = *verifier;

    *verifier = NULL;
    if (!old)
        return;
    pthread_mutex_lock(&old->lock);
    old->stopping = true;
    pthread_cond_signal(&old->more);
    pthread_mutex_unlock(&old->lock);
    if (old->running)
        pthread_join(old->thread, NULL);
    for (size_t i = 0; i < VERIFIER_MOST; i++)
        verification_end(&old->all[i]);
    pthread_cond_destroy(&old->more);
    pthread_mutex_destroy(&old->lock);
    free(old);
}
