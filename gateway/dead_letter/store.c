/* store: the gateway's side of the dead letters; see dead_letter.h
 *
 * A file is open from the first letter that is added until the next sync, which makes it durable and closes it. So what the command does
 * to a name meanwhile matters only while a letter is added, under the lock: an open file whose name is gone is made
 * durable as it is (its letters may be in the journal already, or deleted on purpose) and another one is begun.
 */
#include "dead_letter/dead_letter.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "dead_letter/files.h"

#define STORE_OPEN_MAX 32 /* files at once */
#define STORE_WRITERS_MAX 64 /* threads that have added and not synced */
#define STORE_LINE_MAX ((size_t)2 << 30)
#define STORE_LINE_KEPT ((size_t)1 << 20) /* memory for lines that is not given back */
#define STORE_BLOCK 65536

struct store_file {
    char stream[RECORD_STREAM_NAME_MAX + 1]; /* as in names */
    uint64_t number;
    int fd;
    uint64_t length;
};

/* A thread that has added letters since its last sync. */
struct store_writer {
    pthread_t thread;
    uint64_t failures; /* of the store, when it began */
};

struct store_size {
    char stream[RECORD_STREAM_NAME_MAX + 1]; /* as in names */
    uint64_t bytes;
};

struct dead_letters {
    char *path;
    uint64_t quota;

    pthread_mutex_t io; /* held over I/O; guards all up to sizes_lock */
    int directory, lock; /* -1: not open */
    struct store_file files[STORE_OPEN_MAX]; /* open, not synced */
    size_t files_count;
    bool names_new; /* a name was made that is not synced */
    uint64_t newest; /* highest number seen */
    uint64_t closed_until; /* files up to this number are not appended to: their end is not to be trusted */
    uint64_t failures; /* of fsync */
    struct error failure; /* the last */
    struct store_writer writers[STORE_WRITERS_MAX];
    size_t writers_count;
    struct bytes line;

    pthread_mutex_t sizes_lock; /* guards the rest; never held over I/O */
    struct store_size *sizes;
    size_t sizes_count;
};

/* ---- sizes -------------------------------------------------------------------------------------------------- */

/* @holds sizes_lock */
static struct store_size *store_size(struct dead_letters *letters, const char *stream)
{
    for (size_t i = 0; i < letters->sizes_count; i++) {
        if (strcmp(letters->sizes[i].stream, stream) == 0)
            return &letters->sizes[i];
    }
    return NULL;
}

/* @holds sizes_lock. Without memory it stays uncounted: the quota guards the disk, not the promise. */
static void store_count(struct dead_letters *letters, const char *stream, uint64_t bytes)
{
    struct store_size *size = store_size(letters, stream);

    if (!size) {
        struct store_size *sizes = reallocarray(letters->sizes, letters->sizes_count + 1, sizeof *sizes);
        if (!sizes)
            return; /* GCOVR_EXCL_LINE: out of memory */
        letters->sizes = sizes;
        size = &sizes[letters->sizes_count++];
        *size = (struct store_size){0};
        memcpy(size->stream, stream, strlen(stream) + 1);
    }
    size->bytes += bytes;
}

