/* shipment_put: the files of an attempt become files of a store; see shipment.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "table/shipment_internal.h"

#define PUT_CLEARED \
    ".cleared" /* of the attempt: what was in the target before is deleted, what is there now is its own */
#define PUT_PATH (DEPOSIT_STAGE_SIZE + 2 * ATTEMPT_NAME_MAX + ATTEMPT_PATH_MAX)

struct putting {
    const struct shipment *shipment;
    struct attempt *attempt;
    struct deposit *deposit;
    const struct shipment_file *files;
    size_t count;
    bool again;
    const char *base; /* where they go, below the deposit's URL */
    char **there; /* "DIRECTORY/NAME", sorted; owned */
    size_t there_count, there_room;
    const char *listing; /* the directory that is listed */
    struct deposit_file group[DEPOSIT_MOST];
    char paths[DEPOSIT_MOST][PUT_PATH];
    size_t grouped;
};

static void put_join(char path[static PUT_PATH], const char *one, const char *other)
{
    snprintf(path, PUT_PATH, "%s%s%s", one, *one && *other ? "/" : "", other);
}

/* ---- the same? ---------------------------------------------------------------------------------------------------------- */

static int put_compare_pieces(const struct putting *putting, const char *directory, const char *name, int fd,
    char *pieces, bool *ret_same, struct error *error)
{
    uint64_t from = 0;
    size_t length = SHIPMENT_PIECE;
    bool same = true;

    while (same && length == SHIPMENT_PIECE) {
        if (deposit_read(putting->deposit, directory, name, from, pieces, SHIPMENT_PIECE, &length, error))
            return -1;
        const ssize_t own = file_read_at(fd, pieces + SHIPMENT_PIECE, SHIPMENT_PIECE, from);
        if (own < 0)
            return error_set_errno(error, ERROR_FATAL, "%s: read", name);
        same = (size_t)own == length && memcmp(pieces, pieces + SHIPMENT_PIECE, length) == 0;
        from += length;
    }
    *ret_same = same;
    return 0;
}

