/* walk: the directories of one watch, looked at. Their contents are hostile: whoever may write into them must not make us read what they may not read.
 *
 * Everything below the root is opened by openat2(): beneath the root, through no link, onto no other mount (RESOLVE_BENEATH, _NO_SYMLINKS, _NO_MAGICLINKS,
 * _NO_XDEV). With follow_symlinks (the logs of containers need it) a link may lead anywhere, but magic links are never followed: then it is the rights of the
 * process that keep strangers' files away. Paths are bytes, relative to the root, without "." and "..". Needs Linux 5.6.
 *
 * A scan is a hint, as everything is that is known about a directory: what is renamed while it runs may be seen twice or not at all, until the next one.
 * @thread the owner's
 */
#ifndef PENSTOCK_FILES_WALK_H
#define PENSTOCK_FILES_WALK_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/error.h"
#include "files/pattern.h"

#define FILE_WALK_DEPTH_MAX 32 /* directories below the root, one in the other */

struct file_walk;

/* The patterns stay the caller's and outlive the walk; the root is copied. */
struct file_walk_options {
    const char *root;
    const struct file_pattern *const *take; /* all of them have this root */
    size_t take_count;
    const struct file_pattern *const *leave; /* whole paths as in take, or relative to the root */
    size_t leave_count;
    const char
        *closed[2]; /* directories below the root of which nothing is taken; they outlive the walk, too */
    size_t closed_count;
    bool follow_symlinks, allow_hard_links;
};

/* path: relative to the root, good during the call. inode: as readdir says it, of the link's target where links are followed; 0: not known. taken: a pattern takes it,
 * none leaves it out, and its name is not temporary. regular: it is a regular file, as far as readdir says it. */
struct walk_entry {
    struct slice path;
    uint64_t inode;
    bool taken, regular;
};

typedef void walk_file_fn(void *context, const struct walk_entry *entry);
/* directory: open during the call, the walk's. path: "" is the root. */
typedef void walk_directory_fn(void *context, int directory, struct slice path);

/* What the last scan could not look at: how many directories (and entries with too long a path), and the first of them: errno, and its path with the root in front.
 * ENAMETOOLONG is also said of what lies deeper than FILE_WALK_DEPTH_MAX, ELOOP of links to directories which may not be followed (scan), EXDEV of other mounts. */
struct file_walk_trouble {
    uint64_t count;
    int number;
    char path[FILE_PATTERN_MAX + PATH_MAX];
};

/* ERROR_FATAL: the kernel has no openat2(). Looks at nothing yet. */
int file_walk_new(struct file_walk **ret_walk, const struct file_walk_options *options, struct error *error);

void file_walk_free(struct file_walk **walk);

#define cleanup_file_walk __attribute__((cleanup(file_walk_free)))

/* Opens the root anew, for it may have been replaced, and goes through every directory that a pattern enters: `directory` for each one before its entries, then
 * `file` for each regular file in it (what is not taken, too: a rotated file is found by its inode under any name), and for whatever else has a name that is taken, so
 * that file_walk_open_file() can say why it is refused. With follow_symlinks a link counts as what it leads to; links to directories are followed once on a way,
 * and not back into a directory that the way comes from.
 *
 * What is not there or may not be read is no error, but the trouble below. ERROR_RETRY: we have no descriptors or no memory left; the scan ended where it was, and
 * what it did not show may be there. */
int file_walk_scan(struct file_walk *walk, walk_file_fn *file, walk_directory_fn *directory, void *context,
    struct error *error);

/* Of the last scan; good until the next one. */
const struct file_walk_trouble *file_walk_trouble(const struct file_walk *walk);

/* Opens a file for reading, below the root as the last scan found it. Never waits, whatever lies there. ERROR_RETRY: what may pass (it is not there, no right, no
 * descriptors); ERROR_REJECT: what is refused: links, other mounts, what is no regular file, and files with several hard links (who may not read a file can link to
 * it) unless allow_hard_links is set; then still those whose owner is neither we nor the root's owner, unless we are root. The text says what would allow it. */
int file_walk_open_file(
    struct file_walk *walk, struct slice path, int *ret_file, struct stat *ret_stat, struct error *error);

/* A directory, open for reading; "" is the root as the last scan found it. make: it and those above it are made (mode 0777 and the umask) when they are missing,
 * and what was made is fsynced. -1, and the text says why. */
int file_walk_open_directory(struct file_walk *walk, struct slice path, bool make, struct error *error);

/* What lies there, without opening it: a hint. A link is shown as one unless links are followed. 0, or -1 with errno. */
int file_walk_look(struct file_walk *walk, struct slice path, struct stat *ret_stat);

/* Whether patterns take this path, as `taken` of a scan says. Not from within a scan. */
bool file_walk_takes(struct file_walk *walk, struct slice path);

#endif
