/* job_merge: an increment whose rows take the place of older ones with the same key, among the files of delimited text, of Avro or of Parquet that the target has; room-internal.
 *
 * When all of the increment is read, and lies in the attempt, the target is locked; the keys are taken from the increment's own files, and the rows of the target's files
 * are copied into further files of the attempt, but for those whose key is one of them: of text and Avro byte for byte, of Parquet value by value. Then the attempt takes the target's place in one step, with one
 * manifest for all. A key is what the files have as its bytes: the same value is written in the same way, because no target is merged with whose columns or form are
 * others. What is merged has to be what the manifests of the target say: the files, their bytes and their numbers of rows, and nothing else. @thread main
 */
#ifndef PENSTOCK_TABLE_JOB_MERGE_H
#define PENSTOCK_TABLE_JOB_MERGE_H

#include "table/job_internal.h"
#include "table/merge_file.h"

#define JOB_MERGE_KEYS_MAX \
    ((size_t)1 << 30) /* bytes of memory for the increment's keys: some 30 million numbers */
#define JOB_MERGE_FILE ((size_t)128 << 20) /* before compression, about, that a file of older rows gets */

struct merged_file {
    unsigned number; /* as those of splits, behind them */
    uint64_t rows, bytes;
    uint32_t crc32c;
};

struct job_merge {
    struct table_file_options file; /* as the table's */
    struct merge_rows rows;
    uint64_t base; /* the manifests of the target as the import began, in one number; 0: there were none */
    struct manifest_file *old; /* owned, with their names: its files */
    size_t old_count;
    uint64_t old_rows;
    struct merged_file *files; /* owned: what became of them */
    size_t files_count;
    uint64_t kept; /* rows that were copied; the others were replaced */
};

/* Of a job with merge_key whose table is described: looks at what the target has. ERROR_REJECT: it cannot be merged with. */
int job_merge_open(struct job *job, struct error *error);
/* The same again. */
int job_merge_look(const struct job *job, struct job_merge *merge, struct error *error);
void job_merge_close(struct job_merge **merge);
/* All is read, and the target is locked. ERROR_REJECT: it cannot be merged, and the attempt is given up; ERROR_RETRY: stopped. */
int job_merge_run(struct job *job, struct error *error);

#endif
