/* files: the directory of dead letters: its names, its lock, its order. Room-internal. @thread any
 *
 * STREAM+NUMBER.jsonl   letters; NUMBER has ten digits or more and is given once in a directory, so that it is the order of age
 * STREAM+NUMBER.replay  put aside to be given back
 * .lock                 flock()ed for each operation on names or ends of files; by gateway and command alike
 * STREAM is the stream's name with '_' for what a name of a stream cannot hold. Other names are nobody's and are left alone.
 */
#ifndef PENSTOCK_DEAD_LETTER_FILES_H
#define PENSTOCK_DEAD_LETTER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "record/record.h"

#define FILES_MAX 100000 /* in one directory */
#define FILES_NAME_SIZE (RECORD_STREAM_NAME_MAX + 40)
#define FILES_LOCK ".lock"
#define FILES_CONTENT_MAX \
    ((size_t)3 << 30) /* of one file: a letter of the largest record, and what stands before it */

struct letters_file {
    char stream[RECORD_STREAM_NAME_MAX + 1];
    uint64_t number;
    bool aside;
    uint64_t bytes;
};

struct letters_files {
    struct letters_file *items;
    size_t count;
};

/* What stands for a stream in names. */
void files_stream(const char *stream, char ret_stream[RECORD_STREAM_NAME_MAX + 1]);

void files_name(const struct letters_file *file, char ret_name[FILES_NAME_SIZE]);

/* All of them, by stream and number. path is for the error. */
int files_list(int directory, const char *path, struct letters_files *ret_files, struct error *error);
void files_free(struct letters_files *files);

/* Opens the directory and its lock file, not locked yet. */
int files_open(const char *path, int *ret_directory, int *ret_lock, struct error *error);

/* Waits a moment for another one to finish; ERROR_RETRY when it does not. */
int files_lock(int lock, const char *path, struct error *error);
void files_unlock(int lock);

/* Appends the file's content to out. 0: no such file. 1: done. */
int files_read(int directory, const char *path, const char *name, struct bytes *out, struct error *error);

#define cleanup_files __attribute__((cleanup(files_free)))

#endif
