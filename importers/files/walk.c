/* walk: see walk.h */
#include "files/walk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/shown.h"

#define WALK_SHOWN 240 /* bytes of a path in an error */

/* A directory that is being read; its path is the beginning of the walk's. */
struct level {
    DIR *entries;
    size_t length;
    bool linked; /* a link led here, or above */
    dev_t device;
    ino_t inode;
};

struct file_walk {
    struct file_walk_options options;
    int root; /* -1: not open */
    struct file_walk_trouble trouble;
    size_t length;
    char path[PATH_MAX]; /* of what is looked at, terminated */
    size_t depth;
    struct level levels[FILE_WALK_DEPTH_MAX + 1];
    char root_path[];
};

struct scan {
    struct file_walk *walk;
    walk_file_fn *file;
    walk_directory_fn *directory;
    void *context;
    struct error *error;
};

/* O_PATH takes no other flags than these two. */
static int walk_openat(const struct file_walk *walk, int directory, const char *path, uint64_t flags)
{
    const bool follow = walk->options.follow_symlinks;
    struct open_how how = {
        .flags = flags | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
        .resolve = follow ? RESOLVE_NO_MAGICLINKS
                          : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };

    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

static int walk_stat(const struct file_walk *walk, int directory, const char *path, struct stat *ret_stat)
{
    cleanup_fd int fd = walk_openat(walk, directory, path, O_PATH);

    return fd < 0 ? -1 : fstat(fd, ret_stat);
}

/* O_PATH: a root that may be passed but not listed still has files that are known. */
static int walk_open_root(struct file_walk *walk)
{
    if (walk->root < 0)
        walk->root = open(walk->options.root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return walk->root < 0 ? -1 : 0;
}

int file_walk_new(struct file_walk **ret_walk, const struct file_walk_options *options, struct error *error)
{
    const size_t length = strlen(options->root);
    struct file_walk *walk = calloc(1, sizeof *walk + length + 1);

    if (!walk)
        return error_set(error, ERROR_RETRY, "watch of files: out of memory");
    for (size_t i = 0; i < options->take_count; i++)
        assert(strcmp(file_pattern_root(options->take[i]), options->root) == 0);
    walk->options = *options;
    memcpy(walk->root_path, options->root, length);
    walk->options.root = walk->root_path;
    walk->root = -1;

    cleanup_fd int probe = walk_openat(walk, AT_FDCWD, ".", O_PATH);
    /* EPERM is what old filters of system calls say to those they have not heard of. */
    if (probe < 0 && (errno == ENOSYS || errno == EPERM)) {
        file_walk_free(&walk);
        return error_set_errno(
            error, ERROR_FATAL, "files are watched by openat2(), which Linux has from 5.6 on");
    }
    *ret_walk = walk;
    return 0;
}

static void walk_leave_directories(struct file_walk *walk)
{
    while (walk->depth > 0)
        closedir(walk->levels[--walk->depth].entries);
}

void file_walk_free(struct file_walk **walk)
{
    if (!*walk)
        return;
    fd_close(&(*walk)->root);
    free(*walk);
    *walk = NULL;
}

const struct file_walk_trouble *file_walk_trouble(const struct file_walk *walk)
{
    return &walk->trouble;
}

/* Root and path in one. */
static void walk_whole_path(const struct file_walk *walk, char *whole, size_t size)
{
    const char *root = walk->options.root;
    const char *slash = walk->length > 0 && strcmp(root, "/") != 0 ? "/" : "";

    snprintf(whole, size, "%s%s%s", root, slash, walk->path);
}

/* What we lack ends the scan; what is wrong with the directory is counted. */
static int scan_trouble(const struct scan *scan)
{
    struct file_walk_trouble *trouble = &scan->walk->trouble;
    const int number = errno;

    if (number == EMFILE || number == ENFILE || number == ENOMEM)
        return error_set_errno(scan->error, ERROR_RETRY, "directories of files: open");
    if (trouble->count++ == 0) {
        trouble->number = number;
        walk_whole_path(scan->walk, trouble->path, sizeof trouble->path);
    }
    return 0;
}

static int scan_trouble_of(const struct scan *scan, int number)
{
    errno = number;
    return scan_trouble(scan);
}

/* Is it one of those that the way comes from? */
static bool walk_comes_from(const struct file_walk *walk, const struct stat *directory)
{
    for (size_t i = 0; i < walk->depth; i++)
        if (walk->levels[i].device == directory->st_dev && walk->levels[i].inode == directory->st_ino)
            return true;
    return false;
}

/* Goes on with the directory that walk->path names. Takes fd. */
static int scan_enter(const struct scan *scan, int fd, bool link)
{
    struct file_walk *walk = scan->walk;
    const struct level *above = walk->depth > 0 ? &walk->levels[walk->depth - 1] : NULL;
    const bool linked = link || (above && above->linked);
    cleanup_fd int directory = fd;
    struct stat stat;

    if (directory < 0)
        return scan_trouble(scan);
    if (fstat(directory, &stat))
        return scan_trouble(scan); /* GCOVR_EXCL_LINE: fstat() of an open directory does not fail */
    if (linked && ((above && above->linked && link) || walk_comes_from(walk, &stat)))
        return scan_trouble_of(scan, ELOOP);
    DIR *entries = fdopendir(directory);
    if (!entries)
        return scan_trouble(scan);
    walk->levels[walk->depth++] = (struct level){entries, walk->length, linked, stat.st_dev, stat.st_ino};
    scan->directory(scan->context, fd_take(&directory), (struct slice){walk->path, walk->length});
    return 0;
}

/* Such a directory, or below one. */
static bool walk_is_closed(const struct file_walk *walk)
{
    for (size_t i = 0; i < walk->options.closed_count; i++) {
        const size_t length = strlen(walk->options.closed[i]);
        if (strncmp(walk->path, walk->options.closed[i], length) == 0 &&
            (walk->path[length] == '/' || walk->path[length] == '\0'))
            return true;
    }
    return false;
}

static bool walk_enters(const struct file_walk *walk)
{
    if (walk_is_closed(walk))
        return false;
    for (size_t i = 0; i < walk->options.take_count; i++)
        if (file_pattern_enters(walk->options.take[i], (struct slice){walk->path, walk->length}))
            return true;
    return false;
}

static int scan_descend(const struct scan *scan, int directory, const char *name, bool link)
{
    struct file_walk *walk = scan->walk;

    if (!walk_enters(walk))
        return 0;
    if (walk->depth > FILE_WALK_DEPTH_MAX)
        return scan_trouble_of(scan, ENAMETOOLONG);
    const int fd = walk_openat(walk, directory, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* gone since it was listed */
    return scan_enter(scan, fd, link);
}

static bool walk_takes(const struct file_walk *walk)
{
    const struct file_walk_options *options = &walk->options;
    const struct slice path = {walk->path, walk->length};
    char whole[FILE_PATTERN_MAX + PATH_MAX];
    bool taken = false;

    if (walk_is_closed(walk))
        return false;
    for (size_t i = 0; i < options->take_count && !taken; i++)
        taken = file_pattern_takes(options->take[i], path, NULL);
    if (!taken || options->leave_count == 0)
        return taken;
    walk_whole_path(walk, whole, sizeof whole);
    for (size_t i = 0; i < options->leave_count; i++)
        if (file_pattern_match_whole(options->leave[i], path) ||
            file_pattern_match_whole(options->leave[i], slice_of(whole)))
            return false;
    return true;
}

/* Its type, DT_*, and inode: of what a link leads to where links are followed. 0: it is gone, or leads nowhere. */
static unsigned char scan_type(
    const struct file_walk *walk, int directory, const struct dirent *entry, uint64_t *ret_inode)
{
    struct stat stat;

    *ret_inode = entry->d_ino;
    if (entry->d_type != DT_UNKNOWN && (entry->d_type != DT_LNK || !walk->options.follow_symlinks))
        return entry->d_type;
    if (walk_stat(walk, directory, entry->d_name, &stat))
        return errno == ENOENT ? 0 : entry->d_type;
    *ret_inode = stat.st_ino;
    return (unsigned char)IFTODT(stat.st_mode);
}

static int scan_entry(const struct scan *scan, const struct dirent *entry)
{
    struct file_walk *walk = scan->walk;
    const struct level *level = &walk->levels[walk->depth - 1];
    const int directory = dirfd(level->entries);
    const size_t room = sizeof walk->path - level->length;
    const int added =
        snprintf(walk->path + level->length, room, "%s%s", level->length > 0 ? "/" : "", entry->d_name);

    if ((size_t)added >= room) {
        walk->length = sizeof walk->path - 1;
        return scan_trouble_of(scan, ENAMETOOLONG);
    }
    walk->length = level->length + (size_t)added;

    struct walk_entry found = {.path = {walk->path, walk->length}};
    const unsigned char type = scan_type(walk, directory, entry, &found.inode);
    if (type == DT_DIR)
        return scan_descend(scan, directory, entry->d_name, entry->d_type == DT_LNK);
    found.taken = walk_takes(walk);
    found.regular = type == DT_REG;
    if (found.regular || (type != 0 && found.taken))
        scan->file(scan->context, &found);
    return 0;
}

static int scan_step(const struct scan *scan)
{
    struct file_walk *walk = scan->walk;
    struct level *level = &walk->levels[walk->depth - 1];

    errno = 0;
    const struct dirent *entry = readdir(level->entries);
    if (entry)
        return strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ? 0
                                                                                   : scan_entry(scan, entry);
    const int number = errno;
    closedir(level->entries);
    walk->depth--;
    walk->length = level->length;
    walk->path[walk->length] = '\0';
    return number ? scan_trouble_of(scan, number) : 0;
}

int file_walk_scan(struct file_walk *walk, walk_file_fn *file, walk_directory_fn *directory, void *context,
    struct error *error)
{
    const struct scan scan = {walk, file, directory, context, error};

    walk->trouble = (struct file_walk_trouble){.count = 0};
    walk->length = 0;
    walk->path[0] = '\0';
    fd_close(&walk->root);
    if (walk_open_root(walk))
        return scan_trouble(&scan);
    int result = scan_enter(&scan, openat(walk->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), false);
    while (result == 0 && walk->depth > 0)
        result = scan_step(&scan);
    walk_leave_directories(walk);
    return result;
}

/* Terminated; -1 with errno when it is none that a scan could have told. */
static int path_copy(struct slice path, char copy[static PATH_MAX])
{
    if (path.length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    errno = EINVAL;
    if (path.length == 0 || memchr(path.data, '\0', path.length))
        return -1;
    for (size_t at = 0; at <= path.length;) {
        const char *slash = memchr(path.data + at, '/', path.length - at);
        const struct slice name = {
            path.data + at, slash ? (size_t)(slash - path.data) - at : path.length - at};

        if (name.length == 0 || slice_is(name, ".") || slice_is(name, ".."))
            return -1;
        at += name.length + 1;
    }
    memcpy(copy, path.data, path.length);
    copy[path.length] = '\0';
    return 0;
}

/* As the log escapes it. */
static void path_show(struct slice path, char shown[static WALK_SHOWN + SHOWN_MAX])
{
    size_t length = 0;

    for (size_t from = 0; from < path.length && length < WALK_SHOWN;) {
        from += shown_take(path.data + from, path.length - from, shown + length);
        length += strlen(shown + length);
    }
    shown[length] = '\0';
}

static int open_refuse(const struct file_walk *walk, const char *shown, struct error *error)
{
    switch (errno) {
    case ELOOP:
        return error_set(error, ERROR_REJECT, "file \"%s\": %s", shown,
            walk->options.follow_symlinks ? "a link that leads to itself or is a magic one"
                                          : "a symbolic link, or behind one; follow_symlinks: true takes it");
    case EXDEV:
        return error_set(
            error, ERROR_REJECT, "file \"%s\": lies on another mount; watch that one by itself", shown);
    case ENXIO:
    case ENODEV:
        return error_set(error, ERROR_REJECT, "file \"%s\": no regular file", shown);
    case EINVAL:
    case ENAMETOOLONG:
        return error_set_errno(
            error, ERROR_REJECT, "file \"%s\": no path below the watched directory", shown);
    default:
        return error_set_errno(error, ERROR_RETRY, "file \"%s\": open", shown);
    }
}

/* Who cannot read a file can still give it another name, where the kernel lets them. */
static int open_check_links(
    const struct file_walk *walk, const struct stat *file, const char *shown, struct error *error)
{
    struct stat root;

    if (file->st_nlink <= 1)
        return 0;
    const uid_t we = geteuid();
    if (!walk->options.allow_hard_links)
        return error_set(error, ERROR_REJECT, "file \"%s\": has %ju hard links; hard_links: true takes it",
            shown, (uintmax_t)file->st_nlink);
    if (we == 0 || file->st_uid == we || (fstat(walk->root, &root) == 0 && file->st_uid == root.st_uid))
        return 0;
    return error_set(error, ERROR_REJECT,
        "file \"%s\": has %ju hard links and belongs to user %ju, neither us nor the watched directory's owner",
        shown, (uintmax_t)file->st_nlink, (uintmax_t)file->st_uid);
}

int file_walk_open_file(
    struct file_walk *walk, struct slice path, int *ret_file, struct stat *ret_stat, struct error *error)
{
    char name[PATH_MAX], shown[WALK_SHOWN + SHOWN_MAX];
    struct stat stat;

    path_show(path, shown);
    if (path_copy(path, name))
        return open_refuse(walk, shown, error);
    if (walk_open_root(walk))
        return error_set_errno(error, ERROR_RETRY, "file \"%s\": the watched directory", shown);
    cleanup_fd int fd = walk_openat(walk, walk->root, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &stat))
        return open_refuse(walk, shown, error);
    if (!S_ISREG(stat.st_mode))
        return error_set(error, ERROR_REJECT, "file \"%s\": no regular file", shown);
    if (open_check_links(walk, &stat, shown, error))
        return -1;
    *ret_stat = stat;
    *ret_file = fd_take(&fd);
    return 0;
}

/* Without the links that files may be read through: somebody else's directory is no place for an archive. */
static int directory_enter(int above, const char *name, bool make)
{
    const struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV};
    const int there = (int)syscall(SYS_openat2, above, name, &how, sizeof how);

    if (there >= 0 || errno != ENOENT || !make)
        return there;
    if ((mkdirat(above, name, 0777) && errno != EEXIST) || fsync(above))
        return -1;
    return (int)syscall(SYS_openat2, above, name, &how, sizeof how);
}

int file_walk_open_directory(struct file_walk *walk, struct slice path, bool make, struct error *error)
{
    char whole[PATH_MAX] = "", shown[WALK_SHOWN + SHOWN_MAX], *name = whole;

    path_show(path, shown);
    if (path.length && path_copy(path, whole))
        return open_refuse(walk, shown, error);
    if (walk_open_root(walk))
        return error_set_errno(error, ERROR_RETRY, "directory \"%s\": the watched directory", shown);
    cleanup_fd int at = openat(walk->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    while (*name && at >= 0) {
        char *slash = strchrnul(name, '/');
        char *next = slash + (*slash != '\0');
        *slash = '\0';
        const int below = directory_enter(at, name, make);
        const int number = errno;
        fd_close(&at);
        at = below;
        errno = number;
        name = next;
    }
    return at < 0 ? error_set_errno(error, ERROR_RETRY, "directory \"%s\"", shown) : fd_take(&at);
}

int file_walk_look(struct file_walk *walk, struct slice path, struct stat *ret_stat)
{
    char name[PATH_MAX];

    if (path_copy(path, name) || walk_open_root(walk))
        return -1;
    return walk_stat(walk, walk->root, name, ret_stat);
}

bool file_walk_takes(struct file_walk *walk, struct slice path)
{
    if (path.length >= sizeof walk->path)
        return false;
    memcpy(walk->path, path.data, path.length);
    walk->path[path.length] = '\0';
    walk->length = path.length;
    return walk_takes(walk);
}
