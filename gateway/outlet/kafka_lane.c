/* kafka_lane: see kafka_lane.h */
#include "outlet/kafka_lane.h"

int lane_open(struct lane *lane, struct journal *journal, struct error *error)
{
    *lane = (struct lane){.journal = journal};
    return window_open(&lane->window, error);
}

void lane_close(struct lane *lane)
{
    journal_reader_close(&lane->reader);
    window_close(&lane->window);
}

static void lane_reopen(struct lane *lane)
{
    journal_reader_close(&lane->reader);
    lane->in_hand = false;
}

void lane_start(struct lane *lane, uint64_t position)
{
    window_start(&lane->window, position);
    lane_reopen(lane);
}

void lane_rewind(struct lane *lane)
{
    window_rewind(&lane->window);
    lane_reopen(lane);
}

void lane_revoke(struct lane *lane)
{
    window_revoke(&lane->window);
    lane_reopen(lane);
}

int lane_next(struct lane *lane, uint64_t until, const struct journal_entry **ret_entry, struct error *error)
{
    const struct window *window = &lane->window;

    if (!lane->reader && journal_reader_open(&lane->reader, lane->journal, window->done, error))
        return -1;
    for (;;) {
        if (!lane->in_hand) {
            int found = journal_read(lane->reader, &lane->entry, error);
            if (found <= 0)
                return found;
            lane->in_hand = true;
        }
        bool record = lane->entry.type == JOURNAL_ENTRY_RECORD;
        if (record && lane->entry.sequence == window->read)
            break;
        if (lane->entry.last > window->read) {
            if (window->read >= until || window_room(window) == 0)
                return 0;
            record = record && lane->entry.sequence == window->read + 1;
            *ret_entry = record ? &lane->entry : NULL;
            return 1;
        }
        lane->in_hand = false;
    }
    *ret_entry = &lane->entry;
    return 1;
}

void lane_pass(struct lane *lane)
{
    lane->in_hand = false;
}
