/* verify_harness: a database with the tables that a test gives it, which fails where it is told to and counts what is asked of it. */
#ifndef PENSTOCK_VERIFY_HARNESS_H
#define PENSTOCK_VERIFY_HARNESS_H

#include <stdatomic.h>

#include "table/database.h"

#define SCRIPT_TABLES_MAX 8
#define SCRIPT_COLUMNS_MAX 8
#define SCRIPT_SPLITS 3 /* of each table */
#define SCRIPT_ASKED_MAX 2000

struct script_fault {
    const char *call; /* open, connect, describe, hold, plan, adopt or read; NULL: none fails */
    unsigned at; /* how many of them succeed first */
    unsigned times; /* how many fail then */
    enum error_kind kind;
    enum database_trouble trouble;
};

struct script_table {
    struct table table; /* title: its name in quotes, as it is asked for */
    struct table_column columns[SCRIPT_COLUMNS_MAX];
    uint64_t rows, checksum; /* of each split */
    atomic_uint reads[SCRIPT_SPLITS];
};

/* All 0 in a test's own process. */
extern struct script {
    struct script_table tables[SCRIPT_TABLES_MAX]; /* without a title: it is not there */
    struct script_fault fault;
    const char *notice;
    bool refuses_several; /* tables at once */
    bool first_reader_waits; /* until it is stopped; the others fail, if they are to, once it waits */

    /* What was asked. */
    struct database_login login;
    struct table_selection selection; /* the last one; its names are in asked */
    bool arrays_as_text; /* by the selection's types */
    char asked[SCRIPT_ASKED_MAX]; /* by describe(): a line each, each name with a blank behind it */
    struct snapshot_options snapshot;
    struct read_options read;
    unsigned workers, connects, holds, stops;

    /* Given out and not given back. */
    int opened, connected, lists;
} script;

extern const struct database_kind scripted;

#endif
