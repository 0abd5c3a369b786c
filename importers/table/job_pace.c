/* job_pace: how kind an import is to the database: its rate, standbys that fall behind, and the age of its snapshot. */
#include <time.h>

#include "table/job_internal.h"

#define PACE_SLEEP (CLOCK_SECOND / 10) /* at most, before a waiting worker looks whether it is over */
#define PACE_LOOK_PERIOD CLOCK_SECOND
#define PACE_ASK_AGAIN (30 * CLOCK_SECOND) /* after it could not be asked */
#define PACE_AGE_PERIOD (600 * CLOCK_SECOND)
/* On a standby it may be this import's own snapshot that holds up the replay, which pausing does not help: so pauses end, and have a distance. */
#define PACE_PAUSE_MOST (60 * CLOCK_SECOND)

void job_pace_open(struct job *job)
{
    const int64_t now = clock_monotonic(job->options->clock);

    pace_open(&job->pace.pace, job->options->max_rate, now);
    job->pace.next_age = now + PACE_AGE_PERIOD;
    job->pace.resumed_at = now - PACE_PAUSE_MOST;
}

static void pace_disconnect(struct job *job)
{
    if (job->pace.connection)
        job->options->kind->disconnect(&job->pace.connection);
}

void job_pace_close(struct job *job)
{
    pace_disconnect(job);
    pace_close(&job->pace.pace);
}

struct read_options job_pace_read(const struct job *job)
{
    struct read_options how = job->options->read;
    const uint64_t most = how.batch_bytes ? how.batch_bytes : READ_BATCH_BYTES;

    how.batch_bytes = (size_t)pace_step(job->options->max_rate, most);
    return how;
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

void job_pace_take(struct job *job, uint64_t bytes)
{
    int64_t now = clock_monotonic(job->options->clock);
    const int64_t until = now + pace_take(&job->pace.pace, bytes, now);

    while ((now < until || atomic_load(&job->pace.paused)) && !job_is_over(job)) {
        const int64_t left = now < until && until - now < PACE_SLEEP ? until - now : PACE_SLEEP;
        nanosleep(&(struct timespec){0, left * 1000}, NULL);
        now = clock_monotonic(job->options->clock);
    }
}

/* ---- standbys ---------------------------------------------------------------------------------------------------- */

static int pace_ask(struct job *job, struct database_lag *ret_lag, struct error *error)
{
    const struct database_kind *kind = job->options->kind;

    if (!job->pace.connection && kind->connect(job->database, &job->pace.connection, error))
        return -1;
    if (kind->lag(job->pace.connection, ret_lag, error) == 0)
        return 0;
    pace_disconnect(job);
    return -1;
}

static void pace_complain(struct job *job, const char *text)
{
    if (!job->pace.complained)
        job_note(job, "%s: --max-lag has no effect while that is so", text);
    job->pace.complained = true;
}

static void pace_pause(struct job *job, const struct database_lag *lag, int64_t now)
{
    struct job_pace *pace = &job->pace;
    const bool behind = lag->behind > (int64_t)job->options->max_lag * CLOCK_SECOND,
               standby = job->server.standby;
    const bool paused = atomic_load(&pace->paused);

    if (!paused && behind && (!standby || now - pace->resumed_at >= PACE_PAUSE_MOST)) {
        pace->paused_at = now;
        atomic_store(&pace->paused, true);
        job_note(job, "%s is %.1f s behind: no rows are read until it is less than %u s",
            standby ? "this standby" : "a standby", (double)lag->behind / (double)CLOCK_SECOND,
            job->options->max_lag);
    } else if (paused && !behind) {
        pace->resumed_at = now - PACE_PAUSE_MOST;
        atomic_store(&pace->paused, false);
        job_note(job, "it is not any more: rows are read again");
    } else if (paused && standby && now - pace->paused_at >= PACE_PAUSE_MOST) {
        pace->resumed_at = now;
        atomic_store(&pace->paused, false);
        job_note(job,
            "it is still: rows are read again for a while, because the import's own snapshot may be what holds up the standby");
    }
}

static void pace_look_at_standbys(struct job *job, int64_t now)
{
    struct database_lag lag = {0};
    struct error error;

    if (pace_ask(job, &lag, &error)) {
        pace_complain(job, error.text);
        job->pace.next_ask = now + PACE_ASK_AGAIN;
    } else if (lag.hidden)
        pace_complain(job, "this user may not see how far standbys are behind (GRANT pg_monitor)");
    else
        job->pace.complained = false;
    /* What cannot be asked about holds up nobody. */
    pace_pause(job, &lag, now);
}

/* ---- the snapshot ------------------------------------------------------------------------------------------------ */

static void pace_end(struct job *job, int64_t age)
{
    struct error error;

    error_set(&error, ERROR_RETRY,
        "the snapshot is %lld s old, --max-snapshot-age is %u: the import ends, so that VACUUM can go on",
        (long long)(age / CLOCK_SECOND), job->options->max_snapshot_age);
    job_fail(job, &error);
    /* Nor is it kept for an import that would go on. */
    if (job->keeper)
        keeper_end(&job->keeper);
}

static void pace_look_at_age(struct job *job, int64_t now)
{
    /* The server's clock and this machine's: what they differ by does not matter for what takes minutes. */
    const int64_t age = clock_wall(job->options->clock) - job->snapshot.taken;

    if (job->options->max_snapshot_age && age > (int64_t)job->options->max_snapshot_age * CLOCK_SECOND) {
        pace_end(job, age);
        return;
    }
    if (now < job->pace.next_age)
        return;
    job->pace.next_age = now + PACE_AGE_PERIOD;
    job_note(job, "the snapshot is %lld minutes old: until the import ends VACUUM removes nothing newer",
        (long long)(age / CLOCK_SECOND / 60));
}

void job_pace_look(struct job *job)
{
    const int64_t now = clock_monotonic(job->options->clock);

    if (job_is_over(job) || now < job->pace.next_look)
        return;
    job->pace.next_look = now + PACE_LOOK_PERIOD;
    if (job->options->max_lag && now >= job->pace.next_ask)
        pace_look_at_standbys(job, now);
    if (*job->snapshot.id)
        pace_look_at_age(job, now);
}