void dead_letters_refresh(struct dead_letters *letters)
{
    cleanup_files struct letters_files files = {0};
    cleanup_fd int directory = open(letters->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct error ignored;

    /* Unreadable: what is known stays. Whoever adds next says what is wrong. */
    if (directory < 0 ? errno != ENOENT : files_list(directory, letters->path, &files, &ignored) != 0)
        return;
    pthread_mutex_lock(&letters->sizes_lock);
    for (size_t i = 0; i < letters->sizes_count; i++)
        letters->sizes[i].bytes = 0;
    for (size_t i = 0; i < files.count; i++) {
        if (!files.items[i].aside)
            store_count(letters, files.items[i].stream, files.items[i].bytes);
    }
    pthread_mutex_unlock(&letters->sizes_lock);
}

bool dead_letters_is_full(struct dead_letters *letters, const char *stream)
{
    char name[RECORD_STREAM_NAME_MAX + 1];

    files_stream(stream, name);
    pthread_mutex_lock(&letters->sizes_lock);
    const struct store_size *size = store_size(letters, name);
    bool full = size && size->bytes >= letters->quota;
    pthread_mutex_unlock(&letters->sizes_lock);
    return full;
}

void dead_letters_status(struct dead_letters *letters, struct dead_letters_status *ret_status)
{
    struct dead_letters_status status = {0};

    pthread_mutex_lock(&letters->sizes_lock);
    for (size_t i = 0; i < letters->sizes_count; i++) {
        status.letters_bytes += letters->sizes[i].bytes;
        status.streams_full += letters->sizes[i].bytes >= letters->quota;
    }
    pthread_mutex_unlock(&letters->sizes_lock);
    *ret_status = status;
}

/* ---- opening and closing ------------------------------------------------------------------------------------ */

int dead_letters_open(
    struct dead_letters **ret_letters, const char *directory, uint64_t quota, struct error *error)
{
    __attribute__((cleanup(dead_letters_close))) struct dead_letters *letters = calloc(1, sizeof *letters);

    if (!letters)
        return error_set(
            error, ERROR_RETRY, "dead letters: out of memory"); /* GCOVR_EXCL_LINE: out of memory */
    letters->directory = letters->lock = -1;
    letters->quota = quota;
    bytes_init(&letters->line, STORE_LINE_MAX);
    pthread_mutex_init(&letters->io, NULL);
    pthread_mutex_init(&letters->sizes_lock, NULL);
    letters->path = strdup(directory);
    if (!letters->path)
        return error_set(
            error, ERROR_RETRY, "dead letters: out of memory"); /* GCOVR_EXCL_LINE: out of memory */
    if (file_make_directories(directory, error) ||
        files_open(directory, &letters->directory, &letters->lock, error))
        return error_wrap(error, "dead letters");
    dead_letters_refresh(letters);
    *ret_letters = letters;
    letters = NULL;
    return 0;
}

void dead_letters_close(struct dead_letters **letters)
{
    struct dead_letters *old = *letters;

    *letters = NULL;
    if (!old)
        return;
    for (size_t i = 0; i < old->files_count; i++)
        fd_close(&old->files[i].fd);
    fd_close(&old->directory);
    fd_close(&old->lock);
    bytes_free(&old->line);
    pthread_mutex_destroy(&old->io);
    pthread_mutex_destroy(&old->sizes_lock);
    free(old->sizes);
    free(old->path);
    free(old);
}

/* ---- durable ------------------------------------------------------------------------------------------------ */

/* errno says why. What was added and not synced may be lost, nor does a later fsync tell: its writers are told, and nothing
 * more is written behind it. @holds io */
static void store_failed(struct dead_letters *letters, const char *what)
{
    error_set_errno(&letters->failure, ERROR_RETRY, "dead letters %s: fsync of %s", letters->path, what);
    letters->failures++;
    letters->closed_until = letters->newest;
}

/* Makes the file durable and closes it. @holds io */
static void store_retire(struct dead_letters *letters, struct store_file *file)
{
    if (fsync(file->fd))
        store_failed(letters, file->stream);
    fd_close(&file->fd);
    *file = letters->files[--letters->files_count];
}

static struct store_writer *store_writer(struct dead_letters *letters)
{
    for (size_t i = 0; i < letters->writers_count; i++) {
        if (pthread_equal(letters->writers[i].thread, pthread_self()))
            return &letters->writers[i];
    }
    return NULL;
}

int dead_letters_sync(struct dead_letters *letters, struct error *error)
{
    int result = 0;

    pthread_mutex_lock(&letters->io);
    while (letters->files_count)
        store_retire(letters, &letters->files[letters->files_count - 1]);
    if (letters->names_new && fsync(letters->directory))
        store_failed(letters, "the directory");
    letters->names_new = false;
    struct store_writer *writer = store_writer(letters);
    if (writer && writer->failures != letters->failures) {
        *error = letters->failure;
        result = -1;
    }
    if (writer)
        *writer = letters->writers[--letters->writers_count];
    pthread_mutex_unlock(&letters->io);
    return result;
}

/* ---- adding ------------------------------------------------------------------------------------------------- */

/* The directory itself may have been deleted. @holds io */
static int store_open_again(struct dead_letters *letters, struct error *error)
{
    while (letters->files_count)
        store_retire(letters, &letters->files[letters->files_count - 1]);
    fd_close(&letters->directory);
    fd_close(&letters->lock);
    letters->newest = letters->closed_until = 0;
    letters->names_new = false;
    return file_make_directories(letters->path, error) ||
                   files_open(letters->path, &letters->directory, &letters->lock, error)
               ? -1
               : 0;
}

/* Takes the directory's lock. @holds io */
static int store_enter(struct dead_letters *letters, struct error *error)
{
    struct stat status;

    if ((letters->lock < 0 || fstat(letters->lock, &status) || status.st_nlink == 0) &&
        store_open_again(letters, error))
        return -1;
    return files_lock(letters->lock, letters->path, error);
}

/* Is this open file still the one of that name? @holds the directory's lock */
static bool store_has_name(const struct dead_letters *letters, const struct store_file *file)
{
    struct letters_file named = {.number = file->number};
    char name[FILES_NAME_SIZE];
    struct stat opened, there;

    memcpy(named.stream, file->stream, sizeof named.stream);
    files_name(&named, name);
    return fstatat(letters->directory, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(file->fd, &opened) == 0 && there.st_ino == opened.st_ino && there.st_dev == opened.st_dev;
}

/* Cuts away what stands behind the last LF: a line that nobody was told is durable. */
static int store_cut_torn(int fd, uint64_t length, uint64_t *ret_length)
{
    char block[STORE_BLOCK];
    uint64_t end = length;

    while (end) {
        size_t size = end < sizeof block ? (size_t)end : sizeof block;
        if (file_read_at(fd, block, size, end - size) != (ssize_t)size)
            return -1; /* GCOVR_EXCL_LINE: a bad disk */
        const char *found = memrchr(block, '\n', size);
        if (found) {
            end = end - size + (size_t)(found - block) + 1;
            break;
        }
        end -= size;
    }
    if (end < length && ftruncate(fd, (off_t)end))
        return -1; /* GCOVR_EXCL_LINE: a bad disk */
    *ret_length = end;
    return 0;
}

/* Opens the file `of` to append to, or makes it when it has no number yet. @holds io, the directory's lock */
static int store_open_file(struct dead_letters *letters, struct letters_file *of, struct error *error)
{
    struct store_file *file = &letters->files[letters->files_count];
    bool fresh = of->number == 0;
    char name[FILES_NAME_SIZE];

    of->number = fresh ? letters->newest + 1 : of->number;
    files_name(of, name);
    cleanup_fd int fd = openat(
        letters->directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_CREAT | O_EXCL : 0), 0600);
    if (fd < 0)
        return error_set_errno(error, ERROR_RETRY, "%s/%s: open", letters->path, name);
    *file = (struct store_file){.number = of->number, .fd = -1};
    memcpy(file->stream, of->stream, sizeof file->stream);
    if (!fresh && store_cut_torn(fd, of->bytes, &file->length))
        return error_set_errno(
            error, ERROR_RETRY, "%s/%s: cut the end", letters->path, name); /* GCOVR_EXCL_LINE: a bad disk */
    if (fresh) {
        letters->newest = of->number;
        letters->names_new = true;
    }
    file->fd = fd_take(&fd);
    letters->files_count++;
    return 0;
}

/* Finds the stream's newest file with room, or makes one. @holds io, the directory's lock */
static int store_begin_file(
    struct dead_letters *letters, const char *stream, size_t line, struct error *error)
{
    cleanup_files struct letters_files files = {0};
    struct letters_file last = {0};

    if (letters->files_count == STORE_OPEN_MAX)
        store_retire(letters, &letters->files[0]);
    if (files_list(letters->directory, letters->path, &files, error))
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        const struct letters_file *file = &files.items[i];
        letters->newest = file->number > letters->newest ? file->number : letters->newest;
        if (!file->aside && strcmp(file->stream, stream) == 0)
            last = *file; /* they are in order */
    }
    if (last.number <= letters->closed_until || last.bytes + line > DEAD_LETTER_FILE_MAX)
        last = (struct letters_file){0};
    memcpy(last.stream, stream, strlen(stream) + 1);
    return store_open_file(letters, &last, error);
}

