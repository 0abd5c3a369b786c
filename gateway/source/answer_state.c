/* answer_state: see answer_state.h
 *
 * The image is changed by main while the journal opens, then by the committer, and by whoever reads the log and meets damage there. */
#include "source/answer_state.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/little.h"

#define STATE_VERSION 1
#define STATE_VERSION_ONCE 2
#define BUCKETS_FIRST 6 /* two to the power of it */

/* Offsets in the stored form. */
enum {
    AT_LENGTH = 2,
    AT_ACCEPTED = 4,
    AT_ID = 8,
    AT_REQUEST = 24,
    AT_TAKEN = 40,
    AT_LAST = 48,
    AT_MISSED = 56,
    AT_DUPLICATES = 64,
    AT_OLD = 68
};

struct image_answer {
    struct image_answer *next; /* in its bucket */
    struct image_answer *older, *newer; /* in the order of the journal */
    size_t length;
    char body[]; /* as it is stored, `last` set */
};

struct answer_state {
    pthread_mutex_t lock; /* all below */
    struct image_answer **buckets; /* by id */
    unsigned buckets_bits; /* there are two to the power of it */
    uint64_t factor; /* odd, and nobody knows it: who may choose keys cannot choose buckets */
    struct image_answer *oldest, *newest;
    uint64_t keys, evicted;
    uint64_t used, limit; /* bytes of a snapshot */
    uint64_t max_keys;
    int64_t keep;
};

/* ---- the stored form ------------------------------------------------------------------------------------------- */

static size_t body_head(const char *body)
{
    return *body == STATE_VERSION_ONCE ? ANSWER_STATE_HEAD_ONCE : ANSWER_STATE_HEAD;
}

int answer_state_encode(struct bytes *out, const struct answer *answer, struct error *error)
{
    char head[ANSWER_STATE_HEAD_ONCE] = {answer->once ? STATE_VERSION_ONCE : STATE_VERSION};
    const size_t size = body_head(head);

    assert(answer->text.length <= ANSWER_TEXT_MAX && answer->accepted > 0);
    put_u16(head + AT_LENGTH, (uint16_t)answer->text.length);
    put_u32(head + AT_ACCEPTED, answer->accepted);
    memcpy(head + AT_ID, answer->id.bytes, IDEMPOTENCY_HASH);
    memcpy(head + AT_REQUEST, answer->request.bytes, IDEMPOTENCY_HASH);
    put_u64(head + AT_TAKEN, (uint64_t)answer->taken);
    put_u64(head + AT_LAST, answer->last);
    put_u64(head + AT_MISSED, answer->missed);
    put_u32(head + AT_DUPLICATES, answer->duplicates);
    put_u32(head + AT_OLD, answer->old);
    if (bytes_reserve(out, size + answer->text.length, error))
        return -1;
    bytes_add(out, head, size, error);
    return bytes_add(out, answer->text.data, answer->text.length, error);
}

static struct answer image_decode(const struct image_answer *image)
{
    const char *body = image->body;
    struct answer answer = {
        .accepted = get_u32(body + AT_ACCEPTED),
        .taken = (int64_t)get_u64(body + AT_TAKEN),
        .last = get_u64(body + AT_LAST),
        .missed = get_u64(body + AT_MISSED),
        .once = *body == STATE_VERSION_ONCE,
        .text = {body + body_head(body), image->length - body_head(body)},
    };

    memcpy(answer.id.bytes, body + AT_ID, IDEMPOTENCY_HASH);
    memcpy(answer.request.bytes, body + AT_REQUEST, IDEMPOTENCY_HASH);
    if (answer.once) {
        answer.duplicates = get_u32(body + AT_DUPLICATES);
        answer.old = get_u32(body + AT_OLD);
    }
    return answer;
}

/* ---- the image -------------------------------------------------------------------------------------------------- */

static uint64_t image_size(const struct image_answer *image)
{
    return image->length + STATE_FRAME_OVERHEAD;
}

static struct image_answer **image_place(const struct answer_state *state, const char *id)
{
    struct image_answer **at = &state->buckets[get_u64(id) * state->factor >> (64 - state->buckets_bits)];

