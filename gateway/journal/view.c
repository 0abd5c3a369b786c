/* view: opening a journal to look at it, and what its outlets' totals prove (view.h). */
#include "journal/view.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/view_inside.h"

#define VIEW_FILES_FIRST 16

void journal_view_close(struct journal_view **view)
{
    struct journal_view *old = *view;

    *view = NULL;
    if (!old)
        return;
    for (size_t i = 0; i < old->outlets_count; i++)
        free(old->outlets[i].marks);
    for (size_t i = 0; i < old->files_count; i++)
        free((char *)old->files[i].name);
    free(old->files);
    free(old->segments);
    recovery_list_free(&old->inside->listing);
    journal_free(old->inside->journal);
    free(old->inside);
    free(old);
}

/* GCOVR_EXCL_START: memory is gone */
static int view_no_memory(struct error *error)
{
    return error_set(error, ERROR_FATAL, "journal: out of memory"); /* not to be tried again at once */
}
/* GCOVR_EXCL_STOP */

/* ---- segments ------------------------------------------------------------------------------------------------ */

static const struct found *view_found(const struct journal_view *view, const char *name)
{
    const struct listing *listing = &view->inside->listing;

    for (size_t i = 0; i < listing->count; i++)
        if (strcmp(listing->items[i].name, name) == 0)
            return &listing->items[i];
    return NULL;
}

/* A segment that got its name while the directory was read may be missed: it is there now. One that was freed is not. */
static int view_check_missed(const struct journal_view *view, uint64_t number, struct error *error)
{
    const struct journal *journal = view->inside->journal;
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, number);
    if (number == 0 || view_found(view, name) || faccessat(journal->directory, name, F_OK, 0))
        return 0;
    return error_set(
        error, ERROR_RETRY, "journal %s: %s was made meanwhile", journal->options.directory, name);
}

static int view_take_segment(struct journal_view *view, const struct found *found, struct error *error)
{
    struct journal *journal = view->inside->journal;
    const struct segment_header *header = &found->header;
    struct journal_view_segment *before =
        view->segments_count ? &view->segments[view->segments_count - 1] : NULL;
    struct segment *listed = &journal->segments[view->segments_count];

    listed->file = found->name;
    if (before && before->number == header->previous) {
        before->end_known = true;
        before->end = header->previous_end;
        before->cut = before->size < before->end;
    } else if (before && view_check_missed(view, header->previous, error)) {
        return -1;
    }
    view->segments[view->segments_count++] = (struct journal_view_segment){.file = found->name,
        .misnamed = !found_name_right(found),
        .half = found->half,
        .number = header->number,
        .first = listed->base + 1,
        .last = listed->last,
        .end = found->size,
        .size = found->size,
        .epoch = header->epoch,
        .made = header->created};
    memcpy(view->gateway_id, header->gateway_id, sizeof view->gateway_id);
    view->segment_size = header->size;
    return 0;
}

static int view_take_segments(struct journal_view *view, struct error *error)
{
    const struct listing *listing = &view->inside->listing;

    view->segments = calloc(listing->count + 1, sizeof *view->segments);
    if (!view->segments)
        return view_no_memory(error); /* GCOVR_EXCL_LINE: memory is gone */
    for (size_t i = 0; i < listing->count; i++) {
        const struct found *found = &listing->items[i];
        /* A header that was read of a recycled file is another segment's, or none. */
        if (faccessat(view->inside->journal->directory, found->name, F_OK, 0))
            return error_set(error, ERROR_RETRY, "journal %s: %s was freed meanwhile",
                view->inside->journal->options.directory, found->name);
        if (!found->aside && view_take_segment(view, found, error))
            return -1;
    }
    /* By what stands in a newer one segments are freed, and a start cuts the one before it to its end: neither is damage. What comes up from here
     * on does no harm: all of this was seen before, and the cursors are read later. */
    if (view->segments_count == 0)
        return 0;
    return view_check_missed(view, view->segments[view->segments_count - 1].number + 1, error);
}

/* ---- other files ---------------------------------------------------------------------------------------------- */

