/* Fuzzes the numbers that keys have used (libFuzzer). The input is a body from the journal, which must be taken or refused; and a row of questions, some of which are taken back,
 * against a list of all that was used. What a snapshot holds is the same when it is read and written again. */
#include <assert.h>
#include <stdlib.h>

#include "source/sequence_state.h"

#define KEYS 4
#define NUMBERS 256
#define ROOM (UINT64_C(64) << 10) /* of a segment: more than these keys */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model {
    bool used[KEYS][NUMBERS];
    int highest[KEYS]; /* -1: nothing */
};

static struct sequence_state *new_state(uint64_t segment_size)
{
    struct sequence_state *state;
    struct error error;

    assert(sequence_state_new(&state, segment_size, &error) == 0);
    return state;
}

static int emit(void *context, const void *body, size_t length, struct error *error)
{
    return bytes_add(context, body, length, error);
}

static void dump(struct sequence_state *state, struct bytes *out)
{
    const struct state_kind kind = sequence_state_kind(state);
    struct error error;

    assert(kind.dump(state, 0, emit, out, &error) == 0);
}

/* As much as there is room for, and the same again. */
static void check_snapshot(struct sequence_state *state, uint64_t segment_size)
{
    cleanup_bytes struct bytes first;
    cleanup_bytes struct bytes second;
    struct sequence_usage usage;
    struct error error;

    bytes_init(&first, 1 << 20);
    bytes_init(&second, 1 << 20);
    sequence_state_usage(state, &usage);
    assert(usage.keys <= usage.most);
    dump(state, &first);
    if (first.length == 0)
        return;
    struct sequence_state *copy = new_state(segment_size);
    const struct state_kind kind = sequence_state_kind(copy);
    assert(kind.apply(copy, first.data, first.length, 1, &error) == 0);
    dump(copy, &second);
    assert(slice_equal(bytes_slice(&first), bytes_slice(&second)));
    sequence_state_free(&copy);
}

static void take(const uint8_t *data, size_t size)
{
    const uint64_t small = 2500; /* room for three keys */
    struct sequence_state *state = new_state(small);
    const struct state_kind kind = sequence_state_kind(state);
    struct error error;

    kind.apply(state, data, size, 1, &error);
    check_snapshot(state, small);
    sequence_state_free(&state);
}

static enum once_verdict expected(struct model *model, unsigned key, int number)
{
    if (number <= model->highest[key] - SEQUENCE_WINDOW)
        return ONCE_OLD;
    if (model->used[key][number])
        return ONCE_DUPLICATE;
    model->used[key][number] = true;
    model->highest[key] = number > model->highest[key] ? number : model->highest[key];
    return ONCE_NEW;
}

static void ask(const uint8_t *data, size_t size)
{
    static struct sequence_stream each[2]; /* what is too far behind is dropped, or stored */
    const bool stores_old = size && data[size - 1] & 1;
    struct sequence_stream *stream = &each[stores_old];
    struct sequence_state *state = new_state(ROOM);
    const struct state_kind kind = sequence_state_kind(state);
    struct model durable = {.highest = {-1, -1, -1, -1}}, model = durable;

    if (!stream->old)
        sequence_stream_find(stream, "fuzz", stores_old);
    for (size_t i = 0; i + 1 < size; i += 2) {
        const unsigned key = data[i] % KEYS;
        if (data[i] >= 0xc0) {
            const bool kept = data[i] & 1;
            kind.once->settle(state, kept);
            *(kept ? &durable : &model) = kept ? model : durable;
            check_snapshot(state, ROOM);
            continue;
        }
        const struct once once = {.tag = {(unsigned char)key}, .sequence = data[i + 1], .stream = stream};
        const enum once_verdict verdict = expected(&model, key, data[i + 1]);
        assert(
            kind.once->admit(state, &once) == (verdict == ONCE_OLD && stores_old ? ONCE_UNDECIDED : verdict));
    }
    sequence_state_free(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    take(data, size);
    ask(data, size);
    return 0;
}
