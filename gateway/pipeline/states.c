/* states: see states.h */
#include "pipeline/states.h"

int states_open(struct states *states, const struct config *config, struct error *error)
{
    if (rendering_table_new(&states->renderings, error) || source_state_new(&states->source, config, error) ||
        file_state_new(&states->files, config->journal.segment_size, error))
        return -1;
    states->kinds[0] = (struct state_kind){.kind = STATE_RENDERING,
        .name = "rendering",
        .apply = rendering_apply,
        .dump = rendering_dump,
        .state = states->renderings};
    states->kinds[1] = file_state_kind(states->files);
    source_state_kinds(states->source, states->kinds + 2);
    return 0;
}

void states_close(struct states *states)
{
    file_state_free(&states->files);
    source_state_free(&states->source);
    rendering_table_free(&states->renderings);
}

int states_check(const struct states *states, struct error *error)
{
    return source_state_check(states->source, error) || file_state_check(states->files, error) ? -1 : 0;
}
