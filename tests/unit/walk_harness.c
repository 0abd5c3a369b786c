/* walk_harness: see walk_harness.h */
#include "walk_harness.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "folder.h"

#define SEEN_MAX 20000
#define NOBODY 65534

char watch_said[ERROR_TEXT_SIZE];

static char *seen[SEEN_MAX];
static size_t seen_count;

static size_t compile_all(struct file_pattern **patterns, const char *texts, const char *before)
{
    char copy[4096], *rest = copy, *text;
    size_t count = 0;

    snprintf(copy, sizeof copy, "%s", texts);
    while ((text = strsep(&rest, " "))) {
        char whole[4200];
        struct error error;
        if (!*text)
            continue;
        snprintf(whole, sizeof whole, "%s%s", before, text);
        cr_assert_eq(file_pattern_compile(&patterns[count], whole, &error), 0, "%s: %s", whole, error.text);
        count++;
    }
    return count;
}

void watch_begin(
    struct watch *watch, const char *take, const char *leave, bool follow_symlinks, bool allow_hard_links)
{
    char before[300];
    struct error error;

    snprintf(before, sizeof before, "%s/", folder);
    *watch = (struct watch){.walk = NULL};
    watch->take_count = compile_all(watch->take, take, before);
    watch->leave_count = compile_all(watch->leave, leave, "");
    const struct file_walk_options options = {.root = file_pattern_root(watch->take[0]),
        .take = (const struct file_pattern *const *)watch->take,
        .take_count = watch->take_count,
        .leave = (const struct file_pattern *const *)watch->leave,
        .leave_count = watch->leave_count,
        .follow_symlinks = follow_symlinks,
        .allow_hard_links = allow_hard_links};
    cr_assert_eq(file_walk_new(&watch->walk, &options, &error), 0, "%s", error.text);
}

static void count_file(void *context, const struct walk_entry *entry)
{
    (void)entry;
    ++*(size_t *)context;
}

static void no_directory(void *context, int directory, struct slice path)
{
    (void)context;
    (void)directory;
    (void)path;
}

size_t watch_count(struct watch *watch)
{
    struct error error = {0};
    size_t count = 0;

    cr_assert_eq(file_walk_scan(watch->walk, count_file, no_directory, &count, &error), 0, "%s", error.text);
    return count;
}

static void seen_forget(void)
{
    while (seen_count > 0)
        free(seen[--seen_count]);
}

void watch_end(struct watch *watch)
{
    seen_forget();
    file_walk_free(&watch->walk);
    for (size_t i = 0; i < watch->take_count; i++)
        file_pattern_free(&watch->take[i]);
    for (size_t i = 0; i < watch->leave_count; i++)
        file_pattern_free(&watch->leave[i]);
}

static void see(const char *before, struct slice path, const char *behind)
{
    cr_assert_lt(seen_count, SEEN_MAX);
    cr_assert_geq(
        asprintf(&seen[seen_count++], "%s%.*s%s\n", before, (int)path.length, path.data, behind), 0);
}

static void see_file(void *context, const struct walk_entry *entry)
{
    struct watch *watch = context;
    struct stat stat;

    see(entry->taken ? "+" : "", entry->path, "");
    cr_expect_eq(file_walk_look(watch->walk, entry->path, &stat), 0, "%.*s", (int)entry->path.length,
        entry->path.data);
    cr_expect_eq(stat.st_ino, entry->inode, "%.*s", (int)entry->path.length, entry->path.data);
}

static void see_directory(void *context, int directory, struct slice path)
{
    struct stat stat;

    (void)context;
    cr_assert_eq(fstat(directory, &stat), 0);
    cr_assert(S_ISDIR(stat.st_mode));
    see("", path, "/");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *watch_scan(struct watch *watch)
{
    static char text[1 << 20];
    size_t length = 0;
    struct error error = {0};

    seen_forget();
    cr_assert_eq(file_walk_scan(watch->walk, see_file, see_directory, watch, &error), 0, "%s", error.text);
    qsort(seen, seen_count, sizeof *seen, by_text);
    text[0] = '\0';
    for (size_t i = 0; i < seen_count; i++) {
        cr_assert_lt(length + strlen(seen[i]), sizeof text);
        length = (size_t)(stpncpy(text + length, seen[i], sizeof text - length) - text);
    }
    return text;
}

enum error_kind watch_open(struct watch *watch, const char *path)
{
    struct error error = {0};
    struct stat stat;
    int fd = -1;

    if (file_walk_open_file(watch->walk, slice_of(path), &fd, &stat, &error)) {
        cr_expect_eq(fd, -1);
        snprintf(watch_said, sizeof watch_said, "%s", error.text);
        return error.kind;
    }
    cr_expect(S_ISREG(stat.st_mode));
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    const ssize_t length = read(fd, watch_said, sizeof watch_said - 1);
    cr_assert_geq(length, 0);
    watch_said[length] = '\0';
    close(fd);
    return ERROR_NONE;
}

void expect_trouble(struct watch *watch, uint64_t count, int number, const char *name)
{
    const struct file_walk_trouble *trouble = file_walk_trouble(watch->walk);

    cr_expect_eq(trouble->count, count, "%ju", (uintmax_t)trouble->count);
    cr_expect_eq(trouble->number, number, "%s", strerror(trouble->number));
    if (count > 0)
        cr_expect_str_eq(trouble->path, *name ? in_folder(name) : folder);
}

void make_directory(const char *name)
{
    cr_assert_eq(mkdir(in_folder(name), 0755), 0, "%s: %m", name);
}

void make_link(const char *target, const char *name)
{
    cr_assert_eq(symlink(target, in_folder(name)), 0, "%s: %m", name);
}

void become_nobody(void)
{
    if (geteuid() != 0) {
        folder_end(); /* what skips does not come to its end */
        cr_skip_test("only root can become somebody else");
    }
    cr_assert_eq(chmod(folder, 0755), 0);
    cr_assert_eq(seteuid(NOBODY), 0);
}
