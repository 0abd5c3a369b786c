/* frame, scan's judgement of one frame, the segment header, crc32c. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/little.h"
#include "journal/scan.h"

#define SEED 0x1234567890abcdefu
#define OFFSET 4096u

static size_t make(char out[64], struct frame *frame)
{
    *frame = (struct frame){13, JOURNAL_KIND_DATA, FRAME_END, 42};
    memcpy(out + FRAME_HEADER_SIZE, "head, payload", 13);
    frame_encode(out, frame, SEED, OFFSET, (struct slice){"head, ", 6}, (struct slice){"payload", 7});
    return FRAME_HEADER_SIZE + 13;
}

Test(crc32c, agrees_with_the_standard_and_with_itself)
{
    char data[300];

    cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283u);
    cr_assert_eq(crc32c_portable(0, "123456789", 9), 0xe3069283u);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 31);
    for (size_t from = 0; from < 9; from++)
        for (size_t length = 0; length < sizeof data - from; length++)
            cr_assert_eq(crc32c(7, data + from, length), crc32c_portable(7, data + from, length));
    cr_assert_eq(crc32c(crc32c(0, data, 100), data + 100, 200), crc32c(0, data, 300));
}

Test(frame, comes_back_as_it_was)
{
    char stored[64];
    struct frame made;
    struct frame found;
    size_t size = make(stored, &made);

    cr_assert(frame_decode(stored, frame_size(13), &found));
    cr_assert(frame_valid(stored, &found, SEED, OFFSET));
    cr_assert_eq(found.sequence, 42);
    cr_assert_eq(found.flags, FRAME_END);
    cr_assert_eq(frame_size(13), 40);
    cr_assert_eq(size, 33);
}

Test(frame, no_flipped_bit_passes)
{
    char stored[64];
    struct frame made;
    struct frame found;
    size_t size = make(stored, &made);

    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            stored[at] = (char)(stored[at] ^ 1 << bit);
            cr_assert(!frame_decode(stored, 40, &found) || !frame_valid(stored, &found, SEED, OFFSET),
                "byte %zu bit %d", at, bit);
            stored[at] = (char)(stored[at] ^ 1 << bit);
        }
}

Test(frame, another_incarnation_or_place_does_not_pass)
{
    char stored[64];
    struct frame made;
    struct frame found;

    make(stored, &made);
    cr_assert(frame_decode(stored, 40, &found));
    cr_assert_not(frame_valid(stored, &found, SEED + 1, OFFSET));
    cr_assert_not(frame_valid(stored, &found, SEED, OFFSET + 8));
}

Test(frame, headers_that_cannot_be_are_refused)
{
    char stored[64];
    struct frame made;
    struct frame found;

    make(stored, &made);
    cr_assert_not(frame_decode(stored, 39, &found), "no room for it");
    const uint16_t kinds[] = {0, 4, 15, 256};
    for (size_t i = 0; i < 4; i++) {
        put_u16(stored + 16, kinds[i]);
        cr_assert_not(frame_decode(stored, 40, &found), "kind %u", kinds[i]);
    }
    make(stored, &made);
    put_u16(stored + 18, 2);
    cr_assert_not(frame_decode(stored, 40, &found), "unknown flag");
    make(stored, &made);
    put_u32(stored, 0);
    cr_assert_not(frame_decode(stored, 40, &found), "empty body");
    put_u32(stored, FRAME_BODY_MAX + 1);
    cr_assert_not(frame_decode(stored, UINT64_MAX, &found), "too long");
}

static struct segment_header sample(void)
{
    struct segment_header header = {.number = 7,
        .base = 99,
        .seed = SEED,
        .log = 5,
        .snapshot_end = 4200,
        .previous = 6,
        .previous_end = 12345,
        .size = 65536,
        .created = -1,
        .epoch = 0xdeadbeef};
    memset(header.gateway_id, 'g', JOURNAL_GATEWAY_ID_MAX);
    return header;
}

Test(segment_header, comes_back_as_it_was_from_either_copy)
{
    char stored[SEGMENT_HEADER_SIZE];
    struct segment_header made = sample();
    struct segment_header found;
    struct error error;

    segment_header_encode(stored, &made);
    cr_assert_eq(segment_header_decode(stored, &found, &error), 0);
    cr_assert_eq(found.number, 7);
    cr_assert_eq(found.base, 99);
    cr_assert_eq(found.seed, SEED);
    cr_assert_eq(found.log, 5);
    cr_assert_eq(found.snapshot_end, 4200);
    cr_assert_eq(found.previous, 6);
    cr_assert_eq(found.previous_end, 12345);
    cr_assert_eq(found.size, 65536);
    cr_assert_eq(found.created, -1);
    cr_assert_eq(found.epoch, 0xdeadbeef);
    cr_assert_eq(strlen(found.gateway_id), JOURNAL_GATEWAY_ID_MAX);
    for (size_t at = 0; at < SEGMENT_HEADER_USED; at++) {
        stored[at] ^= 0x40;
        cr_assert_eq(segment_header_decode(stored, &found, &error), 0, "byte %zu", at);
        cr_assert_eq(found.number, 7);
        stored[at] ^= 0x40;
    }
}

Test(segment_header, garbage_is_refused_and_a_newer_version_is_fatal)
{
    char stored[SEGMENT_HEADER_SIZE] = {0};
    struct segment_header made = sample();
    struct segment_header found;
    struct error error;

    cr_assert_eq(segment_header_decode(stored, &found, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    segment_header_encode(stored, &made);
    put_u32(stored + 8, SEGMENT_VERSION + 1);
    put_u32(stored + 12, 0);
    put_u32(stored + 12, crc32c(0, stored, SEGMENT_HEADER_USED));
    cr_assert_eq(segment_header_decode(stored, &found, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    cr_assert_str_eq(
        error.text, "format version 2, this penstock reads version 1: start the version that wrote it");
}

Test(segment_header, what_nobody_can_have_written_is_refused)
{
    static const struct {
        uint64_t number, base;
    } wrong[] = {{0, 0}, {SEGMENT_NUMBER_MAX + 1, 0}, {UINT64_MAX, 0}, {1, SEGMENT_NUMBER_MAX + 1}};
    char stored[SEGMENT_HEADER_SIZE];
    struct segment_header made = sample();
    struct segment_header found;
    struct error error;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        made.number = wrong[i].number;
        made.base = wrong[i].base;
        segment_header_encode(stored, &made);
        cr_assert_eq(segment_header_decode(stored, &found, &error), -1, "%zu", i);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
    made.number = made.base = SEGMENT_NUMBER_MAX;
    segment_header_encode(stored, &made);
    cr_assert_eq(segment_header_decode(stored, &found, &error), 0);
}

Test(scan, a_file_that_cannot_be_read_is_an_error_and_one_cut_short_reads_as_damage)
{
    struct scan scan;
    struct scan_frame found;
    struct error error;

    scan_init(&scan);
    scan.end = 1 << 20;
    scan.resync = true;
    cr_assert_eq(scan_next(&scan, &found, &error), -1, "descriptor -1");
    cr_assert_eq(error.kind, ERROR_RETRY);
    scan.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert_eq(scan_next(&scan, &found, &error), 0);
    cr_assert_not(scan_looks_torn(&scan));
    scan.offset = scan.end - 8;
    cr_assert_not(scan_looks_torn(&scan), "no room for a header");
    close(scan.fd);
    scan_free(&scan);
}

Test(scan, memory_for_a_frame_has_a_ceiling)
{
    struct scan scan;
    struct scan_frame found;
    struct error error;
    char path[] = "/tmp/penstock-scan.XXXXXX";
    char stored[64];
    struct frame made;

    make(stored, &made);
    put_u32(stored, 1 << 20);
    scan_init(&scan);
    scan.last = made.sequence - 1;
    scan.fd = mkstemp(path);
    unlink(path);
    cr_assert_eq(write(scan.fd, stored, sizeof stored), (ssize_t)sizeof stored);
    scan.end = 2 << 20;
    scan.window.limit = 512 << 10;
    cr_assert_eq(scan_next(&scan, &found, &error), -1);
    close(scan.fd);
    scan_free(&scan);
}

/* Behind a hole of two times the smallest frame: whether a frame with this sequence counts. */
static bool counts(enum journal_kind kind, uint64_t sequence)
{
    const uint64_t hole = 2 * frame_size(1);
    struct frame frame = {8, (uint16_t)kind, FRAME_END, sequence};
    char path[] = "/tmp/penstock-scan.XXXXXX", stored[128] = "";
    const struct slice body = {"8 bytes.", 8};
    struct scan_frame found;
    struct error error;
    struct scan scan;

    memcpy(stored + hole + FRAME_HEADER_SIZE, body.data, body.length);
    frame_encode(stored + hole, &frame, SEED, hole, body, (struct slice){NULL, 0});
    scan_init(&scan);
    scan.fd = mkstemp(path);
    unlink(path);
    cr_assert_eq(write(scan.fd, stored, sizeof stored), (ssize_t)sizeof stored);
    scan.seed = SEED;
    scan.last = 41;
    scan.end = sizeof stored;
    scan.resync = true;
    const int more = scan_next(&scan, &found, &error);
    close(scan.fd);
    scan_free(&scan);
    return more == 1;
}

Test(scan, a_hole_hides_no_more_records_than_fit_into_it)
{
    cr_assert(counts(JOURNAL_KIND_DATA, 42) && counts(JOURNAL_KIND_DATA, 44));
    cr_assert_not(counts(JOURNAL_KIND_DATA, 45) || counts(JOURNAL_KIND_DATA, 41));
    cr_assert_not(counts(JOURNAL_KIND_DATA, UINT64_MAX));
    cr_assert(counts(STATE_CURSOR, 41) && counts(STATE_CURSOR, 43));
    cr_assert_not(counts(STATE_CURSOR, 44) || counts(STATE_CURSOR, 40));
}
