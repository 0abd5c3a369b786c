/* verify_files: the files that a manifest names, read again; see verify.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/shown.h"
#include "table/hive.h"
#include "table/verify.h"

#define VERIFY_BUFFER ((size_t)1 << 20)
#define VERIFY_SENTENCE_MAX (8 * (size_t)PATH_MAX)
#define VERIFY_SUCCESS "_SUCCESS"

struct verifying {
    const struct manifest *manifest;
    const struct verify_teller *teller;
    struct verify_files *found;
    char *buffer;
    const char *directory; /* the table's that is looked at, "" where the manifest is */
    int fd; /* of it */
    const char **names; /* what may be in it */
    size_t names_count;
};

/* Names come from the manifest and from the disk. */
static void verify_tell(struct verifying *at, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void verify_tell(struct verifying *at, const char *name, const char *format, ...)
{
    cleanup_bytes struct bytes sentence;
    char why[ERROR_TEXT_SIZE];
    struct error ignored;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    bytes_init(&sentence, VERIFY_SENTENCE_MAX);
    at->found->differing++;
    if (shown_add(&sentence, at->manifest->folder, &ignored) || bytes_add_text(&sentence, "/", &ignored) ||
        shown_add(&sentence, at->directory, &ignored) ||
        bytes_add_text(&sentence, *at->directory && *name ? "/" : "", &ignored) ||
        shown_add(&sentence, name, &ignored) || bytes_print(&sentence, &ignored, ": %s", why) ||
        bytes_add(&sentence, "", 1, &ignored))
        at->teller->tell(at->teller->context, why); /* no memory: not even the name */
    else
        at->teller->tell(at->teller->context, sentence.data);
}

/* ---- a file ------------------------------------------------------------------------------------------------------ */

/* False: it could not be read to its end; errno says why. */
static bool verify_sum(const struct verifying *at, int fd, uint64_t *ret_bytes, uint32_t *ret_crc32c)
{
    uint64_t bytes = 0;
    uint32_t crc = 0;
    ssize_t got;

    while ((got = file_read_at(fd, at->buffer, VERIFY_BUFFER, bytes)) > 0) {
        crc = crc32c(crc, at->buffer, (size_t)got);
        bytes += (uint64_t)got;
    }
    *ret_bytes = bytes;
    *ret_crc32c = crc;
    return got == 0;
}

/* O_NONBLOCK: a pipe of that name holds up nobody. */
static void verify_file(struct verifying *at, const struct manifest_file *file)
{
    cleanup_fd int fd = openat(at->fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    uint64_t bytes;
    uint32_t crc;

    if (fd < 0 && errno == ENOENT)
        verify_tell(at, file->name, "it is missing");
    else if (fd < 0 || fstat(fd, &status) != 0)
        verify_tell(at, file->name, "it cannot be read: %s", strerror(errno));
    else if (!S_ISREG(status.st_mode))
        verify_tell(at, file->name, "it is no file");
    else if ((uint64_t)status.st_size != file->bytes)
        verify_tell(at, file->name, "it has %llu bytes, the manifest says %llu",
            (unsigned long long)status.st_size, (unsigned long long)file->bytes);
    else if (!verify_sum(at, fd, &bytes, &crc))
        verify_tell(at, file->name, "it cannot be read: %s", strerror(errno));
    else if (bytes != file->bytes || crc != file->crc32c)
        verify_tell(
            at, file->name, "its bytes are others: CRC32C %08x, the manifest says %08x", crc, file->crc32c);
    else {
        at->found->files++;
        at->found->bytes += bytes;
    }
}

/* Who reads the directory takes it for complete by this one. */
static void verify_mark(struct verifying *at)
{
    struct stat status;

    if (fstatat(at->fd, VERIFY_SUCCESS, &status, AT_SYMLINK_NOFOLLOW) != 0)
        verify_tell(at, VERIFY_SUCCESS, "%s", errno == ENOENT ? "it is missing" : strerror(errno));
}

/* ---- a directory ------------------------------------------------------------------------------------------------- */

static int verify_order(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Where several imports have put files, each of them knows its own only. */
static void verify_others(struct verifying *at)
{
    const int again = openat(at->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    struct dirent *entry;
    bool appended = false;

    if (!list) {
        verify_tell(at, "", "it cannot be listed: %s", strerror(errno));
        if (again >= 0)
            close(again);
        return;
    }
    qsort(at->names, at->names_count, sizeof *at->names, verify_order);
    while (!appended && (entry = readdir(list)))
        appended = fnmatch("*manifest-[0-9]*.json", entry->d_name, 0) == 0;
    rewinddir(list);
    while (!appended && (entry = readdir(list))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            !bsearch(&name, at->names, at->names_count, sizeof *at->names, verify_order))
            verify_tell(at, name, "it is none of the import's");
    }
    closedir(list);
}

static bool verify_open(struct verifying *at, const char *directory)
{
    char path[PATH_MAX];

    at->directory = directory;
    at->names_count = 0;
    snprintf(path, sizeof path, "%s/%s", at->manifest->folder, directory);
    at->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at->fd < 0)
        verify_tell(at, "", "%s", errno == ENOENT ? "it is missing" : strerror(errno));
    return at->fd >= 0;
}

/* The manifest itself, whatever it is called by now. */
static void verify_allow_manifest(struct verifying *at)
{
    const char *slash = strrchr(at->manifest->path, '/');

    at->names[at->names_count++] = slash ? slash + 1 : at->manifest->path;
    at->names[at->names_count++] = MANIFEST_NAME;
}

static void verify_table(struct verifying *at, const struct manifest_table *table)
{
    if (!verify_open(at, table->directory))
        return;
    for (size_t i = 0; i < table->files_count; i++) {
        if (!table->files[i].name)
            continue;
        verify_file(at, &table->files[i]);
        at->names[at->names_count++] = table->files[i].name;
    }
    verify_mark(at);
    at->names[at->names_count++] = VERIFY_SUCCESS;
    at->names[at->names_count++] = HIVE_SCRIPT;
    at->names[at->names_count++] = HIVE_BEGUN;
    at->names[at->names_count++] = HIVE_LOADED;
    if (!*table->directory)
        verify_allow_manifest(at);
    verify_others(at);
    fd_close(&at->fd);
}

/* Where the manifest is, when all tables have directories of their own. */
static void verify_top(struct verifying *at)
{
    for (size_t i = 0; i < at->manifest->tables_count; i++)
        if (!*at->manifest->tables[i].directory)
            return;
    if (!verify_open(at, ""))
        return;
    for (size_t i = 0; i < at->manifest->tables_count; i++)
        at->names[at->names_count++] = at->manifest->tables[i].directory;
    at->names[at->names_count++] = HIVE_LOADED;
    verify_allow_manifest(at);
    verify_others(at);
    fd_close(&at->fd);
}

/* Of one directory at most. */
static size_t verify_names_most(const struct manifest *manifest)
{
    size_t most = manifest->tables_count;

    for (size_t i = 0; i < manifest->tables_count; i++)
        if (manifest->tables[i].files_count > most)
            most = manifest->tables[i].files_count;
    return most + 6; /* the manifest by two names, _SUCCESS, and what Hive was told */
}

int verify_files(const struct manifest *manifest, const struct verify_teller *teller,
    struct verify_files *ret_files, struct error *error)
{
    struct verify_files found = {0};
    struct verifying at = {.manifest = manifest,
        .teller = teller,
        .found = &found,
        .buffer = malloc(VERIFY_BUFFER),
        .names = calloc(verify_names_most(manifest), sizeof *at.names),
        .fd = -1};
    const bool room = at.buffer && at.names;

    for (size_t i = 0; room && i < manifest->tables_count; i++)
        verify_table(&at, &manifest->tables[i]);
    if (room)
        verify_top(&at);
    free(at.buffer);
    free(at.names);
    if (!room)
        return error_set(error, ERROR_RETRY, "verifying: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    *ret_files = found;
    return 0;
}
