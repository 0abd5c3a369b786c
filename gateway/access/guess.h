/* guess: which addresses send wrong secrets, and how many. A table of fixed size: an address that comes later may take the place of an earlier one's, which is
 * forgotten then; who has very many addresses is not held up by it, nor is anybody by him. @thread any
 */
#ifndef PENSTOCK_ACCESS_GUESS_H
#define PENSTOCK_ACCESS_GUESS_H

#include <pthread.h>
#include <stdbool.h>

#include "access/access.h"

#define GUESS_ADDRESS PEERS_ADDRESS

#define GUESS_SLOTS 4096

struct guesses {
    pthread_mutex_t lock; /* guards the slots */
    uint64_t seed; /* nobody can choose who shares a slot */
    struct {
        unsigned char address[GUESS_ADDRESS];
        int64_t
            due; /* when its guesses would be paid for at their pace (monotonic); before now: none count */
    } slots[GUESS_SLOTS];
};

/* Of a zeroed one. */
int guess_begin(struct guesses *guesses, struct error *error);
void guess_end(struct guesses *guesses);
/* How many the address may still send now. */
size_t guess_left(struct guesses *guesses, const unsigned char address[GUESS_ADDRESS], int64_t now);
/* One more, now. True: that is too many. */
bool guess_count(struct guesses *guesses, const unsigned char address[GUESS_ADDRESS], int64_t now);

#endif
