/* state: the files that are read, as the journal holds them.
 *
 * A file is known by its identity, never by its name: device and inode, the moment it was born, and a hash of how it begins. Its position
 * is the end of the last line that is durable; its marker is a hash of the bytes before it, so that a file that was cut and written anew
 * up to the same length shows. The state of a file travels in the hand-over of the lines that moved it: after a crash both are there, or
 * neither. The table here is the image of what is durable: the committer applies to it, a snapshot is dumped from it. The source's
 * thread works on a copy of its own (known.h), which is ahead of it by what is under way.
 *
 * Stored form (little endian; journal/FORMAT.md lists the kinds):
 *   STATE_FILE  u8 version = 1, u8 flags, u16 length of the path, u16 length of the head, u8 length of the marker, u8 within, u64 number,
 *               u64 device, u64 inode, i64 born, u64 position, u64 head, u64 marker, path. Of a watch head is a hash of the id of the machine's start (boot_id).
 *               Replaces what was known under this number. Flag 1, gone: the number stands for nothing any more. Flag 2, inside: the
 *               position lies within a line that is too long. Flag 4, watch: no file, but a pattern (in the path's place) whose
 *               directories were looked through once; what appears there from now on is new. Flag 8, renamed: a rotation has given it the name that
 *               it has, so it ends when nothing more comes. Flag 16, done: a file of a spool that was read to its end, which is the position.
 * Within is 0, or the position lies within a record of several lines that is too long: the state of multiline.h. (It was always 0 before there were such.)
 * Head and marker are hashes of bytes that may be many or few: their lengths say of how many.
 *
 * All of it stays below 1/FILE_STATE_SHARE of the share of a segment that is for state: the thread adds no file that does not fit.
 */
#ifndef PENSTOCK_FILES_STATE_H
#define PENSTOCK_FILES_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/fnv.h"
#include "files/files.h"

#define FILE_STATE_SHARE 4 /* of what JOURNAL_STATE_SHARE leaves */
#define FILE_HEAD_MAX 1024 /* bytes of a file that its head is made of, at most */
#define FILE_MARKER_MAX 64 /* bytes before the position, at most */
#define FILE_PATH_MAX 4095
#define FILE_STATE_HEAD 64
#define FILE_STATE_BODY_MAX (FILE_STATE_HEAD + FILE_PATH_MAX)

/* Of some first bytes of a file, or of some before a position (base/fnv.h). */
struct file_hash {
    size_t length;
    uint64_t value;
};

struct file_identity {
    uint64_t device, inode;
    int64_t born; /* nanoseconds since 1970; 0: the file system does not say */
};

struct file_record {
    uint64_t number; /* of the file in this journal, from 1; 0 of a watch */
    bool gone, inside, watch, renamed, done;
    struct file_identity identity;
    uint64_t position;
    uint8_t within;
    struct file_hash head, marker;
    struct slice path; /* absolute; of a watch its pattern */
};

/* Appends the body for handover_add(). Of one that is gone the number alone counts, of a watch its pattern. */
int file_state_encode(struct bytes *out, const struct file_record *record, struct error *error);

/* Bytes that a snapshot takes for one. */
uint64_t file_state_size(size_t path_length);

uint64_t file_state_limit(const struct file_state *state);

/* Calls visit for each, between journal_open() and the first hand-over; the path is the state's. @thread main */
typedef int file_state_visit_fn(void *context, const struct file_record *record, struct error *error);
int file_state_visit(
    const struct file_state *state, file_state_visit_fn *visit, void *context, struct error *error);

#endif
