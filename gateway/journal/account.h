/* account: whose the bytes of the kept records are; its public face is in journal.h ("accounts").
 *
 * What a group writes is summed up by account, and added when it is durable to the newest stretch: some records behind each other, with a sum for each
 * account. When the outlets have passed a stretch its sums are taken away. So that this comes soon, a stretch is short against the smallest limit, and ends with
 * each group that brings more of somebody who is over his; so that there are few, the smallest neighbours become one when there are too many.
 * All of them stand in every snapshot, and recovery adds what the last segment has behind that. What is not known (segments of a version that did not
 * count) counts for nobody, and goes with its segments.
 */
#ifndef PENSTOCK_JOURNAL_ACCOUNT_H
#define PENSTOCK_JOURNAL_ACCOUNT_H

#include "journal/journal.h"
#include "journal/scan.h"

#define ACCOUNT_STRETCHES 128
#define ACCOUNTS_MAX 2048 /* fewer in small segments */
#define ACCOUNT_SLOTS (2 * ACCOUNTS_MAX)

struct account {
    uint32_t number;
    uint64_t bytes; /* in all stretches */
    struct journal_quota *quota; /* or NULL */
    uint64_t in[ACCOUNT_STRETCHES];
};

struct stretch {
    uint64_t last; /* sequence of its last record */
    uint64_t bytes;
};

struct accounts {
    /* guarded by the journal's lock; the stretches change on the committer alone, or while the journal opens */
    struct account *items; /* by number */
    size_t count, capacity, most;
    struct stretch stretches[ACCOUNT_STRETCHES]; /* oldest first, each with something in it */
    size_t stretches_count;
    bool open; /* the last one takes more */
    uint64_t step; /* bytes of a stretch */
    uint64_t covered; /* newest record that was counted */
    struct journal_quota *quotas;

    /* the committer's: what the group that is being written brings */
    struct account_sum {
        uint32_t number;
        uint64_t bytes; /* 0: free */
    } sums[ACCOUNT_SLOTS];
    uint16_t used[ACCOUNTS_MAX]; /* slots */
    size_t used_count;
};

void account_init(struct journal *journal);
void account_free(struct journal *journal);

/* The group is written, perhaps for the second time: nothing of it is counted yet. @thread committer */
void account_begin_group(struct journal *journal);
/* A record of it, whose body has this length and begins so. @thread committer */
void account_write(struct journal *journal, struct slice head, uint64_t length);
/* The group is durable, with its cursors. @holds lock */
void account_publish(struct journal *journal);

/* A record that is kept, in the order of the log, snapshots with it. @thread main, as all that follows */
void account_recover(struct journal *journal, const struct scan_frame *found);
/* That was the last one, and the cursors are known. */
void account_recovered(struct journal *journal);
int account_apply(struct journal *journal, const char *body, size_t length, struct error *error);
/* @thread committer, main while the journal opens */
int account_dump(struct journal *journal, state_emit_fn *emit, void *context, struct error *error);

#endif
