/* recovery_list: which files of the directory are segments of this journal; what is not is set aside, never deleted. */
#include "journal/recovery_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"

void recovery_note(struct journal_report *report, const char *format, ...)
{
    char line[800];
    struct error error;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    size_t length = strlen(line);
    line[length] = '\n';
    (void)bytes_add(&report->notes, line, length + 1, &error); /* beyond its limit the counters still tell */
}

bool name_has_form(const char *name, const char *prefix, const char *suffix, uint64_t *ret_number)
{
    size_t length = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, length) != 0 || name[length] < '0' || name[length] > '9')
        return false;
    errno = 0;
    *ret_number = strtoull(name + length, &end, 10);
    return errno == 0 && strcmp(end, suffix) == 0;
}

static int found_read(struct journal *journal, struct found *found, struct error *error)
{
    char stored[SEGMENT_HEADER_SIZE] = {0};
    struct stat status;
    cleanup_fd int fd = openat(journal->directory, found->name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status)) /* GCOVR_EXCL_START: it vanished since it was listed, or a bad disk */
        return error_set_errno(error, errno == ENOENT ? ERROR_RETRY : ERROR_FATAL, "journal %s: open %s",
            journal->options.directory, found->name);
    /* GCOVR_EXCL_STOP */
    found->size = (uint64_t)status.st_size;
    if (file_read_at(fd, stored, sizeof stored, 0) < 0) { /* GCOVR_EXCL_START: a bad sector */
        snprintf(found->why, sizeof found->why, "header cannot be read: %s", strerror(errno));
        return 0;
    } /* GCOVR_EXCL_STOP */
    if (segment_header_decode(stored, &found->header, error) == 0) {
        found->sound = true;
        found->half = memcmp(stored, stored + SEGMENT_HEADER_COPY, SEGMENT_HEADER_USED) != 0;
        return 0;
    }
    if (error->kind == ERROR_FATAL)
        return error_wrap(error, "journal %s: %s", journal->options.directory, found->name);
    snprintf(found->why, sizeof found->why, "%s", error->text);
    return 0;
}

static int listing_add(
    struct journal *journal, struct listing *listing, const char *name, struct error *error)
{
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity ? listing->capacity * 2 : 64;
        struct found *items = realloc(listing->items, capacity * sizeof *items);
        if (!items)
            return error_set(error, ERROR_RETRY,
                "journal: list of segments: out of memory"); /* GCOVR_EXCL_LINE: memory is gone */
        listing->items = items;
        listing->capacity = capacity;
    }
    struct found *found = &listing->items[listing->count++];
    *found = (struct found){0};
    snprintf(found->name, sizeof found->name, "%.*s", SEGMENT_NAME_SIZE - 1, name);
    return found_read(journal, found, error);
}

/* A reserve of another size was made under another journal.segment_size: of no use any more. */
static void reserve_found(struct journal *journal, const char *name, uint64_t id, bool whole)
{
    struct stat status;
    bool fits = fstatat(journal->directory, name, &status, 0) == 0 &&
                (uint64_t)status.st_size == journal->options.segment_size;

    if (id >= journal->reserve_next)
        journal->reserve_next = id + 1;
    if (fits && reserve_has_room(journal)) {
        journal->reserve[journal->reserve_count++] = (struct reserve){id, whole};
        journal->bytes += journal->options.segment_size;
    } else {
        journal->io->unlink(journal->io->context, journal->directory, name);
    }
}

/* Reads every header before anything is changed: a newer version refuses to start and touches nothing. */
static int listing_read(struct journal *journal, struct listing *listing, bool reserves, struct error *error)
{
    int fd = openat(journal->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint64_t number;
    int result = 0;

    if (!directory) { /* GCOVR_EXCL_START: no descriptor or no memory */
        fd_close(&fd);
        return error_set_errno(error, ERROR_FATAL, "journal %s: list", journal->options.directory);
    } /* GCOVR_EXCL_STOP */
    while (!result && (entry = readdir(directory))) {
        const char *name = entry->d_name;
        if (!reserves &&
            (name_has_form(name, "", ".segment", &number) || name_has_form(name, "", ".moved", &number)))
            result = listing_add(journal, listing, name, error);
        else if (reserves && name_has_form(name, "reserve.", "", &number))
            reserve_found(journal, name, number, true);
        else if (reserves && name_has_form(name, "reserve.", ".part", &number))
            reserve_found(journal, name, number, false);
        else if (reserves && name_has_form(name, "reserve.", ".new", &number))
            journal->io->unlink(journal->io->context, journal->directory, name);
        else if (reserves && name_has_form(name, "", ".damaged", &number))
            journal->damaged_kept++;
    }
    closedir(directory);
    return result;
}

/* The log that most segments belong to; a single stranger cannot outvote it. */
static uint64_t listing_log(const struct listing *listing)
{
    uint64_t log = 0;
    size_t most = 0;

    for (size_t i = 0; i < listing->count; i++) {
        size_t votes = 0;
        for (size_t k = 0; listing->items[i].sound && k < listing->count; k++)
            votes += listing->items[k].sound && listing->items[k].header.log == listing->items[i].header.log;
        if (votes > most) {
            most = votes;
            log = listing->items[i].header.log;
        }
    }
    return log;
}

static int found_compare(const void *a, const void *b)
{
    const struct found *left = a;
    const struct found *right = b;

    if (left->header.number != right->header.number)
        return left->header.number < right->header.number ? -1 : 1;
    return strcmp(left->name, right->name);
}

bool found_name_right(const struct found *found)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, found->header.number);
    return strcmp(name, found->name) == 0;
}