static const char *file_what(const char *name)
{
    static const char aside[] = ".aside";
    const size_t length = strlen(name);
    uint64_t number;

    if (name_has_form(name, "reserve.", "", &number))
        return "reserve: room for the next segments";
    if (name_has_form(name, "reserve.", ".part", &number))
        return "reserve made in haste: allocated, not all of it filled";
    if (name_has_form(name, "reserve.", ".new", &number))
        return "a reserve that is being made, or was";
    if (name_has_form(name, "", ".damaged", &number))
        return "damaged, kept when every outlet had passed it";
    if (length > sizeof aside - 1 && strcmp(name + length - (sizeof aside - 1), aside) == 0)
        return "set aside by an earlier start";
    return "not the journal's";
}

static int view_add_file(struct journal_view *view, const char *name, struct error *error)
{
    const struct found *found = view_found(view, name);
    struct stat status;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (found && !found->aside) ||
        fstatat(view->inside->journal->directory, name, &status, AT_SYMLINK_NOFOLLOW))
        return 0;
    if (view->files_count % VIEW_FILES_FIRST == 0) {
        struct journal_view_file *files =
            reallocarray(view->files, view->files_count + VIEW_FILES_FIRST, sizeof *files);
        if (!files)
            return view_no_memory(error); /* GCOVR_EXCL_LINE: memory is gone */
        view->files = files;
    }
    const char *copy = strdup(name);
    if (!copy)
        return view_no_memory(error); /* GCOVR_EXCL_LINE: memory is gone */
    view->files[view->files_count++] = (struct journal_view_file){.name = copy,
        .size = (uint64_t)status.st_size,
        .fault = found,
        .what = found ? found->why : file_what(name)};
    return 0;
}

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const struct journal_view_file *)a)->name, ((const struct journal_view_file *)b)->name);
}

static int view_take_files(struct journal_view *view, struct error *error)
{
    int fd = openat(view->inside->journal->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int result = 0;

    if (!directory) { /* GCOVR_EXCL_START: no descriptor or no memory */
        fd_close(&fd);
        return error_set_errno(
            error, ERROR_FATAL, "journal %s: list", view->inside->journal->options.directory);
    } /* GCOVR_EXCL_STOP */
    while (!result && (entry = readdir(directory)))
        result = view_add_file(view, entry->d_name, error);
    closedir(directory);
    if (view->files_count)
        qsort(view->files, view->files_count, sizeof *view->files, file_compare);
    return result;
}

static int view_new(
    struct journal_view **ret_view, const struct journal_options *options, struct error *error)
{
    struct journal_view *view = calloc(1, sizeof *view);
    struct journal_view_inside *inside = calloc(1, sizeof *inside);

    if (!view || !inside ||
        journal_new(&inside->journal, options, error)) { /* GCOVR_EXCL_START: memory is gone */
        free(view);
        free(inside);
        return view_no_memory(error);
    } /* GCOVR_EXCL_STOP */
    view->inside = inside;
    *ret_view = view;
    return 0;
}

int journal_view_open(struct journal_view **ret_view, const char *directory, struct error *error)
{
    const struct journal_options options = {.directory = directory, .gateway_id = ""};
    cleanup_journal_view struct journal_view *view = NULL;

    if (view_new(&view, &options, error))
        return -1; /* GCOVR_EXCL_LINE: memory is gone */
    struct journal *journal = view->inside->journal;
    journal->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0)
        return error_set_errno(error, ERROR_FATAL, "journal %s: open", directory);
    if (recovery_list_peek(journal, &view->inside->listing, error) || view_take_segments(view, error) ||
        view_take_files(view, error))
        return -1;
    *ret_view = view;
    view = NULL;
    return 0;
}

/* ---- state ---------------------------------------------------------------------------------------------------- */

