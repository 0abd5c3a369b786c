/* list: see list.h */
#include "files/list.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/shown.h"
#include "files/files_internal.h"
#include "journal/journal.h"

#define LIST_TRIES 10 /* at a journal whose segments are freed while they are read */

struct list_row {
    char *path; /* owned; of a watch its patterns */
    uint64_t number; /* 0: a watch */
    struct file_identity identity;
    uint64_t position;
    const char *state;
    bool renamed, done; /* as the journal says */
    bool there;
    uint64_t size; /* when it is there */
};

struct list {
    struct list_row *rows;
    size_t count, capacity;
};

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->rows[i].path);
    free(list->rows);
}

/* ---- what the journal says ----------------------------------------------------------------------------------------- */

static int list_add(void *context, const struct file_record *record, struct error *error)
{
    struct list *list = context;

    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 64;
        struct list_row *rows = reallocarray(list->rows, capacity, sizeof *rows);
        if (!rows)
            return error_set(error, ERROR_RETRY, "files: out of memory");
        list->rows = rows;
        list->capacity = capacity;
    }
    char *path = strndup(record->path.data, record->path.length);
    if (!path)
        return error_set(error, ERROR_RETRY, "files: out of memory");
    list->rows[list->count++] = (struct list_row){.path = path,
        .number = record->number,
        .position = record->position,
        .identity = record->identity,
        .renamed = record->renamed,
        .done = record->done,
        .state = record->watch ? "watch" : "gone"};
    for (char *next = path; record->watch && *next; next++)
        *next = *next == '\n' ? ' ' : *next; /* between its patterns */
    return 0;
}

/* From the beginning each time: what was applied before a segment was freed is of no use. */
int file_list_read(
    struct file_state **ret_state, const char *directory, uint64_t segment_size, struct error *error)
{
    for (int i = 0; i < LIST_TRIES; i++) {
        struct file_state *state;
        if (file_state_new(&state, segment_size, error))
            return -1;
        const struct state_kind kind = file_state_kind(state);
        if (journal_peek(directory, &kind, 1, error) == 0) {
            *ret_state = state;
            return 0;
        }
        file_state_free(&state);
        if (error->kind != ERROR_RETRY)
            return -1;
    }
    return -1;
}

/* ---- what is there --------------------------------------------------------------------------------------------------- */

/* Nothing is opened for reading: it may be anything. */
static bool list_look(struct list_row *row, int directory, const char *name, int flags)
{
    const struct file known = {.identity = row->identity};
    cleanup_fd int file = openat(directory, name, O_PATH | O_CLOEXEC | flags);
    struct file_identity identity;
    struct error ignored;
    struct stat about;

    if (file < 0 || file_identify(file, &identity, &ignored) || !file_is_same(&known, &identity) ||
        fstat(file, &about))
        return false;
    row->there = true;
    row->size = (uint64_t)about.st_size;
    return true;
}

/* Under which other name of its directory it is, if any: as the gateway looks for what was rotated. Without memory for that name it is shown as gone. */
static void list_search(struct list_row *row)
{
    const size_t length = (size_t)(strrchr(row->path, '/') - row->path) + 1;
    char *parent = strndup(row->path, length), *path = NULL;
    DIR *directory = parent ? opendir(parent) : NULL;
    const struct dirent *entry;

    free(parent);
    while (directory && !row->there && (entry = readdir(directory))) {
        if (entry->d_ino != row->identity.inode ||
            !list_look(row, dirfd(directory), entry->d_name, O_NOFOLLOW))
            continue;
        row->there = asprintf(&path, "%.*s%s", (int)length, row->path, entry->d_name) >= 0;
        if (!row->there)
            break;
        free(row->path);
        row->path = path;
        row->state = "renamed";
    }
    if (directory)
        closedir(directory);
}

static void list_judge(struct list_row *row)
{
    if (row->number == 0)
        return;
    if (list_look(row, AT_FDCWD, row->path, 0))
        row->state = row->done ? "done" : row->renamed ? "renamed" : "lives";
    else if (*row->path == '/')
        list_search(row);
    if (row->there && row->size < row->position)
        row->state = "cut";
}

static int list_compare_identities(const void *a, const void *b)
{
    const struct list_row *one = a, *other = b;
    const int order = memcmp(&one->identity, &other->identity, sizeof one->identity);

    return order ? order : (one->number > other->number) - (one->number < other->number);
}

static int list_compare_paths(const void *a, const void *b)
{
    const struct list_row *one = a, *other = b;
    const int order = strcmp(one->path, other->path);

    return order ? order : (one->number > other->number) - (one->number < other->number);
}

/* Of two that are one file the older one is what was in it before it was cut. */
static void list_find_cut(struct list *list)
{
    qsort(list->rows, list->count, sizeof *list->rows, list_compare_identities);
    for (size_t i = 0; i + 1 < list->count; i++) {
        struct list_row *row = &list->rows[i];
        if (row->number == 0 || memcmp(&row->identity, &row[1].identity, sizeof row->identity) != 0)
            continue;
        row->state = "cut";
        row->there = false;
    }
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

static int list_print_row(struct bytes *text, const struct list_row *row, struct error *error)
{
    char identity[48] = "-", position[24] = "-", size[24] = "-", lag[24] = "-";

    if (row->number) {
        snprintf(
            identity, sizeof identity, "%" PRIu64 ":%" PRIu64, row->identity.device, row->identity.inode);
        snprintf(position, sizeof position, "%" PRIu64, row->position);
    }
    if (row->there)
        snprintf(size, sizeof size, "%" PRIu64, row->size);
    if (row->there && row->size >= row->position)
        snprintf(lag, sizeof lag, "%" PRIu64, row->size - row->position);
    if (bytes_print(
            text, error, "%-7s  %-16s  %12s  %12s  %12s  ", row->state, identity, position, size, lag) ||
        shown_add(text, row->path, error))
        return -1;
    return bytes_add_text(text, "\n", error);
}

static int list_print(struct bytes *text, const struct list *list, struct error *error)
{
    if (list->count && bytes_print(text, error, "%-7s  %-16s  %12s  %12s  %12s  %s\n", "STATE",
                           "DEVICE:INODE", "POSITION", "SIZE", "LAG", "PATH"))
        return -1;
    for (size_t i = 0; i < list->count; i++) {
        if (list_print_row(text, &list->rows[i], error))
            return -1;
    }
    return 0;
}

int file_list(struct bytes *text, const struct file_state *state, struct error *error)
{
    __attribute__((cleanup(list_free))) struct list list = {0};

    if (file_state_visit(state, list_add, &list, error))
        return -1;
    if (list.count == 0)
        return 0;
    for (size_t i = 0; i < list.count; i++)
        list_judge(&list.rows[i]);
    list_find_cut(&list);
    qsort(list.rows, list.count, sizeof *list.rows, list_compare_paths);
    return list_print(text, &list, error);
}
