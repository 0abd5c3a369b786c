/* Directories that somebody has filled who wants us to read what they may not, or to wait. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "folder.h"
#include "walk_harness.h"

TestSuite(file_walk_hostile, .init = folder_begin, .fini = folder_end, .timeout = 60);

Test(file_walk_hostile, links_are_refused)
{
    struct watch watch;
    struct stat stat;

    make_directory("outside");
    make_directory("watched");
    make_directory("watched/a");
    write_file("outside/secret", "secret");
    write_file("watched/a/f", "f");
    make_link("../outside/secret", "watched/link");
    make_link("a/f", "watched/inside");
    make_link("../outside", "watched/directory");
    make_link("nowhere", "watched/dangling");
    watch_begin(&watch, "watched/**", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+a/f\n+dangling\n+directory\n+inside\n+link\n/\na/\n",
        "so that each can be told");
    static const char *const refused[] = {"link", "inside", "directory", "directory/secret", "dangling"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char wanted[100];
        cr_expect_eq(watch_open(&watch, refused[i]), ERROR_REJECT, "%s", refused[i]);
        snprintf(wanted, sizeof wanted,
            "file \"%s\": a symbolic link, or behind one; follow_symlinks: true takes it", refused[i]);
        cr_expect_str_eq(watch_said, wanted);
    }
    cr_expect_eq(file_walk_look(watch.walk, slice_of("link"), &stat), 0);
    cr_expect(S_ISLNK(stat.st_mode));
    cr_expect_eq(file_walk_look(watch.walk, slice_of("directory/secret"), &stat), -1);
    cr_expect_eq(errno, ELOOP);
    watch_end(&watch);
    watch_begin(&watch, "watched/*.log", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "/\n", "links that nobody wants are not told");
    watch_end(&watch);
}

Test(file_walk_hostile, links_are_followed_where_that_is_wanted)
{
    struct watch watch;
    struct stat stat;

    make_directory("outside");
    make_directory("watched");
    write_file("outside/log", "secret");
    make_link("../outside/log", "watched/link");
    make_link("../outside", "watched/directory");
    make_link("nowhere", "watched/dangling");
    watch_begin(&watch, "watched/*", "", true, false);
    cr_expect_str_eq(watch_scan(&watch), "+link\n/\n");
    cr_expect_eq(watch_open(&watch, "link"), ERROR_NONE);
    cr_expect_str_eq(watch_said, "secret");
    cr_expect_eq(watch_open(&watch, "directory/log"), ERROR_NONE);
    cr_expect_eq(file_walk_look(watch.walk, slice_of("link"), &stat), 0);
    cr_expect(S_ISREG(stat.st_mode));
    cr_expect_eq(watch_open(&watch, "dangling"), ERROR_RETRY);
    make_link("loop", "watched/loop");
    make_link("/proc/self/exe", "watched/magic");
    cr_expect_eq(watch_open(&watch, "loop"), ERROR_REJECT);
    cr_expect_str_eq(watch_said, "file \"loop\": a link that leads to itself or is a magic one");
    cr_expect_eq(watch_open(&watch, "magic"), ERROR_REJECT);
    cr_expect_eq(watch_open(&watch, "../outside/log"), ERROR_REJECT, "only links lead out");
    cr_expect_eq(watch_open(&watch, "/etc/passwd"), ERROR_REJECT);
    watch_end(&watch);
}

Test(file_walk_hostile, links_to_directories_end)
{
    struct watch watch;

    make_directory("outside");
    make_directory("outside/deep");
    make_directory("watched");
    make_directory("watched/a");
    write_file("watched/a/f", "f");
    write_file("outside/deep/g", "g");
    make_link("../../outside", "watched/a/out");
    make_link("..", "watched/a/up");
    make_link("../watched", "outside/back");
    watch_begin(&watch, "watched/**", "", true, false);
    cr_expect_str_eq(watch_scan(&watch), "+a/f\n+a/out/deep/g\n/\na/\na/out/\na/out/deep/\n");
    cr_expect_eq(file_walk_trouble(watch.walk)->count, 2);
    cr_expect_eq(file_walk_trouble(watch.walk)->number, ELOOP);
    /* 16 directories with 16 links each to all of them: 2^64 ways. */
    for (int i = 0; i < 16; i++) {
        char name[40], link[60], target[40];
        snprintf(name, sizeof name, "watched/d%d", i);
        make_directory(name);
        for (int k = 0; k < 16; k++) {
            snprintf(link, sizeof link, "watched/d%d/l%d", i, k);
            snprintf(target, sizeof target, "../d%d", k);
            make_link(target, link);
        }
    }
    cr_expect_eq(watch_count(&watch), 2);
    make_link("loop", "watched/loop");
    cr_expect_eq(watch_count(&watch), 3, "the link that leads nowhere is told, for it would be taken");
    watch_end(&watch);
}

