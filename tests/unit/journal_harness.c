/* journal_harness: see journal_harness.h */
#include "journal_harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/little.h"

/* ---- the failing disk ---- */

static bool disk_fails(struct disk *disk, enum disk_call call)
{
    if (disk->second_at && disk->fail_at && disk->calls >= disk->fail_at &&
        ++disk->later >= disk->second_at) {
        errno = disk->error;
        return true;
    }
    if (!(disk->mask & 1u << call))
        return false;
    long now = ++disk->calls;
    if (disk->fail_at == 0 || now < disk->fail_at || (now > disk->fail_at && !disk->dead))
        return false;
    errno = disk->error;
    return true;
}

static int disk_create(void *context, int directory, const char *name)
{
    return disk_fails(context, DISK_CREATE) ? -1 : journal_io_system.create(NULL, directory, name);
}

static int disk_allocate(void *context, int fd, uint64_t size)
{
    return disk_fails(context, DISK_ALLOCATE) ? -1 : journal_io_system.allocate(NULL, fd, size);
}

static int disk_write(void *context, int fd, const void *data, size_t length, uint64_t offset)
{
    return disk_fails(context, DISK_WRITE) ? -1 : journal_io_system.write(NULL, fd, data, length, offset);
}

static int disk_sync(void *context, int fd)
{
    return disk_fails(context, DISK_SYNC) ? -1 : journal_io_system.sync(NULL, fd);
}

static int disk_confirm(void *context, int fd)
{
    return disk_fails(context, DISK_CONFIRM) ? -1 : journal_io_system.confirm(NULL, fd);
}

static int disk_truncate(void *context, int fd, uint64_t size)
{
    return disk_fails(context, DISK_TRUNCATE) ? -1 : journal_io_system.truncate(NULL, fd, size);
}

static int disk_rename(void *context, int directory, const char *from, const char *to)
{
    return disk_fails(context, DISK_RENAME) ? -1 : journal_io_system.rename(NULL, directory, from, to);
}

static int disk_unlink(void *context, int directory, const char *name)
{
    return disk_fails(context, DISK_UNLINK) ? -1 : journal_io_system.unlink(NULL, directory, name);
}

static int disk_sync_directory(void *context, int directory)
{
    return disk_fails(context, DISK_SYNC_DIRECTORY) ? -1 : journal_io_system.sync_directory(NULL, directory);
}

void disk_arm(struct disk *disk, unsigned mask, long fail_at, bool dead, int error)
{
    disk->fail_at = disk->second_at = 0;
    disk->calls = disk->later = 0;
    disk->dead = dead;
    disk->error = error;
    disk->mask = mask;
    disk->fail_at = fail_at;
}

/* ---- time ---- */

static atomic_llong held_time; /* 0: it goes on */

static int64_t fixture_monotonic(const struct clock *clock)
{
    const int64_t held = atomic_load(&held_time);

    (void)clock;
    return held ? held : clock_monotonic(&clock_system);
}

static struct clock fixture_clock;

void fixture_hold_time(bool hold)
{
    atomic_store(&held_time, hold ? clock_monotonic(&clock_system) : 0);
}

/* ---- the fixture ---- */

#define PATIENCE \
    60000 /* tries, a millisecond apart: the disk of a busy machine may stand still for seconds */

void temporary_directory(char path[64])
{
    snprintf(path, 64, "/tmp/penstock-test.XXXXXX");
    cr_assert(mkdtemp(path));
}

void fixture_start(struct fixture *fixture)
{
    static const char *const outlets[] = {"one"};

    memset(fixture, 0, sizeof *fixture);
    fixture_clock = (struct clock){clock_system.wall, fixture_monotonic};
    fixture_hold_time(false);
    temporary_directory(fixture->directory);
    fixture->disk.io = (struct journal_io){&fixture->disk, disk_create, disk_allocate, disk_write, disk_sync,
        disk_confirm, disk_truncate, disk_rename, disk_unlink, disk_sync_directory};
    fixture->options = (struct journal_options){
        .directory = fixture->directory,
        .gateway_id = "test-1",
        .segment_size = SEGMENT,
        .max_size = 16 * SEGMENT,
        .outlets = outlets,
        .outlets_count = 1,
        .clock = &fixture_clock,
        .io = &fixture->disk.io,
    };
}

int fixture_open(struct fixture *fixture)
{
    bytes_free(&fixture->report.notes);
    return journal_open(&fixture->journal, &fixture->options, &fixture->report, &fixture->error);
}

void fixture_close(struct fixture *fixture)
{
    journal_close(&fixture->journal);
}

void fixture_reopen(struct fixture *fixture)
{
    fixture_close(fixture);
    cr_assert_eq(fixture_open(fixture), 0, "%s", fixture->error.text);
}

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void directory_delete(const char *path)
{
    nftw(path, delete_one, 8, FTW_DEPTH | FTW_PHYS);
}