static void found_set_aside(struct found *found, const char *why)
{
    found->aside = true;
    snprintf(found->why, sizeof found->why, "%s", why);
}

/* Of several files with one number the one whose name says so is kept. */
static void listing_mark_duplicates(struct listing *listing)
{
    struct found *kept = NULL;

    for (size_t i = 0; i < listing->count; i++) {
        struct found *found = &listing->items[i];
        if (found->aside)
            continue;
        if (!kept || kept->header.number != found->header.number) {
            kept = found;
        } else if (found_name_right(found)) {
            found_set_aside(kept, "a second copy of a segment");
            kept = found;
        } else {
            found_set_aside(found, "a second copy of a segment");
        }
    }
}

static void listing_mark(struct journal *journal, struct listing *listing)
{
    journal->log = listing_log(listing);
    for (size_t i = 0; i < listing->count; i++) {
        struct found *found = &listing->items[i];
        if (!found->sound)
            found->aside = true;
        else if (found->header.log != journal->log)
            found_set_aside(found, "a segment of another journal");
    }
    if (listing->count)
        qsort(listing->items, listing->count, sizeof *listing->items, found_compare);
    listing_mark_duplicates(listing);
}

static int listing_check_gateway(
    const struct journal *journal, const struct listing *listing, struct error *error)
{
    for (size_t i = listing->count; i-- > 0;) {
        const struct found *found = &listing->items[i];
        if (found->aside)
            continue;
        if (strcmp(found->header.gateway_id, journal->gateway_id) == 0)
            return 0;
        return error_set(error, ERROR_FATAL,
            "journal %s belongs to gateway.id %s, not %s: set gateway.id back, or choose another gateway.data",
            journal->options.directory, found->header.gateway_id, journal->gateway_id);
    }
    return 0;
}

static int listing_rename(struct journal *journal, struct found *found, const char *to, struct error *error)
{
    if (journal->io->rename(journal->io->context, journal->directory, found->name, to))
        return error_set_errno(
            error, ERROR_FATAL, "journal %s: rename %s to %s", journal->options.directory, found->name, to);
    snprintf(found->name, sizeof found->name, "%s", to);
    return 0;
}

static int listing_set_aside(
    struct journal *journal, struct listing *listing, struct journal_report *report, struct error *error)
{
    char name[SEGMENT_NAME_SIZE];

    for (size_t i = 0; i < listing->count; i++) {
        struct found *found = &listing->items[i];
        if (!found->aside)
            continue;
        snprintf(name, sizeof name, "%.30s.%08" PRIx32 ".aside", found->name, (uint32_t)journal_random());
        recovery_note(
            report, "%s: %s: set aside as %s, nothing of it is delivered", found->name, found->why, name);
        if (listing_rename(journal, found, name, error))
            return -1;
    }
    return 0;
}

/* Swapped names: the header is right. Two passes, so that no name is in the way. */
static int listing_restore_names(
    struct journal *journal, struct listing *listing, struct journal_report *report, struct error *error)
{
    char name[SEGMENT_NAME_SIZE];

    for (size_t i = 0; i < listing->count; i++) {
        struct found *found = &listing->items[i];
        if (found->aside || found_name_right(found))
            continue;
        recovery_note(report, "%s holds segment %" PRIu64 ": renamed", found->name, found->header.number);
        snprintf(name, sizeof name, "%020" PRIu64 ".moved", found->header.number);
        if (listing_rename(journal, found, name, error))
            return -1;
    }
    for (size_t i = 0; i < listing->count; i++) {
        struct found *found = &listing->items[i];
        if (found->aside || found_name_right(found))
            continue;
        segment_name(name, found->header.number);
        if (listing_rename(journal, found, name, error))
            return -1;
    }
    return 0;
}

/* Base of the next one = last of this one; what lies beyond the end that the next one names is void. */
static int listing_take(struct journal *journal, const struct listing *listing, struct error *error)
{
    const struct segment_header *before = NULL;

    for (size_t i = 0; i < listing->count; i++) {
        const struct found *found = &listing->items[i];
        if (found->aside)
            continue;
        const struct segment_header *header = &found->header;
        if (before) {
            struct segment *previous = segment_current(journal);
            previous->last = header->base > previous->base ? header->base : previous->base;
            previous->end = header->previous == previous->number && header->previous_end < previous->size
                                ? header->previous_end
                                : previous->size;
            previous->lacking = header->previous != previous->number || header->previous_end > previous->size;
        }
        if (segment_list_add(journal, header, error))
            return -1; /* GCOVR_EXCL_LINE: memory is gone */
        segment_current(journal)->size = found->size;
        journal->bytes += found->size;
        journal->next_number = header->number + 1;
        before = header;
    }
    return 0;
}

void recovery_list_free(struct listing *listing)
{
    free(listing->items);
    *listing = (struct listing){0};
}

int recovery_list(struct journal *journal, struct journal_report *report, struct error *error)
{
    struct listing listing = {0};

    journal->next_number = journal->reserve_next = 1;
    int result = listing_read(journal, &listing, false, error);
    if (!result) {
        listing_mark(journal, &listing);
        result = listing_check_gateway(journal, &listing, error) ||
                 listing_set_aside(journal, &listing, report, error) ||
                 listing_restore_names(journal, &listing, report, error) ||
                 listing_take(journal, &listing, error) || listing_read(journal, &listing, true, error);
    }
    recovery_list_free(&listing);
    return result ? -1 : 0;
}

int recovery_list_peek(struct journal *journal, struct listing *ret_listing, struct error *error)
{
    if (listing_read(journal, ret_listing, false, error))
        return -1;
    listing_mark(journal, ret_listing);
    return listing_take(journal, ret_listing, error);
}
