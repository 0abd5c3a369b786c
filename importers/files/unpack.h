/* unpack: a compressed file as a plain one: gzip (RFC 1952) and Zstandard (RFC 8878), recognised by their first bytes. Zeros behind
 * a member of gzip are none of it.
 *
 * What comes out goes to the end of a file in memory (memfd_create(2)), from which it is read as any other file is, at any offset that is not
 * forgotten yet: a hole is punched behind the reader, so that the memory of a few turns is enough for any size. After a start it is unpacked
 * again up to where it was.
 * @thread the owner's
 */
#ifndef PENSTOCK_FILES_UNPACK_H
#define PENSTOCK_FILES_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct file_unpack;

/* Whether it begins as compressed files do. */
bool file_is_compressed(int descriptor);

/* Takes *packed, a compressed file, open for reading, and puts the plain one, which is empty yet, in its place. On failure nothing has
 * changed: ERROR_RETRY, memory or descriptors are gone. */
int file_unpack_open(struct file_unpack **ret_unpack, int *packed, struct error *error);
void file_unpack_close(struct file_unpack **unpack);

/* Goes on until the plain file is `length` bytes long, or at its end. ERROR_REJECT: it is broken, or ends early; ERROR_RETRY: it cannot be
 * read at the moment, or memory is gone. What had come out before stays. */
int file_unpack_to(struct file_unpack *unpack, int plain, uint64_t length, struct error *error);
/* Nothing more comes. */
bool file_unpack_ended(const struct file_unpack *unpack);
/* Bytes that are still to be read: of what came out those behind `position`, of the compressed file those that nothing came out of yet. */
uint64_t file_unpack_left(const struct file_unpack *unpack, uint64_t position);
/* Once it has ended: what came out is what the compressed file holds now. */
bool file_unpack_is_unchanged(const struct file_unpack *unpack);
/* The compressed file, as long as it is open. */
int file_unpack_packed(const struct file_unpack *unpack);
/* What lies before `position` is not read again, but for the first FILE_UNPACK_KEPT bytes. */
#define FILE_UNPACK_KEPT ((uint64_t)128 << 10)
void file_unpack_forget(struct file_unpack *unpack, int plain, uint64_t position);

#endif
