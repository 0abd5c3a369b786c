/* Looking into a journal: what the next start would find, while another process writes it or nobody does, and nothing is changed. */
#include "journal_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/little.h"
#include "journal/frame.h"

static struct fixture fx;
static char written[16], seen[16]; /* the state of the writer, and of who looks */
static char vanishes[256]; /* deleted when the first state is seen */

static int note_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    (void)sequence, (void)error;
    snprintf(state, sizeof seen, "%.*s", (int)length, (const char *)body);
    if (state == seen && *vanishes)
        unlink(vanishes);
    return 0;
}

static int note_dump(void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    const char *text = state;

    (void)keep_from;
    return *text ? emit(context, text, strlen(text), error) : 0;
}

static const struct state_kind writes = {
    .kind = STATE_RENDERING, .name = "note", .apply = note_apply, .dump = note_dump, .state = written};
static const struct state_kind looks = {
    .kind = STATE_RENDERING, .name = "note", .apply = note_apply, .dump = note_dump, .state = seen};

static void start(void)
{
    fixture_start(&fx);
    fx.options.kinds = &writes;
    fx.options.kinds_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void end(void)
{
    fixture_end(&fx);
}

TestSuite(peek, .init = start, .fini = end, .timeout = 900);

static int peek(const char *directory)
{
    seen[0] = '\0';
    return journal_peek(directory, &looks, 1, &fx.error);
}

static void remember(const char *text)
{
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    handover_add(&handover, STATE_RENDERING, slice_of(text), 0, 0, &fx.error);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
    handover_free(&handover);
}

/* Records enough for several segments, passed by their outlet or not. */
static void fill(uint64_t first, bool pass)
{
    for (uint64_t i = 0; i < 40; i++) {
        cr_assert_eq(fixture_put(&fx, first + i * 10, 10, 300), 0, "%s", fx.error.text);
        if (pass)
            fixture_move(&fx, first + i * 10 + 9);
    }
}

Test(peek, sees_what_is_durable_while_it_is_written_and_behind_its_end)
{
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_empty(seen);
    remember("one");
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_eq(seen, "one");
    fill(1, true);
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_eq(seen, "one", "from a snapshot, its own segment is gone");
    remember("two");
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_eq(seen, "two");
    fixture_close(&fx);
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_eq(seen, "two");
}

Test(peek, changes_nothing)
{
    remember("one");
    fill(1, false);
    fixture_close(&fx);
    const size_t files = directory_files(fx.directory, "");
    const uint64_t bytes = directory_bytes(fx.directory);
    char name[256];
    /* What a start would set aside, and delete. */
    snprintf(name, sizeof name, "%.200s/00000000000000099999.segment", fx.directory);
    cleanup_fd int strange = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    snprintf(name, sizeof name, "%.200s/reserve.99.new", fx.directory);
    cleanup_fd int fresh = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    cr_assert_geq(strange, 0);
    cr_assert_geq(fresh, 0);
    cleanup_fd int lock = open(fx.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(flock(lock, LOCK_EX | LOCK_NB), 0);
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_eq(seen, "one");
    cr_assert_eq(directory_files(fx.directory, ""), files + 2);
    cr_assert_eq(directory_bytes(fx.directory), bytes);
}

Test(peek, a_damaged_snapshot_falls_back_to_older_segments)
{
    char name[256];

    remember("one");
    fill(1, false);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, name);
    file_flip(name, SEGMENT_HEADER_SIZE + 25, 0x10);
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
    cr_assert_str_eq(seen, "one");
}

Test(peek, says_so_when_what_it_reads_is_freed)
{
    remember("one");
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, vanishes);
    cr_assert_eq(peek(fx.directory), -1);
    vanishes[0] = '\0';
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    cr_assert(strstr(fx.error.text, "was freed meanwhile"), "%s", fx.error.text);
    cr_assert_eq(peek(fx.directory), 0, "%s", fx.error.text);
}

Test(peek, what_is_not_there_or_not_known)
{
    char empty[64], name[256];

    temporary_directory(empty);
    cr_assert_eq(peek(empty), 0, "%s", fx.error.text);
    cr_assert_str_empty(seen);
    directory_delete(empty);
    cr_assert_eq(peek(empty), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, ": open: No such file"), "%s", fx.error.text);

    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, name);
    char header[SEGMENT_HEADER_SIZE];
    cleanup_fd int fd = open(name, O_RDWR | O_CLOEXEC);
    cr_assert_eq(file_read_at(fd, header, sizeof header, 0), (ssize_t)sizeof header);
    put_u32(header + 8, 2);
    put_u32(header + 12, 0);
    put_u32(header + 12, crc32c(0, header, SEGMENT_HEADER_USED));
    cr_assert_eq(file_write_at(fd, header, sizeof header, 0), 0);
    cr_assert_eq(peek(fx.directory), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, "format version 2"), "%s", fx.error.text);
}
