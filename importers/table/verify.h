/* verify: holds an import's manifest against its files, and against the tables as they are now.
 *
 * Files are read again: size and CRC32C, and what lies beside them and is not the import's. Tables are read again over several connections in one new
 * snapshot; rows are counted and summed (checksum.h) as they were when they were imported, and nothing is written. What differs is told; only what keeps the
 * comparison itself from being done is an error.
 * @thread one at a time
 */
#ifndef PENSTOCK_TABLE_VERIFY_H
#define PENSTOCK_TABLE_VERIFY_H

#include "table/database.h"
#include "table/manifest.h"

#define VERIFY_CONNECTIONS_MAX 64

/* One sentence about something that differs: "DIRECTORY/FILE: ...", as shown.h has it. Only during the call. */
struct verify_teller {
    void (*tell)(void *context, const char *sentence);
    void *context;
};

struct verify_files {
    uint64_t files, bytes; /* that were as the manifest says */
    uint64_t differing; /* that were told of */
};

typedef int verify_each_fn(void *context, const char *name, struct error *error);

/* Where the files are, if not on this machine. directory: of a table, "" for that of the manifest. Errors are the store's, and end the verification. */
struct verify_store {
    /* Calls each() with the names of all files in it. */
    int (*list)(void *context, const char *directory, verify_each_fn *each, void *to, struct error *error);
    /* As many bytes as there are from there on, at most length. ERROR_REJECT: there is no such file. */
    int (*read)(void *context, const char *directory, const char *name, uint64_t from, void *data,
        size_t length, size_t *ret_read, struct error *error);
    void *context;
};

/* store: NULL: the manifest says where, on this machine. ERROR_RETRY: the store is not there, or does not let us. */
int verify_files(const struct manifest *manifest, const struct verify_store *store,
    const struct verify_teller *teller, struct verify_files *ret_files, struct error *error);

enum verify_verdict {
    VERIFY_EQUAL,
    VERIFY_CHANGED, /* other rows than then */
    VERIFY_OTHER, /* cannot be compared: not there, or with other columns; the text says what */
};

struct verify_table {
    enum verify_verdict verdict;
    uint64_t rows; /* now */
    char text[ERROR_TEXT_SIZE];
};

struct verify_options {
    const struct database_kind *kind;
    struct database_login login;
    unsigned connections; /* 1 to VERIFY_CONNECTIONS_MAX */
    struct snapshot_options snapshot;
    struct read_options read;
    void (*note)(void *context, const char *text); /* a choice that was made, for people */
    void *context;
};

/* tables: as many as the manifest's, in their order. Errors are the database's; ERROR_RETRY: it can be tried again. */
int verify_tables(const struct manifest *manifest, const struct verify_options *options,
    struct verify_table *ret_tables, struct error *error);

#endif
