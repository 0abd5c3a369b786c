/* account: see account.h. A stretch as stored: u8 version, 7 bytes 0, u64 last, then per account u32 number, u64 bytes. */
#include "journal/account.h"

#include <assert.h>
#include <stdlib.h>

#include "base/little.h"
#include "journal/internal.h"
#include "record/record.h"

#define ACCOUNT_VERSION 1
#define ACCOUNT_HEAD 16
#define ACCOUNT_ENTRY 12
#define STEPS_OF_LIMIT 16 /* stretches of the smallest limit */
#define STEPS_OF_ALL 64 /* and at least so many of the journal */
#define STEPS_OF_SEGMENT 8

static uint64_t accounts_share(const struct journal *journal)
{
    return journal->options.segment_size / JOURNAL_ACCOUNTS_SHARE;
}

void account_init(struct journal *journal)
{
    struct accounts *accounts = &journal->accounts;
    const uint64_t share = accounts_share(journal), head = ACCOUNT_HEAD + STATE_FRAME_OVERHEAD;
    const uint64_t all = journal->options.max_size / STEPS_OF_ALL;
    const uint64_t segment = journal->options.segment_size / STEPS_OF_SEGMENT;

    accounts->most = share > head ? (share - head) / ACCOUNT_ENTRY : 0;
    if (accounts->most > ACCOUNTS_MAX)
        accounts->most = ACCOUNTS_MAX;
    accounts->step = all < segment ? all : segment;
}

void account_free(struct journal *journal)
{
    free(journal->accounts.items);
}

/* ---- accounts ------------------------------------------------------------------------------------------------- */

