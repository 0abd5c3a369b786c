/* local: lake files in a directory of this machine.
 *
 * Temporary files are ROOT/.penstock/GATEWAYID/N.tmp: in the file system of the target, so that a rename publishes them, and
 * under a name that readers skip. The order of writes in publishing: fsync of the file; each missing directory made and its
 * parent fsynced; rename without replacing; fsync of the directory. A directory that was already there may owe
 * its own entry to a run that was killed before the fsync, so its parents are fsynced once per store.
 *
 * Who takes over (options.take_over) does not ask the lock. He makes a directory of his own, GATEWAYID~RANDOM, and renames it to GATEWAYID once whatever
 * had that name was renamed to such a name, too; then he deletes all GATEWAYID~..., files first. An earlier process may stand still, and go on with
 * its descriptors: its files are gone then, and in a directory that was removed none can be made, so that its late rename finds nothing. What it renamed before is there
 * when the other lists, which is later. Who was about to take over at the same moment finds his own directory gone, and tries again.
 */
#include "lake/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/file.h"
#include "base/fnv.h"
#include "lake/file_name.h"

#define LOCAL_KNOWN 256
#define LOCAL_TEMPORARY_SIZE 32

struct store {
    char *root; /* as the user wrote it, for texts */
    int root_fd; /* all paths count from here */
    int temporary_fd; /* .penstock/GATEWAYID; holds the lock */
    uint64_t created;
    char *known[LOCAL_KNOWN]; /* directories whose entries this store has seen durable, by hash; forgets */
};

struct store_file {
    int directory_fd; /* the store's */
    int fd;
    uint64_t length;
    char temporary[LOCAL_TEMPORARY_SIZE];
};

static void local_close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
    *directory = NULL;
}

/* ---- directories ------------------------------------------------------------------------------------------ */

static int local_sync_directory(const struct store *store, const char *path, struct error *error)
{
    cleanup_fd int fd = openat(store->root_fd, path[0] ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd))
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: fsync of the directory", store->root, path);
    return 0;
}

static char **local_known(struct store *store, const char *path)
{
    const uint64_t hash = fnv_add(FNV_EMPTY, path, strlen(path));

    return &store->known[(hash ^ hash >> 32) % LOCAL_KNOWN];
}

/* One directory; all above it are there and durable. path[parent] ends its parent's part. */
static int local_directory(struct store *store, char *path, size_t parent, struct error *error)
{
    char **known = local_known(store, path);
    bool made = mkdirat(store->root_fd, path, 0777) == 0;

    if (!made && errno != EEXIST)
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: mkdir", store->root, path);
    if (!made && *known && strcmp(*known, path) == 0)
        return 0;

    char kept = path[parent];
    path[parent] = '\0';
    int result = local_sync_directory(store, path, error);
    path[parent] = kept;
    if (result)
        return -1;
    free(*known);
    *known = strdup(path); /* without memory it is only synced again */
    return 0;
}

/* Every directory of path, from the root down. */
static int local_directories(struct store *store, const char *path, struct error *error)
{
    char part[STORE_PATH_MAX + 1];
    size_t length = strlen(path);
    size_t parent = 0;

    if (length >= sizeof part)
        return error_set(error, ERROR_RETRY, "lake %s: path of %zu bytes is too long", store->root, length);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        part[i] = '\0';
        if (local_directory(store, part, parent, error))
            return -1;
        part[i] = path[i];
        parent = i;
    }
    return 0;
}

/* ---- the store -------------------------------------------------------------------------------------------- */

static void local_close(struct store **store)
{
    if (!*store)
        return;
    for (size_t i = 0; i < LOCAL_KNOWN; i++)
        free((*store)->known[i]);
    fd_close(&(*store)->temporary_fd);
    fd_close(&(*store)->root_fd);
    free((*store)->root);
    free(*store);
    *store = NULL;
}

/* The parent is fsynced whoever made the root; one that we may not open is not ours to judge. */
static int local_open_root(struct store *store, struct error *error)
{
    if (file_make_directories(store->root, error))
        return error_wrap(error, "lake %s", store->root);
    store->root_fd = open(store->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root_fd < 0)
        return error_set_errno(error, ERROR_RETRY, "lake %s: open", store->root);
    cleanup_fd int fd = openat(store->root_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 ? fsync(fd) : errno != EACCES)
        return error_set_errno(error, ERROR_RETRY, "lake %s: fsync of its parent directory", store->root);
    return 0;
}

