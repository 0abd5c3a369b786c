/* shipment: see shipment.h; what is known of the target before anything is read. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "table/attempt_internal.h"
#include "table/manifest.h"
#include "table/published.h"
#include "table/shipment_internal.h"

#define SHIPMENT_MANIFESTS_MAX ((size_t)100000)

static bool shipment_gives_up(void *context)
{
    const struct shipment *shipment = context;

    return atomic_load_explicit(shipment->options.stop, memory_order_relaxed);
}

int shipment_reach(
    const struct shipment *shipment, bool looks, struct deposit **ret_deposit, struct error *error)
{
    const struct deposit_options options = {.config = shipment->options.config,
        .id = looks ? NULL : shipment->options.id,
        .spool = shipment->options.folder,
        .clock = shipment->options.clock,
        .give_up = shipment_gives_up,
        .context = (void *)(uintptr_t)shipment};

    return deposit_open(ret_deposit, &options, error);
}

/* ---- what is there ---------------------------------------------------------------------------------------------------- */

struct shipment_look {
    struct shipment *shipment;
    char **manifests;
    size_t count;
};

/* "manifest-00012.json"; -1: another name. */
static long look_number(const char *name)
{
    name += *name == '_';
    return published_is_manifest(name) && isdigit((unsigned char)name[strlen("manifest-")])
               ? strtol(name + strlen("manifest-"), NULL, 10)
               : -1;
}

/* The manifest of an increment without rows has a number, too. */
static int look_at(void *context, const char *name, struct error *error)
{
    struct shipment_look *look = context;
    long number = attempt_number(name);
    char **more = look->manifests;

    number = look_number(name) > number ? look_number(name) : number;
    if (number >= (long)look->shipment->first && number < ATTEMPT_FIRST_MAX)
        look->shipment->first = (unsigned)number + 1;
    if (!published_is_manifest(name))
        return 0;
    if (look->count == SHIPMENT_MANIFESTS_MAX)
        return error_set(error, ERROR_REJECT, "target %s: it has more than %zu manifests",
            look->shipment->options.url, SHIPMENT_MANIFESTS_MAX);
    more = realloc(more, (look->count + 1) * sizeof *more);
    if (more)
        look->manifests = more;
    if (!more || !(more[look->count] = strdup(name)))
        return error_set(error, ERROR_RETRY, "manifest: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    look->count++;
    return 0;
}

static int look_copy(const struct shipment *shipment, struct deposit *deposit, const char *name, int fd,
    char *piece, struct error *error)
{
    uint64_t from = 0;
    size_t length = SHIPMENT_PIECE;

    while (length == SHIPMENT_PIECE) {
        if (deposit_read(deposit, shipment->options.name, name, from, piece, SHIPMENT_PIECE, &length, error))
            return -1;
        if (from + length > MANIFEST_SIZE_MAX)
            return error_set(
                error, ERROR_REJECT, "%s/%s: it is too large for a manifest", shipment->options.url, name);
        if (file_write_at(fd, piece, length, from) != 0)
            return error_set_errno(error, ERROR_FATAL, "%s/%s", shipment->seen, name);
        from += length;
    }
    return 0;
}

static int look_fetch(
    const struct shipment *shipment, struct deposit *deposit, const char *name, struct error *error)
{
    char path[ATTEMPT_PATH_MAX + ATTEMPT_NAME_MAX + 2];
    char *piece = malloc(SHIPMENT_PIECE);

    snprintf(path, sizeof path, "%s/%s", shipment->seen, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    const int result = !piece   ? error_set(error, ERROR_RETRY, "manifest: out of memory")
                       : fd < 0 ? error_set_errno(error, ERROR_FATAL, "%s", path)
                                : look_copy(shipment, deposit, name, fd, piece, error);
    free(piece);
    return result;
}

/* Those of the last time go: a manifest that somebody has deleted says nothing any more. */
static int look_at_files(struct shipment *shipment, struct deposit *deposit, struct error *error)
{
    struct shipment_look look = {.shipment = shipment};

    attempt_delete(AT_FDCWD, shipment->seen);
    int result = file_make_directories(shipment->seen, error) ||
                 deposit_list(deposit, shipment->options.name, look_at, &look, error);
    for (size_t i = 0; i < look.count; i++) {
        result = result || look_fetch(shipment, deposit, look.manifests[i], error);
        free(look.manifests[i]);
    }
    free(look.manifests);
    return result ? -1 : 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

static int shipment_take_lock(struct shipment *shipment, struct error *error)
{
    char path[ATTEMPT_PATH_MAX + 8];

    if (file_make_directories(shipment->options.folder, error))
        return -1;
    snprintf(path, sizeof path, "%s/lock", shipment->options.folder);
    shipment->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (shipment->lock >= 0 && flock(shipment->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return shipment->lock >= 0 && errno == EWOULDBLOCK
               ? error_set(
                     error, ERROR_REJECT, "target %s: an import into it is at work", shipment->options.url)
               : error_set_errno(error, ERROR_FATAL, "%s", path);
}

static int shipment_look(struct shipment *shipment, struct error *error)
{
    __attribute__((cleanup(deposit_close))) struct deposit *deposit = NULL;

    if (shipment_reach(shipment, true, &deposit, error) ||
        deposit_any(deposit, shipment->options.name, &shipment->any, error))
        return -1;
    return shipment->any && shipment->options.how == ATTEMPT_APPEND ? look_at_files(shipment, deposit, error)
                                                                    : 0;
}

/* Whoever may not write is told so before the first row. */
static int shipment_try(const struct shipment *shipment, struct error *error)
{
    __attribute__((cleanup(deposit_close))) struct deposit *deposit = NULL;

    return shipment_reach(shipment, false, &deposit, error);
}

int shipment_open(struct shipment **ret_shipment, const struct shipment_options *options, struct error *error)
{
    __attribute__((cleanup(shipment_close))) struct shipment *shipment = calloc(1, sizeof *shipment);

    if (!shipment)
        return error_set(error, ERROR_RETRY, "import: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    shipment->options = *options;
    shipment->lock = -1;
    snprintf(shipment->place, sizeof shipment->place, "%s/rows", options->folder);
    snprintf(shipment->seen, sizeof shipment->seen, "%s/seen", options->folder);
    if (shipment_take_lock(shipment, error) || shipment_look(shipment, error) ||
        (!options->goes_on && shipment_begin(shipment, error)) || shipment_try(shipment, error))
        return -1;
    *ret_shipment = shipment;
    shipment = NULL;
    return 0;
}

void shipment_close(struct shipment **shipment)
{
    if (!*shipment)
        return;
    fd_close(&(*shipment)->lock);
    free(*shipment);
    *shipment = NULL;
}

const char *shipment_place(const struct shipment *shipment)
{
    return shipment->place;
}

const char *shipment_seen(const struct shipment *shipment)
{
    return shipment->seen;
}

unsigned shipment_first(const struct shipment *shipment)
{
    return shipment->first;
}

int shipment_begin(const struct shipment *shipment, struct error *error)
{
    return shipment->any && shipment->options.how == ATTEMPT_NEW
               ? error_set(error, ERROR_REJECT,
                     "target %s: it is not empty; remove it, name another one, add to it with --append, or go on with --resume if an interrupted import has begun to put its files there",
                     shipment->options.url)
               : 0;
}