    while (*at && memcmp((*at)->body + AT_ID, id, IDEMPOTENCY_HASH) != 0)
        at = &(*at)->next;
    return at;
}

static void image_drop(struct answer_state *state, struct image_answer **at)
{
    struct image_answer *image = *at;

    if (!image)
        return;
    *at = image->next;
    *(image->older ? &image->older->newer : &state->oldest) = image->newer;
    *(image->newer ? &image->newer->older : &state->newest) = image->older;
    state->keys--;
    state->used -= image_size(image);
    free(image);
}

/* Without memory for more buckets the lists are only longer. */
static void image_grow(struct answer_state *state)
{
    struct image_answer **buckets = calloc((size_t)2 << state->buckets_bits, sizeof *buckets);

    if (!buckets)
        return; /* GCOVR_EXCL_LINE: out of memory */
    free(state->buckets);
    state->buckets = buckets;
    state->buckets_bits++;
    for (struct image_answer *image = state->oldest; image; image = image->newer) {
        struct image_answer **at = image_place(state, image->body + AT_ID);
        image->next = NULL;
        *at = image;
    }
}

static void image_add(struct answer_state *state, struct image_answer *image)
{
    struct image_answer **at = image_place(state, image->body + AT_ID);

    image_drop(state, at);
    at = image_place(state, image->body + AT_ID);
    *at = image;
    image->older = state->newest;
    *(image->older ? &image->older->newer : &state->oldest) = image;
    state->newest = image;
    state->keys++;
    state->used += image_size(image);
    if (state->keys >> state->buckets_bits)
        image_grow(state);
}

static bool state_is_old(const struct answer_state *state, const struct image_answer *image, int64_t now)
{
    const int64_t taken = (int64_t)get_u64(image->body + AT_TAKEN);

    return now > taken && now - taken > state->keep;
}

/* The oldest while there are too many; never the newest. None because of its age alone: one clock that is wrong for a moment would empty
 * the image. `now` decides only how it is counted. */
static void state_evict(struct answer_state *state, int64_t now)
{
    while (state->oldest != state->newest && (state->keys > state->max_keys || state->used > state->limit)) {
        state->evicted += !state_is_old(state, state->oldest, now);
        image_drop(state, image_place(state, state->oldest->body + AT_ID));
    }
}

/* ---- making --------------------------------------------------------------------------------------------------- */

int answer_state_new(struct answer_state **ret_state, uint64_t segment_size, uint64_t max_keys, int64_t keep,
    struct error *error)
{
    struct answer_state *state = calloc(1, sizeof *state);
    struct image_answer **buckets = calloc(1 << BUCKETS_FIRST, sizeof *buckets);

    if (!state || !buckets) { /* GCOVR_EXCL_START: out of memory */
        free(state);
        free(buckets);
        return error_set(error, ERROR_RETRY, "answers: out of memory");
    } /* GCOVR_EXCL_STOP */
    pthread_mutex_init(&state->lock, NULL);
    state->buckets = buckets;
    state->buckets_bits = BUCKETS_FIRST;
    if (getrandom(&state->factor, sizeof state->factor, 0) != sizeof state->factor)
        state->factor = 0; /* GCOVR_EXCL_LINE: the kernel always has some */
    state->factor |= 1;
    state->limit = segment_size / JOURNAL_ANSWERS_SHARE;
    state->max_keys = max_keys;
    state->keep = keep;
    *ret_state = state;
    return 0;
}

void answer_state_free(struct answer_state **state)
{
    struct answer_state *old = *state;

    *state = NULL;
    if (!old)
        return;
    while (old->oldest)
        image_drop(old, image_place(old, old->oldest->body + AT_ID));
    pthread_mutex_destroy(&old->lock);
    free(old->buckets);
    free(old);
}

/* ---- the journal's row ------------------------------------------------------------------------------------------ */

static bool body_is_answer(const char *body, size_t length)
{
    if (length < ANSWER_STATE_HEAD || length < body_head(body))
        return false;
    const size_t text = length - body_head(body);

    return (body[0] == STATE_VERSION || body[0] == STATE_VERSION_ONCE) && !body[1] &&
           text <= ANSWER_TEXT_MAX && get_u16(body + AT_LENGTH) == text &&
           (body[0] == STATE_VERSION_ONCE || get_u32(body + AT_ACCEPTED));
}

