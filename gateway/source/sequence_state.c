/* sequence_state: see sequence_state.h
 *
 * What the committer asks changes the image at once, and what it was before is put into a log. When the group is durable, the log is forgotten; otherwise the image is put back by it. So each
 * record costs one look-up, and a snapshot, which is only written between groups, holds what is durable. */
#include "source/sequence_state.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/little.h"

#define STATE_VERSION 1
#define FORM_NUMBERS 0
#define FORM_WINDOWS 1
#define NUMBER_SIZE (ONCE_TAG + 8)
#define WINDOW_SIZE (ONCE_TAG + 16)
#define WINDOWS_MAX 512 /* in one state record */
#define BODY_MAX (ONCE_HEAD + WINDOWS_MAX * WINDOW_SIZE)
#define LOG_MAX (UINT32_C(256) << 20)
#define LOG_KEPT (UINT32_C(64) << 10)
#define SHA256_LENGTH 32

/* Its links are places in the array; 0 is no key, but the head of the list. */
struct image_key {
    unsigned char tag[ONCE_TAG];
    uint64_t highest;
    uint64_t window;
    uint32_t next; /* in its bucket, or of the free */
    uint32_t older, newer;
};

struct undo {
    unsigned char tag[ONCE_TAG];
    uint64_t highest, window;
    bool made; /* it was not there */
};

struct sequence_state {
    struct image_key *keys; /* zero pages until they are used */
    uint32_t *buckets;
    unsigned buckets_bits; /* there are two to the power of it */
    uint64_t factor; /* odd, and nobody knows it: who may choose keys cannot choose buckets */
    uint32_t used; /* places that were ever taken */
    uint32_t free; /* places that were given back */
    uint32_t count, most;
    uint64_t evicted;
    uint64_t told; /* of them */
    struct bytes log; /* struct undo */
    struct bytes repeated; /* struct metric_series *, one for each record that is not new */
    struct state_once once;
    struct metric_series *keys_gauge, *evicted_total;
};

/* ---- one window --------------------------------------------------------------------------------------------------- */

static enum once_verdict window_admit(struct image_key *key, uint64_t sequence)
{
    if (sequence > key->highest) {
        const uint64_t ahead = sequence - key->highest;
        key->window = ahead < SEQUENCE_WINDOW ? key->window << ahead | 1 : 1;
        key->highest = sequence;
        return ONCE_NEW;
    }
    const uint64_t behind = key->highest - sequence;
    if (behind >= SEQUENCE_WINDOW)
        return ONCE_OLD;
    const uint64_t bit = UINT64_C(1) << behind;
    if (key->window & bit)
        return ONCE_DUPLICATE;
    key->window |= bit;
    return ONCE_NEW;
}

/* ---- the image ---------------------------------------------------------------------------------------------------- */

/* Where the place of this tag stands, or would. */
static uint32_t *image_link(struct sequence_state *state, const unsigned char *tag)
{
    uint32_t *at = &state->buckets[get_u64((const char *)tag) * state->factor >> (64 - state->buckets_bits)];

    while (*at && memcmp(state->keys[*at].tag, tag, ONCE_TAG) != 0)
        at = &state->keys[*at].next;
    return at;
}

static void image_unlist(struct sequence_state *state, struct image_key *key)
{
    state->keys[key->older].newer = key->newer;
    state->keys[key->newer].older = key->older;
}

/* As the newest. */
static void image_list(struct sequence_state *state, struct image_key *key)
{
    const uint32_t place = (uint32_t)(key - state->keys);
    struct image_key *head = state->keys;

    key->newer = 0;
    key->older = head->older;
    state->keys[head->older].newer = place;
    head->older = place;
}

static void image_drop(struct sequence_state *state, uint32_t *link)
{
    const uint32_t place = *link;
    struct image_key *key = &state->keys[place];

    *link = key->next;
    image_unlist(state, key);
    key->next = state->free;
    state->free = place;
    state->count--;
}

/* One that is not there, with nothing used: its highest and window are the caller's. */
static struct image_key *image_make(struct sequence_state *state, const unsigned char *tag)
{
    if (state->count == state->most) {
        image_drop(state, image_link(state, state->keys[state->keys[0].newer].tag));
        state->evicted++;
    }
    uint32_t place = state->free;
    if (place)
        state->free = state->keys[place].next;
    else
        place = ++state->used;
    uint32_t *link = image_link(state, tag);
    struct image_key *key = &state->keys[place];
    memcpy(key->tag, tag, ONCE_TAG);
    key->next = 0;
    *link = place;
    image_list(state, key);
    state->count++;
    return key;
}

/* NULL: nothing is known of it. */
static struct image_key *image_find(struct sequence_state *state, const unsigned char *tag)
{
    const uint32_t place = *image_link(state, tag);

    return place ? &state->keys[place] : NULL;
}

static void image_renew(struct sequence_state *state, struct image_key *key)
{
    image_unlist(state, key);
    image_list(state, key);
}

