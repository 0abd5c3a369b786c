/* file_name: the names of lake files, which say what the files hold.
 *
 *     {stream}+{gateway id}.{epoch, 8 hex digits}+{first}+{last}.{extension}
 * as in readings+site-7.3f9a1c22+0000000001+0000000042.jsonl. Positions are padded to ten digits and grow beyond. There is one
 * way to write each name: file_name_parse() takes only what file_name_compose() can have made. Pure. @thread any
 */
#ifndef PENSTOCK_LAKE_FILE_NAME_H
#define PENSTOCK_LAKE_FILE_NAME_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

/* Stream and gateway id 64 each, epoch 8, two positions of 20, extension 16, six separators, the end. */
#define FILE_NAME_SIZE (64 + 64 + 8 + 20 + 20 + 16 + 6 + 1)

struct file_name {
    struct slice stream;
    struct slice gateway_id;
    uint32_t epoch;
    uint64_t first, last;
    struct slice extension;
};

/* Whether text may stand for a stream or a gateway id: [A-Za-z0-9._-]{1,64}, not "." or "..". ERROR_REJECT
 * names `what`. */
int file_name_check(struct slice text, const char *what, struct error *error);

/* Stream, gateway id and extension have passed file_name_check(), 1 <= first <= last (assert). */
void file_name_compose(const struct file_name *name, char ret_text[FILE_NAME_SIZE]);

/* 0 with slices into text; -1: not the name of a lake file. */
int file_name_parse(struct slice text, struct file_name *ret_name);

#endif
