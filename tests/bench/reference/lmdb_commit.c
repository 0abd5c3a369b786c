/* lmdb_commit: the same job on LMDB, for whoever asks why the journal is not a database.
 *
 * Appends BATCH records of SIZE bytes per durable transaction, keys are sequences. WINDOW records are kept: each
 * time STEP more have come, the same transaction deletes the STEP oldest.
 *
 *     lmdb_commit DIRECTORY BATCH SIZE SECONDS
 */
#include "bench/tool.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_SIZE ((size_t)1 << 30)
#define WINDOW 200000
#define STEP 4096

struct store {
    MDB_env *environment;
    MDB_dbi table;
    size_t size;
    char *record;
    size_t oldest; /* keys are size_t as MDB_INTEGERKEY asks */
    size_t next;
};

static void check(int result, const char *what)
{
    if (result) {
        fprintf(stderr, "%s: %s\n", what, mdb_strerror(result));
        exit(1);
    }
}

static void store_open(struct store *store, const char *directory)
{
    MDB_txn *transaction;

    check(mdb_env_create(&store->environment), "mdb_env_create");
    check(mdb_env_set_mapsize(store->environment, MAP_SIZE), "mdb_env_set_mapsize");
    check(mdb_env_open(store->environment, directory, 0, 0600), directory);
    check(mdb_txn_begin(store->environment, NULL, 0, &transaction), "mdb_txn_begin");
    check(mdb_dbi_open(transaction, NULL, MDB_INTEGERKEY, &store->table), "mdb_dbi_open");
    check(mdb_drop(transaction, store->table, 0), "mdb_drop");
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
}

static void drop_oldest(struct store *store, MDB_txn *transaction)
{
    for (unsigned i = 0; i < STEP; i++, store->oldest++) {
        MDB_val key = {sizeof store->oldest, &store->oldest};
        check(mdb_del(transaction, store->table, &key, NULL), "mdb_del");
    }
}

static void append(struct store *store, uint64_t batch)
{
    MDB_txn *transaction;

    check(mdb_txn_begin(store->environment, NULL, 0, &transaction), "mdb_txn_begin");
    for (uint64_t i = 0; i < batch; i++, store->next++) {
        memcpy(store->record, &store->next, sizeof store->next);
        MDB_val key = {sizeof store->next, &store->next};
        MDB_val value = {store->size, store->record};
        check(mdb_put(transaction, store->table, &key, &value, MDB_APPEND), "mdb_put");
    }
    if (store->next - store->oldest >= WINDOW + STEP)
        drop_oldest(store, transaction);
    check(mdb_txn_commit(transaction), "mdb_txn_commit");
}

int main(int count, char **arguments)
{
    if (count != 5) {
        fputs("usage: lmdb_commit DIRECTORY BATCH SIZE SECONDS\n", stderr);
        return 2;
    }
    uint64_t batch = tool_number(arguments[2], "BATCH", 1, 100000);
    struct store store = {.size = tool_number(arguments[3], "SIZE", 8, 65536)};
    int64_t duration = (int64_t)tool_number(arguments[4], "SECONDS", 1, 60) * TOOL_SECOND;
    struct tool_latency *latency = tool_allocate(sizeof *latency);

    store.record = tool_allocate(store.size);
    memset(store.record, 'x', store.size);
    store_open(&store, arguments[1]);
    while (store.next < WINDOW)
        append(&store, STEP);

    int64_t start = tool_now();
    int64_t cpu = tool_cpu();
    int64_t now = start;
    uint64_t commits = 0;
    for (; now - start < duration; commits++) {
        int64_t begin = now;
        append(&store, batch);
        now = tool_now();
        tool_latency_add(latency, now - begin);
    }
    tool_report(commits, WINDOW / STEP + 1, commits * batch, now - start, tool_cpu() - cpu, latency, NULL);
    mdb_env_close(store.environment);
    return 0;
}