/* @holds io, the directory's lock */
static int store_file(struct dead_letters *letters, const char *stream, size_t line,
    struct store_file **ret_file, struct error *error)
{
    for (size_t i = 0; i < letters->files_count; i++) {
        struct store_file *file = &letters->files[i];
        if (strcmp(file->stream, stream) != 0)
            continue;
        if (store_has_name(letters, file) && file->number > letters->closed_until &&
            (file->length == 0 || file->length + line <= DEAD_LETTER_FILE_MAX)) {
            *ret_file = file;
            return 0;
        }
        store_retire(letters, file);
        break;
    }
    if (store_begin_file(letters, stream, line, error))
        return -1;
    *ret_file = &letters->files[letters->files_count - 1];
    return 0;
}

/* Remembers who has to be told when a sync fails. @holds io */
static void store_remember_writer(struct dead_letters *letters)
{
    if (store_writer(letters))
        return;
    assert(letters->writers_count < STORE_WRITERS_MAX);
    letters->writers[letters->writers_count++] = (struct store_writer){pthread_self(), letters->failures};
}

/* @holds io, the directory's lock */
static int store_append(struct dead_letters *letters, const char *stream, struct error *error)
{
    const struct slice line = bytes_slice(&letters->line);
    struct store_file *file;

    store_remember_writer(letters);
    if (store_file(letters, stream, line.length, &file, error))
        return -1;
    if (file_write_at(file->fd, line.data, line.length, file->length)) {
        error_set_errno(error, ERROR_RETRY, "%s: append to %s", letters->path, file->stream);
        /* Half a line must not stand before a whole one. */
        if (ftruncate(file->fd, (off_t)file->length)) {
            letters->closed_until = letters->newest;
            store_retire(letters, file);
        }
        return -1;
    }
    file->length += line.length;
    return 0;
}