static int view_take_outlet(struct journal_view *view, const struct cursor *cursor, struct error *error)
{
    struct journal_view_outlet *outlet = &view->outlets[view->outlets_count];

    outlet->marks = calloc(cursor->marks.count + 1, sizeof *outlet->marks);
    if (!outlet->marks)
        return view_no_memory(error); /* GCOVR_EXCL_LINE: memory is gone */
    view->outlets_count++;
    memcpy(outlet->name, cursor->outlet, sizeof outlet->name);
    outlet->cursor = cursor->stored;
    outlet->least = cursor->marks.least;
    outlet->marks_count = cursor->marks.count;
    for (size_t i = 0; i < cursor->marks.count; i++) {
        memcpy(outlet->marks[i].name, cursor->marks.items[i].name, sizeof outlet->marks[i].name);
        outlet->marks[i].position = cursor->marks.items[i].stored;
    }
    return 0;
}

int journal_view_recover(
    struct journal_view *view, const struct state_kind *kinds, size_t kinds_count, struct error *error)
{
    struct journal *journal = view->inside->journal;
    struct journal_report report = {0}; /* takes no notes: who walks is told more */

    journal->options.kinds = kinds;
    journal->options.kinds_count = kinds_count;
    if (view->segments_count == 0)
        return 0;
    if (recovery_peek(journal, &report, error))
        return -1;
    const struct segment *found = segment_current(journal);
    struct journal_view_segment *newest = &view->segments[view->segments_count - 1];
    newest->last = view->last = found->last;
    newest->end = view->tail_offset = found->end;
    newest->end_known = true;
    newest->cut = newest->size < view->segment_size;
    newest->damaged = found->damaged;
    view->tail_first = report.tail_first;
    view->tail_last = report.tail_last;
    for (size_t i = 0; i < journal->cursors_count; i++)
        if (view_take_outlet(view, &journal->cursors[i], error))
            return -1; /* GCOVR_EXCL_LINE: memory is gone */
    return 0;
}

/* ---- the ledger ------------------------------------------------------------------------------------------------ */

bool view_cursor_adds_up(const struct journal_cursor *cursor)
{
    const uint64_t parts[] = {
        cursor->delivered, cursor->dead_lettered, cursor->not_for_outlet, cursor->damaged, cursor->held};
    uint64_t sum = cursor->base;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (__builtin_add_overflow(sum, parts[i], &sum))
            return false;
    return sum == cursor->position;
}

uint64_t journal_view_queued(const struct journal_view_outlet *outlet, uint64_t last)
{
    const uint64_t position = outlet->cursor.position;

    return (last > position ? last - position : 0) + outlet->cursor.held;
}

int journal_view_prove(const struct journal_view_outlet *outlet, uint64_t last, uint64_t unread,
    struct journal_ledger *ret_ledger, struct error *error)
{
    const struct journal_cursor *cursor = &outlet->cursor;
    const uint64_t behind_marks = outlet->least < cursor->position ? cursor->position - outlet->least : 0;
    const uint64_t queued = unread + cursor->held;
    const uint64_t accounted =
        cursor->delivered + cursor->dead_lettered + cursor->not_for_outlet + cursor->damaged + queued;

    *ret_ledger = (struct journal_ledger){last - cursor->base, queued};
    if (!view_cursor_adds_up(cursor))
        return error_set(error, ERROR_REJECT,
            "position %" PRIu64 " is not base %" PRIu64 " + delivered %" PRIu64 " + dead-lettered %" PRIu64
            " + not for it %" PRIu64 " + damaged %" PRIu64 " + held %" PRIu64,
            cursor->position, cursor->base, cursor->delivered, cursor->dead_lettered, cursor->not_for_outlet,
            cursor->damaged, cursor->held);
    if (cursor->position > last)
        return error_set(error, ERROR_REJECT, "position %" PRIu64 " is behind the newest record, %" PRIu64,
            cursor->position, last);
    if (cursor->held > behind_marks)
        return error_set(error, ERROR_REJECT,
            "%" PRIu64 " records are held, and only %" PRIu64 " stand between its marks and its position",
            cursor->held, behind_marks);
    if (accounted != ret_ledger->accepted)
        return error_set(error, ERROR_REJECT,
            "%" PRIu64 " records were accepted, and it accounts for %" PRIu64, ret_ledger->accepted,
            accounted);
    return 0;
}
