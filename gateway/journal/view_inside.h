/* view_inside: what a view is made of, shared by its own files only. */
#ifndef PENSTOCK_JOURNAL_VIEW_INSIDE_H
#define PENSTOCK_JOURNAL_VIEW_INSIDE_H

#include "journal/recovery_list.h"
#include "journal/view.h"

struct journal_view_inside {
    struct journal *
        journal; /* never opened: a directory, the segments and what was applied. Its segments and the view's are in the same order */
    struct listing listing; /* owns the names of segments */
};

bool view_cursor_adds_up(const struct journal_cursor *cursor);

#endif
