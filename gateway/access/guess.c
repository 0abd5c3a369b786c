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

static size_t guess_slot(const struct guesses *guesses, const unsigned char address[GUESS_ADDRESS])
{
    const uint64_t hash = fnv_add(guesses->seed, address, GUESS_ADDRESS);

    return (hash ^ hash >> 32) % GUESS_SLOTS;
}

size_t guess_left(struct guesses *guesses, const unsigned char address[GUESS_ADDRESS], int64_t now)
{
    const size_t index = guess_slot(guesses, address);
    int64_t due = now;

    pthread_mutex_lock(&guesses->lock);
    if (memcmp(guesses->slots[index].address, address, GUESS_ADDRESS) == 0 && guesses->slots[index].due > now)
        due = guesses->slots[index].due;
    pthread_mutex_unlock(&guesses->lock);
    return (size_t)((now + ACCESS_GUESSES * ACCESS_GUESS_PAUSE - due) / ACCESS_GUESS_PAUSE);
}

bool guess_count(struct guesses *guesses, const unsigned char address[GUESS_ADDRESS], int64_t now)
{
    const size_t index = guess_slot(guesses, address);
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
