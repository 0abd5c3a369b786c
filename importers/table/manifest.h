/* manifest: manifest.json, which says what an import has made: enough to check every file, to say of which moment of the database it is, and to select the
 * same rows again. job_manifest() (manifest.c) writes it; here it is read, by whoever checks an import. @thread any, one manifest: one at a time
 */
#ifndef PENSTOCK_TABLE_MANIFEST_H
#define PENSTOCK_TABLE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define MANIFEST_VERSION 1
#define MANIFEST_NAME "manifest.json"
#define MANIFEST_NAME_SQOOP "_manifest.json" /* beside part-m-00000 */
#define MANIFEST_NAME_APPENDED \
    "%smanifest-%s.json" /* of an import that has added files, with the number of the first of them */
#define MANIFEST_SIZE_MAX ((size_t)1 << 30)

struct manifest_file {
    const char *name; /* in the table's directory; NULL: none, because there are no rows */
    uint64_t rows, bytes;
    uint32_t crc32c; /* of the file */
};

struct manifest_column {
    const char *name, *type; /* as table.h has them */
};

struct manifest_table {
    const char *schema, *name; /* "" of a query */
    const char *directory; /* beside the manifest, "" for the same one */
    uint64_t rows; /* in the files */
    bool merged; /* with older rows: */
    uint64_t rows_read, checksum; /* that the last import has read, all or not, and the checksum.h of those */
    struct manifest_column *columns;
    size_t columns_count;
    struct manifest_file *files;
    size_t files_count;
};

/* Texts are the manifest's. */
struct manifest {
    char *path; /* of manifest.json */
    char *folder; /* that it is in */
    const char *query, *where; /* NULL: none */
    const char **columns; /* that were asked for */
    size_t columns_count; /* 0: all there were */
    const char **casts; /* of columns: "COLUMN=TYPE" */
    size_t casts_count;
    bool arrays_as_text, copied; /* values are as text what COPY writes */
    const char *topic; /* that the rows went to; NULL: into files */
    /* Of an incremental import: its own last value, "" for none, and the next one's; else NULL. own_where: without the range. */
    const char *check_column, *begun_value, *last_value, *own_where;
    const char *job; /* whose increment it is; NULL: nobody's */
    const char *
        began; /* when the import did: no two imports of a job have the same; "" of a manifest that does not say so */
    struct manifest_table *tables;
    size_t tables_count;
    struct json_t *json;
};

/* path: of the manifest, or of the directory that it is in, under either name; of several imports that have added files there, the last one's. ERROR_REJECT: it is not there, or it is none; ERROR_RETRY: no memory. Names of files and directories
 * that would lead elsewhere are refused. */
int manifest_read(struct manifest **ret_manifest, const char *path, struct error *error);
/* The same of a text that was read elsewhere; folder and name say where, for people. */
int manifest_parse(struct manifest **ret_manifest, const char *folder, const char *name, struct slice text,
    struct error *error);
/* Whether of two names of manifests in a directory this is the one that a directory means; other: "" for none. */
bool manifest_is_meant(const char *name, const char *other);
void manifest_free(struct manifest **manifest);

#endif
