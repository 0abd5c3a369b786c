/* state: see state.h; what the journal does with its table of kinds. */
#include "journal/internal.h"

int state_apply(struct journal *journal, const struct frame *frame, const char *body, struct error *error)
{
    if (frame->kind == STATE_CURSOR)
        return cursor_apply(journal, body, frame->length, frame->sequence, error);
    if (frame->kind == STATE_MARK)
        return mark_apply(journal, body, frame->length, error);
    if (frame->kind == STATE_ACCOUNTS)
        return account_apply(journal, body, frame->length, error);
    for (size_t i = 0; i < journal->options.kinds_count; i++) {
        const struct state_kind *kind = &journal->options.kinds[i];
        if (kind->kind != frame->kind)
            continue;
        if (kind->apply(kind->state, body, frame->length, frame->sequence, error))
            return error_wrap(error, "state %s", kind->name);
        return 0;
    }
    journal->unknown_kind = frame->kind;
    return error_set(error, ERROR_REJECT, "state of unknown kind %u", frame->kind);
}

int state_recover(struct journal *journal, const struct scan_frame *found, struct error *error)
{
    if (found->frame.kind == JOURNAL_KIND_DATA)
        account_recover(journal, found);
    return found->frame.kind < STATE_CURSOR ? 0 : state_apply(journal, &found->frame, found->body, error);
}

bool state_damaged(const struct journal *journal, uint64_t first, uint64_t last)
{
    bool forgotten = false;

    for (size_t i = 0; i < journal->options.kinds_count; i++) {
        const struct state_kind *kind = &journal->options.kinds[i];
        forgotten = (kind->damaged && kind->damaged(kind->state, first, last)) || forgotten;
    }
    return forgotten;
}