Test(file_walk_hostile, only_paths_below_the_root)
{
    struct watch watch;
    struct error error;
    struct stat stat;
    static char longest[PATH_MAX + 1];
    int fd;

    make_directory("watched");
    make_directory("watched/a");
    write_file("watched/a/f", "f");
    write_file("secret", "secret");
    watch_begin(&watch, "watched/**", "", false, false);
    static const char *const none[] = {
        "", ".", "..", "../secret", "a/../../secret", "a/../a/f", "./a/f", "a//f", "a/f/", "/etc/passwd"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        cr_expect_eq(watch_open(&watch, none[i]), ERROR_REJECT, "%s", none[i]);
        cr_expect_not_null(strstr(watch_said, "no path below the watched directory"));
        cr_expect_eq(file_walk_look(watch.walk, slice_of(none[i]), &stat), -1);
        cr_expect_eq(errno, EINVAL);
    }
    cr_expect_eq(file_walk_open_file(watch.walk, (struct slice){"a/f\0.log", 8}, &fd, &stat, &error), -1);
    cr_expect_eq(error.kind, ERROR_REJECT);
    memset(longest, 'a', PATH_MAX);
    cr_expect_eq(watch_open(&watch, longest), ERROR_REJECT);
    cr_expect_not_null(strstr(watch_said, "File name too long"));
    cr_expect_eq(watch_open(&watch, longest + PATH_MAX - 300), ERROR_REJECT);
    cr_expect_eq(watch_open(&watch, "a/g"), ERROR_RETRY);
    cr_expect_str_eq(watch_said, "file \"a/g\": open: No such file or directory");
    cr_expect_eq(watch_open(&watch, "a/f/g"), ERROR_RETRY, "%s", watch_said);
    cr_expect_eq(watch_open(&watch, "a/f"), ERROR_NONE);
    watch_end(&watch);
}

/* "" when it is opened, else what is said. */
static const char *open_directory(struct file_walk *walk, const char *path, bool make)
{
    static struct error error;

    error.text[0] = '\0';
    cleanup_fd int directory = file_walk_open_directory(walk, slice_of(path), make, &error);
    cr_expect_eq(directory >= 0, error.text[0] == '\0', "%s", path);
    return error.text;
}

Test(file_walk_hostile, directories_are_made_below_the_root_alone)
{
    struct watch watch;

    make_directory("outside");
    make_directory("watched");
    write_file("watched/file", "");
    make_link("../outside", "watched/link");
    watch_begin(&watch, "watched/*", "", true, false);
    cr_expect_str_eq(open_directory(watch.walk, "", false), "");
    cr_expect_str_eq(
        open_directory(watch.walk, "a/b", false), "directory \"a/b\": No such file or directory");
    cr_expect_str_eq(open_directory(watch.walk, "a/b", true), "");
    cr_expect_str_eq(open_directory(watch.walk, "a/b", false), "");
    cr_expect_str_eq(open_directory(watch.walk, "a/b/c/d", true), "");
    cr_expect_eq(access(in_folder("watched/a/b/c/d"), F_OK), 0);
    cr_expect_str_eq(open_directory(watch.walk, "file/a", true), "directory \"file/a\": Not a directory");
    cr_expect_str_eq(open_directory(watch.walk, "link/a", true), "directory \"link/a\": Not a directory",
        "whatever files are read through");
    cr_expect_eq(access(in_folder("outside/a"), F_OK), -1);
    cr_expect_str_eq(open_directory(watch.walk, "../outside", true),
        "file \"../outside\": no path below the watched directory: Invalid argument");
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    cr_expect_neq(*open_directory(watch.walk, name, true), '\0');
    cr_assert_eq(rename(in_folder("watched"), in_folder("moved")), 0);
    watch_scan(&watch);
    cr_expect_neq(*open_directory(watch.walk, "a", true), '\0');
    watch_end(&watch);
}

Test(file_walk_hostile, closed_directories_are_not_entered)
{
    struct file_pattern *pattern;
    struct error error;
    struct watch watch = {0};

    make_directory("watched");
    make_directory("watched/archive");
    make_directory("watched/other");
    make_directory("watched/other/archive");
    write_file("watched/archive/f", "");
    write_file("watched/other/archive/f", "");
    char text[200];
    snprintf(text, sizeof text, "%s/**", in_folder("watched"));
    cr_assert_eq(file_pattern_compile(&pattern, text, &error), 0, "%s", error.text);
    const struct file_pattern *take[] = {pattern};
    const struct file_walk_options options = {.root = file_pattern_root(pattern),
        .take = take,
        .take_count = 1,
        .closed = {"archive"},
        .closed_count = 1};
    cr_assert_eq(file_walk_new(&watch.walk, &options, &error), 0, "%s", error.text);
    cr_expect_str_eq(watch_scan(&watch), "+other/archive/f\n/\nother/\nother/archive/\n");
    file_walk_free(&watch.walk);
    file_pattern_free(&pattern);
}