static int local_open_temporary(struct store *store, const char *gateway_id, struct error *error)
{
    char path[sizeof STORE_HIDDEN + 1 + FILE_NAME_SIZE];

    snprintf(path, sizeof path, "%s/%s", STORE_HIDDEN, gateway_id);
    if ((mkdirat(store->root_fd, STORE_HIDDEN, 0777) && errno != EEXIST) ||
        (mkdirat(store->root_fd, path, 0700) && errno != EEXIST))
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: mkdir", store->root, path);
    store->temporary_fd = openat(store->root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->temporary_fd < 0)
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: open", store->root, path);
    /* Only against mistakes; a file system that cannot lock directories goes without. */
    if (flock(store->temporary_fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return error_set(error, ERROR_RETRY,
            "lake %s: another process with gateway id %s writes to it; give each gateway its own gateway.id",
            store->root, gateway_id);
    return 0;
}

static bool local_is_temporary(const char *name)
{
    size_t digits = strspn(name, "0123456789");

    return digits > 0 && strcmp(name + digits, ".tmp") == 0;
}

static DIR *local_read_directory(int at, const char *path)
{
    int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (!directory)
        fd_close(&fd);
    return directory;
}

static int local_delete_leftovers(struct store *store, struct error *error)
{
    __attribute__((cleanup(local_close_directory))) DIR *directory =
        local_read_directory(store->temporary_fd, ".");

    if (!directory)
        return error_set_errno(error, ERROR_RETRY, "lake %s: temporary directory: open", store->root);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry && errno)
            return error_set_errno(error, ERROR_RETRY, "lake %s: temporary directory: read", store->root);
        if (!entry)
            return 0;
        if (local_is_temporary(entry->d_name) && unlinkat(store->temporary_fd, entry->d_name, 0) &&
            errno != ENOENT)
            return error_set_errno(
                error, ERROR_RETRY, "lake %s: leftover %s: unlink", store->root, entry->d_name);
    }
}

