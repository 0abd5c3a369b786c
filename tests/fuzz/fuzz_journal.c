/* Fuzzes what a start finds in the journal's directory (libFuzzer): the input is a list of edits of a sound journal: bytes changed, moved, cut away, files swapped,
 * copied, lost; and frames and headers made anew, which have their checksums. Whatever it is, recovery, the readers and the view agree about it, the view changes no
 * file, the start succeeds or says why not, a record that is handed over then is found by the next start, and what no edit touched is still delivered.
 *   TMPDIR=/dev/shm build-fuzz/fuzz_journal -max_total_time=60 tests/fuzz/corpus/journal */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/little.h"
#include "journal/view.h"
#include "journal_image.h"

#define EDITS_MAX 32
#define READ_MAX 4000 /* entries: 24 bytes each in five files are fewer */
#define PATH_SIZE 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct image sound, changed;
static uint64_t ends[IMAGE_SEGMENTS]; /* where a frame made anew is added */
static bool forged; /* a frame or a header was made anew */
static bool lies; /* a header was: nothing is promised then, but that this ends */
static char directory[128];
static struct error error;

/* ---- the input ------------------------------------------------------------------------------------------------------ */

struct input {
    const uint8_t *data;
    size_t size;
};

static uint64_t take(struct input *input, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes && input->size; i++, input->size--)
        value |= (uint64_t)*input->data++ << 8 * i;
    return value;
}

/* Near to what is right, or anything. */
static uint64_t take_number(struct input *input, uint64_t right)
{
    const uint64_t form = take(input, 1);

    return form == 255 ? take(input, 8) : right + form - 100;
}

static size_t take_file(struct input *input)
{
    return take(input, 1) % IMAGE_FILES;
}

/* ---- edits ---------------------------------------------------------------------------------------------------------- */

static void edit_bytes(struct input *input, uint64_t kind)
{
    struct image_file *file = &changed.files[take_file(input)];
    const size_t at = take(input, 2) % IMAGE_SIZE;
    const size_t room = IMAGE_SIZE - at;
    const size_t most = kind == 1 ? take(input, 1) : take(input, 2), length = most < room ? most : room;

    if (kind == 0)
        file->data[at] ^= (char)most;
    else if (kind == 1)
        for (size_t i = 0; i < length; i++)
            file->data[at + i] = (char)take(input, 1);
    else if (kind == 2)
        memset(file->data + at, 0, length);
    else
        file->length = at;
}

static void edit_move(struct input *input)
{
    const struct image_file *from = &changed.files[take_file(input)];
    const size_t source = take(input, 2) % IMAGE_SIZE;
    struct image_file *to = &changed.files[take_file(input)];
    const size_t target = take(input, 2) % IMAGE_SIZE, most = take(input, 2);
    const size_t room = IMAGE_SIZE - (source > target ? source : target);

    memmove(to->data + target, from->data + source, most < room ? most : room);
}

static void edit_files(struct input *input, uint64_t kind)
{
    struct image_file *one = &changed.files[take_file(input)];
    struct image_file *other = &changed.files[take_file(input)];
    const uint64_t name = one->name;

    if (kind == 5) {
        one->name = 0;
    } else if (kind == 6) {
        one->name = other->name;
        other->name = name;
    } else if (one != other && one->name) {
        *other = *one;
        other->name = take_number(input, IMAGE_SEGMENTS);
    }
}

static uint32_t forge_body(struct input *input, const struct image_frame *at, uint16_t kind, char body[512])
{
    struct journal_cursor cursor = {0};

    if (kind == JOURNAL_KIND_GROUP) {
        put_u64(body, take_number(input, at->frame.sequence));
        put_u64(body + 8, take_number(input, at->offset));
        return 16;
    }
    if (kind == STATE_CURSOR) {
        cursor.position = take_number(input, 0);
        cursor.base = take_number(input, 0);
        cursor.delivered = take_number(input, cursor.position - cursor.base);
        return (uint32_t)cursor_encode(IMAGE_OUTLET, &cursor, body);
    }
    const uint32_t length = (uint32_t)take(input, 1) * 2;
    for (uint32_t i = 0; i < length && input->size; i++)
        body[i] = (char)take(input, 1);
    return length;
}

/* In the place of a frame, or behind the last one. */
static void edit_frame(struct input *input, bool add)
{
    static const uint16_t kinds[] = {JOURNAL_KIND_DATA, JOURNAL_KIND_GROUP, JOURNAL_KIND_SNAPSHOT,
        STATE_CURSOR, STATE_MARK, STATE_RENDERING, STATE_ANSWER, 99};
    const size_t segment = take(input, 1) % IMAGE_SEGMENTS;
    const size_t count = sound.frames_count[segment];
    struct image_frame at = sound.frames[segment][add ? count - 1 : take(input, 1) % count];
    char body[512] = {0};

    at.offset = add ? ends[segment] : at.offset;
    at.frame.kind = kinds[take(input, 1) % (sizeof kinds / sizeof *kinds)];
    at.frame.flags = (uint16_t)(take(input, 1) & FRAME_END);
    at.frame.sequence = take_number(input, at.frame.sequence);
    at.frame.length = forge_body(input, &at, at.frame.kind, body);
    const uint64_t end = at.frame.length ? image_put(&changed, segment, at.offset, &at.frame, body) : 0;
    if (add && end)
        ends[segment] = end;
    forged = true;
}

