/* job_resume: what an earlier import into the same target has left: goes on with it, or takes it away; see job.h. */
#include <stdlib.h>

#include "table/job_state.h"
#include "table/target.h"

#define RESUME_LEFTOVERS_MAX 64 /* that are looked at */

/* ---- going on --------------------------------------------------------------------------------------------------------- */

static void resume_forget(struct job *job)
{
    job_state_close(&job->state);
    if (job->attempt)
        attempt_keep(job->attempt, false);
    attempt_close(&job->attempt);
    job->resumed = false;
    job->snapshots_count = 0;
}

/* The first one that says what it was; others were killed before they had begun. */
static int resume_find(struct job *job, bool *ret_busy, struct error *error)
{
    bool busy;

    *ret_busy = false;
    for (int tries = 0; tries < RESUME_LEFTOVERS_MAX; tries++) {
        if (attempt_find(&job->attempt, job->options->target, &busy, error))
            return -1;
        *ret_busy |= busy;
        if (!job->attempt)
            return 0;
        job->resumed = true;
        if (job_state_open(&job->state, job->attempt, error))
            return -1;
        if (job_state_is_whole(job->state))
            return 0;
        resume_forget(job);
    }
    return 0;
}

/* Nothing is left to be read: only to be published. */
static bool resume_is_read(const struct job_state *state)
{
    const json_t *table;
    size_t splits = 0, i;

    json_array_foreach(json_object_get(state->begun, "tables"), i, table)
    {
        splits += json_array_size(json_object_get(table, "splits"));
    }
    return json_array_size(state->splits) >= splits;
}

static int resume_without_snapshot(struct job *job, const struct error *why, struct error *error)
{
    const size_t done = json_array_size(job->state->splits);

    if (resume_is_read(job->state)) {
        job->snapshot = job->snapshots[job->snapshots_count - 1];
        return 0;
    }
    /* Whatever was asked for: nothing is lost with it. */
    if (done == 0 || job->options->resume == RESUME_RESTART) {
        job_note(job, "the snapshot is gone: %s: the import begins anew", why->text);
        resume_forget(job);
        return 0;
    }
    if (job->options->topic && job->options->topic->transactional)
        return error_set(error, ERROR_REJECT,
            "the snapshot is gone: %.200s; %zu splits are committed in topic %s and stay there, so what is left of them all cannot be read any more: "
            "begin anew without --resume, into an empty topic",
            why->text, done, job->options->topic->name);
    if (job->options->resume == RESUME_SAME)
        return error_set(error, ERROR_REJECT,
            "the snapshot is gone: %.200s; %zu splits are finished: --resume=mixed keeps them and reads the rest as it is now, "
            "so rows that were changed meanwhile may be missing or there twice; --resume=restart begins anew",
            why->text, done);
    if (job->snapshots_count == JOB_SNAPSHOTS_MAX)
        return error_set(error, ERROR_REJECT, "the import has gone on in %d snapshots already: begin anew",
            JOB_SNAPSHOTS_MAX);
    job_note(job,
        "the snapshot is gone: %s: %zu finished splits are kept, the rest is read as it is now, so rows that were changed meanwhile may be missing or there twice",
        why->text, done);
    job->mixed = true;
    return 0;
}

int job_resume(struct job *job, struct error *error)
{
    struct error why;
    bool busy, held;

    if (resume_find(job, &busy, error))
        return -1;
    if (!job->attempt && busy)
        return error_set(
            error, ERROR_REJECT, "target directory %s: an import into it is at work", job->options->target);
    if (!job->attempt) {
        job_note(job, "there is no unfinished import into %s: it begins", job->options->target);
        return 0;
    }
    if (job_state_check(job->state, job->options, error) ||
        attempt_check(job->attempt, job->options->how, error))
        return -1;
    if (job->target->settle && job->target->settle(job, error))
        return -1;
    job->snapshots_count = job->state->snapshots_count;
    memcpy(job->snapshots, job->state->snapshots, sizeof job->snapshots);
    if (job->options->snapshot.not_consistent)
        return 0;
    if (keeper_attach(&job->keeper, job->state->keeper, &held, &why))
        return resume_without_snapshot(job, &why, error);
    if (!held)
        return resume_without_snapshot(job, &why, error);
    job->snapshot = job->snapshots[job->snapshots_count - 1];
    return 0;
}

/* ---- taking away ------------------------------------------------------------------------------------------------------- */

static void drop_keeper(const struct job_state *state)
{
    __attribute__((cleanup(keeper_end))) struct keeper *keeper = NULL;
    struct error ignored;
    bool held;

    if (*state->keeper)
        keeper_attach(&keeper, state->keeper, &held, &ignored);
}

void job_drop_others(struct job *job)
{
    struct error ignored;
    bool busy;

    for (int tries = 0; tries < RESUME_LEFTOVERS_MAX; tries++) {
        __attribute__((cleanup(attempt_close))) struct attempt *attempt = NULL;
        __attribute__((cleanup(job_state_close))) struct job_state *state = NULL;
        if (attempt_find(&attempt, job->options->target, &busy, &ignored) || !attempt)
            return;
        attempt_keep(attempt, false);
        if (job_state_open(&state, attempt, &ignored))
            continue;
        drop_keeper(state);
        if (job->target->drop)
            job->target->drop(job, state);
        job_note(job, "%s, which an unfinished import has left, is deleted: %zu of its splits were finished",
            attempt_where(attempt), json_array_size(state->splits));
    }
}

/* ---- leaving ---------------------------------------------------------------------------------------------------------- */

/* One that could not even be begun again is not touched. */
bool job_is_kept(const struct job *job)
{
    size_t done = 0;

    for (size_t i = 0; i < job->tables_count; i++) {
        const struct job_table *table = &job->tables[i];
        done += atomic_load(&table->done);
        for (size_t k = 0; table->results && k < table->plan->count; k++)
            done += table->results[k].prepared && !table->results[k].done;
    }
    return job->attempt && attempt_can_go_on(job->attempt) && (done > 0 || (job->resumed && !job->workers));
}

struct job_left job_left(struct job *job)
{
    struct job_left left = {.kept = job_is_kept(job), .seconds = job->options->keep_snapshot};

    for (size_t i = 0; i < job->tables_count; i++) {
        left.splits += job->tables[i].plan->count;
        left.splits_done += atomic_load(&job->tables[i].done);
    }
    left.held = left.kept && job->keeper && left.seconds && keeper_holds(job->keeper);
    return left;
}