int dead_letters_add(struct dead_letters *letters, const struct dead_letter *letter, struct error *error)
{
    char stream[RECORD_STREAM_NAME_MAX + 1];

    files_stream(letter->stream, stream);
    pthread_mutex_lock(&letters->io);
    bytes_clear(&letters->line);
    int result = dead_letter_print(letter, &letters->line, error);
    size_t length = letters->line.length;
    if (!result)
        result = store_enter(letters, error);
    if (!result) {
        result = store_append(letters, stream, error);
        files_unlock(letters->lock);
    }
    if (letters->line.capacity > STORE_LINE_KEPT)
        bytes_free(&letters->line);
    pthread_mutex_unlock(&letters->io);
    if (result)
        return error_wrap(error, "dead letters");
    pthread_mutex_lock(&letters->sizes_lock);
    store_count(letters, stream, length);
    pthread_mutex_unlock(&letters->sizes_lock);
    return 0;
}

/* ---- giving back -------------------------------------------------------------------------------------------- */

/* @holds io */
static int store_find_aside(struct dead_letters *letters, struct letters_file *ret_file, struct error *error)
{
    cleanup_files struct letters_files files = {0};

    *ret_file = (struct letters_file){0};
    if (files_list(letters->directory, letters->path, &files, error))
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        const struct letters_file *file = &files.items[i];
        if (file->aside && (!ret_file->aside || file->number < ret_file->number))
            *ret_file = *file;
    }
    return ret_file->aside;
}

int dead_letters_replay_next(
    struct dead_letters *letters, struct bytes *ret_name, struct bytes *ret_content, struct error *error)
{
    struct letters_file file;
    char name[FILES_NAME_SIZE];

    pthread_mutex_lock(&letters->io);
    int found = store_enter(letters, error);
    if (!found) {
        found = store_find_aside(letters, &file, error);
        files_unlock(letters->lock);
    }
    if (found > 0) {
        files_name(&file, name);
        bytes_clear(ret_name);
        bytes_clear(ret_content);
        found = bytes_add_text(ret_name, name, error)
                    ? -1 /* GCOVR_EXCL_LINE: out of memory */
                    : files_read(letters->directory, letters->path, name, ret_content, error);
    }
    pthread_mutex_unlock(&letters->io);
    return found < 0 ? error_wrap(error, "dead letters") : found;
}

int dead_letters_replayed(struct dead_letters *letters, const char *name, struct error *error)
{
    int result = 0;

    pthread_mutex_lock(&letters->io);
    if (unlinkat(letters->directory, name, 0) && errno != ENOENT)
        result = error_set_errno(error, ERROR_RETRY, "dead letters %s/%s: unlink", letters->path, name);
    else if (fsync(letters->directory))
        result = error_set_errno(error, ERROR_RETRY, "dead letters %s: fsync", letters->path);
    pthread_mutex_unlock(&letters->io);
    return result;
}