Test(file_walk_hostile, no_directories_are_made_in_a_root_that_was_removed)
{
    struct watch watch;

    make_directory("watched");
    watch_begin(&watch, "watched/*", "", false, false);
    watch_scan(&watch);
    cr_assert_eq(rmdir(in_folder("watched")), 0);
    cr_expect_str_eq(open_directory(watch.walk, "a", true), "directory \"a\": No such file or directory");
    watch_end(&watch);
}

Test(file_walk_hostile, what_is_no_file_is_refused_and_never_waited_for)
{
    struct watch watch;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const bool root = geteuid() == 0;
    char wanted[100];

    cr_assert_eq(mkfifo(in_folder("fifo"), 0666), 0);
    make_directory("directory");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", in_folder("socket"));
    const int server = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    if (!root || mknod(in_folder("device"), S_IFCHR | 0666, makedev(1, 5)))
        cr_log_warn("no device: only root makes one");
    watch_begin(&watch, "*", "", false, false);
    cr_expect_str_eq(watch_scan(&watch),
        access(in_folder("device"), F_OK) ? "+fifo\n+socket\n/\n" : "+device\n+fifo\n+socket\n/\n");
    static const char *const refused[] = {"fifo", "socket", "directory", "device"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (access(in_folder(refused[i]), F_OK))
            continue;
        cr_expect_eq(watch_open(&watch, refused[i]), ERROR_REJECT, "%s: %s", refused[i], watch_said);
        snprintf(wanted, sizeof wanted, "file \"%s\": no regular file", refused[i]);
        cr_expect_str_eq(watch_said, wanted);
    }
    close(server);
    watch_end(&watch);
}

Test(file_walk_hostile, other_mounts_are_refused)
{
    struct watch watch;
    struct stat stat;

    if (geteuid() != 0) {
        folder_end();
        cr_skip_test("only root can mount");
    }
    make_directory("mount");
    write_file("bound", "below");
    write_file("other", "other");
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", in_folder("mount"), "tmpfs", 0, NULL) ||
        mount(in_folder("other"), in_folder("bound"), NULL, MS_BIND, NULL))
        cr_skip_test("root may not mount here: %s", strerror(errno));
    write_file("mount/f", "f");
    watch_begin(&watch, "**", "", false, false);
    cr_expect_eq(watch_count(&watch), 2, "what is mounted over a file is told when it is opened");
    expect_trouble(&watch, 1, EXDEV, "mount");
    cr_expect_eq(watch_open(&watch, "mount/f"), ERROR_REJECT);
    cr_expect_str_eq(watch_said, "file \"mount/f\": lies on another mount; watch that one by itself");
    cr_expect_eq(watch_open(&watch, "bound"), ERROR_REJECT);
    cr_expect_eq(file_walk_look(watch.walk, slice_of("mount/f"), &stat), -1);
    cr_expect_eq(errno, EXDEV);
    watch_end(&watch);
    watch_begin(&watch, "mount/*", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+f\n/\n", "as a root it is watched");
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE);
    watch_end(&watch);
    cr_assert_eq(umount(in_folder("bound")), 0);
    cr_assert_eq(umount(in_folder("mount")), 0);
}

Test(file_walk_hostile, hard_links)
{
    struct watch watch;

    make_directory("watched");
    write_file("secret", "secret");
    cr_assert_eq(link(in_folder("secret"), in_folder("watched/f")), 0);
    watch_begin(&watch, "watched/*", "", false, false);
    watch_scan(&watch);
    cr_expect_eq(watch_open(&watch, "f"), ERROR_REJECT);
    cr_expect_str_eq(watch_said, "file \"f\": has 2 hard links; hard_links: true takes it");
    watch_end(&watch);
    watch_begin(&watch, "watched/*", "", false, true);
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE);
    watch_end(&watch);
}

/* Allowed, hard links are still taken from the owner of the directory and from ourselves only. */
Test(file_walk_hostile, hard_links_of_strangers)
{
    struct watch watch;

    make_directory("watched");
    write_file("secret", "secret");
    cr_assert_eq(chmod(in_folder("secret"), 0644), 0);
    cr_assert_eq(link(in_folder("secret"), in_folder("watched/f")), 0);
    write_file("watched/single", "single");
    become_nobody();
    watch_begin(&watch, "watched/*", "", false, true);
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE, "the directory is its owner's: %s", watch_said);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chown(in_folder("secret"), 1234, 0), 0);
    cr_assert_eq(chown(in_folder("watched/single"), 1234, 0), 0);
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE, "we are root");
    become_nobody();
    cr_expect_eq(watch_open(&watch, "single"), ERROR_NONE, "it has one name only");
    cr_expect_eq(watch_open(&watch, "f"), ERROR_REJECT);
    cr_expect_str_eq(watch_said,
        "file \"f\": has 2 hard links and belongs to user 1234, neither us nor the watched directory's owner");
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chown(in_folder("secret"), 65534, 0), 0);
    become_nobody();
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE, "it is ours");
    cr_assert_eq(seteuid(0), 0);
    watch_end(&watch);
}
