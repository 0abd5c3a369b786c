/* source_state: what sources keep in the journal, as the sources see it; the rest of the house sees source.h alone. */
#ifndef PENSTOCK_SOURCE_SOURCE_STATE_H
#define PENSTOCK_SOURCE_SOURCE_STATE_H

#include "source/answer_state.h"
#include "source/mqtt_state.h"
#include "source/sequence_state.h"

struct source_state {
    struct mqtt_state *mqtt; /* owned */
    struct answer_state *answers; /* owned */
    struct sequence_state *sequences; /* owned */
};

#endif
