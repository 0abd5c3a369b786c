/* journal_look: opening a journal to look at it (journal.h). */
#include "command/journal.h"

#include <time.h>

#define LOOK_TRIES 100 /* at a journal whose segments are freed while they are read */
#define LOOK_PAUSE 10000000 /* nanoseconds between two */

void journal_look_close(struct journal_look *look)
{
    journal_view_close(&look->view);
    states_close(&look->states);
    *look = (struct journal_look){0};
}

/* The ceilings of what is applied follow from the journal's own segments, which may be others than the configuration's. */
static int look_try(
    struct journal_look *look, const struct journal_command *command, bool state, struct error *error)
{
    if (journal_view_open(&look->view, command->directory, error))
        return -1;
    if (look->view->segments_count == 0)
        return error_set(error, ERROR_REJECT, "%s holds no segment of a journal", command->directory);
    if (!state)
        return journal_view_recover(look->view, NULL, 0, error);
    command->config->journal.segment_size = look->view->segment_size;
    if (states_open(&look->states, command->config, error))
        return -1;
    return journal_view_recover(look->view, look->states.kinds, STATES_KINDS, error);
}

int journal_look_open(
    struct journal_look *ret_look, const struct journal_command *command, bool state, struct error *error)
{
    const struct timespec pause = {.tv_nsec = LOOK_PAUSE};

    for (int i = 0; i < LOOK_TRIES; i++) {
        *ret_look = (struct journal_look){0};
        if (look_try(ret_look, command, state, error) == 0)
            return 0;
        journal_look_close(ret_look);
        if (error->kind != ERROR_RETRY)
            return -1;
        nanosleep(&pause, NULL);
    }
    return -1;
}
