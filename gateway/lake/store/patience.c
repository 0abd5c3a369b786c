/* patience: see patience.h */
#include "lake/store/patience.h"

#include <poll.h>
#include <sys/random.h>

#include "lake/lake.h"

#define PATIENCE_ALL (30 * CLOCK_SECOND)
#define PATIENCE_SILENT CLOCK_SECOND /* a store that is busy for a moment is nobody's trouble */
#define PATIENCE_PAUSE_LEAST (CLOCK_SECOND / 10)
#define PATIENCE_PAUSE_MOST (5 * CLOCK_SECOND)
#define PATIENCE_LOOK (CLOCK_SECOND / 20) /* between two looks at give_up() */

struct patience patience_new(const struct lake_options *options)
{
    return (struct patience){.options = options, .pause = PATIENCE_PAUSE_LEAST};
}

/* Between half of it and all of it. */
static int64_t patience_jitter(int64_t pause)
{
    uint16_t random = 0;

    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = UINT16_MAX; /* then all wait for the same time */
    return pause / 2 + pause / 2 * random / UINT16_MAX;
}

bool patience_wait(struct patience *patience, int64_t wanted, const struct error *trouble)
{
    const struct lake_options *options = patience->options;
    const int64_t now = clock_monotonic(options->clock);
    const int64_t pause = patience_jitter(patience->pause);

    if (patience->until == 0)
        patience->until = now + PATIENCE_ALL;
    if (options->trouble && !patience->told && now >= patience->until - PATIENCE_ALL + PATIENCE_SILENT) {
        patience->told = true;
        options->trouble(options->context, trouble);
    }
    patience->pause = patience->pause * 2 < PATIENCE_PAUSE_MOST ? patience->pause * 2 : PATIENCE_PAUSE_MOST;
    int64_t left = wanted > pause ? wanted : pause;
    if (now + left > patience->until)
        return false;
    for (; left > 0; left -= PATIENCE_LOOK) {
        if (options->give_up && options->give_up(options->context))
            return false;
        poll(NULL, 0, (int)((left < PATIENCE_LOOK ? left : PATIENCE_LOOK) / 1000));
    }
    return true;
}
