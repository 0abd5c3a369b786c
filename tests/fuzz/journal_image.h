/* journal_image: a small sound journal in memory, the same in every run, and edits of it. */
#ifndef PENSTOCK_TESTS_JOURNAL_IMAGE_H
#define PENSTOCK_TESTS_JOURNAL_IMAGE_H

#include "journal/internal.h"

#define IMAGE_SEGMENTS 3
#define IMAGE_FILES (IMAGE_SEGMENTS + 2) /* copies, too */
#define IMAGE_SIZE (UINT64_C(16) << 10) /* of a segment */
#define IMAGE_RECORDS 120
#define IMAGE_FRAMES 100 /* of a segment, at most */
#define IMAGE_GATEWAY "fuzz-1"
#define IMAGE_OUTLET "one"
#define IMAGE_CURSOR 5 /* no cursor in it is further */

struct image_frame {
    uint64_t offset;
    struct frame frame;
};

struct image_file {
    uint64_t name; /* the number in it; 0: there is no such file */
    size_t length;
    char data[IMAGE_SIZE];
};

struct image {
    struct image_file files[IMAGE_FILES];
    struct segment_header headers[IMAGE_SEGMENTS];
    struct image_frame frames[IMAGE_SEGMENTS][IMAGE_FRAMES];
    size_t frames_count[IMAGE_SEGMENTS];
};

void image_make(struct image *image);

/* Puts a frame with its checksum there, as far as it fits; behind what it needs nothing is changed. Returns where it ends, or 0. */
uint64_t image_put(
    struct image *image, size_t segment, uint64_t offset, const struct frame *frame, const void *body);

/* Which records of the image must be read from the files of `changed`, whatever else became of them: no frame and no header in these was made anew. False: a segment is there twice. */
bool image_expect(
    const struct image *image, const struct image *changed, bool ret_expected[IMAGE_RECORDS + 1]);

/* The body of a record of the image. */
struct slice image_body(const struct image *image, uint64_t sequence);

#endif
