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
    const struct verify_store *store; /* NULL: this machine */
    const char *directory; /* the table's that is looked at, "" where the manifest is */
    int fd; /* of it, on this machine */
    const char **names; /* what may be in it */
    size_t names_count;
    char **there; /* what is in it */
    size_t there_count;
    bool listed; /* all of it */
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

/* What was read of it. as_long: as the manifest says. */
static void verify_hold(struct verifying *at, const struct manifest_file *file, bool as_long, uint32_t crc)
{
    if (!as_long || crc != file->crc32c) {
        verify_tell(
            at, file->name, "its bytes are others: CRC32C %08x, the manifest says %08x", crc, file->crc32c);
        return;
    }
    at->found->files++;
    at->found->bytes += file->bytes;
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
    else
        verify_hold(at, file, bytes == file->bytes, crc);
}

/* -1: the store does not say. */
static int verify_stored(struct verifying *at, const struct manifest_file *file, struct error *error)
{
    uint64_t bytes = 0;
    uint32_t crc = 0;
    size_t got = 1;

    for (; got && bytes <= file->bytes; bytes += got) {
        if (at->store->read(at->store->context, at->directory, file->name, bytes, at->buffer, VERIFY_BUFFER,
                &got, error)) {
            if (error->kind != ERROR_REJECT)
                return -1;
            verify_tell(at, file->name, "it is missing");
            return 0;
        }
        crc = crc32c(crc, at->buffer, got);
    }
    if (bytes != file->bytes)
        verify_tell(at, file->name, "it has %s%llu bytes, the manifest says %llu", got ? "at least " : "",
            (unsigned long long)bytes, (unsigned long long)file->bytes);
    else
        verify_hold(at, file, true, crc);
    return 0;
}

/* ---- a directory ------------------------------------------------------------------------------------------------- */

static int verify_order(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static void verify_close(struct verifying *at)
{
    fd_close(&at->fd);
    for (size_t i = 0; i < at->there_count; i++)
        free(at->there[i]);
    free(at->there);
    at->there = NULL;
    at->there_count = 0;
}

static int verify_see(void *context, const char *name, struct error *error)
{
    struct verifying *at = context;
    char **more = reallocarray(at->there, at->there_count + 1, sizeof *more);

    if (more) {
        at->there = more;
        more[at->there_count] = strdup(name);
    }
    if (!more || !more[at->there_count])
        return error_set(error, ERROR_RETRY, "verifying: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    at->there_count++;
    return 0;
}

static int verify_list_here(struct verifying *at, struct error *error)
{
    const int again = openat(at->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    int result = 0;

    if (!list) {
        at->listed = false;
        verify_tell(at, "", "it cannot be listed: %s", strerror(errno));
        if (again >= 0)
            close(again);
        return 0;
    }
    for (struct dirent *entry; !result && (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = verify_see(at, entry->d_name, error);
    closedir(list);
    return result;
}

/* What is in it. *ret_there: it can be looked at. */
static int verify_open(struct verifying *at, const char *directory, bool *ret_there, struct error *error)
{
    char path[PATH_MAX];

    at->directory = directory;
    at->names_count = 0;
    at->listed = true;
    *ret_there = true;
    if (at->store)
        return at->store->list(at->store->context, directory, verify_see, at, error);
    snprintf(path, sizeof path, "%s/%s", at->manifest->folder, directory);
    at->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *ret_there = at->fd >= 0;
    if (at->fd >= 0)
        return verify_list_here(at, error);
    verify_tell(at, "", "%s", errno == ENOENT ? "it is missing" : strerror(errno));
    return 0;
}

/* Who reads the directory takes it for complete by this one. */
static void verify_mark(struct verifying *at)
{
    for (size_t i = 0; i < at->there_count; i++)
        if (strcmp(at->there[i], VERIFY_SUCCESS) == 0)
            return;
    if (at->listed)
        verify_tell(at, VERIFY_SUCCESS, "it is missing");
}

/* Where several imports have put files, each of them knows its own only. */
static void verify_others(struct verifying *at)
{
    for (size_t i = 0; i < at->there_count; i++)
        if (fnmatch("*manifest-[0-9]*.json", at->there[i], 0) == 0)
            return;
    qsort(at->names, at->names_count, sizeof *at->names, verify_order);
    for (size_t i = 0; i < at->there_count; i++)
        if (!bsearch(&at->there[i], at->names, at->names_count, sizeof *at->names, verify_order))
            verify_tell(at, at->there[i], "it is none of the import's");
}

/* The manifest itself, whatever it is called by now. */
static void verify_allow_manifest(struct verifying *at)
{
    const char *slash = strrchr(at->manifest->path, '/');

    at->names[at->names_count++] = slash ? slash + 1 : at->manifest->path;
    at->names[at->names_count++] = MANIFEST_NAME;
}

static int verify_table(struct verifying *at, const struct manifest_table *table, struct error *error)
{
    bool there;

    if (verify_open(at, table->directory, &there, error))
        return -1;
    if (!there)
        return 0;
    for (size_t i = 0; i < table->files_count; i++) {
        if (!table->files[i].name)
            continue;
        if (!at->store)
            verify_file(at, &table->files[i]);
        else if (verify_stored(at, &table->files[i], error))
            return -1;
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
    return 0;
}

/* Where the manifest is, when all tables have directories of their own. */
static int verify_top(struct verifying *at, struct error *error)
{
    bool there;

    for (size_t i = 0; i < at->manifest->tables_count; i++)
        if (!*at->manifest->tables[i].directory)
            return 0;
    if (verify_open(at, "", &there, error))
        return -1;
    for (size_t i = 0; i < at->manifest->tables_count; i++)
        at->names[at->names_count++] = at->manifest->tables[i].directory;
    at->names[at->names_count++] = HIVE_LOADED;
    verify_allow_manifest(at);
    if (there)
        verify_others(at);
    return 0;
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

int verify_files(const struct manifest *manifest, const struct verify_store *store,
    const struct verify_teller *teller, struct verify_files *ret_files, struct error *error)
{
    struct verify_files found = {0};
    struct verifying at = {.manifest = manifest,
        .store = store,
        .teller = teller,
        .found = &found,
        .buffer = malloc(VERIFY_BUFFER),
        .names = calloc(verify_names_most(manifest), sizeof *at.names),
        .fd = -1};
    int result = at.buffer && at.names ? 0
                                       : error_set(error, ERROR_RETRY,
                                             "verifying: out of memory"); /* GCOVR_EXCL_LINE out of memory */

    for (size_t i = 0; !result && i < manifest->tables_count; i++) {
        result = verify_table(&at, &manifest->tables[i], error);
        verify_close(&at);
    }
    if (!result)
        result = verify_top(&at, error);
    verify_close(&at);
    free(at.buffer);
    free(at.names);
    if (!result)
        *ret_files = found;
    return result;
}
