/* journal_image: see journal_image.h */
#include "journal_image.h"

#include <assert.h>

#include "base/little.h"

#define GROUP_RECORDS 10
#define GROUPS (IMAGE_RECORDS / IMAGE_SEGMENTS / GROUP_RECORDS) /* of a segment */

uint64_t image_put(
    struct image *image, size_t segment, uint64_t offset, const struct frame *frame, const void *body)
{
    struct image_file *file = &image->files[segment];
    const uint64_t end = offset + frame_size(frame->length);
    char *at = file->data + offset;

    if (offset > file->length || frame_size(frame->length) > file->length - offset)
        return 0;
    memset(at, 0, end - offset);
    frame_encode(at, frame, image->headers[segment].seed, offset, (struct slice){body, frame->length},
        (struct slice){NULL, 0});
    memcpy(at + FRAME_HEADER_SIZE, body, frame->length);
    return end;
}

static void image_add(
    struct image *image, size_t segment, uint64_t *end, struct frame frame, const void *body)
{
    struct image_frame *added = &image->frames[segment][image->frames_count[segment]++];

    *added = (struct image_frame){*end, frame};
    assert(image->frames_count[segment] <= IMAGE_FRAMES);
    *end = image_put(image, segment, *end, &frame, body);
    assert(*end);
}

static void add_cursor(
    struct image *image, size_t segment, uint64_t *end, uint64_t sequence, uint64_t position)
{
    const struct journal_cursor cursor = {.position = position, .delivered = position};
    char body[CURSOR_BODY_MAX];
    const size_t length = cursor_encode(IMAGE_OUTLET, &cursor, body);

    image_add(image, segment, end, (struct frame){(uint32_t)length, STATE_CURSOR, 0, sequence}, body);
}

static void add_mark(struct image *image, size_t segment, uint64_t *end, uint64_t sequence)
{
    const struct journal_mark mark = {"topic", JOURNAL_MARK_FREE};
    char body[MARK_BODY_MAX];
    const size_t length = mark_encode(IMAGE_OUTLET, &mark, body);

    image_add(image, segment, end, (struct frame){(uint32_t)length, STATE_MARK, FRAME_END, sequence}, body);
}

/* A group's mark, two hand-overs, and the control part. */
static void add_group(
    struct image *image, size_t segment, uint64_t *end, uint64_t *sequence, uint64_t position)
{
    char body[GROUP_RECORDS * 16 + 1];

    put_u64(body, *sequence);
    put_u64(body + 8, *end);
    image_add(image, segment, end, (struct frame){16, JOURNAL_KIND_GROUP, 0, *sequence}, body);
    for (uint32_t i = 1; i <= GROUP_RECORDS; i++) {
        const uint16_t flags = i == GROUP_RECORDS / 2 || i == GROUP_RECORDS ? FRAME_END : 0;
        ++*sequence;
        memset(body, 'a' + (int)(*sequence % 26), sizeof body);
        put_u64(body, *sequence);
        image_add(image, segment, end, (struct frame){16 * i + 1, JOURNAL_KIND_DATA, flags, *sequence}, body);
    }
    add_cursor(image, segment, end, *sequence, position);
    add_mark(image, segment, end, *sequence);
}

static void make_segment(struct image *image, size_t segment, uint64_t *sequence)
{
    struct segment_header *header = &image->headers[segment];
    struct image_file *file = &image->files[segment];
    uint64_t end = SEGMENT_HEADER_SIZE;
    char count[4];

    *header = (struct segment_header){.number = segment + 1,
        .base = *sequence,
        .seed = 0x9e3779b97f4a7c15 * (segment + 1),
        .log = 77,
        .previous = segment,
        .size = IMAGE_SIZE,
        .created = 1,
        .epoch = 0xabc + (uint32_t)(segment / 2),
        .gateway_id = IMAGE_GATEWAY};
    if (segment) {
        const struct image_frame *last = &image->frames[segment - 1][image->frames_count[segment - 1] - 1];
        header->previous_end = last->offset + frame_size(last->frame.length);
    }
    file->name = segment + 1;
    file->length = IMAGE_SIZE;
    add_cursor(image, segment, &end, *sequence, segment);
    add_mark(image, segment, &end, *sequence);
    put_u32(count, 2);
    image_add(image, segment, &end, (struct frame){4, JOURNAL_KIND_SNAPSHOT, FRAME_END, *sequence}, count);
    header->snapshot_end = end;
    for (uint64_t i = 0; i < GROUPS; i++)
        add_group(image, segment, &end, sequence, segment + i > IMAGE_CURSOR ? IMAGE_CURSOR : segment + i);
    segment_header_encode(file->data, header);
}

