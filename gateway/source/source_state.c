/* source_state: what sources keep in the journal (source.h) */
#include "source/source_state.h"

#include <stdlib.h>

#include "source/source.h"

_Static_assert(SOURCE_STATE_KINDS == MQTT_STATE_KINDS + 2, "source.h counts the kinds of all sources");

int source_state_new(struct source_state **ret_state, const struct config *config, struct error *error)
{
    const uint64_t segment_size = config->journal.segment_size;
    struct source_state *state = calloc(1, sizeof *state);

    if (!state)
        return error_set(error, ERROR_RETRY, "state of the sources: out of memory"); /* GCOVR_EXCL_LINE */
    if (mqtt_state_new(&state->mqtt, segment_size, error) ||
        answer_state_new(&state->answers, segment_size, config->http.idempotency.max_keys,
            config->http.idempotency.keep, error) ||
        sequence_state_new(&state->sequences, segment_size, error)) {
        source_state_free(&state); /* GCOVR_EXCL_LINE: out of memory */
        return -1; /* GCOVR_EXCL_LINE: out of memory */
    }
    *ret_state = state;
    return 0;
}

void source_state_free(struct source_state **state)
{
    if (!*state)
        return;
    mqtt_state_free(&(*state)->mqtt);
    answer_state_free(&(*state)->answers);
    sequence_state_free(&(*state)->sequences);
    free(*state);
    *state = NULL;
}

void source_state_kinds(struct source_state *state, struct state_kind ret_kinds[SOURCE_STATE_KINDS])
{
    mqtt_state_kinds(state->mqtt, ret_kinds);
    ret_kinds[MQTT_STATE_KINDS] = answer_state_kind(state->answers);
    ret_kinds[MQTT_STATE_KINDS + 1] = sequence_state_kind(state->sequences);
}

static int usage_add(void *context, const struct mqtt_state_session *session, const uint16_t *packets,
    size_t packets_count, struct error *error)
{
    struct source_usage *usage = context;

    (void)session, (void)packets, (void)error;
    usage->sessions++;
    usage->packets += packets_count;
    return 0;
}

int source_state_usage(struct source_state *state, struct source_usage *ret_usage, struct error *error)
{
    struct answer_usage answers;
    struct sequence_usage sequences;

    answer_state_usage(state->answers, &answers);
    sequence_state_usage(state->sequences, &sequences);
    *ret_usage = (struct source_usage){.answers = answers.keys, .sequences = sequences.keys};
    return mqtt_state_visit(state->mqtt, usage_add, ret_usage, error);
}

int source_state_check(struct source_state *state, struct error *error)
{
    return mqtt_state_check(state->mqtt, error);
}