void fixture_end(struct fixture *fixture)
{
    fixture_close(fixture);
    bytes_free(&fixture->report.notes);
    directory_delete(fixture->directory);
}

static void record_fill(char *out, uint64_t id, size_t size)
{
    put_u64(out, id);
    for (size_t i = 8; i < size; i++)
        out[i] = (char)('a' + (id + i * 7) % 26);
}

int fixture_put(struct fixture *fixture, uint64_t first, uint64_t count, size_t size)
{
    struct handover handover;
    char *payloads = malloc(count * size);

    handover_init(&handover, 1 << 24, NULL, NULL);
    handover.payloads = payloads;
    for (uint64_t i = 0; i < count; i++) {
        char head[8];
        record_fill(payloads + i * size, first + i, size);
        memcpy(head, payloads + i * size, sizeof head);
        cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){head, sizeof head},
                         i * size + 8, size - 8, &fixture->error),
            0);
    }
    int result = journal_hand_over_and_wait(fixture->journal, &handover, &fixture->error);
    if (!result)
        cr_assert_eq(handover.last - handover.first + 1, count);
    handover_free(&handover);
    free(payloads);
    return result;
}

void fixture_read(struct fixture *fixture, uint64_t after, struct found *ret_found)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    char expected[4096];
    int more;

    memset(ret_found, 0, sizeof *ret_found);
    cr_assert_eq(journal_reader_open(&reader, fixture->journal, after, &fixture->error), 0);
    while ((more = journal_read(reader, &entry, &fixture->error)) == 1) {
        uint64_t at = ret_found->count++;
        cr_assert_lt(at, FOUND_MAX);
        ret_found->sequence[at] = entry.sequence;
        ret_found->epoch[at] = entry.epoch;
        if (entry.type == JOURNAL_ENTRY_DAMAGE) {
            cr_assert_leq(entry.sequence, entry.last);
            ret_found->damaged += entry.last - entry.sequence + 1;
            continue;
        }
        ret_found->id[at] = get_u64(entry.body.data);
        record_fill(expected, ret_found->id[at], entry.body.length);
        cr_assert_eq(memcmp(expected, entry.body.data, entry.body.length), 0);
    }
    cr_assert_eq(more, 0, "%s", fixture->error.text);
    journal_reader_close(&reader);
}

void fixture_move(struct fixture *fixture, uint64_t position)
{
    struct journal_cursor cursor;

    cr_assert_eq(journal_cursor(fixture->journal, "one", &cursor, &fixture->error), 0);
    cursor.delivered += position - cursor.position;
    cursor.position = position;
    journal_cursor_move(fixture->journal, "one", &cursor);
    for (int tries = 0; tries < PATIENCE; tries++) {
        cr_assert_eq(journal_cursor(fixture->journal, "one", &cursor, &fixture->error), 0);
        if (cursor.position == position)
            return;
        usleep(1000);
    }
    cr_assert_fail("cursor did not become durable within a minute");
}

int fixture_move_marked(struct fixture *fixture, const char *outlet, uint64_t position, uint64_t held,
    const struct journal_mark *marks, size_t count)
{
    struct journal_cursor cursor;

    cr_assert_eq(journal_cursor(fixture->journal, outlet, &cursor, &fixture->error), 0);
    cursor.position = position;
    cursor.held = held;
    cursor.delivered = position - cursor.base - held;
    return journal_cursor_move_marked(fixture->journal, outlet, &cursor, marks, count, &fixture->error);
}

void fixture_await(struct fixture *fixture, const char *outlet, uint64_t position, uint64_t held)
{
    struct journal_cursor cursor;

    for (int tries = 0; tries < PATIENCE; tries++) {
        cr_assert_eq(journal_cursor(fixture->journal, outlet, &cursor, &fixture->error), 0);
        if (cursor.position == position && cursor.held == held)
            return;
        usleep(1000);
    }
    cr_assert_fail("cursor did not become durable within a minute");
}

void fixture_mark(struct fixture *fixture, const char *outlet, uint64_t position, uint64_t held,
    const struct journal_mark *marks, size_t count)
{
    cr_assert_eq(
        fixture_move_marked(fixture, outlet, position, held, marks, count), 0, "%s", fixture->error.text);
    fixture_await(fixture, outlet, position, held);
}

static void marks_add(void *context, const struct journal_mark *mark)
{
    struct marks_found *found = context;

    cr_assert_lt(found->count, MARKS_FOUND_MAX);
    found->marks[found->count++] = *mark;
}

void fixture_marks(struct fixture *fixture, const char *outlet, struct marks_found *ret_found)
{
    ret_found->count = 0;
    journal_marks(fixture->journal, outlet, marks_add, ret_found);
}