static void image_use(struct sequence_state *state, const unsigned char *tag, uint64_t sequence)
{
    struct image_key *key = image_find(state, tag);

    if (key) {
        window_admit(key, sequence);
        image_renew(state, key);
        return;
    }
    key = image_make(state, tag);
    key->highest = sequence;
    key->window = 1;
}

static void image_set(
    struct sequence_state *state, const unsigned char *tag, uint64_t highest, uint64_t window)
{
    struct image_key *key = image_find(state, tag);

    if (key)
        image_renew(state, key);
    else
        key = image_make(state, tag);
    key->highest = highest;
    key->window = window;
}

/* ---- what the committer asks ---------------------------------------------------------------------------------------- */

/* Without memory for the log the record is stored, and nothing known of it: it may come twice, and cannot be lost. */
static bool state_log(struct sequence_state *state, const struct once *once, const struct image_key *key)
{
    struct undo undo = {.made = key == NULL};
    struct error error;

    memcpy(undo.tag, once->tag, ONCE_TAG);
    if (key) {
        undo.highest = key->highest;
        undo.window = key->window;
    }
    return bytes_add(&state->log, &undo, sizeof undo, &error) == 0;
}

static void state_tell(struct sequence_state *state, struct metric_series *series)
{
    struct error error;

    bytes_add(&state->repeated, &series, sizeof series, &error);
}

static enum once_verdict state_admit(void *context, const struct once *once)
{
    struct sequence_state *state = context;
    const struct sequence_stream *stream = once->stream;
    struct image_key *key = image_find(state, once->tag);

    if (!key) {
        if (state_log(state, once, NULL)) {
            key = image_make(state, once->tag);
            key->highest = once->sequence;
            key->window = 1;
        }
        return ONCE_NEW;
    }
    struct image_key next = *key;
    const enum once_verdict verdict = window_admit(&next, once->sequence);
    if (verdict == ONCE_OLD && stream->stores_old) {
        state_tell(state, stream->undecided);
        return ONCE_UNDECIDED;
    }
    if (verdict != ONCE_NEW) {
        state_tell(state, verdict == ONCE_DUPLICATE ? stream->duplicates : stream->old);
        return verdict;
    }
    if (state_log(state, once, key)) {
        key->highest = next.highest;
        key->window = next.window;
        image_renew(state, key);
    }
    return verdict;
}

/* From the newest on. What was evicted meanwhile is not brought back: that, too, may only come twice. */
static void state_undo(struct sequence_state *state)
{
    struct undo undo;

    for (size_t at = state->log.length; at > 0;) {
        at -= sizeof undo;
        memcpy(&undo, state->log.data + at, sizeof undo);
        uint32_t *link = image_link(state, undo.tag);
        if (*link && undo.made) {
            image_drop(state, link);
        } else if (*link) {
            state->keys[*link].highest = undo.highest;
            state->keys[*link].window = undo.window;
        }
    }
}

static void state_count_repeated(struct sequence_state *state)
{
    struct metric_series *series;

    for (size_t at = 0; at < state->repeated.length; at += sizeof series) {
        memcpy(&series, state->repeated.data + at, sizeof series);
        metric_add(series, 1);
    }
}

static void state_show(struct sequence_state *state)
{
    metric_set(state->keys_gauge, state->count);
    metric_add(state->evicted_total, state->evicted - state->told);
    state->told = state->evicted;
}

static void log_empty(struct bytes *log)
{
    if (log->capacity > LOG_KEPT)
        bytes_free(log);
    bytes_clear(log);
}

static void state_settle(void *context, bool durable)
{
    struct sequence_state *state = context;

    if (!state->log.length && !state->repeated.length)
        return;
    if (durable)
        state_count_repeated(state);
    else
        state_undo(state);
    state_show(state);
    log_empty(&state->log);
    log_empty(&state->repeated);
}

/* ---- the journal's row ------------------------------------------------------------------------------------------------ */

static int state_apply(void *context, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct sequence_state *state = context;
    const char *in = body;
    const size_t size = length > 1 && in[1] == FORM_WINDOWS ? WINDOW_SIZE : NUMBER_SIZE;

    (void)sequence;
    if (length <= ONCE_HEAD || (length - ONCE_HEAD) % size || in[0] != STATE_VERSION ||
        (in[1] != FORM_NUMBERS && in[1] != FORM_WINDOWS))
        return error_set(
            error, ERROR_REJECT, "%zu bytes: no sequence numbers of version %d", length, STATE_VERSION);
    for (const char *at = in + ONCE_HEAD; at < in + length; at += size) {
        const unsigned char *tag = (const unsigned char *)at;
        if (size == NUMBER_SIZE)
            image_use(state, tag, get_u64(at + ONCE_TAG));
        else
            image_set(state, tag, get_u64(at + ONCE_TAG), get_u64(at + ONCE_TAG + 8));
    }
    state->told = state->evicted; /* an earlier start has counted them */
    return 0;
}

