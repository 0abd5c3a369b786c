/* verifier: the one thread that hashes passwords, which takes a tenth of a second each: no I/O thread does.
 *
 * A question waits for its turn, of which there are VERIFIER_MOST, of one address VERIFIER_SHARE; addresses take turns, so who asks much does not hold up who asks
 * once. One that has waited for VERIFIER_PATIENCE is told so without a hash. Who asked is told (`told`), takes the answer and gives the place back, or forgets the
 * question: nobody is told any more then, and what was not begun is not hashed. A wrong one counts as a guess of its address, whether somebody waits for it or not, and an
 * address has no more questions under way than guesses left; one that many share has one all the same, so that nobody who is behind it keeps the others there out for longer than a hash takes. Questions hold copies of passwords, which are wiped with them.
 */
#ifndef PENSTOCK_ACCESS_VERIFIER_H
#define PENSTOCK_ACCESS_VERIFIER_H

#include "access/access.h"
#include "access/guess.h"
#include "access/password.h"

#define VERIFIER_MOST 64
#define VERIFIER_SHARE 16
#define VERIFIER_PATIENCE (5 * CLOCK_SECOND)

struct verifier;
struct verification;

struct verifier_question {
    struct credentials *credentials; /* a hold of them */
    struct principal
        *principal; /* whose it has to be; NULL: nobody's, it is hashed for the time that takes */
    const struct password *password; /* the principal's; of nobody: any */
    struct slice secret; /* copied */
    unsigned char mark[PASSWORD_MARK]; /* of the principal and it */
    unsigned char address[GUESS_ADDRESS];
    bool counted; /* the address is one, */
    bool shared; /* of many */
    access_told_fn *told; /* @thread verifier, holding its lock: a push and a wake, no more */
    void *context;
};

enum verifier_answer {
    VERIFIER_WAITS,
    VERIFIER_RIGHT,
    VERIFIER_WRONG,
    VERIFIER_LATE, /* it was not looked at */
};

/* @thread main, as the next two. The clock and the guesses outlive it. */
int verifier_new(
    struct verifier **ret_verifier, const struct clock *clock, struct guesses *guesses, struct error *error);
int verifier_run(struct verifier *verifier, struct error *error);
/* Ends the thread, behind the password at hand. Nobody has a question any more. */
void verifier_free(struct verifier **verifier);

/* WAITS: it is asked, and the hold is the verifier's. GUESSING, BUSY: it is not. @thread any, as all that follow */
enum access_answer verifier_ask(struct verifier *verifier, const struct verifier_question *question,
    struct verification **ret_verification);
/* Sets NULL unless it waits. RIGHT: the grant is set. */
enum verifier_answer verifier_take(
    struct verifier *verifier, struct verification **verification, struct grant *ret_grant);
/* Sets NULL. False: who asked has been told before. NULL is allowed. */
bool verifier_forget(struct verifier *verifier, struct verification **verification);

/* The next question, if there is one. @thread verifier; a test that does not run it */
bool verifier_step(struct verifier *verifier);

#endif