static void edit_header(struct input *input)
{
    const size_t segment = take(input, 1) % IMAGE_SEGMENTS;
    struct segment_header *header = &changed.headers[segment];
    uint64_t *const fields[] = {&header->number, &header->base, &header->log, &header->snapshot_end,
        &header->previous, &header->previous_end, &header->size};
    uint64_t *field = fields[take(input, 1) % (sizeof fields / sizeof *fields)];
    char stored[SEGMENT_HEADER_SIZE];

    *field = take_number(input, *field);
    segment_header_encode(stored, header);
    memcpy(changed.files[segment].data, stored, sizeof stored);
    forged = lies = true;
}

static void edit(struct input *input)
{
    const uint64_t kind = take(input, 1) % 11;

    if (kind < 4)
        edit_bytes(input, kind);
    else if (kind == 4)
        edit_move(input);
    else if (kind < 8)
        edit_files(input, kind);
    else if (kind < 10)
        edit_frame(input, kind == 9);
    else
        edit_header(input);
}

/* ---- the directory ---------------------------------------------------------------------------------------------------- */

static void file_path(uint64_t name, char path[PATH_SIZE])
{
    char file[SEGMENT_NAME_SIZE];

    segment_name(file, name);
    snprintf(path, PATH_SIZE, "%s/%s", directory, file);
}

static void empty_directory(void)
{
    DIR *list = opendir(directory);
    const struct dirent *entry;

    assert(list);
    while ((entry = readdir(list)))
        unlinkat(dirfd(list), entry->d_name, 0); /* of "." and "..": nothing */
    closedir(list);
}

static void end(void)
{
    empty_directory();
    rmdir(directory);
}

static void start(void)
{
    const char *above = getenv("TMPDIR");

    snprintf(directory, sizeof directory, "%s/penstock-fuzz.XXXXXX",
        above                      ? above
        : access("/dev/shm", W_OK) ? "/tmp"
                                   : "/dev/shm");
    assert(mkdtemp(directory));
    atexit(end);
    image_make(&sound);
}

static void write_files(void)
{
    char path[PATH_SIZE];

    for (size_t i = 0; i < IMAGE_FILES; i++) {
        const struct image_file *file = &changed.files[i];
        if (!file->name)
            continue;
        file_path(file->name, path);
        cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        assert(fd >= 0 && file_write_at(fd, file->data, file->length, 0) == 0);
    }
}

/* Two edits may give files one name: the last one is there. */
static void forget_overwritten(void)
{
    for (size_t i = 0; i < IMAGE_FILES; i++)
        for (size_t k = i + 1; k < IMAGE_FILES; k++)
            if (changed.files[i].name == changed.files[k].name)
                changed.files[i].name = 0;
}

static void check_unchanged(void)
{
    static char found[IMAGE_SIZE + 1];
    char path[PATH_SIZE];

    for (size_t i = 0; i < IMAGE_FILES; i++) {
        const struct image_file *file = &changed.files[i];
        if (!file->name)
            continue;
        file_path(file->name, path);
        cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert(fd >= 0 && file_read_at(fd, found, sizeof found, 0) == (ssize_t)file->length);
        assert(memcmp(found, file->data, file->length) == 0);
    }
}

/* ---- what is found ---------------------------------------------------------------------------------------------------- */

struct told {
    bool refused;
    uint64_t last, tail_first, tail_last;
    uint64_t records, lost, faults;
    uint64_t before; /* of records that an outlet needs, and that no file has any more */
};

static int visit(void *context, const struct journal_view_item *item, struct error *ignored)
{
    struct told *told = context;

    (void)ignored;
    told->records += item->type == JOURNAL_VIEW_RECORD;
    told->faults += item->type == JOURNAL_VIEW_FAULT;
    if (item->type == JOURNAL_VIEW_DAMAGE)
        *(item->segment ? &told->lost : &told->before) += item->last - item->first + 1;
    return 0;
}

static void look(struct told *told)
{
    cleanup_journal_view struct journal_view *view = NULL;

    *told = (struct told){0};
    if (journal_view_open(&view, directory, &error) || journal_view_recover(view, NULL, 0, &error)) {
        told->refused = true;
        assert(forged && error.kind == ERROR_FATAL);
    } else {
        const int result = journal_view_walk(view, 0, visit, told, &error);
        assert(result == 0);
        told->last = view->last;
        told->tail_first = view->tail_first;
        told->tail_last = view->tail_last;
    }
    check_unchanged();
}