/* Is the store's file, byte by byte, the attempt's? One that is not there is not. */
static int put_compare(
    const struct putting *putting, const struct shipment_file *file, bool *ret_same, struct error *error)
{
    char own[PUT_PATH], directory[PUT_PATH];
    cleanup_fd int fd = -1;

    put_join(own, file->directory, file->name);
    put_join(directory, putting->shipment->options.name, file->directory);
    if (attempt_read(putting->attempt, false, own, &fd, error))
        return -1;
    char *pieces = malloc(2 * SHIPMENT_PIECE);
    if (!pieces)
        return error_set(error, ERROR_RETRY, "import: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    int result = put_compare_pieces(putting, directory, file->name, fd, pieces, ret_same, error);
    free(pieces);
    if (result && error->kind == ERROR_REJECT) {
        *ret_same = false;
        result = 0;
    }
    return result;
}

static int put_compare_all(const struct putting *putting, bool *ret_same, struct error *error)
{
    *ret_same = true;
    for (size_t i = 0; i < putting->count && *ret_same; i++)
        if (put_compare(putting, &putting->files[i], ret_same, error))
            return -1;
    return 0;
}

/* ---- in groups ------------------------------------------------------------------------------------------------------------ */

static int put_group(struct putting *putting, struct error *error)
{
    const size_t count = putting->grouped;

    putting->grouped = 0;
    return count ? deposit_put(putting->deposit, putting->group, count, error) : 0;
}

static int put_add(struct putting *putting, const struct shipment_file *file, struct error *error)
{
    char own[PUT_PATH];
    struct stat status;
    cleanup_fd int fd = -1;

    if ((file->last || putting->grouped == DEPOSIT_MOST) && put_group(putting, error))
        return -1;
    put_join(own, file->directory, file->name);
    if (attempt_read(putting->attempt, false, own, &fd, error))
        return -1;
    if (fstat(fd, &status) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s", own);
    put_join(putting->paths[putting->grouped], putting->base, file->directory);
    putting->group[putting->grouped] = (struct deposit_file){
        putting->paths[putting->grouped], file->name, fd_take(&fd), (uint64_t)status.st_size};
    putting->grouped++;
    return 0;
}

static void put_drop(struct putting *putting)
{
    for (size_t i = 0; i < putting->grouped; i++)
        fd_close(&putting->group[i].fd);
    for (size_t i = 0; i < putting->there_count; i++)
        free(putting->there[i]);
    free(putting->there);
}

/* ---- all at once ------------------------------------------------------------------------------------------------------------ */

static int put_refuse(const struct putting *putting, const char *name, struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "target %s: %s has come meanwhile, or was there: nothing is put in its place; move it away before you go on",
        putting->shipment->options.url, name);
}

/* What a killed one has left of the directory that nobody sees is gone already: the deposit was opened anew. */
static int put_staged(struct putting *putting, const char *stage, struct error *error)
{
    const struct shipment_options *options = &putting->shipment->options;
    bool any, same;

    if (deposit_any(putting->deposit, options->name, &any, error))
        return -1;
    if (any && putting->again) {
        if (put_compare_all(putting, &same, error) || same)
            return same ? 0 : -1;
    }
    if (any && options->how == ATTEMPT_NEW)
        return put_refuse(putting, "something", error);
    putting->base = stage;
    for (size_t i = 0; i < putting->count; i++)
        if (put_add(putting, &putting->files[i], error))
            return -1;
    return put_group(putting, error) || (any && deposit_clear(putting->deposit, options->name, error)) ||
                   deposit_appear(putting->deposit, options->name, error)
               ? -1
               : 0;
}

/* ---- one by one ------------------------------------------------------------------------------------------------------------ */

static int put_note(void *context, const char *name, struct error *error)
{
    struct putting *putting = context;
    char path[PUT_PATH];

    put_join(path, putting->listing, name);
    if (putting->there_count == putting->there_room) {
        const size_t room = putting->there_room ? 2 * putting->there_room : 64;
        char **more = realloc(putting->there, room * sizeof *more);
        if (!more)
            return error_set(error, ERROR_RETRY, "import: out of memory"); /* GCOVR_EXCL_LINE out of memory */
        putting->there = more;
        putting->there_room = room;
    }
    char *kept = strdup(path);
    if (!kept)
        return error_set(error, ERROR_RETRY, "import: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    putting->there[putting->there_count++] = kept;
    return 0;
}

static int put_order(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* A table's files stand one behind the other. */
static int put_list(struct putting *putting, struct error *error)
{
    char directory[PUT_PATH];

    for (size_t i = 0; i < putting->count; i++) {
        putting->listing = putting->files[i].directory;
        if (i > 0 && strcmp(putting->listing, putting->files[i - 1].directory) == 0)
            continue;
        put_join(directory, putting->base, putting->listing);
        if (deposit_list(putting->deposit, directory, put_note, putting, error))
            return -1;
    }
    if (putting->there_count)
        qsort(putting->there, putting->there_count, sizeof *putting->there, put_order);
    return 0;
}

static bool put_is_there(const struct putting *putting, const struct shipment_file *file)
{
    char path[PUT_PATH];
    const char *key = path;

    put_join(path, file->directory, file->name);
    return putting->there_count &&
           bsearch(&key, putting->there, putting->there_count, sizeof *putting->there, put_order);
}

static int put_missing(struct putting *putting, const struct shipment_file *file, struct error *error)
{
    bool same;

    if (!put_is_there(putting, file))
        return put_add(putting, file, error);
    /* Who adds finds that mark there. */
    if (putting->shipment->options.how == ATTEMPT_APPEND && strcmp(file->name, "_SUCCESS") == 0)
        return 0;
    if (putting->again && put_compare(putting, file, &same, error))
        return -1;
    return putting->again && same ? 0 : put_refuse(putting, file->name, error);
}

static int put_pieces(struct putting *putting, struct error *error)
{
    const struct shipment_options *options = &putting->shipment->options;
    bool any = false;

    putting->base = options->name;
    if (options->how == ATTEMPT_REPLACE && !attempt_has(putting->attempt, "", PUT_CLEARED, 0)) {
        if (deposit_clear(putting->deposit, options->name, error) ||
            attempt_write(putting->attempt, "", PUT_CLEARED, (struct slice){NULL, 0}, error) ||
            attempt_sync(putting->attempt, "", error))
            return -1;
        putting->again = true;
    } else if (options->how == ATTEMPT_NEW && !putting->again &&
               deposit_any(putting->deposit, options->name, &any, error)) {
        return -1;
    }
    if (any)
        return put_refuse(putting, "something", error);
    if (put_list(putting, error))
        return -1;
    for (size_t i = 0; i < putting->count; i++)
        if (put_missing(putting, &putting->files[i], error))
            return -1;
    return put_group(putting, error);
}

int shipment_put(struct shipment *shipment, struct attempt *attempt, const struct shipment_file *files,
    size_t count, bool again, struct error *error)
{
    __attribute__((cleanup(deposit_close))) struct deposit *deposit = NULL;
    struct putting *putting = calloc(1, sizeof *putting);
    char stage[DEPOSIT_STAGE_SIZE];

    if (!putting || shipment_reach(shipment, false, &deposit, error)) {
        free(putting);
        return putting ? -1 : error_set(error, ERROR_RETRY, "import: out of memory");
    }
    *putting = (struct putting){.shipment = shipment,
        .attempt = attempt,
        .deposit = deposit,
        .files = files,
        .count = count,
        .again = again};
    const bool at_once = shipment->options.how != ATTEMPT_APPEND && deposit_stage(deposit, stage);
    const int result = at_once ? put_staged(putting, stage, error) : put_pieces(putting, error);
    put_drop(putting);
    free(putting);
    if (result == 0)
        deposit_leave(deposit);
    return result;
}
