/* take: what take.c, rows.c and records.c share; nobody else includes it. See files_internal.h */
#ifndef PENSTOCK_FILES_TAKE_H
#define PENSTOCK_FILES_TAKE_H

#include "files/files_internal.h"

/* What of a block becomes records. */
struct take {
    struct source *source;
    struct file *file;
    const struct file_block *block;
    struct slice text; /* as a body: of the file's bytes from its position on */
    enum decode_form form;
    bool whole; /* it is all of the file */
    size_t unit; /* bytes of the file that an ASCII character of the text is */
    struct file_match match;
    size_t prefix; /* of the origin: all but the offset */
};

struct take take_begin(struct source *source, struct file *file, const struct file_block *block);
/* The text. reason: NULL, or why it goes to the dead letters. -1: the hand-over takes no more, and is as it was. */
int take_add(struct take *take, const char *reason);
/* The text is `length` bytes of the file. */
void take_done(const struct take *take, const char *data, size_t length);
/* One body; it is converted only where that changes something. */
enum tail_result take_block(struct take *take, const char *data, size_t length, const char *reason);
/* Records of several lines, of these bytes of the block. */
enum tail_result take_records(struct take *take, enum multiline_end end, size_t length);
/* Of a line that is too long. */
enum tail_result take_part(struct take *take, size_t length, bool last);
/* And the rest of it. */
enum tail_result take_inside(struct take *take);
/* The first byte of the batch's payloads that nothing stands at: behind the block, and what became of it. */
char *take_room(const struct take *take, size_t *ret_room);

#endif
