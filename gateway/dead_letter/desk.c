/* desk: the command's side of the dead letters, beside a gateway that may be running; see dead_letter.h
 *
 * Reading takes no lock, so that a reader who waits for its pager holds up nobody: files only grow, and a last line
 * without its LF is one that is being written, or was when the power went.
 */
#include "dead_letter/dead_letter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "dead_letter/files.h"

/* What is done to a file of letters. */
typedef int desk_do_fn(int directory, const struct letters_file *file, const char *name);

struct desk_stream {
    bool all;
    char name[RECORD_STREAM_NAME_MAX + 1]; /* as in names */
};

static struct desk_stream desk_stream(const char *stream)
{
    struct desk_stream found = {.all = !stream};

    if (stream)
        files_stream(stream, found.name);
    return found;
}

static bool desk_wants(const struct desk_stream *stream, const struct letters_file *file)
{
    return !file->aside && (stream->all || strcmp(stream->name, file->stream) == 0);
}

/* 0 with *ret_directory -1: there is no such directory, so there are no letters. */
static int desk_open(const char *path, int *ret_directory, struct error *error)
{
    *ret_directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret_directory < 0 && errno != ENOENT)
        return error_set_errno(error, ERROR_FATAL, "dead letters %s: open", path);
    return 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static int desk_visit_line(struct slice line, dead_letter_visit_fn *visit, void *context, struct error *error)
{
    __attribute__((cleanup(dead_letter_parsed_free))) struct dead_letter_parsed *parsed = NULL;
    struct error why;

    /* A line that is none is given without. */
    if (dead_letter_parse(line, &parsed, &why) && why.kind != ERROR_REJECT) {
        *error = why; /* GCOVR_EXCL_LINE: out of memory */
        return -1; /* GCOVR_EXCL_LINE: out of memory */
    }
    return visit(context, line, parsed, error);
}

static int desk_visit_lines(
    struct slice content, dead_letter_visit_fn *visit, void *context, struct error *error)
{
    const char *end;

    while (content.length && (end = memchr(content.data, '\n', content.length))) {
        const size_t length = (size_t)(end - content.data);
        if (desk_visit_line((struct slice){content.data, length}, visit, context, error))
            return -1;
        content = (struct slice){end + 1, content.length - length - 1};
    }
    return 0;
}

int dead_letters_visit(const char *directory, const char *stream, dead_letter_visit_fn *visit, void *context,
    struct error *error)
{
    const struct desk_stream wanted = desk_stream(stream);
    cleanup_files struct letters_files files = {0};
    cleanup_fd int fd = -1;
    cleanup_bytes struct bytes content;
    char name[FILES_NAME_SIZE];

    bytes_init(&content, FILES_CONTENT_MAX);
    if (desk_open(directory, &fd, error))
        return -1;
    if (fd >= 0 && files_list(fd, directory, &files, error))
        return error_wrap(error, "dead letters");
    for (size_t i = 0; i < files.count; i++) {
        if (!desk_wants(&wanted, &files.items[i]))
            continue;
        files_name(&files.items[i], name);
        bytes_clear(&content);
        /* One that is gone meanwhile has nothing to show. */
        if (files_read(fd, directory, name, &content, error) < 0)
            return error_wrap(error, "dead letters");
        if (desk_visit_lines(bytes_slice(&content), visit, context, error))
            return -1;
    }
    return 0;
}

/* ---- taking away -------------------------------------------------------------------------------------------- */

static int desk_count(
    int directory, const char *path, const char *name, struct dead_letters_taken *taken, struct error *error)
{
    cleanup_bytes struct bytes content;

    bytes_init(&content, FILES_CONTENT_MAX);
    if (files_read(directory, path, name, &content, error) < 0)
        return -1;
    for (size_t i = 0; i < content.length; i++)
        taken->letters += content.data[i] == '\n';
    taken->files++;
    return 0;
}

/* @holds the directory's lock */
static int desk_take_files(int directory, const char *path, const struct desk_stream *wanted,
    desk_do_fn *take, struct dead_letters_taken *taken, struct error *error)
{
    cleanup_files struct letters_files files = {0};
    char name[FILES_NAME_SIZE];

    if (files_list(directory, path, &files, error))
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        if (!desk_wants(wanted, &files.items[i]))
            continue;
        files_name(&files.items[i], name);
        if (desk_count(directory, path, name, taken, error))
            return -1;
        if (take(directory, &files.items[i], name))
            return error_set_errno(error, ERROR_FATAL, "%s/%s", path, name);
    }
    if (taken->files && fsync(directory))
        return error_set_errno(error, ERROR_FATAL, "%s: fsync", path);
    return 0;
}

static int desk_take(const char *path, const char *stream, desk_do_fn *take,
    struct dead_letters_taken *ret_taken, struct error *error)
{
    const struct desk_stream wanted = desk_stream(stream);
    struct dead_letters_taken taken = {0};
    cleanup_fd int directory = -1;
    cleanup_fd int lock = -1;

    if (desk_open(path, &directory, error))
        return -1;
    if (directory >= 0) {
        fd_close(&directory);
        if (files_open(path, &directory, &lock, error) || files_lock(lock, path, error))
            return error_wrap(error, "dead letters");
        int result = desk_take_files(directory, path, &wanted, take, &taken, error);
        files_unlock(lock);
        if (result)
            return error_wrap(error, "dead letters");
    }
    *ret_taken = taken;
    return 0;
}

static int desk_rename(int directory, const struct letters_file *file, const char *name)
{
    struct letters_file aside = *file;
    char to[FILES_NAME_SIZE];

    aside.aside = true;
    files_name(&aside, to);
    return renameat(directory, name, directory, to);
}

static int desk_unlink(int directory, const struct letters_file *file, const char *name)
{
    (void)file;
    return unlinkat(directory, name, 0);
}

int dead_letters_put_aside(
    const char *directory, const char *stream, struct dead_letters_taken *ret_taken, struct error *error)
{
    return desk_take(directory, stream, desk_rename, ret_taken, error);
}

int dead_letters_drop(
    const char *directory, const char *stream, struct dead_letters_taken *ret_taken, struct error *error)
{
    return desk_take(directory, stream, desk_unlink, ret_taken, error);
}