/* Deletes a directory of temporary files, also when somebody goes on making some in it. */
static int local_destroy(int hidden, const char *name, struct error *error)
{
    for (;;) {
        __attribute__((cleanup(local_close_directory))) DIR *directory = local_read_directory(hidden, name);
        const struct dirent *entry;

        while (directory && (entry = readdir(directory)))
            if (local_is_temporary(entry->d_name))
                unlinkat(dirfd(directory), entry->d_name, 0);
        if (unlinkat(hidden, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return error_set_errno(error, ERROR_RETRY, "lake: leftover %s: rmdir", name);
    }
}

static void local_print_aside(const char *gateway_id, char ret_name[static FILE_NAME_SIZE + 20])
{
    uint64_t random = 0;

    (void)!getrandom(&random, sizeof random, 0);
    snprintf(ret_name, FILE_NAME_SIZE + 20, "%s~%016llx", gateway_id, (unsigned long long)random);
}

static int local_destroy_aside(int hidden, const char *gateway_id, struct error *error)
{
    __attribute__((cleanup(local_close_directory))) DIR *directory = local_read_directory(hidden, ".");
    const size_t length = strlen(gateway_id);
    const struct dirent *entry;

    if (!directory)
        return error_set_errno(error, ERROR_RETRY, "lake: " STORE_HIDDEN ": open");
    while ((entry = readdir(directory)))
        if (strncmp(entry->d_name, gateway_id, length) == 0 && entry->d_name[length] == '~' &&
            local_destroy(hidden, entry->d_name, error))
            return -1;
    return 0;
}

/* See above. */
static int local_take_over(struct store *store, const char *gateway_id, struct error *error)
{
    char own[FILE_NAME_SIZE + 20], other[FILE_NAME_SIZE + 20];

    if (mkdirat(store->root_fd, STORE_HIDDEN, 0777) && errno != EEXIST)
        return error_set_errno(error, ERROR_RETRY, "lake %s/" STORE_HIDDEN ": mkdir", store->root);
    cleanup_fd int hidden = openat(store->root_fd, STORE_HIDDEN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    local_print_aside(gateway_id, own);
    if (hidden < 0 || mkdirat(hidden, own, 0700))
        return error_set_errno(error, ERROR_RETRY, "lake %s/" STORE_HIDDEN "/%s: mkdir", store->root, own);
    store->temporary_fd = openat(hidden, own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (store->temporary_fd >= 0 && renameat2(hidden, own, hidden, gateway_id, RENAME_NOREPLACE)) {
        local_print_aside(gateway_id, other);
        if (errno != EEXIST || (renameat(hidden, gateway_id, hidden, other) && errno != ENOENT))
            return error_set_errno(
                error, ERROR_RETRY, "lake %s/" STORE_HIDDEN "/%s: rename", store->root, own);
    }
    if (store->temporary_fd < 0)
        return error_set_errno(error, ERROR_RETRY, "lake %s/" STORE_HIDDEN "/%s: open", store->root, own);
    return local_destroy_aside(hidden, gateway_id, error);
}

static int local_open(struct store **ret_store, const struct lake_options *options, struct error *error)
{
    __attribute__((cleanup(local_close))) struct store *store = calloc(1, sizeof *store);
    const char *root = options->root;

    if (!store)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", root);
    store->root_fd = store->temporary_fd = -1;
    store->root = strdup(root);
    if (!store->root)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", root);
    if (local_open_root(store, error) ||
        (options->take_over ? local_take_over(store, options->gateway_id, error)
                            : local_open_temporary(store, options->gateway_id, error) ||
                                  local_delete_leftovers(store, error)))
        return -1;
    *ret_store = store;
    store = NULL;
    return 0;
}

/* ---- files ------------------------------------------------------------------------------------------------ */

static void local_free_file(struct store_file **file)
{
    if (!*file)
        return;
    fd_close(&(*file)->fd);
    free(*file);
    *file = NULL;
}

static void local_abort(struct store_file **file)
{
    if (*file)
        unlinkat((*file)->directory_fd, (*file)->temporary, 0);
    local_free_file(file);
}

static int local_create(struct store *store, struct store_file **ret_file, struct error *error)
{
    __attribute__((cleanup(local_free_file))) struct store_file *file = calloc(1, sizeof *file);

    if (!file)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", store->root);
    file->directory_fd = store->temporary_fd;
    snprintf(file->temporary, sizeof file->temporary, "%llu.tmp", (unsigned long long)++store->created);
    file->fd = openat(store->temporary_fd, file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->fd < 0)
        return error_set_errno(error, ERROR_RETRY, "lake %s: temporary file: open", store->root);
    *ret_file = file;
    file = NULL;
    return 0;
}

static int local_write(struct store_file *file, const void *data, size_t length, struct error *error)
{
    if (file_append(file->fd, data, length, &file->length))
        return error_set_errno(error, ERROR_RETRY, "lake: temporary file: write");
    return 0;
}

static int local_read(const struct store_file *file, uint64_t from, void *data, size_t length,
    size_t *ret_read, struct error *error)
{
    const ssize_t count = file_read_at(file->fd, data, length, from);

    if (count < 0)
        return error_set_errno(error, ERROR_RETRY, "lake: temporary file: read");
    *ret_read = (size_t)count;
    return 0;
}

static int local_publish_one(struct store *store, struct store_file **file_pointer, const char *path,
    const char *name, struct error *error)
{
    __attribute__((cleanup(local_abort))) struct store_file *file = *file_pointer;
    char target[PATH_MAX];

    *file_pointer = NULL;
    int length = snprintf(target, sizeof target, "%s%s%s", path, path[0] ? "/" : "", name);
    if (length < 0 || (size_t)length >= sizeof target)
        return error_set(error, ERROR_RETRY, "lake %s: %s: path too long", store->root, name);
    if (fsync(file->fd))
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: fsync", store->root, target);
    if (local_directories(store, path, error))
        return -1;
    if (file_rename_new(file->directory_fd, file->temporary, store->root_fd, target)) {
        if (errno == EEXIST)
            return error_set(
                error, ERROR_RETRY, "lake %s/%s: a file of this name is already there", store->root, target);
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: rename", store->root, target);
    }
    local_free_file(&file);
    return local_sync_directory(store, path, error);
}

static int local_publish(
    struct store *store, struct store_publication *files, size_t count, struct error *error)
{
    int result = 0;

    for (size_t i = 0; i < count; i++)
        if (result)
            local_abort(&files[i].file);
        else
            result = local_publish_one(store, &files[i].file, files[i].path, files[i].name, error);
    return result;
}

/* ---- listing ---------------------------------------------------------------------------------------------- */

static bool local_is_file(DIR *directory, const struct dirent *entry)
{
    struct stat status;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_REG;
    return fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode);
}

static int local_list(
    struct store *store, const char *path, store_each_fn *each, void *context, struct error *error)
{
    __attribute__((cleanup(local_close_directory))) DIR *directory =
        local_read_directory(store->root_fd, path[0] ? path : ".");

    if (!directory && errno == ENOENT)
        return 0;
    if (!directory)
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: open", store->root, path);
    /* The directories above were made durable before the first name came into this one. */
    if (fsync(dirfd(directory)))
        return error_set_errno(error, ERROR_RETRY, "lake %s/%s: fsync of the directory", store->root, path);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry && errno)
            return error_set_errno(error, ERROR_RETRY, "lake %s/%s: read", store->root, path);
        if (!entry)
            return 0;
        if (local_is_file(directory, entry) && each(context, entry->d_name, error))
            return -1;
    }
}

static int local_check(const struct config_lake *config, const void **ret_option, struct error *error)
{
    *ret_option = &config->url;
    if (strncmp(config->url, "file:///", 8) == 0 && strchr(config->url, '%'))
        return error_set(
            error, ERROR_FATAL, "\"%s\": write a directory with %% in its name as a plain path", config->url);
    return 0;
}

const struct store_kind store_local = {
    .check = local_check,
    .publish_most = 1,
    .open = local_open,
    .close = local_close,
    .create = local_create,
    .write = local_write,
    .read = local_read,
    .publish = local_publish,
    .abort = local_abort,
    .list = local_list,
};
