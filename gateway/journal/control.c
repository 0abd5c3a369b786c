/* control: the part of a group that is no hand-over: cursors and marks that outlets moved (control.h). */
#include "journal/control.h"

#include "journal/internal.h"

void control_take(struct journal *journal, struct control *control)
{
    for (size_t i = 0; i < journal->cursors_count; i++) {
        struct cursor *cursor = &journal->cursors[i];
        if (!cursor->dirty)
            continue;
        cursor->dirty = false;
        control->cursors[control->cursors_count++] = (struct control_cursor){i, cursor->wanted};
    }
    for (size_t i = 0; i < journal->marks_waiting; i++) {
        const struct mark_place place = journal->waiting_marks[i];
        struct mark *mark = &journal->cursors[place.cursor].marks.items[place.mark];
        struct control_mark *taken = &control->marks[control->marks_count++];
        mark->waiting = false;
        taken->place = place;
        memcpy(taken->mark.name, mark->name, sizeof mark->name);
        taken->mark.position = mark->wanted;
    }
    journal->marks_flying = journal->marks_waiting;
    journal->marks_waiting = 0;
}

uint64_t control_size(const struct journal *journal, const struct control *control)
{
    char body[MARK_BODY_MAX];
    uint64_t size = control->cursors_count * frame_size(CURSOR_BODY_MAX);

    for (size_t i = 0; i < control->marks_count; i++) {
        const struct control_mark *taken = &control->marks[i];
        const char *outlet = journal->cursors[taken->place.cursor].outlet;
        size += frame_size(mark_encode(outlet, &taken->mark, body));
    }
    return size;
}

static int control_write_frame(
    struct journal *journal, enum journal_kind kind, const char *body, size_t length, bool last)
{
    const struct frame frame = {(uint32_t)length, (uint16_t)kind, last ? FRAME_END : 0, journal->sequence};

    return writer_frame(&journal->writer, &frame, (struct slice){body, length}, (struct slice){NULL, 0});
}

/* Only the last frame has the end flag: all of it counts, or nothing. */
int control_write(struct journal *journal, const struct control *control)
{
    char body[MARK_BODY_MAX];
    size_t left = control->cursors_count + control->marks_count;
    int result = 0;

    for (size_t i = 0; !result && i < control->cursors_count; i++) {
        const struct control_cursor *taken = &control->cursors[i];
        const char *outlet = journal->cursors[taken->cursor].outlet;
        const size_t length = cursor_encode(outlet, &taken->wanted, body);
        result = control_write_frame(journal, STATE_CURSOR, body, length, --left == 0);
    }
    for (size_t i = 0; !result && i < control->marks_count; i++) {
        const struct control_mark *taken = &control->marks[i];
        const char *outlet = journal->cursors[taken->place.cursor].outlet;
        const size_t length = mark_encode(outlet, &taken->mark, body);
        result = control_write_frame(journal, STATE_MARK, body, length, --left == 0);
    }
    return result;
}

void control_publish(struct journal *journal, const struct control *control)
{
    bool changed[JOURNAL_OUTLETS_MAX] = {false};

    for (size_t i = 0; i < control->cursors_count; i++) {
        struct cursor *cursor = &journal->cursors[control->cursors[i].cursor];
        cursor->stored = control->cursors[i].wanted;
        cursor->known = true;
    }
    for (size_t i = 0; i < control->marks_count; i++) {
        const struct control_mark *taken = &control->marks[i];
        struct mark *mark = &journal->cursors[taken->place.cursor].marks.items[taken->place.mark];
        mark->stored = taken->mark.position;
        mark->known = true;
        changed[taken->place.cursor] = true;
    }
    for (size_t i = 0; i < journal->cursors_count; i++)
        if (changed[i])
            mark_table_settle(&journal->cursors[i].marks);
    if (control->cursors_count) {
        journal->marks_flying = 0;
        pthread_cond_signal(&journal->prepare);
    }
}

void control_failed(struct journal *journal, const struct control *control)
{
    if (journal->closing)
        return;
    for (size_t i = 0; i < control->cursors_count; i++)
        journal->cursors[control->cursors[i].cursor].dirty = true;
    for (size_t i = 0; i < control->marks_count; i++) {
        const struct mark_place place = control->marks[i].place;
        struct mark *mark = &journal->cursors[place.cursor].marks.items[place.mark];
        if (!mark->waiting)
            journal->waiting_marks[journal->marks_waiting++] = place;
        mark->waiting = true;
    }
    if (control->cursors_count)
        journal->marks_flying = 0;
}