/* What the answer says of its records is known when they are written. */
static void state_amend(char *body, size_t length, const struct once_counts *counts)
{
    assert(body_is_answer(body, length));
    if (body[0] != STATE_VERSION_ONCE)
        return;
    put_u32(body + AT_ACCEPTED, (uint32_t)counts->stored);
    put_u32(body + AT_DUPLICATES, (uint32_t)counts->duplicates);
    put_u32(body + AT_OLD, (uint32_t)counts->old);
}

static int state_apply(void *context, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct answer_state *state = context;
    const char *in = body;

    if (!body_is_answer(in, length))
        return error_set(error, ERROR_REJECT, "%zu bytes: not an answer of version %d or %d", length,
            STATE_VERSION, STATE_VERSION_ONCE);
    struct image_answer *image = malloc(sizeof *image + length);
    if (!image)
        return error_set(error, ERROR_RETRY, "answer: out of memory"); /* GCOVR_EXCL_LINE */
    *image = (struct image_answer){.length = length};
    memcpy(image->body, in, length);
    if (get_u64(in + AT_LAST) == 0)
        put_u64(image->body + AT_LAST, sequence);
    pthread_mutex_lock(&state->lock);
    image_add(state, image);
    state_evict(state, (int64_t)get_u64(in + AT_TAKEN));
    pthread_mutex_unlock(&state->lock);
    return 0;
}

static int state_dump(
    void *context, uint64_t keep_from, state_emit_fn *emit, void *emit_context, struct error *error)
{
    struct answer_state *state = context;
    int result = 0;

    (void)keep_from;
    pthread_mutex_lock(&state->lock);
    for (const struct image_answer *image = state->oldest; image && !result; image = image->newer)
        result = emit(emit_context, image->body, image->length, error);
    pthread_mutex_unlock(&state->lock);
    return result ? -1 : 0;
}

/* Who repeats a request whose records are gone must not hear that they are safe. */
static bool state_damaged(void *context, uint64_t first, uint64_t last)
{
    struct answer_state *state = context;
    bool forgotten = false;

    pthread_mutex_lock(&state->lock);
    for (struct image_answer *image = state->oldest, *newer; image; image = newer) {
        const struct answer answer = image_decode(image);
        newer = image->newer;
        if (answer.last < first || answer.last - answer.accepted >= last)
            continue;
        image_drop(state, image_place(state, image->body + AT_ID));
        forgotten = true;
    }
    pthread_mutex_unlock(&state->lock);
    return forgotten;
}

struct state_kind answer_state_kind(struct answer_state *state)
{
    return (struct state_kind){.kind = STATE_ANSWER,
        .name = "answer",
        .apply = state_apply,
        .dump = state_dump,
        .state = state,
        .damaged = state_damaged,
        .amend = state_amend};
}

/* ---- for the source ----------------------------------------------------------------------------------------------- */

int answer_state_find(struct answer_state *state, const struct idempotency_hash *id, int64_t now,
    struct answer *ret_answer, struct bytes *ret_text, struct error *error)
{
    const size_t before = ret_text->length;
    int found = 0;

    pthread_mutex_lock(&state->lock);
    const struct image_answer *image = *image_place(state, (const char *)id->bytes);
    if (image && !state_is_old(state, image, now)) {
        *ret_answer = image_decode(image);
        found = bytes_add(ret_text, ret_answer->text.data, ret_answer->text.length, error) ? -1 : 1;
    }
    pthread_mutex_unlock(&state->lock);
    if (found > 0)
        ret_answer->text = (struct slice){ret_text->data + before, ret_answer->text.length};
    return found;
}

void answer_state_usage(struct answer_state *state, struct answer_usage *ret_usage)
{
    pthread_mutex_lock(&state->lock);
    *ret_usage = (struct answer_usage){state->keys, state->evicted};
    pthread_mutex_unlock(&state->lock);
}