/* The oldest first: so they are evicted in the same order when it is read. */
static int state_dump(
    void *context, uint64_t keep_from, state_emit_fn *emit, void *emit_context, struct error *error)
{
    struct sequence_state *state = context;
    char body[BODY_MAX] = {STATE_VERSION, FORM_WINDOWS};
    size_t length = ONCE_HEAD;

    (void)keep_from;
    assert(!state->log.length);
    state_show(state);
    for (uint32_t place = state->keys[0].newer; place; place = state->keys[place].newer) {
        const struct image_key *key = &state->keys[place];
        memcpy(body + length, key->tag, ONCE_TAG);
        put_u64(body + length + ONCE_TAG, key->highest);
        put_u64(body + length + ONCE_TAG + 8, key->window);
        length += WINDOW_SIZE;
        if (length < sizeof body && key->newer)
            continue;
        if (emit(emit_context, body, length, error))
            return -1;
        length = ONCE_HEAD;
    }
    return 0;
}

struct state_kind sequence_state_kind(struct sequence_state *state)
{
    return (struct state_kind){.kind = STATE_SEQUENCES,
        .name = "sequences",
        .apply = state_apply,
        .dump = state_dump,
        .state = state,
        .once = &state->once};
}

/* ---- making -------------------------------------------------------------------------------------------------------------- */

/* As many keys as a snapshot of so many bytes holds. */
static uint32_t state_most(uint64_t share)
{
    const uint64_t full = BODY_MAX + STATE_FRAME_OVERHEAD, least = ONCE_HEAD + STATE_FRAME_OVERHEAD;
    const uint64_t rest = share % full;
    const uint64_t most = share / full * WINDOWS_MAX + (rest > least ? (rest - least) / WINDOW_SIZE : 0);

    return most == 0 ? 1 : most < UINT32_MAX / 2 ? (uint32_t)most : UINT32_MAX / 2;
}

int sequence_state_new(struct sequence_state **ret_state, uint64_t segment_size, struct error *error)
{
    struct sequence_state *state = calloc(1, sizeof *state);

    if (!state)
        return error_set(
            error, ERROR_RETRY, "sequences: out of memory"); /* GCOVR_EXCL_LINE malloc does not fail */
    state->most = state_most(segment_size / JOURNAL_SEQUENCES_SHARE);
    state->buckets_bits = 1;
    while (UINT64_C(1) << state->buckets_bits < state->most)
        state->buckets_bits++;
    state->keys = calloc((size_t)state->most + 1, sizeof *state->keys);
    state->buckets = calloc((size_t)1 << state->buckets_bits, sizeof *state->buckets);
    bytes_init(&state->log, LOG_MAX);
    bytes_init(&state->repeated, LOG_MAX);
    if (!state->keys || !state->buckets) { /* GCOVR_EXCL_START: out of memory */
        sequence_state_free(&state);
        return error_set(error, ERROR_RETRY, "sequences: out of memory");
    } /* GCOVR_EXCL_STOP */
    if (getrandom(&state->factor, sizeof state->factor, 0) != sizeof state->factor)
        state->factor = 0; /* GCOVR_EXCL_LINE: the kernel always has some */
    state->factor |= 1;
    state->once = (struct state_once){state_admit, state_settle, {STATE_VERSION, FORM_NUMBERS}};
    state->keys_gauge = metric_series(METRIC_DEDUPE_KEYS, NULL, NULL, NULL);
    state->evicted_total = metric_series(METRIC_DEDUPE_EVICTED, NULL, NULL, NULL);
    *ret_state = state;
    return 0;
}

void sequence_state_free(struct sequence_state **state)
{
    struct sequence_state *old = *state;

    *state = NULL;
    if (!old)
        return;
    bytes_free(&old->log);
    bytes_free(&old->repeated);
    free(old->keys);
    free(old->buckets);
    free(old);
}

/* ---- for the intake ------------------------------------------------------------------------------------------------------- */

void sequence_tag(struct slice stream, struct slice key, unsigned char ret_tag[ONCE_TAG])
{
    unsigned char full[SHA256_LENGTH];
    char input[SEQUENCE_TAG_INPUT];

    assert(stream.length + 1 + key.length <= sizeof input);
    memcpy(input, stream.data, stream.length);
    input[stream.length] = '\0';
    if (key.length)
        memcpy(input + stream.length + 1, key.data, key.length);
    const int failed = gnutls_hash_fast(GNUTLS_DIG_SHA256, input, stream.length + 1 + key.length, full);
    assert(!failed); /* it takes no memory */
    memcpy(ret_tag, full, ONCE_TAG);
}

void sequence_stream_find(struct sequence_stream *ret_stream, const char *name, bool stores_old)
{
    ret_stream->stores_old = stores_old;
    ret_stream->duplicates = metric_series(METRIC_RECORDS_DUPLICATE, name, "window", NULL);
    ret_stream->old = metric_series(METRIC_RECORDS_DUPLICATE, name, "old", NULL);
    ret_stream->undecided = metric_series(METRIC_RECORDS_UNDECIDED, name, NULL, NULL);
}

void sequence_state_usage(const struct sequence_state *state, struct sequence_usage *ret_usage)
{
    *ret_usage = (struct sequence_usage){state->count, state->most, state->evicted};
}