/* Where it stands or would stand. */
static size_t account_place(const struct accounts *accounts, uint32_t number)
{
    size_t low = 0, high = accounts->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (accounts->items[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct account *account_find(struct accounts *accounts, uint32_t number)
{
    const size_t place = account_place(accounts, number);

    return place < accounts->count && accounts->items[place].number == number ? &accounts->items[place]
                                                                              : NULL;
}

/* Those of which nothing is kept, and that nobody asked for. */
static void accounts_prune(struct accounts *accounts)
{
    size_t kept = 0;

    for (size_t i = 0; i < accounts->count; i++) {
        if (accounts->items[i].bytes || accounts->items[i].quota)
            accounts->items[kept++] = accounts->items[i];
    }
    accounts->count = kept;
}

/* Room for one more; false: there is none in a snapshot. */
static bool accounts_reserve(struct accounts *accounts)
{
    if (accounts->count == accounts->most)
        accounts_prune(accounts);
    if (accounts->count == accounts->most)
        return false;
    if (accounts->count < accounts->capacity)
        return true;
    const size_t capacity = accounts->capacity ? 2 * accounts->capacity : 8;
    struct account *items = reallocarray(accounts->items, capacity, sizeof *items);
    if (!items)
        return false; /* GCOVR_EXCL_LINE: memory is gone */
    accounts->items = items;
    accounts->capacity = capacity;
    return true;
}

/* Found or added; NULL: it cannot be counted. */
static struct account *account_make(struct accounts *accounts, uint32_t number)
{
    struct account *found = account_find(accounts, number);

    if (found)
        return found;
    if (!accounts_reserve(accounts))
        return NULL;
    struct account *at = &accounts->items[account_place(accounts, number)];
    memmove(at + 1, at, (size_t)(accounts->items + accounts->count - at) * sizeof *at);
    *at = (struct account){.number = number};
    accounts->count++;
    return at;
}

/* ---- stretches ------------------------------------------------------------------------------------------------ */

static void stretch_remove(struct accounts *accounts, size_t index)
{
    const size_t behind = --accounts->stretches_count - index;

    memmove(
        &accounts->stretches[index], &accounts->stretches[index + 1], behind * sizeof *accounts->stretches);
    for (size_t i = 0; i < accounts->count; i++) {
        uint64_t *in = accounts->items[i].in;
        memmove(&in[index], &in[index + 1], behind * sizeof *in);
        in[accounts->stretches_count] = 0;
    }
}

/* Two neighbours become one: those that are smallest together. */
static void stretches_merge(struct accounts *accounts)
{
    const struct stretch *all = accounts->stretches;
    size_t least = 0;

    for (size_t i = 1; i + 1 < accounts->stretches_count; i++) {
        if (all[i].bytes + all[i + 1].bytes < all[least].bytes + all[least + 1].bytes)
            least = i;
    }
    accounts->stretches[least + 1].bytes += all[least].bytes;
    for (size_t i = 0; i < accounts->count; i++)
        accounts->items[i].in[least + 1] += accounts->items[i].in[least];
    stretch_remove(accounts, least);
}

/* One that takes more. */
static void stretch_begin(struct accounts *accounts)
{
    if (accounts->open)
        return;
    if (accounts->stretches_count == ACCOUNT_STRETCHES)
        stretches_merge(accounts);
    accounts->stretches[accounts->stretches_count++] = (struct stretch){0};
    accounts->open = true;
}

static void stretch_add(struct accounts *accounts, uint32_t number, uint64_t bytes)
{
    const size_t last = accounts->stretches_count - 1;
    struct account *account = account_make(accounts, number);

    if (!account)
        return;
    accounts->stretches[last].bytes += bytes;
    account->in[last] += bytes;
    account->bytes += bytes;
    if (account->quota)
        account->quota->bytes += bytes;
}

static void stretch_reach(struct accounts *accounts, uint64_t last)
{
    accounts->stretches[accounts->stretches_count - 1].last = accounts->covered = last;
}

/* What all outlets have passed. */
static void accounts_release(struct accounts *accounts, uint64_t passed)
{
    while (accounts->stretches_count && accounts->stretches[0].last <= passed) {
        for (size_t i = 0; i < accounts->count; i++) {
            struct account *account = &accounts->items[i];
            account->bytes -= account->in[0];
            if (account->quota)
                account->quota->bytes -= account->in[0];
        }
        stretch_remove(accounts, 0);
    }
    accounts->open = accounts->open && accounts->stretches_count;
}

/* ---- quotas --------------------------------------------------------------------------------------------------- */

/* Once over, it has to come down some way, so that it does not change with every group. */
static void accounts_judge(struct accounts *accounts)
{
    for (struct journal_quota *quota = accounts->quotas; quota; quota = quota->next) {
        const uint64_t bound = quota->over ? quota->limit - quota->limit / 8 : quota->limit;
        const bool over = quota->limit && quota->bytes > bound;
        if (over && !quota->over)
            quota->times++;
        if (quota->over != over) /* sources look at it all the time */
            quota->over = over;
    }
}

static void accounts_set_step(struct accounts *accounts)
{
    for (const struct journal_quota *quota = accounts->quotas; quota; quota = quota->next) {
        if (quota->limit && quota->limit / STEPS_OF_LIMIT < accounts->step)
            accounts->step = quota->limit / STEPS_OF_LIMIT;
    }
}

void journal_quota_set(struct journal *journal, struct journal_quota *quota, uint64_t limit)
{
    struct accounts *accounts = &journal->accounts;
    struct journal_quota **at = &accounts->quotas;

    lock_take(journal);
    while (*at && *at != quota)
        at = &(*at)->next;
    *at = quota;
    quota->limit = limit;
    accounts_set_step(accounts);
    accounts_judge(accounts);
    lock_release(journal);
}

int journal_quota_add(
    struct journal *journal, struct journal_quota *quota, uint32_t number, struct error *error)
{
    lock_take(journal);
    struct account *account = account_make(&journal->accounts, number);
    assert(!account || !account->quota || account->quota == quota);
    if (account && !account->quota) {
        account->quota = quota;
        quota->bytes += account->bytes;
        accounts_judge(&journal->accounts);
    }
    lock_release(journal);
    return account ? 0
                   : error_set(error, ERROR_REJECT,
                         "the journal counts for %zu accounts (journal.segment_size): raise it",
                         journal->accounts.most);
}

size_t journal_accounts(struct journal *journal, uint32_t *numbers, size_t most)
{
    lock_take(journal);
    const size_t count = journal->accounts.count;
    for (size_t i = 0; i < count && i < most; i++)
        numbers[i] = journal->accounts.items[i].number;
    lock_release(journal);
    return count;
}

/* ---- groups --------------------------------------------------------------------------------------------------- */

void account_begin_group(struct journal *journal)
{
    struct accounts *accounts = &journal->accounts;

    while (accounts->used_count)
        accounts->sums[accounts->used[--accounts->used_count]].bytes = 0;
}

void account_write(struct journal *journal, struct slice head, uint64_t length)
{
    struct accounts *accounts = &journal->accounts;
    const uint32_t number = record_head_rendering(head);
    size_t slot = number % ACCOUNT_SLOTS;

    while (accounts->sums[slot].bytes && accounts->sums[slot].number != number)
        slot = (slot + 1) % ACCOUNT_SLOTS;
    if (!accounts->sums[slot].bytes) {
        if (accounts->used_count == ACCOUNTS_MAX)
            return;
        accounts->used[accounts->used_count++] = (uint16_t)slot;
        accounts->sums[slot].number = number;
    }
    accounts->sums[slot].bytes += frame_size(length);
}

/* Somebody who is over his limit is among those that the group brought something for. */
static bool group_is_over(struct accounts *accounts)
{
    bool over = false;

    for (size_t i = 0; i < accounts->used_count && !over; i++) {
        const struct account *account = account_find(accounts, accounts->sums[accounts->used[i]].number);
        over = account && account->quota && account->quota->over;
    }
    return over;
}

void account_publish(struct journal *journal)
{
    struct accounts *accounts = &journal->accounts;

    if (accounts->used_count) {
        stretch_begin(accounts);
        for (size_t i = 0; i < accounts->used_count; i++) {
            const struct account_sum *sum = &accounts->sums[accounts->used[i]];
            stretch_add(accounts, sum->number, sum->bytes);
        }
        stretch_reach(accounts, journal->sequence);
    }
    accounts_release(accounts, cursor_least(journal));
    accounts_judge(accounts);
    if (accounts->open)
        accounts->open = accounts->stretches[accounts->stretches_count - 1].bytes < accounts->step &&
                         !group_is_over(accounts);
}

/* ---- the stored form ------------------------------------------------------------------------------------------ */

void account_recover(struct journal *journal, const struct scan_frame *found)
{
    struct accounts *accounts = &journal->accounts;
    const struct slice body = {found->body, found->frame.length};

    if (found->frame.sequence <= accounts->covered || !accounts->most) /* a view counts nothing */
        return;
    stretch_begin(accounts);
    stretch_add(accounts, record_head_rendering(body), frame_size(found->frame.length));
    stretch_reach(accounts, found->frame.sequence);
    accounts->open = accounts->stretches[accounts->stretches_count - 1].bytes < accounts->step;
}

void account_recovered(struct journal *journal)
{
    accounts_release(&journal->accounts, cursor_least(journal));
    journal->accounts.open = false;
}

/* What was counted already stands in a later snapshot, too: in that of a segment that a tail was copied to, and where all segments are read. */
int account_apply(struct journal *journal, const char *body, size_t length, struct error *error)
{
    struct accounts *accounts = &journal->accounts;

    if (length < ACCOUNT_HEAD || (length - ACCOUNT_HEAD) % ACCOUNT_ENTRY || body[0] != ACCOUNT_VERSION)
        return error_set(error, ERROR_REJECT, "accounts of %zu bytes: none of version 1", length);
    if (get_u64(body + 8) <= accounts->covered)
        return 0;
    accounts->open = false;
    stretch_begin(accounts);
    for (size_t at = ACCOUNT_HEAD; at < length; at += ACCOUNT_ENTRY)
        stretch_add(accounts, get_u32(body + at), get_u64(body + at + 4));
    stretch_reach(accounts, get_u64(body + 8));
    accounts->open = false;
    return 0;
}

/* Until all of them take no more than their share. */
static void accounts_fit(struct journal *journal)
{
    struct accounts *accounts = &journal->accounts;

    lock_take(journal);
    const uint64_t each = frame_size(ACCOUNT_HEAD + accounts->count * ACCOUNT_ENTRY);
    while (accounts->stretches_count > 1 && accounts->stretches_count * each > accounts_share(journal))
        stretches_merge(accounts);
    lock_release(journal);
}

/* 0: there is none of that number. */
static size_t stretch_encode(struct journal *journal, size_t index, char *out)
{
    struct accounts *accounts = &journal->accounts;
    size_t length = 0;

    lock_take(journal);
    if (index < accounts->stretches_count) {
        memset(out, 0, ACCOUNT_HEAD);
        out[0] = ACCOUNT_VERSION;
        put_u64(out + 8, accounts->stretches[index].last);
        length = ACCOUNT_HEAD;
        for (size_t i = 0; i < accounts->count; i++) {
            if (!accounts->items[i].in[index])
                continue;
            put_u32(out + length, accounts->items[i].number);
            put_u64(out + length + 4, accounts->items[i].in[index]);
            length += ACCOUNT_ENTRY;
        }
    }
    lock_release(journal);
    return length;
}

int account_dump(struct journal *journal, state_emit_fn *emit, void *context, struct error *error)
{
    char body[ACCOUNT_HEAD + ACCOUNTS_MAX * ACCOUNT_ENTRY];
    size_t length;
    int result = 0;

    accounts_fit(journal);
    for (size_t i = 0; !result && (length = stretch_encode(journal, i, body)); i++)
        result = emit(context, body, length, error);
    return result;
}