static bool begin(struct journal **journal, struct journal_report *report)
{
    static const char *const outlets[] = {IMAGE_OUTLET};
    const struct journal_options options = {
        .directory = directory,
        .gateway_id = IMAGE_GATEWAY,
        .segment_size = IMAGE_SIZE,
        .max_size = 32 * IMAGE_SIZE,
        .outlets = outlets,
        .outlets_count = 1,
        .clock = &clock_system,
    };
    const int result = journal_open(journal, &options, report, &error);

    bytes_free(&report->notes);
    return result == 0;
}

/* In order, without a gap that is not told. given: NULL where records were added. */
static void read_behind(
    struct journal *journal, uint64_t after, struct told *told, bool given[IMAGE_RECORDS + 1])
{
    struct journal_reader *reader;
    struct journal_entry entry;
    uint64_t last = after;
    int more, opened = journal_reader_open(&reader, journal, after, &error);

    *told = (struct told){0};
    assert(opened == 0);
    while ((more = journal_read(reader, &entry, &error)) == 1) {
        assert(entry.last >= entry.sequence && (last == 0 || entry.sequence == last + 1 || lies));
        last = entry.last;
        if (entry.type == JOURNAL_ENTRY_DAMAGE) {
            told->lost += entry.last - entry.sequence + 1;
            continue;
        }
        assert(++told->records <= READ_MAX);
        if (forged || !given)
            continue;
        assert(slice_equal(entry.body, image_body(&sound, entry.sequence)));
        given[entry.sequence] = true;
    }
    assert(more == 0);
    assert(last == after || last == journal_durable(journal) || lies);
    journal_reader_close(&reader);
}

/* What is there, and what the outlet gets of it: all behind its cursor. */
static void read_all(struct journal *journal, struct told *told, bool given[IMAGE_RECORDS + 1])
{
    struct journal_cursor cursor;
    struct told rest;
    const int result = journal_cursor(journal, IMAGE_OUTLET, &cursor, &error);

    assert(result == 0);
    read_behind(journal, 0, told, given);
    read_behind(journal, cursor.position, &rest, given);
    if (cursor.position && !lies)
        assert(rest.records + rest.lost == journal_durable(journal) - cursor.position);
    told->before = cursor.position && rest.lost > told->lost ? rest.lost - told->lost : 0;
}

static void put_one(struct journal *journal, uint64_t before)
{
    static const char text[] = "a fresh record";
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    handover.payloads = text;
    int result =
        handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){text, sizeof text}, 0, sizeof text, &error);
    assert(result == 0);
    result = journal_hand_over_and_wait(journal, &handover, &error);
    assert(result == 0 && handover.first == before + 1);
    handover_free(&handover);
}

/* ---- one run ------------------------------------------------------------------------------------------------------------ */

static void check_given(const struct told *seen, const struct told *read, const bool given[IMAGE_RECORDS + 1])
{
    bool expected[IMAGE_RECORDS + 1];

    if (forged || !image_expect(&sound, &changed, expected))
        return;
    for (size_t i = 1; i <= IMAGE_RECORDS; i++)
        assert(given[i] || !expected[i]);
    assert(seen->records == read->records && seen->lost == read->lost && seen->before == read->before);
}

static void check(void)
{
    bool given[IMAGE_RECORDS + 1] = {0};
    struct journal_report report;
    struct journal *journal;
    struct told seen, read, again;

    look(&seen);
    if (!begin(&journal, &report)) {
        assert(forged && error.kind == ERROR_FATAL);
        return;
    }
    assert(!seen.refused && seen.last == report.last_sequence);
    assert(seen.tail_first == report.tail_first && seen.tail_last == report.tail_last);
    read_all(journal, &read, given);
    assert(lies || !(read.lost + read.before) || seen.lost + seen.before + seen.faults);
    check_given(&seen, &read, given);
    put_one(journal, report.last_sequence);
    journal_close(&journal);

    const uint64_t last = report.last_sequence + 1;
    const bool begun = begin(&journal, &report);
    assert(begun && report.last_sequence == last);
    read_all(journal, &again, NULL);
    assert((again.records == read.records + 1 && again.lost == read.lost) || lies);
    journal_close(&journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    if (!*directory)
        start();
    changed = sound;
    forged = lies = false;
    for (size_t i = 0; i < IMAGE_SEGMENTS; i++)
        ends[i] = sound.frames[i][sound.frames_count[i] - 1].offset +
                  frame_size(sound.frames[i][sound.frames_count[i] - 1].frame.length);
    for (int i = 0; i < EDITS_MAX && input.size; i++)
        edit(&input);
    forget_overwritten();
    empty_directory();
    write_files();
    check();
    return 0;
}
