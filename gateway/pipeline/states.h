/* states: all kinds of state that the gateway keeps in its journal. Whoever opens the journal to write registers them all, or what is left out is
 * gone with the next segment. @thread main */
#ifndef PENSTOCK_PIPELINE_STATES_H
#define PENSTOCK_PIPELINE_STATES_H

#include "files/files.h"
#include "record/record.h"
#include "source/source.h"

#define STATES_KINDS (2 + SOURCE_STATE_KINDS)

struct states {
    struct rendering_table *renderings;
    struct source_state *source;
    struct file_state *files;
    struct state_kind kinds[STATES_KINDS];
};

/* config: what their ceilings follow from. After -1, too, states_close() is due. */
int states_open(struct states *states, const struct config *config, struct error *error);
/* Behind the journal's end; of one that was never opened, all zeros. */
void states_close(struct states *states);

/* Behind journal_open(). ERROR_FATAL: there is more than fits; the text says what to do. */
int states_check(const struct states *states, struct error *error);

#endif