void image_make(struct image *image)
{
    uint64_t sequence = 0;

    memset(image, 0, sizeof *image);
    for (size_t i = 0; i < IMAGE_SEGMENTS; i++)
        make_segment(image, i, &sequence);
    assert(sequence == IMAGE_RECORDS);
}

struct slice image_body(const struct image *image, uint64_t sequence)
{
    for (size_t i = 0; i < IMAGE_SEGMENTS; i++)
        for (size_t k = 0; k < image->frames_count[i]; k++) {
            const struct image_frame *frame = &image->frames[i][k];
            if (frame->frame.kind == JOURNAL_KIND_DATA && frame->frame.sequence == sequence)
                return (struct slice){
                    image->files[i].data + frame->offset + FRAME_HEADER_SIZE, frame->frame.length};
        }
    return (struct slice){NULL, 0};
}

/* ---- what must be there ------------------------------------------------------------------------------------------ */

/* The file with this segment's header. */
static const struct image_file *find_segment(const struct image *changed, uint64_t number, size_t *ret_count)
{
    const struct image_file *file = NULL;
    struct segment_header header;
    struct error ignored;

    *ret_count = 0;
    for (size_t i = 0; i < IMAGE_FILES; i++) {
        const struct image_file *next = &changed->files[i];
        char stored[SEGMENT_HEADER_SIZE] = {0}; /* a file cut short reads as zeros */
        memcpy(stored, next->data, next->length < sizeof stored ? next->length : sizeof stored);
        if (next->name && segment_header_decode(stored, &header, &ignored) == 0 && header.number == number) {
            file = next;
            ++*ret_count;
        }
    }
    return file;
}

static bool is_whole(
    const struct image_file *before, const struct image_file *after, const struct image_frame *frame)
{
    const uint64_t used = FRAME_HEADER_SIZE + frame->frame.length;

    return frame->offset + frame_size(frame->frame.length) <= after->length &&
           memcmp(before->data + frame->offset, after->data + frame->offset, used) == 0;
}

/* Of the newest segment: up to where a mark says that all was durable. */
static uint64_t durable_end(const struct image *image, size_t segment, const struct image_file *after)
{
    uint64_t end = image->headers[segment].snapshot_end;

    for (size_t i = 0; i < image->frames_count[segment]; i++) {
        const struct image_frame *frame = &image->frames[segment][i];
        if (frame->frame.kind == JOURNAL_KIND_GROUP && is_whole(&image->files[segment], after, frame))
            end = frame->offset;
    }
    return end;
}

bool image_expect(
    const struct image *image, const struct image *changed, bool ret_expected[IMAGE_RECORDS + 1])
{
    bool newest = true;
    size_t count;

    memset(ret_expected, 0, (IMAGE_RECORDS + 1) * sizeof *ret_expected);
    for (size_t i = IMAGE_SEGMENTS; i-- > 0;) {
        const struct image_file *after = find_segment(changed, i + 1, &count);
        if (count > 1)
            return false;
        if (!after)
            continue;
        const uint64_t end = newest ? durable_end(image, i, after) : IMAGE_SIZE;
        newest = false;
        for (size_t k = 0; k < image->frames_count[i]; k++) {
            const struct image_frame *frame = &image->frames[i][k];
            if (frame->frame.kind == JOURNAL_KIND_DATA && frame->offset < end &&
                is_whole(&image->files[i], after, frame))
                ret_expected[frame->frame.sequence] = true;
        }
    }
    return true;
}
