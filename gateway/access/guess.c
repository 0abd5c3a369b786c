/* guess: see guess.h */
#include "access/guess.h"

#include <sys/random.h>

#include "base/fnv.h"

int guess_begin(struct guesses *guesses, struct error *error)
{
    if (getrandom(&guesses->seed, sizeof guesses->seed, 0) != sizeof guesses->seed)
        /* GCOVR_EXCL_START the kernel always has some */
        return error_set_errno(error, ERROR_FATAL, "no random bytes");
    /* GCOVR_EXCL_STOP */
    pthread_mutex_init(&guesses->lock, NULL);
    return 0;
}

void guess_end(struct guesses *guesses)
{
    pthread_mutex_destroy(&guesses->lock);
}

bool guess_count(struct guesses *guesses, const unsigned char address[GUESS_ADDRESS], int64_t now)
{
    const uint64_t hash = fnv_add(guesses->seed, address, GUESS_ADDRESS);
    const size_t index = (hash ^ hash >> 32) % GUESS_SLOTS;
    bool many;

    pthread_mutex_lock(&guesses->lock);
    if (memcmp(guesses->slots[index].address, address, GUESS_ADDRESS) != 0) {
        memcpy(guesses->slots[index].address, address, GUESS_ADDRESS);
        guesses->slots[index].due = now;
    }
    const int64_t due = guesses->slots[index].due > now ? guesses->slots[index].due : now;
    many = due + ACCESS_GUESS_PAUSE > now + ACCESS_GUESSES * ACCESS_GUESS_PAUSE;
    if (!many)
        guesses->slots[index].due = due + ACCESS_GUESS_PAUSE;
    pthread_mutex_unlock(&guesses->lock);
    return many;
}