uint64_t marks_position(const struct marks_found *found, const char *name)
{
    const struct journal_mark *mark = NULL;

    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->marks[i].name, name) != 0)
            continue;
        cr_assert_null(mark, "mark %s is there twice", name);
        mark = &found->marks[i];
    }
    cr_assert_not_null(mark, "mark %s is missing", name);
    return mark->position;
}

struct journal_mark mark_of(const char *name, uint64_t position)
{
    struct journal_mark mark = {.position = position};

    snprintf(mark.name, sizeof mark.name, "%s", name);
    return mark;
}

struct journal_mark mark_long(unsigned number, uint64_t position)
{
    struct journal_mark mark = {.position = position};

    snprintf(mark.name, sizeof mark.name, "%0*u", JOURNAL_MARK_NAME_MAX, number);
    return mark;
}

void fixture_settle(struct fixture *fixture)
{
    for (int tries = 0; tries < PATIENCE; tries++) {
        size_t reserves =
            directory_files(fixture->directory, "") - directory_files(fixture->directory, ".segment");
        /* Looked at last: one that appears in between would count as a reserve that is ready. */
        if (reserves >= 3 && directory_files(fixture->directory, ".new") == 0)
            return;
        usleep(1000);
    }
    cr_assert_fail("the preparer did not finish within a minute");
}

/* ---- files ---- */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    size_t want = strlen(suffix);

    return name[0] != '.' && length >= want && strcmp(name + length - want, suffix) == 0;
}

static const char *scan_suffix;

static int scan_filter(const struct dirent *entry)
{
    return has_suffix(entry->d_name, scan_suffix);
}

static int list_files(const char *directory, const char *suffix, struct dirent ***ret_list)
{
    scan_suffix = suffix;
    int count = scandir(directory, ret_list, scan_filter, alphasort);
    cr_assert_geq(count, 0);
    return count;
}

static void list_free(struct dirent **list, int count)
{
    while (count-- > 0)
        free(list[count]);
    free(list);
}

size_t directory_files(const char *directory, const char *suffix)
{
    struct dirent **list;
    int count = list_files(directory, suffix, &list);

    list_free(list, count);
    return (size_t)count;
}

void directory_name(const char *directory, const char *suffix, int nth, char path[256])
{
    struct dirent **list;
    int count = list_files(directory, suffix, &list);

    nth = nth < 0 ? count + nth : nth;
    cr_assert(nth >= 0 && nth < count);
    snprintf(path, 256, "%.100s/%.100s", directory, list[nth]->d_name);
    list_free(list, count);
}

uint64_t file_size(const char *path)
{
    struct stat status;

    cr_assert_eq(stat(path, &status), 0);
    return (uint64_t)status.st_size;
}

uint64_t directory_bytes(const char *directory)
{
    struct dirent **list;
    int count = list_files(directory, "", &list);
    uint64_t bytes = 0;
    char path[256];

    for (int i = 0; i < count; i++) {
        struct stat status;
        snprintf(path, sizeof path, "%.100s/%.100s", directory, list[i]->d_name);
        if (stat(path, &status) == 0) /* the preparer may have renamed it meanwhile */
            bytes += (uint64_t)status.st_size;
    }
    list_free(list, count);
    return bytes;
}

/* False: it is not there any more. */
static bool file_copy(const char *from, const char *to)
{
    cleanup_fd int in = open(from, O_RDONLY);
    char block[65536];
    ssize_t got;

    if (in < 0 && errno == ENOENT)
        return false;
    cleanup_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(in >= 0 && out >= 0);
    while ((got = read(in, block, sizeof block)) > 0)
        cr_assert_eq(write(out, block, (size_t)got), got);
    return true;
}

bool directory_copy_open(const char *from, const char *to)
{
    bool whole = true;
    struct dirent **list;
    int count = list_files(from, "", &list);
    char source[256];
    char target[256];

    mkdir(to, 0700);
    for (int i = 0; i < count; i++) {
        snprintf(source, sizeof source, "%.100s/%.100s", from, list[i]->d_name);
        snprintf(target, sizeof target, "%.100s/%.100s", to, list[i]->d_name);
        whole = file_copy(source, target) && whole;
    }
    list_free(list, count);
    return whole;
}

void directory_copy(const char *from, const char *to)
{
    cr_assert(directory_copy_open(from, to), "a file of %s went away", from);
}

void file_flip(const char *path, uint64_t offset, unsigned char mask)
{
    cleanup_fd int fd = open(path, O_RDWR);
    unsigned char byte;

    cr_assert(fd >= 0);
    cr_assert_eq(pread(fd, &byte, 1, (off_t)offset), 1);
    byte ^= mask;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
}
